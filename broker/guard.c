/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/guard.h"

static const int64_t DOWNTIME_MOST = INT64_C(30) * 24 * 3600 * 1000000;

void guard_begin(struct guard *g, int64_t real, int64_t boot, int64_t last, int64_t known)
{
    bool before = real < known - GUARD_JUMP;
    bool long_after = known && real > known + DOWNTIME_MOST;

    *g = (struct guard){.last = last, .real = real, .boot = boot, .jumped = before || long_after};
    if (g->jumped)
        g->real = last;
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

void guard_accept(struct guard *g, int64_t real, int64_t boot)
{
    g->real = real;
    g->boot = boot;
    g->jumped = false;
}

void guard_forward(struct guard *g, int64_t by)
{
    g->real += by;
}
