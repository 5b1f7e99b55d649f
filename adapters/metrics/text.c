/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/metrics/text.h"

#include <inttypes.h>
#include <stddef.h>

enum kind {
    COUNT,   /* uint64_t */
    COUNT32, /* uint32_t */
    TIME,    /* int64_t microseconds: seconds */
    FLAG,    /* protobuf_c_boolean: 0 or 1 */
};

struct row { /* a field of a message */
    const char *name, *type, *help;
    enum kind kind;
    size_t offset;
    bool lasts; /* true of the log whether the broker answers or not */
};

#define OF(field) offsetof(Core__Status, field)
#define OF_SEAT(field) offsetof(Core__SeatStatus, field)

static const struct row rows[] = {
    {"chancery_log_head", "gauge", "Last recorded position.", COUNT, OF(head), true},
    {"chancery_checkpoint_size", "gauge", "Records that the newest checkpoint signs.", COUNT,
     OF(checkpoint), true},
    {"chancery_checkpoint_timestamp_seconds", "gauge", "When the newest checkpoint was written.",
     TIME, OF(checkpoint_time), true},
    {"chancery_broker_start_time_seconds", "gauge", "When the broker began, by the log's time.",
     TIME, OF(started), false},
    {"chancery_publishing", "gauge", "1 where events are taken, 0 where the broker is halted.",
     FLAG, OF(publishing), false},
    {"chancery_log_used_bytes", "gauge", "Bytes of the log's file that were ever written.", COUNT,
     OF(log_used), false},
    {"chancery_log_file_bytes", "gauge", "Bytes of the log's file.", COUNT, OF(log_file), false},
    {"chancery_parts_used_bytes", "gauge", "Bytes of stored parts.", COUNT, OF(parts_used), false},
    {"chancery_disk_size_bytes", "gauge", "Bytes of the log's file system.", COUNT, OF(disk_size),
     false},
    {"chancery_disk_free_bytes", "gauge", "Bytes free on the log's file system.", COUNT,
     OF(disk_free), false},
    {"chancery_disk_reserve_bytes", "gauge", "Bytes free below which publishing is refused.", COUNT,
     OF(disk_reserve), false},
    {"chancery_recorded_events_total", "counter", "Events recorded.", COUNT, OF(recorded), false},
    {"chancery_recorded_bytes_total", "counter", "Bytes of events and payloads recorded.", COUNT,
     OF(recorded_bytes), false},
    {"chancery_delivered_events_total", "counter", "Events sent to readers.", COUNT, OF(delivered),
     false},
    {"chancery_delivered_bytes_total", "counter", "Bytes of events and payloads sent to readers.",
     COUNT, OF(delivered_bytes), false},
    {"chancery_questions_asked_total", "counter", "Questions taken.", COUNT, OF(asked), false},
    {"chancery_questions_answered_total", "counter", "Questions that a worker answered.", COUNT,
     OF(answered), false},
    {"chancery_scrubbed_timestamp_seconds", "gauge",
     "When the whole log was last read and found sound; 0 where it was not yet.", TIME,
     OF(scrubbed), false},
    {"chancery_scrubbed_records", "gauge", "Records that were then read.", COUNT,
     OF(scrubbed_records), false},
};

static const struct row seat_rows[] = {
    {"chancery_seat_backlog", "gauge", "Positions of the log not sent to the seat's readings yet.",
     COUNT, OF_SEAT(backlog), false},
    {"chancery_seat_unsent_bytes", "gauge", "Bytes that the seat's connections do not take.", COUNT,
     OF_SEAT(unsent), false},
    {"chancery_seat_questions", "gauge", "Questions handed to the seat and not answered yet.",
     COUNT32, OF_SEAT(questions), false},
    {"chancery_seat_sessions", "gauge", "Sessions of the seat.", COUNT32, OF_SEAT(sessions), false},
    {"chancery_seat_readings", "gauge", "Open readings of the seat.", COUNT32, OF_SEAT(readings),
     false},
};

static void add_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_seconds(struct buf *out, int64_t us)
{
    buf_printf(out, "%.6f\n", (double)us / 1e6);
}

