/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/audit.h"

#include "lib/err.h"
#include "lib/log.h"

static const char STREAM[] = "audit";

struct line { /* one event in the making */
    struct buf payload, envelope, event;
};

static void pack_refusals(struct buf *out, const struct refusal_row *row)
{
    Core__RefusalsCounted m = CORE__REFUSALS_COUNTED__INIT;

    m.seat = row->seat;
    m.code = row->code;
    m.stream = row->stream;
    m.type = row->type;
    m.count = row->count;
    m.since = row->since;
    core__refusals_counted__pack(&m, buf_grow(out, core__refusals_counted__get_packed_size(&m)));
}

static void pack_expired(struct buf *out, const struct expiry *x)
{
    Core__PartExpired m = CORE__PART_EXPIRED__INIT;
    struct hash part = x->part;

    m.sha256 = (ProtobufCBinaryData){HASH_SIZE, part.bytes};
    m.position = x->kept.last;
    m.until = x->kept.until;
    core__part_expired__pack(&m, buf_grow(out, core__part_expired__get_packed_size(&m)));
}

static void pack_envelope(struct line *l, const struct audit *a, const char *type,
                          uint64_t seat_seq, struct hash *previous, int64_t now)
{
    Core__Envelope e = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    const struct seat *seat = registry_seat(a->registry, a->key->seat);
    uint8_t id[ID_SIZE];
    struct hash payload;

    id_v7(id, now);
    hash_sha256(&payload, slice_buf(&l->payload));
    handling.label = CORE__LABEL__LABEL_GREEN;
    e.log = a->log;
    e.stream = STREAM;
    e.id = (ProtobufCBinaryData){ID_SIZE, id};
    e.type = type;
    e.seat = seat->name;
    e.office = seat->office->name;
    e.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e.seat_seq = seat_seq;
    if (seat_seq > 1)
        e.previous = (ProtobufCBinaryData){HASH_SIZE, previous->bytes};
    e.kind = CORE__KIND__KIND_NEW;
    e.mode = a->exercise ? CORE__MODE__MODE_EXERCISE : CORE__MODE__MODE_ACTUAL;
    e.handling = &handling;
    e.created = now;
    e.payload_hash = (ProtobufCBinaryData){HASH_SIZE, payload.bytes};
    e.payload_size = (uint32_t)l->payload.size;
    core__envelope__pack(&e, buf_grow(&l->envelope, core__envelope__get_packed_size(&e)));
    hash_sha256(previous, slice_buf(&l->envelope));
}

static int sign(const struct audit *a, struct line lines[], size_t n)
{
    struct slice envelopes[AUDIT_LINES] = {0};
    struct buf events[AUDIT_LINES] = {0};

    for (size_t i = 0; i < n; i++)
        envelopes[i] = slice_buf(&lines[i].envelope);
    int rc = sign_events(a->key, envelopes, n, events);
    for (size_t i = 0; i < n; i++)
        lines[i].event = events[i];
    return rc;
}

static bool keep(struct arena *arena, const struct buf *b, ProtobufCBinaryData *out)
{
    out->len = b->size;
    out->data = arena_copy(arena, b->data, b->size);
    return out->data != NULL;
}

static void publish(const struct audit *a, const struct line lines[], size_t n)
{
    Core__SignedBytes bytes[AUDIT_LINES], *list[AUDIT_LINES];
    Core__Publish publish = CORE__PUBLISH__INIT;
    struct arena *arena = publish_arena(a->publishing);
    bool ok = true;

    for (size_t i = 0; i < n; i++) {
        list[i] = &bytes[i];
        core__signed_bytes__init(&bytes[i]);
        ok = ok && keep(arena, &lines[i].event, &bytes[i].event) &&
             keep(arena, &lines[i].payload, &bytes[i].payload);
    }
    publish.n_events = n;
    publish.events = list;
    if (ok)
        publish_own(a->publishing, registry_seat(a->registry, a->key->seat), &arena, &publish);
    else
        publish_arena_back(a->publishing, arena);
}

static void line_free(struct line *l)
{
    buf_free(&l->payload);
    buf_free(&l->envelope);
    buf_free(&l->event);
}

/* The lines whose payloads are packed, as one batch: false where it cannot be known what they
 * follow.
 */
static bool record(const struct audit *a, struct line lines[], size_t n, const char *type,
                   int64_t now)
{
    struct hash previous;
    uint64_t seat_seq;
    int rc = publish_stands(a->publishing, a->key->seat, STREAM, &seat_seq, &previous);

    if (rc)
        log_warn("broker.counts", "where the broker's seat stands cannot be read code=%s",
                 err_code(rc));
    for (size_t i = 0; rc == 0 && i < n; i++)
        pack_envelope(&lines[i], a, type, ++seat_seq, &previous, now);
    if (rc == 0)
        rc = sign(a, lines, n);
    if (rc == 0)
        publish(a, lines, n);
    for (size_t i = 0; i < n; i++)
        line_free(&lines[i]);
    return rc == 0;
}

void audit_refusals(const struct audit *a, struct refusals *r, int64_t now)
{
    struct line lines[AUDIT_LINES] = {0};

    for (size_t i = 0; i < r->n; i++)
        pack_refusals(&lines[i].payload, &r->rows[i]);
    if (r->n && record(a, lines, r->n, core__refusals_counted__descriptor.name, now))
        refusals_clear(r);
}

void audit_expired(const struct audit *a, const struct expiry list[], size_t n, int64_t now)
{
    struct line lines[AUDIT_LINES] = {0};

    for (size_t i = 0; i < n; i++)
        pack_expired(&lines[i].payload, &list[i]);
    if (n)
        record(a, lines, n, core__part_expired__descriptor.name, now);
}
