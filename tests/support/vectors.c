/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.c - fixed keys, salts and envelopes, and everything that follows from them */
#include "tests/support/vectors.h"

#include <sodium.h>
#include <stdlib.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/delegation.h"
#include "lib/envelope.h"
#include "lib/json.h"
#include "lib/note.h"
#include "lib/sign.h"

enum { VECTORS = 3 };

struct vectors {
    struct seat_key seat, log;
    const char *payloads[VECTORS];
    uint8_t ids[VECTORS][ID_SIZE], salts[VECTORS][SALT_SIZE];
    struct buf envelopes[VECTORS], events[VECTORS], alone; /* `alone`: the first, a batch of one */
};

static void vectors_key(struct seat_key *key, const char *seat, const char *office, uint8_t fill)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    *key = (struct seat_key){0};
    memcpy(key->seat, seat, strlen(seat));
    memcpy(key->office, office, strlen(office));
    memset(key->sign_seed, fill, KEY_SIZE);
    crypto_sign_seed_keypair(key->sign_public, secret, key->sign_seed);
}

/* The i-th of three envelopes of one seat in one stream; the third has every field. */
static void vectors_envelope(struct vectors *v, size_t i)
{
    Core__Envelope e = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    Core__Recipient office = CORE__RECIPIENT__INIT, group = CORE__RECIPIENT__INIT;
    Core__Recipient *to[] = {&office}, *release[] = {&group};
    Core__EventRef ref = CORE__EVENT_REF__INIT, *refs[] = {&ref};
    Core__PartRef part = CORE__PART_REF__INIT, *parts[] = {&part};
    Core__HandlingCode codes[] = {CORE__HANDLING_CODE__HANDLING_CODE_H1};
    struct hash payload_hash, previous = {{0}}, part_hash;
    const int64_t created = INT64_C(1772150409554000) + (int64_t)i * 1000;

    hash_sha256(&payload_hash, slice_str(v->payloads[i]));
    hash_sha256(&part_hash, slice_str("part"));
    if (i > 0)
        hash_sha256(&previous, slice_buf(&v->envelopes[i - 1]));
    id_v7(v->ids[i], created);
    memset(v->ids[i] + 8, 0x80 + (int)i, 8);
    memset(v->salts[i], 0x50 + (int)i, SALT_SIZE);
    handling.label = CORE__LABEL__LABEL_GREEN;
    e.log = "log.qma.example/main";
    e.stream = "sanctions.in";
    e.id = (ProtobufCBinaryData){ID_SIZE, v->ids[i]};
    e.type = "chancery.sanctions.v1.ImportList";
    e.seat = v->seat.seat;
    e.office = v->seat.office;
    e.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e.seat_seq = i + 1;
    e.previous = (ProtobufCBinaryData){i > 0 ? HASH_SIZE : 0, previous.bytes};
    e.kind = CORE__KIND__KIND_NEW;
    e.mode = CORE__MODE__MODE_EXERCISE;
    e.handling = &handling;
    e.created = created;
    e.payload_hash = (ProtobufCBinaryData){HASH_SIZE, payload_hash.bytes};
    e.payload_size = (uint32_t)strlen(v->payloads[i]);
    if (i == 2) {
        office.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE;
        office.name = "QMB/npc";
        group.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP;
        group.name = "everybody@3";
        ref.position = 41;
        ref.envelope_hash = (ProtobufCBinaryData){HASH_SIZE, previous.bytes};
        ref.log = "log.qmb.example";
        part.sha256 = (ProtobufCBinaryData){HASH_SIZE, part_hash.bytes};
        part.size = 4;
        part.media_type = "application/xml";
        part.name = "list.xml";
        part.sealed = 1;
        handling.label = CORE__LABEL__LABEL_AMBER_STRICT;
        handling.recipients = to;
        handling.n_recipients = 1;
        handling.release_to = release;
        handling.n_release_to = 1;
        handling.codes = codes;
        handling.n_codes = 1;
        handling.source_evaluation = CORE__SOURCE_EVALUATION__SOURCE_EVALUATION_B;
        handling.information_evaluation = CORE__INFORMATION_EVALUATION__INFORMATION_EVALUATION_2;
        handling.no_forward = 1;
        handling.retain_until = created + 1;
        handling.personal_data = 1;
        e.kind = CORE__KIND__KIND_UPDATE;
        e.acting_for = "QMC/mission";
        e.case_id = "case-7";
        e.references = refs;
        e.n_references = 1;
        e.in_reply_to = &ref;
        e.marking = "R\xc3\xa9serv\xc3\xa9";
        e.due = created + 2;
        e.effective = created + 3;
        e.expires = created + 4;
        e.language = "fr";
        e.parts = parts;
        e.n_parts = 1;
    }
    size_t size = core__envelope__get_packed_size(&e);
    core__envelope__pack(&e, buf_grow(&v->envelopes[i], size));
}

