/* SPDX-License-Identifier: Apache-2.0 */
/* records.h - lawful events for a journal, made in order: each seat's sequence and chain go on
 *
 * They are well-formed and carry a signature's shape, not a signature: the journal verifies none.
 */
#pragma once

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/journal.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/events.h"

enum { RECORDS_MOST = 4096, RECORDS_SEATS = 4, RECORDS_STREAMS = 4, RECORDS_PAYLOAD = 256 * 1024 };

struct records {
    struct journal_event events[RECORDS_MOST];
    struct buf bytes[RECORDS_MOST], payloads[RECORDS_MOST];
    struct hash part[RECORDS_MOST];
    struct journal_tail tails[RECORDS_SEATS][RECORDS_STREAMS];
    size_t n, taken;
};

static const char *const records_seats[RECORDS_SEATS] = {"qma-desk", "qmb-desk", "qmc-desk",
                                                         "qmd-desk"};
static const char *const records_streams[RECORDS_STREAMS] = {"embargo.in", "embargo.out", "un.feed",
                                                             "audit"};
static const char *const records_types[3] = {"chancery.core.v1.One", "chancery.core.v1.Two",
                                             "chancery.embargo.v1.Three"};

/* One more: seat, stream and type by number, a payload of `size` bytes, and with `part` a part. */
static inline struct journal_event *records_add(struct records *r, int seat, int stream, int type,
                                                size_t size, bool part)
{
    assert(r->n < RECORDS_MOST);
    size_t i = r->n++;
    struct journal_event *out = &r->events[i];
    struct journal_tail *tail = &r->tails[seat][stream];
    struct buf packed = {0};
    Core__Envelope e;
    Core__Handling handling;
    Core__SignedEvent event = CORE__SIGNED_EVENT__INIT;
    Core__PartRef ref = CORE__PART_REF__INIT, *refs[1] = {&ref};
    uint8_t zeros[SIGNATURE_SIZE] = {0}, id[ID_SIZE];

    memset(buf_grow(&r->payloads[i], size), (int)('a' + i % 26), size);
    events_envelope(&e, &handling, slice_buf(&r->payloads[i]));
    id_v7(id, INT64_C(1767225600000000) + (int64_t)i * 1000);
    memcpy(id + 6, "\x70\0\x80\0\0\0\0\0\0", 10); /* the same in every run */
    e.id.data = id;
    e.seat = records_seats[seat];
    e.stream = records_streams[stream];
    e.type = records_types[type];
    e.seat_seq = tail->seat_seq + 1;
    if (tail->seat_seq)
        e.previous = (ProtobufCBinaryData){HASH_SIZE, tail->envelope_hash.bytes};
    hash_sha256(&r->part[i], slice_of(&i, sizeof i));
    ref.sha256 = (ProtobufCBinaryData){HASH_SIZE, r->part[i].bytes};
    ref.size = sizeof i;
    ref.media_type = "application/octet-stream";
    ref.name = "part";
    e.n_parts = part;
    e.parts = refs;
    events_pack(&packed, &e.base);
    event.envelope = (ProtobufCBinaryData){packed.size, packed.data};
    event.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, zeros};
    event.salt = (ProtobufCBinaryData){SALT_SIZE, zeros};
    event.signature = (ProtobufCBinaryData){SIGNATURE_SIZE, zeros};
    event.tree_size = 1;
    events_pack(&r->bytes[i], &event.base);
    *out = (struct journal_event){
        .seat = e.seat,
        .stream = e.stream,
        .type = e.type,
        .seat_seq = e.seat_seq,
        .received = INT64_C(1767225600000000) + (int64_t)i,
        .event = slice_buf(&r->bytes[i]),
        .payload = slice_buf(&r->payloads[i]),
        .parts = &r->part[i],
        .n_parts = part,
    };
    memcpy(out->id, id, ID_SIZE);
    hash_sha256(&out->envelope_hash, slice_buf(&packed));
    journal_event_hash(out);
    *tail = (struct journal_tail){e.seat_seq, i + 1, out->envelope_hash};
    buf_free(&packed);
    return out;
}

/* `n` more of mixed seats, streams, types and sizes; every seventh has a part. */
static inline void records_mix(struct records *r, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        size_t i = r->n;
        records_add(r, (int)(i % RECORDS_SEATS), (int)(i / 2 % 3), (int)(i / 3 % 3),
                    i % 11 == 0 ? 5000 : 40 + i % 300, i % 7 == 0);
    }
}

/* Appends those that were made since the last time. */
static inline int records_append(struct records *r, struct journal *j)
{
    uint64_t first;
    int err = journal_append(j, r->events + r->taken, r->n - r->taken, &first);

    if (err == 0)
        r->taken = r->n;
    return err;
}

static inline void records_clear(struct records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        buf_free(&r->bytes[i]);
        buf_free(&r->payloads[i]);
    }
    memset(r, 0, sizeof *r);
}

/* A directory of the test's own, removed with all in it. */
static inline char *records_dir(void)
{
    char *dir = mem_str("/var/tmp/chancery-test.XXXXXX");

    assert(mkdtemp(dir));
    return dir;
}

static inline void records_dir_remove(char *dir)
{
    char *command = mem_printf("rm -rf '%s'", dir);

    assert(strncmp(dir, "/var/tmp/chancery-test.", 23) == 0 && system(command) == 0);
    mem_free(command);
    mem_free(dir);
}

/* The log in the directory, which must open. */
static inline struct journal *records_open(const char *dir, bool read_only)
{
    struct buf why = {0};
    struct journal *j;
    int err = journal_open(&j, dir, read_only, &why);

    if (err)
        fprintf(stderr, "%s: %s\n", err_code(err), buf_cstr(&why));
    assert(err == 0);
    buf_free(&why);
    return j;
}

/* A log with the first records of `r`, and open. */
static inline struct journal *records_create(const char *dir, struct records *r)
{
    assert(journal_create(dir, r->events, r->n) == 0);
    r->taken = r->n;
    return records_open(dir, false);
}
