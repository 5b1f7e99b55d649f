/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - tables kept in order of name, entries that never move */
#include "broker/registry_inside.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum { MESSAGE_ARENA = 256 * 1024, PENDING_MOST = 64 };

/* ---- tables ---- */

static const char *entry_name(const void *entry)
{
    const char *name;

    memcpy(&name, entry, sizeof name);
    return name;
}

/* Where the name is, or would be. */
static size_t table_place(const struct table *t, const char *name, bool *found)
{
    size_t low = 0, high = t->n;

    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = strcasecmp(entry_name(t->at[middle]), name);
        if (c == 0) {
            *found = true;
            return middle;
        }
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void *table_find(const struct table *t, const char *name)
{
    bool found;
    size_t i = table_place(t, name, &found);

    return found ? t->at[i] : NULL;
}

void table_add(struct table *t, void *entry)
{
    bool found;
    size_t i = table_place(t, entry_name(entry), &found);

    assert(!found);
    t->at = mem_grow(t->at, (t->n + 1) * sizeof *t->at);
    memmove(t->at + i + 1, t->at + i, (t->n - i) * sizeof *t->at);
    t->at[i] = entry;
    t->n++;
}

void *table_take(struct table *t, const char *name)
{
    bool found;
    size_t i = table_place(t, name, &found);

    if (!found)
        return NULL;
    void *entry = t->at[i];
    memmove(t->at + i, t->at + i + 1, (t->n - i - 1) * sizeof *t->at);
    t->n--;
    return entry;
}

/* ---- what acts share ---- */

int registry_refuse(const struct act *a, int err, const char *field, const char *format, ...)
{
    va_list args;

    *a->field = field;
    va_start(args, format);
    vsnprintf(a->text, 256, format, args);
    va_end(args);
    return err;
}

int registry_check_text(const struct act *a, const char *text, const char *field)
{
    return strlen(text) <= NAME_MOST
               ? 0
               : registry_refuse(a, ERR_BOUNDS, field, "a %s has at most %d bytes", field,
                                 NAME_MOST);
}

int registry_check_identifier(const struct act *a, const char *name, const char *field)
{
    return identifier_valid(name)
               ? 0
               : registry_refuse(
                     a, ERR_FIELD, field,
                     "'%.80s' is no identifier: letters, digits, '.', '_' and '-', at most 64",
                     name);
}

bool registry_always(const struct act *a, const void *body)
{
    (void)a;
    (void)body;
    return true;
}

static const struct office no_office = {.party = "", .name = ""};

bool registry_seat_admitted(const struct seat *seat)
{
    return seat && seat->office->name[0];
}

bool registry_is_administrators(const struct registry *r, const struct office *office)
{
    (void)r;
    return registry_has_role(office, ROLE_ADMINISTRATOR);
}

/* Who founds the log has no office yet. */
bool registry_is_administrator(const struct registry *r, const struct seat *seat)
{
    if (!registry_seat_admitted(seat))
        return seat && r->founded && strcasecmp(seat->name, r->founded->administrator) == 0;
    return seat->standing == CORE__STANDING__STANDING_SEATED &&
           registry_is_administrators(r, seat->office);
}

size_t registry_administrators(const struct registry *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->seats.n; i++)
        n += registry_is_administrator(r, r->seats.at[i]);
    return n;
}

struct seat *registry_seat_new(struct registry *r, const char *name)
{
    struct seat *seat = mem_new(sizeof *seat);

    *seat = (struct seat){.name = mem_str(name),
                          .title = mem_str(""),
                          .office = &no_office,
                          .standing = CORE__STANDING__STANDING_SEATED};
    table_add(&r->seats, seat);
    return seat;
}

void registry_key_new(struct registry *r, uint64_t position, const struct seat *seat, int kind,
                      const uint8_t *public_key, const char *label)
{
    struct key *key = mem_new(sizeof *key);

    *key = (struct key){.seat = seat, .kind = kind, .added = position, .label = mem_str(label)};
    memcpy(key->public_key, public_key, KEY_SIZE);
    key_id(key->id, public_key);
    r->keys = mem_grow(r->keys, (r->n_keys + 1) * sizeof *r->keys);
    r->keys[r->n_keys++] = key;
}

void *registry_message(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_new(size);

    protobuf_c_message_pack(message, bytes);
    void *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    mem_free(bytes);
    assert(copy);
    return copy;
}

/* ---- acts ---- */

static const struct row *row_in(const struct row rows[], const char *type)
{
    for (size_t i = 0; rows[i].type; i++)
        if (strcmp(rows[i].type->name, type) == 0)
            return &rows[i];
    return NULL;
}

