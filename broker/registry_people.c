/* SPDX-License-Identifier: Apache-2.0 */
/* registry_people.c - parties, offices, seats, keys, groups and deputies
 *
 * Administrators sign all of it.  An office that they gave seats to fills and empties them itself,
 * a seat changes its own keys, takes back its delegations and leaves by itself, and an office names
 * its deputies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/registry_inside.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- who may sign what ---- */

static struct seat *seat_named(const struct registry *r, const char *name)
{
    return table_find(&r->seats, name);
}

static size_t seats_of(const struct registry *r, const struct office *office)
{
    size_t n = 0;

    for (size_t i = 0; i < r->seats.n; i++) {
        const struct seat *seat = r->seats.at[i];
        n += seat->office == office && seat->standing == CORE__STANDING__STANDING_SEATED;
    }
    return n;
}

static bool fills_seats_of(const struct seat *by, const struct office *office)
{
    return office && by->office == office && office->seats_most > 0;
}

static int not_yours(const struct act *a, const char *field)
{
    return registry_refuse(a, ERR_DENIED, field,
                           "%s is no administrator, and this is not its own office's to sign",
                           a->by->name);
}

static int own_admission(const struct act *a, const void *body)
{
    const Core__SeatAdmitted *seat = body;
    const struct office *office = registry_office(a->r, seat->office);

    if (!fills_seats_of(a->by, office))
        return not_yours(a, "office");
    if (seats_of(a->r, office) >= office->seats_most)
        return registry_refuse(a, ERR_BOUNDS, "office",
                               "%s has its %u seats; one must leave first, or administrators give "
                               "it more",
                               office->name, office->seats_most);
    return 0;
}

static bool has_key_of(const struct registry *r, const struct seat *seat, int kind)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (r->keys[i]->seat == seat && r->keys[i]->kind == kind)
            return true;
    return false;
}

/* Its own; or the first ones of a seat that the office has just admitted. */
static int own_key_added(const struct act *a, const void *body)
{
    const Core__KeyAdded *key = body;
    const struct seat *seat = seat_named(a->r, key->seat);

    if (!seat && registry_admission_waits(a->r, key->seat))
        return not_yours(a, "seat");
    if (!seat || seat == a->by)
        return 0;
    return fills_seats_of(a->by, seat->office) && !has_key_of(a->r, seat, (int)key->kind)
               ? 0
               : not_yours(a, "seat");
}

static int own_seat(const struct act *a, const char *name)
{
    const struct seat *seat = seat_named(a->r, name);

    return !seat || seat == a->by || fills_seats_of(a->by, seat->office) ? 0 : not_yours(a, "seat");
}

static int own_key_revoked(const struct act *a, const void *body)
{
    return own_seat(a, ((const Core__KeyRevoked *)body)->seat);
}

static int own_key_rotated(const struct act *a, const void *body)
{
    const Core__KeyRotated *rotated = body;

    return strcasecmp(rotated->seat, a->by->name) == 0 ? 0 : not_yours(a, "seat");
}

static int own_standing(const struct act *a, const void *body)
{
    const Core__SeatStanding *m = body;

    if (m->standing == CORE__STANDING__STANDING_SEATED)
        return registry_refuse(a, ERR_DENIED, "standing", "only administrators seat one again");
    return own_seat(a, m->seat);
}

static int own_withdrawn(const struct act *a, const void *body)
{
    return own_seat(a, ((const Core__SeatDelegationsWithdrawn *)body)->seat);
}

static int own_deputy(const struct act *a, const void *body)
{
    const Core__DeputyNamed *named = body;

    return strcasecmp(named->office, a->by->office->name) == 0 ? 0 : not_yours(a, "office");
}

/* An act on an administrator's seat or keys, but for one on the signer's own. */
static bool whole_seat(const struct act *a, const char *name)
{
    const struct seat *seat = seat_named(a->r, name);

    return seat && seat != a->by && registry_is_administrators(a->r, seat->office);
}

