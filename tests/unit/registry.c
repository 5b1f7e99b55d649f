/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "broker/access.h"
#include "lib/err.h"
#include "lib/mem.h"

static uint8_t keys[8][KEY_SIZE];

static const char *signer = "administrator";

static int put(struct registry *r, const ProtobufCMessage *message)
{
    static uint64_t position;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_new(size);
    const char *field = "";
    char text[256] = "";

    protobuf_c_message_pack(message, bytes);
    const struct registry_event e = {signer, message->descriptor->name, slice_of(bytes, size)};
    int rc = registry_check(r, &e, &field, text);
    if (rc == 0)
        registry_fold(r, ++position, &e);
    else
        assert_true(text[0]);
    mem_free(bytes);
    return rc;
}

static int put_log(struct registry *r, bool exercise)
{
    Core__LogFounded founded = CORE__LOG_FOUNDED__INIT;

    for (size_t i = 0; i < 8; i++)
        keys[i][0] = (uint8_t)(i + 1);
    founded.format = 2;
    founded.log = "chancery.example/main";
    founded.log_key = (ProtobufCBinaryData){KEY_SIZE, keys[0]};
    founded.server_key = (ProtobufCBinaryData){KEY_SIZE, keys[1]};
    founded.administrator = "administrator";
    founded.administrator_key = (ProtobufCBinaryData){KEY_SIZE, keys[2]};
    founded.broker = "broker";
    founded.exercise = exercise;
    return put(r, &founded.base);
}

static int put_founded(struct registry *r)
{
    return put_log(r, false);
}

static int put_party(struct registry *r, const char *party)
{
    Core__PartyAdded added = CORE__PARTY_ADDED__INIT;

    added.party = party;
    added.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    return put(r, &added.base);
}

static int put_office(struct registry *r, const char *office, const char *role)
{
    Core__OfficeAdded added = CORE__OFFICE_ADDED__INIT;

    added.office = office;
    added.n_roles = role ? 1 : 0;
    added.roles = &role;
    added.clearance = CORE__LABEL__LABEL_RED;
    return put(r, &added.base);
}

static int put_seat(struct registry *r, const char *seat, const char *office)
{
    Core__SeatAdmitted admitted = CORE__SEAT_ADMITTED__INIT;

    admitted.seat = seat;
    admitted.office = office;
    admitted.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    return put(r, &admitted.base);
}

static int put_key(struct registry *r, const char *seat, Core__KeyKind kind, uint8_t *key)
{
    Core__KeyAdded added = CORE__KEY_ADDED__INIT;

    added.seat = seat;
    added.kind = kind;
    added.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    return put(r, &added.base);
}

static int put_rule(struct registry *r, const char *name, Core__Effect effect,
                    Core__SubjectKind kind, const char *subject, Core__Verb verb,
                    const char *stream, const char *type)
{
    Core__AccessRule rule = CORE__ACCESS_RULE__INIT;

    rule.rule = name;
    rule.effect = effect;
    rule.subject_kind = kind;
    rule.subject = subject;
    rule.n_verbs = 1;
    rule.verbs = &verb;
    rule.stream = stream;
    rule.type = type;
    return put(r, &rule.base);
}

static struct registry *founded(void)
{
    struct registry *r = registry_new();

    assert_int_equal(put_founded(r), 0);
    assert_int_equal(put_party(r, "QMA"), 0);
    assert_int_equal(put_office(r, "QMA/npc", "confirmer"), 0);
    assert_int_equal(put_seat(r, "amina", "QMA/npc"), 0);
    return r;
}

static void the_first_event_founds_the_log_and_no_other_does(void **unused)
{
    struct registry *r = registry_new();

    (void)unused;
    assert_int_equal(put_party(r, "QMA"), ERR_REGISTRY);
    assert_int_equal(put_founded(r), 0);
    assert_int_equal(put_founded(r), ERR_REGISTRY);
    assert_string_equal(registry_founded(r)->log, "chancery.example/main");
    registry_free(r);
}

