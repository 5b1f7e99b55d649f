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

/* ---- who signs what ---- */

static int by(const char *seat, struct registry *r, const ProtobufCMessage *message)
{
    signer = seat;
    int rc = put(r, message);
    signer = "administrator";
    return rc;
}

static int put_standing(const char *seat, struct registry *r, const char *whose,
                        Core__Standing standing)
{
    Core__SeatStanding m = CORE__SEAT_STANDING__INIT;

    m.seat = whose;
    m.standing = standing;
    return by(seat, r, &m.base);
}

static int put_office_of(struct registry *r, const char *office, Core__Label clearance,
                         uint32_t seats_most)
{
    Core__OfficeChanged m = CORE__OFFICE_CHANGED__INIT;

    m.office = office;
    m.clearance = clearance;
    m.seats_most = seats_most;
    return put(r, &m.base);
}

static int admit_by(const char *seat, struct registry *r, const char *whom, const char *office)
{
    Core__SeatAdmitted m = CORE__SEAT_ADMITTED__INIT;

    m.seat = whom;
    m.office = office;
    m.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    return by(seat, r, &m.base);
}

static int key_by(const char *seat, struct registry *r, const char *whose, uint8_t *key)
{
    Core__KeyAdded m = CORE__KEY_ADDED__INIT;

    m.seat = whose;
    m.kind = CORE__KEY_KIND__KEY_KIND_ED25519;
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    return by(seat, r, &m.base);
}

static void administrators_sign_and_an_office_fills_the_seats_it_was_given(void **unused)
{
    struct registry *r = founded();

    (void)unused;
    assert_int_equal(admit_by("amina", r, "bo", "QMA/npc"), ERR_DENIED);
    assert_int_equal(admit_by("nobody", r, "bo", "QMA/npc"), ERR_DENIED);
    assert_int_equal(put_office_of(r, "QMA/npc", CORE__LABEL__LABEL_AMBER, 2), 0);
    assert_int_equal(admit_by("amina", r, "bo", "QMA/npc"), 0);
    assert_int_equal(admit_by("amina", r, "cy", "QMA/npc"), ERR_BOUNDS);
    assert_int_equal(put_office(r, "QMA/mission", NULL), 0);
    assert_int_equal(admit_by("amina", r, "cy", "QMA/mission"), ERR_DENIED);
    /* the first key of whom it admitted, and none behind that: it could speak for a colleague */
    assert_int_equal(key_by("amina", r, "bo", keys[3]), 0);
    assert_int_equal(key_by("amina", r, "bo", keys[4]), ERR_DENIED);
    assert_int_equal(key_by("bo", r, "bo", keys[4]), 0);
    assert_int_equal(put_standing("amina", r, "bo", CORE__STANDING__STANDING_LEFT), 0);
    assert_int_equal(put_standing("amina", r, "bo", CORE__STANDING__STANDING_SEATED), ERR_DENIED);
    assert_int_equal(admit_by("amina", r, "cy", "QMA/npc"), 0); /* there is room again */
    assert_int_equal(put_party(r, "QMB"), 0);
    signer = "amina";
    assert_int_equal(put_party(r, "QMC"), ERR_DENIED);
    signer = "administrator";
    registry_free(r);
}

static void a_seat_stands_revoked_for_good_and_its_keys_with_it(void **unused)
{
    struct registry *r = founded();
    uint8_t id[KEY_ID_SIZE];

    (void)unused;
    assert_int_equal(key_by("administrator", r, "amina", keys[3]), 0);
    key_id(id, keys[3]);
    assert_int_equal(put_standing("amina", r, "amina", CORE__STANDING__STANDING_LEFT), 0);
    assert_int_equal(registry_sign_key(r, id)->revoked, 0);
    assert_int_equal(put_standing("amina", r, "amina", CORE__STANDING__STANDING_REVOKED),
                     ERR_DENIED); /* who left signs nothing */
    const char *admin = "administrator";
    assert_int_equal(put_standing(admin, r, "amina", CORE__STANDING__STANDING_SEATED), 0);
    assert_int_equal(put_standing(admin, r, "amina", CORE__STANDING__STANDING_SEATED), ERR_EXISTS);
    assert_int_equal(put_standing(admin, r, "amina", CORE__STANDING__STANDING_REVOKED), 0);
    assert_int_equal(registry_sign_key(r, id)->revoked, registry_version(r));
    assert_int_equal(registry_seat(r, "amina")->ended, registry_version(r));
    assert_int_equal(put_standing(admin, r, "amina", CORE__STANDING__STANDING_SEATED),
                     ERR_REGISTRY);
    assert_int_equal(key_by(admin, r, "amina", keys[4]), ERR_REGISTRY);
    registry_free(r);
}

