/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/oracle.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "broker/access.h"

enum { NOBODY = -1, SEATS_MOST = 1024, OFFICES_MOST = 1024, KEYS_MOST = 4096, RULES_MOST = 1024 };
enum { WAITING_MOST = 128, SIGNERS_MOST = 64 };

struct place { /* an office */
    char *name;
    char **roles;
    size_t n_roles;
    int clearance;
    uint32_t fills; /* seats that it fills itself */
};

struct person { /* a seat */
    char *name;
    int place; /* NOBODY: the founder, not admitted yet */
    int standing;
};

struct lock { /* a key */
    int person, kind;
    uint8_t key[KEY_SIZE];
    bool revoked;
};

struct waiting { /* for the quorum */
    uint64_t position;
    char *type;
    struct buf payload;
    int signers[SIGNERS_MOST];
    size_t n;
};

struct oracle {
    struct place places[OFFICES_MOST];
    struct person people[SEATS_MOST];
    struct lock locks[KEYS_MOST];
    Core__AccessRule *rules[RULES_MOST];
    struct waiting waiting[WAITING_MOST];
    size_t n_places, n_people, n_locks, n_rules, n_waiting;
    uint32_t quorum;
    bool founded;
};

static const ProtobufCMessageDescriptor *const types[] = {
    &core__log_founded__descriptor,   &core__office_added__descriptor,
    &core__seat_admitted__descriptor, &core__office_changed__descriptor,
    &core__seat_standing__descriptor, &core__key_added__descriptor,
    &core__key_revoked__descriptor,   &core__key_rotated__descriptor,
    &core__access_rule__descriptor,   &core__quorum_set__descriptor,
    &core__act_confirmed__descriptor, &core__act_withdrawn__descriptor,
    &core__deputy_named__descriptor,
};

/* The act's message, to be freed; NULL: of a type that changes nothing of what is asked here. */
static ProtobufCMessage *opened(const char *type, struct slice payload)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i]->name, type) == 0)
            return protobuf_c_message_unpack(types[i], NULL, payload.size, payload.data);
    return NULL;
}

static bool is(const char *type, const ProtobufCMessageDescriptor *of)
{
    return strcmp(type, of->name) == 0;
}

/* ---- who is there ---- */

static int person_of(const struct oracle *o, const char *name)
{
    for (size_t i = 0; i < o->n_people; i++)
        if (strcasecmp(o->people[i].name, name) == 0)
            return (int)i;
    return NOBODY;
}

static int place_of(const struct oracle *o, const char *name)
{
    for (size_t i = 0; i < o->n_places; i++)
        if (strcasecmp(o->places[i].name, name) == 0)
            return (int)i;
    return NOBODY;
}

static bool plays(const struct place *p, const char *role)
{
    for (size_t i = 0; i < p->n_roles; i++)
        if (strcasecmp(p->roles[i], role) == 0)
            return true;
    return false;
}

static bool administers_place(const struct oracle *o, int place)
{
    return place != NOBODY && plays(&o->places[place], "administrator");
}

/* The founder until it is admitted; then who is seated in an office of administrators. */
static bool administers(const struct oracle *o, int person)
{
    const struct person *p = &o->people[person];

    if (p->place == NOBODY)
        return true;
    return p->standing == CORE__STANDING__STANDING_SEATED && administers_place(o, p->place);
}

static bool fills(const struct oracle *o, int person, int place)
{
    return place != NOBODY && o->people[person].place == place && o->places[place].fills > 0;
}

static size_t seated(const struct oracle *o, int place)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_people; i++)
        n +=
            o->people[i].place == place && o->people[i].standing == CORE__STANDING__STANDING_SEATED;
    return n;
}

static bool has_lock(const struct oracle *o, int person, int kind)
{
    for (size_t i = 0; i < o->n_locks; i++)
        if (o->locks[i].person == person && o->locks[i].kind == kind)
            return true;
    return false;
}

/* ---- who may sign ---- */

