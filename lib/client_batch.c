/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/client_batch.h"

#include <sodium.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"
#include "lib/wire.h"

enum {
    EVENT_EXTRA =
        640, /* bytes around an envelope and payload: signature, salt, path, seat_seq ... */
    BATCH_ARENA = 5 * FRAME_MOST, /* its events in several forms, and the answer */
    SPARES_MOST = 16,
};

/* ---- lists ---- */

void batches_init(struct batches *l)
{
    l->first = NULL;
    l->end = &l->first;
}

void batches_add(struct batches *l, struct batch *b)
{
    b->next = NULL;
    *l->end = b;
    l->end = &b->next;
}

void batches_take(struct batches *l, struct batch *b)
{
    struct batch **at = &l->first;

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    if (l->end == &b->next)
        l->end = at;
    b->next = NULL;
}

void batches_prepend(struct batches *l, struct batches *before)
{
    if (!before->first)
        return;
    *before->end = l->first;
    if (!l->first)
        l->end = before->end;
    l->first = before->first;
    batches_init(before);
}

/* ---- a batch ---- */

struct batch *batch_new(struct spares *s, size_t n)
{
    struct batch *b = s->first;
    struct arena *arena = b ? b->arena : arena_new(BATCH_ARENA);

    if (b) {
        s->first = b->next;
        s->n--;
    } else {
        b = mem_new(sizeof *b);
    }
    *b = (struct batch){.arena = arena, .n = n};
    zmq_msg_init(&b->frame);
    return b;
}

void batch_free(struct spares *s, struct batch *b)
{
    zmq_msg_close(&b->frame);
    if (s->n == SPARES_MOST) {
        arena_free(b->arena);
        mem_free(b);
        return;
    }
    arena_reset(b->arena);
    b->next = s->first;
    s->first = b;
    s->n++;
}

void spares_free(struct spares *s)
{
    while (s->first) {
        struct batch *b = s->first;
        s->first = b->next;
        arena_free(b->arena);
        mem_free(b);
    }
    s->n = 0;
}

bool batch_is_signed(struct batch *b)
{
    return zmq_msg_size(&b->frame) > 0;
}

void batch_unsign(struct batch *b)
{
    zmq_msg_close(&b->frame);
    zmq_msg_init(&b->frame);
}

struct slice batch_frame(struct batch *b)
{
    return slice_of(zmq_msg_data(&b->frame), zmq_msg_size(&b->frame));
}

enum {
    TAG_REF = WIRE_TAG(1, WIRE_VARINT),
    TAG_PUBLISH = WIRE_TAG(20, WIRE_BYTES),
    TAG_EVENTS = WIRE_TAG(1, WIRE_BYTES),
    TAG_EVENT = WIRE_TAG(1, WIRE_BYTES),
    TAG_PAYLOAD = WIRE_TAG(2, WIRE_BYTES),
};

void batch_pack(struct batch *b, const struct slice events[], const struct slice payloads[])
{
    size_t sizes[BATCH_MOST] = {0}, all = 0;

    for (size_t i = 0; i < b->n; i++) {
        sizes[i] =
            wire_bytes_size(TAG_EVENT, events[i]) + wire_bytes_size(TAG_PAYLOAD, payloads[i]);
        all += 1 + wire_varint_size(sizes[i]) + sizes[i];
    }
    zmq_msg_close(&b->frame);
    zmq_msg_init_size(&b->frame, 1 + wire_varint_size(b->ref) + wire_varint_size(TAG_PUBLISH) +
                                     wire_varint_size(all) + all);
    uint8_t *at = zmq_msg_data(&b->frame);
    at = wire_number(at, TAG_REF, b->ref);
    at = wire_number(at, TAG_PUBLISH, all);
    for (size_t i = 0; i < b->n; i++) {
        at = wire_number(at, TAG_EVENTS, sizes[i]);
        at = wire_bytes(at, TAG_EVENT, events[i]);
        at = wire_bytes(at, TAG_PAYLOAD, payloads[i]);
    }
}

bool batch_uses(const struct batch *b, const char *stream)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->envelopes[i]->stream, stream) == 0)
            return true;
    return false;
}

static void *take(struct batch *b, const void *data, size_t size)
{
    return arena_copy(b->arena, data, size);
}

static const char *take_text(struct batch *b, const char *s)
{
    return s && s[0] ? take(b, s, strlen(s) + 1) : "";
}

static ProtobufCBinaryData take_bytes(struct batch *b, const void *data, size_t size)
{
    return (ProtobufCBinaryData){size, take(b, data, size)};
}

