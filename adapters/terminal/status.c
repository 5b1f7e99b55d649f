/* SPDX-License-Identifier: Apache-2.0 */
/* status.c - how the service fares: the broker, its log and disk, processes, what failed */
#include "adapters/terminal/status.h"

#include "adapters/terminal/commands.h"
#include "adapters/terminal/failures.h"
#include "adapters/terminal/forecast.h"
#include "adapters/terminal/processes.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/undelivered.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(30) * 1000000, glance = INT64_C(1500000),
                     WEEK = INT64_C(7) * 24 * 3600 * 1000000;

/* ---- from the broker ---- */

struct fetching {
    struct session *s;
    bool done;
    const Core__Status *answer;
};

static void on_status(void *arg, int err, const char *text, const void *status, size_t size)
{
    struct fetching *f = arg;

    f->done = true;
    if (err == 0)
        f->answer =
            core__status__unpack(arena_allocator(f->s->arena), size, (const uint8_t *)status);
    if (!f->answer)
        session_fail(f->s, "%s: %s", err_code(err ? err : ERR_MALFORMED),
                     text ? text : err_text(err));
}

int status_fetch(struct session *s, const Core__Status **out)
{
    struct fetching f = {.s = s};
    int rc = chancery_status(s->client, on_status, &f);

    if (rc < 0) {
        session_fail(s, "cannot ask for the status: %s", err_text(rc));
        return FAILED;
    }
    rc = session_wait(s, &f.done, s->patient ? 0 : answer_for);
    if (rc == FAILED)
        session_fail(s, "the broker does not tell its status");
    *out = f.answer;
    return rc == DONE && f.done && !f.answer ? FAILED : rc;
}

void status_seats(const Core__Status *st, bool workers)
{
    static const char *const head[] = {"SEAT",    "OFFICE",   "SOFTWARE", "SESSIONS", "READINGS",
                                       "BACKLOG", "SERVICES", "EVENTS",   NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < st->n_seats; i++) {
        const Core__SeatStatus *seat = st->seats[i];
        if (workers && !seat->services[0])
            continue;
        table_cell(t, "%s", seat->seat);
        table_cell(t, "%s", seat->office);
        table_cell(t, "%s", seat->software);
        table_cell(t, "%u", seat->sessions);
        table_cell(t, "%u", seat->readings);
        table_cell(t, "%llu", (unsigned long long)seat->backlog);
        table_cell(t, "%s", seat->services);
        table_cell(t, "%llu", (unsigned long long)seat->events);
    }
    table_print(t, stdout);
    table_free(t);
}

static void show_carried(const Core__Status *st)
{
    static const char *const head[] = {"SEAT",     "OFFICE", "THROUGH", "SESSIONS",
                                       "READINGS", "EVENTS", "UNTIL",   NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < st->n_carried; i++) {
        const Core__CarriedStatus *row = st->carried[i];
        char *until = time_of(row->until, true);
        table_cell(t, "%s", row->seat);
        table_cell(t, "%s", row->office);
        table_cell(t, "%s", row->gateway);
        table_cell(t, "%u", row->sessions);
        table_cell(t, "%u", row->readings);
        table_cell(t, "%llu", (unsigned long long)row->events);
        table_cell(t, "%s", until);
        mem_free(until);
    }
    table_print(t, stdout);
    table_free(t);
}

/* ---- for people and programs ---- */

static void show_broker(const Core__Status *st)
{
    char *started = time_of(st->started, true);

    show_line("log", "%s, head %llu", st->log, (unsigned long long)st->head);
    show_line("broker", "version %s, since %s", st->version, started);
    show_line("publishing", "%s%s", st->publishing ? "yes" : "no: ", st->halted);
    show_line("commits", "%llu, refusals %llu", (unsigned long long)st->commits,
              (unsigned long long)st->refusals);
    mem_free(started);
}

static void show_disk(const Core__Status *st)
{
    const struct forecast f = forecast_of(st);
    struct buf text = {0}, when = {0};

    text_size(&text, st->disk_free);
    show_line("disk free", "%s", buf_cstr(&text));
    buf_reset(&text);
    text_size(&text, st->log_used);
    buf_add_str(&text, ", parts ");
    text_size(&text, st->parts_used);
    show_line("log on disk", "%s", buf_cstr(&text));
    forecast_text(&when, &f);
    show_line("forecast", "%s", buf_cstr(&when));
    buf_free(&text);
    buf_free(&when);
}

