/* SPDX-License-Identifier: Apache-2.0 */
/* roll.c - who is seated with which keys, by the registry's signed events and not by anybody's word
 */
#include "adapters/terminal/roll.h"

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/sign.h"
#include "tests/support/test.h"

#define ADMINISTRATION "QMA/administration"

enum { ADMIN, SECOND, AMINA, BELA, SEATS };
static const char *const names[SEATS] = {"admin", "second", "amina", "bela"};
enum { SIGN = CORE__KEY_KIND__KEY_KIND_ED25519, AGE = CORE__KEY_KIND__KEY_KIND_AGE };

struct world {
    struct roll *roll;
    struct seat_key keys[SEATS];
    uint64_t seq[SEATS], position;
    struct hash last[SEATS];
    struct buf why;
    bool kept_back; /* the next event is said and not taken */
    int signs;      /* whose key signs instead of the signer's; -1 = the signer's */
};

static struct buf envelope_of(struct world *w, int who, const ProtobufCMessage *m,
                              struct slice payload)
{
    Core__Envelope e = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    uint8_t id[ID_SIZE];
    struct hash hash;
    struct buf out = {0};

    id_v7(id, time_now());
    hash_sha256(&hash, payload);
    handling.label = CORE__LABEL__LABEL_GREEN;
    e.log = "test.example/log";
    e.stream = "registry";
    e.id = (ProtobufCBinaryData){ID_SIZE, id};
    e.type = m->descriptor->name;
    e.seat = names[who];
    e.office = ADMINISTRATION;
    e.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e.kind = CORE__KIND__KIND_NEW;
    e.mode = CORE__MODE__MODE_ACTUAL;
    e.handling = &handling;
    e.seat_seq = ++w->seq[who];
    if (e.seat_seq > 1)
        e.previous = (ProtobufCBinaryData){HASH_SIZE, w->last[who].bytes};
    e.payload_hash = (ProtobufCBinaryData){HASH_SIZE, hash.bytes};
    e.payload_size = (uint32_t)payload.size;
    core__envelope__pack(&e, buf_grow(&out, core__envelope__get_packed_size(&e)));
    hash_sha256(&w->last[who], slice_buf(&out));
    return out;
}

/* What roll_take says of it. */
static int say(struct world *w, int who, const ProtobufCMessage *m)
{
    struct buf payload = {0}, event = {0};

    protobuf_c_message_pack(m, buf_grow(&payload, protobuf_c_message_get_packed_size(m)));
    struct buf envelope = envelope_of(w, who, m, slice_buf(&payload));
    struct slice signed_bytes = slice_buf(&envelope);
    sign_events(&w->keys[w->signs < 0 ? who : w->signs], &signed_bytes, 1, &event);
    w->position++;
    int rc = w->kept_back ? 0
                          : roll_take(w->roll,
                                      &(struct chancery_record){.position = w->position,
                                                                .event = event.data,
                                                                .event_size = event.size,
                                                                .payload = payload.data,
                                                                .payload_size = payload.size},
                                      &w->why);
    w->kept_back = false;
    w->signs = -1;
    buf_free(&payload);
    buf_free(&event);
    buf_free(&envelope);
    return rc;
}

static int say_office(struct world *w, int who, const char *name, const char *role,
                      uint32_t seats_most)
{
    Core__OfficeAdded m = CORE__OFFICE_ADDED__INIT;

    m.office = name;
    m.roles = &role;
    m.n_roles = role ? 1 : 0;
    m.seats_most = seats_most;
    return say(w, who, &m.base);
}

static int say_seat(struct world *w, int who, int seat, const char *office)
{
    Core__SeatAdmitted m = CORE__SEAT_ADMITTED__INIT;

    m.seat = names[seat];
    m.office = office;
    m.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    return say(w, who, &m.base);
}

static int say_key(struct world *w, int who, int seat, int kind, uint8_t *key)
{
    Core__KeyAdded m = CORE__KEY_ADDED__INIT;

    m.seat = names[seat];
    m.kind = (Core__KeyKind)kind;
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    return say(w, who, &m.base);
}

static int say_quorum(struct world *w, uint32_t n)
{
    Core__QuorumSet m = CORE__QUORUM_SET__INIT;

    m.administrators = n;
    return say(w, ADMIN, &m.base);
}

static int say_confirmed(struct world *w, int who, uint64_t position)
{
    Core__ActConfirmed m = CORE__ACT_CONFIRMED__INIT;

    m.position = position;
    return say(w, who, &m.base);
}

static int say_founded(struct world *w)
{
    Core__LogFounded m = CORE__LOG_FOUNDED__INIT;

    m.administrator = names[ADMIN];
    m.administrator_key = (ProtobufCBinaryData){KEY_SIZE, w->keys[ADMIN].sign_public};
    return say(w, ADMIN, &m.base);
}

/* Two administrators, amina who fills an office of two seats, and bela of another. */
static struct world *founded(void)
{
    struct world *w = mem_new(sizeof *w);

