/* SPDX-License-Identifier: Apache-2.0 */
/* clock.c - what an administrator signs about the broker's clock */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/session.h"
#include "chancery/core/v1/registry.pb-c.h"

static int act(const struct call *c, const ProtobufCMessage *message, const char *done)
{
    uint64_t position;
    struct session s;
    int rc = session_open_publishing(&s, c);

    if (rc != DONE)
        return rc;
    rc = session_request(&s, "registry", message, NULL, &position);
    progress_end(&s.progress);
    if (rc == FAILED)
        rc = session_unpublished(&s);
    else if (rc == DONE)
        printf("%s, recorded at position %llu\n", done, (unsigned long long)position);
    session_close(&s);
    return rc;
}

int clock_accept_run(const struct call *c)
{
    Core__ClockAccepted accepted = CORE__CLOCK_ACCEPTED__INIT;
    char now[40];

    accepted.time = time_now();
    accepted.reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";
    time_text(now, accepted.time);
    char *done = mem_printf("the broker's clock is right, it is %s", now);
    int rc = act(c, &accepted.base, done);
    mem_free(done);
    return rc;
}

/* 90m, 8h, 3d: microseconds; 0 = none of these. */
static int64_t span_of(const char *text)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    long n = strtol(text, &end, 10);

    for (size_t i = 0; n > 0 && n <= 100000 && i < sizeof units / sizeof *units; i++)
        if (end[0] == units[i].unit && end[1] == '\0')
            return n * units[i].seconds * 1000000;
    return 0;
}

int clock_move_run(const struct call *c)
{
    Core__ClockMoved moved = CORE__CLOCK_MOVED__INIT;

    moved.by = span_of(c->argument[0]);
    moved.reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";
    if (!moved.by) {
        complain("'%s': how far? for example 90m, 8h or 3d", c->argument[0]);
        return USAGE;
    }
    return act(c, &moved.base, "the exercise's clock is moved forward");
}