static const struct row *row_find(const char *type)
{
    const struct row *row = row_in(registry_people, type);

    return row ? row : row_in(registry_rules, type);
}

static bool founds(const struct row *row)
{
    return row->type == &core__log_founded__descriptor;
}

static int check_signer(const struct act *a, const struct row *row, const void *body)
{
    if (!a->by)
        return registry_refuse(a, ERR_DENIED, "", "whoever signs it has no seat here");
    if (registry_is_administrator(a->r, a->by))
        return 0;
    if (a->by->standing != CORE__STANDING__STANDING_SEATED)
        return registry_refuse(a, ERR_DENIED, "", "%s is seated no longer", a->by->name);
    return row->own ? row->own(a, body)
                    : registry_refuse(a, ERR_DENIED, "type", "%s is for administrators to sign",
                                      row->type->short_name);
}

static bool waits(const struct act *a, const struct row *row, const void *body)
{
    return a->r->quorum > 1 && row->whole && row->whole(a, body);
}

static int check_row(const struct act *a, const struct row *row, const void *body)
{
    int rc = founds(row) ? 0 : check_signer(a, row, body);

    if (rc == 0)
        rc = row->check(a, body);
    if (rc == 0 && waits(a, row, body) && a->r->n_pending == PENDING_MOST)
        rc = registry_refuse(a, ERR_BOUNDS, "",
                             "%d acts wait for signatures; confirm or withdraw some", PENDING_MOST);
    return rc;
}

int registry_check(const struct registry *r, const struct registry_event *e, const char **field,
                   char text[256])
{
    const struct row *row = row_find(e->type);
    struct act a = {.r = r, .field = field, .text = text};
    char where[128];
    int rc = 0;

    if (!row)
        return registry_refuse(&a, ERR_REGISTRY, "type", "%.128s is no registry event", e->type);
    if (!r->founded && !founds(row))
        return registry_refuse(&a, ERR_REGISTRY, "type", "the first event founds the log");
    a.by = table_find(&r->seats, e->by);
    struct arena *arena = arena_new(MESSAGE_ARENA);
    const void *body = scan_unpack(row->type, e->payload, arena, &rc, where);
    rc = body ? check_row(&a, row, body)
              : registry_refuse(&a, rc, "", "%.127s cannot be read", where);
    arena_free(arena);
    return rc;
}

static void put_by(struct registry *r, const struct folded *f, const struct registry_event *e)
{
    r->pending = mem_grow(r->pending, (r->n_pending + 1) * sizeof *r->pending);
    struct pending *p = &r->pending[r->n_pending++];
    *p = (struct pending){.position = f->position, .type = mem_str(e->type), .n = 1};
    buf_add(&p->payload, e->payload.data, e->payload.size);
    p->signed_by = mem_new(sizeof *p->signed_by);
    p->signed_by[0] = f->by;
}

void registry_fold(struct registry *r, uint64_t position, const struct registry_event *e)
{
    const struct row *row = row_find(e->type);
    struct arena *arena = arena_new(MESSAGE_ARENA);
    const char *field;
    char text[256], where[128];
    struct act a = {r, table_find(&r->seats, e->by), &field, text, false};
    int rc = 0;

    /* what is in the log was checked when it came; a log from elsewhere may hold anything */
    const void *body = row ? scan_unpack(row->type, e->payload, arena, &rc, where) : NULL;
    if (body && (r->founded || founds(row)) && check_row(&a, row, body) == 0) {
        struct folded f = {position, a.by};
        if (waits(&a, row, body))
            put_by(r, &f, e);
        else
            row->fold(r, &f, body);
    }
    r->version = position;
    arena_free(arena);
}

/* ---- acts that wait ---- */

struct pending *registry_pending(const struct registry *r, uint64_t position)
{
    for (size_t i = 0; i < r->n_pending; i++)
        if (r->pending[i].position == position)
            return &r->pending[i];
    return NULL;
}

bool registry_admission_waits(const struct registry *r, const char *seat)
{
    bool found = false;

    for (size_t i = 0; i < r->n_pending && !found; i++) {
        const struct pending *p = &r->pending[i];
        if (strcmp(p->type, core__seat_admitted__descriptor.name) != 0)
            continue;
        Core__SeatAdmitted *m = core__seat_admitted__unpack(NULL, p->payload.size, p->payload.data);
        found = strcasecmp(m->seat, seat) == 0;
        core__seat_admitted__free_unpacked(m, NULL);
    }
    return found;
}

static void pending_clear(struct pending *p)
{
    mem_free((void *)(uintptr_t)p->type);
    mem_free(p->signed_by);
    buf_free(&p->payload);
}

void registry_pending_drop(struct registry *r, uint64_t position)
{
    struct pending *p = registry_pending(r, position);

    pending_clear(p);
    *p = r->pending[--r->n_pending];
}

