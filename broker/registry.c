/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - tables kept in order of name, entries that never move */
#include "broker/registry.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "broker/journal.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/note.h"
#include "lib/scan.h"

enum { MESSAGE_ARENA = 256 * 1024, ROLES_MOST = 16, TEXT_MOST = 255 };
static const int64_t AHEAD_MOST = INT64_C(100) * 366 * 86400 * 1000000;

struct table { /* of pointers, in order of the name that each begins with, letter case aside */
    void **at;
    size_t n;
};

struct party {
    const char *name;
};

struct rule {
    const char *name;
    Core__AccessRule *rule; /* protobuf-c's memory */
};

struct registry {
    struct table parties, offices, seats, rules;
    struct key **keys;
    size_t n_keys;
    Core__LogFounded *founded;
    const char *log; /* its name now */
    uint8_t log_key[KEY_SIZE];
    struct predecessor *predecessors; /* oldest first */
    size_t n_predecessors;
    bool returning;
    struct clock_acts clock;
    uint64_t version;
};

struct refusal { /* where a check says what is wrong */
    const char **field;
    char *text;
};

struct row { /* what a type of registry event asks and does */
    const ProtobufCMessageDescriptor *type;
    int (*check)(const struct registry *r, const void *body, struct refusal why);
    void (*fold)(struct registry *r, uint64_t position, const void *body);
};

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

static void *table_find(const struct table *t, const char *name)
{
    bool found;
    size_t i = table_place(t, name, &found);

    return found ? t->at[i] : NULL;
}

static void table_add(struct table *t, void *entry)
{
    bool found;
    size_t i = table_place(t, entry_name(entry), &found);

    assert(!found);
    t->at = mem_grow(t->at, (t->n + 1) * sizeof *t->at);
    memmove(t->at + i + 1, t->at + i, (t->n - i) * sizeof *t->at);
    t->at[i] = entry;
    t->n++;
}

static void *table_take(struct table *t, const char *name)
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

/* ---- checks ---- */

__attribute__((format(printf, 4, 5))) static int refuse(struct refusal why, int err,
                                                        const char *field, const char *format, ...)
{
    va_list args;

    *why.field = field;
    va_start(args, format);
    vsnprintf(why.text, 256, format, args);
    va_end(args);
    return err;
}

static int check_name_text(const char *text, struct refusal why)
{
    return strlen(text) <= TEXT_MOST
               ? 0
               : refuse(why, ERR_BOUNDS, "name", "a name for people has at most 255 bytes");
}

static int check_reason(const char *reason, struct refusal why)
{
    return strlen(reason) <= TEXT_MOST
               ? 0
               : refuse(why, ERR_BOUNDS, "reason", "a reason has at most 255 bytes");
}

static int check_identifier(const char *name, const char *field, struct refusal why)
{
    return identifier_valid(name)
               ? 0
               : refuse(why, ERR_FIELD, field,
                        "'%.80s' is no identifier: letters, digits, '.', '_' and '-', at most 64",
                        name);
}

static int check_founded(const struct registry *r, const void *body, struct refusal why)
{
    const Core__LogFounded *founded = body;

    if (r->founded)
        return refuse(why, ERR_REGISTRY, "", "the log %.80s is founded already", r->founded->log);
    if (founded->format != JOURNAL_FORMAT)
        return refuse(why, ERR_VERSION, "format", "only format %d is known", JOURNAL_FORMAT);
    if (!log_name_valid(founded->log))
        return refuse(why, ERR_FIELD, "log", "'%.80s' is no name of a log", founded->log);
    if (founded->log_key.len != KEY_SIZE || founded->server_key.len != KEY_SIZE ||
        founded->administrator_key.len != KEY_SIZE)
        return refuse(why, ERR_FIELD, "log_key", "a key has 32 bytes");
    int rc = check_identifier(founded->administrator, "administrator", why);
    return rc ? rc : check_identifier(founded->broker, "broker", why);
}

