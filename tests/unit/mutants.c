/* SPDX-License-Identifier: Apache-2.0 */
/* Spoilt registries: the founding of a real `chancery init` and the acts of a service, with acts
 * dropped, doubled, moved, signed by others and changed, are checked and folded beside the oracle
 * (support/oracle.h).  1,000 of them, 10,000 with CHANCERY_LONG; CHANCERY_SEED repeats a run. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "broker/journal.h"
#include "broker/registry_log.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "tests/support/oracle.h"
#include "tests/support/test.h"

enum { ACTS_MOST = 512, NAME = 65, MUTATIONS_MOST = 8, BASES = 8 };

struct act {
    char by[NAME];
    const char *type;
    struct buf payload;
};

struct story {
    struct act acts[ACTS_MOST];
    size_t n;
};

static const ProtobufCMessageDescriptor *const types[] = {
    &core__log_founded__descriptor,    &core__log_succeeded__descriptor,
    &core__return_ended__descriptor,   &core__party_added__descriptor,
    &core__office_added__descriptor,   &core__office_changed__descriptor,
    &core__deputy_named__descriptor,   &core__seat_admitted__descriptor,
    &core__seat_standing__descriptor,  &core__key_added__descriptor,
    &core__key_revoked__descriptor,    &core__key_rotated__descriptor,
    &core__group_set__descriptor,      &core__access_rule__descriptor,
    &core__stream_limited__descriptor, &core__lowering_allowed__descriptor,
    &core__part_purged__descriptor,    &core__quorum_set__descriptor,
    &core__act_confirmed__descriptor,  &core__act_withdrawn__descriptor,
    &core__clock_accepted__descriptor, &core__clock_moved__descriptor,
    &core__handling__descriptor, /* no registry event at all */
};

/* ---- chance ---- */

static uint64_t state;

static uint32_t chance(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % below);
}

#define ANY_OF(list) ((list)[chance(sizeof(list) / sizeof(list)[0])])

static const char *const seats[] = {
    "administrator", "broker",  "officer", "alert", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7",
    "nobody",        "OFFICER", ""};
static const char *const offices[] = {"QMA/secretariat", "QMA/administration",
                                      "QMB/npc",         "QMC/npc",
                                      "QMB/mission",     "QMX/npc",
                                      "qmb/NPC",         "QMB"};
static const char *const parties[] = {"QMA", "QMB", "QMC", "qmb", "QMX", "*"};
static const char *const roles[] = {"administrator", "confirmer", "watcher", "ADMINISTRATOR"};
static const char *const patterns[] = {
    "*",  "",    "a*",       "registry",           "reg*",
    "*a", "a*b", "alpha.in", "chancery.core.v1.*", "sanctions.in",
    "**"};

static const char *any_name(void)
{
    switch (chance(5)) {
    case 0:
        return ANY_OF(seats);
    case 1:
        return ANY_OF(offices);
    case 2:
        return ANY_OF(parties);
    case 3:
        return ANY_OF(roles);
    default:
        return ANY_OF(patterns);
    }
}

/* A key, and mostly the seat that has it, where anybody has. */
static const char *any_key(uint8_t key[KEY_SIZE])
{
    static const char *const owners[] = {"s0", "s1", "s2", "s3", "s4", "officer"};

    memset(key, 0, KEY_SIZE);
    key[0] = (uint8_t)chance(40);
    key[1] = 0xab;
    return chance(4) ? owners[key[0] % 6] : ANY_OF(seats);
}

/* ---- the acts of a service ---- */

static struct act *act_new(struct story *s, const char *by, const char *type)
{
    assert_true(s->n < ACTS_MOST);
    struct act *a = &s->acts[s->n++];
    *a = (struct act){.type = type};
    snprintf(a->by, sizeof a->by, "%s", by);
    return a;
}

static void say(struct story *s, const char *by, const ProtobufCMessage *m)
{
    struct act *a = act_new(s, by, m->descriptor->name);

    protobuf_c_message_pack(m, buf_grow(&a->payload, protobuf_c_message_get_packed_size(m)));
}

static void say_key(struct story *s, const char *by)
{
    Core__KeyAdded m = CORE__KEY_ADDED__INIT;
    uint8_t key[KEY_SIZE];

    m.seat = any_key(key);
    m.kind = (Core__KeyKind)(1 + chance(3));
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    say(s, by, &m.base);
}

static void say_end_of_key(struct story *s, const char *by)
{
    Core__KeyRevoked revoked = CORE__KEY_REVOKED__INIT;
    Core__KeyRotated rotated = CORE__KEY_ROTATED__INIT;
    uint8_t key[KEY_SIZE], next[KEY_SIZE], id[KEY_ID_SIZE];

    revoked.seat = rotated.seat = any_key(key);
    any_key(next);
    key_id(id, key);
    revoked.key_id = rotated.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    rotated.public_key = (ProtobufCBinaryData){KEY_SIZE, next};
    say(s, by, chance(2) ? &revoked.base : &rotated.base);
}