static bool signs_own(const struct oracle *o, int by, const char *type, const void *body)
{
    const Core__DeputyNamed *deputy = body;
    const Core__SeatAdmitted *admitted = body;
    const Core__SeatStanding *standing = body;
    const Core__KeyAdded *added = body;
    const Core__KeyRevoked *revoked = body;
    const Core__KeyRotated *rotated = body;
    int place, person;

    if (is(type, &core__deputy_named__descriptor))
        return place_of(o, deputy->office) == o->people[by].place;
    if (is(type, &core__seat_admitted__descriptor)) {
        place = place_of(o, admitted->office);
        return fills(o, by, place) && seated(o, place) < o->places[place].fills;
    }
    if (is(type, &core__key_rotated__descriptor))
        return person_of(o, rotated->seat) == by;
    if (is(type, &core__seat_standing__descriptor)) {
        if (standing->standing == CORE__STANDING__STANDING_SEATED)
            return false;
        person = person_of(o, standing->seat);
        return person == by || (person != NOBODY && fills(o, by, o->people[person].place));
    }
    if (is(type, &core__key_revoked__descriptor)) {
        person = person_of(o, revoked->seat);
        return person == by || (person != NOBODY && fills(o, by, o->people[person].place));
    }
    if (is(type, &core__key_added__descriptor)) {
        person = person_of(o, added->seat);
        return person == by || (person != NOBODY && fills(o, by, o->people[person].place) &&
                                !has_lock(o, person, (int)added->kind));
    }
    return false;
}

bool oracle_may_sign(const struct oracle *o, const struct registry_event *act)
{
    int by = person_of(o, act->by);

    if (is(act->type, &core__log_founded__descriptor))
        return !o->founded;
    if (by == NOBODY)
        return false;
    if (administers(o, by))
        return true;
    if (o->people[by].standing != CORE__STANDING__STANDING_SEATED)
        return false;
    ProtobufCMessage *body = opened(act->type, act->payload);
    bool may = body && signs_own(o, by, act->type, body);
    if (body)
        protobuf_c_message_free_unpacked(body, NULL);
    return may;
}

/* ---- what an act does ---- */

static void terms_set(struct place *p, char **roles, size_t n, int clearance, uint32_t most)
{
    for (size_t i = 0; i < p->n_roles; i++)
        free(p->roles[i]);
    p->roles = realloc(p->roles, (n + 1) * sizeof *p->roles);
    assert(p->roles);
    for (size_t i = 0; i < n; i++)
        p->roles[i] = strdup(roles[i]);
    p->n_roles = n;
    p->clearance = clearance ? clearance : CORE__LABEL__LABEL_GREEN;
    p->fills = most;
}

static void lock_add(struct oracle *o, int person, int kind, const uint8_t *key)
{
    assert(o->n_locks < KEYS_MOST);
    struct lock *l = &o->locks[o->n_locks++];
    *l = (struct lock){.person = person, .kind = kind};
    memcpy(l->key, key, KEY_SIZE);
}

static struct lock *lock_of(struct oracle *o, ProtobufCBinaryData id)
{
    uint8_t own[KEY_ID_SIZE];

    for (size_t i = 0; i < o->n_locks; i++) {
        key_id(own, o->locks[i].key);
        if (id.len == KEY_ID_SIZE && memcmp(own, id.data, KEY_ID_SIZE) == 0)
            return &o->locks[i];
    }
    return NULL;
}

static void found(struct oracle *o, const Core__LogFounded *m)
{
    o->founded = true;
    o->quorum = 1;
    o->people[o->n_people++] =
        (struct person){strdup(m->administrator), NOBODY, CORE__STANDING__STANDING_SEATED};
    lock_add(o, 0, CORE__KEY_KIND__KEY_KIND_ED25519, m->administrator_key.data);
}

static void admit(struct oracle *o, const Core__SeatAdmitted *m)
{
    int person = person_of(o, m->seat);

    if (person == NOBODY) {
        assert(o->n_people < SEATS_MOST);
        person = (int)o->n_people++;
        o->people[person] =
            (struct person){strdup(m->seat), NOBODY, CORE__STANDING__STANDING_SEATED};
    }
    o->people[person].place = place_of(o, m->office);
}

static void stand(struct oracle *o, const Core__SeatStanding *m)
{
    int person = person_of(o, m->seat);

    o->people[person].standing = (int)m->standing;
    for (size_t i = 0; i < o->n_locks; i++)
        if (m->standing == CORE__STANDING__STANDING_REVOKED && o->locks[i].person == person)
            o->locks[i].revoked = true;
}

