/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - what is told of which events, to whom, once */
#include "adapters/alert/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "adapters/alert/rule.h"
#include "tests/support/embargo_events.h"

#define HOUR ((int64_t)3600 * 1000000)
static const int64_t START = 1772150500000000;

struct bench { /* a digest, and a line for each item that it emitted */
    struct digest *digest;
    struct buf trace;
    uint64_t position;
};

static void on_item(void *arg, struct item *item)
{
    struct bench *b = arg;

    buf_printf(&b->trace, "%s: %s", item->terms->rule, item->key);
    if (item->n > 1)
        buf_printf(&b->trace, " x%zu", item->n);
    if (item->root)
        buf_printf(&b->trace, " < %s", item->root);
    if (item->editorial && item->kind != ITEM_EDITORIAL)
        buf_add_str(&b->trace, " +editorial");
    if (item->aside && item->aside->outcome != ASIDE_WAITS)
        buf_add_str(&b->trace, " decided");
    buf_add_byte(&b->trace, '\n');
    item_free(item);
}

static void adopt(struct bench *b, const struct rule *rule, uint64_t position)
{
    struct buf why = {0};
    Alert__RuleAdopted *terms = terms_of_rule(rule, &why);

    assert_non_null(terms);
    terms->position = position;
    digest_adopt(b->digest, terms);
    terms_free(terms);
    buf_free(&why);
}

static char r_all[] = "all", r_to[] = "npc@qma.example";
static const struct rule everything = {r_all, NULL, NULL, NULL, r_to, true};

static struct bench bench_new(void)
{
    struct bench b = {NULL, {0}, 0};

    return b;
}

static void bench_begin(struct bench *b, const struct rule *rule)
{
    b->digest = digest_new(on_item, b);
    adopt(b, rule, 0);
}

static void bench_free(struct bench *b)
{
    digest_free(b->digest);
    buf_free(&b->trace);
}

static void event(struct bench *b, const ProtobufCMessage *message, uint64_t cause,
                  uint32_t ordinal, uint32_t of)
{
    struct buf payload = {0};
    Core__Envelope envelope = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;

    handling.label = CORE__LABEL__LABEL_GREEN;
    envelope.handling = &handling;
    envelope.mode = CORE__MODE__MODE_ACTUAL;
    envelope.type = message->descriptor->name;
    envelope.cause = cause;
    envelope.ordinal = ordinal;
    envelope.of = of;
    pack_event(&payload, message);
    b->position++;
    assert_int_equal(digest_event(b->digest, b->position, START + (int64_t)b->position, &envelope,
                                  slice_buf(&payload)),
                     0);
    buf_free(&payload);
}

static void notices(struct bench *b, uint64_t cause, uint64_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        char reference[16];
        snprintf(reference, sizeof(reference), "QDi.9%02u", (unsigned)(first + i));
        Embargo__Notice notice =
            a_notice(first + i, EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD, reference);
        event(b, &notice.base, cause, i, n);
    }
}

static void up_to_five_notices_are_told_one_by_one(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    bench_begin(&b, &everything);
    notices(&b, 7, 1, 5);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 1\nall: notice un 2\nall: notice un 3\n"
                                            "all: notice un 4\nall: notice un 5\n");
    bench_free(&b);
}

static void more_are_told_by_committee(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    bench_begin(&b, &everything);
    for (uint32_t i = 0; i < 7; i++) {
        Embargo__Notice n = a_notice(i + 1, EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE, "QDi.901");
        n.committee = i % 3 == 1 ? "Taliban" : "Al-Qaida";
        event(&b, &n.base, 9, i, 7);
    }
    assert_string_equal(buf_cstr(&b.trace),
                        "all: notices un 9 Al-Qaida x5\nall: notices un 9 Taliban x2\n");
    bench_free(&b);
}

static void nothing_is_told_before_a_group_is_complete(void **unused)
{
    struct bench b = bench_new();
    Embargo__Notice n = a_notice(1, EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD, "QDi.901");

    (void)unused;
    bench_begin(&b, &everything);
    event(&b, &n.base, 3, 0, 2);
    assert_int_equal(b.trace.size, 0);
    Embargo__SnapshotTaken taken = EMBARGO__SNAPSHOT_TAKEN__INIT;
    taken.list = "un";
    event(&b, &taken.base, 3, 1, 2);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 1\n");
    bench_free(&b);
}

static void a_baseline_and_editorial_changes_are_not_told(void **unused)
{
    struct bench b = bench_new();
    Embargo__Baseline baseline = EMBARGO__BASELINE__INIT;
    Embargo__EditorialNotice editorial = EMBARGO__EDITORIAL_NOTICE__INIT;

    (void)unused;
    bench_begin(&b, &everything);
    baseline.list = editorial.list = "un";
    event(&b, &baseline.base, 1, 0, 1);
    event(&b, &editorial.base, 2, 0, 1);
    assert_int_equal(b.trace.size, 0);
    bench_free(&b);
}

static void who_asks_for_editorial_changes_gets_a_line_or_a_mail(void **unused)
{
    struct bench b = bench_new();
    struct rule rule = everything;
    Embargo__EditorialNotice editorial = EMBARGO__EDITORIAL_NOTICE__INIT;

    (void)unused;
    rule.substantive = false;
    bench_begin(&b, &rule);
    editorial.list = "un";
    editorial.number = 2;
    Embargo__Notice n = a_notice(1, EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD, "QDi.901");
    event(&b, &n.base, 2, 0, 2);
    event(&b, &editorial.base, 2, 1, 2);
    editorial.number = 3;
    event(&b, &editorial.base, 3, 0, 1);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 1 +editorial\nall: editorial un 3\n");
    bench_free(&b);
}

