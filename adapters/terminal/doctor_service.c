/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_service.c - does the broker answer and record, and does everybody keep up? */
#include <sys/timex.h>

#include "adapters/terminal/doctor.h"
#include "adapters/terminal/failures.h"
#include "adapters/terminal/forecast.h"
#include "adapters/terminal/status.h"
#include "adapters/terminal/undelivered.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/err.h"

enum { SAMPLE = 100, BACKLOG_WARN = 10000, WEEKS_LEFT = 4 };
static const int64_t SECOND = 1000000, DAY = INT64_C(24) * 3600 * 1000000, glance = 2000000;

/* ---- the broker ---- */

static void tell_halted(struct doctor *d)
{
    bool jumped = strcmp(d->status->halted, err_code(ERR_CLOCK)) == 0;

    doctor_find(d, HEALTH_FAIL,
                jumped ? "set the clock right, then `chancery clock accept --seat administrator`"
                       : "make room; publishing goes on by itself",
                "it answers, but publishing is halted: %s", d->status->halted);
}

void doctor_broker(struct doctor *d)
{
    int rc = session_open(&d->session, d->call);

    if (rc == DONE) {
        d->session.ask_for = glance;
        rc = status_fetch(&d->session, &d->status);
        progress_end(&d->session.progress);
    }
    doctor_measure(d, "broker_up", "Whether the broker answers.", d->status ? 1 : 0);
    if (!d->status)
        doctor_find(d, HEALTH_FAIL,
                    "`chancery up`, or `systemctl status chancery.target`; chancery-messages(7) "
                    "explains its lines",
                    rc == DONE || rc == UNREACHABLE ? "the broker does not answer at %s"
                                                    : "the broker at %s cannot be asked",
                    d->settings.endpoint);
    else if (d->status->publishing)
        doctor_find(d, HEALTH_OK, "", "%s %s answers, head %llu", d->status->log,
                    d->status->version, (unsigned long long)d->status->head);
    else
        tell_halted(d);
}

/* ---- time ---- */

void doctor_time(struct doctor *d)
{
    struct timex t = {.modes = 0};
    bool synchronised = adjtimex(&t) >= 0 && !(t.status & STA_UNSYNC);
    int64_t apart = d->status ? d->status->now - time_now() : 0;

    doctor_measure(d, "clock_synchronised", "Whether the kernel says that a time service does.",
                   synchronised);
    if (apart > 5 * SECOND || apart < -5 * SECOND)
        doctor_find(d, HEALTH_WARN, "set this machine's clock, or the broker's, right",
                    "the broker's time is %+.0f s from this machine's",
                    (double)apart / (double)SECOND);
    else if (!synchronised)
        doctor_find(d, HEALTH_WARN, "run chrony or systemd-timesyncd",
                    "no time service keeps this machine's clock");
    else
        doctor_find(d, HEALTH_OK, "", "the clock is kept by a time service");
}

/* ---- the log ---- */

static bool sample(void *arg, const struct seen *seen)
{
    (void)seen;
    ++*(unsigned *)arg;
    return true;
}

static void tell_growth(struct doctor *d)
{
    struct forecast f = forecast_of(d->status);
    struct buf text = {0};

    forecast_text(&text, &f);
    if (f.known && f.days < 7 * WEEKS_LEFT)
        doctor_find(d, HEALTH_WARN, "make room, or move the instance to a larger disk", "%s",
                    buf_cstr(&text));
    buf_free(&text);
}

static void tell_unsigned(struct doctor *d)
{
    const char *why = d->status->checkpoint_waits;
    uint64_t lag = d->status->head - d->status->checkpoint;
    bool away = strcmp(why, "signer.away") == 0;

    doctor_measure(d, "unsigned", "Records behind the newest checkpoint.", (double)lag);
    if (away)
        doctor_find(d, HEALTH_WARN, "start chancery-signer, and look at what it logs",
                    "the signer is away: %llu records have no checkpoint yet",
                    (unsigned long long)lag);
    else if (why[0])
        doctor_find(d, HEALTH_FAIL,
                    "look at what the signer logs (signer.refused): the log was changed behind its "
                    "back, or it cannot keep what it signs",
                    "the signer refuses: %s; %llu records have no checkpoint", why,
                    (unsigned long long)lag);
}