static int withdraw_by(const char *seat, struct registry *r, const char *whose, int64_t before)
{
    Core__SeatDelegationsWithdrawn m = CORE__SEAT_DELEGATIONS_WITHDRAWN__INIT;

    m.seat = whose;
    m.before = before;
    return by(seat, r, &m.base);
}

static void a_seat_takes_back_its_own_delegations_and_the_latest_time_holds(void **unused)
{
    struct registry *r = founded();

    (void)unused;
    assert_int_equal(put_seat(r, "bo", "QMA/npc"), 0);
    assert_int_equal(withdraw_by("amina", r, "amina", 0), ERR_FIELD);
    assert_int_equal(withdraw_by("amina", r, "amina", 200), 0);
    assert_int_equal(withdraw_by("amina", r, "amina", 100), 0);
    assert_int_equal(registry_seat(r, "amina")->withdrawn, 200);
    assert_int_equal(withdraw_by("bo", r, "amina", 300), ERR_DENIED);
    assert_int_equal(withdraw_by("administrator", r, "amina", 300), 0);
    assert_int_equal(registry_seat(r, "amina")->withdrawn, 300);
    assert_int_equal(registry_seat(r, "bo")->withdrawn, 0);
    assert_int_equal(withdraw_by("administrator", r, "nobody", 300), ERR_NOT_FOUND);
    registry_free(r);
}

static int rotate_by(const char *seat, struct registry *r, const char *whose, uint8_t *old,
                     uint8_t *next)
{
    Core__KeyRotated m = CORE__KEY_ROTATED__INIT;
    uint8_t id[KEY_ID_SIZE];

    key_id(id, old);
    m.seat = whose;
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, next};
    return by(seat, r, &m.base);
}

static void a_seat_puts_one_key_of_its_own_in_place_of_another(void **unused)
{
    struct registry *r = founded();
    uint8_t old[KEY_ID_SIZE], next[KEY_ID_SIZE];

    (void)unused;
    assert_int_equal(put_seat(r, "bo", "QMA/npc"), 0);
    assert_int_equal(key_by("administrator", r, "amina", keys[3]), 0);
    assert_int_equal(rotate_by("bo", r, "amina", keys[3], keys[4]), ERR_DENIED);
    assert_int_equal(rotate_by("amina", r, "amina", keys[3], keys[4]), 0);
    key_id(old, keys[3]);
    key_id(next, keys[4]);
    assert_int_equal(registry_sign_key(r, old)->revoked, registry_version(r));
    assert_int_equal(registry_sign_key(r, next)->revoked, 0);
    assert_string_equal(registry_sign_key(r, next)->seat->name, "amina");
    assert_int_equal(rotate_by("amina", r, "amina", keys[3], keys[5]), ERR_EXISTS);
    assert_int_equal(rotate_by("amina", r, "amina", keys[4], keys[3]), ERR_EXISTS);
    assert_int_equal(rotate_by("administrator", r, "amina", keys[4], keys[5]), 0);
    registry_free(r);
}

/* ---- groups and deputies ---- */

static Core__Recipient recipient_of(Core__RecipientKind kind, const char *name)
{
    Core__Recipient m = CORE__RECIPIENT__INIT;

    m.kind = kind;
    m.name = name;
    return m;
}

#define GROUP CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP
#define PARTY CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY
#define OFFICE CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE

static int put_group(struct registry *r, uint32_t version, Core__Recipient *member)
{
    Core__GroupSet m = CORE__GROUP_SET__INIT;

    m.group = "panel";
    m.version = version;
    m.n_members = member ? 1 : 0;
    m.members = &member;
    return put(r, &m.base);
}

