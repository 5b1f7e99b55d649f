/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/answers.h"

#include <assert.h>
#include <stdio.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/err.h"
#include "lib/merge.h"

enum { BATCH_EVENTS = 64, BATCH_BYTES = 768 * 1024, NAMES_ARENA = 256 * 1024 };

/* ---- collecting ---- */

void answers_init(struct answers *a, size_t arena_cap, const char *out)
{
    *a = (struct answers){
        .arena = arena_new(arena_cap), .names = arena_new(NAMES_ARENA), .out = out};
}

static void recipients_add(struct answers *a, Core__Recipient *const list[], size_t n)
{
    for (size_t i = 0; i < n && a->n_recipients < EVENT_RECIPIENTS_MOST; i++)
        a->recipients[a->n_recipients++] = (struct chancery_recipient){
            .kind = (int)list[i]->kind,
            .name = arena_text(a->names, list[i]->name, strlen(list[i]->name)),
        };
}

/* Who asked hears the answer, whoever else there is room for. */
static void restrict_as(struct answers *a, const Core__Envelope *envelope)
{
    const Core__Handling *h = envelope->handling;
    Core__Recipient origin = CORE__RECIPIENT__INIT, *first = &origin;

    a->label = (int)h->label;
    if (a->label <= CORE__LABEL__LABEL_GREEN)
        return;
    a->recipients = arena_take(a->names, EVENT_RECIPIENTS_MOST * sizeof *a->recipients);
    origin.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE;
    origin.name = envelope->office;
    recipients_add(a, &first, 1);
    recipients_add(a, h->recipients, h->n_recipients);
    recipients_add(a, h->release_to, h->n_release_to);
}

void answers_drop(struct answers *a)
{
    arena_reset(a->arena);
    a->n = 0;
}

void answers_begin(struct answers *a, uint64_t cause, int64_t received,
                   const Core__Envelope *envelope)
{
    answers_drop(a);
    arena_reset(a->names);
    a->n_recipients = 0;
    a->cause = cause;
    a->received = received;
    a->mode = envelope ? (int)envelope->mode : 0;
    a->label = 0;
    if (envelope && envelope->handling)
        restrict_as(a, envelope);
}

void answers_clear(struct answers *a)
{
    arena_free(a->arena);
    arena_free(a->names);
    mem_free(a->events);
    *a = (struct answers){0};
}

static void event_put(struct answers *a, size_t at, const char *stream,
                      const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_take(a->arena, size ? size : 1);

    assert(bytes && size <= PAYLOAD_MOST && strlen(stream) < sizeof a->events->stream);
    protobuf_c_message_pack(message, bytes);
    if (a->n == a->capacity) {
        a->capacity = a->capacity ? 2 * a->capacity : 64;
        a->events = mem_grow(a->events, a->capacity * sizeof *a->events);
    }
    memmove(a->events + at + 1, a->events + at, (a->n - at) * sizeof *a->events);
    a->n++;
    a->events[at] =
        (struct answer_event){.type = message->descriptor, .payload = slice_of(bytes, size)};
    snprintf(a->events[at].stream, sizeof a->events->stream, "%s", stream);
}

void answer(struct answers *a, const ProtobufCMessage *message)
{
    event_put(a, a->n, a->out, message);
}

void answer_to(struct answers *a, const char *stream, const ProtobufCMessage *message)
{
    event_put(a, a->n, stream, message);
}

void answer_first(struct answers *a, const ProtobufCMessage *message)
{
    event_put(a, 0, a->out, message);
}

void answer_refused(struct answers *a, const char *code, const char *field, const char *text)
{
    Core__RequestRefused refused = CORE__REQUEST_REFUSED__INIT;

    refused.code = code;
    refused.field = field;
    refused.text = text;
    answer(a, &refused.base);
}

/* ---- comparing ---- */

static int label_of(const struct answers *a, const struct answer_event *e)
{
    int own = e->label ? e->label : CORE__LABEL__LABEL_GREEN;

    return own > a->label ? own : a->label;
}

