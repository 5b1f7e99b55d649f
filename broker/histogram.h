/* SPDX-License-Identifier: Apache-2.0 */
/* histogram.h - how many measurements were how large, in fixed buckets; pure */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BOUNDS = 20 };

struct histogram {
    const uint64_t *bounds; /* ascending; n_bounds of them, at most HISTOGRAM_BOUNDS; lent */
    size_t n_bounds;
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* up to each bound, and above the last one */
    uint64_t sum;
};

/* Empty ones: of the microseconds that a commit takes, and of its events. */
struct histogram histogram_of_commit_time(void);
struct histogram histogram_of_commit_events(void);

void histogram_add(struct histogram *h, uint64_t value);
