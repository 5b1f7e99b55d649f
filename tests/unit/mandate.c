/* SPDX-License-Identifier: Apache-2.0 */
/* mandate.c - which delegations a session may begin with, how long it stands on one, and what it
 * may
 */
#include "broker/mandate.h"

#include <stdio.h>

#include "broker/peer.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

#define LOG "chancery.example/main"
#define READ CORE__VERB__VERB_READ
#define ASK CORE__VERB__VERB_ASK
#define PUBLISH CORE__VERB__VERB_PUBLISH

enum { BELA, DORA, GATE, OTHER, WORKER, SEATS };
static const int64_t now = INT64_C(1790000000000000), hour = INT64_C(3600000000);

struct fixture {
    struct registry *r;
    struct seat_key keys[SEATS];
    uint64_t position;
};

/* ---- a registry ---- */

static void put(struct fixture *f, const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_new(size);
    const char *field = "";
    char text[256] = "";

    protobuf_c_message_pack(message, bytes);
    const struct registry_event e = {"admin", message->descriptor->name, slice_of(bytes, size)};
    if (registry_check(f->r, &e, &field, text))
        fail_msg("%s: %s", field, text);
    registry_fold(f->r, ++f->position, &e);
    mem_free(bytes);
}

static void put_founded(struct fixture *f)
{
    Core__LogFounded m = CORE__LOG_FOUNDED__INIT;
    uint8_t key[KEY_SIZE] = {1}, server[KEY_SIZE] = {2}, admin[KEY_SIZE] = {3};

    m.format = 2;
    m.log = LOG;
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, key};
    m.server_key = (ProtobufCBinaryData){KEY_SIZE, server};
    m.administrator = "admin";
    m.administrator_key = (ProtobufCBinaryData){KEY_SIZE, admin};
    m.broker = "broker";
    put(f, &m.base);
}

static void put_office(struct fixture *f, const char *party, const char *office,
                       Core__Label clearance)
{
    Core__PartyAdded p = CORE__PARTY_ADDED__INIT;
    Core__OfficeAdded o = CORE__OFFICE_ADDED__INIT;

    p.party = party;
    p.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    put(f, &p.base);
    o.office = office;
    o.clearance = clearance;
    put(f, &o.base);
}

static void put_key(struct fixture *f, const char *seat, Core__KeyKind kind, uint8_t *key)
{
    Core__KeyAdded m = CORE__KEY_ADDED__INIT;

    m.seat = seat;
    m.kind = kind;
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    put(f, &m.base);
}

static void put_seat(struct fixture *f, int i, const char *seat, const char *office,
                     Core__SeatKind kind)
{
    Core__SeatAdmitted m = CORE__SEAT_ADMITTED__INIT;

    m.seat = seat;
    m.office = office;
    m.kind = kind;
    put(f, &m.base);
    seat_key_make(&f->keys[i], seat, office);
    put_key(f, seat, CORE__KEY_KIND__KEY_KIND_CURVE, f->keys[i].curve_public);
    put_key(f, seat, CORE__KEY_KIND__KEY_KIND_ED25519, f->keys[i].sign_public);
}

static void put_rule(struct fixture *f, const char *name, const char *seat, Core__Verb verb,
                     const char *stream)
{
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;

    m.rule = name;
    m.effect = CORE__EFFECT__EFFECT_ALLOW;
    m.subject_kind = CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT;
    m.subject = seat;
    m.n_verbs = 1;
    m.verbs = &verb;
    m.stream = stream;
    m.type = "*";
    put(f, &m.base);
}

static int begin(void **state)
{
    struct fixture *f = mem_new(sizeof *f);

    f->r = registry_new();
    put_founded(f);
    put_office(f, "QMB", "QMB/npc", CORE__LABEL__LABEL_AMBER);
    put_office(f, "QMW", "QMW/web", CORE__LABEL__LABEL_GREEN);
    put_seat(f, BELA, "bela", "QMB/npc", CORE__SEAT_KIND__SEAT_KIND_PERSON);
    put_seat(f, DORA, "dora", "QMB/npc", CORE__SEAT_KIND__SEAT_KIND_PERSON);
    put_seat(f, GATE, "gate", "QMW/web", CORE__SEAT_KIND__SEAT_KIND_PROCESS);
    put_seat(f, OTHER, "other", "QMW/web", CORE__SEAT_KIND__SEAT_KIND_PROCESS);
    put_seat(f, WORKER, "worker", "QMB/npc", CORE__SEAT_KIND__SEAT_KIND_PROCESS);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    registry_free(f->r);
    mem_free(f);
    return 0;
}

/* ---- what is shown ---- */

struct show { /* a delegation, its signer, and who shows it */
    struct delegation says;
    int by, to;
};