static int check_succeeded(const struct registry *r, const void *body, struct refusal why)
{
    const Core__LogSucceeded *m = body;

    if (!log_name_valid(m->log))
        return refuse(why, ERR_FIELD, "log", "'%.80s' is no name of a log", m->log);
    if (strcmp(m->predecessor, r->log) != 0)
        return refuse(why, ERR_REGISTRY, "predecessor", "this is a copy of %.80s", r->log);
    if (strcmp(m->log, r->log) == 0 || registry_predecessor(r, m->log))
        return refuse(why, ERR_EXISTS, "log", "the log had the name %.80s before; choose another",
                      m->log);
    if (m->log_key.len != KEY_SIZE)
        return refuse(why, ERR_FIELD, "log_key", "a key has 32 bytes");
    if (m->root.len != HASH_SIZE)
        return refuse(why, ERR_FIELD, "root", "the root of a tree has 32 bytes");
    if (m->lost && m->lost <= m->position)
        return refuse(why, ERR_FIELD, "lost", "position %llu is in the copy, which ends at %llu",
                      (unsigned long long)m->lost, (unsigned long long)m->position);
    if (m->checkpoint.len > NOTE_SIZE)
        return refuse(why, ERR_BOUNDS, "checkpoint", "a note has at most %d bytes", NOTE_SIZE);
    return 0;
}

static int check_return_ended(const struct registry *r, const void *body, struct refusal why)
{
    (void)body;
    return r->returning ? 0 : refuse(why, ERR_REGISTRY, "", "no return is open");
}

static int check_party(const struct registry *r, const void *body, struct refusal why)
{
    const Core__PartyAdded *party = body;
    int rc = check_identifier(party->party, "party", why);

    if (rc == 0)
        rc = check_name_text(party->name, why);
    if (rc == 0 && (party->kind < CORE__PARTY_KIND__PARTY_KIND_STATE ||
                    party->kind > CORE__PARTY_KIND__PARTY_KIND_NGO))
        rc = refuse(why, ERR_FIELD, "kind", "say what kind of party it is");
    if (rc == 0 && table_find(&r->parties, party->party))
        rc = refuse(why, ERR_EXISTS, "party", "the party %s is there already", party->party);
    return rc;
}

static int check_office(const struct registry *r, const void *body, struct refusal why)
{
    const Core__OfficeAdded *office = body;
    char party[65];

    if (!office_valid(office->office))
        return refuse(why, ERR_FIELD, "office", "'%.140s' is no office: PARTY/identifier",
                      office->office);
    snprintf(party, sizeof party, "%.*s", (int)strcspn(office->office, "/"), office->office);
    if (!table_find(&r->parties, party))
        return refuse(why, ERR_NOT_FOUND, "office", "the party %s is not known; add it first",
                      party);
    if (table_find(&r->offices, office->office))
        return refuse(why, ERR_EXISTS, "office", "the office %s is there already", office->office);
    if (office->n_roles > ROLES_MOST)
        return refuse(why, ERR_BOUNDS, "roles", "an office has at most 16 roles");
    for (size_t i = 0; i < office->n_roles; i++)
        if (check_identifier(office->roles[i], "roles", why))
            return ERR_FIELD;
    if (office->clearance < 0 || office->clearance > CORE__LABEL__LABEL_RED)
        return refuse(why, ERR_FIELD, "clearance", "not a TLP 2.0 label");
    return check_name_text(office->name, why);
}

/* The seat that founded the log stands in the table before it is admitted: with an office without
 * name. */
static bool seat_admitted(const struct seat *seat)
{
    return seat && seat->office->name[0];
}

static int check_seat(const struct registry *r, const void *body, struct refusal why)
{
    const Core__SeatAdmitted *seat = body;
    int rc = check_identifier(seat->seat, "seat", why);

    if (rc == 0)
        rc = check_name_text(seat->name, why);
    if (rc == 0 && seat->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON &&
        seat->kind != CORE__SEAT_KIND__SEAT_KIND_PROCESS)
        rc = refuse(why, ERR_FIELD, "kind", "a seat is a person's or a process's");
    if (rc == 0 && !table_find(&r->offices, seat->office))
        rc = refuse(why, ERR_NOT_FOUND, "office", "the office %.140s is not known; add it first",
                    seat->office);
    if (rc == 0 && seat_admitted(table_find(&r->seats, seat->seat)))
        rc = refuse(why, ERR_EXISTS, "seat", "the seat %s is there already", seat->seat);
    return rc;
}

static struct key *key_of_id(const struct registry *r, const uint8_t *id)
{
    for (size_t i = 0; i < r->n_keys; i++)
        if (memcmp(r->keys[i]->id, id, KEY_ID_SIZE) == 0)
            return r->keys[i];
    return NULL;
}

