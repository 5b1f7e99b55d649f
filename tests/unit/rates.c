/* SPDX-License-Identifier: Apache-2.0 */
/* rates.c - what happened between two statuses */
#include "adapters/terminal/rates.h"

#include "tests/support/test.h"

enum { SECOND = 1000000, BOUNDS = 3 };

struct told { /* a status, and what it points to */
    Core__Status st;
    Core__Histogram time;
    uint64_t bounds[BOUNDS], counts[BOUNDS + 1];
};

static struct sample sample_of(uint64_t at, uint64_t recorded, const uint64_t counts[BOUNDS + 1])
{
    struct told t = {.bounds = {1000, 2000, 4000}};
    struct sample s;

    core__status__init(&t.st);
    core__histogram__init(&t.time);
    memcpy(t.counts, counts, sizeof t.counts);
    t.time.n_bounds = BOUNDS, t.time.bounds = t.bounds;
    t.time.n_counts = BOUNDS + 1, t.time.counts = t.counts;
    t.st.commit_time = &t.time;
    t.st.started = 77;
    t.st.recorded = recorded, t.st.delivered = 2 * recorded, t.st.asked = recorded / 2;
    sample_take(&s, &t.st, at);
    return s;
}

static bool near(double a, double b)
{
    return a - b < 0.001 && b - a < 0.001;
}

static void rates_are_a_second_whatever_the_interval(void **unused)
{
    (void)unused;
    const uint64_t none[BOUNDS + 1] = {5, 5, 5, 5}, more[BOUNDS + 1] = {5, 7, 7, 5};
    const struct sample before = sample_of(3 * SECOND, 100, none),
                        now = sample_of(5 * SECOND, 140, more);
    const struct rates r = rates_between(&before, &now);

    assert_true(r.known);
    assert_true(near(r.recorded, 20));
    assert_true(near(r.delivered, 40));
    assert_true(near(r.asked, 10));
    assert_true(near(r.commits, 2));
}

static void quantiles_are_of_the_interval_alone(void **unused)
{
    (void)unused;
    const uint64_t none[BOUNDS + 1] = {1000, 0, 0, 0};
    const uint64_t four[BOUNDS + 1] = {1000, 4, 0, 0}, many[BOUNDS + 1] = {1098, 0, 2, 0};
    const uint64_t slow[BOUNDS + 1] = {1000, 0, 0, 3};
    const struct sample before = sample_of(1 * SECOND, 0, none);
    struct sample now = sample_of(2 * SECOND, 0, four);
    struct rates r = rates_between(&before, &now);

    assert_true(near(r.p50, 1500));
    assert_true(near(r.p99, 1990));
    now = sample_of(2 * SECOND, 0, many);
    r = rates_between(&before, &now);
    assert_true(near(r.p50, 50 * 1000 / 98.0));
    assert_true(near(r.p99, 3000));
    now = sample_of(2 * SECOND, 0, slow); /* above all bounds */
    r = rates_between(&before, &now);
    assert_true(near(r.p50, 4000));
    r = rates_between(&before, &before);
    assert_false(r.known);
    now = sample_of(2 * SECOND, 0, none);
    r = rates_between(&before, &now);
    assert_true(r.known && r.commits == 0 && r.p50 == 0 && r.p99 == 0);
}

static void a_broker_that_began_anew_has_no_rates_yet(void **unused)
{
    (void)unused;
    const uint64_t some[BOUNDS + 1] = {9, 0, 0, 0}, none[BOUNDS + 1] = {0};
    const struct sample before = sample_of(1 * SECOND, 900, some);
    struct sample now = sample_of(2 * SECOND, 1, none);
    Core__Status older = CORE__STATUS__INIT;

    now.started++;
    assert_false(rates_between(&before, &now).known);
    older.started = 77;
    sample_take(&now, &older, 2 * SECOND); /* which does not tell how long commits take */
    assert_false(rates_between(&before, &now).known);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_a_second_whatever_the_interval),
        cmocka_unit_test(quantiles_are_of_the_interval_alone),
        cmocka_unit_test(a_broker_that_began_anew_has_no_rates_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
