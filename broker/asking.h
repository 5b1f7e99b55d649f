/* SPDX-License-Identifier: Apache-2.0 */
/* asking.h - questions: who offers what, who waits for which answer
 *
 * A question is handed to the sessions that offer its service in turn; it is answered once, and
 * what is pending is bounded for each seat.  When the session that has a question ends, another one
 * gets it; while there is none, it waits for one as long as its asker does: a worker that starts
 * again is a pause.
 */
#pragma once

#include "broker/peer.h"

enum { ASKS_OF_SEAT = 256, SERVICES_OF_PEER = 16 };

struct asking;

struct asking *asking_new(const struct registry *registry);
void asking_free(struct asking *a);

/* 0, or an err with the refusal filled. An ask that is taken is answered later, or refused when its
 * patience is over. `now` is monotonic. */
int asking_offer(struct asking *a, struct peer *p, const char *service, struct refusal *why);
int asking_ask(struct asking *a, struct peer *p, uint64_t ref, const Core__Ask *ask, int64_t now,
               struct refusal *why);
/* `log_now`: for counting a refusal. */
void asking_answer(struct asking *a, struct peer *p, uint64_t token, Core__Answer *answer,
                   int64_t log_now);

/* Refuses what waited too long. */
void asking_tick(struct asking *a, int64_t now, int64_t log_now);
/* Hands over what waited: somebody offers, or takes messages again. */
void asking_go_on(struct asking *a);
/* The peer's offers and questions end. */
void asking_left(struct asking *a, struct peer *p);
/* How many questions the seat's sessions have at hand. */
unsigned asking_at(const struct asking *a, const struct seat_use *use);

struct asking_totals {
    uint64_t asked, answered; /* questions taken, and answered by who offers the service */
};
const struct asking_totals *asking_totals(const struct asking *a); /* lent */

/* The services that sessions of the seat offer, separated by blanks. */
void asking_services(const struct asking *a, const struct seat_use *use, struct buf *out);