static int check_key(const struct registry *r, const void *body, struct refusal why)
{
    const Core__KeyAdded *key = body;
    uint8_t id[KEY_ID_SIZE];

    if (!seat_admitted(table_find(&r->seats, key->seat)))
        return refuse(why, ERR_NOT_FOUND, "seat", "the seat %.80s is not known; admit it first",
                      key->seat);
    if (key->kind < CORE__KEY_KIND__KEY_KIND_CURVE || key->kind > CORE__KEY_KIND__KEY_KIND_AGE)
        return refuse(why, ERR_FIELD, "kind", "say what kind of key it is");
    if (key->public_key.len != KEY_SIZE)
        return refuse(why, ERR_FIELD, "public_key", "a public key has 32 bytes");
    key_id(id, key->public_key.data);
    if (key_of_id(r, id))
        return refuse(why, ERR_EXISTS, "public_key", "the key was given to a seat before");
    return check_name_text(key->name, why);
}

static int check_revoked(const struct registry *r, const void *body, struct refusal why)
{
    const Core__KeyRevoked *revoked = body;
    const struct key *key =
        revoked->key_id.len == KEY_ID_SIZE ? key_of_id(r, revoked->key_id.data) : NULL;

    if (!key || strcasecmp(key->seat->name, revoked->seat) != 0)
        return refuse(why, ERR_NOT_FOUND, "key_id", "the seat %.80s has no such key",
                      revoked->seat);
    if (key->revoked)
        return refuse(why, ERR_EXISTS, "key_id", "the key was revoked before");
    return check_reason(revoked->reason, why);
}

/* Exact, or a prefix and one '*' at its end. */
static bool pattern_valid(const char *pattern, size_t most)
{
    size_t n = strlen(pattern);

    return n > 0 && n <= most && strcspn(pattern, "*") >= n - 1;
}

static int check_rule(const struct registry *r, const void *body, struct refusal why)
{
    const Core__AccessRule *rule = body;
    int rc = check_identifier(rule->rule, "rule", why);

    if (rc)
        return rc;
    if (rule->withdrawn)
        return table_find(&r->rules, rule->rule)
                   ? 0
                   : refuse(why, ERR_NOT_FOUND, "rule", "there is no rule %s", rule->rule);
    if (rule->effect != CORE__EFFECT__EFFECT_ALLOW && rule->effect != CORE__EFFECT__EFFECT_DENY)
        return refuse(why, ERR_FIELD, "effect", "a rule allows or denies");
    if (rule->subject_kind < CORE__SUBJECT_KIND__SUBJECT_KIND_ANY ||
        rule->subject_kind > CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT)
        return refuse(why, ERR_FIELD, "subject_kind", "say whom the rule concerns");
    bool any = rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_ANY;
    if (any != (rule->subject[0] == '\0') || strchr(rule->subject, '*'))
        return refuse(why, ERR_FIELD, "subject", "name one subject exactly, none for ANY");
    if (rule->n_verbs < 1 || rule->n_verbs > 4)
        return refuse(why, ERR_FIELD, "verbs", "a rule names 1 to 4 verbs");
    for (size_t i = 0; i < rule->n_verbs; i++)
        if (rule->verbs[i] < CORE__VERB__VERB_PUBLISH || rule->verbs[i] > CORE__VERB__VERB_OFFER)
            return refuse(why, ERR_FIELD, "verbs", "publish, read, ask or offer");
    if (!pattern_valid(rule->stream, 64))
        return refuse(why, ERR_FIELD, "stream", "'%.80s': exact, or one '*' at the end",
                      rule->stream);
    return pattern_valid(rule->type, 128)
               ? 0
               : refuse(why, ERR_FIELD, "type", "'%.80s': exact, or one '*' at the end",
                        rule->type);
}

static int check_accepted(const struct registry *r, const void *body, struct refusal why)
{
    const Core__ClockAccepted *accepted = body;

    (void)r;
    if (accepted->time <= 0)
        return refuse(why, ERR_FIELD, "time", "say what time it is");
    return check_reason(accepted->reason, why);
}

static int check_moved(const struct registry *r, const void *body, struct refusal why)
{
    const Core__ClockMoved *moved = body;

    if (!r->founded->exercise)
        return refuse(why, ERR_REGISTRY, "", "only the clock of a log for exercises is moved");
    if (moved->by <= 0 || moved->by > AHEAD_MOST - r->clock.ahead)
        return refuse(why, ERR_FIELD, "by", "the clock moves forward, by 100 years in all");
    return check_reason(moved->reason, why);
}

/* ---- folds ---- */

static const struct office no_office = {.party = "", .name = ""};

