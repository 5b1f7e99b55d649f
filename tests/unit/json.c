/* SPDX-License-Identifier: Apache-2.0 */
/* json - messages to proto3 JSON and back, by descriptors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chancery/core/v1/envelope.pb-c.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/json.h"
#include "lib/types.h"

static struct arena *arena;

static int set_up(void **unused)
{
    (void)unused;
    arena = arena_new(4 << 20);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    arena_free(arena);
    return 0;
}

static void prints_as(const ProtobufCMessage *message, const char *expected)
{
    struct buf text = {0};

    json_print(&text, message, 0);
    assert_string_equal(buf_cstr(&text), expected);
    buf_free(&text);
}

static const void *parsed(const ProtobufCMessageDescriptor *type, const char *text)
{
    struct buf why = {0};
    ProtobufCMessage *message = json_to_message(type, slice_str(text), arena, &why);

    if (!message)
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    return message;
}

static void refused_at(const ProtobufCMessageDescriptor *type, const char *text, const char *reason)
{
    struct buf why = {0};

    assert_null(json_to_message(type, slice_str(text), arena, &why));
    assert_string_equal(buf_cstr(&why), reason);
    buf_free(&why);
}

/* Wherever it stands. */
static void refused(const ProtobufCMessageDescriptor *type, const char *text, const char *reason)
{
    struct buf why = {0};

    assert_null(json_to_message(type, slice_str(text), arena, &why));
    assert_string_equal(strstr(buf_cstr(&why), ": ") + 2, reason);
    buf_free(&why);
}

static void what_was_printed_reads_back_as_the_same_bytes(void **unused)
{
    (void)unused;
    static const char text[] =
        "{\"log\":\"demo.example/un\",\"id\":\"AAECAwQFBgcICQoLDA0ODw==\",\"evidence\":\"EVIDENCE_"
        "SIGNED\",\"seatSeq\":\"18446744073709551615\",\"references\":[{\"position\":\"7\"},{}],"
        "\"handling\":{\"label\":\"LABEL_AMBER\",\"recipients\":[{\"kind\":\"RECIPIENT_KIND_"
        "OFFICE\",\"name\":\"QMA/npc\"}],\"codes\":[\"HANDLING_CODE_H1\",\"HANDLING_CODE_H3\"],"
        "\"personalData\":true},\"created\":\"-1\",\"payloadSize\":4294967295}";
    const Core__Envelope *e = parsed(&core__envelope__descriptor, text);

    assert_int_equal(e->seat_seq, UINT64_MAX);
    assert_int_equal(e->created, -1);
    assert_int_equal(e->n_references, 2);
    assert_int_equal(e->handling->codes[1], CORE__HANDLING_CODE__HANDLING_CODE_H3);
    prints_as(&e->base, text);
}

static void fields_with_their_default_are_left_out(void **unused)
{
    (void)unused;
    Core__Envelope e = CORE__ENVELOPE__INIT;

    prints_as(&e.base, "{}");
    parsed(&core__envelope__descriptor, "{\"log\":null,\"parts\":[],\"seatSeq\":0,\"id\":\"\"}");
}

static void a_member_of_a_oneof_is_printed_even_when_empty(void **unused)
{
    (void)unused;
    const Core__Frame *f = parsed(&core__frame__descriptor, "{\"ref\":\"3\",\"ping\":{}}");

    assert_int_equal(f->body_case, CORE__FRAME__BODY_PING);
    prints_as(&f->base, "{\"ref\":\"3\",\"ping\":{}}");
}

static void two_members_of_a_oneof_are_refused(void **unused)
{
    (void)unused;
    refused(&core__frame__descriptor, "{\"ping\":{},\"pong\":{}}",
            "/pong: another field of the same oneof is given too");
}

static void names_are_taken_in_both_spellings_but_not_twice(void **unused)
{
    (void)unused;
    const Core__Envelope *e = parsed(&core__envelope__descriptor, "{\"seat_seq\":5}");

    assert_int_equal(e->seat_seq, 5);
    refused(&core__envelope__descriptor, "{\"seatSeq\":5,\"seat_seq\":5}",
            "/seat_seq: the field is given twice: also as seatSeq");
    refused_at(&core__envelope__descriptor, "{\"log\":\"a\",\"log\":\"b\"}",
               "1:16: duplicate object key near '\"log\"'");
}

