/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/report.h"

#include "tests/support/test.h"

static struct finding all[] = {
    {"keys", HEALTH_OK, (char[]){"7 keys"}, (char[]){""}},
    {"space", HEALTH_WARN, (char[]){"1 GiB | free"}, (char[]){"make room"}},
    {"broker", HEALTH_FAIL, (char[]){"no answer"}, (char[]){"chancery up"}},
    {"broker", HEALTH_OK, (char[]){"port 1"}, (char[]){""}},
};

static struct report report_of(size_t n)
{
    return (struct report){
        .findings = all, .n = n, .measures = {{"head", "Events in the log.", 41}}, .n_measures = 1};
}

static void prints(const struct report *r, const char *format, const char *expected)
{
    struct buf out = {0};

    assert_true(report_print(r, format, &out));
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void the_worst_finding_is_the_health(void **state)
{
    (void)state;
    for (size_t n = 0; n <= 3; n++) {
        struct report r = report_of(n);
        assert_int_equal(report_health(&r), n < 2 ? HEALTH_OK : n == 2 ? HEALTH_WARN : HEALTH_FAIL);
    }
}

static void people_read_lines_with_the_next_step(void **state)
{
    struct report r = report_of(2);

    (void)state;
    prints(&r, "text",
           "ok    keys           7 keys\n"
           "warn  space          1 GiB | free\n"
           "                     -> make room\n"
           "1 ok, 1 to look at, 0 failed\n");
}

static void nagios_gets_one_line_of_what_is_worst(void **state)
{
    struct report fail = report_of(4), warn = report_of(2), ok = report_of(1);

    (void)state;
    prints(&fail, "nagios", "CHANCERY CRITICAL - broker: no answer | head=41\n");
    prints(&warn, "nagios", "CHANCERY WARNING - space: 1 GiB / free | head=41\n");
    prints(&ok, "nagios", "CHANCERY OK - 1 findings | head=41\n");
}

static void prometheus_gets_a_check_once(void **state)
{
    struct report r = report_of(4);

    (void)state;
    prints(&r, "prometheus",
           "# HELP chancery_check What chancery doctor found: 0 ok, 1 warn, 2 fail.\n"
           "# TYPE chancery_check gauge\n"
           "chancery_check{check=\"keys\"} 0\n"
           "chancery_check{check=\"space\"} 1\n"
           "chancery_check{check=\"broker\"} 2\n"
           "# HELP chancery_head Events in the log.\n"
           "# TYPE chancery_head gauge\n"
           "chancery_head 41\n");
}

static void programs_get_an_object(void **state)
{
    struct report r = report_of(1);

    (void)state;
    prints(&r, "json",
           "{\"health\":\"ok\",\"findings\":[{\"check\":\"keys\",\"health\":\"ok\",\"text\":\"7 "
           "keys\",\"next\":\"\"}],\"measures\":{\"head\":41.0}}\n");
}

static void another_format_is_none(void **state)
{
    struct report r = report_of(1);
    struct buf out = {0};

    (void)state;
    assert_false(report_print(&r, "html", &out));
    assert_int_equal(out.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worst_finding_is_the_health),
        cmocka_unit_test(people_read_lines_with_the_next_step),
        cmocka_unit_test(nagios_gets_one_line_of_what_is_worst),
        cmocka_unit_test(prometheus_gets_a_check_once),
        cmocka_unit_test(programs_get_an_object),
        cmocka_unit_test(another_format_is_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