    w->roll = roll_new();
    w->signs = -1;
    for (int i = 0; i < SEATS; i++)
        seat_key_make(&w->keys[i], names[i], ADMINISTRATION);
    assert_int_equal(say_founded(w), 0);
    assert_int_equal(say_office(w, ADMIN, ADMINISTRATION, "administrator", 0), 0);
    assert_int_equal(say_office(w, ADMIN, "QMB/npc", NULL, 2), 0);
    assert_int_equal(say_office(w, ADMIN, "QMC/npc", NULL, 0), 0);
    assert_int_equal(say_seat(w, ADMIN, ADMIN, ADMINISTRATION), 0);
    assert_int_equal(say_seat(w, ADMIN, SECOND, ADMINISTRATION), 0);
    assert_int_equal(say_seat(w, ADMIN, AMINA, "QMB/npc"), 0);
    assert_int_equal(say_seat(w, ADMIN, BELA, "QMC/npc"), 0);
    for (int i = SECOND; i < SEATS; i++)
        assert_int_equal(say_key(w, ADMIN, i, SIGN, w->keys[i].sign_public), 0);
    return w;
}

static void world_free(struct world *w)
{
    for (int i = 0; i < SEATS; i++)
        seat_key_clear(&w->keys[i]);
    roll_free(w->roll);
    buf_free(&w->why);
    mem_free(w);
}

/* The age key of a seat that is in force, or NULL. */
static const struct roll_key *age_of(const struct world *w, const char *seat)
{
    for (size_t i = 0; i < roll_seats(w->roll); i++) {
        const struct roll_seat *s = roll_seat(w->roll, i);
        for (size_t k = 0; strcmp(s->name, seat) == 0 && k < s->n_keys; k++)
            if (s->keys[k].kind == AGE && !s->keys[k].revoked)
                return &s->keys[k];
    }
    return NULL;
}

static void a_key_is_its_seat_s_from_one_signed_event_to_another(void **unused)
{
    struct world *w = founded();
    uint8_t first[KEY_SIZE] = {1}, second[KEY_SIZE] = {2}, id[KEY_ID_SIZE];
    Core__KeyRotated rotated = CORE__KEY_ROTATED__INIT;
    Core__SeatStanding standing = CORE__SEAT_STANDING__INIT;

    (void)unused;
    assert_null(age_of(w, "bela"));
    assert_int_equal(say_key(w, ADMIN, BELA, AGE, first), 0);
    assert_memory_equal(age_of(w, "bela")->public_key, first, KEY_SIZE);
    assert_int_equal(age_of(w, "bela")->stated, w->position);
    key_id(id, first);
    rotated.seat = names[BELA];
    rotated.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    rotated.public_key = (ProtobufCBinaryData){KEY_SIZE, second};
    assert_int_equal(say(w, BELA, &rotated.base), 0);
    assert_memory_equal(age_of(w, "bela")->public_key, second, KEY_SIZE);
    standing.seat = names[BELA];
    standing.standing = CORE__STANDING__STANDING_REVOKED;
    assert_int_equal(say(w, ADMIN, &standing.base), 0);
    assert_null(age_of(w, "bela"));
    assert_int_equal(say_key(w, BELA, BELA, AGE, first), ERR_SIGNATURE); /* its keys are revoked */
    world_free(w);
}

static void an_event_that_its_seat_did_not_sign_is_not_taken(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1};

    (void)unused;
    w->signs = BELA;
    assert_int_equal(say_key(w, ADMIN, AMINA, AGE, key), ERR_SIGNATURE);
    assert_null(age_of(w, "amina"));
    assert_non_null(strstr(buf_cstr(&w->why), "is not signed with a key of its seat"));
    world_free(w);
}

static void nobody_gives_a_key_to_another_s_seat_but_who_may(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1}, other[KEY_SIZE] = {2};

    (void)unused;
    assert_int_equal(say_key(w, BELA, AMINA, AGE, key), ERR_DENIED);
    assert_null(age_of(w, "amina"));
    assert_int_equal(say_key(w, BELA, BELA, AGE, other), 0); /* its own */
    assert_int_equal(say_office(w, BELA, "QMC/npc", "administrator", 0), ERR_DENIED);
    world_free(w);
}

static void an_office_that_fills_its_seats_gives_them_keys(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1};
    Core__SeatAdmitted m = CORE__SEAT_ADMITTED__INIT;
    Core__KeyAdded its = CORE__KEY_ADDED__INIT;

    (void)unused;
    m.seat = its.seat = "olu";
    m.office = "QMC/npc";
    assert_int_equal(say(w, AMINA, &m.base), ERR_DENIED);
    m.office = "QMB/npc";
    assert_int_equal(say(w, AMINA, &m.base), 0);
    its.kind = CORE__KEY_KIND__KEY_KIND_AGE;
    its.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    assert_int_equal(say(w, AMINA, &its.base), 0);
    assert_non_null(age_of(w, "olu"));
    world_free(w);
}

