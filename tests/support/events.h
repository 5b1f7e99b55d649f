/* SPDX-License-Identifier: Apache-2.0 */
/* events.h - a lawful envelope for tests to spoil, packed and signed */
#pragma once

#include "lib/envelope.h"
#include "lib/sign.h"

/* Fills `e` with a lawful envelope for `payload`: GREEN, NEW, ACTUAL, seat_seq 1, a UUIDv7 of its
 * own.  It points into static storage, as it does to `handling`, which is filled too. */
static inline void events_envelope(Core__Envelope *e, Core__Handling *handling,
                                   struct slice payload)
{
    static uint8_t id[ID_SIZE];
    static struct hash hash;

    core__handling__init(handling);
    handling->label = CORE__LABEL__LABEL_GREEN;
    id_v7(id, INT64_C(1767225600000000));
    hash_sha256(&hash, payload);
    core__envelope__init(e);
    e->log = "log.qma.example/main";
    e->stream = "embargo.in";
    e->id = (ProtobufCBinaryData){ID_SIZE, id};
    e->type = "chancery.embargo.v1.ConfirmSnapshot";
    e->seat = "qma-desk";
    e->office = "QMA/npc";
    e->evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e->seat_seq = 1;
    e->kind = CORE__KIND__KIND_NEW;
    e->mode = CORE__MODE__MODE_ACTUAL;
    e->handling = handling;
    e->created = INT64_C(1767225600000000);
    e->payload_hash = (ProtobufCBinaryData){HASH_SIZE, hash.bytes};
    e->payload_size = (uint32_t)payload.size;
}

static inline void events_pack(struct buf *out, const ProtobufCMessage *m)
{
    buf_reset(out);
    size_t size = protobuf_c_message_get_packed_size(m);
    protobuf_c_message_pack(m, buf_grow(out, size));
}

/* Packs and signs it with a key of its own. */
static inline void events_sign(struct buf *out, const Core__Envelope *e)
{
    struct buf bytes = {0};
    struct seat_key key;

    seat_key_make(&key, "qma-desk", "QMA/npc");
    events_pack(&bytes, &e->base);
    sign_events(&key, &(struct slice){bytes.data, bytes.size}, 1, out);
    seat_key_clear(&key);
    buf_free(&bytes);
}