static bool whole_admission(const struct act *a, const void *body)
{
    const Core__SeatAdmitted *seat = body;
    const struct office *office = registry_office(a->r, seat->office);

    return office && registry_is_administrators(a->r, office);
}

/* The keys of a seat whose admission waits wait with it, to be signed together. */
static bool waits_with_seat(const struct act *a, const char *name)
{
    return !a->signed_by_all && !seat_named(a->r, name) && registry_admission_waits(a->r, name);
}

static bool whole_key_added(const struct act *a, const void *body)
{
    const char *seat = ((const Core__KeyAdded *)body)->seat;

    return whole_seat(a, seat) || waits_with_seat(a, seat);
}

static bool whole_key_revoked(const struct act *a, const void *body)
{
    return whole_seat(a, ((const Core__KeyRevoked *)body)->seat);
}

static bool whole_key_rotated(const struct act *a, const void *body)
{
    return whole_seat(a, ((const Core__KeyRotated *)body)->seat);
}

static bool whole_standing(const struct act *a, const void *body)
{
    return whole_seat(a, ((const Core__SeatStanding *)body)->seat);
}

/* ---- parties and offices ---- */

static int check_party(const struct act *a, const void *body)
{
    const Core__PartyAdded *party = body;
    int rc = registry_check_identifier(a, party->party, "party");

    if (rc == 0)
        rc = registry_check_text(a, party->name, "name");
    if (rc == 0 && (party->kind < CORE__PARTY_KIND__PARTY_KIND_STATE ||
                    party->kind > CORE__PARTY_KIND__PARTY_KIND_NGO))
        rc = registry_refuse(a, ERR_FIELD, "kind", "say what kind of party it is");
    if (rc == 0 && table_find(&a->r->parties, party->party))
        rc = registry_refuse(a, ERR_EXISTS, "party", "the party %s is there already", party->party);
    return rc;
}

static void fold_party(struct registry *r, const struct folded *f, const void *body)
{
    const Core__PartyAdded *added = body;
    struct party *party = mem_new(sizeof *party);

    (void)f;
    party->name = mem_str(added->party);
    table_add(&r->parties, party);
}

struct terms { /* what an office is given */
    const char *name;
    const char *const *roles;
    size_t n_roles;
    int clearance;
    uint32_t seats_most;
};

static int check_terms(const struct act *a, const struct terms *t)
{
    if (t->n_roles > ROLES_MOST)
        return registry_refuse(a, ERR_BOUNDS, "roles", "an office has at most 16 roles");
    for (size_t i = 0; i < t->n_roles; i++)
        if (registry_check_identifier(a, t->roles[i], "roles"))
            return ERR_FIELD;
    if (t->clearance < 0 || t->clearance > CORE__LABEL__LABEL_RED)
        return registry_refuse(a, ERR_FIELD, "clearance", "not a TLP 2.0 label");
    return registry_check_text(a, t->name, "name");
}

static void give_terms(struct office *office, const struct terms *t)
{
    const char **roles = mem_new(t->n_roles * sizeof *roles);

    for (size_t i = 0; i < t->n_roles; i++)
        roles[i] = mem_str(t->roles[i]);
    office->title = mem_str(t->name);
    office->roles = roles;
    office->n_roles = t->n_roles;
    office->clearance = t->clearance ? t->clearance : CORE__LABEL__LABEL_GREEN;
    office->seats_most = t->seats_most;
}

void registry_terms_free(struct office *office)
{
    for (size_t i = 0; i < office->n_roles; i++)
        free((void *)(uintptr_t)office->roles[i]);
    free((void *)(uintptr_t)office->roles);
    free((void *)(uintptr_t)office->title);
}

static struct terms terms_added(const Core__OfficeAdded *m)
{
    return (struct terms){m->name, m->roles, m->n_roles, (int)m->clearance, m->seats_most};
}

