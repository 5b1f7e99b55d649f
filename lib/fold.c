/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - the pure half of a worker's life: rows found by type, states folded, inputs decided */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/transcripts.pb-c.h"
#include "lib/scan.h"
#include "lib/worker.h"

enum { MESSAGE_ARENA = 16 * 1024 * 1024 };

struct failed { /* an input that was answered by WorkerFailed */
    struct item *input;
    struct failed *next;
};

struct fold {
    const struct worker *worker;
    void *state;
    uint32_t rules;
    struct arena *arena;
    struct failed *failed;
};

static struct item *item_copy(const struct item *item)
{
    /* the envelope is only read; a copy of its message is as good as its bytes */
    struct arena *arena = arena_new((size_t)64 * 1024 * 1024);
    struct item *copy = arena_take(arena, sizeof *copy);
    size_t size = core__envelope__get_packed_size(item->envelope);
    uint8_t *envelope = arena_take(arena, size);
    uint8_t *payload = arena_take(arena, item->payload.size + 1);

    core__envelope__pack(item->envelope, envelope);
    if (item->payload.size)
        memcpy(payload, item->payload.data, item->payload.size);
    *copy = (struct item){
        .position = item->position,
        .received = item->received,
        .envelope = core__envelope__unpack(arena_allocator(arena), size, envelope),
        .payload = slice_of(payload, item->payload.size),
        .arena = arena,
    };
    return copy;
}

struct fold *fold_new(const struct worker *w)
{
    struct fold *f = mem_new(sizeof *f);

    *f = (struct fold){.worker = w, .state = w->state_new(), .arena = arena_new(MESSAGE_ARENA)};
    return f;
}

void fold_free(struct fold *f)
{
    if (!f)
        return;
    while (f->failed) {
        struct failed *next = f->failed->next;
        item_free(f->failed->input);
        mem_free(f->failed);
        f->failed = next;
    }
    f->worker->state_free(f->state);
    arena_free(f->arena);
    mem_free(f);
}

const void *fold_state(const struct fold *f)
{
    return f->state;
}

uint32_t fold_rules(const struct fold *f)
{
    return f->rules;
}

static const struct worker_row *row_find(const struct worker *w, const char *type)
{
    for (const struct worker_row *row = w->rows; row->type; row++)
        if (strcmp(row->type->name, type) == 0)
            return row;
    return NULL;
}

static bool is_request_stream(const struct worker *w, const char *stream)
{
    size_t n = strlen(w->name);

    return strncmp(stream, w->name, n) == 0 && strcmp(stream + n, ".in") == 0;
}

bool fold_reads(const struct fold *f, const char *stream)
{
    for (const char *const *pattern = f->worker->reads; *pattern; pattern++)
        if (pattern_match(*pattern, stream))
            return true;
    return false;
}

bool fold_owns(const struct fold *f, const char *stream)
{
    return strcmp(stream, f->worker->out) == 0 ||
           (f->worker->wake && strcmp(stream, f->worker->wake) == 0);
}

/* An office's word about paper is no request: the worker that goes by it has a row for it. */
static bool is_word(const char *type)
{
    return strcmp(type, core__transcript_confirmed__descriptor.name) == 0 ||
           strcmp(type, core__transcript_disowned__descriptor.name) == 0;
}

bool fold_answers(const struct fold *f, const char *stream, const char *type)
{
    const struct worker_row *row = row_find(f->worker, type);

    return (row && row->decide) || (is_request_stream(f->worker, stream) && !is_word(type));
}

/* ---- inputs ---- */

static void adopt_rules(const struct fold *f, struct answers *out)
{
    Core__RulesAdopted adopted = CORE__RULES_ADOPTED__INIT;

    if (f->rules == f->worker->rules)
        return;
    adopted.version = f->worker->rules;
    answer_first(out, &adopted.base);
}

static void decide(const struct fold *f, const struct worker_row *row, const struct input *in,
                   const char *where, struct answers *out)
{
    char text[320];

    answers_begin(out, in->position, in->received, in->envelope);
    if (!row || !row->decide) {
        snprintf(text, sizeof text, "%s is no request of this service; see `chancery help`",
                 in->envelope->type);
        answer_refused(out, "type.unknown", "type", text);
    } else if (!in->body) {
        snprintf(text, sizeof text, "the payload is not a well-formed %s (%s)", row->type->name,
                 where);
        answer_refused(out, "bytes.malformed", where, text);
    } else {
        row->decide(f->state, in, out);
    }
    assert(out->n > 0); /* every request gets an answer */
    adopt_rules(f, out);
}

/* Folds and decides `item` as the input at `position`. */
static void fold_item(struct fold *f, const struct item *item, uint64_t position, int64_t received,
                      bool decided, struct answers *out)
{
    const struct worker_row *row = row_find(f->worker, item->envelope->type);
    char where[128] = "";
    int err = 0;

    struct input in = {
        .position = position,
        .received = received,
        .envelope = item->envelope,
        .type = row ? row->type : NULL,
        .payload = item->payload,
    };
    arena_reset(f->arena);
    if (row)
        in.body = scan_unpack(row->type, item->payload, f->arena, &err, where);
    if (in.body && row->apply)
        row->apply(f->state, &in);
    if (decided)
        decide(f, row, &in, where, out);
}

static struct failed *failed_find(const struct fold *f, uint64_t position)
{
    struct failed *failed = f->failed;