static void a_version_of_a_group_means_the_same_for_good(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");
    Core__Recipient npc = recipient_of(OFFICE, "QMA/npc"), none = recipient_of(PARTY, "QMB"),
                    nested = recipient_of(GROUP, "panel@1");
    Core__Recipient first = recipient_of(GROUP, "panel@1"), second = recipient_of(GROUP, "panel@2"),
                    bare = recipient_of(GROUP, "panel");

    (void)unused;
    assert_int_equal(put_group(r, 2, &npc), ERR_REGISTRY);
    assert_int_equal(put_group(r, 1, &none), ERR_NOT_FOUND);
    assert_int_equal(put_group(r, 1, &npc), 0);
    assert_int_equal(put_group(r, 2, &nested), ERR_NOT_FOUND); /* groups hold no groups */
    assert_int_equal(put_group(r, 2, NULL), 0);
    assert_true(registry_knows(r, &first) && registry_knows(r, &second));
    assert_false(registry_knows(r, &bare));
    assert_true(access_names(r, &first, amina));
    assert_false(access_names(r, &second, amina));
    assert_false(access_names(r, &bare, amina));
    registry_free(r);
}

static void a_deputy_is_one_from_its_first_moment_until_before_its_last(void **unused)
{
    struct registry *r = founded();
    Core__DeputyNamed m = CORE__DEPUTY_NAMED__INIT;

    (void)unused;
    assert_int_equal(put_office(r, "QMA/mission", NULL), 0);
    const struct office *npc = registry_office(r, "QMA/npc"),
                        *mission = registry_office(r, "QMA/mission");
    m.office = "QMA/mission";
    m.deputy = "QMA/npc";
    assert_int_equal(put(r, &m.base), ERR_FIELD);
    m.from = 100;
    m.until = 200;
    assert_int_equal(by("amina", r, &m.base), ERR_DENIED); /* the deputy does not name itself */
    assert_int_equal(put(r, &m.base), 0);
    assert_false(registry_deputises(r, npc, mission, 99));
    assert_true(registry_deputises(r, npc, mission, 100));
    assert_true(registry_deputises(r, npc, mission, 199));
    assert_false(registry_deputises(r, npc, mission, 200));
    assert_false(registry_deputises(r, mission, npc, 150));
    m.withdrawn = true;
    assert_int_equal(put(r, &m.base), 0);
    assert_false(registry_deputises(r, npc, mission, 150));
    m = (Core__DeputyNamed)CORE__DEPUTY_NAMED__INIT;
    m.office = "QMA/npc";
    m.deputy = "QMA/mission";
    m.from = 100;
    m.until = 200;
    assert_int_equal(by("amina", r, &m.base), 0); /* its own office */
    m.deputy = "QMA/npc";
    assert_int_equal(put(r, &m.base), ERR_FIELD);
    registry_free(r);
}

/* ---- labels ---- */

static void a_label_above_an_office_s_clearance_never_reaches_it(void **unused)
{
    struct registry *r = founded();
    const struct seat *amina = registry_seat(r, "amina");
    Core__Handling handling = CORE__HANDLING__INIT;
    Core__Recipient qma = recipient_of(PARTY, "QMA"), *recipients[] = {&qma};

    (void)unused;
    handling.n_recipients = 1;
    handling.recipients = recipients;
    for (int cleared = CORE__LABEL__LABEL_CLEAR; cleared <= CORE__LABEL__LABEL_RED; cleared++) {
        assert_int_equal(put_office_of(r, "QMA/npc", (Core__Label)cleared, 0), 0);
        for (int label = CORE__LABEL__LABEL_CLEAR; label <= CORE__LABEL__LABEL_RED; label++) {
            handling.label = (Core__Label)label;
            assert_int_equal(access_handling(r, amina, &handling, "QMB/npc"), label <= cleared);
        }
    }
    registry_free(r);
}

static void what_a_stream_takes_is_the_lowest_of_its_limits(void **unused)
{
    struct registry *r = founded();
    Core__StreamLimited m = CORE__STREAM_LIMITED__INIT;

    (void)unused;
    assert_int_equal(registry_stream_most(r, "notes.in"), CORE__LABEL__LABEL_RED);
    m.stream = "notes.*";
    m.most = CORE__LABEL__LABEL_AMBER;
    assert_int_equal(put(r, &m.base), 0);
    m.stream = "*";
    m.most = CORE__LABEL__LABEL_AMBER_STRICT;
    assert_int_equal(put(r, &m.base), 0);
    assert_int_equal(registry_stream_most(r, "notes.in"), CORE__LABEL__LABEL_AMBER);
    assert_int_equal(registry_stream_most(r, "other.in"), CORE__LABEL__LABEL_AMBER_STRICT);
    m.most = CORE__LABEL__LABEL_RED;
    assert_int_equal(put(r, &m.base), 0);
    assert_int_equal(registry_stream_most(r, "other.in"), CORE__LABEL__LABEL_RED);
    registry_free(r);
}

