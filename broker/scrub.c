/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/scrub.h"

#include <assert.h>
#include <uv.h>

#include "broker/scrub_pass.h"
#include "lib/mem.h"

enum { TURN_BYTES = 256 * 1024 };
static const uint64_t SECOND = 1000000000; /* nanoseconds */

struct scrub {
    struct scrub_of of;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards stop, last */
    uv_cond_t wake;
    struct scrub_passed last;
    bool stop;
};

/* Whether to go on. */
static bool rest(struct scrub *s, uint64_t nanoseconds)
{
    const uint64_t end = uv_hrtime() + nanoseconds;

    uv_mutex_lock(&s->mutex);
    for (uint64_t now = uv_hrtime(); !s->stop && now < end; now = uv_hrtime())
        uv_cond_timedwait(&s->wake, &s->mutex, end - now);
    bool go_on = !s->stop;
    uv_mutex_unlock(&s->mutex);
    return go_on;
}

static void note_passed(struct scrub *s, uint64_t records)
{
    uv_mutex_lock(&s->mutex);
    s->last = (struct scrub_passed){records, uv_hrtime()};
    uv_mutex_unlock(&s->mutex);
}

/* One pass; whether another one follows. */
static bool pass(struct scrub *s, struct scrub_pass *p)
{
    const uint64_t begun = uv_hrtime();
    uint64_t read;
    int rc;

    scrub_pass_begin(p);
    while ((rc = scrub_pass_turn(p, s->of.journal, TURN_BYTES, &read)) == 0)
        if (!rest(s, read * SECOND / s->of.rate))
            return false;
    if (rc < 0) {
        s->of.found(s->of.arg, p->finding.position, p->finding.what, p->finding.text);
        return false;
    }
    uint64_t took = uv_hrtime() - begun, least = s->of.least * SECOND;
    note_passed(s, p->next - 1);
    s->of.passed(s->of.arg, p->next - 1, p->bytes, took / SECOND);
    return rest(s, took < least ? least - took : 0);
}

static void run(void *arg)
{
    struct scrub *s = arg;
    struct scrub_pass p = {0};

    while (pass(s, &p))
        ;
    scrub_pass_end(&p);
}

struct scrub *scrub_start(const struct scrub_of *of)
{
    struct scrub *s = mem_new(sizeof *s);

    assert(of->rate > 0);
    s->of = *of;
    int rc = uv_mutex_init(&s->mutex);
    assert(rc == 0);
    rc = uv_cond_init(&s->wake);
    assert(rc == 0);
    rc = uv_thread_create(&s->thread, run, s);
    assert(rc == 0);
    return s;
}

struct scrub_passed scrub_last(struct scrub *s)
{
    struct scrub_passed last = {0};

    if (s) {
        uv_mutex_lock(&s->mutex);
        last = s->last;
        uv_mutex_unlock(&s->mutex);
    }
    return last;
}

void scrub_stop(struct scrub *s)
{
    if (!s)
        return;
    uv_mutex_lock(&s->mutex);
    s->stop = true;
    uv_cond_signal(&s->wake);
    uv_mutex_unlock(&s->mutex);
    uv_thread_join(&s->thread);
    uv_mutex_destroy(&s->mutex);
    uv_cond_destroy(&s->wake);
    mem_free(s);
}
