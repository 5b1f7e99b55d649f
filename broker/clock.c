/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/clock.h"

#include <time.h>

#include "lib/log.h"

static int64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_machine(void)
{
    return clock_of(CLOCK_REALTIME);
}

static int64_t real_of(const struct clock *c)
{
    return clock_machine() + c->followed.ahead;
}

static int take_received(void *arg, const struct journal_record *record)
{
    *(int64_t *)arg = record->received;
    return 0;
}

/* Where the clock stood when the log ended: at the last receipt time, unless that is still the one
 * at which a clock was accepted that stands elsewhere. */
static int64_t known_of(const struct clock *c, struct journal *j)
{
    int64_t last = journal_last_received(j), accepted = 0;

    if (c->followed.accepted &&
        journal_get(j, c->followed.accepted, take_received, &accepted) == 0 && last <= accepted)
        return c->followed.accepted_time + c->followed.ahead;
    return last;
}

void clock_open(struct clock *c, const struct registry *r, struct journal *j)
{
    *c = (struct clock){.registry = r, .followed = *registry_clock(r)};
    guard_begin(&c->guard, real_of(c), clock_of(CLOCK_BOOTTIME), journal_last_received(j),
                known_of(c, j));
}

int64_t clock_now(struct clock *c)
{
    int64_t now = guard_now(&c->guard, real_of(c), clock_of(CLOCK_BOOTTIME));

    if (c->guard.jumped && !c->told) {
        c->told = true;
        log_error("clock.jumped", "publishing waits; set it right, then an administrator runs "
                                  "`chancery clock accept`");
    }
    return now;
}

void clock_follow(struct clock *c)
{
    const struct clock_acts *acts = registry_clock(c->registry);

    if (acts->ahead != c->followed.ahead) {
        guard_forward(&c->guard, acts->ahead - c->followed.ahead);
        log_info("clock.moved", "seconds=%lld",
                 (long long)(acts->ahead - c->followed.ahead) / 1000000);
    }
    bool accepted = acts->accepted != c->followed.accepted;
    c->followed = *acts;
    if (accepted) {
        guard_accept(&c->guard, real_of(c), clock_of(CLOCK_BOOTTIME));
        c->told = false;
        log_info("clock.accepted", "by an administrator position=%llu",
                 (unsigned long long)acts->accepted);
    }
}