static void vectors_make(struct vectors *v)
{
    struct slice envelopes[VECTORS];

    *v = (struct vectors){.payloads = {"first", "second", "third"}};
    vectors_key(&v->seat, "qma-desk", "QMA/npc", 0x11);
    vectors_key(&v->log, "log", "QMA/log", 0x22);
    for (size_t i = 0; i < VECTORS; i++) {
        vectors_envelope(v, i);
        envelopes[i] = slice_buf(&v->envelopes[i]);
    }
    sign_events_salted(&v->seat, envelopes, v->salts, VECTORS, v->events);
    sign_events_salted(&v->seat, envelopes, v->salts, 1, &v->alone);
}

static void vectors_free(struct vectors *v)
{
    for (size_t i = 0; i < VECTORS; i++) {
        buf_free(&v->envelopes[i]);
        buf_free(&v->events[i]);
    }
    buf_free(&v->alone);
}

static json_t *hex(const void *data, size_t size)
{
    char *text = mem_new(2 * size + 1);

    hex_encode(text, data, size);
    json_t *value = json_string(text);
    mem_free(text);
    return value;
}

static json_t *hex_of(struct slice s)
{
    return hex(s.data, s.size);
}

static json_t *key_value(const struct seat_key *key)
{
    uint8_t id[KEY_ID_SIZE];

    key_id(id, key->sign_public);
    return json_pack("{s:s, s:s, s:o, s:o, s:o}", "seat", key->seat, "office", key->office, "seed",
                     hex(key->sign_seed, KEY_SIZE), "public_key", hex(key->sign_public, KEY_SIZE),
                     "key_id", hex(id, sizeof id));
}

static json_t *batch_value(const struct vectors *v)
{
    struct hash leaves[VECTORS], paths[VECTORS][6], root;
    size_t lengths[VECTORS];
    json_t *events = json_array();

    for (size_t i = 0; i < VECTORS; i++) {
        struct hash_text leaf =
            tree_batch_leaf(slice_of(v->salts[i], SALT_SIZE), slice_buf(&v->envelopes[i]));
        hash_text(&leaves[i], &leaf);
    }
    tree_small(leaves, VECTORS, &root, paths, lengths);
    for (size_t i = 0; i < VECTORS; i++) {
        Core__Envelope *e =
            core__envelope__unpack(NULL, v->envelopes[i].size, v->envelopes[i].data);
        json_t *path = json_array();
        struct hash hash;
        for (size_t k = 0; k < lengths[i]; k++)
            json_array_append_new(path, hex(paths[i][k].bytes, HASH_SIZE));
        hash_sha256(&hash, slice_buf(&v->envelopes[i]));
        json_array_append_new(
            events,
            json_pack("{s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:o}", "fields",
                      json_of_message(&e->base), "envelope", hex_of(slice_buf(&v->envelopes[i])),
                      "payload", v->payloads[i], "envelope_hash", hex(hash.bytes, HASH_SIZE),
                      "salt", hex(v->salts[i], SALT_SIZE), "leaf", hex(leaves[i].bytes, HASH_SIZE),
                      "path", path, "event", hex_of(slice_buf(&v->events[i]))));
        core__envelope__free_unpacked(e, NULL);
    }
    return json_pack("{s:o, s:o}", "root", hex(root.bytes, HASH_SIZE), "events", events);
}

