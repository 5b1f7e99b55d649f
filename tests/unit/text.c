/* SPDX-License-Identifier: Apache-2.0 */
/* text - what people read on a terminal: safe, aligned, with times */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "adapters/terminal/letter.h"
#include "adapters/terminal/text.h"

static void shown_as(const char *text, const char *expected)
{
    struct buf out = {0};

    text_safe(&out, text);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void letters_of_every_script_are_printed_as_they_are(void **unused)
{
    static const char *const names[] = {"QDi.001",      "\xd8\xb9\xd8\xa8\xd8\xaf",
                                        "\xe6\x9d\x8e", "\xd0\x98\xd0\xb2\xd0\xb0\xd0\xbd",
                                        "e\xcc\x81",    "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae"};

    (void)unused;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        shown_as(names[i], names[i]);
}

static void control_and_bidi_characters_are_shown_and_not_obeyed(void **unused)
{
    (void)unused;
    shown_as("a\x1b[2Jb", "a\\u001b[2Jb");
    shown_as("a\nb\tc\rd", "a\\nb\\tc\\u000dd");
    shown_as("\xe2\x80\xae"
             "cod.exe",
             "\\u202ecod.exe");
    shown_as("\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069");
    shown_as("\xc2\x9b"
             "31m",
             "\\u009b31m");
    shown_as("\xe2\x80\xa8", "\\u2028");
    shown_as("\xf3\xa0\x80\x81", "\\U000e0001");
}

static void bytes_that_are_not_utf8_are_shown(void **unused)
{
    (void)unused;
    shown_as("a\xff\xc3", "a\\xff\\xc3");
    shown_as("\xed\xa0\x80", "\\xed\\xa0\\x80");
}

static void json_stays_the_same_value_when_it_is_made_safe(void **unused)
{
    struct buf out = {0};
    json_t *value = json_pack("{s:s}", "a", "x\xe2\x80\xaey\xf3\xa0\x80\x81\xd8\xb9");

    (void)unused;
    text_json(&out, value);
    assert_string_equal(buf_cstr(&out), "{\"a\":\"x\\u202ey\\udb40\\udc01\xd8\xb9\"}");
    json_t *again = json_loads(buf_cstr(&out), 0, NULL);
    assert_true(json_equal(value, again));
    json_decref(value);
    json_decref(again);
    buf_free(&out);
}

static void width_counts_columns(void **unused)
{
    (void)unused;
    assert_int_equal(text_width("abc"), 3);
    assert_int_equal(text_width("\xe6\x9d\x8e\xe6\x9d\x8e"), 4);
    assert_int_equal(text_width("e\xcc\x81"), 1);
    assert_int_equal(text_width(""), 0);
}

static void timed_as(int64_t us, bool local, const char *expected)
{
    struct buf out = {0};

    text_time(&out, us, local);
    assert_string_equal(buf_cstr(&out), expected);
    buf_free(&out);
}

static void times_are_given_in_utc_and_local(void **unused)
{
    (void)unused;
    setenv("TZ", "XST-5:30", 1);
    tzset();
    timed_as(1772150409554000, false, "2026-02-27 00:00:09 UTC");
    timed_as(1772150409554000, true, "2026-02-27 00:00:09 UTC (2026-02-27 05:30:09 +0530)");
    timed_as(-1, false, "1969-12-31 23:59:59 UTC");
    timed_as(0, true, "-");
    setenv("TZ", "UTC", 1);
    tzset();
    timed_as(1772150409554000, true, "2026-02-27 00:00:09 UTC");
}

static void sizes_have_units(void **unused)
{
    struct buf out = {0};

    (void)unused;
    text_size(&out, 312);
    text_size(&out, 1536);
    text_size(&out, UINT64_C(5) << 40);
    assert_string_equal(buf_cstr(&out), "312 B1.5 KiB5.0 TiB");
    buf_free(&out);
}

/* The examples of arXiv:0901.4016. */
static void fingerprints_are_words_to_read_aloud(void **unused)
{
    static const uint8_t address[] = {127, 0, 0, 1, 63, 84, 220, 193};
    struct buf out = {0};

    (void)unused;
    text_words(&out, slice_of(address, sizeof address));
    assert_string_equal(buf_cstr(&out), "lusab-babad-gutih-tugad");
    buf_free(&out);
}

static void tables_are_aligned_by_columns_not_bytes(void **unused)
{
    static const char *const head[] = {"NAME", "N", NULL};
    struct table *t = table_new(head);
    char *text = NULL;
    size_t size;

    (void)unused;
    table_cell(t, "\xe6\x9d\x8e\xe6\x9d\x8e\xe6\x9d\x8e");
    table_cell(t, "%d", 1);
    table_cell(t, "a\nb");
    table_cell(t, "%d", 22);
    FILE *f = open_memstream(&text, &size);
    table_print(t, f);
    fclose(f);
    assert_string_equal(text, "NAME    N\n"
                              "\xe6\x9d\x8e\xe6\x9d\x8e\xe6\x9d\x8e  1\n"
                              "a\\nb    22\n");
    assert_int_equal(table_rows(t), 2);
    free(text);
    table_free(t);
}

static void a_mail_is_shown_by_headers_and_text_part(void **unused)
{
    static const char mail[] =
        "From: a@b.example\r\nX-Other: no\r\nSubject: one\r\n two\r\n\r\n--=_x\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
        "quoted-printable\r\n\r\nJos=C3=A9 goes=\r\n on=0A=1B[2J\r\n\r\n--=_x\r\n"
        "Content-Type: text/html\r\n\r\n<p>not this</p>\r\n--=_x--\r\n";
    struct buf out = {0};

    (void)unused;
    letter_show(&out, slice_str(mail));
    assert_string_equal(buf_cstr(&out), "From: a@b.example\nSubject: one\n two\n\n"
                                        "Jos\xc3\xa9 goes on\\n\\u001b[2J\n\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(letters_of_every_script_are_printed_as_they_are),
        cmocka_unit_test(control_and_bidi_characters_are_shown_and_not_obeyed),
        cmocka_unit_test(bytes_that_are_not_utf8_are_shown),
        cmocka_unit_test(json_stays_the_same_value_when_it_is_made_safe),
        cmocka_unit_test(width_counts_columns),
        cmocka_unit_test(times_are_given_in_utc_and_local),
        cmocka_unit_test(sizes_have_units),
        cmocka_unit_test(fingerprints_are_words_to_read_aloud),
        cmocka_unit_test(tables_are_aligned_by_columns_not_bytes),
        cmocka_unit_test(a_mail_is_shown_by_headers_and_text_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