static void say_office(struct story *s, const char *by)
{
    Core__OfficeAdded added = CORE__OFFICE_ADDED__INIT;
    Core__OfficeChanged changed = CORE__OFFICE_CHANGED__INIT;
    const char *given[2] = {ANY_OF(roles), ANY_OF(roles)};

    added.office = changed.office = ANY_OF(offices);
    added.n_roles = changed.n_roles = chance(3);
    added.roles = changed.roles = given;
    added.clearance = changed.clearance = (Core__Label)chance(6);
    added.seats_most = changed.seats_most = chance(4);
    say(s, by, chance(2) ? &added.base : &changed.base);
}

static void say_seat(struct story *s, const char *by)
{
    Core__SeatAdmitted admitted = CORE__SEAT_ADMITTED__INIT;
    Core__SeatStanding standing = CORE__SEAT_STANDING__INIT;

    admitted.seat = standing.seat = ANY_OF(seats);
    admitted.office = ANY_OF(offices);
    admitted.kind = (Core__SeatKind)(1 + chance(2));
    standing.standing = (Core__Standing)(1 + chance(3));
    say(s, by, chance(3) ? &admitted.base : &standing.base);
}

static void say_rule(struct story *s, const char *by)
{
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;
    Core__Verb verbs[2] = {(Core__Verb)(1 + chance(4)), (Core__Verb)(1 + chance(4))};
    char name[8];

    snprintf(name, sizeof name, "r%u", chance(20));
    m.rule = name;
    m.effect = chance(3) ? CORE__EFFECT__EFFECT_ALLOW : CORE__EFFECT__EFFECT_DENY;
    m.subject_kind = (Core__SubjectKind)(1 + chance(5));
    m.subject = m.subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_ANY ? "" : any_name();
    m.n_verbs = 1 + chance(2);
    m.verbs = verbs;
    m.stream = ANY_OF(patterns);
    m.type = chance(2) ? "*" : ANY_OF(patterns);
    m.withdrawn = chance(8) == 0;
    say(s, by, &m.base);
}

static void say_of_acts(struct story *s, const char *by)
{
    Core__QuorumSet quorum = CORE__QUORUM_SET__INIT;
    Core__ActConfirmed confirmed = CORE__ACT_CONFIRMED__INIT;
    Core__ActWithdrawn withdrawn = CORE__ACT_WITHDRAWN__INIT;

    quorum.administrators = 1 + chance(3);
    withdrawn.position = s->n - chance(3);
    confirmed.position = s->n - chance(6);
    say(s, by, chance(4) == 0 ? &quorum.base : chance(8) == 0 ? &withdrawn.base : &confirmed.base);
}

static void say_party(struct story *s, const char *by)
{
    Core__PartyAdded m = CORE__PARTY_ADDED__INIT;
    Core__DeputyNamed deputy = CORE__DEPUTY_NAMED__INIT;

    m.party = ANY_OF(parties);
    m.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    deputy.office = ANY_OF(offices);
    deputy.deputy = ANY_OF(offices);
    deputy.from = 1;
    deputy.until = 2;
    say(s, by, chance(3) ? &m.base : &deputy.base);
}

/* An office fills its seats and empties them. */
static void say_own(struct story *s, const char *by)
{
    static const char *const own[] = {"s2", "s3", "s6", "s7"};
    Core__SeatAdmitted admitted = CORE__SEAT_ADMITTED__INIT;
    Core__SeatStanding standing = CORE__SEAT_STANDING__INIT;

    admitted.seat = standing.seat = ANY_OF(own);
    admitted.office = "QMB/npc";
    admitted.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    standing.standing = (Core__Standing)(chance(8) ? 1 + chance(2) : 3);
    say(s, chance(4) ? ANY_OF(own) : by, chance(2) ? &admitted.base : &standing.base);
}

static void say_any(struct story *s, const char *by)
{
    void (*const says[])(struct story *, const char *) = {
        say_party, say_office,     say_seat, say_own,  say_own,     say_key,
        say_key,   say_end_of_key, say_rule, say_rule, say_of_acts, say_of_acts,
    };

    ANY_OF(says)(s, by);
}

static void say_places(struct story *s)
{
    Core__PartyAdded party = CORE__PARTY_ADDED__INIT;
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;
    const char *role = "watcher";

    party.party = "QMB";
    party.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    say(s, "administrator", &party.base);
    office.n_roles = 1;
    office.roles = &role;
    office.office = "QMB/npc";
    office.seats_most = 3;
    say(s, "administrator", &office.base);
    office.office = "QMB/mission";
    office.seats_most = 0;
    say(s, "administrator", &office.base);
}

