/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.c - what Prometheus reads of a status */
#include "adapters/metrics/text.h"

#include <string.h>

#include "tests/support/test.h"

static struct buf text;

static const char *text_of(const struct facts *f)
{
    buf_reset(&text);
    metrics_text(&text, f);
    return buf_cstr(&text);
}

/* The line stands there, whole. */
static void shows(const char *all, const char *line)
{
    const char *at = strstr(all, line);
    size_t n = strlen(line);

    while (at && ((at != all && at[-1] != '\n') || at[n] != '\n'))
        at = strstr(at + 1, line);
    if (!at)
        print_error("not there: %s\n%s", line, all);
    assert_non_null(at);
}

static void what_was_never_asked_is_not_told(void **unused)
{
    (void)unused;
    const struct facts f = {.scrapes = 3};

    assert_string_equal(
        text_of(&f),
        "# HELP chancery_up 1 where the broker answers.\n# TYPE chancery_up gauge\nchancery_up 0\n"
        "# HELP chancery_scrapes_total Scrapes of this process.\n"
        "# TYPE chancery_scrapes_total counter\nchancery_scrapes_total 3\n"
        "# HELP chancery_broker_answered_timestamp_seconds When the broker answered last; 0 where "
        "it never did.\n# TYPE chancery_broker_answered_timestamp_seconds gauge\n"
        "chancery_broker_answered_timestamp_seconds 0.000000\n");
}

static void a_status_is_told_in_base_units(void **unused)
{
    (void)unused;
    Core__Status st = CORE__STATUS__INIT;
    const struct facts f = {true, &st, 1500000, 1};

    st.log = "a/\"b\"\\c\nd";
    st.version = "1";
    st.head = UINT64_MAX;
    st.publishing = true;
    st.disk_free = 4096;
    st.recorded = 7;
    st.checkpoint_time = INT64_C(1795655360845560);
    const char *all = text_of(&f);
    shows(all, "chancery_up 1");
    shows(all, "chancery_broker_info{log=\"a/\\\"b\\\"\\\\c\\nd\",version=\"1\"} 1");
    shows(all, "chancery_log_head 18446744073709551615");
    shows(all, "chancery_publishing 1");
    shows(all, "chancery_disk_free_bytes 4096");
    shows(all, "chancery_recorded_events_total 7");
    shows(all, "chancery_checkpoint_timestamp_seconds 1795655360.845560");
    shows(all, "chancery_broker_answered_timestamp_seconds 1.500000");
    assert_null(strstr(all, "chancery_commit_duration_seconds")); /* of an older broker */
}

static void each_seat_and_each_code_has_its_line(void **unused)
{
    (void)unused;
    Core__Status st = CORE__STATUS__INIT;
    Core__SeatStatus a = CORE__SEAT_STATUS__INIT, b = CORE__SEAT_STATUS__INIT;
    Core__SeatStatus *seats[] = {&a, &b};
    Core__RefusalCount denied = CORE__REFUSAL_COUNT__INIT, *refused[] = {&denied};
    const struct facts f = {true, &st, 0, 1};

    a.seat = "embargo", a.office = "QMA/services", a.backlog = 12, a.questions = 3;
    b.seat = "officer", b.office = "QMA/npc", b.unsent = 1 << 20, b.sessions = 2;
    denied.code = "access.denied", denied.count = 5;
    st.n_seats = 2, st.seats = seats, st.n_refused = 1, st.refused = refused;
    const char *all = text_of(&f);
    shows(all, "chancery_seat_backlog{seat=\"embargo\",office=\"QMA/services\"} 12");
    shows(all, "chancery_seat_backlog{seat=\"officer\",office=\"QMA/npc\"} 0");
    shows(all, "chancery_seat_questions{seat=\"embargo\",office=\"QMA/services\"} 3");
    shows(all, "chancery_seat_unsent_bytes{seat=\"officer\",office=\"QMA/npc\"} 1048576");
    shows(all, "chancery_seat_sessions{seat=\"officer\",office=\"QMA/npc\"} 2");
    shows(all, "chancery_refusals_total{code=\"access.denied\"} 5");
}

static void a_histogram_adds_up(void **unused)
{
    (void)unused;
    Core__Status st = CORE__STATUS__INIT;
    Core__Histogram time = CORE__HISTOGRAM__INIT, events = CORE__HISTOGRAM__INIT;
    uint64_t time_bounds[] = {50, 1000, 2000000}, time_counts[] = {1, 0, 5, 2};
    uint64_t events_bounds[] = {1, 2}, events_counts[] = {4, 3}; /* one is missing */
    const struct facts f = {true, &st, 0, 1};

    time.n_bounds = 3, time.bounds = time_bounds, time.n_counts = 4, time.counts = time_counts;
    time.sum = 6500000;
    events.n_bounds = events.n_counts = 2, events.bounds = events_bounds;
    events.counts = events_counts;
    st.commit_time = &time, st.commit_events = &events;
    const char *all = text_of(&f);
    assert_non_null(strstr(all, "# TYPE chancery_commit_duration_seconds histogram\n"
                                "chancery_commit_duration_seconds_bucket{le=\"5e-05\"} 1\n"
                                "chancery_commit_duration_seconds_bucket{le=\"0.001\"} 1\n"
                                "chancery_commit_duration_seconds_bucket{le=\"2\"} 6\n"
                                "chancery_commit_duration_seconds_bucket{le=\"+Inf\"} 8\n"
                                "chancery_commit_duration_seconds_sum 6.500000\n"
                                "chancery_commit_duration_seconds_count 8\n"));
    assert_null(strstr(all, "chancery_commit_events"));
}

static void without_a_broker_only_what_stays_true_of_the_log_is_told(void **unused)
{
    (void)unused;
    Core__Status st = CORE__STATUS__INIT;
    const struct facts f = {false, &st, 1, 1};

    st.head = 41, st.checkpoint = 40;
    const char *all = text_of(&f);
    shows(all, "chancery_up 0");
    shows(all, "chancery_log_head 41");
    shows(all, "chancery_checkpoint_size 40");
    assert_null(strstr(all, "_total 0"));
    assert_null(strstr(all, "chancery_publishing"));
    assert_null(strstr(all, "chancery_seat"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_never_asked_is_not_told),
        cmocka_unit_test(a_status_is_told_in_base_units),
        cmocka_unit_test(each_seat_and_each_code_has_its_line),
        cmocka_unit_test(a_histogram_adds_up),
        cmocka_unit_test(without_a_broker_only_what_stays_true_of_the_log_is_told),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    buf_free(&text);
    return failed;
}
