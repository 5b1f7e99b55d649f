/* SPDX-License-Identifier: Apache-2.0 */
/* mail.c - headers, encodings and what is shown of hostile text */
#include "adapters/alert/mail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/alert/committee.h"
#include "adapters/alert/mime.h"
#include "adapters/alert/page.h"

static void no_text_ends_a_header(void **unused)
{
    struct buf out = {0};

    (void)unused;
    mime_header(&out, "Subject", "one\r\nBcc: two@qza.example");
    assert_string_equal(buf_cstr(&out),
                        "Subject: =?UTF-8?B?b25lICBCY2M6IHR3b0BxemEuZXhhbXBsZQ==?=\r\n");
    buf_free(&out);
}

static void text_that_looks_encoded_is_encoded(void **unused)
{
    struct buf out = {0};

    (void)unused;
    mime_header(&out, "Subject", "=?UTF-8?Q?x?=");
    assert_string_equal(buf_cstr(&out), "Subject: =?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?=\r\n");
    buf_free(&out);
}

static void long_headers_are_folded(void **unused)
{
    struct buf out = {0}, text = {0};

    (void)unused;
    for (int i = 0; i < 300; i++)
        buf_add_str(&text, i % 50 == 49 ? "abcdefghij" : i % 9 ? "é" : "ab ");
    mime_header(&out, "Subject", buf_cstr(&text));
    mime_header(&out, "Subject",
                "word after word after word after word after word after word after word "
                "after word after word");
    buf_reset(&text);
    for (int i = 0; i < 2000; i++)
        buf_add_str(&text, i % 7 ? "x" : i < 500 ? " " : "y");
    mime_header(&out, "Subject", buf_cstr(&text));
    const char *line = buf_cstr(&out);
    for (const char *end; (end = strstr(line, "\r\n")); line = end + 2)
        assert_true(end - line <= 78);
    assert_string_equal(line, "");
    buf_free(&out);
    buf_free(&text);
}

static void quoted_printable_keeps_lines_and_hides_full_stops(void **unused)
{
    struct buf out = {0};

    (void)unused;
    mime_quoted_printable(&out, slice_str("a=b \n.\nFrom x\né\ttail"));
    assert_string_equal(buf_cstr(&out), "a=3Db=20\r\n=2E\r\n=46rom x\r\n=C3=A9=09tail\r\n");
    buf_reset(&out);
    for (int i = 0; i < 20; i++)
        mime_quoted_printable(&out, slice_str("ééééééééééééééééééééééééééééééééééééééééééé"));
    const char *line = buf_cstr(&out);
    for (const char *end; (end = strstr(line, "\r\n")); line = end + 2)
        assert_true(end - line <= 76);
    buf_free(&out);
}

static void dates_are_english_and_in_utc(void **unused)
{
    struct buf out = {0};

    (void)unused;
    mime_header_date(&out, 1772150409554000);
    assert_string_equal(buf_cstr(&out), "Date: Fri, 27 Feb 2026 00:00:09 +0000\r\n");
    buf_free(&out);
}

static void steering_signs_are_shown_not_obeyed(void **unused)
{
    struct buf out = {0};

    (void)unused;
    page_show(&out, "a\xe2\x80\xae"
                    "b\x1b[2J\xef\xbb\xbf\xc2\x85"
                    "c\xe2\x81\xa6\xff\xc3");
    assert_string_equal(buf_cstr(&out), "a<U+202E>b<U+001B>[2J<U+FEFF><U+0085>c<U+2066>"
                                        "\xef\xbf\xbd\xef\xbf\xbd");
    buf_reset(&out);
    page_show(&out, "عبد \u200cالله");
    assert_string_equal(buf_cstr(&out), "عبد \u200cالله");
    buf_free(&out);
}

static void a_message_id_depends_on_each_of_its_parts(void **unused)
{
    static const char *const parts[][4] = {
        {"qma.example", "r", "a@b", "notice un 1"},      {"qma.example", "r", "a@b", "notice un 2"},
        {"qma.example", "r", "a@c", "notice un 1"},      {"qma.example", "s", "a@b", "notice un 1"},
        {"-.qmb.example/x-", "r", "a@b", "notice un 1"},
    };
    struct buf ids[5] = {{0}};

    (void)unused;
    for (size_t i = 0; i < 5; i++) {
        mail_message_id(&ids[i], parts[i][0], parts[i][1], parts[i][2], parts[i][3]);
        for (size_t k = 0; k < i; k++)
            assert_false(slice_equal(slice_buf(&ids[i]), slice_buf(&ids[k])));
    }
    assert_string_equal(strchr(buf_cstr(&ids[0]), '@'), "@qma.example");
    assert_string_equal(strchr(buf_cstr(&ids[4]), '@'), "@qmb.example.x");
    for (size_t i = 0; i < 5; i++)
        buf_free(&ids[i]);
}

static void committees_are_called_by_their_resolution_of_the_day(void **unused)
{
    static const struct {
        const char *list, *committee;
        int64_t time;
        const char *expected;
    } rows[] = {
        {"un", "Al-Qaida", 0, "UN 1267"},
        {"un", "CAR", 1700000000000000, "UN 2127"},
        {"un", "CAR", 1772150409554000, "UN 2745"},
        {"un", "Atlantis", 0, "UN Atlantis"},
        {"eu", "", 0, "EU"},
    };
    struct buf out = {0};

    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        buf_reset(&out);
        committee_short(&out, rows[i].list, rows[i].committee, rows[i].time);
        assert_string_equal(buf_cstr(&out), rows[i].expected);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_text_ends_a_header),
        cmocka_unit_test(text_that_looks_encoded_is_encoded),
        cmocka_unit_test(long_headers_are_folded),
        cmocka_unit_test(quoted_printable_keeps_lines_and_hides_full_stops),
        cmocka_unit_test(dates_are_english_and_in_utc),
        cmocka_unit_test(steering_signs_are_shown_not_obeyed),
        cmocka_unit_test(a_message_id_depends_on_each_of_its_parts),
        cmocka_unit_test(committees_are_called_by_their_resolution_of_the_day),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