static void key_new(struct registry *r, uint64_t position, const struct seat *seat, int kind,
                    const uint8_t *public_key)
{
    struct key *key = mem_new(sizeof *key);

    *key = (struct key){.seat = seat, .kind = kind, .added = position};
    memcpy(key->public_key, public_key, KEY_SIZE);
    key_id(key->id, public_key);
    r->keys = mem_grow(r->keys, (r->n_keys + 1) * sizeof *r->keys);
    r->keys[r->n_keys++] = key;
}

static struct seat *seat_new(struct registry *r, const char *name)
{
    struct seat *seat = mem_new(sizeof *seat);

    *seat = (struct seat){.name = mem_str(name), .office = &no_office};
    table_add(&r->seats, seat);
    return seat;
}

static void *message_copy(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_new(size);

    protobuf_c_message_pack(message, bytes);
    void *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    mem_free(bytes);
    assert(copy);
    return copy;
}

static void fold_founded(struct registry *r, uint64_t position, const void *body)
{
    const Core__LogFounded *founded = body;

    r->founded = message_copy(&founded->base);
    r->log = mem_str(founded->log);
    memcpy(r->log_key, founded->log_key.data, KEY_SIZE);
    key_new(r, position, seat_new(r, founded->administrator), CORE__KEY_KIND__KEY_KIND_ED25519,
            founded->administrator_key.data);
}

/* One that does not stand where it says is no succession: a log from elsewhere may hold anything.
 */
static void fold_succeeded(struct registry *r, uint64_t position, const void *body)
{
    const Core__LogSucceeded *m = body;

    if (position != m->position + 1)
        return;
    r->predecessors = mem_grow(r->predecessors, (r->n_predecessors + 1) * sizeof *r->predecessors);
    struct predecessor *p = &r->predecessors[r->n_predecessors++];
    *p = (struct predecessor){.log = r->log, .position = m->position};
    memcpy(p->root.bytes, m->root.data, HASH_SIZE);
    r->log = mem_str(m->log);
    memcpy(r->log_key, m->log_key.data, KEY_SIZE);
    r->returning = true;
}

static void fold_return_ended(struct registry *r, uint64_t position, const void *body)
{
    (void)position;
    (void)body;
    r->returning = false;
}

static void fold_party(struct registry *r, uint64_t position, const void *body)
{
    const Core__PartyAdded *added = body;
    struct party *party = mem_new(sizeof *party);

    (void)position;
    party->name = mem_str(added->party);
    table_add(&r->parties, party);
}

/* The tables are kept by the name that an entry begins with. */
struct office_held {
    const char *name;
    struct office office;
};

static void fold_office(struct registry *r, uint64_t position, const void *body)
{
    const Core__OfficeAdded *added = body;
    struct office_held *held = mem_new(sizeof *held);
    const char **roles = mem_new(added->n_roles * sizeof *roles);

    (void)position;
    for (size_t i = 0; i < added->n_roles; i++)
        roles[i] = mem_str(added->roles[i]);
    held->name = mem_str(added->office);
    held->office = (struct office){
        .party = mem_strn(added->office, strcspn(added->office, "/")),
        .name = held->name,
        .roles = roles,
        .n_roles = added->n_roles,
        .clearance = added->clearance ? (int)added->clearance : CORE__LABEL__LABEL_GREEN,
    };
    table_add(&r->offices, held);
}

static void fold_seat(struct registry *r, uint64_t position, const void *body)
{
    const Core__SeatAdmitted *admitted = body;
    struct seat *seat = table_find(&r->seats, admitted->seat);

    (void)position;
    if (!seat)
        seat = seat_new(r, admitted->seat);
    seat->office = registry_office(r, admitted->office);
    seat->kind = (int)admitted->kind;
}

static void fold_key(struct registry *r, uint64_t position, const void *body)
{
    const Core__KeyAdded *added = body;

    key_new(r, position, registry_seat(r, added->seat), (int)added->kind, added->public_key.data);
}

static void fold_revoked(struct registry *r, uint64_t position, const void *body)
{
    const Core__KeyRevoked *revoked = body;

    key_of_id(r, revoked->key_id.data)->revoked = position;
}

static void rule_free(struct rule *rule)
{
    if (rule) {
        core__access_rule__free_unpacked(rule->rule, NULL);
        mem_free(rule);
    }
}

