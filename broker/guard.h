/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - the receipt time, guarded; pure
 *
 * The real-time clock is believed as long as it goes with the boot-time clock.  Once it jumped, the
 * time goes on by the boot-time clock from where it was, until somebody accepts the clock.  The
 * time never goes back: behind a clock that does, it stands still.  All values are microseconds.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { GUARD_JUMP = 5000000, GUARD_DRIFT = 1000 /* slewing may move one part in this many */ };

struct guard {
    int64_t last;       /* what it said last */
    int64_t real, boot; /* where they stood when it began */
    bool jumped;
};

/* `last`: what it said last, 0 = nothing; `known`: where the clock stood then.  Jumped when the
 * clock stands before that, or more than 30 days behind it. */
void guard_begin(struct guard *g, int64_t real, int64_t boot, int64_t last, int64_t known);
int64_t guard_now(struct guard *g, int64_t real, int64_t boot);
void guard_accept(struct guard *g, int64_t real, int64_t boot);
void guard_forward(struct guard *g,
                   int64_t by); /* the real-time clock from here on is that much ahead */