/* The signatures are there: what the act asks of the registry as it has become. */
int registry_check_pending(const struct act *a, const struct pending *p)
{
    const struct row *row = row_find(p->type);
    struct arena *arena = arena_new(MESSAGE_ARENA);
    struct act proposed = {a->r, p->signed_by[0], a->field, a->text, true};
    char where[128];
    int rc = 0;

    const void *body = scan_unpack(row->type, slice_buf(&p->payload), arena, &rc, where);
    assert(body); /* as when it was put by */
    rc = row->check(&proposed, body);
    arena_free(arena);
    return rc;
}

void registry_fold_pending(struct registry *r, const struct folded *f, const struct pending *p)
{
    const struct row *row = row_find(p->type);
    struct arena *arena = arena_new(MESSAGE_ARENA);
    char where[128];
    int rc = 0;

    row->fold(r, f, scan_unpack(row->type, slice_buf(&p->payload), arena, &rc, where));
    arena_free(arena);
}

/* ---- looking things up ---- */

struct registry *registry_new(void)
{
    struct registry *r = mem_new(sizeof *r);

    r->quorum = 1;
    return r;
}

static void office_free(struct office_held *held)
{
    registry_terms_free(&held->office);
    mem_free((void *)(uintptr_t)held->office.party);
    mem_free((void *)(uintptr_t)held->name);
    mem_free(held);
}

void registry_rule_free(struct rule *rule)
{
    if (rule)
        core__access_rule__free_unpacked(rule->rule, NULL);
    mem_free(rule);
}

void registry_lowering_free(struct lowering *lowering)
{
    if (lowering)
        core__lowering_allowed__free_unpacked(lowering->allowed, NULL);
    mem_free(lowering);
}

/* Of entries that hold nothing else than their name. */
static void table_free_named(struct table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        mem_free((void *)(uintptr_t)entry_name(t->at[i]));
        mem_free(t->at[i]);
    }
    mem_free(t->at);
}

static void groups_free(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        core__group_set__free_unpacked(((struct group *)t->at[i])->set, NULL);
    table_free_named(t);
}

static void people_free(struct registry *r)
{
    table_free_named(&r->parties);
    for (size_t i = 0; i < r->seats.n; i++)
        mem_free((void *)(uintptr_t)((struct seat *)r->seats.at[i])->title);
    table_free_named(&r->seats);
    for (size_t i = 0; i < r->offices.n; i++)
        office_free(r->offices.at[i]);
    mem_free(r->offices.at);
    groups_free(&r->groups);
    table_free_named(&r->group_versions);
    mem_free(r->deputies);
    for (size_t i = 0; i < r->n_keys; i++) {
        mem_free((void *)(uintptr_t)r->keys[i]->label);
        mem_free(r->keys[i]);
    }
    mem_free(r->keys);
}

static void rules_free(struct registry *r)
{
    for (size_t i = 0; i < r->rules.n; i++)
        registry_rule_free(r->rules.at[i]);
    mem_free(r->rules.at);
    table_free_named(&r->limits);
    for (size_t i = 0; i < r->lowerings.n; i++)
        registry_lowering_free(r->lowerings.at[i]);
    mem_free(r->lowerings.at);
    for (size_t i = 0; i < r->purges.n; i++)
        registry_purge_free(r->purges.at[i]);
    mem_free(r->purges.at);
    for (size_t i = 0; i < r->n_pending; i++)
        pending_clear(&r->pending[i]);
    mem_free(r->pending);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    people_free(r);
    rules_free(r);
    for (size_t i = 0; i < r->n_predecessors; i++)
        mem_free((void *)(uintptr_t)r->predecessors[i].log);
    mem_free(r->predecessors);
    mem_free((void *)(uintptr_t)r->log);
    if (r->founded)
        core__log_founded__free_unpacked(r->founded, NULL);
    mem_free(r);
}

const Core__LogFounded *registry_founded(const struct registry *r)
{
    return r->founded;
}

const char *registry_log(const struct registry *r)
{
    return r->log;
}

const uint8_t *registry_log_key(const struct registry *r)
{
    return r->log_key;
}

const struct predecessor *registry_predecessors(const struct registry *r, size_t *n)
{
    *n = r->n_predecessors;
    return r->predecessors;
}

const struct predecessor *registry_predecessor(const struct registry *r, const char *log)
{
    for (size_t i = 0; i < r->n_predecessors; i++)
        if (strcmp(r->predecessors[i].log, log) == 0)
            return &r->predecessors[i];
    return NULL;
}