void doctor_log(struct doctor *d)
{
    unsigned n = 0;
    uint64_t head = d->status->head;
    struct look look = {
        .from = head > SAMPLE ? head - SAMPLE + 1 : 1, .until = head, .each = sample, .arg = &n};

    doctor_measure(d, "head", "Events in the log.", (double)head);
    if (session_look(&d->session, &look) != DONE)
        doctor_find(d, HEALTH_FAIL, "`chancery log verify DIR` on a copy",
                    "the newest %d records cannot all be read", SAMPLE);
    else if (d->status->scrubbed)
        doctor_find(d, HEALTH_OK, "",
                    "the newest %u records that this seat may see are sound; the whole log was, of "
                    "%llu",
                    n, (unsigned long long)d->status->scrubbed_records);
    else
        doctor_find(d, HEALTH_OK, "", "the newest %u records that this seat may see are sound", n);
    tell_growth(d);
    tell_unsigned(d);
}

/* ---- those who work ---- */

static void tell_backlog(struct doctor *d)
{
    for (size_t i = 0; i < d->status->n_seats; i++) {
        const Core__SeatStatus *seat = d->status->seats[i];
        if (seat->backlog > BACKLOG_WARN)
            doctor_find(d, HEALTH_WARN, "look whether it runs and what it logs",
                        "%s is %llu events behind", seat->seat, (unsigned long long)seat->backlog);
    }
}

static void tell_failures(struct doctor *d)
{
    struct failures failures = {0};

    if (failures_find(&d->session, &failures) != DONE)
        doctor_find(d, HEALTH_WARN, "look at what it logs",
                    "what workers failed on cannot be read");
    for (size_t i = 0; i < failures.n; i++) {
        const struct failure *f = &failures.list[i];
        char *next = mem_printf("`chancery worker retry %llu`, with a build that bears it",
                                (unsigned long long)f->input);
        doctor_find(d, HEALTH_FAIL, next, "%s: input %llu (%s) ended the worker and is set aside",
                    f->stream, (unsigned long long)f->input, f->type);
        mem_free(next);
    }
    mem_free(failures.list);
}

void doctor_workers(struct doctor *d)
{
    char *seat = doctor_stated(d, "[embargo] seat");
    size_t before = d->report.n;

    if (seat && !status_offers(d->status, "embargo"))
        doctor_find(d, HEALTH_FAIL, "start it, and look at what it logs",
                    "no worker offers the service embargo");
    tell_failures(d);
    tell_backlog(d);
    if (d->report.n == before)
        doctor_find(d, HEALTH_OK, "", "all that offer a service keep up");
    mem_free(seat);
}

void doctor_lists(struct doctor *d)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;
    size_t before = d->report.n;

    if (!status_offers(d->status, "embargo"))
        return;
    if (session_ask(&d->session, "embargo", &question.base, &embargo__list_statuses__descriptor,
                    &answer) != DONE) {
        doctor_find(d, HEALTH_WARN, "look at what it logs", "the embargo worker does not answer");
        return;
    }
    const Embargo__ListStatuses *lists = answer;
    for (size_t i = 0; i < lists->n_lists; i++)
        if (lists->lists[i]->set_aside)
            doctor_find(d, HEALTH_WARN, "`chancery list status`, then confirm or reject it",
                        "%s: the list of %s is set aside and waits for a person",
                        lists->lists[i]->list, lists->lists[i]->set_aside->generated_text);
    if (d->report.n == before)
        doctor_find(d, HEALTH_OK, "", "%zu lists, none waits for a person", lists->n_lists);
}

void doctor_alerts(struct doctor *d)
{
    struct undelivered u = {0};

    if (undelivered_find(&d->session, d->status->now - 7 * DAY, &u) != DONE)
        doctor_find(d, HEALTH_WARN, "act as a seat that may read alert.out",
                    "what was not delivered cannot be read");
    else if (u.n)
        doctor_find(d, HEALTH_WARN, "tell them in another way, and mend the rule or the server",
                    "%llu alerts were given up in 7 days, the last to %s: %s",
                    (unsigned long long)u.n, u.recipient, u.code);
    else
        doctor_find(d, HEALTH_OK, "", "no alert was given up in 7 days");
}