/* The three events as positions 1 to 3 of a log, and its checkpoint. */
static json_t *log_value(const struct vectors *v)
{
    struct tree tree = {0};
    struct checkpoint c = {.origin = "log.qma.example/main", .size = VECTORS};
    struct buf vkey = {0}, note = {0};
    json_t *leaves = json_array();

    for (size_t i = 0; i < VECTORS; i++) {
        struct hash event, leaf;
        const int64_t received = INT64_C(1772150410000000) + (int64_t)i;
        hash_sha256(&event, slice_buf(&v->events[i]));
        tree_log_leaf(&leaf, i + 1, received, &event);
        tree_append(&tree, &leaf, NULL);
        json_array_append_new(leaves, json_pack("{s:I, s:I, s:o}", "position", (json_int_t)i + 1,
                                                "received", (json_int_t)received, "leaf",
                                                hex(leaf.bytes, HASH_SIZE)));
    }
    tree_root(&tree, &c.root);
    note_vkey(&vkey, c.origin, v->log.sign_public);
    const struct sign_key by = seat_key_signs(&v->log);
    checkpoint_sign(&note, &c, &by);
    json_t *value =
        json_pack("{s:o, s:o, s:s, s:s}", "leaves", leaves, "root", hex(c.root.bytes, HASH_SIZE),
                  "vkey", buf_cstr(&vkey), "checkpoint", buf_cstr(&note));
    buf_free(&vkey);
    buf_free(&note);
    return value;
}

static json_t *answer_id_value(uint64_t cause, uint32_t ordinal)
{
    uint8_t id[ID_SIZE];
    char text[37];

    id_v8(id, cause, ordinal);
    id_text(text, id);
    return json_pack("{s:I, s:I, s:s}", "cause", (json_int_t)cause, "ordinal", (json_int_t)ordinal,
                     "id", text);
}

/* What the seat lets a gateway do, signed. */
static json_t *delegation_value(const struct vectors *v)
{
    struct delegation says = {.log = "log.qma.example/main",
                              .verbs = 1u << CORE__VERB__VERB_READ | 1u << CORE__VERB__VERB_ASK,
                              .issued = INT64_C(1772150409554000),
                              .expires = INT64_C(1772150409554000) + DELEGATION_LIFE};
    struct delegation_shown shown;
    struct buf bytes = {0};
    char where[128];

    memcpy(says.seat, v->seat.seat, sizeof says.seat);
    memset(says.gateway, 0x33, KEY_SIZE);
    delegation_sign(&says, &v->seat, &bytes);
    if (delegation_read(&shown, slice_buf(&bytes), where) != 0)
        abort();
    Core__Delegation *m = core__delegation__unpack(NULL, shown.size, shown.text);
    json_t *value = json_pack("{s:o, s:o, s:o}", "fields", json_of_message(&m->base), "text",
                              hex(shown.text, shown.size), "signed", hex_of(slice_buf(&bytes)));
    core__delegation__free_unpacked(m, NULL);
    buf_free(&bytes);
    return value;
}

void vectors_text(struct buf *out)
{
    struct vectors v;

    vectors_make(&v);
    json_t *all =
        json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:[o, o], s:o}", "about",
                  "Examples, byte for byte: binary values in hexadecimal, fields as proto3 JSON. "
                  "The keys are known to all: never use them.",
                  "seat_key", key_value(&v.seat), "log_key", key_value(&v.log), "batch",
                  batch_value(&v), "alone", hex_of(slice_buf(&v.alone)), "log", log_value(&v),
                  "answer_ids", answer_id_value(1, 0), answer_id_value(0x0123456789ab, 0xcdef0123),
                  "delegation", delegation_value(&v));
    char *text = json_dumps(all, JSON_INDENT(2));
    buf_printf(out, "%s\n", text);
    free(text);
    json_decref(all);
    vectors_free(&v);
}