static void an_answer_names_nobody_whom_its_source_did_not(void **unused)
{
    Core__Handling source = CORE__HANDLING__INIT, reply = CORE__HANDLING__INIT;
    Core__Recipient qma = recipient_of(PARTY, "QMA"), other = recipient_of(PARTY, "QMB"),
                    origin = recipient_of(OFFICE, "QMC/npc"), *named[] = {&qma},
                    *answered[] = {&origin};

    (void)unused;
    source.label = reply.label = CORE__LABEL__LABEL_AMBER;
    source.n_recipients = reply.n_recipients = 1;
    source.recipients = named;
    reply.recipients = answered;
    assert_true(access_as_restricted(&reply, &source, "QMC/npc")); /* back to whom it came from */
    answered[0] = &qma;
    assert_true(access_as_restricted(&reply, &source, "QMC/npc"));
    answered[0] = &other;
    assert_false(access_as_restricted(&reply, &source, "QMC/npc"));
    source.n_release_to = 1;
    source.release_to = answered;
    assert_true(access_as_restricted(&reply, &source, "QMC/npc"));
    reply.label = CORE__LABEL__LABEL_GREEN;
    assert_false(access_as_restricted(&reply, &source, "QMC/npc"));
    source.label = CORE__LABEL__LABEL_CLEAR;
    assert_true(access_as_restricted(&reply, &source, "QMC/npc"));
}

/* ---- the quorum ---- */

static int put_quorum(struct registry *r, uint32_t n)
{
    Core__QuorumSet m = CORE__QUORUM_SET__INIT;

    m.administrators = n;
    return put(r, &m.base);
}

static int confirm_by(const char *seat, struct registry *r, uint64_t position)
{
    Core__ActConfirmed m = CORE__ACT_CONFIRMED__INIT;

    m.position = position;
    return by(seat, r, &m.base);
}

/* Three administrators. */
static struct registry *administered(void)
{
    struct registry *r = founded();

    assert_int_equal(put_office(r, "QMA/administration", "administrator"), 0);
    assert_int_equal(put_seat(r, "administrator", "QMA/administration"), 0);
    assert_int_equal(put_seat(r, "second", "QMA/administration"), 0);
    assert_int_equal(put_seat(r, "third", "QMA/administration"), 0);
    return r;
}

static void what_touches_the_whole_waits_for_the_quorum(void **unused)
{
    struct registry *r = administered();
    const struct seat *amina = registry_seat(r, "amina");

    (void)unused;
    assert_int_equal(put_quorum(r, 4), ERR_FIELD);
    assert_int_equal(put_quorum(r, 0), ERR_FIELD);
    assert_int_equal(put_quorum(r, 2), 0);
    assert_int_equal(put_rule(r, "a", ALLOW, SEAT, "amina", READ, "*", "*"), 0);
    uint64_t at = registry_version(r);
    assert_false(access_allows(r, amina, READ, "notes", "x.Y"));
    assert_int_equal(confirm_by("administrator", r, at), ERR_EXISTS); /* signed once already */
    assert_int_equal(confirm_by("amina", r, at), ERR_DENIED);
    assert_int_equal(confirm_by("second", r, at + 1), ERR_NOT_FOUND);
    assert_int_equal(confirm_by("second", r, at), 0);
    assert_true(access_allows(r, amina, READ, "notes", "x.Y"));
    assert_int_equal(confirm_by("third", r, at), ERR_NOT_FOUND);
    /* a seat of no administrator's is one administrator's matter; of an administrator's it is not
     */
    assert_int_equal(put_seat(r, "bo", "QMA/npc"), 0);
    assert_int_equal(registry_seat(r, "bo")->standing, CORE__STANDING__STANDING_SEATED);
    assert_int_equal(put_seat(r, "fourth", "QMA/administration"), 0);
    assert_null(registry_seat(r, "fourth"));
    assert_int_equal(put_standing("administrator", r, "third", CORE__STANDING__STANDING_REVOKED),
                     0);
    assert_int_equal(registry_seat(r, "third")->standing, CORE__STANDING__STANDING_SEATED);
    registry_free(r);
}

