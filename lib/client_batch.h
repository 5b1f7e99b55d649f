/* SPDX-License-Identifier: Apache-2.0 */
/* client_batch.h - events that travel together, all or nothing, and lists of them
 *
 * What the caller states becomes envelopes in the batch's arena; what follows from the session and
 * from where the seat stands (log, seat, seat_seq ...) is filled in when it is signed.
 */
#pragma once

#include <zmq.h>

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/sign.h"

struct batch {
    struct batch *next;
    uint64_t ref;
    struct arena *arena; /* of envelopes and payloads */
    Core__Envelope *envelopes[BATCH_MOST];
    struct slice payloads[BATCH_MOST];
    size_t n, bytes;
    zmq_msg_t frame; /* packed Publish, shared with what is sent; empty = not signed */
    bool is_answer;  /* deterministic: signed again at most once */
    bool in_doubt;   /* sent and not answered: it may be recorded */
    bool halted;     /* refused while the broker took nothing */
    bool left;       /* by an earlier process */
    bool given;      /* signed by the caller: never again */
    unsigned tries, busy;
    uint64_t deadline; /* ms of the loop's clock; 0 = none */
    uint64_t kept;     /* number in the keep; 0 = none */
    size_t receipt;    /* number of the one that it is, from 1; 0 = none: see client_return.c */
    uint64_t replaces; /* number of the frame that was refused before; 0 = none */
    struct chancery_result result; /* once it is answered; in the arena */
    chancery_published *done;
    void *arg;
};

struct batches {
    struct batch *first, **end;
};

void batches_init(struct batches *l);
void batches_add(struct batches *l, struct batch *b);
void batches_take(struct batches *l, struct batch *b);
/* Puts all of `before` in front of `l`. */
void batches_prepend(struct batches *l, struct batches *before);

/* Batches that are over, for the next ones: their memory was touched already. */
struct spares {
    struct batch *first;
    size_t n;
};

struct batch *batch_new(struct spares *s, size_t n);
void batch_free(struct spares *s, struct batch *b);
void spares_free(struct spares *s);
bool batch_is_signed(struct batch *b);
void batch_unsign(struct batch *b);
struct slice batch_frame(struct batch *b); /* lent */
/* The frame of the events, which takes the batch's ref. */
void batch_pack(struct batch *b, const struct slice events[], const struct slice payloads[]);
bool batch_uses(const struct batch *b, const char *stream);
/* Keeps a copy of what is to be told. */
void batch_answer(struct batch *b, const struct chancery_result *result);
/* Of 1 to 64 events, copied: 0, ERR_BOUNDS or ERR_TEXT. */
int batch_make(struct batch **out, struct spares *s, const struct chancery_event events[],
               size_t n);
/* Of 1 to 64 events that are signed, copied and packed under that ref: 0, or what event_open finds.
 */
int batch_take(struct batch **out, struct spares *s, uint64_t ref,
               const struct chancery_signed events[], size_t n);
