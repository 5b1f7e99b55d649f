/* SPDX-License-Identifier: Apache-2.0 */
/* peer.h - connected peers: who they are, what they may still use, what waits to be sent
 *
 * A peer is known by the routing id that the ROUTER gave its connection, and is who its CURVE key
 * says.  What cannot be sent at once waits in a bounded box; a peer that lets it overflow, or whose
 * connection is gone, is marked gone and removed between two turns of the loop.
 */
#pragma once

#include "broker/mandate.h"
#include "broker/refusals.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "lib/zsock.h"

enum {
    PEERS_MOST = 1024,
    PEERS_OF_SEAT = 64,
    CARRIED_OF_SEAT = 16, /* delegated sessions of a seat through one gateway */
    CARRIED_MOST = 512,   /* of all seats through it: others keep their room */
    BOX_MESSAGES = 256,
    BOX_BYTES = 4 * 1024 * 1024,
    ROUTING_ID_SIZE = 5, /* 0x00 and the ROUTER's number; every other one is the peer's choice */
};

struct bucket { /* a token bucket: two seconds of `rate` at most */
    int64_t rate, level, at;
};

/* True, and taken, when there is enough at the time `now`. */
bool bucket_take(struct bucket *b, int64_t amount, int64_t now);

/* What all sessions of a seat use together; its delegated ones through a gateway apart from its
 * own: whoever takes the gateway over cannot use up what the seat itself lives on. */
struct seat_use {
    struct seat_use *next;
    const struct seat *seat, *through; /* NULL: of its own sessions */
    struct bucket events, bytes;
    unsigned sessions, readings, asks;
    unsigned carried;   /* delegated sessions of others, through this seat */
    uint64_t published; /* events recorded in the sessions that are open */
};

struct peers;
struct reading;

struct peer {
    struct peer *next; /* in its bucket */
    struct peers *all;
    uint32_t id;           /* of the connection */
    uint64_t number;       /* of this session; none has it again */
    const struct key *key; /* who is connected */
    struct mandate by;     /* as whom it acts */
    struct seat_use *use;
    struct seat_use *carrier; /* the gateway's own, of a delegated session; else NULL */
    char software[65];
    uint64_t published;
    struct reading *readings; /* deliver.c's */
    struct peer_message *box, *box_last;
    size_t box_n, box_bytes;
    int64_t sent;      /* monotonic microseconds: when something was sent last */
    int64_t retry;     /* blocked until then; 0 = not blocked */
    int64_t wait, due; /* of the blocking that lasts: how long, and until when */
    bool gone;
};

struct quota {
    int64_t events, bytes; /* a second and seat */
};

struct peers *peers_new(struct refusals *refusals, const struct quota *quota);
/* The socket to send by: given once, before the first peer. */
void peers_socket(struct peers *all, struct zsock *socket);
void peers_free(struct peers *all);

struct peer *peers_find(const struct peers *all, uint32_t id);
/* The peer of that session, or NULL when it has ended. */
struct peer *peers_session(const struct peers *all, uint32_t id, uint64_t number);
struct newcomer { /* who begins a session */
    uint32_t id;  /* of the connection */
    const struct key *key;
    const struct mandate *by;
    const char *software;
};
/* ERR_BUSY when there are too many. */
int peers_add(struct peers *all, const struct newcomer *who, struct peer **out);
/* Marks it gone. */
void peer_end(struct peer *p);
void peers_each(struct peers *all, void (*each)(void *arg, struct peer *p), void *arg);
/* Seats with sessions. */
void peers_each_seat(const struct peers *all, void (*each)(void *arg, const struct seat_use *use),
                     void *arg);

/* How many delegated sessions there are. */
size_t peers_carried(const struct peers *all);
/* Takes the events and bytes from what the session's seat may publish, and a gateway's session from
 * what the gateway may hand on too: false when there is not as much. */
bool peer_may_publish(struct peer *p, size_t events, size_t bytes);
/* When the last of the seat's delegated sessions ends. */
int64_t peers_until(const struct peers *all, const struct seat_use *use);

/* What one of the seat's sessions said it runs. */
const char *peers_software(const struct peers *all, const struct seat_use *use);

/* Bytes that wait in the boxes of the seat's sessions. */
uint64_t peers_unsent(const struct peers *all, const struct seat_use *use);

/* Removes those that are gone, `left` first. */
void peers_sweep(struct peers *all, void (*left)(void *arg, struct peer *p), void *arg);
/* Sends what waited; `ready` for each peer that may be sent to again. True while some are blocked.
 * Who was blocked a moment ago is tried before its time: its connection may have taken something
 * since.  Who stays blocked is tried ever more seldom. */
bool peers_retry(struct peers *all, int64_t now, void (*ready)(void *arg, struct peer *p),
                 void *arg);
bool peers_blocked(const struct peers *all);
/* A Pong to the seat's sessions, or (NULL) to those that nothing was sent to for a while: finds out
 * who is gone, for connections end without a word. */
void peers_probe(struct peers *all, const Core__Pong *pong, const struct seat *seat);

int64_t peer_clock(void); /* monotonic microseconds */

/* Sends the frame, now or from the box. */
void peer_send(struct peer *p, const Core__Frame *frame);
/* Without the box: 0 (taken over), ERR_BUSY or ERR_UNREACHABLE. */
int peer_try(struct peer *p, zmq_msg_t *message);
/* A frame to a connection that has no session. */
void peers_tell(struct peers *all, uint32_t id, const Core__Frame *frame);

struct refusal { /* why a request is not done */
    int err;
    uint32_t index;    /* of the event in its batch */
    uint64_t expected; /* with ERR_SEAT_ORDER */
    char field[128];
    char text[512];            /* empty: err_text */
    const char *stream, *type; /* NULL: none */
};

/* 0 for err 0; else fills the refusal and returns err. */
int refuse(struct refusal *why, int err, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Answers the request with it, and counts it; `now` is the log's time. */
void peer_refuse(struct peer *p, uint64_t ref, const struct refusal *why, int64_t now);