/* The message as a registry event at that position: what registry_fold makes of it. */
static void fold_at(struct registry *r, uint64_t position, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_new(size);

    protobuf_c_message_pack(message, bytes);
    registry_fold(
        r, position,
        &(struct registry_event){signer, message->descriptor->name, slice_of(bytes, size)});
    mem_free(bytes);
}

static void a_log_goes_on_under_another_name_and_takes_back_until_it_is_ended(void **unused)
{
    struct registry *r = registry_new();
    Core__LogSucceeded m = CORE__LOG_SUCCEEDED__INIT;
    Core__ReturnEnded ended = CORE__RETURN_ENDED__INIT;
    uint8_t root[HASH_SIZE] = {7};
    size_t n;

    (void)unused;
    assert_int_equal(put_founded(r), 0);
    assert_string_equal(registry_log(r), "chancery.example/main");
    assert_int_equal(put(r, &ended.base), ERR_REGISTRY);
    m.log = "chancery.example/main";
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, keys[3]};
    m.predecessor = "chancery.example/main";
    m.position = 90;
    m.root = (ProtobufCBinaryData){HASH_SIZE, root};
    assert_int_equal(put(r, &m.base), ERR_EXISTS);
    m.log = "chancery.example/second";
    m.lost = 90;
    assert_int_equal(put(r, &m.base), ERR_FIELD);
    m.lost = 100;
    fold_at(r, 92, &m.base); /* not where it says */
    assert_string_equal(registry_log(r), "chancery.example/main");
    fold_at(r, 91, &m.base);
    assert_string_equal(registry_log(r), "chancery.example/second");
    assert_memory_equal(registry_log_key(r), keys[3], KEY_SIZE);
    assert_true(registry_returning(r));
    assert_int_equal(registry_predecessor(r, "chancery.example/main")->position, 90);
    assert_null(registry_predecessor(r, "chancery.example/second"));
    assert_int_equal(put(r, &ended.base), 0);
    assert_false(registry_returning(r));
    m.log = "chancery.example/third";
    m.position = 95;
    assert_int_equal(put(r, &m.base), ERR_REGISTRY); /* a copy of the second */
    m.predecessor = "chancery.example/second";
    m.log = "chancery.example/main";
    assert_int_equal(put(r, &m.base), ERR_EXISTS);
    m.log = "chancery.example/third";
    fold_at(r, 96, &m.base);
    const struct predecessor *p = registry_predecessors(r, &n);
    assert_int_equal(n, 2);
    assert_string_equal(p[0].log, "chancery.example/main");
    assert_string_equal(p[1].log, "chancery.example/second");
    assert_true(registry_returning(r));
    registry_free(r);
}

static void the_founder_s_key_signs_before_the_seat_is_admitted(void **unused)
{
    struct registry *r = founded();
    uint8_t id[KEY_ID_SIZE];

    (void)unused;
    key_id(id, keys[2]);
    assert_string_equal(registry_sign_key(r, id)->seat->name, "administrator");
    assert_int_equal(put_seat(r, "administrator", "QMA/npc"), ERR_REGISTRY);
    assert_int_equal(put_office(r, "QMA/administration", "administrator"), 0);
    assert_int_equal(put_seat(r, "administrator", "QMA/administration"), 0);
    assert_string_equal(registry_sign_key(r, id)->seat->office->name, "QMA/administration");
    assert_int_equal(put_seat(r, "administrator", "QMA/administration"), ERR_EXISTS);
    registry_free(r);
}

static void names_are_unique_without_regard_to_case(void **unused)
{
    struct registry *r = founded();

    (void)unused;
    assert_int_equal(put_party(r, "qma"), ERR_EXISTS);
    assert_int_equal(put_office(r, "QMA/NPC", NULL), ERR_EXISTS);
    assert_int_equal(put_seat(r, "AMINA", "QMA/npc"), ERR_EXISTS);
    registry_free(r);
}

static void what_a_record_names_must_be_there(void **unused)
{
    struct registry *r = founded();

    (void)unused;
    assert_int_equal(put_office(r, "QMB/npc", NULL), ERR_NOT_FOUND);
    assert_int_equal(put_seat(r, "bo", "QMA/mission"), ERR_NOT_FOUND);
    assert_int_equal(put_key(r, "bo", CORE__KEY_KIND__KEY_KIND_CURVE, keys[3]), ERR_NOT_FOUND);
    assert_int_equal(put_party(r, "a*"), ERR_FIELD);
    registry_free(r);
}

