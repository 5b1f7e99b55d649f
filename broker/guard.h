/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h - the receipt time, guarded; pure
 *
 * The real-time clock is believed as long as it goes with the boot-time clock.  Once it jumped, the
 * time goes on by the boot-time clock from where it was, and the guard stays jumped for good.  The
 * time never goes back.  All values are microseconds.
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

/* `last_received`: of the log; 0 = none.  Jumped when the clock stands before it, or more than 30
 * days behind it, unless `accept`. */
void guard_begin(struct guard *g, int64_t real, int64_t boot, int64_t last_received, bool accept);
int64_t guard_now(struct guard *g, int64_t real, int64_t boot);