static void a_digit_behind_an_underscore_stays(void **unused)
{
    (void)unused;
    const Sanctions__ListedParty *p =
        parsed(&sanctions__listed_party__descriptor, "{\"name1\":\"\xd0\x98\"}");

    assert_string_equal(p->name_1, "\xd0\x98");
    prints_as(&p->base, "{\"name1\":\"\xd0\x98\"}");
}

static void unknown_names_are_refused_with_their_place(void **unused)
{
    (void)unused;
    refused(&core__envelope__descriptor, "{\"handling\":{\"recipients\":[{},{\"na/m~e\":1}]}}",
            "/handling/recipients/1/na~1m~0e: Recipient has no field of that name");
}

static void numbers_out_of_range_are_refused(void **unused)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"{\"ordinal\":-1}", "/ordinal: out of range: 0 to 4294967295"},
        {"{\"ordinal\":4294967296}", "/ordinal: out of range: 0 to 4294967295"},
        {"{\"ordinal\":1.5}", "/ordinal: not a whole number"},
        {"{\"ordinal\":\"1 \"}", "/ordinal: not a whole number"},
        {"{\"ordinal\":\"01\"}", "/ordinal: not a whole number"},
        {"{\"ordinal\":\"\"}", "/ordinal: not a whole number"},
        {"{\"cause\":\"18446744073709551616\"}", "/cause: not a whole number"},
        {"{\"created\":\"9223372036854775808\"}",
         "/created: out of range: -9223372036854775808 to 9223372036854775807"},
        {"{\"created\":true}", "/created: not a whole number"},
        {"{\"created\":1e300}", "/created: not a whole number"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(&core__envelope__descriptor, rows[i].text, rows[i].reason);
}

static void numbers_are_taken_as_strings_and_with_exponents(void **unused)
{
    (void)unused;
    const Core__Envelope *e =
        parsed(&core__envelope__descriptor,
               "{\"ordinal\":\"7\",\"of\":1e3,\"created\":\"-9223372036854775808\"}");

    assert_int_equal(e->ordinal, 7);
    assert_int_equal(e->of, 1000);
    assert_true(e->created == INT64_MIN);
}

static void values_of_another_type_are_refused(void **unused)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"{\"log\":1}", "/log: not a string"},
        {"{\"handling\":[]}", "/handling: not an object (Handling)"},
        {"{\"parts\":{}}", "/parts: not an array"},
        {"{\"parts\":[null]}", "/parts/0: not an object (PartRef)"},
        {"{\"parts\":[{\"sealed\":\"true\"}]}", "/parts/0/sealed: not true or false"},
        {"{\"id\":\"****\"}", "/id: not base64"},
        {"{\"id\":\"A\"}", "/id: not base64"},
        {"{\"mode\":\"ACTUAL\"}",
         "/mode: Mode has no value ACTUAL; it begins with MODE_UNSPECIFIED, MODE_ACTUAL"},
        {"{\"mode\":true}", "/mode: not the name of a value of Mode"},
        {"[]", "/: not an object (Envelope)"},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refused(&core__envelope__descriptor, rows[i].text, rows[i].reason);
}

static void text_that_is_not_json_is_refused_with_line_and_column(void **unused)
{
    (void)unused;
    refused_at(&core__envelope__descriptor, "{\n  \"log\": ,\n}",
               "2:10: unexpected token near ','");
    refused_at(&core__envelope__descriptor, "{} {}", "1:4: end of file expected near '{'");
    refused_at(&core__envelope__descriptor, "{\"log\":\"a\\u0000\"}",
               "1:16: \\u0000 is not allowed without JSON_ALLOW_NUL near "
               "'\"a\\u0000\"'");
}

