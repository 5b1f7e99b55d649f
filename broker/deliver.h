/* SPDX-License-Identifier: Apache-2.0 */
/* deliver.h - from a position in the journal to a peer, as far as its credit goes
 *
 * Only what is committed is delivered: a live reader is a late reader who is nearly there. Readings
 * take turns on the loop, each a bounded piece at a time, and every record is checked against
 * the access rules and its handling label when it is sent.
 */
#pragma once

#include "broker/journal.h"
#include "broker/peer.h"

enum { READINGS_OF_SEAT = 64 };

struct deliver;

/* A damaged record ends the process: `damaged` is called with its position, and does not return to
 * serving. */
typedef void deliver_damaged(void *arg, uint64_t position);

struct deliver *deliver_new(uv_loop_t *loop, struct journal *journal,
                            const struct registry *registry, deliver_damaged *damaged, void *arg);
void deliver_close(struct deliver *d);

/* The log grew: all readings look again. */
void deliver_wake(struct deliver *d);
/* The peer can be sent to again. */
void deliver_ready(struct deliver *d, struct peer *p);

/* 0, or an err with the refusal filled. */
int deliver_read(struct deliver *d, struct peer *p, uint64_t ref, const Core__Read *read,
                 struct refusal *why);
void deliver_credit(struct deliver *d, struct peer *p, uint64_t ref, const Core__Credit *credit);
void deliver_cancel(struct deliver *d, struct peer *p, uint64_t ref);
void deliver_left(struct deliver *d, struct peer *p); /* ends all readings of the peer */

/* Positions from what the seat's reading that is furthest behind was sent to where that ends. */
uint64_t deliver_backlog(const struct deliver *d, const struct seat_use *use);

struct deliver_totals {
    uint64_t events, bytes; /* sent to readers; bytes of events and payloads */
};
const struct deliver_totals *deliver_totals(const struct deliver *d); /* lent */
