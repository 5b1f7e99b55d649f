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
    uint64_t commits = publish_commits(b->publishing);
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

enum { STATUS_SEATS = 512 };

struct status_of {
    struct broker *b;
    Core__SeatStatus rows[STATUS_SEATS], *list[STATUS_SEATS];
    struct buf services[STATUS_SEATS];
    size_t n;
};

static void add_seat(void *arg, const struct seat_use *use)
{
    struct status_of *s = arg;

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
    asking_services(s->b->asking, use, &s->services[s->n]);
    row->services = buf_cstr(&s->services[s->n]);
    s->list[s->n++] = row;
}

static void fill_status(struct status_of *s, Core__Status *status)
{
    struct broker *b = s->b;

    peers_each_seat(b->peers, add_seat, s);
    status->log = b->log;
    status->version = CHANCERY_VERSION;
    status->head = journal_head(b->journal);
    status->started = b->started;
    status->now = broker_now(b);
    status->commits = publish_commits(b->publishing);
    status->refusals = b->refusals.total;
    status->disk_free = b->disk_free;
    status->n_seats = s->n;
    status->seats = s->list;
    status->halted = halted(b);
    status->publishing = !status->halted[0];
}

void handle_get_status(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Status status = CORE__STATUS__INIT;
    struct refusal why = {.stream = "audit"};

    if (!access_allows(c->b->registry, c->peer->key->seat, CORE__VERB__VERB_READ, "audit",
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
