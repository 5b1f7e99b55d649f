/* SPDX-License-Identifier: Apache-2.0 */
/* publish.h - from a Publish frame to its answer
 *
 * publish -> validate -> verify (off the loop) -> admit -> append (off the loop) -> acknowledge.
 * Requests are admitted in the order in which they came.  A request keeps the arena that its bytes
 * lie in until it is answered.  A registry event, or one that expires a part, closes its batch:
 * what waits behind it is admitted once it is on disk and folded.
 */
#pragma once

#include "broker/admit.h"
#include "broker/commit.h"

struct publishing;

struct publishing_of { /* lent for as long as the publishing lives */
    uv_loop_t *loop;
    struct registry *registry; /* folded here */
    struct journal *journal;
    struct parts *parts;
    struct transcripts *transcripts; /* kept up here */
    struct peers *peers;
    const char *log;
    const struct seat_key *key; /* the broker's */
    bool exercise;
    struct standing (*standing)(void *arg);
    void (*expired)(void *arg, const struct hash *part); /* a PartExpired is on disk */
    void (*grown)(void *arg, bool registry); /* the log grew, and perhaps the registry with it */
    void *arg;
};

struct publishing *publishing_new(const struct publishing_of *of);
/* Ends the commit thread: nothing may be waiting or under way. */
void publishing_free(struct publishing *p);

/* Takes the arena over, in which `publish` lies. */
void publish_take(struct publishing *p, struct peer *peer, uint64_t ref, struct arena **arena,
                  const Core__Publish *publish, size_t bytes);
/* Answers with the seat's tail in the stream once all that came before is answered. */
void publish_tail(struct publishing *p, struct peer *peer, uint64_t ref, struct arena **arena,
                  const char *stream);
/* The broker's own events, signed; lie in the arena. */
void publish_own(struct publishing *p, const struct seat *seat, struct arena **arena,
                 const Core__Publish *publish);

/* An empty batch by the same way, through the commit thread: publish_totals counts it once it is
 * back.
 */
void publish_pulse(struct publishing *p);

struct arena *publish_arena(struct publishing *p); /* an empty one, perhaps used before */
void publish_arena_back(struct publishing *p, struct arena *arena);

void publish_rest(struct publishing *p); /* frees what it keeps for the next requests */

/* Tries again to admit what waits: now and then, for a refused batch wakes nobody. */
void publish_go_on(struct publishing *p);
/* Where a seat stands, with what is under way. */
int publish_stands(struct publishing *p, const char *seat, const char *stream, uint64_t *seat_seq,
                   struct hash *envelope_hash);
size_t publish_waiting(const struct publishing *p); /* bytes of requests not yet answered */
bool publish_idle(const struct publishing *p);
const struct commit_totals *publish_totals(const struct publishing *p); /* lent */