static void an_act_that_no_longer_fits_is_not_confirmed(void **unused)
{
    struct registry *r = administered();

    (void)unused;
    assert_int_equal(put_quorum(r, 2), 0);
    assert_int_equal(put_party(r, "QMB"), 0);
    uint64_t first = registry_version(r);
    assert_int_equal(put_party(r, "QMB"), 0);
    uint64_t second = registry_version(r);
    assert_int_equal(confirm_by("second", r, first), 0);
    assert_int_equal(confirm_by("second", r, second), ERR_EXISTS);
    Core__ActWithdrawn m = CORE__ACT_WITHDRAWN__INIT;
    m.position = second;
    assert_int_equal(put(r, &m.base), 0);
    assert_int_equal(put(r, &m.base), ERR_NOT_FOUND);
    registry_free(r);
}

static void the_keys_of_a_seat_wait_with_its_admission(void **unused)
{
    struct registry *r = administered();
    uint8_t key[KEY_SIZE] = {77}, id[KEY_ID_SIZE];

    (void)unused;
    key_id(id, key);
    assert_int_equal(put_quorum(r, 2), 0);
    assert_int_equal(put_key(r, "fourth", CORE__KEY_KIND__KEY_KIND_ED25519, key), ERR_NOT_FOUND);
    assert_int_equal(put_seat(r, "fourth", "QMA/administration"), 0);
    uint64_t seat = registry_version(r);
    assert_int_equal(put_key(r, "Fourth", CORE__KEY_KIND__KEY_KIND_ED25519, key), 0);
    uint64_t its_key = registry_version(r);
    assert_int_equal(key_by("amina", r, "fourth", key), ERR_DENIED);
    assert_null(registry_seat(r, "fourth"));
    assert_null(registry_sign_key(r, id));
    assert_int_equal(confirm_by("second", r, its_key), ERR_NOT_FOUND); /* the seat comes first */
    assert_int_equal(confirm_by("second", r, seat), 0);
    assert_non_null(registry_seat(r, "fourth"));
    assert_null(registry_sign_key(r, id));
    assert_int_equal(confirm_by("second", r, its_key), 0);
    assert_ptr_equal(registry_sign_key(r, id)->seat, registry_seat(r, "fourth"));
    registry_free(r);
}

static void a_signature_counts_while_its_seat_administers(void **unused)
{
    struct registry *r = administered();

    (void)unused;
    assert_int_equal(put_quorum(r, 2), 0);
    signer = "third";
    assert_int_equal(put_party(r, "QMB"), 0);
    signer = "administrator";
    uint64_t at = registry_version(r);
    assert_int_equal(put_standing("third", r, "third", CORE__STANDING__STANDING_LEFT), 0);
    assert_int_equal(confirm_by("second", r, at), 0);
    assert_false(registry_party(r, "QMB"));
    assert_int_equal(confirm_by("administrator", r, at), 0);
    assert_true(registry_party(r, "QMB"));
    registry_free(r);
}

static int put_purged(const char *seat, struct registry *r, struct hash *part, size_t size,
                      const char *reason)
{
    Core__PartPurged m = CORE__PART_PURGED__INIT;

    m.sha256 = (ProtobufCBinaryData){size, part->bytes};
    m.position = 7;
    m.reason = reason;
    return by(seat, r, &m.base);
}

static void count_purge(void *arg, const struct purge *purge)
{
    assert_non_null(purge->reason);
    ++*(int *)arg;
}