static void what_is_wrong_is_named_with_line_and_column(void **unused)
{
    static const char text[] =
        "\n{ \"log\" : \"\\\"}],{\",\n"
        "  \"parts\":[{},{\"size\":1, \"x\" :[1,{}]}],\n"
        "\t\"references\": [{},\n {\"log\":\"\xd0\x96\", \"position\":1.5}]}";
    static const struct {
        const char *pointer;
        int line, column;
    } rows[] = {
        {"", 2, 1},          {"/log", 2, 3},          {"/parts", 3, 3},
        {"/parts/1", 3, 15}, {"/parts/1/x", 3, 26},   {"/references/1/position", 5, 14},
        {"/absent", 2, 1},   {"/parts/7/size", 3, 3}, {"/log/0", 2, 3},
    };
    int line, column;

    (void)unused;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_place(slice_str(text), rows[i].pointer, &line, &column);
        assert_int_equal(line, rows[i].line);
        assert_int_equal(column, rows[i].column);
    }
    json_place(slice_str("{\"a/b\":1,\"a~\":2}"), "/a~0", &line, &column);
    assert_int_equal(column, 10);
    refused_at(&core__envelope__descriptor, text,
               "3:26: /parts/1/x: PartRef has no field of that name");
    refused_at(&core__envelope__descriptor, "[]", "1:1: /: not an object (Envelope)");
}

static void base64_is_taken_url_safe_and_without_padding(void **unused)
{
    static const uint8_t expected[] = {0xfb, 0xff, 0xbf, 0x01};
    static const char *const texts[] = {"{\"id\":\"+/+/AQ==\"}", "{\"id\":\"-_-_AQ\"}"};

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        const Core__Envelope *e = parsed(&core__envelope__descriptor, texts[i]);
        assert_int_equal(e->id.len, sizeof expected);
        assert_memory_equal(e->id.data, expected, sizeof expected);
    }
}

static void an_enum_number_nobody_named_stays_a_number(void **unused)
{
    (void)unused;
    const Core__Envelope *e = parsed(&core__envelope__descriptor, "{\"mode\":77}");

    prints_as(&e->base, "{\"mode\":77}");
}

static void text_that_is_not_utf8_is_shown_with_replacement(void **unused)
{
    (void)unused;
    Core__Envelope e = CORE__ENVELOPE__INIT;

    e.log = "a\xff\xc3";
    prints_as(&e.base, "{\"log\":\"a\xef\xbf\xbd\xef\xbf\xbd\"}");
}

static void a_message_larger_than_the_arena_is_refused(void **unused)
{
    struct arena *small = arena_new(512);
    struct buf why = {0};

    (void)unused;
    assert_null(json_to_message(
        &core__envelope__descriptor,
        slice_str("{\"handling\":{\"recipients\":[{},{},{},{},{},{},{},{},{}]}}"), small, &why));
    assert_non_null(strstr(buf_cstr(&why), "too large"));
    buf_free(&why);
    arena_free(small);
}

static const type_table types = {&core__envelope__descriptor, &embargo__notice__descriptor, NULL};

static void types_are_found_by_full_and_by_short_name(void **unused)
{
    char brief[40];

    (void)unused;
    assert_ptr_equal(type_find(types, "chancery.embargo.v1.Notice"), types[1]);
    assert_ptr_equal(type_find(types, "embargo.Notice"), types[1]);
    assert_null(type_find(types, "Notice"));
    type_short(brief, sizeof brief, "chancery.embargo.v1.Notice");
    assert_string_equal(brief, "embargo.Notice");
    type_short(brief, sizeof brief, "org.other.Thing");
    assert_string_equal(brief, "org.other.Thing");
    type_short(brief, 8, "chancery.embargo.v1.Notice");
    assert_string_equal(brief, "embargo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_printed_reads_back_as_the_same_bytes),
        cmocka_unit_test(fields_with_their_default_are_left_out),
        cmocka_unit_test(a_member_of_a_oneof_is_printed_even_when_empty),
        cmocka_unit_test(two_members_of_a_oneof_are_refused),
        cmocka_unit_test(names_are_taken_in_both_spellings_but_not_twice),
        cmocka_unit_test(a_digit_behind_an_underscore_stays),
        cmocka_unit_test(unknown_names_are_refused_with_their_place),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(numbers_are_taken_as_strings_and_with_exponents),
        cmocka_unit_test(values_of_another_type_are_refused),
        cmocka_unit_test(text_that_is_not_json_is_refused_with_line_and_column),
        cmocka_unit_test(what_is_wrong_is_named_with_line_and_column),
        cmocka_unit_test(base64_is_taken_url_safe_and_without_padding),
        cmocka_unit_test(an_enum_number_nobody_named_stays_a_number),
        cmocka_unit_test(text_that_is_not_utf8_is_shown_with_replacement),
        cmocka_unit_test(a_message_larger_than_the_arena_is_refused),
        cmocka_unit_test(types_are_found_by_full_and_by_short_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