void batch_answer(struct batch *b, const struct chancery_result *result)
{
    struct chancery_result *r = &b->result;

    *r = *result;
    r->n = b->n;
    r->code = take_text(b, result->code);
    r->text = take_text(b, result->text);
    r->field = take_text(b, result->field);
    if (result->positions) {
        r->positions = take(b, result->positions, b->n * sizeof *r->positions);
        r->received = take(b, result->received, b->n * sizeof *r->received);
    }
}

/* ---- the caller's events ---- */

static bool text_fits(const char *s)
{
    return !s || scan_text(slice_str(s));
}

static int check_event(const struct chancery_event *e)
{
    const char *texts[] = {e->stream, e->type, e->case_id, e->language, e->marking, e->acting_for};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!text_fits(texts[i]))
            return ERR_TEXT;
    for (size_t i = 0; i < e->n_recipients; i++)
        if (!text_fits(e->recipients[i].name))
            return ERR_TEXT;
    for (size_t i = 0; i < e->n_parts; i++)
        if (!text_fits(e->parts[i].name) || !text_fits(e->parts[i].media_type))
            return ERR_TEXT;
    if (!e->stream || !stream_valid(e->stream) || !e->type || !type_valid(e->type) ||
        e->payload_size > PAYLOAD_MOST || e->n_parts > PARTS_MOST ||
        e->n_recipients > EVENT_RECIPIENTS_MOST || e->n_references > EVENT_REFERENCES_MOST)
        return ERR_BOUNDS;
    return 0;
}

static bool is_zero(const uint8_t id[ID_SIZE])
{
    static const uint8_t zero[ID_SIZE];

    return memcmp(id, zero, ID_SIZE) == 0;
}

static void fill_handling(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    Core__Handling *h = arena_take(b->arena, sizeof *h);

    core__handling__init(h);
    h->label = e->label ? (Core__Label)e->label : CORE__LABEL__LABEL_GREEN;
    h->personal_data = e->personal_data;
    h->n_recipients = e->n_recipients;
    h->recipients = arena_take(b->arena, e->n_recipients * sizeof *h->recipients);
    for (size_t i = 0; i < e->n_recipients; i++) {
        Core__Recipient *r = arena_take(b->arena, sizeof *r);
        core__recipient__init(r);
        r->kind = (Core__RecipientKind)e->recipients[i].kind;
        r->name = take_text(b, e->recipients[i].name);
        h->recipients[i] = r;
    }
    out->handling = h;
}

static void fill_parts(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    out->n_parts = e->n_parts;
    out->parts = arena_take(b->arena, e->n_parts * sizeof *out->parts);
    for (size_t i = 0; i < e->n_parts; i++) {
        Core__PartRef *p = arena_take(b->arena, sizeof *p);
        core__part_ref__init(p);
        p->sha256 = take_bytes(b, e->parts[i].sha256, HASH_SIZE);
        p->size = e->parts[i].size;
        p->media_type = take_text(b, e->parts[i].media_type);
        p->name = take_text(b, e->parts[i].name);
        p->sealed = e->parts[i].sealed;
        out->parts[i] = p;
    }
}

static Core__EventRef *event_ref(struct batch *b, uint64_t position)
{
    Core__EventRef *ref = arena_take(b->arena, sizeof *ref);

    core__event_ref__init(ref);
    ref->position = position;
    return ref;
}

static void fill_references(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    out->n_references = e->n_references;
    out->references = arena_take(b->arena, e->n_references * sizeof *out->references);
    for (size_t i = 0; i < e->n_references; i++)
        out->references[i] = event_ref(b, e->references[i]);
    for (size_t i = 0; e->reference_hashes && i < e->n_references; i++)
        out->references[i]->envelope_hash =
            take_bytes(b, e->reference_hashes + i * HASH_SIZE, HASH_SIZE);
    if (e->reply_to)
        out->in_reply_to = event_ref(b, e->reply_to);
}

static void fill_id(struct batch *b, Core__Envelope *out, const struct chancery_event *e,
                    const uint8_t random[ID_RANDOM])
{
    uint8_t id[ID_SIZE];
    int64_t now = time_now();

    memcpy(id, e->id, ID_SIZE);
    if (is_zero(id) && e->of)
        id_v8(id, e->cause, e->ordinal);
    else if (is_zero(id))
        id_v7_of(id, now, random);
    out->id = take_bytes(b, id, ID_SIZE);
    out->created = e->created ? e->created : now;
}