static void rule_set(struct oracle *o, const Core__AccessRule *m)
{
    for (size_t i = 0; i < o->n_rules; i++)
        if (strcasecmp(o->rules[i]->rule, m->rule) == 0) {
            core__access_rule__free_unpacked(o->rules[i], NULL);
            o->rules[i] = o->rules[--o->n_rules];
            break;
        }
    if (m->withdrawn)
        return;
    size_t size = core__access_rule__get_packed_size(m);
    uint8_t *bytes = malloc(size);
    assert(bytes && o->n_rules < RULES_MOST);
    core__access_rule__pack(m, bytes);
    o->rules[o->n_rules++] = core__access_rule__unpack(NULL, size, bytes);
    free(bytes);
}

static void apply(struct oracle *o, const char *type, const void *body)
{
    const Core__OfficeAdded *added = body;
    const Core__OfficeChanged *changed = body;
    const Core__KeyAdded *key = body;
    const Core__KeyRotated *rotated = body;

    if (is(type, &core__log_founded__descriptor)) {
        found(o, body);
    } else if (is(type, &core__office_added__descriptor)) {
        assert(o->n_places < OFFICES_MOST);
        o->places[o->n_places] = (struct place){.name = strdup(added->office)};
        terms_set(&o->places[o->n_places++], (char **)(uintptr_t)added->roles, added->n_roles,
                  (int)added->clearance, added->seats_most);
    } else if (is(type, &core__office_changed__descriptor)) {
        terms_set(&o->places[place_of(o, changed->office)], (char **)(uintptr_t)changed->roles,
                  changed->n_roles, (int)changed->clearance, changed->seats_most);
    } else if (is(type, &core__seat_admitted__descriptor)) {
        admit(o, body);
    } else if (is(type, &core__seat_standing__descriptor)) {
        stand(o, body);
    } else if (is(type, &core__key_added__descriptor)) {
        lock_add(o, person_of(o, key->seat), (int)key->kind, key->public_key.data);
    } else if (is(type, &core__key_revoked__descriptor)) {
        lock_of(o, ((const Core__KeyRevoked *)body)->key_id)->revoked = true;
    } else if (is(type, &core__key_rotated__descriptor)) {
        struct lock *old = lock_of(o, rotated->key_id);
        old->revoked = true;
        lock_add(o, old->person, old->kind, rotated->public_key.data);
    } else if (is(type, &core__access_rule__descriptor)) {
        rule_set(o, body);
    } else if (is(type, &core__quorum_set__descriptor)) {
        o->quorum = ((const Core__QuorumSet *)body)->administrators;
    }
}

/* ---- what waits ---- */

/* Rules, parties, offices, limits, purges, the quorum, and the seats and keys of administrators but
 * for the signer's own. */
static bool touches_the_whole(const struct oracle *o, int by, const char *type, const void *body)
{
    static const char *const all[] = {"PartyAdded",      "OfficeAdded", "OfficeChanged",
                                      "AccessRule",      "QuorumSet",   "StreamLimited",
                                      "LoweringAllowed", "PartPurged"};
    const char *name = NULL, *shorter = strrchr(type, '.') + 1;

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i], shorter) == 0)
            return true;
    if (is(type, &core__seat_admitted__descriptor))
        return administers_place(o, place_of(o, ((const Core__SeatAdmitted *)body)->office));
    if (is(type, &core__seat_standing__descriptor))
        name = ((const Core__SeatStanding *)body)->seat;
    else if (is(type, &core__key_added__descriptor))
        name = ((const Core__KeyAdded *)body)->seat;
    else if (is(type, &core__key_revoked__descriptor))
        name = ((const Core__KeyRevoked *)body)->seat;
    else if (is(type, &core__key_rotated__descriptor))
        name = ((const Core__KeyRotated *)body)->seat;
    int person = name ? person_of(o, name) : NOBODY;
    return person != NOBODY && person != by && administers_place(o, o->people[person].place);
}

static struct waiting *waits_at(struct oracle *o, uint64_t position)
{
    for (size_t i = 0; i < o->n_waiting; i++)
        if (o->waiting[i].position == position)
            return &o->waiting[i];
    return NULL;
}