static struct terms terms_changed(const Core__OfficeChanged *m)
{
    return (struct terms){m->name, m->roles, m->n_roles, (int)m->clearance, m->seats_most};
}

static int check_office(const struct act *a, const void *body)
{
    const Core__OfficeAdded *office = body;
    const struct terms terms = terms_added(office);
    char party[65];

    if (!office_valid(office->office))
        return registry_refuse(a, ERR_FIELD, "office", "'%.140s' is no office: PARTY/identifier",
                               office->office);
    snprintf(party, sizeof party, "%.*s", (int)strcspn(office->office, "/"), office->office);
    if (!table_find(&a->r->parties, party))
        return registry_refuse(a, ERR_NOT_FOUND, "office",
                               "the party %s is not known; add it first", party);
    if (table_find(&a->r->offices, office->office))
        return registry_refuse(a, ERR_EXISTS, "office", "the office %s is there already",
                               office->office);
    return check_terms(a, &terms);
}

/* The tables are kept by the name that an entry begins with. */
static void fold_office(struct registry *r, const struct folded *f, const void *body)
{
    const Core__OfficeAdded *added = body;
    struct office_held *held = mem_new(sizeof *held);
    const struct terms terms = terms_added(added);

    (void)f;
    held->name = mem_str(added->office);
    held->office.party = mem_strn(added->office, strcspn(added->office, "/"));
    held->office.name = held->name;
    give_terms(&held->office, &terms);
    table_add(&r->offices, held);
}

static int check_office_changed(const struct act *a, const void *body)
{
    const Core__OfficeChanged *m = body;
    const struct terms terms = terms_changed(m);
    const struct office *office = registry_office(a->r, m->office);
    bool still = false;

    if (!office)
        return registry_refuse(a, ERR_NOT_FOUND, "office", "the office %.140s is not known",
                               m->office);
    for (size_t i = 0; i < m->n_roles; i++)
        still = still || strcasecmp(m->roles[i], ROLE_ADMINISTRATOR) == 0;
    if (registry_is_administrators(a->r, office) && !still &&
        registry_administrators(a->r) - seats_of(a->r, office) < a->r->quorum)
        return registry_refuse(a, ERR_REGISTRY, "roles",
                               "%s would leave fewer administrators than the quorum of %u",
                               office->name, a->r->quorum);
    return check_terms(a, &terms);
}

static void fold_office_changed(struct registry *r, const struct folded *f, const void *body)
{
    const Core__OfficeChanged *m = body;
    struct office_held *held = table_find(&r->offices, m->office);
    const struct terms terms = terms_changed(m);

    (void)f;
    registry_terms_free(&held->office);
    give_terms(&held->office, &terms);
}

static int check_deputy(const struct act *a, const void *body)
{
    const Core__DeputyNamed *m = body;
    const struct office *office = registry_office(a->r, m->office),
                        *deputy = registry_office(a->r, m->deputy);

    if (!office)
        return registry_refuse(a, ERR_NOT_FOUND, "office", "the office %.140s is not known",
                               m->office);
    if (!deputy)
        return registry_refuse(a, ERR_NOT_FOUND, "deputy", "the office %.140s is not known",
                               m->deputy);
    if (office == deputy)
        return registry_refuse(a, ERR_FIELD, "deputy", "an office is not its own deputy");
    if (m->withdrawn || (m->from > 0 && m->until > m->from))
        return 0;
    return registry_refuse(a, ERR_FIELD, "until", "say from when until when, the second one later");
}

static struct deputy *deputy_of(struct registry *r, const struct office *office,
                                const struct office *deputy)
{
    for (size_t i = 0; i < r->n_deputies; i++)
        if (r->deputies[i].office == office && r->deputies[i].deputy == deputy)
            return &r->deputies[i];
    r->deputies = mem_grow(r->deputies, (r->n_deputies + 1) * sizeof *r->deputies);
    r->deputies[r->n_deputies] = (struct deputy){.office = office, .deputy = deputy};
    return &r->deputies[r->n_deputies++];
}

