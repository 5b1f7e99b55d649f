/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - how the service fares, as Prometheus reads it (text format 0.0.4); pure */
#pragma once

#include <stdbool.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/slice.h"

struct facts {
    bool up;                /* the broker answered just now */
    const Core__Status *st; /* what it said last; NULL = nothing yet */
    int64_t answered;       /* when that was, microseconds UTC; 0 = never */
    uint64_t scrapes;
};

/* Appends.  Where the broker does not answer only what stays true of a log is told of it. */
void metrics_text(struct buf *out, const struct facts *f);
