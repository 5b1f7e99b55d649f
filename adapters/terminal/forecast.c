/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/forecast.h"

#include <stdio.h>
#include <string.h>

static const double HOUR = 3600e6, DAY = 24 * 3600e6; /* microseconds */

struct forecast forecast_of(const Core__Status *st)
{
    struct forecast f = {.known = (double)st->lately_span >= HOUR && st->head > 0};

    if (!f.known)
        return f;
    double a_day = (double)st->lately * DAY / (double)st->lately_span;
    double each = (double)(st->log_used + st->parts_used) / (double)st->head;
    double left = st->disk_free > st->disk_reserve ? (double)(st->disk_free - st->disk_reserve) : 0;
    f.events_a_day = (uint64_t)(a_day + 0.5);
    f.days = a_day * each > 0 ? left / (a_day * each) : left > 0 ? FORECAST_DAYS_MOST + 1 : 0;
    return f;
}

/* "1,250" */
static void add_number(struct buf *out, uint64_t n)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

    for (int i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            buf_add_byte(out, ',');
        buf_add_byte(out, (uint8_t)digits[i]);
    }
}

static void add_when(struct buf *out, double days)
{
    if (days > FORECAST_DAYS_MOST)
        buf_add_str(out, "not reached in 10 years");
    else if (days >= 2)
        buf_printf(out, "reached in %d days", (int)days);
    else
        buf_printf(out, "reached in %d hours", (int)(days * 24));
}

void forecast_text(struct buf *out, const struct forecast *f)
{
    if (!f->known) {
        buf_add_str(out, "none in the first hour of a log");
        return;
    }
    if (f->days <= 0) {
        buf_add_str(out, "the disk reserve is reached: make room");
        return;
    }
    buf_add_str(out, "at ");
    add_number(out, f->events_a_day);
    buf_printf(out, " event%s a day the disk reserve is ", f->events_a_day == 1 ? "" : "s");
    add_when(out, f->days);
}