static void fold_deputy(struct registry *r, const struct folded *f, const void *body)
{
    const Core__DeputyNamed *m = body;
    struct deputy *d = deputy_of(r, registry_office(r, m->office), registry_office(r, m->deputy));

    (void)f;
    d->from = m->withdrawn ? 0 : m->from;
    d->until = m->withdrawn ? 0 : m->until;
}

/* ---- seats ---- */

static int check_seat(const struct act *a, const void *body)
{
    const Core__SeatAdmitted *seat = body;
    int rc = registry_check_identifier(a, seat->seat, "seat");

    if (rc == 0)
        rc = registry_check_text(a, seat->name, "name");
    if (rc == 0 && seat->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON &&
        seat->kind != CORE__SEAT_KIND__SEAT_KIND_PROCESS)
        rc = registry_refuse(a, ERR_FIELD, "kind", "a seat is a person's or a process's");
    if (rc == 0 && !table_find(&a->r->offices, seat->office))
        rc = registry_refuse(a, ERR_NOT_FOUND, "office",
                             "the office %.140s is not known; add it first", seat->office);
    const struct seat *known = rc == 0 ? seat_named(a->r, seat->seat) : NULL;
    if (known && registry_seat_admitted(known))
        rc = registry_refuse(a, ERR_EXISTS, "seat", "the seat %s is there already", seat->seat);
    else if (known && !registry_is_administrators(a->r, registry_office(a->r, seat->office)))
        rc = registry_refuse(a, ERR_REGISTRY, "office",
                             "%s founds the log: its office needs the role %s", seat->seat,
                             ROLE_ADMINISTRATOR);
    return rc;
}

static void fold_seat(struct registry *r, const struct folded *f, const void *body)
{
    const Core__SeatAdmitted *admitted = body;
    struct seat *seat = seat_named(r, admitted->seat);

    if (!seat)
        seat = registry_seat_new(r, admitted->seat);
    seat->office = registry_office(r, admitted->office);
    seat->kind = (int)admitted->kind;
    mem_free((void *)(uintptr_t)seat->title);
    seat->title = mem_str(admitted->name);
    seat->admitted = f->position;
}

static int check_standing(const struct act *a, const void *body)
{
    const Core__SeatStanding *m = body;
    const struct seat *seat = seat_named(a->r, m->seat);

    if (!registry_seat_admitted(seat))
        return registry_refuse(a, ERR_NOT_FOUND, "seat", "the seat %.80s is not known", m->seat);
    if (m->standing < CORE__STANDING__STANDING_SEATED ||
        m->standing > CORE__STANDING__STANDING_REVOKED)
        return registry_refuse(a, ERR_FIELD, "standing", "seated, left or revoked");
    if (seat->standing == (int)m->standing)
        return registry_refuse(a, ERR_EXISTS, "standing", "so it stands already");
    if (seat->standing == CORE__STANDING__STANDING_REVOKED)
        return registry_refuse(a, ERR_REGISTRY, "seat",
                               "%s was revoked for good; admit a seat of another name", seat->name);
    if (m->standing != CORE__STANDING__STANDING_SEATED && registry_is_administrator(a->r, seat) &&
        registry_administrators(a->r) <= a->r->quorum)
        return registry_refuse(a, ERR_REGISTRY, "seat",
                               "without %s there would be fewer administrators than the quorum of "
                               "%u",
                               seat->name, a->r->quorum);
    return registry_check_text(a, m->reason, "reason");
}

static void fold_standing(struct registry *r, const struct folded *f, const void *body)
{
    const Core__SeatStanding *m = body;
    struct seat *seat = seat_named(r, m->seat);

    seat->standing = (int)m->standing;
    seat->ended = m->standing == CORE__STANDING__STANDING_SEATED ? 0 : f->position;
    if (m->standing != CORE__STANDING__STANDING_REVOKED)
        return;
    for (size_t i = 0; i < r->n_keys; i++)
        if (r->keys[i]->seat == seat && !r->keys[i]->revoked)
            r->keys[i]->revoked = f->position;
}

