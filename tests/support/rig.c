/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/types.h"

enum { ARENA = 64 * 1024 * 1024 };
static const int64_t START = INT64_C(1767225600000000); /* 2026-01-01T00:00:00Z */

struct entry { /* a record of the rig's log */
    struct item *item;
    bool own;
};

struct rig {
    const struct worker *worker;
    struct fold *fold;
    struct entry *log;
    size_t n, last_answers; /* answers to the last input: the last so many entries */
    struct answers answers;
    struct arena *arena; /* of what was lent last */
    struct buf trace, shown, dump;
};

struct rig *rig_new(const struct worker *w)
{
    struct rig *r = mem_new(sizeof *r);

    r->worker = w;
    r->fold = fold_new(w);
    r->arena = arena_new(ARENA);
    answers_init(&r->answers, ARENA, w->out);
    return r;
}

/* An item as it would come from the log: not signed, which nobody asks for behind the broker. */
static struct item *item_make(uint64_t position, const Core__Envelope *envelope,
                              struct slice payload)
{
    struct arena *arena = arena_new(ARENA);
    struct item *item = arena_take(arena, sizeof *item);
    size_t size = core__envelope__get_packed_size(envelope);
    uint8_t *bytes = mem_new(size);
    uint8_t *copy = arena_take(arena, payload.size + 1);

    core__envelope__pack(envelope, bytes);
    if (payload.size)
        memcpy(copy, payload.data, payload.size);
    *item = (struct item){
        .position = position,
        .received = START + (int64_t)position * 1000000,
        .envelope = core__envelope__unpack(arena_allocator(arena), size, bytes),
        .payload = slice_of(copy, payload.size),
        .arena = arena,
    };
    mem_free(bytes);
    assert_non_null(item->envelope);
    return item;
}

static struct item *log_add(struct rig *r, const Core__Envelope *envelope, struct slice payload,
                            bool own)
{
    struct item *item = item_make(r->n + 1, envelope, payload);

    r->log = mem_grow(r->log, (r->n + 1) * sizeof *r->log);
    r->log[r->n++] = (struct entry){item, own};
    return item;
}

static void trace_add(struct rig *r, const char *indent, const char *type, struct slice payload)
{
    char name[160];

    type_short(name, sizeof name, type);
    buf_printf(&r->trace, "%s%s", indent, name);
    if (strcmp(type, core__request_refused__descriptor.name) == 0) {
        Core__RequestRefused *refused =
            core__request_refused__unpack(NULL, payload.size, payload.data);
        assert_non_null(refused);
        buf_printf(&r->trace, " %s", refused->code);
        core__request_refused__free_unpacked(refused, NULL);
    }
    buf_add_byte(&r->trace, '\n');
}

static void record_answers(struct rig *r, const struct item *input)
{
    for (size_t i = 0; i < r->answers.n; i++) {
        const struct answer_event *e = &r->answers.events[i];
        Core__Envelope envelope = CORE__ENVELOPE__INIT;
        Core__Handling handling = CORE__HANDLING__INIT;
        uint8_t id[ID_SIZE];
        envelope.stream = e->stream;
        envelope.type = e->type->name;
        envelope.seat = r->worker->name;
        envelope.office = "QMA/services";
        envelope.mode = input->envelope->mode;
        envelope.cause = input->position;
        envelope.ordinal = (uint32_t)i;
        envelope.of = (uint32_t)r->answers.n;
        id_v8(id, envelope.cause, envelope.ordinal);
        envelope.id = (ProtobufCBinaryData){ID_SIZE, id};
        envelope.created = r->answers.received;
        handling.label = e->label ? (Core__Label)e->label : CORE__LABEL__LABEL_GREEN;
        envelope.handling = &handling;
        trace_add(r, "    ", e->type->name, e->payload);
        fold_own(r->fold, log_add(r, &envelope, e->payload, true));
    }
    r->last_answers = r->answers.n;
}

static struct item *log_input(struct rig *r, const char *stream, const char *seat,
                              const char *office, const ProtobufCMessage *message)
{
    Core__Envelope envelope = CORE__ENVELOPE__INIT;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *payload = mem_new(size);

    protobuf_c_message_pack(message, payload);
    envelope.stream = stream;
    envelope.type = message->descriptor->name;
    envelope.seat = seat;
    envelope.office = office;
    envelope.mode = CORE__MODE__MODE_EXERCISE;
    struct item *input = log_add(r, &envelope, slice_of(payload, size), false);
    mem_free(payload);
    r->last_answers = 0;
    return input;
}

uint64_t rig_input_by(struct rig *r, const char *stream, const char *seat, const char *office,
                      const ProtobufCMessage *message)
{
    struct item *input = log_input(r, stream, seat, office, message);

    if (!fold_answers(r->fold, stream, input->envelope->type)) {
        fold_input(r->fold, input, FOLD_APPLY, NULL);
        return input->position;
    }
    trace_add(r, "", input->envelope->type, input->payload);
    fold_input(r->fold, input, FOLD_DECIDE, &r->answers);
    record_answers(r, input);
    return input->position;
}