static void later_mails_of_a_reference_thread_on_the_first(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    bench_begin(&b, &everything);
    notices(&b, 1, 1, 1);
    Embargo__Notice n = a_notice(2, EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND, "QDi.901");
    event(&b, &n.base, 2, 0, 1);
    n.number = 3;
    event(&b, &n.base, 3, 0, 1);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 1\nall: notice un 2 < notice un 1\n"
                                            "all: notice un 3 < notice un 1\n");
    bench_free(&b);
}

static void a_new_rule_tells_no_history_and_a_changed_one_keeps_its_old_terms_for_it(void **unused)
{
    struct bench b = bench_new();
    char adds[] = "add", removes[] = "remove";
    struct rule before = everything, after = everything;

    (void)unused;
    before.kinds = adds;
    after.kinds = removes;
    b.digest = digest_new(on_item, &b);
    adopt(&b, &before, 1);
    adopt(&b, &after, 3);
    Embargo__Notice n = a_notice(1, EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD, "QDi.901");
    for (uint64_t cause = 1; cause <= 4; cause++) {
        n.number = cause;
        event(&b, &n.base, cause, 0, 1); /* at positions 1 to 4 */
    }
    n.kind = EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE;
    n.number = 5;
    event(&b, &n.base, 5, 0, 1);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 2\nall: notice un 3 < notice un 2\n"
                                            "all: notice un 5 < notice un 2\n");
    bench_free(&b);
}

static void a_snapshot_set_aside_is_told_again_until_it_is_confirmed(void **unused)
{
    struct bench b = bench_new();
    Embargo__SnapshotSetAside aside = a_set_aside();
    Embargo__SnapshotConfirmed confirmed = EMBARGO__SNAPSHOT_CONFIRMED__INIT;

    (void)unused;
    bench_begin(&b, &everything);
    event(&b, &aside.base, 1, 0, 1);
    digest_remind(b.digest, START + 2, 4 * HOUR);
    digest_remind(b.digest, START + 3 * HOUR, 4 * HOUR);
    assert_int_equal(digest_next(b.digest, 4 * HOUR), START + 1 + 4 * HOUR);
    digest_remind(b.digest, START + 13 * HOUR, 4 * HOUR);
    confirmed.list = "un";
    confirmed.snapshot = a_snapshot();
    event(&b, &confirmed.base, 2, 0, 1);
    digest_remind(b.digest, START + 90 * HOUR, 4 * HOUR);
    assert_int_equal(digest_next(b.digest, 4 * HOUR), 0);
    assert_string_equal(buf_cstr(&b.trace),
                        "all: set-aside un 1\nall: set-aside un 1 reminder 3 < set-aside un 1\n");
    bench_free(&b);
}

static void one_decided_before_it_was_told_is_told_as_decided(void **unused)
{
    struct bench b = bench_new();
    Embargo__SnapshotSetAside aside = a_set_aside();
    Embargo__SnapshotRejected rejected = EMBARGO__SNAPSHOT_REJECTED__INIT;

    (void)unused;
    bench_begin(&b, &everything);
    event(&b, &aside.base, 1, 0, 1);
    rejected.list = "un";
    event(&b, &rejected.base, 2, 0, 1);
    assert_string_equal(buf_cstr(&b.trace), "all: set-aside un 1 decided\n");
    bench_free(&b);
}

static void a_newer_snapshot_ends_the_wait_for_the_older(void **unused)
{
    struct bench b = bench_new();
    Embargo__SnapshotSetAside aside = a_set_aside();

    (void)unused;
    bench_begin(&b, &everything);
    event(&b, &aside.base, 1, 0, 1);
    digest_remind(b.digest, START, HOUR);
    event(&b, &aside.base, 2, 0, 1);
    digest_remind(b.digest, START + HOUR / 2, HOUR);
    assert_string_equal(buf_cstr(&b.trace), "all: set-aside un 1\nall: set-aside un 2\n");
    bench_free(&b);
}

static void a_payload_that_is_not_its_type_tells_nothing_and_stops_nothing(void **unused)
{
    struct bench b = bench_new();
    Core__Envelope envelope = CORE__ENVELOPE__INIT;

    (void)unused;
    bench_begin(&b, &everything);
    envelope.type = embargo__notice__descriptor.name;
    envelope.cause = 1;
    envelope.of = 1;
    assert_int_not_equal(digest_event(b.digest, 1, START, &envelope, slice_str("\xff\xff\xff")), 0);
    notices(&b, 2, 1, 1);
    assert_string_equal(buf_cstr(&b.trace), "all: notice un 1\n");
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_to_five_notices_are_told_one_by_one),
        cmocka_unit_test(more_are_told_by_committee),
        cmocka_unit_test(nothing_is_told_before_a_group_is_complete),
        cmocka_unit_test(a_baseline_and_editorial_changes_are_not_told),
        cmocka_unit_test(who_asks_for_editorial_changes_gets_a_line_or_a_mail),
        cmocka_unit_test(later_mails_of_a_reference_thread_on_the_first),
        cmocka_unit_test(a_new_rule_tells_no_history_and_a_changed_one_keeps_its_old_terms_for_it),
        cmocka_unit_test(a_snapshot_set_aside_is_told_again_until_it_is_confirmed),
        cmocka_unit_test(one_decided_before_it_was_told_is_told_as_decided),
        cmocka_unit_test(a_newer_snapshot_ends_the_wait_for_the_older),
        cmocka_unit_test(a_payload_that_is_not_its_type_tells_nothing_and_stops_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
