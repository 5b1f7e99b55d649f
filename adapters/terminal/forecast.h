/* SPDX-License-Identifier: Apache-2.0 */
/* forecast.h - when the disk reserve is reached, if the log grows on as it did lately; pure */
#pragma once

#include <stdbool.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/slice.h"

enum { FORECAST_DAYS_MOST = 3650 };

struct forecast {
    bool known;            /* false in a log's first hour, and of an older broker */
    uint64_t events_a_day; /* 0 = nothing was recorded */
    double days;           /* until the reserve is reached; 0 = it is, more than the most = never */
};

struct forecast forecast_of(const Core__Status *st);
/* "at 1,250 events a day the disk reserve is reached in 410 days" */
void forecast_text(struct buf *out, const struct forecast *f);
