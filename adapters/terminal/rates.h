/* SPDX-License-Identifier: Apache-2.0 */
/* rates.h - what happened between two statuses; pure */
#pragma once

#include <stdbool.h>

#include "chancery/core/v1/frames.pb-c.h"

enum { RATES_BOUNDS = 32 };

struct sample {  /* what is kept of a status */
    uint64_t at; /* microseconds, by a clock that never goes back */
    int64_t started;
    uint64_t recorded, recorded_bytes, delivered, asked, refusals;
    size_t n_bounds;
    uint64_t bounds[RATES_BOUNDS], counts[RATES_BOUNDS + 1]; /* of the time that commits took */
};

void sample_take(struct sample *s, const Core__Status *st, uint64_t at);

struct rates {  /* a second */
    bool known; /* false where the broker began anew in between */
    double recorded, recorded_bytes, delivered, asked, refusals, commits;
    double p50, p99; /* microseconds that a commit took; 0 = there was none */
};

struct rates rates_between(const struct sample *before, const struct sample *now);