static void say_seats(struct story *s)
{
    static const char *const rows[][2] = {
        {"s0", "QMA/administration"},
        {"s1", "QMA/administration"},
        {"s2", "QMB/npc"},
        {"s3", "QMB/npc"},
        {"s4", "QMB/mission"},
        {"s5", "QMB/mission"},
    };
    Core__SeatAdmitted seat = CORE__SEAT_ADMITTED__INIT;

    seat.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        seat.seat = rows[i][0];
        seat.office = rows[i][1];
        say(s, "administrator", &seat.base);
    }
}

/* Three administrators, an office that fills its seats and one that does not; then whatever comes.
 */
static void tell_service(struct story *s, size_t n)
{
    static const char *const signers[] = {"administrator", "administrator", "administrator", "s0",
                                          "s1"};
    static const char *const others[] = {"s2", "s3", "s4", "s5", "officer", "broker"};

    say_places(s);
    say_seats(s);
    for (size_t i = 0; i < n; i++)
        say_any(s, chance(2) ? ANY_OF(signers) : chance(4) ? ANY_OF(others) : ANY_OF(seats));
}

/* ---- a real founding ---- */

static int add_record(void *arg, const struct journal_record *rec)
{
    struct arena *arena = arena_new(FRAME_MOST);
    struct event e;
    char where[128];

    assert_int_equal(event_open_head(&e, rec->event, arena, where), 0);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i]->name, e.envelope->type) == 0) {
            struct act *a = act_new(arg, e.envelope->seat, types[i]->name);
            buf_add(&a->payload, rec->payload.data, rec->payload.size);
        }
    arena_free(arena);
    return 0;
}

static void read_founding(struct story *s)
{
    char dir[] = "/tmp/chancery-mutants-XXXXXX", command[256];
    struct journal *j = NULL;
    struct buf why = {0};
    uint64_t next;

    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof command,
             "'" BUILD_DIR "/bin/chancery-init' %s/i --exercise >/dev/null", dir);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/i", dir);
    assert_int_equal(journal_open(&j, command, true, &why), 0);
    const char *stream = "registry";
    struct journal_filter *filter = journal_filter_new(&stream, 1, NULL, 0, NULL);
    assert_int_equal(journal_read(j, filter, 1, ACTS_MOST, add_record, s, &next), 0);
    journal_filter_free(filter);
    journal_close(j);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    assert_true(s->n > 40);
}

/* ---- spoiling ---- */

static void act_clear(struct act *a)
{
    buf_free(&a->payload);
}

static void act_copy(struct act *to, const struct act *from)
{
    *to = *from;
    to->payload = (struct buf){0};
    buf_add(&to->payload, from->payload.data, from->payload.size);
}

static void story_copy(struct story *to, const struct story *from)
{
    to->n = from->n;
    for (size_t i = 0; i < from->n; i++)
        act_copy(&to->acts[i], &from->acts[i]);
}

static void story_clear(struct story *s)
{
    for (size_t i = 0; i < s->n; i++)
        act_clear(&s->acts[i]);
    s->n = 0;
}

static void drop(struct story *s, size_t i)
{
    act_clear(&s->acts[i]);
    memmove(&s->acts[i], &s->acts[i + 1], (s->n - i - 1) * sizeof *s->acts);
    s->n--;
}

static void twice(struct story *s, size_t i, size_t at)
{
    struct act copy;

    if (s->n == ACTS_MOST)
        return;
    act_copy(&copy, &s->acts[i]);
    memmove(&s->acts[at + 1], &s->acts[at], (s->n - at) * sizeof *s->acts);
    s->acts[at] = copy;
    s->n++;
}

static void swap(struct story *s, size_t i, size_t k)
{
    struct act a = s->acts[i];

    s->acts[i] = s->acts[k];
    s->acts[k] = a;
}

static void flip(struct buf *b)
{
    if (b->size == 0)
        return;
    uint32_t at = chance((uint32_t)b->size);
    switch (chance(4)) {
    case 0:
        b->data[at] = (uint8_t)chance(256);
        break;
    case 1:
        b->size = at;
        break;
    default:
        b->data[at] ^= (uint8_t)(1u << chance(8));
    }
}