static void a_key_is_never_given_twice_and_a_revoked_one_keeps_its_place(void **unused)
{
    struct registry *r = founded();
    Core__KeyRevoked revoked = CORE__KEY_REVOKED__INIT;
    uint8_t id[KEY_ID_SIZE];

    (void)unused;
    assert_int_equal(put_seat(r, "bo", "QMA/npc"), 0);
    assert_int_equal(put_key(r, "amina", CORE__KEY_KIND__KEY_KIND_CURVE, keys[3]), 0);
    assert_int_equal(put_key(r, "bo", CORE__KEY_KIND__KEY_KIND_CURVE, keys[3]), ERR_EXISTS);
    key_id(id, keys[3]);
    revoked.seat = "bo";
    revoked.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    assert_int_equal(put(r, &revoked.base), ERR_NOT_FOUND);
    revoked.seat = "amina";
    assert_int_equal(put(r, &revoked.base), 0);
    assert_int_equal(put(r, &revoked.base), ERR_EXISTS);
    assert_true(registry_curve_key(r, keys[3])->revoked > 0);
    registry_free(r);
}

#define ALLOW CORE__EFFECT__EFFECT_ALLOW
#define DENY CORE__EFFECT__EFFECT_DENY
#define READ CORE__VERB__VERB_READ
#define SEAT CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT
#define ROLE CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE

static void nothing_is_allowed_without_a_rule_and_deny_wins(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");

    (void)unused;
    assert_false(access_allows(r, amina, READ, "un.feed", "x.Y"));
    assert_int_equal(put_rule(r, "a", ALLOW, ROLE, "confirmer", READ, "*", "*"), 0);
    assert_true(access_allows(r, amina, READ, "un.feed", "x.Y"));
    assert_false(access_allows(r, amina, CORE__VERB__VERB_PUBLISH, "un.feed", "x.Y"));
    assert_int_equal(put_rule(r, "b", DENY, SEAT, "amina", READ, "un.*", "x.*"), 0);
    assert_false(access_allows(r, amina, READ, "un.feed", "x.Y"));
    assert_true(access_allows(r, amina, READ, "un.feed", "y.Y"));
    assert_true(access_allows(r, amina, READ, "eu.feed", "x.Y"));
    registry_free(r);
}

static void a_rule_of_the_same_name_replaces_and_a_withdrawn_one_is_gone(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");
    Core__AccessRule gone = CORE__ACCESS_RULE__INIT;

    (void)unused;
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "amina", READ, "un.feed", "*"), 0);
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "amina", READ, "eu.feed", "*"), 0);
    assert_false(access_allows(r, amina, READ, "un.feed", "x.Y"));
    assert_true(access_allows(r, amina, READ, "eu.feed", "x.Y"));
    gone.rule = "a";
    gone.withdrawn = true;
    assert_int_equal(put(r, &gone.base), 0);
    assert_false(access_allows(r, amina, READ, "eu.feed", "x.Y"));
    assert_int_equal(put(r, &gone.base), ERR_NOT_FOUND);
    registry_free(r);
}

static void a_rule_with_a_star_inside_is_refused(void **unused)
{
    struct registry *r = founded();

    (void)unused;
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "amina", READ, "u*n", "*"), ERR_FIELD);
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "am*", READ, "un", "*"), ERR_FIELD);
    registry_free(r);
}

static void a_reading_that_can_never_deliver_is_seen(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");

    (void)unused;
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "amina", READ, "un.*", "*"), 0);
    assert_true(access_may_read(r, amina, "*"));
    assert_true(access_may_read(r, amina, "un.feed"));
    assert_true(access_may_read(r, amina, "un.f*"));
    assert_false(access_may_read(r, amina, "eu.feed"));
    assert_false(access_may_read(r, amina, "u"));
    registry_free(r);
}

