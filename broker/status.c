/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - what the broker says of itself and of the seats that are connected: to a seat that
 * asks, and to the service manager */
#include "broker/inside.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- to the service manager ---- */

static const char *halted(const struct broker *b)
{
    return b->clock.guard.jumped ? err_code(ERR_CLOCK) : b->full ? err_code(ERR_FULL) : "";
}

void status_ready(struct broker *b)
{
    publish_pulse(b->publishing);
    notify_say("READY=1\nSTATUS=%s: head %llu", b->log,
               (unsigned long long)journal_head(b->journal));
}

/* The log is alive when a batch went through the commit thread and back since the last look: an
 * empty one where nobody publishes.  A disk that does not answer keeps it, and a thread that hangs.
 */
bool status_watchdog(void *arg, struct buf *status)
{
    struct broker *b = arg;
    uint64_t commits = publish_totals(b->publishing)->batches;
    bool alive = commits != b->commits;

    b->commits = commits;
    if (publish_idle(b->publishing))
        publish_pulse(b->publishing);
    buf_printf(status, "%s: head %llu", b->log, (unsigned long long)journal_head(b->journal));
    if (!alive)
        buf_add_str(status, "; the log does not answer, look at its disk");
    else if (halted(b)[0])
        buf_printf(status, "; publishing is halted: %s", halted(b));
    return alive;
}

/* ---- to a seat ---- */

enum {
    STATUS_SEATS = 256, /* what a frame's fields have room for */
    HISTOGRAMS = 2,
};
static const int64_t WEEK = 7 * 24 * INT64_C(3600) * 1000000;

struct status_of {
    struct broker *b;
    Core__SeatStatus rows[STATUS_SEATS], *list[STATUS_SEATS];
    struct buf services[STATUS_SEATS];
    Core__CarriedStatus carried[STATUS_SEATS], *carried_list[STATUS_SEATS];
    size_t n, n_carried;
    Core__RefusalCount refused[REFUSAL_ROWS], *refused_list[REFUSAL_ROWS];
    Core__Histogram histograms[HISTOGRAMS];
    uint64_t bounds[HISTOGRAMS][HISTOGRAM_BOUNDS], counts[HISTOGRAMS][HISTOGRAM_BOUNDS + 1];
};

static void add_carried(struct status_of *s, const struct seat_use *use)
{
    if (s->n_carried == STATUS_SEATS)
        return;
    Core__CarriedStatus *row = &s->carried[s->n_carried];
    core__carried_status__init(row);
    row->seat = use->seat->name;
    row->office = use->seat->office->name;
    row->gateway = use->through->name;
    row->software = peers_software(s->b->peers, use);
    row->sessions = use->sessions;
    row->readings = use->readings;
    row->events = use->published;
    row->until = peers_until(s->b->peers, use);
    s->carried_list[s->n_carried++] = row;
}

static void add_seat(struct status_of *s, const struct seat_use *use)
{
    if (s->n == STATUS_SEATS)
        return;
    Core__SeatStatus *row = &s->rows[s->n];
    core__seat_status__init(row);
    row->seat = use->seat->name;
    row->office = use->seat->office->name;
    row->software = peers_software(s->b->peers, use);
    row->sessions = use->sessions;
    row->readings = use->readings;
    row->events = use->published;
    row->backlog = deliver_backlog(s->b->deliver, use);
    row->unsent = peers_unsent(s->b->peers, use);
    row->asked = use->asks;
    row->questions = asking_at(s->b->asking, use);
    asking_services(s->b->asking, use, &s->services[s->n]);
    row->services = buf_cstr(&s->services[s->n]);
    s->list[s->n++] = row;
}

static void add_use(void *arg, const struct seat_use *use)
{
    (use->through ? add_carried : add_seat)(arg, use);
}

static void fill_disk(const struct broker *b, Core__Status *status)
{
    status->disk_free = b->disk_free;
    status->disk_size = b->disk_size;
    status->disk_reserve = (uint64_t)b->own.disk_reserve;
    status->log_used = journal_used(b->journal);
    status->log_file = journal_size_on_disk(b->journal);
    status->parts_used = parts_bytes(b->parts);
}