/* ---- delegations ---- */

static int check_withdrawn(const struct act *a, const void *body)
{
    const Core__SeatDelegationsWithdrawn *m = body;

    if (!registry_seat_admitted(seat_named(a->r, m->seat)))
        return registry_refuse(a, ERR_NOT_FOUND, "seat", "the seat %.80s is not known", m->seat);
    if (m->before <= 0)
        return registry_refuse(a, ERR_FIELD, "before", "say before which time they were issued");
    return registry_check_text(a, m->reason, "reason");
}

static void fold_withdrawn(struct registry *r, const struct folded *f, const void *body)
{
    const Core__SeatDelegationsWithdrawn *m = body;
    struct seat *seat = seat_named(r, m->seat);

    (void)f;
    if (m->before > seat->withdrawn)
        seat->withdrawn = m->before;
}

/* ---- keys ---- */

static struct key *key_of_id(const struct registry *r, const uint8_t *id)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (memcmp(r->keys[i]->id, id, KEY_ID_SIZE) == 0)
            return r->keys[i];
    return NULL;
}

static int check_public_key(const struct act *a, ProtobufCBinaryData key)
{
    uint8_t id[KEY_ID_SIZE];

    if (key.len != KEY_SIZE)
        return registry_refuse(a, ERR_FIELD, "public_key", "a public key has 32 bytes");
    key_id(id, key.data);
    return key_of_id(a->r, id)
               ? registry_refuse(a, ERR_EXISTS, "public_key", "the key was given to a seat before")
               : 0;
}

static int check_key(const struct act *a, const void *body)
{
    const Core__KeyAdded *key = body;
    const struct seat *seat = seat_named(a->r, key->seat);

    if (!registry_seat_admitted(seat) && !waits_with_seat(a, key->seat))
        return registry_refuse(a, ERR_NOT_FOUND, "seat",
                               "the seat %.80s is not known; admit it first, or confirm its "
                               "admission",
                               key->seat);
    if (seat && seat->standing != CORE__STANDING__STANDING_SEATED)
        return registry_refuse(a, ERR_REGISTRY, "seat", "%s is seated no longer", seat->name);
    if (key->kind < CORE__KEY_KIND__KEY_KIND_CURVE || key->kind > CORE__KEY_KIND__KEY_KIND_AGE)
        return registry_refuse(a, ERR_FIELD, "kind", "say what kind of key it is");
    int rc = check_public_key(a, key->public_key);
    return rc ? rc : registry_check_text(a, key->name, "name");
}

static void fold_key(struct registry *r, const struct folded *f, const void *body)
{
    const Core__KeyAdded *added = body;

    registry_key_new(r, f->position, registry_seat(r, added->seat), (int)added->kind,
                     added->public_key.data, added->name);
}

static const struct key *key_in_force(const struct act *a, const char *seat, ProtobufCBinaryData id,
                                      int *rc)
{
    const struct key *key = id.len == KEY_ID_SIZE ? key_of_id(a->r, id.data) : NULL;

    *rc = 0;
    if (!key || strcasecmp(key->seat->name, seat) != 0)
        *rc = registry_refuse(a, ERR_NOT_FOUND, "key_id", "the seat %.80s has no such key", seat);
    else if (key->revoked)
        *rc = registry_refuse(a, ERR_EXISTS, "key_id", "the key was revoked before");
    return key;
}

static int check_revoked(const struct act *a, const void *body)
{
    const Core__KeyRevoked *revoked = body;
    int rc;

    key_in_force(a, revoked->seat, revoked->key_id, &rc);
    return rc ? rc : registry_check_text(a, revoked->reason, "reason");
}

static void fold_revoked(struct registry *r, const struct folded *f, const void *body)
{
    const Core__KeyRevoked *revoked = body;

    key_of_id(r, revoked->key_id.data)->revoked = f->position;
}

