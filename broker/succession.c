/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/succession.h"

#include <stdio.h>

#include "broker/access.h"
#include "broker/registry_log.h"
#include "broker/signed.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

static const char STREAM[] = "registry";

struct founding {
    struct journal *journal;
    const struct succession *s;
    struct registry *registry;
    const struct seat *seat;
    uint64_t position; /* last one of the copy */
    struct hash root;
    struct buf payload, envelope, event;
    struct journal_event out;
    struct buf *why;
};

static int refuse(struct founding *f, int err, const char *text)
{
    buf_printf(f->why, "%s", text);
    return err;
}

/* ---- may it be founded? ---- */

static int read_registry(struct founding *f)
{
    uint64_t at;

    f->registry = registry_new();
    int rc = registry_log_fold(f->registry, f->journal, &at);
    if (rc == 0 && !registry_founded(f->registry))
        return refuse(f, ERR_REGISTRY, "the log has no founding record");
    if (rc)
        buf_printf(f->why,
                   "the registry cannot be read at position %llu; see `chancery log verify`",
                   (unsigned long long)at);
    return rc;
}

static int check_administrator(struct founding *f)
{
    const struct seat_key *own = f->s->administrator;
    uint8_t id[KEY_ID_SIZE];

    f->seat = registry_seat(f->registry, own->seat);
    key_id(id, own->sign_public);
    const struct key *key = registry_sign_key(f->registry, id);
    if (!f->seat || !key || key->seat != f->seat || key->revoked)
        return refuse(f, ERR_KEY_UNKNOWN, "the administrator's key is not registered in this copy");
    if (!access_allows(f->registry, f->seat, CORE__VERB__VERB_PUBLISH, STREAM,
                       core__log_succeeded__descriptor.name))
        return refuse(f, ERR_DENIED, "no access rule lets this seat publish to the registry");
    return 0;
}

/* ---- the event ---- */

static int make_payload(struct founding *f)
{
    Core__LogSucceeded m = CORE__LOG_SUCCEEDED__INIT;
    const struct succession *s = f->s;
    const char *field = "";
    char text[256] = "";

    m.log = s->key->name;
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, (uint8_t *)(uintptr_t)s->key->public_key};
    m.predecessor = registry_log(f->registry);
    m.position = f->position;
    m.root = (ProtobufCBinaryData){HASH_SIZE, f->root.bytes};
    m.lost = s->lost;
    m.checkpoint =
        (ProtobufCBinaryData){s->checkpoint.size, (uint8_t *)(uintptr_t)s->checkpoint.data};
    core__log_succeeded__pack(&m, buf_grow(&f->payload, core__log_succeeded__get_packed_size(&m)));
    const struct registry_event act = {f->seat->name, m.base.descriptor->name,
                                       slice_buf(&f->payload)};
    int rc = registry_check(f->registry, &act, &field, text);
    if (rc)
        buf_printf(f->why, "%s: %s", field, text);
    return rc;
}

static void make_envelope(struct founding *f, struct journal_tail *tail)
{
    Core__Envelope e = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    struct hash payload;

    hash_sha256(&payload, slice_buf(&f->payload));
    handling.label = CORE__LABEL__LABEL_GREEN;
    id_v7(f->out.id, f->s->now);
    e.log = f->s->key->name;
    e.stream = STREAM;
    e.id = (ProtobufCBinaryData){ID_SIZE, f->out.id};
    e.type = core__log_succeeded__descriptor.name;
    e.seat = f->seat->name;
    e.office = f->seat->office->name;
    e.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e.seat_seq = tail->seat_seq + 1;
    e.previous = (ProtobufCBinaryData){tail->seat_seq ? HASH_SIZE : 0, tail->envelope_hash.bytes};
    e.kind = CORE__KIND__KIND_NEW;
    e.mode = registry_founded(f->registry)->exercise ? CORE__MODE__MODE_EXERCISE
                                                     : CORE__MODE__MODE_ACTUAL;
    e.handling = &handling;
    e.created = f->s->now;
    e.payload_hash = (ProtobufCBinaryData){HASH_SIZE, payload.bytes};
    e.payload_size = (uint32_t)f->payload.size;
    core__envelope__pack(&e, buf_grow(&f->envelope, core__envelope__get_packed_size(&e)));
}

static int make_event(struct founding *f)
{
    struct journal_tail tail;
    int64_t last = journal_last_received(f->journal);
    int rc = journal_tail(f->journal, f->seat->name, STREAM, &tail);

    if (rc)
        return refuse(f, rc, "where the administrator stands in the registry cannot be read");
    make_envelope(f, &tail);
    struct slice envelope = slice_buf(&f->envelope);
    rc = sign_events(f->s->administrator, &envelope, 1, &f->event);
    if (rc)
        return refuse(f, rc, err_text(rc));
    hash_sha256(&f->out.envelope_hash, envelope);
    f->out.seat = f->seat->name;
    f->out.stream = STREAM;
    f->out.type = core__log_succeeded__descriptor.name;
    f->out.seat_seq = tail.seat_seq + 1;
    f->out.received = f->s->now > last ? f->s->now : last;
    f->out.event = slice_buf(&f->event);
    f->out.payload = slice_buf(&f->payload);
    journal_event_hash(&f->out);
    return 0;
}

/* ---- on disk ---- */

static int append(struct founding *f, const char *dir)
{
    uint64_t size;
    struct hash root;
    int rc = journal_append(f->journal, &f->out, 1, &size);

    if (rc)
        return refuse(f, rc, err_text(rc));
    journal_tree(f->journal, &size, &root);
    rc = signed_found(dir, f->s->key, size, &root);
    return rc ? refuse(f, rc, "the successor is founded, but its checkpoint cannot be written") : 0;
}

int succession_found(struct journal *j, const char *dir, const struct succession *s,
                     struct buf *why)
{
    struct founding f = {.journal = j, .s = s, .why = why};

    journal_tree(j, &f.position, &f.root);
    int rc = read_registry(&f);
    if (rc == 0)
        rc = check_administrator(&f);
    if (rc == 0)
        rc = make_payload(&f);
    if (rc == 0)
        rc = make_event(&f);
    if (rc == 0)
        rc = append(&f, dir);
    registry_free(f.registry);
    buf_free(&f.payload);
    buf_free(&f.envelope);
    buf_free(&f.event);
    return rc;
}

/* ---- afterwards ---- */

int succession_check(struct journal *j, uint64_t position, struct slice payload, char text[256])
{
    struct tree tree = {0};
    struct hash root;
    int rc = 0;
    char where[128];
    struct arena *arena = arena_new(FRAME_MOST);
    const Core__LogSucceeded *m = (const Core__LogSucceeded *)scan_unpack(
        &core__log_succeeded__descriptor, payload, arena, &rc, where);

    snprintf(text, 256, "it cannot be read");
    if (m && m->position + 1 != position) {
        snprintf(text, 256, "it says that position %llu comes before it",
                 (unsigned long long)m->position);
        rc = ERR_REGISTRY;
    } else if (m && (rc = tree_load(&tree, m->position, journal_stored_hash, j)) == 0) {
        tree_root(&tree, &root);
        rc = slice_equal(slice_of(root.bytes, HASH_SIZE), slice_of(m->root.data, m->root.len))
                 ? 0
                 : ERR_REGISTRY;
        snprintf(text, 256, "the root that it states is not that of the records before it");
    }
    arena_free(arena);
    return rc;
}
