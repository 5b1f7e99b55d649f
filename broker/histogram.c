/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/histogram.h"

#include <assert.h>

static struct histogram histogram_new(const uint64_t bounds[], size_t n)
{
    assert(n <= HISTOGRAM_BOUNDS);
    return (struct histogram){.bounds = bounds, .n_bounds = n};
}

/* From an NVMe disk that answers at once to one that is about to fail. */
struct histogram histogram_of_commit_time(void)
{
    static const uint64_t bounds[] = {50,     100,     200,     500,    1000,   2000,
                                      5000,   10000,   20000,   50000,  100000, 200000,
                                      500000, 1000000, 2000000, 5000000};

    return histogram_new(bounds, sizeof bounds / sizeof *bounds);
}

struct histogram histogram_of_commit_events(void)
{
    static const uint64_t bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048};

    return histogram_new(bounds, sizeof bounds / sizeof *bounds);
}

void histogram_add(struct histogram *h, uint64_t value)
{
    size_t i = 0;

    while (i < h->n_bounds && value > h->bounds[i])
        i++;
    h->counts[i]++;
    h->sum += value;
}