static void one_that_is_kept_back_is_missed(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1}, other[KEY_SIZE] = {2};

    (void)unused;
    w->kept_back = true;
    say_key(w, ADMIN, AMINA, AGE, key);
    assert_int_equal(say_key(w, ADMIN, BELA, AGE, other), ERR_REGISTRY);
    assert_non_null(strstr(buf_cstr(&w->why), "is kept back"));
    world_free(w);
}

static void a_log_begins_with_its_founding_and_is_founded_once(void **unused)
{
    struct world *w = mem_new(sizeof *w);

    (void)unused;
    w->roll = roll_new();
    w->signs = -1;
    for (int i = 0; i < SEATS; i++)
        seat_key_make(&w->keys[i], names[i], ADMINISTRATION);
    assert_int_equal(say_quorum(w, 1), ERR_REGISTRY);
    world_free(w);
    w = founded();
    assert_int_equal(say_founded(w), ERR_REGISTRY);
    world_free(w);
}

static void what_waits_for_the_quorum_is_not_in_force(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1}, mine[KEY_SIZE] = {2}, plain[KEY_SIZE] = {3};

    (void)unused;
    assert_int_equal(say_quorum(w, 2), 0);
    assert_int_equal(say_key(w, ADMIN, SECOND, AGE, key), 0);
    uint64_t waits = w->position;
    assert_null(age_of(w, "second"));
    assert_int_equal(say_key(w, ADMIN, BELA, AGE, plain), 0); /* no administrator's */
    assert_non_null(age_of(w, "bela"));
    assert_int_equal(say_key(w, ADMIN, ADMIN, AGE, mine), 0); /* the signer's own */
    assert_non_null(age_of(w, "admin"));
    assert_int_equal(say_confirmed(w, SECOND, waits), 0);
    assert_memory_equal(age_of(w, "second")->public_key, key, KEY_SIZE);
    assert_int_equal(age_of(w, "second")->stated, waits);
    /* an office that would make administrators waits as well, and what is withdrawn never comes */
    assert_int_equal(say_office(w, ADMIN, "QMC/npc", "administrator", 0), 0);
    Core__ActWithdrawn withdrawn = CORE__ACT_WITHDRAWN__INIT;
    withdrawn.position = w->position;
    assert_int_equal(say(w, ADMIN, &withdrawn.base), 0);
    assert_int_equal(say_confirmed(w, SECOND, withdrawn.position), 0);
    world_free(w);
}

static void the_keys_of_a_seat_wait_with_its_admission(void **unused)
{
    struct world *w = founded();
    uint8_t key[KEY_SIZE] = {1};
    Core__SeatAdmitted m = CORE__SEAT_ADMITTED__INIT;
    Core__KeyAdded its = CORE__KEY_ADDED__INIT;

    (void)unused;
    assert_int_equal(say_quorum(w, 2), 0);
    m.seat = its.seat = "third";
    m.office = ADMINISTRATION;
    its.kind = CORE__KEY_KIND__KEY_KIND_AGE;
    its.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    assert_int_equal(say(w, ADMIN, &m.base), 0);
    uint64_t seat = w->position;
    assert_int_equal(say(w, ADMIN, &its.base), 0);
    assert_int_equal(say_confirmed(w, SECOND, seat), 0);
    assert_null(age_of(w, "third"));
    assert_int_equal(say_confirmed(w, SECOND, seat + 1), 0);
    assert_non_null(age_of(w, "third"));
    world_free(w);
}

static void a_group_means_what_its_version_says(void **unused)
{
    struct world *w = founded();
    Core__GroupSet m = CORE__GROUP_SET__INIT;
    Core__Recipient who = CORE__RECIPIENT__INIT, *members = &who;

    (void)unused;
    who.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT;
    m.group = "panel";
    m.members = &members;
    m.n_members = 1;
    for (m.version = 1; m.version <= 2; m.version++) {
        who.name = names[m.version + 1];
        assert_int_equal(say(w, ADMIN, &m.base), 0);
    }
    assert_string_equal(roll_group(w->roll, "panel@1")->members[0]->name, "amina");
    assert_string_equal(roll_group(w->roll, "Panel@2")->members[0]->name, "bela");
    assert_null(roll_group(w->roll, "panel@3"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_its_seat_s_from_one_signed_event_to_another),
        cmocka_unit_test(an_event_that_its_seat_did_not_sign_is_not_taken),
        cmocka_unit_test(nobody_gives_a_key_to_another_s_seat_but_who_may),
        cmocka_unit_test(an_office_that_fills_its_seats_gives_them_keys),
        cmocka_unit_test(one_that_is_kept_back_is_missed),
        cmocka_unit_test(a_log_begins_with_its_founding_and_is_founded_once),
        cmocka_unit_test(what_waits_for_the_quorum_is_not_in_force),
        cmocka_unit_test(the_keys_of_a_seat_wait_with_its_admission),
        cmocka_unit_test(a_group_means_what_its_version_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