static void add_value(struct buf *out, const struct row *row, const void *message)
{
    const void *field = (const char *)message + row->offset;

    if (row->kind == TIME)
        add_seconds(out, *(const int64_t *)field);
    else if (row->kind == FLAG)
        buf_printf(out, "%d\n", *(const protobuf_c_boolean *)field ? 1 : 0);
    else
        buf_printf(out, "%" PRIu64 "\n",
                   row->kind == COUNT ? *(const uint64_t *)field : *(const uint32_t *)field);
}

/* name="value" */
static void add_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"' || *value == '\n')
            buf_add_byte(out, '\\');
        buf_add_byte(out, *value == '\n' ? 'n' : (uint8_t)*value);
    }
    buf_add_byte(out, '"');
}

static void add_rows(struct buf *out, const struct facts *f)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!f->up && !rows[i].lasts)
            continue;
        add_head(out, rows[i].name, rows[i].type, rows[i].help);
        buf_printf(out, "%s ", rows[i].name);
        add_value(out, &rows[i], f->st);
    }
}

static void add_seats(struct buf *out, const Core__Status *st)
{
    for (size_t i = 0; i < sizeof seat_rows / sizeof *seat_rows; i++) {
        const struct row *row = &seat_rows[i];
        add_head(out, row->name, row->type, row->help);
        for (size_t k = 0; k < st->n_seats; k++) {
            buf_printf(out, "%s{", row->name);
            add_label(out, "seat", st->seats[k]->seat);
            buf_add_byte(out, ',');
            add_label(out, "office", st->seats[k]->office);
            buf_add_str(out, "} ");
            add_value(out, row, st->seats[k]);
        }
    }
}

static void add_refusals(struct buf *out, const Core__Status *st)
{
    static const char name[] = "chancery_refusals_total";

    add_head(out, name, "counter", "Requests refused, by their code.");
    for (size_t i = 0; i < st->n_refused; i++) {
        buf_printf(out, "%s{", name);
        add_label(out, "code", st->refused[i]->code);
        buf_printf(out, "} %" PRIu64 "\n", st->refused[i]->count);
    }
}

/* `unit`: what a measurement is divided by. */
static void add_histogram(struct buf *out, const char *name, const char *help,
                          const Core__Histogram *h, double unit)
{
    uint64_t below = 0;

    if (!h || h->n_counts != h->n_bounds + 1)
        return;
    add_head(out, name, "histogram", help);
    for (size_t i = 0; i < h->n_bounds; i++) {
        below += h->counts[i];
        buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double)h->bounds[i] / unit,
                   below);
    }
    below += h->counts[h->n_bounds];
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    buf_printf(out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, (double)h->sum / unit, name,
               below);
}

static void add_broker(struct buf *out, const Core__Status *st)
{
    static const char name[] = "chancery_broker_info";

    add_head(out, name, "gauge", "Always 1; which log it is, and the broker's version.");
    buf_printf(out, "%s{", name);
    add_label(out, "log", st->log);
    buf_add_byte(out, ',');
    add_label(out, "version", st->version);
    buf_add_str(out, "} 1\n");
}

void metrics_text(struct buf *out, const struct facts *f)
{
    static const char up[] = "chancery_up", scrapes[] = "chancery_scrapes_total",
                      answered[] = "chancery_broker_answered_timestamp_seconds";

    add_head(out, up, "gauge", "1 where the broker answers.");
    buf_printf(out, "%s %d\n", up, f->up ? 1 : 0);
    add_head(out, scrapes, "counter", "Scrapes of this process.");
    buf_printf(out, "%s %" PRIu64 "\n", scrapes, f->scrapes);
    add_head(out, answered, "gauge", "When the broker answered last; 0 where it never did.");
    buf_printf(out, "%s ", answered);
    add_seconds(out, f->answered);
    if (!f->st)
        return;
    add_rows(out, f);
    if (!f->up)
        return;
    add_broker(out, f->st);
    add_seats(out, f->st);
    add_refusals(out, f->st);
    add_histogram(out, "chancery_commit_duration_seconds",
                  "From handing a batch to the disk until it is there.", f->st->commit_time, 1e6);
    add_histogram(out, "chancery_commit_events", "Events of a batch.", f->st->commit_events, 1);
}