static void fold_rule(struct registry *r, uint64_t position, const void *body)
{
    const Core__AccessRule *added = body;

    (void)position;
    rule_free(table_take(&r->rules, added->rule));
    if (added->withdrawn)
        return;
    struct rule *rule = mem_new(sizeof *rule);
    rule->rule = message_copy(&added->base);
    rule->name = rule->rule->rule;
    table_add(&r->rules, rule);
}

static void fold_accepted(struct registry *r, uint64_t position, const void *body)
{
    const Core__ClockAccepted *accepted = body;

    r->clock.accepted = position;
    r->clock.accepted_time = accepted->time;
}

static void fold_moved(struct registry *r, uint64_t position, const void *body)
{
    const Core__ClockMoved *moved = body;

    (void)position;
    r->clock.ahead += moved->by;
}

static const struct row rows[] = {
    {&core__log_founded__descriptor, check_founded, fold_founded},
    {&core__log_succeeded__descriptor, check_succeeded, fold_succeeded},
    {&core__return_ended__descriptor, check_return_ended, fold_return_ended},
    {&core__party_added__descriptor, check_party, fold_party},
    {&core__office_added__descriptor, check_office, fold_office},
    {&core__seat_admitted__descriptor, check_seat, fold_seat},
    {&core__key_added__descriptor, check_key, fold_key},
    {&core__key_revoked__descriptor, check_revoked, fold_revoked},
    {&core__access_rule__descriptor, check_rule, fold_rule},
    {&core__clock_accepted__descriptor, check_accepted, fold_accepted},
    {&core__clock_moved__descriptor, check_moved, fold_moved},
};

static const struct row *row_find(const char *type)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].type->name, type) == 0)
            return &rows[i];
    return NULL;
}

int registry_check(const struct registry *r, const char *type, struct slice payload,
                   const char **field, char text[256])
{
    const struct row *row = row_find(type);
    struct refusal why = {field, text};
    char where[128];
    int rc = 0;

    if (!row)
        return refuse(why, ERR_REGISTRY, "type", "%.128s is no registry event", type);
    if (!r->founded && row->check != check_founded)
        return refuse(why, ERR_REGISTRY, "type", "the first event founds the log");
    struct arena *arena = arena_new(MESSAGE_ARENA);
    const void *body = scan_unpack(row->type, payload, arena, &rc, where);
    rc = body ? row->check(r, body, why) : refuse(why, rc, "", "%.127s cannot be read", where);
    arena_free(arena);
    return rc;
}

void registry_fold(struct registry *r, uint64_t position, const char *type, struct slice payload)
{
    const struct row *row = row_find(type);
    struct arena *arena = arena_new(MESSAGE_ARENA);
    const char *field;
    char text[256], where[128];
    int rc = 0;

    /* what is in the log was checked when it came; a log from elsewhere may hold anything */
    const void *body = row ? scan_unpack(row->type, payload, arena, &rc, where) : NULL;
    if (body && (r->founded || row->check == check_founded) &&
        row->check(r, body, (struct refusal){&field, text}) == 0)
        row->fold(r, position, body);
    r->version = position;
    arena_free(arena);
}

/* ---- looking things up ---- */

struct registry *registry_new(void)
{
    return mem_new(sizeof(struct registry));
}

static void office_free(struct office_held *held)
{
    for (size_t i = 0; i < held->office.n_roles; i++)
        free((void *)(uintptr_t)held->office.roles[i]);
    free((void *)(uintptr_t)held->office.roles);
    free((void *)(uintptr_t)held->office.party);
    free((void *)(uintptr_t)held->name);
    mem_free(held);
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->parties.n; i++) {
        free((void *)(uintptr_t)entry_name(r->parties.at[i]));
        mem_free(r->parties.at[i]);
    }
    for (size_t i = 0; i < r->offices.n; i++)
        office_free(r->offices.at[i]);
    for (size_t i = 0; i < r->seats.n; i++) {
        free((void *)(uintptr_t)entry_name(r->seats.at[i]));
        mem_free(r->seats.at[i]);
    }
    for (size_t i = 0; i < r->rules.n; i++)
        rule_free(r->rules.at[i]);
    for (size_t i = 0; i < r->n_keys; i++)
        mem_free(r->keys[i]);
    mem_free(r->parties.at);
    mem_free(r->offices.at);
    mem_free(r->seats.at);
    mem_free(r->rules.at);
    mem_free(r->keys);
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

const struct clock_acts *registry_clock(const struct registry *r)
{
    return &r->clock;
}

uint64_t registry_version(const struct registry *r)
{
    return r->version;
}