static void drop(struct oracle *o, struct waiting *w)
{
    free(w->type);
    buf_free(&w->payload);
    *w = o->waiting[--o->n_waiting];
}

static void confirm(struct oracle *o, int by, uint64_t position)
{
    struct waiting *w = waits_at(o, position);
    size_t signatures = 1;

    assert(w);
    for (size_t i = 0; i < w->n; i++)
        signatures += administers(o, w->signers[i]);
    if (signatures < o->quorum) {
        assert(w->n < SIGNERS_MOST);
        w->signers[w->n++] = by;
        return;
    }
    ProtobufCMessage *body = opened(w->type, slice_buf(&w->payload));
    if (body) {
        apply(o, w->type, body);
        protobuf_c_message_free_unpacked(body, NULL);
    }
    drop(o, w);
}

static void put_by(struct oracle *o, int by, uint64_t position, const struct registry_event *act)
{
    assert(o->n_waiting < WAITING_MOST);
    struct waiting *w = &o->waiting[o->n_waiting++];
    *w = (struct waiting){.position = position, .type = strdup(act->type), .n = 1};
    w->signers[0] = by;
    buf_add(&w->payload, act->payload.data, act->payload.size);
}

void oracle_take(struct oracle *o, uint64_t position, const struct registry_event *act)
{
    int by = person_of(o, act->by);
    ProtobufCMessage *body = opened(act->type, act->payload);

    if (o->quorum > 1 && touches_the_whole(o, by, act->type, body))
        put_by(o, by, position, act);
    else if (is(act->type, &core__act_confirmed__descriptor))
        confirm(o, by, ((const Core__ActConfirmed *)body)->position);
    else if (is(act->type, &core__act_withdrawn__descriptor))
        drop(o, waits_at(o, ((const Core__ActWithdrawn *)body)->position));
    else if (body)
        apply(o, act->type, body);
    if (body)
        protobuf_c_message_free_unpacked(body, NULL);
}

/* ---- what it comes to ---- */

static bool fits(const char *pattern, const char *text)
{
    size_t n = strlen(pattern);

    return n && pattern[n - 1] == '*' ? strncmp(pattern, text, n - 1) == 0
                                      : strcmp(pattern, text) == 0;
}

static bool concerns(const struct oracle *o, const Core__AccessRule *rule, const struct person *p)
{
    const struct place *place = p->place == NOBODY ? NULL : &o->places[p->place];
    size_t party = place ? strcspn(place->name, "/") : 0;

    if (rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_ANY)
        return true;
    if (rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT)
        return strcasecmp(rule->subject, p->name) == 0;
    if (!place)
        return false;
    if (rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_PARTY)
        return strlen(rule->subject) == party &&
               strncasecmp(rule->subject, place->name, party) == 0;
    if (rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_OFFICE)
        return strcasecmp(rule->subject, place->name) == 0;
    return rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE &&
           plays(place, rule->subject);
}

struct question {
    Core__Verb verb;
    const char *stream, *type;
};

static bool allowed(const struct oracle *o, const struct person *p, const struct question *q)
{
    bool said = false;

    for (size_t i = 0; i < o->n_rules; i++) {
        const Core__AccessRule *rule = o->rules[i];
        bool verb = false;
        for (size_t k = 0; k < rule->n_verbs; k++)
            verb = verb || rule->verbs[k] == q->verb;
        if (!verb || !concerns(o, rule, p) || !fits(rule->stream, q->stream) ||
            !fits(rule->type, q->type))
            continue;
        if (rule->effect != CORE__EFFECT__EFFECT_ALLOW)
            return false;
        said = true;
    }
    return said && p->standing == CORE__STANDING__STANDING_SEATED;
}

static bool differ(struct buf *why, const char *what, const char *name)
{
    buf_printf(why, "%s: %s", what, name);
    return false;
}

static bool questions_agree(const struct oracle *o, const struct registry *r,
                            const struct person *p, const struct seat *seat, struct buf *why,
                            size_t *answers)
{
    static const char *const streams[] = {"registry", "audit",       "sanctions.in",
                                          "un.feed",  "embargo.out", "alpha.in"};
    static const char *const names[] = {"chancery.core.v1.AccessRule",
                                        "chancery.embargo.v1.ConfirmSnapshot"};

    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            for (int verb = 1; verb <= 4; verb++) {
                struct question q = {(Core__Verb)verb, streams[i], names[k]};
                bool said = allowed(o, p, &q);
                *answers += said;
                if (said != access_allows(r, seat, q.verb, q.stream, q.type)) {
                    buf_printf(why, "verb %d on %s of %s by ", verb, q.stream, q.type);
                    return differ(why, said ? "not allowed" : "allowed", p->name);
                }
            }
    return true;
}