    while (failed && failed->input->position != position)
        failed = failed->next;
    return failed;
}

static void failed_add(struct fold *f, const struct item *input)
{
    struct failed *failed = mem_new(sizeof *failed);

    *failed = (struct failed){.input = item_copy(input), .next = f->failed};
    f->failed = failed;
}

static void failed_drop(struct fold *f, uint64_t position)
{
    for (struct failed **at = &f->failed; *at; at = &(*at)->next) {
        struct failed *failed = *at;
        if (failed->input->position == position) {
            *at = failed->next;
            item_free(failed->input);
            mem_free(failed);
            return;
        }
    }
}

static bool is_retry(const struct fold *f, const struct item *input)
{
    return strcmp(input->envelope->type, core__retry_input__descriptor.name) == 0 &&
           is_request_stream(f->worker, input->envelope->stream);
}

/* The input that a RetryInput asks for; NULL when none waits there. */
static const struct failed *retried(const struct fold *f, const struct item *request)
{
    struct arena *arena = arena_new(4096);
    char where[128];
    int err = 0;
    const Core__RetryInput *retry =
        (void *)scan_unpack(&core__retry_input__descriptor, request->payload, arena, &err, where);
    const struct failed *failed = retry ? failed_find(f, retry->input) : NULL;

    arena_free(arena);
    return failed;
}

static void fold_retry(struct fold *f, const struct item *request, enum fold_mode mode,
                       struct answers *out)
{
    const struct failed *failed = retried(f, request);

    if (failed) {
        struct item *input = item_copy(failed->input);
        failed_drop(f, input->position);
        fold_item(f, input, request->position, request->received, mode == FOLD_DECIDE, out);
        item_free(input);
    } else if (mode == FOLD_DECIDE) {
        answers_begin(out, request->position, request->received, request->envelope);
        answer_refused(out, "input.unknown", "input",
                       "no input at this position waits for a retry; see `chancery worker ls`");
        adopt_rules(f, out);
    }
}

void fold_input(struct fold *f, const struct item *input, enum fold_mode mode, struct answers *out)
{
    if (is_retry(f, input))
        fold_retry(f, input, mode, out);
    else
        fold_item(f, input, input->position, input->received, mode == FOLD_DECIDE, out);
}

static void answer_failed(const struct item *input, const struct item *cause, uint32_t deaths,
                          struct answers *out)
{
    Core__WorkerFailed failed = CORE__WORKER_FAILED__INIT;
    char text[256];

    snprintf(text, sizeof text,
             "this input ended the worker's process %" PRIu32 " times and is set aside; have the "
             "worker mended, then `chancery worker retry %" PRIu64 "`",
             deaths, input->position);
    failed.input = input->position;
    failed.type = input->envelope->type;
    failed.deaths = deaths;
    failed.text = text;
    answers_begin(out, cause->position, cause->received, cause->envelope);
    answer(out, &failed.base);
}

/* A retry is not kept: the input that it asked for stays where it was. */
void fold_failed(struct fold *f, const struct item *input, uint32_t deaths, struct answers *out)
{
    const struct failed *before = is_retry(f, input) ? retried(f, input) : NULL;

    if (out)
        answer_failed(before ? before->input : input, input, deaths, out);
    if (!is_retry(f, input))
        failed_add(f, input);
}

bool fold_is_failed(const struct item *const *own, size_t n)
{
    return n == 1 && strcmp(own[0]->envelope->type, core__worker_failed__descriptor.name) == 0;
}

uint64_t fold_failed_behind(const struct fold *f, uint64_t after)
{
    uint64_t first = 0;

    for (const struct failed *failed = f->failed; failed; failed = failed->next) {
        uint64_t position = failed->input->position;
        if (position > after && (!first || position < first))
            first = position;
    }
    return first;
}

void fold_own(struct fold *f, const struct item *own)
{
    const struct worker_row *row = row_find(f->worker, own->envelope->type);
    char where[128];
    int err = 0;

    arena_reset(f->arena);
    if (strcmp(own->envelope->type, core__rules_adopted__descriptor.name) == 0) {
        const Core__RulesAdopted *adopted = (void *)scan_unpack(
            &core__rules_adopted__descriptor, own->payload, f->arena, &err, where);
        f->rules = adopted ? adopted->version : f->rules;
        return;
    }
    struct input in = {
        .position = own->position,
        .received = own->received,
        .envelope = own->envelope,
        .type = row ? row->type : NULL,
        .payload = own->payload,
    };
    if (row && row->apply)
        in.body = scan_unpack(row->type, own->payload, f->arena, &err, where);
    if (in.body)
        row->apply(f->state, &in);
}

/* ---- questions ---- */

void fold_question(const struct fold *f, const char *type, struct slice payload,
                   struct answers *out)
{
    const struct worker_question *question = f->worker->questions;
    char where[128];
    int err = 0;

    answers_begin(out, 0, 0, NULL);
    while (question && question->type && strcmp(question->type->name, type) != 0)
        question++;
    if (!question || !question->type) {
        answer_refused(out, "type.unknown", "type", "this service does not answer such a question");
        return;
    }
    arena_reset(f->arena);
    const ProtobufCMessage *body = scan_unpack(question->type, payload, f->arena, &err, where);
    if (body)
        question->reply(f->state, body, out);
    else
        answer_refused(out, "bytes.malformed", where, "the question is not well-formed");
    assert(out->n == 1);
}