static struct show good(const struct fixture *f)
{
    struct show s = {.says = {.log = LOG,
                              .seat = "bela",
                              .verbs = 1u << READ | 1u << ASK,
                              .issued = now - hour,
                              .expires = now + hour},
                     .by = BELA,
                     .to = GATE};

    memcpy(s.says.gateway, f->keys[GATE].curve_public, KEY_SIZE);
    return s;
}

static int take(const struct fixture *f, const struct show *s, struct mandate *out, char field[128])
{
    struct refusal why = {0};
    struct buf bytes = {0};
    const struct mandate_of of = {registry_curve_key(f->r, f->keys[s->to].curve_public), LOG, now};

    delegation_sign(&s->says, &f->keys[s->by], &bytes);
    int rc = mandate_take(out, f->r, &of, slice_buf(&bytes), &why);
    assert_int_equal(rc, why.err);
    assert_true(rc == 0 || why.text[0]);
    snprintf(field, 128, "%s", why.field);
    buf_free(&bytes);
    return rc;
}

static void put_standing(struct fixture *f, const char *seat, Core__Standing standing)
{
    Core__SeatStanding m = CORE__SEAT_STANDING__INIT;

    m.seat = seat;
    m.standing = standing;
    put(f, &m.base);
}

static void put_withdrawn(struct fixture *f, const char *seat, int64_t before)
{
    Core__SeatDelegationsWithdrawn m = CORE__SEAT_DELEGATIONS_WITHDRAWN__INIT;

    m.seat = seat;
    m.before = before;
    put(f, &m.base);
}

static void put_revoked(struct fixture *f, const char *seat, const uint8_t key[KEY_SIZE])
{
    Core__KeyRevoked m = CORE__KEY_REVOKED__INIT;
    uint8_t id[KEY_ID_SIZE];

    key_id(id, key);
    m.seat = seat;
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    put(f, &m.base);
}

/* ---- tests ---- */

static void a_session_is_that_of_who_signed(void **state)
{
    const struct fixture *f = *state;
    struct show s = good(f);
    struct mandate m;
    char field[128], name[MANDATE_NAME];

    assert_int_equal(take(f, &s, &m, field), 0);
    assert_string_equal(m.seat->name, "bela");
    assert_string_equal(m.through->name, "gate");
    assert_int_equal(m.expires, now + hour);
    assert_string_equal(mandate_name(&m, name), "bela through gate, for read, ask");
    const struct mandate own = {.seat = m.seat};
    assert_string_equal(mandate_name(&own, name), "bela");
}