static void a_part_is_purged_once_and_by_an_administrator_who_says_why(void **unused)
{
    struct registry *r = administered();
    struct hash part = {{0xab, 1}}, other = {{0xab, 2}};
    char long_reason[300] = "";
    int n = 0;

    (void)unused;
    memset(long_reason, 'x', sizeof long_reason - 1);
    assert_int_equal(put_purged("amina", r, &part, HASH_SIZE, "mine"), ERR_DENIED);
    assert_int_equal(put_purged("second", r, &part, HASH_SIZE - 1, "short"), ERR_FIELD);
    assert_int_equal(put_purged("second", r, &part, HASH_SIZE, ""), ERR_FIELD);
    assert_int_equal(put_purged("second", r, &part, HASH_SIZE, long_reason), ERR_BOUNDS);
    assert_null(registry_purged(r, &part));
    assert_int_equal(put_purged("second", r, &part, HASH_SIZE, "erasure"), 0);
    const struct purge *purge = registry_purged(r, &part);
    assert_string_equal(purge->reason, "erasure");
    assert_string_equal(purge->by->name, "second");
    assert_int_equal(purge->position, registry_version(r));
    assert_int_equal(put_purged("third", r, &part, HASH_SIZE, "again"), ERR_EXISTS);
    assert_null(registry_purged(r, &other));
    assert_int_equal(put_purged("third", r, &other, HASH_SIZE, "another"), 0);
    registry_each_purge(r, count_purge, &n);
    assert_int_equal(n, 2);
    registry_free(r);
}

static void a_purge_waits_for_the_quorum(void **unused)
{
    struct registry *r = administered();
    struct hash part = {{1}};

    (void)unused;
    assert_int_equal(put_quorum(r, 2), 0);
    assert_int_equal(put_purged("administrator", r, &part, HASH_SIZE, "erasure"), 0);
    uint64_t at = registry_version(r);
    assert_null(registry_purged(r, &part));
    assert_int_equal(confirm_by("second", r, at), 0);
    assert_int_equal(registry_purged(r, &part)->position, registry_version(r));
    assert_string_equal(registry_purged(r, &part)->by->name, "second");
    registry_free(r);
}

static void administrators_cannot_lock_themselves_out(void **unused)
{
    struct registry *r = administered();
    const Core__Verb publish = CORE__VERB__VERB_PUBLISH;

    (void)unused;
    assert_int_equal(put_rule(r, "a", ALLOW, ROLE, "administrator", publish, "registry", "*"), 0);
    assert_int_equal(put_rule(r, "b", DENY, SEAT, "second", publish, "*", "*"), 0);
    assert_int_equal(
        put_rule(r, "c", DENY, ROLE, "administrator", publish, "reg*", "chancery.core.v1.*"),
        ERR_REGISTRY);
    assert_int_equal(put_rule(r, "a", ALLOW, ROLE, "administrator", publish, "registry", "x.*"),
                     ERR_REGISTRY);
    Core__AccessRule gone = CORE__ACCESS_RULE__INIT;
    gone.rule = "a";
    gone.withdrawn = true;
    assert_int_equal(put(r, &gone.base), ERR_REGISTRY);
    assert_int_equal(put_quorum(r, 3), 0);
    const char *admin = "administrator";
    assert_int_equal(put_standing(admin, r, admin, CORE__STANDING__STANDING_LEFT), ERR_REGISTRY);
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
        cmocka_unit_test(administrators_sign_and_an_office_fills_the_seats_it_was_given),
        cmocka_unit_test(a_seat_stands_revoked_for_good_and_its_keys_with_it),
        cmocka_unit_test(a_seat_takes_back_its_own_delegations_and_the_latest_time_holds),
        cmocka_unit_test(a_seat_puts_one_key_of_its_own_in_place_of_another),
        cmocka_unit_test(a_version_of_a_group_means_the_same_for_good),
        cmocka_unit_test(a_deputy_is_one_from_its_first_moment_until_before_its_last),
        cmocka_unit_test(a_label_above_an_office_s_clearance_never_reaches_it),
        cmocka_unit_test(what_a_stream_takes_is_the_lowest_of_its_limits),
        cmocka_unit_test(an_answer_names_nobody_whom_its_source_did_not),
        cmocka_unit_test(what_touches_the_whole_waits_for_the_quorum),
        cmocka_unit_test(an_act_that_no_longer_fits_is_not_confirmed),
        cmocka_unit_test(the_keys_of_a_seat_wait_with_its_admission),
        cmocka_unit_test(a_signature_counts_while_its_seat_administers),
        cmocka_unit_test(a_part_is_purged_once_and_by_an_administrator_who_says_why),
        cmocka_unit_test(a_purge_waits_for_the_quorum),
        cmocka_unit_test(administrators_cannot_lock_themselves_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