static void fill_payloads(struct batch *b, const struct chancery_event events[])
{
    struct hash *hashes = arena_take(b->arena, b->n * sizeof *hashes);
    struct hash_text texts[BATCH_MOST];

    for (size_t i = 0; i < b->n; i++) {
        const struct chancery_event *e = &events[i];
        b->payloads[i] = slice_of(take(b, e->payload, e->payload_size), e->payload_size);
        texts[i] = (struct hash_text){{b->payloads[i]}};
        b->envelopes[i]->payload_hash = (ProtobufCBinaryData){HASH_SIZE, hashes[i].bytes};
        b->envelopes[i]->payload_size = (uint32_t)e->payload_size;
    }
    hash_many(hashes, texts, b->n);
}

static void fill_event(struct batch *b, size_t i, const struct chancery_event *e,
                       const uint8_t random[ID_RANDOM])
{
    Core__Envelope *out = arena_take(b->arena, sizeof *out);

    core__envelope__init(out);
    b->envelopes[i] = out;
    out->stream = take_text(b, e->stream);
    out->type = take_text(b, e->type);
    out->acting_for = take_text(b, e->acting_for);
    out->case_id = take_text(b, e->case_id);
    out->language = take_text(b, e->language);
    out->marking = take_text(b, e->marking);
    out->evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    out->kind = e->kind ? (Core__Kind)e->kind : CORE__KIND__KIND_NEW;
    out->mode = (Core__Mode)e->mode;
    out->cause = e->cause;
    out->ordinal = e->ordinal;
    out->of = e->of;
    out->due = e->due;
    out->effective = e->effective;
    out->expires = e->expires;
    b->is_answer |= e->of != 0;
    fill_id(b, out, e, random);
    fill_handling(b, out, e);
    fill_parts(b, out, e);
    fill_references(b, out, e);
}

/* Before anything is copied: what the events are made of fits a frame. */
static int check_events(const struct chancery_event events[], size_t n)
{
    size_t bytes = 0;

    if (n < 1 || n > BATCH_MOST)
        return ERR_BOUNDS;
    for (size_t i = 0; i < n; i++) {
        int rc = check_event(&events[i]);
        if (rc)
            return rc;
        bytes += events[i].payload_size;
    }
    return bytes > FRAME_MOST ? ERR_BOUNDS : 0;
}

int batch_make(struct batch **out, struct spares *s, const struct chancery_event events[], size_t n)
{
    int rc = check_events(events, n);

    if (rc)
        return rc;
    struct batch *b = batch_new(s, n);
    uint8_t random[BATCH_MOST][ID_RANDOM];
    randombytes_buf(random, n * ID_RANDOM);
    for (size_t i = 0; i < n; i++)
        fill_event(b, i, &events[i], random[i]);
    fill_payloads(b, events);
    for (size_t i = 0; i < n; i++) {
        size_t size = core__envelope__get_packed_size(b->envelopes[i]);
        if (size > ENVELOPE_MOST - EVENT_EXTRA)
            rc = ERR_BOUNDS;
        b->bytes += size + events[i].payload_size + EVENT_EXTRA;
    }
    if (rc == 0 && b->bytes > FRAME_MOST)
        rc = ERR_BOUNDS;
    if (rc)
        batch_free(s, b);
    else
        *out = b;
    return rc;
}

/* ---- events that the caller signed ---- */

static int take_signed(struct batch *b, size_t i, const struct chancery_signed *e,
                       struct slice *bytes)
{
    struct event event;
    char where[128];

    if (e->event_size > FRAME_MOST || e->payload_size > FRAME_MOST - e->event_size)
        return ERR_BOUNDS;
    b->bytes += e->event_size + e->payload_size + EVENT_EXTRA;
    if (b->bytes > FRAME_MOST)
        return ERR_BOUNDS;
    *bytes = slice_of(take(b, e->event, e->event_size), e->event_size);
    b->payloads[i] = slice_of(take(b, e->payload, e->payload_size), e->payload_size);
    int rc = event_open(&event, *bytes, b->payloads[i], b->arena, where);
    Core__Envelope *own = rc == 0 ? arena_take(b->arena, sizeof *own) : NULL;
    if (!own)
        return rc ? rc : ERR_BOUNDS;
    *own = *event.envelope;
    b->envelopes[i] = own;
    return 0;
}

int batch_take(struct batch **out, struct spares *s, uint64_t ref,
               const struct chancery_signed events[], size_t n)
{
    struct slice bytes[BATCH_MOST] = {{0}};

    if (n < 1 || n > BATCH_MOST)
        return ERR_BOUNDS;
    struct batch *b = batch_new(s, n);
    int rc = 0;
    b->given = true;
    b->ref = ref;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = take_signed(b, i, &events[i], &bytes[i]);
    if (rc) {
        batch_free(s, b);
        return rc;
    }
    batch_pack(b, bytes, b->payloads);
    *out = b;
    return 0;
}
