/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical text, dates and parties. */
#include "adapters/sanctions/list.h"

#include <utf8proc.h>

#include "adapters/sanctions/date.h"
#include "adapters/sanctions/text.h"
#include "lib/err.h"
#include "lib/scan.h"
#include "tests/support/test.h"

static void check_text(const char *raw, const char *canonical)
{
    struct arena *arena = arena_new(1 << 20);
    const char *text = text_canonical(arena, slice_str(raw));

    if (canonical)
        assert_string_equal(text, canonical);
    else
        assert_null(text);
    arena_free(arena);
}

static void white_space_is_folded_and_text_composed(void **unused)
{
    (void)unused;
    check_text("", NULL);
    check_text(" \r\n\t\xC2\xA0\xE3\x80\x80", NULL);
    check_text("  a\r\n\tb\xE2\x80\xA8"
               "c ",
               "a b c");
    check_text("e\xCC\x81", "\xC3\xA9");
    check_text("\xE1\x84\x80\xE1\x85\xA1", "\xEA\xB0\x80");
    check_text("\xD9\x85\xD8\xAD\xD9\x85\xD8\xAF", "\xD9\x85\xD8\xAD\xD9\x85\xD8\xAF");
}

static void every_character_comes_out_composed(void **unused)
{
    struct arena *arena = arena_new(1 << 20);

    (void)unused;
    for (int32_t c = 0x21; c < 0x30000; c++) {
        uint8_t raw[9] = "e";
        if (c >= 0xD800 && c < 0xE000)
            continue;
        utf8proc_encode_char(c, raw + 1);
        const char *text = text_canonical(arena, slice_str((const char *)raw));
        assert_true(scan_text(slice_str(text)));
        arena_reset(arena);
    }
    arena_free(arena);
}

static void numbers_of_documents_are_letters_and_digits(void **unused)
{
    struct arena *arena = arena_new(4096);

    (void)unused;
    assert_string_equal(text_letters(arena, "imo 92-894/77 \xD0\x90"), "IMO9289477");
    assert_null(text_letters(arena, " -/"));
    assert_null(text_letters(arena, NULL));
    arena_free(arena);
}

static void check_date(const char *text, bool known, int32_t from, int32_t to)
{
    Sanctions__ListDate date = SANCTIONS__LIST_DATE__INIT;

    date_read(&date, text);
    assert_string_equal(date.text, text);
    assert_int_equal(date.known, known);
    assert_int_equal(date.from_day, from);
    assert_int_equal(date.to_day, to);
}

static void dates_are_intervals_and_keep_their_text(void **unused)
{
    (void)unused;
    check_date("1970-01-01", true, 0, 0);
    check_date("2015-03-27-04:00", true, 16521, 16521);
    check_date("1970-02-03Z", true, 33, 33);
    check_date("1970", true, 0, 364);
    check_date("1972-02", true, 761, 789);
    check_date("01/02/1970", true, 31, 31);
    check_date("00/00/1965", true, -1826, -1462);
    check_date("00/02/1970", true, 31, 58);
    check_date("dd/mm/1970", true, 0, 364);
    check_date("31/02/1970", true, 0, 364);
    check_date("1970-02-30", true, 0, 364);
    check_date("1970 - 1971", true, 0, 729);
    check_date("circa 1970", true, 0, 364);
    check_date("1971 - 1970", false, 0, 0);
    check_date("Invalid date", false, 0, 0);
    check_date("null", false, 0, 0);
    check_date("1390", false, 0, 0);
    check_date("1970-01-01 or so", false, 0, 0);
    check_date("", false, 0, 0);
}

static void circa_makes_a_date_approximate(void **unused)
{
    Sanctions__ListDate date = SANCTIONS__LIST_DATE__INIT;

    (void)unused;
    date_read(&date, "c. 1970");
    assert_int_equal(date.type, SANCTIONS__DATE_TYPE__DATE_TYPE_APPROXIMATE);
}

static void repeated_values_are_sorted_and_unique(void **unused)
{
    const char *texts[] = {"b", "a", "b", "A"};
    size_t n = 4;

    (void)unused;
    list_sort_texts(texts, &n);
    assert_int_equal(n, 3);
    assert_string_equal(texts[0], "A");
    assert_string_equal(texts[2], "b");
}

static int refuse_piece(void *arg, const Sanctions__PartyPublished *piece)
{
    (void)arg, (void)piece;
    return ERR_IO;
}

static void a_value_larger_than_an_event_is_refused(void **unused)
{
    Sanctions__ListedParty party = SANCTIONS__LISTED_PARTY__INIT;
    struct hash hash = {{0}};
    struct buf big = {0};
    const char *titles[1];

    (void)unused;
    memset(buf_grow(&big, PIECE_BYTES), 'a', PIECE_BYTES);
    titles[0] = buf_cstr(&big);
    party.titles = titles;
    party.n_titles = 1;
    assert_int_equal(list_cut(&party, &hash, &hash, refuse_piece, NULL), ERR_BOUNDS);
    party.n_titles = 0;
    assert_int_equal(list_cut(&party, &hash, &hash, refuse_piece, NULL), ERR_IO);
    party.comments = titles[0];
    assert_int_equal(list_cut(&party, &hash, &hash, refuse_piece, NULL), ERR_BOUNDS);
    buf_free(&big);
}

static void the_version_is_no_content(void **unused)
{
    Sanctions__ListedParty party = SANCTIONS__LISTED_PARTY__INIT;
    struct hash a, b;
    struct buf room = {0};

    (void)unused;
    list_hash(&party, &room, &a);
    party.version = "2";
    list_hash(&party, &room, &b);
    assert_true(hash_equal(&a, &b));
    party.internal_id = "2";
    list_hash(&party, &room, &b);
    assert_false(hash_equal(&a, &b));
    buf_free(&room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(white_space_is_folded_and_text_composed),
        cmocka_unit_test(every_character_comes_out_composed),
        cmocka_unit_test(numbers_of_documents_are_letters_and_digits),
        cmocka_unit_test(dates_are_intervals_and_keep_their_text),
        cmocka_unit_test(circa_makes_a_date_approximate),
        cmocka_unit_test(repeated_values_are_sorted_and_unique),
        cmocka_unit_test(a_value_larger_than_an_event_is_refused),
        cmocka_unit_test(the_version_is_no_content),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
