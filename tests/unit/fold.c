/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - the runtime's pure half, by a worker that answers as often as it is asked to */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "tests/support/rig.h"
#include "tests/support/tally.h"

static void party(struct rig *r, const char *name, const char *answers)
{
    Core__PartyAdded added = CORE__PARTY_ADDED__INIT;

    added.party = name;
    added.name = answers;
    rig_input(r, "tally.in", &added.base);
}

static uint64_t fatal(struct rig *r, const char *name)
{
    Core__PartyAdded added = CORE__PARTY_ADDED__INIT;

    added.party = name;
    added.name = "2";
    return rig_fatal(r, "tally.in", &added.base);
}

static Core__RetryInput retry_of(uint64_t input)
{
    Core__RetryInput retry = CORE__RETRY_INPUT__INIT;

    retry.input = input;
    return retry;
}

static void the_first_answer_of_new_rules_is_that_they_are_adopted(void **unused)
{
    struct rig *r = rig_new(&tally);

    (void)unused;
    party(r, "QMA", "1");
    party(r, "QMB", "2");
    assert_string_equal(rig_trace(r),
                        "core.PartyAdded\n    core.RulesAdopted\n    core.OfficeAdded\n"
                        "core.PartyAdded\n    core.OfficeAdded\n"
                        "    core.OfficeAdded\n");
    assert_non_null(strstr(rig_dump(r), "2 requests, 3 offices"));
    rig_free(r);
}

static void what_is_no_request_is_refused_in_the_request_stream_alone(void **unused)
{
    struct rig *r = rig_new(&tally);
    Core__KeyRevoked odd = CORE__KEY_REVOKED__INIT;

    (void)unused;
    rig_input(r, "tally.feed", &odd.base);
    rig_input(r, "tally.in", &odd.base);
    assert_string_equal(rig_trace(r), "core.KeyRevoked\n    core.RulesAdopted\n"
                                      "    core.RequestRefused type.unknown\n");
    rig_free(r);
}

static void a_question_is_answered_from_the_state(void **unused)
{
    struct rig *r = rig_new(&tally);
    Core__PartyAdded question = CORE__PARTY_ADDED__INIT;

    (void)unused;
    party(r, "QMA", "1");
    const Core__PartyAdded *a = rig_ask(r, &question.base, &core__party_added__descriptor);
    assert_string_equal(a->name, rig_dump(r));
    rig_free(r);
}

static void an_input_that_failed_is_folded_when_it_is_asked_for_again(void **unused)
{
    struct rig *r = rig_new(&tally);

    (void)unused;
    uint64_t failed = fatal(r, "QMA");
    const Core__WorkerFailed *f = rig_answer(r, 0, &core__worker_failed__descriptor);
    assert_int_equal(f->input, failed);
    assert_string_equal(f->type, core__party_added__descriptor.name);
    assert_int_equal(f->deaths, DEATHS_MOST);
    assert_non_null(strstr(f->text, "`chancery worker retry 1`"));
    party(r, "QMB", "1");
    assert_non_null(strstr(rig_dump(r), "1 requests, 1 offices"));

    Core__RetryInput retry = retry_of(failed);
    rig_input(r, "tally.in", &retry.base);
    const Core__OfficeAdded *office = rig_answer(r, 1, &core__office_added__descriptor);
    assert_string_equal(office->office, "QMA/2");
    assert_non_null(strstr(rig_dump(r), "2 requests, 3 offices"));
    rig_input(r, "tally.in", &retry.base);
    assert_string_equal(rig_trace(r),
                        "core.PartyAdded\n    core.WorkerFailed\n"
                        "core.PartyAdded\n    core.RulesAdopted\n    core.OfficeAdded\n"
                        "core.RetryInput\n    core.OfficeAdded\n    core.OfficeAdded\n"
                        "core.RetryInput\n    core.RequestRefused input.unknown\n");
    rig_free(r);
}

static void a_retry_that_fails_leaves_the_input_where_it_was(void **unused)
{
    struct rig *r = rig_new(&tally);

    (void)unused;
    uint64_t failed = fatal(r, "QMA");
    Core__RetryInput retry = retry_of(failed);
    uint64_t again = rig_fatal(r, "tally.in", &retry.base);
    const Core__WorkerFailed *f = rig_answer(r, 0, &core__worker_failed__descriptor);
    assert_int_equal(f->input, failed);
    assert_string_equal(f->type, core__party_added__descriptor.name);

    Core__RetryInput wrong = retry_of(again);
    rig_input(r, "tally.in", &wrong.base);
    rig_input(r, "tally.in", &retry.base);
    assert_string_equal(rig_trace(r),
                        "core.PartyAdded\n    core.WorkerFailed\n"
                        "core.RetryInput\n    core.WorkerFailed\n"
                        "core.RetryInput\n    core.RulesAdopted\n"
                        "    core.RequestRefused input.unknown\n"
                        "core.RetryInput\n    core.OfficeAdded\n    core.OfficeAdded\n");
    rig_free(r);
}

static void a_retry_of_what_did_not_fail_is_refused(void **unused)
{
    struct rig *r = rig_new(&tally);
    Core__RetryInput retry = retry_of(7);

    (void)unused;
    rig_input(r, "tally.in", &retry.base);
    assert_string_equal(rig_trace(r), "core.RetryInput\n    core.RulesAdopted\n"
                                      "    core.RequestRefused input.unknown\n");
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_answer_of_new_rules_is_that_they_are_adopted),
        cmocka_unit_test(what_is_no_request_is_refused_in_the_request_stream_alone),
        cmocka_unit_test(a_question_is_answered_from_the_state),
        cmocka_unit_test(an_input_that_failed_is_folded_when_it_is_asked_for_again),
        cmocka_unit_test(a_retry_that_fails_leaves_the_input_where_it_was),
        cmocka_unit_test(a_retry_of_what_did_not_fail_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