static int check_rotated(const struct act *a, const void *body)
{
    const Core__KeyRotated *rotated = body;
    int rc;
    const struct key *key = key_in_force(a, rotated->seat, rotated->key_id, &rc);

    if (rc == 0 && key->seat->standing != CORE__STANDING__STANDING_SEATED)
        rc = registry_refuse(a, ERR_REGISTRY, "seat", "%s is seated no longer", key->seat->name);
    if (rc == 0)
        rc = check_public_key(a, rotated->public_key);
    return rc ? rc : registry_check_text(a, rotated->name, "name");
}

static void fold_rotated(struct registry *r, const struct folded *f, const void *body)
{
    const Core__KeyRotated *rotated = body;
    struct key *old = key_of_id(r, rotated->key_id.data);

    old->revoked = f->position;
    registry_key_new(r, f->position, old->seat, old->kind, rotated->public_key.data, rotated->name);
}

/* ---- groups ---- */

static uint32_t last_version(const struct registry *r, const char *group)
{
    const struct group_version *v = table_find(&r->group_versions, group);

    return v ? v->last : 0;
}

static bool member_known(const struct registry *r, const Core__Recipient *m)
{
    return m->kind != CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP && registry_knows(r, m);
}

static int check_group(const struct act *a, const void *body)
{
    const Core__GroupSet *set = body;
    int rc = registry_check_identifier(a, set->group, "group");
    uint32_t next = last_version(a->r, set->group) + 1;

    if (rc == 0)
        rc = registry_check_text(a, set->name, "name");
    if (rc == 0 && set->version != next)
        rc = registry_refuse(a, ERR_REGISTRY, "version", "the next version of %s is %u", set->group,
                             next);
    if (rc == 0 && set->n_members > EVENT_RECIPIENTS_MOST)
        rc = registry_refuse(a, ERR_BOUNDS, "members", "a group has at most 256 members");
    for (size_t i = 0; rc == 0 && i < set->n_members; i++)
        if (!member_known(a->r, set->members[i]))
            rc = registry_refuse(a, ERR_NOT_FOUND, "members",
                                 "%.140s is no party, office or seat that is registered",
                                 set->members[i]->name);
    return rc;
}

static void fold_group(struct registry *r, const struct folded *f, const void *body)
{
    const Core__GroupSet *set = body;
    struct group_version *v = table_find(&r->group_versions, set->group);
    struct group *group = mem_new(sizeof *group);

    (void)f;
    if (!v) {
        v = mem_new(sizeof *v);
        v->name = mem_str(set->group);
        table_add(&r->group_versions, v);
    }
    v->last = set->version;
    group->name = mem_printf("%s@%u", set->group, set->version);
    group->set = registry_message(&set->base);
    table_add(&r->groups, group);
}

const struct row registry_people[] = {
    {&core__party_added__descriptor, check_party, fold_party, NULL, registry_always},
    {&core__office_added__descriptor, check_office, fold_office, NULL, registry_always},
    {&core__office_changed__descriptor, check_office_changed, fold_office_changed, NULL,
     registry_always},
    {&core__deputy_named__descriptor, check_deputy, fold_deputy, own_deputy, NULL},
    {&core__seat_admitted__descriptor, check_seat, fold_seat, own_admission, whole_admission},
    {&core__seat_standing__descriptor, check_standing, fold_standing, own_standing, whole_standing},
    {&core__seat_delegations_withdrawn__descriptor, check_withdrawn, fold_withdrawn, own_withdrawn,
     NULL},
    {&core__key_added__descriptor, check_key, fold_key, own_key_added, whole_key_added},
    {&core__key_revoked__descriptor, check_revoked, fold_revoked, own_key_revoked,
     whole_key_revoked},
    {&core__key_rotated__descriptor, check_rotated, fold_rotated, own_key_rotated,
     whole_key_rotated},
    {&core__group_set__descriptor, check_group, fold_group, NULL, NULL},
    {0},
};