bool registry_elsewhere(const struct registry *r, const char *log, const Core__EventRef *ref)
{
    const char *name = ref->log[0] ? ref->log : log;
    const struct predecessor *p = registry_predecessor(r, name);

    return p ? ref->position > p->position : strcmp(name, r->log) != 0;
}

bool registry_returning(const struct registry *r)
{
    return r->returning;
}

const struct seat *registry_seat(const struct registry *r, const char *name)
{
    return table_find(&r->seats, name);
}

const struct office *registry_office(const struct registry *r, const char *name)
{
    const struct office_held *held = table_find(&r->offices, name);

    return held ? &held->office : NULL;
}

bool registry_party(const struct registry *r, const char *name)
{
    return table_find(&r->parties, name) != NULL;
}

const Core__GroupSet *registry_group(const struct registry *r, const char *reference)
{
    const struct group *group = table_find(&r->groups, reference);

    return group ? group->set : NULL;
}

bool registry_knows(const struct registry *r, const Core__Recipient *recipient)
{
    switch (recipient->kind) {
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY:
        return registry_party(r, recipient->name);
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE:
        return registry_office(r, recipient->name) != NULL;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT:
        return registry_seat(r, recipient->name) != NULL;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP:
        return registry_group(r, recipient->name) != NULL;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_UNSPECIFIED:
    case _CORE__RECIPIENT_KIND_IS_INT_SIZE:
    default:
        return false;
    }
}

bool registry_deputises(const struct registry *r, const struct office *deputy,
                        const struct office *office, int64_t at)
{
    for (size_t i = 0; i < r->n_deputies; i++) {
        const struct deputy *d = &r->deputies[i];
        if (d->office == office && d->deputy == deputy)
            return d->from <= at && at < d->until;
    }
    return false;
}

bool registry_has_role(const struct office *office, const char *role)
{
    for (size_t i = 0; i < office->n_roles; i++)
        if (strcasecmp(office->roles[i], role) == 0)
            return true;
    return false;
}

int registry_stream_most(const struct registry *r, const char *stream)
{
    int most = CORE__LABEL__LABEL_RED;

    for (size_t i = 0; i < r->limits.n; i++) {
        const struct stream_limit *limit = r->limits.at[i];
        if (limit->most < most && pattern_match(limit->name, stream))
            most = limit->most;
    }
    return most;
}

int registry_lowest(const struct registry *r, const char *input_type, const char *output_type)
{
    int lowest = 0;

    for (size_t i = 0; i < r->lowerings.n; i++) {
        const Core__LoweringAllowed *l = ((const struct lowering *)r->lowerings.at[i])->allowed;
        if (strcmp(l->input_type, input_type) == 0 && strcmp(l->output_type, output_type) == 0 &&
            (lowest == 0 || (int)l->lowest < lowest))
            lowest = (int)l->lowest;
    }
    return lowest;
}

static const struct key *key_of_id(const struct registry *r, const uint8_t *id)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (memcmp(r->keys[i]->id, id, KEY_ID_SIZE) == 0)
            return r->keys[i];
    return NULL;
}

const struct key *registry_curve_key(const struct registry *r, const uint8_t public_key[KEY_SIZE])
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (r->keys[i]->kind == CORE__KEY_KIND__KEY_KIND_CURVE &&
            memcmp(r->keys[i]->public_key, public_key, KEY_SIZE) == 0)
            return r->keys[i];
    return NULL;
}

const struct key *registry_sign_key(const struct registry *r, const uint8_t id[KEY_ID_SIZE])
{
    const struct key *key = key_of_id(r, id);

    return key && key->kind == CORE__KEY_KIND__KEY_KIND_ED25519 ? key : NULL;
}

void registry_each_seat(const struct registry *r, void (*each)(void *arg, const struct seat *seat),
                        void *arg)
{
    for (size_t i = 0; i < r->seats.n; i++)
        each(arg, r->seats.at[i]);
}

void registry_each_rule(const struct registry *r,
                        void (*each)(void *arg, const Core__AccessRule *rule), void *arg)
{
    for (size_t i = 0; i < r->rules.n; i++)
        each(arg, ((const struct rule *)r->rules.at[i])->rule);
}

const struct purge *registry_purged(const struct registry *r, const struct hash *part)
{
    char name[2 * HASH_SIZE + 1];

    hex_encode(name, part->bytes, HASH_SIZE);
    return table_find(&r->purges, name);
}

void registry_each_purge(const struct registry *r, void (*each)(void *arg, const struct purge *p),
                         void *arg)
{
    for (size_t i = 0; i < r->purges.n; i++)
        each(arg, r->purges.at[i]);
}

const struct clock_acts *registry_clock(const struct registry *r)
{
    return &r->clock;
}

uint64_t registry_version(const struct registry *r)
{
    return r->version;
}