/* How far the checkpoint lags; nothing where it follows. */
static void text_lag(char out[128], const Core__Status *st)
{
    out[0] = '\0';
    if (st->checkpoint_waits[0])
        snprintf(out, 128, "; %llu have none: %s", (unsigned long long)(st->head - st->checkpoint),
                 st->checkpoint_waits);
}

static void show_care(const Core__Status *st)
{
    char behind[128];
    char *scrubbed = time_of(st->scrubbed, true), *signed_at = time_of(st->checkpoint_time, true);

    text_lag(behind, st);
    if (st->scrubbed)
        show_line("scrubbed", "%s, %llu records, all sound", scrubbed,
                  (unsigned long long)st->scrubbed_records);
    else
        show_line("scrubbed", "not yet since the broker began");
    show_line("checkpoint", "of %llu records, %s%s", (unsigned long long)st->checkpoint, signed_at,
              behind);
    mem_free(scrubbed);
    mem_free(signed_at);
}

struct fares { /* what `status` tells, but for what a worker is asked */
    const Core__Status *st;
    struct failures failures;
    struct undelivered undelivered;
    json_t *processes;
};

static int fares_find(struct session *s, struct fares *f)
{
    f->processes = processes_read(&s->settings);
    int rc = status_fetch(s, &f->st);

    if (rc == DONE)
        rc = failures_find(s, &f->failures);
    if (rc == DONE)
        rc = undelivered_find(s, f->st->now - WEEK, &f->undelivered);
    return rc;
}

static void fares_clear(struct fares *f)
{
    mem_free(f->failures.list);
    json_decref(f->processes);
}

bool status_offers(const Core__Status *st, const char *service)
{
    for (size_t i = 0; i < st->n_seats; i++)
        if (strstr(st->seats[i]->services, service))
            return true;
    return false;
}

static void show_lists(struct session *s, json_t *object)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;

    if (session_ask(s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer) !=
        DONE)
        return;
    const Embargo__ListStatuses *statuses = answer;
    if (object)
        json_object_set_new(object, "embargo", json_of_message(&statuses->base));
    for (size_t i = 0; !object && i < statuses->n_lists; i++)
        show_list_status(statuses->lists[i]);
}

static void show_text(struct session *s, const struct fares *f)
{
    show_broker(f->st);
    show_disk(f->st);
    show_care(f->st);
    processes_show(f->processes);
    failures_show(&f->failures);
    undelivered_show(&f->undelivered);
    if (status_offers(f->st, "embargo"))
        show_lists(s, NULL);
    else
        puts("embargo         no worker offers this service now");
    putchar('\n');
    status_seats(f->st, false);
    if (f->st->n_carried) {
        putchar('\n');
        show_carried(f->st);
    }
}

static json_t *forecast_json(const Core__Status *st)
{
    const struct forecast f = forecast_of(st);

    return f.known
               ? json_pack("{s:I, s:f}", "eventsADay", (json_int_t)f.events_a_day, "days", f.days)
               : json_null();
}

static void show_object(struct session *s, const struct fares *f)
{
    json_t *object =
        json_pack("{s:o, s:O, s:o, s:o, s:o}", "broker", json_of_message(&f->st->base), "processes",
                  f->processes, "failed", failures_json(&f->failures), "alerts",
                  undelivered_json(&f->undelivered), "forecast", forecast_json(f->st));

    if (status_offers(f->st, "embargo"))
        show_lists(s, object);
    show_json(object);
}

int status_run(const struct call *c)
{
    struct fares fares = {0};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    s.ask_for = glance;
    rc = fares_find(&s, &fares);
    progress_end(&s.progress);
    if (rc == DONE && c->option[OPT_JSON])
        show_object(&s, &fares);
    else if (rc == DONE)
        show_text(&s, &fares);
    fares_clear(&fares);
    session_close(&s);
    return rc;
}