/* A field gets another value; `m` is packed before what it points to goes. */
static void change_field(const ProtobufCFieldDescriptor *f, uint8_t *m, uint8_t key[KEY_SIZE])
{
    void *field = m + f->offset;

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t *n = (size_t *)(void *)(m + f->quantifier_offset);
        *n = *n ? chance((uint32_t)*n + 1) : 0;
    } else if (f->type == PROTOBUF_C_TYPE_STRING) {
        *(const char **)field = any_name();
    } else if (f->type == PROTOBUF_C_TYPE_BYTES) {
        any_key(key);
        *(ProtobufCBinaryData *)field = (ProtobufCBinaryData){KEY_SIZE - (chance(16) == 0), key};
    } else if (f->type == PROTOBUF_C_TYPE_UINT64 || f->type == PROTOBUF_C_TYPE_INT64) {
        *(uint64_t *)field = chance(200);
    } else if (f->type == PROTOBUF_C_TYPE_BOOL) {
        *(protobuf_c_boolean *)field ^= 1;
    } else {
        *(uint32_t *)field = chance(8);
    }
}

static void change(struct act *a)
{
    uint8_t key[KEY_SIZE];

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (types[i]->name != a->type || types[i]->n_fields == 0)
            continue;
        struct arena *arena = arena_new(1 << 20);
        ProtobufCMessage *m = protobuf_c_message_unpack(types[i], arena_allocator(arena),
                                                        a->payload.size, a->payload.data);
        if (m) {
            change_field(&types[i]->fields[chance(types[i]->n_fields)], (uint8_t *)m, key);
            buf_reset(&a->payload);
            protobuf_c_message_pack(m,
                                    buf_grow(&a->payload, protobuf_c_message_get_packed_size(m)));
        }
        arena_free(arena);
    }
}

static void spoil(struct story *s)
{
    size_t i = chance((uint32_t)s->n), k = chance((uint32_t)s->n);
    struct act *a = &s->acts[i];

    switch (chance(9)) {
    case 0:
        drop(s, i);
        break;
    case 1:
        twice(s, i, k);
        break;
    case 2:
        swap(s, i, k);
        break;
    case 3:
        flip(&a->payload);
        break;
    case 4:
        snprintf(a->by, sizeof a->by, "%s", ANY_OF(seats));
        break;
    case 5:
        a->type = ANY_OF(types)->name;
        break;
    default:
        change(a);
    }
}

/* ---- judging ---- */

struct count {
    size_t taken, refused, answers;
};

static void judge(const struct story *s, unsigned number, struct count *c)
{
    struct registry *r = registry_new();
    struct oracle *o = oracle_new();
    struct buf why = {0};
    const char *field;
    char text[256];

    for (size_t i = 0; i < s->n; i++) {
        const struct act *a = &s->acts[i];
        const struct registry_event e = {a->by, a->type, slice_buf(&a->payload)};
        bool may = oracle_may_sign(o, &e), ok = registry_check(r, &e, &field, text) == 0;
        if (ok && !may)
            fail_msg("mutant %u: act %zu, %s of %s, was not theirs to sign", number, i, a->type,
                     a->by);
        registry_fold(r, i + 1, &e); /* what is refused must change nothing */
        if (ok)
            oracle_take(o, i + 1, &e);
        c->taken += ok;
        c->refused += !ok;
        if ((i + 1 == s->n || chance(128) == 0) && !oracle_agrees(o, r, &why, &c->answers))
            fail_msg("mutant %u: after act %zu, %s of %s: %s", number, i, a->type, a->by,
                     buf_cstr(&why));
    }
    buf_free(&why);
    oracle_free(o);
    registry_free(r);
}

static void no_spoilt_registry_opens_a_door(void **unused)
{
    static struct story bases[BASES], s;
    const char *seed = getenv("CHANCERY_SEED");
    unsigned mutants = getenv("CHANCERY_LONG") ? 10000 : 1000;
    struct count c = {0};

    (void)unused;
    state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    print_message("CHANCERY_SEED=%llu\n", (unsigned long long)state);
    state = state * 2 + 1;
    for (size_t i = 0; i < BASES; i++) {
        read_founding(&bases[i]);
        tell_service(&bases[i], 60 + 20 * i);
        judge(&bases[i], 0, &c);
    }
    for (unsigned i = 1; i <= mutants; i++) {
        story_copy(&s, &bases[i % BASES]);
        for (uint32_t n = 1 + chance(MUTATIONS_MOST); n > 0 && s.n > 1; n--)
            spoil(&s);
        judge(&s, i, &c);
        story_clear(&s);
    }
    for (size_t i = 0; i < BASES; i++)
        story_clear(&bases[i]);
    print_message("%u mutants: %zu acts taken, %zu refused, %zu questions allowed by both\n",
                  mutants, c.taken, c.refused, c.answers);
    assert_true(c.taken > 50 * (size_t)mutants && c.refused > 5 * (size_t)mutants);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_spoilt_registry_opens_a_door),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
