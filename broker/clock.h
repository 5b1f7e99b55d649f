/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the log's time: the machine's clock, guarded, and what administrators signed about it
 *
 * ClockAccepted makes a clock good that jumped; ClockMoved puts the time of a log for exercises
 * ahead of the clock.
 */
#pragma once

#include "broker/guard.h"
#include "broker/journal.h"
#include "broker/registry.h"

struct clock {
    struct guard guard;
    const struct registry *registry;
    struct clock_acts followed;
    bool told; /* that it jumped */
};

/* The registry is folded, and the journal open. */
void clock_open(struct clock *c, const struct registry *r, struct journal *j);
/* Microseconds UTC; never goes back. */
int64_t clock_now(struct clock *c);
/* What the machine's clock says now, whatever became of it. */
int64_t clock_machine(void);
/* The registry grew: does what acts in it say. */
void clock_follow(struct clock *c);
