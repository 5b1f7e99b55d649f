/* SPDX-License-Identifier: Apache-2.0 */
/* answers.h - the answers to one input: collected, then published as one deterministic sequence
 *
 * What answers the input at position p has cause p, ordinals 0 .. of-1, id UUIDv8(p, ordinal) and
 * created = receipt time of p, so that an answer made again is the same answer.  After a crash
 * those that the log already has are recognised by cause and ordinal and left out; the others
 * follow.  Used by the worker runtime and by adapters that answer requests.
 */
#pragma once

#include "lib/chancery.h"
#include "lib/envelope.h"

struct answer_event {
    char stream[65];
    const ProtobufCMessageDescriptor *type;
    struct slice payload; /* in the arena of the answers */
    int label;            /* Label; 0 = GREEN */
};

struct answers {
    struct arena *arena, *names; /* of the events; of the recipients */
    const char *out;             /* stream of answers that name none */
    uint64_t cause;
    int64_t received; /* of the cause */
    int mode, label;  /* Mode of the cause, and its Label: no answer has a lower one */
    struct chancery_recipient *recipients; /* of answers above GREEN */
    size_t n_recipients;
    struct answer_event *events; /* array of n, mem_ */
    size_t n, capacity;
};

void answers_init(struct answers *a, size_t arena_cap, const char *out);
/* Drops what was collected.  `envelope` is the cause's; NULL where there is none.  What answers an
 * input that names its recipients goes to the same ones and to the originator's office. */
void answers_begin(struct answers *a, uint64_t cause, int64_t received,
                   const Core__Envelope *envelope);
void answers_drop(struct answers *a); /* what was collected, to answer the same cause otherwise */
void answers_clear(struct answers *a);

/* Packs the message behind the others.  Asserts that it fits PAYLOAD_MOST: whoever answers splits.
 */
void answer(struct answers *a, const ProtobufCMessage *message);
void answer_to(struct answers *a, const char *stream, const ProtobufCMessage *message);
/* Puts the message before all others (RulesAdopted). */
void answer_first(struct answers *a, const ProtobufCMessage *message);
/* RequestRefused. */
void answer_refused(struct answers *a, const char *code, const char *field, const char *text);

struct item;
/* In what the recorded answer differs from the i-th (of those that there are): a field's name, or
 * NULL. */
const char *answer_difference(const struct answers *a, size_t i, const struct item *recorded);

/* Publishes ordinals from `first` on in batches of at most 64 events and 768 KiB, one after the
 * other.  `done` comes once: err 0 and the positions of ordinals first .. n-1, or the refusal
 * (nothing of it and behind it recorded). */
typedef void answers_published(void *arg, int err, const char *code, const char *text,
                               const uint64_t positions[], size_t n);
void answers_publish(struct answers *a, struct chancery *client, size_t first,
                     answers_published *done, void *arg);
