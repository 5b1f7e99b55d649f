/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/rates.h"

#include <string.h>

void sample_take(struct sample *s, const Core__Status *st, uint64_t at)
{
    const Core__Histogram *h = st->commit_time;

    *s = (struct sample){
        .at = at,
        .started = st->started,
        .recorded = st->recorded,
        .recorded_bytes = st->recorded_bytes,
        .delivered = st->delivered,
        .asked = st->asked,
        .refusals = st->refusals,
    };
    if (!h || h->n_bounds > RATES_BOUNDS || h->n_counts != h->n_bounds + 1)
        return;
    s->n_bounds = h->n_bounds;
    for (size_t i = 0; i < h->n_bounds; i++)
        s->bounds[i] = h->bounds[i];
    for (size_t i = 0; i < h->n_counts; i++)
        s->counts[i] = h->counts[i];
}

/* Within its bucket the measurements are taken to lie evenly; what is above all bounds counts as
 * the last of them. */
static double quantile(const struct sample *s, const uint64_t counts[], uint64_t n, double part)
{
    double rank = part * (double)n, below = 0;

    for (size_t i = 0; i < s->n_bounds; i++) {
        double least = i ? (double)s->bounds[i - 1] : 0, here = (double)counts[i];
        if (below + here >= rank && here > 0)
            return least + ((double)s->bounds[i] - least) * (rank - below) / here;
        below += here;
    }
    return s->n_bounds ? (double)s->bounds[s->n_bounds - 1] : 0;
}

static void count_commits(struct rates *r, const struct sample *before, const struct sample *now,
                          double seconds)
{
    uint64_t counts[RATES_BOUNDS + 1] = {0}, n = 0;

    for (size_t i = 0; i <= now->n_bounds; i++) {
        counts[i] = now->counts[i] - before->counts[i];
        n += counts[i];
    }
    if (n == 0)
        return;
    r->commits = (double)n / seconds;
    r->p50 = quantile(now, counts, n, 0.5);
    r->p99 = quantile(now, counts, n, 0.99);
}

struct rates rates_between(const struct sample *before, const struct sample *now)
{
    double seconds = (double)(now->at - before->at) / 1e6;
    struct rates r = {.known = before->started == now->started && now->at > before->at &&
                               before->n_bounds == now->n_bounds};

    if (!r.known)
        return r;
    r.recorded = (double)(now->recorded - before->recorded) / seconds;
    r.recorded_bytes = (double)(now->recorded_bytes - before->recorded_bytes) / seconds;
    r.delivered = (double)(now->delivered - before->delivered) / seconds;
    r.asked = (double)(now->asked - before->asked) / seconds;
    r.refusals = (double)(now->refusals - before->refusals) / seconds;
    count_commits(&r, before, now, seconds);
    return r;
}