static void amber_goes_to_the_named_and_the_originator_s_office_alone(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");
    Core__Handling handling = CORE__HANDLING__INIT;
    Core__Recipient recipient = CORE__RECIPIENT__INIT, *recipients[] = {&recipient};

    (void)unused;
    assert_false(access_handling(r, amina, NULL, "QMB/npc"));
    handling.label = CORE__LABEL__LABEL_GREEN;
    assert_true(access_handling(r, amina, &handling, "QMB/npc"));
    handling.label = CORE__LABEL__LABEL_AMBER;
    assert_false(access_handling(r, amina, &handling, "QMB/npc"));
    assert_true(access_handling(r, amina, &handling, "QMA/npc"));
    recipient.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY;
    recipient.name = "QMA";
    handling.n_recipients = 1;
    handling.recipients = recipients;
    assert_true(access_handling(r, amina, &handling, "QMB/npc"));
    recipient.name = "QMC";
    assert_false(access_handling(r, amina, &handling, "QMB/npc"));
    handling.n_recipients = 0;
    handling.n_release_to = 1;
    handling.release_to = recipients;
    recipient.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT;
    recipient.name = "amina";
    assert_true(access_handling(r, amina, &handling, "QMB/npc"));
    registry_free(r);
}

static int put_moved(struct registry *r, int64_t by)
{
    Core__ClockMoved moved = CORE__CLOCK_MOVED__INIT;

    moved.by = by;
    return put(r, &moved.base);
}

static void only_the_clock_of_an_exercise_is_moved_and_only_forward(void **unused)
{
    struct registry *r = registry_new(), *exercise = registry_new();
    const int64_t day = INT64_C(86400) * 1000000;

    (void)unused;
    assert_int_equal(put_founded(r), 0);
    assert_int_equal(put_moved(r, day), ERR_REGISTRY);
    assert_int_equal(put_log(exercise, true), 0);
    assert_int_equal(put_moved(exercise, 0), ERR_FIELD);
    assert_int_equal(put_moved(exercise, -day), ERR_FIELD);
    assert_int_equal(put_moved(exercise, 101 * 366 * day), ERR_FIELD);
    assert_int_equal(put_moved(exercise, day), 0);
    assert_int_equal(put_moved(exercise, 2 * day), 0);
    assert_true(registry_clock(exercise)->ahead == 3 * day);
    registry_free(r);
    registry_free(exercise);
}

static void the_last_clock_accepted_is_known(void **unused)
{
    struct registry *r = registry_new();
    Core__ClockAccepted accepted = CORE__CLOCK_ACCEPTED__INIT;

    (void)unused;
    assert_int_equal(put_founded(r), 0);
    assert_int_equal(registry_clock(r)->accepted, 0);
    assert_int_equal(put(r, &accepted.base), ERR_FIELD);
    accepted.time = 17;
    assert_int_equal(put(r, &accepted.base), 0);
    assert_int_equal(registry_clock(r)->accepted, registry_version(r));
    assert_true(registry_clock(r)->accepted_time == 17);
    registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_event_founds_the_log_and_no_other_does),
        cmocka_unit_test(a_log_goes_on_under_another_name_and_takes_back_until_it_is_ended),
        cmocka_unit_test(the_founder_s_key_signs_before_the_seat_is_admitted),
        cmocka_unit_test(names_are_unique_without_regard_to_case),
        cmocka_unit_test(what_a_record_names_must_be_there),
        cmocka_unit_test(a_key_is_never_given_twice_and_a_revoked_one_keeps_its_place),
        cmocka_unit_test(nothing_is_allowed_without_a_rule_and_deny_wins),
        cmocka_unit_test(a_rule_of_the_same_name_replaces_and_a_withdrawn_one_is_gone),
        cmocka_unit_test(a_rule_with_a_star_inside_is_refused),
        cmocka_unit_test(a_reading_that_can_never_deliver_is_seen),
        cmocka_unit_test(amber_goes_to_the_named_and_the_originator_s_office_alone),
        cmocka_unit_test(only_the_clock_of_an_exercise_is_moved_and_only_forward),
        cmocka_unit_test(the_last_clock_accepted_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
