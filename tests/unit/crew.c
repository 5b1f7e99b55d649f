/* SPDX-License-Identifier: Apache-2.0 */
/* Work off the loop: all of it is done once, the loop is told, and an end waits for what is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/crew.h"

enum { ITEMS = 2000 };

struct rig {
    uv_loop_t loop;
    struct crew *crew;
    unsigned told;
};

struct job {
    struct crew_item item;
    atomic_int times;
    uv_sem_t *go; /* NULL = at once */
};

static void on_work(struct crew_item *item)
{
    struct job *job = (struct job *)item;

    if (job->go)
        uv_sem_wait(job->go);
    atomic_fetch_add(&job->times, 1);
}

static void on_done(void *owner)
{
    ((struct rig *)owner)->told++;
}

static void begin(struct rig *r)
{
    r->told = 0;
    uv_loop_init(&r->loop);
    crew_start(&r->crew, &r->loop, on_work, on_done, r);
}

static void end(struct rig *r)
{
    crew_stop(r->crew);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
}

static void give_all(struct rig *r, struct job jobs[])
{
    for (size_t i = 0; i < ITEMS; i++)
        crew_give(r->crew, &jobs[i].item);
}

static size_t count_done(struct job jobs[])
{
    size_t done = 0;

    for (size_t i = 0; i < ITEMS; i++)
        done += crew_is_done(&jobs[i].item);
    return done;
}

static void await_all(struct rig *r, struct job jobs[])
{
    while (count_done(jobs) < ITEMS)
        uv_run(&r->loop, UV_RUN_ONCE);
}

static void all_is_done_once_and_the_loop_is_told(void **unused)
{
    (void)unused;
    static struct job jobs[ITEMS];
    struct rig r;

    begin(&r);
    give_all(&r, jobs);
    await_all(&r, jobs);
    while (r.told == 0) /* the threads may have ended all before the loop ran once */
        uv_run(&r.loop, UV_RUN_ONCE);
    assert_in_range(r.told, 1, ITEMS);
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(jobs[i].times, 1);
    end(&r);
}

/* Each is given when the threads have nothing, and most of them sleep. */
static void one_after_the_other(struct rig *r)
{
    for (int i = 0; i < 200; i++) {
        struct job job = {0};
        crew_give(r->crew, &job.item);
        while (!crew_is_done(&job.item))
            uv_run(&r->loop, UV_RUN_ONCE);
        assert_int_equal(job.times, 1);
    }
}

static void whoever_sleeps_is_woken(void **unused)
{
    (void)unused;
    struct rig r;

    begin(&r);
    one_after_the_other(&r);
    end(&r);
}

static void one_that_takes_long_keeps_no_others(void **unused)
{
    (void)unused;
    static struct job slow, jobs[ITEMS];
    struct rig r;
    uv_sem_t go;

    begin(&r);
    one_after_the_other(&r);
    uv_sem_init(&go, 0);
    slow.go = &go;
    crew_give(r.crew, &slow.item);
    if (uv_available_parallelism() > 1) {
        give_all(&r, jobs);
        await_all(&r, jobs);
    }
    assert_false(crew_is_done(&slow.item));
    uv_sem_post(&go);
    while (!crew_is_done(&slow.item))
        uv_run(&r.loop, UV_RUN_ONCE);
    end(&r);
    uv_sem_destroy(&go);
}

static void an_end_waits_for_what_was_given(void **unused)
{
    (void)unused;
    static struct job jobs[ITEMS];
    struct rig r;

    begin(&r);
    give_all(&r, jobs);
    end(&r);
    assert_int_equal(count_done(jobs), ITEMS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_done_once_and_the_loop_is_told),
        cmocka_unit_test(whoever_sleeps_is_woken),
        cmocka_unit_test(one_that_takes_long_keeps_no_others),
        cmocka_unit_test(an_end_waits_for_what_was_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
