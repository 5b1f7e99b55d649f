/* SPDX-License-Identifier: Apache-2.0 */
/* client.h - inside the client library: what its files share
 *
 * client.c keeps the session: socket, Hello, Ping, requests that are answered once.  The other
 * files keep what is under way and say it again when a session begins.  A `ref` is used once in the
 * life of a client, so an answer that comes late finds nothing.  Callbacks of the caller may close
 * anything: what is closed is freed only once the loop has come round.
 */
#pragma once

#include <uv.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/client_batch.h"
#include "lib/keep.h"
#include "lib/sign.h"
#include "lib/zsock.h"

struct request;

/* The answer, or NULL and `err`, with `refused` where the broker refused.  The request belongs to
 * the callee: request_free or request_start it. */
typedef void request_done(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                          const Core__Refused *refused);

struct request { /* first member of what is asked once and answered once */
    struct request *next, *before;
    uint64_t ref;
    zmq_msg_t frame;   /* packed, shared with what is sent */
    uint64_t deadline; /* of the loop's clock, ms; 0 = none */
    request_done *done;
};

struct tail { /* where this seat stands in a stream, what is signed and under way counted */
    struct tail *next;
    char stream[65];
    bool known, asked;
    uint64_t seat_seq;
    struct hash envelope_hash;
};

struct publishing {
    struct batches waiting;  /* not sent yet */
    struct batches flight;   /* sent, not answered */
    struct batches again;    /* refused because of others: signed and sent again */
    struct batches answered; /* to be told in the next turn */
    size_t flight_n, flight_bytes, bytes;
    struct spares spares;
    struct buf packed[BATCH_MOST], signed_events[BATCH_MOST]; /* while a batch is signed */
    bool draining;  /* an order was broken: nothing is sent until all in flight is answered */
    uint64_t pause; /* nothing is sent before, ms of the loop's clock; 0 = now */
    struct tail *tails;
    struct keep *keep;
    struct returning *returning; /* what a restored log lost goes first; NULL = nothing */
    size_t left;                 /* batches of an earlier process, not told yet */
    bool head_asked;             /* for a checkpoint */
};

struct ancestor { /* a log that the session's goes on from */
    char log[129];
    uint64_t position; /* last one taken over */
};

struct chancery {
    uv_loop_t *loop;
    uv_timer_t tick;
    uv_idle_t soon;
    int closings; /* handles and sockets that the loop still closes */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;

    char *endpoint, *log, *software;
    uint8_t server_key[KEY_SIZE];
    struct seat_key key;
    uint8_t delegation[CHANCERY_DELEGATION_MOST];
    size_t delegation_size; /* 0 = none */
    uint64_t give_up;       /* ms; 0 = never */
    bool patient;

    void *context;
    struct zsock *socket;
    struct arena *arena; /* of the frame that is being handled */
    struct outgoing *out, **out_end;
    uint64_t last_ref;

    uint8_t receipt_key[KEY_SIZE]; /* the broker signs with it what it recorded */

    bool welcome;   /* a session is on */
    bool told;      /* and the caller knows */
    uint64_t hello; /* ref of the last Hello */
    uint64_t hello_at, hello_wait;
    uint64_t ping_at;
    unsigned silent; /* ticks since a frame came */
    struct chancery_session session;
    char session_log[129], session_seat[65], session_office[130];
    struct ancestor *ancestors; /* oldest first */
    size_t n_ancestors;
    bool returning; /* the broker takes envelopes that were made for them */
    void (*on_session)(void *arg, const struct chancery_session *s);
    void *on_session_arg;
    void (*on_refusal)(void *arg, const char *code, const char *text);
    void *on_refusal_arg;

    struct request *requests, *requests_last;
    struct publishing publishing;
    struct chancery_reading *readings, *dead_readings;
    struct offer *offers;
    struct question *questions;
    uint64_t last_token;
    struct put *puts;
};

/* ---- the session ---- */

uint64_t client_ref(struct chancery *c);
/* Both do nothing while no session is on: whoever sends says it again in the next one. */
void client_send(struct chancery *c, const Core__Frame *frame);
void client_send_packed(struct chancery *c, zmq_msg_t *frame); /* which stays the caller's */
/* Room for more: nothing waits to be sent. */
bool client_idle(const struct chancery *c);
/* Tells the caller of the session, once nothing is left to be done before. */
void client_tell_session(struct chancery *c);
/* Lets the loop come round at once: what waits is handed over and sent then. */
void client_soon(struct chancery *c);

/* Asks, now and in each session until it is answered; sets frame->ref. */
void request_start(struct chancery *c, struct request *q, Core__Frame *frame);
void request_free(struct request *q);

/* ---- publishing ---- */

int publishing_open(struct chancery *c, const struct chancery_options *options, struct buf *why);
/* The tail of its stream is refused: so is the first batch, which asked for it. */
void publishing_no_tail(struct chancery *c, const char *stream, int err,
                        const Core__Refused *refused);
void publishing_resume(struct chancery *c);
void publishing_turn(struct chancery *c); /* sends what waits, as far as it may */
void publishing_tick(struct chancery *c);
bool publishing_recorded(struct chancery *c, const Core__Frame *f);
bool publishing_refused(struct chancery *c, const Core__Frame *f);
void publishing_close(struct chancery *c); /* all that is under way becomes unknown */
void flight_take(struct publishing *p, struct batch *b);
bool publishing_room(const struct publishing *p, size_t bytes); /* in the window */
void publishing_send(struct chancery *c, struct batch *b);
/* What earlier processes left, and what the log lost, is answered and told. */
bool publishing_settled(const struct chancery *c);
/* Asks for a checkpoint when receipts wait for one to be dropped. */
void checkpoint_tick(struct chancery *c);

/* Opens the keep; what it holds waits, first of all. */
int kept_open(struct chancery *c, const struct chancery_options *options, struct buf *why);

/* ---- what a restored log lost ---- */

void return_begin(struct chancery *c); /* with a session */
void return_turn(struct chancery *c);
void return_recorded(struct chancery *c, const struct batch *b);
void return_refused(struct chancery *c, const struct batch *b, const Core__Refused *r);
void return_close(struct chancery *c);

/* ---- signing ---- */

struct tail *tail_of(struct publishing *p, const char *stream);
/* True when the tails of all its streams are known; asks for those that are not. */
bool tails_known(struct chancery *c, const struct batch *b);
void tails_forget(struct publishing *p);
/* 0, or as sign_bytes: then it is as it was. */
int sign_batch(struct chancery *c, struct batch *b);

/* ---- readings ---- */

/* Reads on; who was further than what this log has in common with the last session's is ended. */
void readings_resume(struct chancery *c, uint64_t common, bool same_log);
void readings_turn(struct chancery *c); /* hands over what was held */
void readings_deliver(struct chancery *c, const Core__Frame *f);
void readings_caught_up(struct chancery *c, const Core__Frame *f);
bool readings_refused(struct chancery *c, const Core__Frame *f);
void readings_close(struct chancery *c);

/* ---- questions ---- */

void asking_resume(struct chancery *c);
void asking_question(struct chancery *c, const Core__Frame *f);
void asking_offered(struct chancery *c, const Core__Frame *f);
bool asking_refused(struct chancery *c, const Core__Frame *f);
void asking_close(struct chancery *c);

/* ---- parts ---- */

void parts_resume(struct chancery *c);
void parts_turn(struct chancery *c);
bool parts_pong(struct chancery *c, const Core__Frame *f);
bool parts_stored(struct chancery *c, const Core__Frame *f);
bool parts_refused(struct chancery *c, const Core__Frame *f);
void parts_close(struct chancery *c);