static Core__Histogram *fill_histogram(struct status_of *s, size_t i, const struct histogram *h)
{
    Core__Histogram *m = &s->histograms[i];

    core__histogram__init(m);
    memcpy(s->bounds[i], h->bounds, h->n_bounds * sizeof *h->bounds);
    memcpy(s->counts[i], h->counts, sizeof h->counts);
    m->n_bounds = h->n_bounds;
    m->bounds = s->bounds[i];
    m->n_counts = h->n_bounds + 1;
    m->counts = s->counts[i];
    m->sum = h->sum;
    return m;
}

static void fill_counts(struct status_of *s, Core__Status *status)
{
    const struct commit_totals *commits = publish_totals(s->b->publishing);
    const struct deliver_totals *delivered = deliver_totals(s->b->deliver);
    const struct asking_totals *asking = asking_totals(s->b->asking);

    status->commits = commits->batches;
    status->recorded = commits->events;
    status->recorded_bytes = commits->bytes;
    status->commit_time = fill_histogram(s, 0, &commits->time);
    status->commit_events = fill_histogram(s, 1, &commits->size);
    status->delivered = delivered->events;
    status->delivered_bytes = delivered->bytes;
    status->asked = asking->asked;
    status->answered = asking->answered;
}

static void fill_refused(struct status_of *s, Core__Status *status)
{
    const struct refusals *r = &s->b->refusals;

    for (size_t i = 0; i < r->n_totals; i++) {
        core__refusal_count__init(&s->refused[i]);
        s->refused[i].code = r->totals[i].code;
        s->refused[i].count = r->totals[i].count;
        s->refused_list[i] = &s->refused[i];
    }
    status->refusals = r->total;
    status->n_refused = r->n_totals;
    status->refused = s->refused_list;
}

static int take_received(void *arg, const struct journal_record *record)
{
    *(int64_t *)arg = record->received;
    return 0;
}

/* How fast the log grows. */
static void fill_lately(struct broker *b, Core__Status *status)
{
    int64_t since = status->now - WEEK, founded = since;
    uint64_t position = 1;

    if (journal_get(b->journal, 1, take_received, &founded) != 0)
        broker_damaged(b, 1);
    if (founded > since)
        since = founded;
    else if (journal_since(b->journal, since, &position) != 0)
        broker_damaged(b, position);
    status->lately = status->head + 1 - position;
    status->lately_span = status->now - since;
}

static void fill_care(struct broker *b, Core__Status *status)
{
    struct scrub_passed passed = scrub_last(b->scrub);

    status->scrubbed_records = passed.records;
    if (passed.ended)
        status->scrubbed = clock_machine() - (int64_t)((uv_hrtime() - passed.ended) / 1000);
    status->checkpoint = signer_size(b->signer);
    status->checkpoint_waits = signer_waits(b->signer);
    status->checkpoint_time = checkpoint_time(b->settings.dir);
}

static void fill_status(struct status_of *s, Core__Status *status)
{
    struct broker *b = s->b;

    peers_each_seat(b->peers, add_use, s);
    status->log = b->log;
    status->version = CHANCERY_VERSION;
    status->head = journal_head(b->journal);
    status->started = b->started;
    status->now = broker_now(b);
    status->n_seats = s->n;
    status->seats = s->list;
    status->n_carried = s->n_carried;
    status->carried = s->carried_list;
    status->halted = halted(b);
    status->publishing = !status->halted[0];
    fill_disk(b, status);
    fill_counts(s, status);
    fill_refused(s, status);
    fill_lately(b, status);
    fill_care(b, status);
}

void handle_get_status(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Status status = CORE__STATUS__INIT;
    struct refusal why = {.stream = "audit"};

    if (!mandate_allows(c->b->registry, &c->peer->by, CORE__VERB__VERB_READ, "audit",
                        core__refusals_counted__descriptor.name)) {
        refuse(&why, ERR_DENIED, "", "the status is for seats that may read the stream audit");
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    struct status_of *s = mem_new(sizeof *s);
    s->b = c->b;
    fill_status(s, &status);
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_STATUS;
    frame.status = &status;
    peer_send(c->peer, &frame);
    for (size_t i = 0; i < s->n; i++)
        buf_free(&s->services[i]);
    mem_free(s);
}