static bool person_agrees(const struct oracle *o, const struct registry *r, const struct person *p,
                          struct buf *why, size_t *answers)
{
    const struct seat *seat = registry_seat(r, p->name);
    const char *place = p->place == NOBODY ? "" : o->places[p->place].name;

    if (!seat || seat->standing != p->standing || strcasecmp(seat->office->name, place) != 0)
        return differ(why, "a seat stands otherwise", p->name);
    return questions_agree(o, r, p, seat, why, answers);
}

static bool held(const struct oracle *o, const uint8_t key[KEY_SIZE])
{
    for (size_t i = 0; i < o->n_locks; i++)
        if (memcmp(o->locks[i].key, key, KEY_SIZE) == 0)
            return true;
    return false;
}

static bool lock_agrees(const struct oracle *o, const struct registry *r, const struct lock *l,
                        struct buf *why)
{
    const char *owner = o->people[l->person].name;
    uint8_t id[KEY_ID_SIZE], other[KEY_SIZE];

    key_id(id, l->key);
    for (size_t i = 0; i < KEY_SIZE; i++)
        other[i] = (uint8_t)~l->key[i];
    const struct key *curve = registry_curve_key(r, l->key), *sign = registry_sign_key(r, id);
    if ((curve != NULL) != (l->kind == CORE__KEY_KIND__KEY_KIND_CURVE) ||
        (sign != NULL) != (l->kind == CORE__KEY_KIND__KEY_KIND_ED25519))
        return differ(why, "a key is of another kind", owner);
    const struct key *key = curve ? curve : sign;
    if (key && (strcasecmp(key->seat->name, owner) != 0 || !key->revoked != !l->revoked))
        return differ(why, "a key is another's, or revoked otherwise", owner);
    return held(o, other) || !registry_curve_key(r, other)
               ? true
               : differ(why, "an unknown key passes", owner);
}

static void count_seat(void *arg, const struct seat *seat)
{
    (void)seat;
    ++*(size_t *)arg;
}

static void count_rule(void *arg, const Core__AccessRule *rule)
{
    (void)rule;
    ++*(size_t *)arg;
}

bool oracle_agrees(const struct oracle *o, const struct registry *r, struct buf *why,
                   size_t *answers)
{
    size_t seats = 0, rules = 0;

    registry_each_seat(r, count_seat, &seats);
    registry_each_rule(r, count_rule, &rules);
    if (seats != o->n_people || rules != o->n_rules)
        return differ(why, "seats or rules", "more or fewer of them");
    for (size_t i = 0; i < o->n_places; i++) {
        const struct office *office = registry_office(r, o->places[i].name);
        if (!office || office->clearance != o->places[i].clearance ||
            office->n_roles != o->places[i].n_roles)
            return differ(why, "an office is otherwise", o->places[i].name);
    }
    for (size_t i = 0; i < o->n_locks; i++)
        if (!lock_agrees(o, r, &o->locks[i], why))
            return false;
    for (size_t i = 0; i < o->n_people; i++)
        if (!person_agrees(o, r, &o->people[i], why, answers))
            return false;
    return true;
}

struct oracle *oracle_new(void)
{
    struct oracle *o = calloc(1, sizeof *o);

    assert(o);
    return o;
}

void oracle_free(struct oracle *o)
{
    while (o->n_waiting)
        drop(o, &o->waiting[0]);
    for (size_t i = 0; i < o->n_places; i++) {
        free(o->places[i].name);
        terms_set(&o->places[i], NULL, 0, 0, 0);
        free(o->places[i].roles);
    }
    for (size_t i = 0; i < o->n_people; i++)
        free(o->people[i].name);
    for (size_t i = 0; i < o->n_rules; i++)
        core__access_rule__free_unpacked(o->rules[i], NULL);
    free(o);
}
