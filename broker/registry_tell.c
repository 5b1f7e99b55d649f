/* SPDX-License-Identifier: Apache-2.0 */
/* registry_tell.c - what the registry says now, as a message */
#include "broker/registry_inside.h"

struct telling {
    const struct registry *r;
    struct arena *arena;
    Core__Registry *out;
};

static void *list_of(struct telling *t, size_t n)
{
    return arena_take(t->arena, (n ? n : 1) * sizeof(void *));
}

static void *entry_of(struct telling *t, size_t size)
{
    return arena_take(t->arena, size);
}

static bool tell_offices(struct telling *t)
{
    t->out->offices = list_of(t, t->r->offices.n);
    for (size_t i = 0; t->out->offices && i < t->r->offices.n; i++) {
        const struct office *office = &((const struct office_held *)t->r->offices.at[i])->office;
        Core__OfficeAdded *m = entry_of(t, sizeof *m);
        if (!m)
            return false;
        core__office_added__init(m);
        m->office = office->name;
        m->name = office->title;
        m->n_roles = office->n_roles;
        m->roles = (const char **)(uintptr_t)office->roles; /* pack reads only */
        m->clearance = (Core__Label)office->clearance;
        m->seats_most = office->seats_most;
        t->out->offices[t->out->n_offices++] = m;
    }
    return t->out->offices != NULL;
}

static bool tell_keys(struct telling *t, const struct seat *seat, Core__SeatStands *to)
{
    size_t n = 0;

    for (size_t i = 0; i < t->r->n_keys; i++)
        n += t->r->keys[i]->seat == seat;
    to->keys = list_of(t, n);
    for (size_t i = 0; to->keys && i < t->r->n_keys; i++) {
        const struct key *key = t->r->keys[i];
        Core__SeatKey *m = key->seat == seat ? entry_of(t, sizeof *m) : NULL;
        if (key->seat == seat && !m)
            return false;
        if (!m)
            continue;
        core__seat_key__init(m);
        m->kind = (Core__KeyKind)key->kind;
        m->public_key = (ProtobufCBinaryData){KEY_SIZE, (uint8_t *)(uintptr_t)key->public_key};
        m->name = key->label;
        m->added = key->added;
        m->revoked = key->revoked;
        to->keys[to->n_keys++] = m;
    }
    return to->keys != NULL;
}

static bool tell_seats(struct telling *t)
{
    t->out->seats = list_of(t, t->r->seats.n);
    for (size_t i = 0; t->out->seats && i < t->r->seats.n; i++) {
        const struct seat *seat = t->r->seats.at[i];
        Core__SeatStands *m = entry_of(t, sizeof *m);
        if (!m)
            return false;
        core__seat_stands__init(m);
        m->seat = seat->name;
        m->office = seat->office->name;
        m->kind = (Core__SeatKind)seat->kind;
        m->standing = (Core__Standing)seat->standing;
        m->name = seat->title;
        m->admitted = seat->admitted;
        m->withdrawn = seat->withdrawn;
        if (!tell_keys(t, seat, m))
            return false;
        t->out->seats[t->out->n_seats++] = m;
    }
    return t->out->seats != NULL;
}

static bool is_last(const struct registry *r, const Core__GroupSet *set)
{
    const struct group_version *v = table_find(&r->group_versions, set->group);

    return v->last == set->version;
}

static bool tell_groups(struct telling *t)
{
    t->out->groups = list_of(t, t->r->groups.n);
    for (size_t i = 0; t->out->groups && i < t->r->groups.n; i++) {
        Core__GroupSet *set = ((const struct group *)t->r->groups.at[i])->set;
        if (is_last(t->r, set))
            t->out->groups[t->out->n_groups++] = set;
    }
    return t->out->groups != NULL;
}

static bool tell_rules(struct telling *t)
{
    t->out->rules = list_of(t, t->r->rules.n);
    for (size_t i = 0; t->out->rules && i < t->r->rules.n; i++)
        t->out->rules[t->out->n_rules++] = ((const struct rule *)t->r->rules.at[i])->rule;
    t->out->lowerings = list_of(t, t->r->lowerings.n);
    for (size_t i = 0; t->out->lowerings && i < t->r->lowerings.n; i++)
        t->out->lowerings[t->out->n_lowerings++] =
            ((const struct lowering *)t->r->lowerings.at[i])->allowed;
    return t->out->rules && t->out->lowerings;
}

static bool tell_limits(struct telling *t)
{
    t->out->limits = list_of(t, t->r->limits.n);
    for (size_t i = 0; t->out->limits && i < t->r->limits.n; i++) {
        const struct stream_limit *limit = t->r->limits.at[i];
        Core__StreamLimited *m = entry_of(t, sizeof *m);
        if (!m)
            return false;
        core__stream_limited__init(m);
        m->stream = limit->name;
        m->most = (Core__Label)limit->most;
        t->out->limits[t->out->n_limits++] = m;
    }
    return t->out->limits != NULL;
}

static bool tell_deputies(struct telling *t)
{
    t->out->deputies = list_of(t, t->r->n_deputies);
    for (size_t i = 0; t->out->deputies && i < t->r->n_deputies; i++) {
        const struct deputy *d = &t->r->deputies[i];
        Core__DeputyNamed *m = d->until ? entry_of(t, sizeof *m) : NULL;
        if (d->until && !m)
            return false;
        if (!m)
            continue; /* withdrawn */
        core__deputy_named__init(m);
        m->office = d->office->name;
        m->deputy = d->deputy->name;
        m->from = d->from;
        m->until = d->until;
        t->out->deputies[t->out->n_deputies++] = m;
    }
    return t->out->deputies != NULL;
}

static bool tell_acts(struct telling *t)
{
    t->out->acts = list_of(t, t->r->n_pending);
    for (size_t i = 0; t->out->acts && i < t->r->n_pending; i++) {
        const struct pending *p = &t->r->pending[i];
        Core__WaitingAct *m = entry_of(t, sizeof *m);
        const char **names = list_of(t, p->n);
        if (!m || !names)
            return false;
        core__waiting_act__init(m);
        m->position = p->position;
        m->type = p->type;
        m->payload = (ProtobufCBinaryData){p->payload.size, p->payload.data};
        m->n_signed_by = p->n;
        m->signed_by = names;
        for (size_t k = 0; k < p->n; k++)
            names[k] = p->signed_by[k]->name;
        t->out->acts[t->out->n_acts++] = m;
    }
    return t->out->acts != NULL;
}

bool registry_tell(const struct registry *r, struct arena *arena, Core__Registry *out)
{
    struct telling t = {r, arena, out};

    core__registry__init(out);
    out->position = r->version;
    out->quorum = r->quorum;
    out->broker = r->founded ? r->founded->broker : "";
    return tell_offices(&t) && tell_seats(&t) && tell_groups(&t) && tell_rules(&t) &&
           tell_limits(&t) && tell_deputies(&t) && tell_acts(&t);
}