const char *answer_difference(const struct answers *a, size_t i, const struct item *recorded)
{
    const struct answer_event *e = &a->events[i];
    const Core__Envelope *envelope = recorded->envelope;
    int label = envelope->handling ? (int)envelope->handling->label : 0;
    size_t named = envelope->handling ? envelope->handling->n_recipients : 0;
    const struct {
        const char *field;
        bool same;
    } checks[] = {
        {"type", strcmp(e->type->name, envelope->type) == 0},
        {"stream", strcmp(e->stream, envelope->stream) == 0},
        {"cause", envelope->cause == a->cause},
        {"ordinal", envelope->ordinal == i},
        {"of", envelope->of == a->n},
        {"id", id_v8_is(envelope->id.data, envelope->cause, envelope->ordinal)},
        {"created", envelope->created == a->received},
        {"mode", (int)envelope->mode == a->mode},
        {"handling", label == label_of(a, e) && named == a->n_recipients},
        {"payload", slice_equal(e->payload, recorded->payload)},
    };

    for (size_t k = 0; k < sizeof checks / sizeof *checks; k++)
        if (!checks[k].same)
            return checks[k].field;
    return NULL;
}

/* ---- publishing ---- */

struct publishing { /* one sequence, a batch at a time */
    const struct answers *answers;
    struct chancery *client;
    size_t first, done_to, batch;
    uint64_t *positions;
    answers_published *done;
    void *arg;
};

static void publishing_end(struct publishing *p, int err, const char *code, const char *text)
{
    p->done(p->arg, err, code, text, p->positions, p->done_to - p->first);
    mem_free(p->positions);
    mem_free(p);
}

static struct chancery_event event_of(const struct answers *a, size_t i)
{
    const struct answer_event *e = &a->events[i];
    struct chancery_event event = {
        .stream = e->stream,
        .type = e->type->name,
        .payload = e->payload.data,
        .payload_size = e->payload.size,
        .mode = a->mode,
        .label = label_of(a, e),
        .recipients = a->recipients,
        .n_recipients = a->n_recipients,
        .cause = a->cause,
        .ordinal = (uint32_t)i,
        .of = (uint32_t)a->n,
        .created = a->received,
    };
    id_v8(event.id, a->cause, event.ordinal);
    return event;
}

static void batch_publish(struct publishing *p);

static void batch_done(void *arg, const struct chancery_result *result)
{
    struct publishing *p = arg;

    if (result->outcome != CHANCERY_RECORDED) {
        bool refused = result->outcome == CHANCERY_REFUSED;
        publishing_end(p, refused ? err_of_code(result->code) : ERR_UNKNOWN, result->code,
                       result->text);
        return;
    }
    memcpy(p->positions + (p->done_to - p->first), result->positions,
           result->n * sizeof *p->positions);
    p->done_to += p->batch;
    if (p->done_to == p->answers->n)
        publishing_end(p, 0, NULL, NULL);
    else
        batch_publish(p);
}

static void batch_publish(struct publishing *p)
{
    struct chancery_event events[BATCH_EVENTS];
    size_t bytes = 0;

    for (p->batch = 0; p->batch < BATCH_EVENTS && p->done_to + p->batch < p->answers->n;
         p->batch++) {
        bytes += p->answers->events[p->done_to + p->batch].payload.size + 1024;
        if (p->batch && bytes > BATCH_BYTES)
            break;
        events[p->batch] = event_of(p->answers, p->done_to + p->batch);
    }
    /* one batch under way, each within the bounds: there is nothing to refuse at once */
    int rc = chancery_publish(p->client, events, p->batch, batch_done, p);
    assert(rc == 0);
    (void)rc;
}

void answers_publish(struct answers *a, struct chancery *client, size_t first,
                     answers_published *done, void *arg)
{
    struct publishing *p = mem_new(sizeof *p);

    assert(first < a->n);
    *p = (struct publishing){.answers = a,
                             .client = client,
                             .first = first,
                             .done_to = first,
                             .positions = mem_new((a->n - first) * sizeof(uint64_t)),
                             .done = done,
                             .arg = arg};
    batch_publish(p);
}
