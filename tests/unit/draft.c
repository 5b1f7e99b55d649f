/* SPDX-License-Identifier: Apache-2.0 */
/* draft - an event to publish, put together from words */
#include "tests/support/test.h"

#include "adapters/terminal/draft.h"
#include "chancery/core/v1/envelope.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"

static struct arena *arena;

static int set_up(void **unused)
{
    (void)unused;
    arena = arena_new(1 << 20);
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    arena_free(arena);
    return 0;
}

static struct draft draft_of(const char *line)
{
    struct draft d = {.arena = arena};
    struct buf why = {0};

    if (!draft_line(&d, slice_str(line), &why))
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    return d;
}

static void refused(const char *line, const char *reason)
{
    struct draft d = {.arena = arena};
    struct buf why = {0};

    assert_false(draft_line(&d, slice_str(line), &why));
    assert_string_equal(buf_cstr(&why), reason);
    buf_free(&why);
}

#define BEGIN "{\"stream\":\"embargo.in\",\"type\":\"embargo.ConfirmSnapshot\","

static void a_line_says_all_of_an_event(void **unused)
{
    struct draft d = draft_of(
        BEGIN "\"label\":\"amber+strict\",\"to\":[\"QMA\",\"QMB/npc\",\"seat:amina\"],"
              "\"kind\":\"update\",\"mode\":\"test\",\"case\":\"c-1\",\"references\":[7,\"8\"],"
              "\"inReplyTo\":9,\"expires\":\"2026-01-01T00:00:01+01:00\","
              "\"id\":\"01a21443-ba8c-7bef-87fa-eda488c49d35\",\"payload\":{\"list\":\"un\"}}");
    const struct chancery_event *e = &d.event;

    (void)unused;
    assert_string_equal(e->stream, "embargo.in");
    assert_string_equal(e->type, "chancery.embargo.v1.ConfirmSnapshot");
    assert_int_equal(e->label, CORE__LABEL__LABEL_AMBER_STRICT);
    assert_int_equal(e->n_recipients, 3);
    assert_int_equal(e->recipients[0].kind, CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY);
    assert_int_equal(e->recipients[1].kind, CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE);
    assert_string_equal(e->recipients[1].name, "QMB/npc");
    assert_int_equal(e->recipients[2].kind, CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT);
    assert_string_equal(e->recipients[2].name, "amina");
    assert_int_equal(e->kind, CORE__KIND__KIND_UPDATE);
    assert_int_equal(e->mode, CORE__MODE__MODE_TEST);
    assert_string_equal(e->case_id, "c-1");
    assert_int_equal(e->n_references, 2);
    assert_int_equal(e->references[1], 8);
    assert_int_equal(e->reply_to, 9);
    assert_int_equal(e->expires, INT64_C(1767222001000000));
    assert_true(d.identified);
    assert_int_equal(e->id[0], 0x01);
    assert_int_equal(e->payload_size, 4);
}

static void what_a_line_leaves_out_stays_as_it_was(void **unused)
{
    struct draft d = {.arena = arena, .event = {.stream = "x", .reply_to = 3}};
    struct buf why = {0};

    (void)unused;
    assert_true(
        draft_line(&d, slice_str("{\"type\":\"embargo.ConfirmSnapshot\",\"payload\":{}}"), &why));
    assert_string_equal(d.event.stream, "x");
    assert_int_equal(d.event.reply_to, 3);
    assert_int_equal(d.event.payload_size, 0);
    assert_false(d.identified);
    buf_free(&why);
}

static void what_is_wrong_with_a_line_is_named_with_its_place(void **unused)
{
    (void)unused;
    refused("[]", "1:1: /: not an object with a payload");
    refused("{\"type\":\"embargo.Notice\"}", "1:1: /: not an object with a payload");
    refused("{\"payload\":{}}", "1:1: /: no stream is stated");
    refused("{\"stream\":\"a\",\"payload\":{}}", "1:1: /: no type is stated");
    refused(BEGIN "\"payload\":[]}", "1:57: /payload: not an object (ConfirmSnapshot)");
    refused(BEGIN "\"payload\":{\"reason\":5}}", "1:68: /payload/reason: not a string");
    refused("{\"what\":1,\"payload\":{}}",
            "1:2: /what: no member of that name; see `chancery help event publish`");
    refused("{\"case\":{},\"payload\":{}}", "1:2: /case: not a word, a number or a list of them");
    refused("{\"case\":[[1]],\"payload\":{}}",
            "1:2: /case: not a word, a number or a list of them");
    refused("{\"case\":\"a b\",\"payload\":{}}",
            "1:2: /case: not an identifier, [A-Za-z0-9._-]{1,64}: a b");
    refused("{\"stream\":\"A\",\"payload\":{}}", "1:2: /stream: not a stream, [a-z0-9.-]{1,64}: A");
    refused("{\"type\":\"Notice\",\"payload\":{}}",
            "1:2: /type: not a type that this program knows: Notice");
    refused("{\"label\":\"pink\",\"payload\":{}}", "1:2: /label: no such Label: pink");
    refused("{\"label\":\"unspecified\",\"payload\":{}}",
            "1:2: /label: no such Label: unspecified");
    refused("{\"references\":[1,0],\"payload\":{}}",
            "1:2: /references: not a position (1, 2, 3 ...): 0");
    refused("{\"references\":\"1,\",\"payload\":{}}",
            "1:2: /references: not a position (1, 2, 3 ...): ");
    refused("{\"to\":\"a/b/c\",\"payload\":{}}",
            "1:2: /to: not a recipient, PARTY, PARTY/OFFICE, GROUP@VERSION or seat:SEAT: a/b/c");
    refused("{\"to\":\"seat:a/b\",\"payload\":{}}",
            "1:2: /to: not a recipient, PARTY, PARTY/OFFICE, GROUP@VERSION or seat:SEAT: seat:a/b");
    refused("{\"id\":\"7\",\"payload\":{}}", "1:2: /id: not a UUID of the form 8-4-4-4-12: 7");
    refused(
        "{\"expires\":\"soon\",\"payload\":{}}",
        "1:2: /expires: not a time as RFC 3339 writes it, e.g. 2026-12-31T23:59:00+01:00: soon");
}

static void from_amber_on_somebody_is_named(void **unused)
{
    (void)unused;
    refused(BEGIN "\"label\":\"amber\",\"payload\":{}}",
            "1:1: /: from amber on a label needs recipients: say who gets it (to)");
    refused(BEGIN "\"kind\":\"recall\",\"payload\":{}}",
            "1:1: /: an update, cancel or recall names the event that it is about (references)");
    draft_of(BEGIN "\"label\":\"red\",\"to\":\"QMA\",\"payload\":{}}");
}

static void a_list_has_a_most(void **unused)
{
    struct buf line = {0};

    (void)unused;
    buf_add_str(&line, "{\"references\":[1");
    for (int i = 0; i < 64; i++)
        buf_add_str(&line, ",1");
    buf_add_str(&line, "],\"payload\":{}}");
    refused(buf_cstr(&line), "1:2: /references: more than 64");
    buf_free(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_all_of_an_event),
        cmocka_unit_test(what_a_line_leaves_out_stays_as_it_was),
        cmocka_unit_test(what_is_wrong_with_a_line_is_named_with_its_place),
        cmocka_unit_test(from_amber_on_somebody_is_named),
        cmocka_unit_test(a_list_has_a_most),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
