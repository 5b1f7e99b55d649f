/* SPDX-License-Identifier: Apache-2.0 */
/* fold.c - the runtime's pure half, by a worker that counts */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "tests/support/rig.h"

struct count { /* parties added, and how many of them were said back */
    unsigned parties, answers;
};

static void *count_new(void)
{
    return mem_new(sizeof(struct count));
}

static void apply_party(void *state, const struct input *in)
{
    struct count *count = state;

    (void)in;
    count->parties++;
}

/* Answers with as many offices as there are parties. */
static void decide_party(const void *state, const struct input *in, struct answers *out)
{
    const struct count *count = state;
    const Core__PartyAdded *party = (const void *)in->body;
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;

    office.office = party->party;
    for (unsigned i = 0; i < count->parties; i++)
        answer(out, &office.base);
}

static void apply_office(void *state, const struct input *in)
{
    struct count *count = state;

    (void)in;
    count->answers++;
}

static void reply_seat(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    const struct count *count = state;
    Core__RulesAdopted answer_message = CORE__RULES_ADOPTED__INIT;

    (void)question;
    answer_message.version = count->answers;
    answer(out, &answer_message.base);
}

static void dump(const void *state, struct buf *out)
{
    const struct count *count = state;

    buf_printf(out, "%u %u", count->parties, count->answers);
}

static const char *const reads[] = {"count.in", "x.feed", NULL};
static const struct worker_row rows[] = {
    {&core__party_added__descriptor, apply_party, decide_party},
    {&core__office_added__descriptor, apply_office, NULL},
    {NULL, NULL, NULL},
};
static const struct worker_question questions[] = {
    {&core__seat_admitted__descriptor, reply_seat},
    {NULL, NULL},
};
static const struct worker counter = {
    .name = "count",
    .rules = 3,
    .reads = reads,
    .out = "count.out",
    .rows = rows,
    .questions = questions,
    .state_new = count_new,
    .state_free = mem_free,
    .dump = dump,
};

static void party(struct rig *r, const char *name)
{
    Core__PartyAdded added = CORE__PARTY_ADDED__INIT;

    added.party = name;
    rig_input(r, "count.in", &added.base);
}

static void the_first_answer_of_new_rules_is_that_they_are_adopted(void **unused)
{
    struct rig *r = rig_new(&counter);

    (void)unused;
    party(r, "QMA");
    party(r, "QMB");
    assert_string_equal(rig_trace(r),
                        "core.PartyAdded\n    core.RulesAdopted\n    core.OfficeAdded\n"
                        "core.PartyAdded\n    core.OfficeAdded\n"
                        "    core.OfficeAdded\n");
    assert_string_equal(rig_dump(r), "2 3");
    rig_free(r);
}

static void what_is_no_request_is_refused_in_the_request_stream_alone(void **unused)
{
    struct rig *r = rig_new(&counter);
    Core__KeyRevoked odd = CORE__KEY_REVOKED__INIT;

    (void)unused;
    rig_input(r, "x.feed", &odd.base);
    rig_input(r, "count.in", &odd.base);
    assert_string_equal(rig_trace(r), "core.KeyRevoked\n    core.RulesAdopted\n"
                                      "    core.RequestRefused type.unknown\n");
    rig_free(r);
}

static void a_question_is_answered_from_the_state(void **unused)
{
    struct rig *r = rig_new(&counter);
    Core__SeatAdmitted question = CORE__SEAT_ADMITTED__INIT;

    (void)unused;
    party(r, "QMA");
    const Core__RulesAdopted *a = rig_ask(r, &question.base, &core__rules_adopted__descriptor);
    assert_int_equal(a->version, 1);
    rig_free(r);
}

static void a_retry_of_what_did_not_fail_is_refused(void **unused)
{
    struct rig *r = rig_new(&counter);
    Core__RetryInput retry = CORE__RETRY_INPUT__INIT;

    (void)unused;
    retry.input = 7;
    rig_input(r, "count.in", &retry.base);
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
        cmocka_unit_test(a_retry_of_what_did_not_fail_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
