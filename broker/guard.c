/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/guard.h"

static const int64_t DOWNTIME_MOST = INT64_C(30) * 24 * 3600 * 1000000;

void guard_begin(struct guard *g, int64_t real, int64_t boot, int64_t last_received, bool accept)
{
    bool before = real < last_received - GUARD_JUMP;
    bool long_after = last_received && real > last_received + DOWNTIME_MOST;

    *g = (struct guard){.last = last_received, .real = real, .boot = boot};
    if ((before || long_after) && !accept) {
        g->jumped = true;
        g->real = last_received;
    }
}

int64_t guard_now(struct guard *g, int64_t real, int64_t boot)
{
    int64_t elapsed = boot - g->boot;
    int64_t expected = g->real + elapsed;
    int64_t off = real > expected ? real - expected : expected - real;

    if (off > GUARD_JUMP + elapsed / GUARD_DRIFT)
        g->jumped = true;
    int64_t now = g->jumped ? expected : real;
    if (now > g->last)
        g->last = now;
    return g->last;
}