static void what_does_not_hold_says_why(void **state)
{
    struct fixture *f = *state;
    struct mandate m;
    const struct {
        const char *log, *seat;
        int by, to;
        int64_t issued, expires;
        int err;
        const char *field;
    } rows[] = {
        {LOG, "bela", BELA, GATE, now - hour, now + 1, 0, ""},
        {LOG, "bela", BELA, GATE, now + DELEGATION_AHEAD, now + hour, 0, ""},
        {LOG, "bela", BELA, OTHER, now, now + hour, ERR_DELEGATION, "delegation.gateway"},
        {LOG "-2", "bela", BELA, GATE, now, now + hour, ERR_DELEGATION, "delegation.log"},
        {LOG, "bela", DORA, GATE, now, now + hour, ERR_DELEGATION, "delegation.key_id"},
        {LOG, "Bela", BELA, GATE, now, now + hour, ERR_DELEGATION, "delegation.key_id"},
        {LOG, "nobody", BELA, GATE, now, now + hour, ERR_DELEGATION, "delegation.key_id"},
        {LOG, "worker", WORKER, GATE, now, now + hour, ERR_DELEGATION, "delegation.seat"},
        {LOG, "bela", BELA, GATE, now + DELEGATION_AHEAD + 1, now + hour, ERR_DELEGATION,
         "delegation.issued"},
        {LOG, "bela", BELA, GATE, now, now + DELEGATION_LIFE + 1, ERR_DELEGATION,
         "delegation.expires"},
        {LOG, "bela", BELA, GATE, now - hour, now, ERR_DELEGATION_EXPIRED, "delegation.expires"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct show s = good(f);
        char field[128];
        snprintf(s.says.log, sizeof s.says.log, "%s", rows[i].log);
        snprintf(s.says.seat, sizeof s.says.seat, "%s", rows[i].seat);
        s.by = rows[i].by;
        s.to = rows[i].to;
        s.says.issued = rows[i].issued;
        s.says.expires = rows[i].expires;
        int rc = take(f, &s, &m, field);
        if (rc != rows[i].err || strcmp(field, rows[i].field) != 0)
            fail_msg("row %zu: %s %s", i, err_code(rc), field);
    }
}

static void a_byte_that_is_not_as_signed_refuses_it(void **state)
{
    const struct fixture *f = *state;
    const struct show s = good(f);
    const struct mandate_of of = {registry_curve_key(f->r, f->keys[GATE].curve_public), LOG, now};
    struct buf bytes = {0};
    struct mandate m;

    delegation_sign(&s.says, &f->keys[BELA], &bytes);
    for (size_t i = 0; i < bytes.size; i++) {
        struct refusal why = {0};
        bytes.data[i] ^= 0x01;
        assert_int_equal(mandate_take(&m, f->r, &of, slice_buf(&bytes), &why), ERR_DELEGATION);
        bytes.data[i] ^= 0x01;
    }
    buf_free(&bytes);
}

/* A session of bela's through the gateway; what ends it also refuses the next one. */
static void ends(struct fixture *f, const struct mandate *m, int err, const char *place)
{
    struct show s = good(f);
    struct mandate again;
    char field[128];

    assert_false(mandate_holds(m, now));
    assert_int_equal(take(f, &s, &again, field), err);
    assert_string_equal(field, place);
}

static struct mandate session(struct fixture *f)
{
    struct show s = good(f);
    struct mandate m;
    char field[128];

    assert_int_equal(take(f, &s, &m, field), 0);
    assert_true(mandate_holds(&m, now));
    return m;
}

static void it_ends_with_its_time(void **state)
{
    struct mandate m = session(*state);

    assert_true(mandate_holds(&m, m.expires - 1));
    assert_false(mandate_holds(&m, m.expires));
    const struct mandate own = {.seat = m.seat};
    assert_true(mandate_holds(&own, INT64_MAX));
}

static void it_ends_with_the_key_that_signed_it(void **state)
{
    struct fixture *f = *state;
    struct mandate m = session(f);

    put_revoked(f, "bela", f->keys[BELA].sign_public);
    ends(f, &m, ERR_DELEGATION, "delegation.key_id");
}

static void it_ends_when_a_seat_is_seated_no_longer(void **state)
{
    struct fixture *f = *state;
    struct mandate m = session(f);

    put_standing(f, "gate", CORE__STANDING__STANDING_LEFT);
    ends(f, &m, ERR_DELEGATION, "delegation.gateway");
    put_standing(f, "gate", CORE__STANDING__STANDING_SEATED);
    assert_true(mandate_holds(&m, now));
    put_standing(f, "bela", CORE__STANDING__STANDING_LEFT);
    ends(f, &m, ERR_DELEGATION, "delegation.seat");
    put_standing(f, "bela", CORE__STANDING__STANDING_REVOKED);
    ends(f, &m, ERR_DELEGATION, "delegation.key_id");
}

static void it_ends_when_it_is_taken_back(void **state)
{
    struct fixture *f = *state;
    struct mandate m = session(f);

    put_withdrawn(f, "dora", now + hour);
    put_withdrawn(f, "bela", m.issued);
    assert_true(mandate_holds(&m, now));
    put_withdrawn(f, "bela", m.issued + 1);
    ends(f, &m, ERR_DELEGATION_WITHDRAWN, "delegation.issued");
    put_withdrawn(f, "bela", 1); /* the later one holds */
    ends(f, &m, ERR_DELEGATION_WITHDRAWN, "delegation.issued");
}

static void both_rules_and_the_delegation_allow(void **state)
{
    struct fixture *f = *state;
    struct mandate m = session(f);
    const struct mandate own = {.seat = m.seat};

    put_rule(f, "both-1", "bela", READ, "both");
    put_rule(f, "both-2", "gate", READ, "both");
    put_rule(f, "hers", "bela", READ, "hers");
    put_rule(f, "its", "gate", READ, "its");
    put_rule(f, "asks-1", "bela", ASK, "both");
    put_rule(f, "asks-2", "gate", ASK, "both");
    put_rule(f, "publishes-1", "bela", PUBLISH, "both");
    put_rule(f, "publishes-2", "gate", PUBLISH, "both");
    assert_true(mandate_allows(f->r, &m, READ, "both", "x.Y"));
    assert_false(mandate_allows(f->r, &m, READ, "hers", "x.Y"));
    assert_false(mandate_allows(f->r, &m, READ, "its", "x.Y"));
    assert_true(mandate_allows(f->r, &m, ASK, "both", "x.Y"));
    assert_false(mandate_allows(f->r, &m, PUBLISH, "both", "x.Y")); /* it is not for that */
    assert_true(mandate_allows(f->r, &own, PUBLISH, "both", "x.Y"));
    assert_true(mandate_may_read(f->r, &m, "bo*"));
    assert_false(mandate_may_read(f->r, &m, "hers"));
    assert_false(mandate_may_read(f->r, &m, "its"));
    m.verbs = 1u << ASK;
    assert_false(mandate_may_read(f->r, &m, "both"));
}

static void the_person_is_named_and_the_gateway_cleared(void **state)
{
    struct fixture *f = *state;
    struct mandate m = session(f);
    Core__Recipient bela = CORE__RECIPIENT__INIT, *recipients[] = {&bela};
    Core__Handling amber = CORE__HANDLING__INIT, green = CORE__HANDLING__INIT;

    bela.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT;
    bela.name = "bela";
    amber.label = CORE__LABEL__LABEL_AMBER;
    amber.n_recipients = 1;
    amber.recipients = recipients;
    green.label = CORE__LABEL__LABEL_GREEN;
    assert_true(mandate_handling(f->r, &m, &green, "QMX/npc"));
    assert_true(access_handling(f->r, m.seat, &amber, "QMX/npc"));
    assert_false(mandate_handling(f->r, &m, &amber, "QMX/npc")); /* a gateway cleared up to GREEN */
    assert_false(mandate_handling(f->r, &m, &amber, "QMB/npc")); /* though her office wrote it */
    assert_false(mandate_handling(f->r, &m, NULL, "QMB/npc"));
    assert_true(mandate_handling(f->r, &m, &amber, "QMW/web")); /* its own office did */
    Core__OfficeChanged cleared = CORE__OFFICE_CHANGED__INIT;
    cleared.office = "QMW/web";
    cleared.clearance = CORE__LABEL__LABEL_AMBER;
    put(f, &cleared.base);
    assert_true(mandate_handling(f->r, &m, &amber, "QMX/npc")); /* and it is not named */
    bela.name = "gate";
    assert_false(mandate_handling(f->r, &m, &amber, "QMX/npc")); /* she is not */
}

/* ---- what is used ---- */

static struct peer *join(struct peers *all, const struct fixture *f, int by, int to, int *rc)
{
    static uint32_t id;
    const struct mandate m = {
        .seat = registry_curve_key(f->r, f->keys[by].curve_public)->seat,
        .through = by == to ? NULL : registry_curve_key(f->r, f->keys[to].curve_public)->seat,
        .expires = by == to ? 0 : now};
    const struct newcomer who = {++id, registry_curve_key(f->r, f->keys[to].curve_public), &m, ""};
    struct peer *p = NULL;

    *rc = peers_add(all, &who, &p);
    return p;
}

static void a_gateway_uses_neither_the_person_s_own_share_nor_more_than_its_own(void **state)
{
    const struct fixture *f = *state;
    struct refusals refusals = {0};
    const struct quota quota = {.events = 10, .bytes = 1 << 30}; /* two seconds' worth are 20 */
    struct peers *all = peers_new(&refusals, &quota);
    int rc;
    struct peer *own = join(all, f, BELA, BELA, &rc), *carried = join(all, f, BELA, GATE, &rc),
                *other = join(all, f, BELA, OTHER, &rc), *dora = join(all, f, DORA, GATE, &rc);

    assert_true(peer_may_publish(carried, 15, 1));
    assert_false(peer_may_publish(dora, 15, 1)); /* the gateway handed on too much */
    assert_true(peer_may_publish(other, 15, 1));
    assert_true(peer_may_publish(own, 15, 1));
    assert_int_equal(peers_carried(all), 3);
    for (int i = 1; i < CARRIED_OF_SEAT; i++)
        assert_non_null(join(all, f, BELA, GATE, &rc));
    assert_null(join(all, f, BELA, GATE, &rc));
    assert_int_equal(rc, ERR_BUSY);
    assert_non_null(join(all, f, BELA, BELA, &rc));
    assert_non_null(join(all, f, DORA, GATE, &rc));
    assert_int_equal(peers_until(all, carried->use), now);
    assert_int_equal(peers_until(all, own->use), 0);
    peers_free(all);
    refusals_free(&refusals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_session_is_that_of_who_signed, begin, end),
        cmocka_unit_test_setup_teardown(what_does_not_hold_says_why, begin, end),
        cmocka_unit_test_setup_teardown(a_byte_that_is_not_as_signed_refuses_it, begin, end),
        cmocka_unit_test_setup_teardown(it_ends_with_its_time, begin, end),
        cmocka_unit_test_setup_teardown(it_ends_with_the_key_that_signed_it, begin, end),
        cmocka_unit_test_setup_teardown(it_ends_when_a_seat_is_seated_no_longer, begin, end),
        cmocka_unit_test_setup_teardown(it_ends_when_it_is_taken_back, begin, end),
        cmocka_unit_test_setup_teardown(both_rules_and_the_delegation_allow, begin, end),
        cmocka_unit_test_setup_teardown(the_person_is_named_and_the_gateway_cleared, begin, end),
        cmocka_unit_test_setup_teardown(
            a_gateway_uses_neither_the_person_s_own_share_nor_more_than_its_own, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