uint64_t rig_fatal(struct rig *r, const char *stream, const ProtobufCMessage *message)
{
    struct item *input = log_input(r, stream, "amina", "QMA/secretariat", message);

    trace_add(r, "", input->envelope->type, input->payload);
    fold_failed(r->fold, input, DEATHS_MOST, &r->answers);
    record_answers(r, input);
    return input->position;
}

uint64_t rig_input(struct rig *r, const char *stream, const ProtobufCMessage *message)
{
    return rig_input_by(r, stream, "amina", "QMA/secretariat", message);
}

const char *rig_trace(struct rig *r)
{
    buf_reset(&r->shown);
    buf_add(&r->shown, r->trace.data, r->trace.size);
    buf_reset(&r->trace);
    return buf_cstr(&r->shown);
}

size_t rig_answers(const struct rig *r)
{
    return r->last_answers;
}

static const struct item *answer_item(const struct rig *r, size_t i)
{
    assert_true(i < r->last_answers);
    return r->log[r->n - r->last_answers + i].item;
}

const char *rig_answer_type(const struct rig *r, size_t i)
{
    return answer_item(r, i)->envelope->type;
}

const void *rig_answer(struct rig *r, size_t i, const ProtobufCMessageDescriptor *type)
{
    const struct item *item = answer_item(r, i);

    assert_string_equal(item->envelope->type, type->name);
    arena_reset(r->arena);
    const void *body = protobuf_c_message_unpack(type, arena_allocator(r->arena),
                                                 item->payload.size, item->payload.data);
    assert_non_null(body);
    return body;
}

const void *rig_ask(struct rig *r, const ProtobufCMessage *question,
                    const ProtobufCMessageDescriptor *type)
{
    size_t size = protobuf_c_message_get_packed_size(question);
    uint8_t *payload = mem_new(size);

    protobuf_c_message_pack(question, payload);
    fold_question(r->fold, question->descriptor->name, slice_of(payload, size), &r->answers);
    mem_free(payload);
    assert_int_equal(r->answers.n, 1);
    assert_string_equal(r->answers.events[0].type->name, type->name);
    arena_reset(r->arena);
    struct slice bytes = r->answers.events[0].payload;
    const void *body =
        protobuf_c_message_unpack(type, arena_allocator(r->arena), bytes.size, bytes.data);
    assert_non_null(body);
    return body;
}

const void *rig_state(const struct rig *r)
{
    return fold_state(r->fold);
}

const char *rig_dump(struct rig *r)
{
    buf_reset(&r->dump);
    r->worker->dump(fold_state(r->fold), &r->dump);
    return buf_cstr(&r->dump);
}

/* ---- the log once more ---- */

static void same_answers(const struct answers *answers, const struct item *const *own, size_t n)
{
    assert_int_equal(answers->n, n);
    for (size_t i = 0; i < n; i++) {
        const char *field = answer_difference(answers, i, own[i]);
        if (field)
            fail_msg("%s decided otherwise: %s", own[i]->envelope->type, field);
    }
}

static struct merge *merge_of_log(struct rig *r, const struct fold *fold)
{
    struct merge *merge = merge_new();

    for (size_t i = 0; i < r->n; i++) {
        const struct item *item = r->log[i].item;
        struct item *copy = item_make(item->position, item->envelope, item->payload);
        bool answered = fold_answers(fold, item->envelope->stream, item->envelope->type);
        if (r->log[i].own)
            merge_own(merge, &copy);
        else
            merge_input(merge, &copy, answered);
    }
    return merge;
}

/* `again`: as a worker folds that finds its answers in the log, or deciding them once more. */
static void fold_again(struct rig *r, struct fold *fold, enum fold_mode again)
{
    struct merge *merge = merge_of_log(r, fold);
    const struct item *input, *const *own;
    size_t n;

    for (;;) {
        enum merge_state state = merge_peek(merge, &input, &own, &n);
        if (state == MERGE_NOTHING)
            break;
        assert_true(state == MERGE_PLAIN || state == MERGE_ANSWERED);
        bool decide = state == MERGE_ANSWERED && again == FOLD_DECIDE;
        if (fold_is_failed(own, n))
            fold_failed(fold, input, DEATHS_MOST, &r->answers);
        else
            fold_input(fold, input, decide ? FOLD_DECIDE : FOLD_APPLY, &r->answers);
        if (decide)
            same_answers(&r->answers, own, n);
        for (size_t i = 0; i < n; i++)
            fold_own(fold, own[i]);
        merge_pop(merge);
    }
    merge_free(merge);
}

static void folds_the_same(struct rig *r, enum fold_mode again)
{
    struct fold *fold = fold_new(r->worker);
    struct buf dump = {0};

    fold_again(r, fold, again);
    r->worker->dump(fold_state(fold), &dump);
    assert_string_equal(rig_dump(r), buf_cstr(&dump));
    fold_free(fold);
    buf_free(&dump);
}

void rig_free(struct rig *r)
{
    folds_the_same(r, FOLD_APPLY);
    folds_the_same(r, FOLD_DECIDE);
    fold_free(r->fold);
    for (size_t i = 0; i < r->n; i++)
        item_free(r->log[i].item);
    mem_free(r->log);
    arena_free(r->arena);
    answers_clear(&r->answers);
    buf_free(&r->trace);
    buf_free(&r->shown);
    buf_free(&r->dump);
    mem_free(r);
}
