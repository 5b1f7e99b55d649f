/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.h - envelopes: checked on their own, without registry and log; and ids */
#pragma once

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/mem.h"
#include "lib/slice.h"
#include "lib/tree.h"

enum {
    ID_SIZE = 16,
    ID_RANDOM = 8,
    PAYLOAD_MOST = 512 * 1024,
    ENVELOPE_MOST = 64 * 1024,
    FRAME_MOST = 1024 * 1024,
    PARTS_MOST = 64,
    EVENT_RECIPIENTS_MOST = 256,
    EVENT_REFERENCES_MOST = 64,
    QUESTION_MOST = 64 * 1024,
    ANSWER_MOST = 256 * 1024,
    CHUNK_MOST = 256 * 1024,
};
static const uint64_t PART_MOST = (uint64_t)1 << 30;

/* [A-Za-z0-9._-]{1,64} */
bool identifier_valid(const char *s);
/* identifier "/" identifier */
bool office_valid(const char *s);
/* identifier "@" version, the version from 1 without leading zeros */
bool group_valid(const char *s);
/* [a-z0-9.-]{1,64} */
bool stream_valid(const char *s);
/* [A-Za-z0-9._]{1,128} */
bool type_valid(const char *s);
/* [a-z0-9.-]{1,64}("/"[a-z0-9.-]{1,64})*, at most 128 */
bool log_name_valid(const char *s);
/* "TLP:AMBER+STRICT"; "TLP:?" of what is no label (TLP 2.0, section 4). */
const char *label_text(int label);
/* Exact, or a prefix followed by one '*'; "" matches nothing. */
bool pattern_match(const char *pattern, const char *s);

/* A signed event taken apart; everything lies in the arena or in the bytes it was made of. */
struct event {
    struct slice bytes;   /* the SignedEvent */
    struct slice payload; /* empty where none was given */
    const Core__SignedEvent *signed_event;
    const Core__Envelope *envelope;
    struct hash envelope_hash; /* SHA-256 of the envelope's bytes; zero from event_open_head */
};

/* Scans, unpacks and checks what can be checked without registry and log: bounds, identifiers,
 * enums stated, ids' form, ordinal < of, references well-formed, payload size and hash, shape of
 * signature, path and salt. 0 or a negative err; `where` becomes the field at fault. The signature
 * itself is not verified. */
int event_open(struct event *out, struct slice event, struct slice payload, struct arena *arena,
               char where[128]);
/* The same without payload and without hashing anything (a log read for its heads). */
int event_open_head(struct event *out, struct slice event, struct arena *arena, char where[128]);
/* What event_open_head left out, in memory of its own only: any thread.  `hashes` are those of the
 * texts that event_texts names; many events' are hashed in one go. */
enum { EVENT_PAYLOAD, EVENT_ENVELOPE, EVENT_TEXTS };
void event_texts(const struct event *e, struct slice payload, struct hash_text texts[EVENT_TEXTS]);
int event_add_payload(struct event *e, struct slice payload, const struct hash hashes[EVENT_TEXTS],
                      char where[128]);

/* RFC 9562 section 5.7: `now` microseconds UTC. Random bits from libsodium. */
void id_v7(uint8_t id[ID_SIZE], int64_t now);
/* The same with the caller's random bits, for who makes many and draws them at once. */
void id_v7_of(uint8_t id[ID_SIZE], int64_t now, const uint8_t random[ID_RANDOM]);
/* Microseconds of a UUIDv7 (whole milliseconds), or -1 where it is none. */
int64_t id_v7_time(const uint8_t id[ID_SIZE]);
/* RFC 9562 section 5.8: of a worker's answer. 48 bits of the cause's position, version 8, 12 bits
 * 0, variant, 30 bits 0, 32 bits of the ordinal: ids of one worker ascend. */
void id_v8(uint8_t id[ID_SIZE], uint64_t cause, uint32_t ordinal);
/* True when the id is that of cause and ordinal. */
bool id_v8_is(const uint8_t id[ID_SIZE], uint64_t cause, uint32_t ordinal);
/* 8-4-4-4-12 digits. */
void id_text(char out[37], const uint8_t id[ID_SIZE]);
bool id_parse(uint8_t id[ID_SIZE], const char *text);

/* Microseconds UTC by CLOCK_REALTIME. Not for workers. */
int64_t time_now(void);
/* "2026-02-27T00:00:09.554Z"; fractions only where there are some. `out` has 40 bytes. */
void time_text(char out[40], int64_t us);
/* RFC 3339, with offset; false where it is none. */
bool time_parse(int64_t *us, const char *text);
