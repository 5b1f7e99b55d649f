/* SPDX-License-Identifier: Apache-2.0 */
/* forecast.c - when the disk reserve is reached, in words */
#include "adapters/terminal/forecast.h"

#include "tests/support/test.h"

static const int64_t HOUR = INT64_C(3600) * 1000000, DAY = 24 * INT64_C(3600) * 1000000;

/* A log of 1,000 events of 4 KiB each. */
static Core__Status status(uint64_t lately, int64_t span, uint64_t left)
{
    Core__Status st = CORE__STATUS__INIT;

    st.head = 1000;
    st.log_used = 3000 * 1024;
    st.parts_used = 1000 * 1024;
    st.disk_reserve = 64 << 20;
    st.disk_free = st.disk_reserve + left;
    st.lately = lately;
    st.lately_span = span;
    return st;
}

static void says(Core__Status st, const char *expected)
{
    const struct forecast f = forecast_of(&st);
    struct buf text = {0};

    forecast_text(&text, &f);
    assert_string_equal(buf_cstr(&text), expected);
    buf_free(&text);
}

static void it_goes_by_the_events_of_the_last_days(void **unused)
{
    (void)unused;
    const uint64_t day = UINT64_C(1250) * 4 * 1024;

    says(status(7 * 1250, 7 * DAY, 410 * day + day / 2),
         "at 1,250 events a day the disk reserve is reached in 410 days");
    says(status(1250 / 24 * 24, DAY, 2 * day),
         "at 1,248 events a day the disk reserve is reached in 2 days");
    says(status(1250, DAY, day + day / 2),
         "at 1,250 events a day the disk reserve is reached in 36 hours");
    says(status(1250, DAY, 1), "at 1,250 events a day the disk reserve is reached in 0 hours");
    says(status(1234567, DAY, UINT64_C(1) << 40),
         "at 1,234,567 events a day the disk reserve is reached in 217 days");
}

static void what_is_far_away_is_not_counted_in_days(void **unused)
{
    (void)unused;
    says(status(1, DAY, UINT64_C(1) << 40),
         "at 1 event a day the disk reserve is not reached in 10 years");
    says(status(0, 7 * DAY, 1 << 20),
         "at 0 events a day the disk reserve is not reached in 10 years");
}

static void there_is_none_in_the_first_hour(void **unused)
{
    (void)unused;
    Core__Status older = CORE__STATUS__INIT; /* an older broker does not tell */

    says(status(1000, HOUR - 1, 1 << 30), "none in the first hour of a log");
    says(status(10, HOUR, UINT64_C(9600) * 1024),
         "at 240 events a day the disk reserve is reached in 10 days");
    says(older, "none in the first hour of a log");
}

static void a_reserve_that_is_reached_is_told(void **unused)
{
    (void)unused;
    Core__Status st = status(10, DAY, 0);

    says(st, "the disk reserve is reached: make room");
    st.disk_free /= 2;
    says(st, "the disk reserve is reached: make room");
    says(status(0, DAY, 0), "the disk reserve is reached: make room");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_goes_by_the_events_of_the_last_days),
        cmocka_unit_test(what_is_far_away_is_not_counted_in_days),
        cmocka_unit_test(there_is_none_in_the_first_hour),
        cmocka_unit_test(a_reserve_that_is_reached_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
