/* SPDX-License-Identifier: Apache-2.0 */
/* peer.h - the other side of a client in a test: it speaks frames and misbehaves on purpose
 *
 * It answers Hello, Ping and GetTail and keeps every other frame, which the test answers or not.
 * Client and peer share one loop; nothing takes longer than half a minute.
 */
#pragma once

#include <uv.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/chancery.h"
#include "lib/receipts.h"
#include "lib/sign.h"
#include "lib/zsock.h"
#include "tests/support/test.h"

enum { FRAMES = 4096, RESULTS = 256, LIMIT = 30000 /* ms */ };

struct peer { /* the other side, and what it has seen */
    uv_loop_t loop;
    uv_timer_t limit;
    bool late;
    char dir[64];
    void *context;
    struct zsock *router;
    uint8_t id[64];
    size_t id_size;
    char public_key[65];
    struct chancery *client;
    bool client_closed;

    Core__Frame *frames[FRAMES]; /* all but Hello, Ping and GetTail where those are answered */
    struct buf raw[FRAMES];
    size_t n;
    unsigned hellos, tails, hellos_ignored;
    bool mute_tails, forget; /* `forget`: the next frame but Hello is answered by Forgotten */
    bool patient;            /* of the client that is opened */
    struct buf delegation;   /* that it shows */
    struct buf shown;        /* of the last Hello */
    const char *refuses;     /* Hello, with that code; NULL = none */
    uint64_t tail_seq;
    struct hash tail_hash;
    const char *log; /* that it keeps; NULL = "test.example/log" */
    struct {
        const char *log;
        uint64_t position;
    } predecessors[4];
    size_t n_predecessors;
    bool returning;
    uint64_t log_head; /* last position that it spoke of */

    struct {
        enum chancery_outcome outcome;
        char code[64];
        uint64_t position;
        int number;
    } results[RESULTS];
    size_t n_results;
    uint64_t positions[RESULTS]; /* records handed over */
    size_t n_positions;
    size_t hold_at; /* records after which the reading is held; 0 = never */
    unsigned caught_up, sessions;
    uint64_t head; /* that the last session was told with */
    int answered;
    int answer_err;
    uint64_t token;
};

struct peer *peer_new(void);
void peer_free(struct peer *p); /* closes the client */
void turn(struct peer *p);      /* one of the loop; fails the test when it took too long */

/* ---- what the peer says ---- */

void say(struct peer *p, uint64_t ref, Core__Frame__BodyCase body, void *message);
void say_forgotten(struct peer *p);
void say_refused(struct peer *p, uint64_t ref, const char *code);
void say_order(struct peer *p, uint64_t ref, uint64_t expected); /* refused: seat.order */
/* The events of the Publish, from position `first` on. */
void say_recorded(struct peer *p, const Core__Frame *f, uint64_t first);
void say_deliver(struct peer *p, uint64_t ref, const uint64_t positions[], size_t n);

/* ---- what the caller does ---- */

char *path_in(const struct peer *p, const char *name); /* the caller frees it */
/* `keep`: the name of its directory, or NULL. */
void client_open_in(struct peer *p, int64_t give_up, const char *keep);
void client_open(struct peer *p, int64_t give_up, bool keep);
void client_close(struct peer *p);
void on_client_closed(void *arg); /* for a test that closes it itself */
void publish_event(struct peer *p, int number, struct chancery_event e);
void publish(struct peer *p, int number);
/* What the Publish of that frame has, as it is. */
int publish_signed(struct peer *p, int number, const Core__Frame *f);
void until_frames(struct peer *p, size_t n);
void until_results(struct peer *p, size_t n);

/* ---- what came ---- */

Core__Envelope *envelope_of(const Core__Frame *f, size_t i); /* free it */
uint64_t seat_seq_of(const Core__Frame *f);
bool same_events(const Core__Frame *a, const Core__Frame *b);
void assert_same_id(const Core__Frame *a, const Core__Frame *b);
void assert_same_frame(const struct peer *p, size_t a, size_t b);

/* What a power cut would leave at this moment, were nothing on its way to the disk: in "copy". */
void copy_keep(const struct peer *p);
/* Their positions, into p->positions. */
void read_receipts(struct peer *p, const char *keep);
