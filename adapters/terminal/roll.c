/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/roll.h"

#include <stdio.h>
#include <strings.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/scan.h"

enum { EVENT_ARENA = 16 << 20 };

struct office {
    char *name;
    bool administers, fills; /* it has the role; it seats its own */
};

struct chain { /* a seat's events in the stream */
    char *seat;
    uint64_t seq;
    struct hash last;
};

struct waiting { /* an act that the quorum has yet to sign */
    uint64_t position;
    const struct row *row;
    struct buf payload;
    char **signers;
    size_t n;
};

struct roll {
    struct roll_seat **seats;
    struct office *offices;
    struct chain *chains;
    struct waiting *waiting;
    Core__GroupSet **groups;
    size_t n_seats, n_offices, n_chains, n_waiting, n_groups;
    uint32_t quorum;
    char *founder;
};

struct said { /* an event that is taken, or comes into force */
    struct roll *r;
    const char *by;      /* the seat that signed it */
    const void *body;    /* of the row's type */
    uint64_t at, stated; /* where it is in force, and where it stands */
};

/* What the roll takes of the registry; other types change nothing that it tells. */
struct row {
    const ProtobufCMessageDescriptor *type;
    void (*apply)(const struct said *s);
    bool (*own)(const struct said *s);   /* may its signer, who is no administrator?  NULL: no */
    bool (*whole)(const struct said *s); /* does the quorum sign it?  NULL: no */
};

/* ---- looking up ---- */

struct roll *roll_new(void)
{
    struct roll *r = mem_new(sizeof *r);

    r->quorum = 1;
    return r;
}

static void waiting_clear(struct waiting *w)
{
    for (size_t i = 0; i < w->n; i++)
        mem_free(w->signers[i]);
    mem_free(w->signers);
    buf_free(&w->payload);
}

static void seat_free(struct roll_seat *seat)
{
    mem_free(seat->name);
    mem_free(seat->office);
    mem_free(seat->keys);
    mem_free(seat);
}

void roll_free(struct roll *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_seats; i++)
        seat_free(r->seats[i]);
    for (size_t i = 0; i < r->n_offices; i++)
        mem_free(r->offices[i].name);
    for (size_t i = 0; i < r->n_chains; i++)
        mem_free(r->chains[i].seat);
    for (size_t i = 0; i < r->n_waiting; i++)
        waiting_clear(&r->waiting[i]);
    for (size_t i = 0; i < r->n_groups; i++)
        core__group_set__free_unpacked(r->groups[i], NULL);
    mem_free(r->seats);
    mem_free(r->offices);
    mem_free(r->chains);
    mem_free(r->waiting);
    mem_free(r->groups);
    mem_free(r->founder);
    mem_free(r);
}

size_t roll_seats(const struct roll *r)
{
    return r->n_seats;
}

const struct roll_seat *roll_seat(const struct roll *r, size_t i)
{
    return r->seats[i];
}

const Core__GroupSet *roll_group(const struct roll *r, const char *reference)
{
    char name[80];

    for (size_t i = 0; i < r->n_groups; i++) {
        snprintf(name, sizeof name, "%s@%u", r->groups[i]->group, r->groups[i]->version);
        if (strcasecmp(name, reference) == 0)
            return r->groups[i];
    }
    return NULL;
}

static struct roll_seat *seat_of(const struct roll *r, const char *name)
{
    for (size_t i = 0; i < r->n_seats; i++)
        if (strcasecmp(r->seats[i]->name, name) == 0)
            return r->seats[i];
    return NULL;
}

static struct office *office_of(const struct roll *r, const char *name)
{
    for (size_t i = 0; name && i < r->n_offices; i++)
        if (strcasecmp(r->offices[i].name, name) == 0)
            return &r->offices[i];
    return NULL;
}

static struct roll_key *key_of(const struct roll *r, ProtobufCBinaryData id,
                               struct roll_seat **owner)
{
    if (id.len != KEY_ID_SIZE)
        return NULL;
    for (size_t i = 0; i < r->n_seats; i++)
        for (size_t k = 0; k < r->seats[i]->n_keys; k++) {
            *owner = r->seats[i];
            if (memcmp(r->seats[i]->keys[k].id, id.data, KEY_ID_SIZE) == 0)
                return &r->seats[i]->keys[k];
        }
    return NULL;
}

static bool administers(const struct roll *r, const char *name)
{
    const struct roll_seat *seat = seat_of(r, name);
    const struct office *office = seat ? office_of(r, seat->office) : NULL;

    if (seat && !seat->office)
        return r->founder && strcasecmp(r->founder, name) == 0;
    return office && office->administers && seat->standing == CORE__STANDING__STANDING_SEATED;
}

/* The admission of a seat of that name waits. */
static bool admission_waits(const struct roll *r, const char *seat)
{
    bool found = false;

    for (size_t i = 0; i < r->n_waiting && !found; i++) {
        const struct waiting *w = &r->waiting[i];
        if (w->row->type != &core__seat_admitted__descriptor)
            continue;
        Core__SeatAdmitted *m = core__seat_admitted__unpack(NULL, w->payload.size, w->payload.data);
        found = m && strcasecmp(m->seat, seat) == 0;
        if (m)
            core__seat_admitted__free_unpacked(m, NULL);
    }
    return found;
}

/* ---- who may, and does the quorum sign it? ---- */

static bool fills(const struct said *s, const char *office)
{
    const struct roll_seat *by = seat_of(s->r, s->by);
    const struct office *own = by ? office_of(s->r, by->office) : NULL;

    return own && own->fills && by->standing == CORE__STANDING__STANDING_SEATED && office &&
           strcasecmp(own->name, office) == 0;
}

/* The signer's own, or one of the office that it fills. */
static bool own_seat(const struct said *s, const char *name)
{
    const struct roll_seat *seat = seat_of(s->r, name);

    return strcasecmp(s->by, name) == 0 || (seat && fills(s, seat->office));
}

static bool own_admission(const struct said *s)
{
    return fills(s, ((const Core__SeatAdmitted *)s->body)->office);
}

static bool own_standing(const struct said *s)
{
    return own_seat(s, ((const Core__SeatStanding *)s->body)->seat);
}

static bool own_added(const struct said *s)
{
    return own_seat(s, ((const Core__KeyAdded *)s->body)->seat);
}

static bool own_revoked(const struct said *s)
{
    return own_seat(s, ((const Core__KeyRevoked *)s->body)->seat);
}

static bool own_rotated(const struct said *s)
{
    return strcasecmp(s->by, ((const Core__KeyRotated *)s->body)->seat) == 0;
}

static bool always(const struct said *s)
{
    (void)s;
    return true;
}

/* An administrator's seat, but for the signer's own. */
static bool whole_seat(const struct said *s, const char *name)
{
    const struct roll_seat *seat = seat_of(s->r, name);
    const struct office *office = seat ? office_of(s->r, seat->office) : NULL;

    return office && office->administers && strcasecmp(s->by, name) != 0;
}

static bool whole_admission(const struct said *s)
{
    const struct office *office = office_of(s->r, ((const Core__SeatAdmitted *)s->body)->office);

    return office && office->administers;
}

static bool whole_standing(const struct said *s)
{
    return whole_seat(s, ((const Core__SeatStanding *)s->body)->seat);
}

static bool whole_added(const struct said *s)
{
    const char *seat = ((const Core__KeyAdded *)s->body)->seat;

    return whole_seat(s, seat) || (!seat_of(s->r, seat) && admission_waits(s->r, seat));
}

static bool whole_revoked(const struct said *s)
{
    return whole_seat(s, ((const Core__KeyRevoked *)s->body)->seat);
}

static bool whole_rotated(const struct said *s)
{
    return whole_seat(s, ((const Core__KeyRotated *)s->body)->seat);
}

/* ---- what comes of it ---- */

static struct roll_seat *seat_make(struct roll *r, const char *name)
{
    struct roll_seat *seat = seat_of(r, name);

    if (seat)
        return seat;
    seat = mem_new(sizeof *seat);
    *seat = (struct roll_seat){.name = mem_str(name), .standing = CORE__STANDING__STANDING_SEATED};
    r->seats = mem_grow(r->seats, (r->n_seats + 1) * sizeof(struct roll_seat *));
    r->seats[r->n_seats++] = seat;
    return seat;
}

static void key_make(struct roll_seat *seat, int kind, ProtobufCBinaryData key, uint64_t stated)
{
    if (key.len != KEY_SIZE)
        return;
    seat->keys = mem_grow(seat->keys, (seat->n_keys + 1) * sizeof *seat->keys);
    struct roll_key *made = &seat->keys[seat->n_keys++];
    *made = (struct roll_key){.kind = kind, .stated = stated};
    memcpy(made->public_key, key.data, KEY_SIZE);
    key_id(made->id, key.data);
}

static void apply_founded(const struct said *s)
{
    const Core__LogFounded *m = s->body;

    s->r->founder = mem_str(m->administrator);
    key_make(seat_make(s->r, m->administrator), CORE__KEY_KIND__KEY_KIND_ED25519,
             m->administrator_key, s->stated);
}

static void office_set(struct roll *r, const char *name, const char *const roles[], size_t n,
                       uint32_t seats_most)
{
    struct office *office = office_of(r, name);

    if (!office) {
        r->offices = mem_grow(r->offices, (r->n_offices + 1) * sizeof *r->offices);
        office = &r->offices[r->n_offices++];
        *office = (struct office){.name = mem_str(name)};
    }
    office->fills = seats_most > 0;
    office->administers = false;
    for (size_t i = 0; i < n; i++)
        office->administers = office->administers || strcasecmp(roles[i], "administrator") == 0;
}

static void apply_office(const struct said *s)
{
    const Core__OfficeAdded *m = s->body;

    office_set(s->r, m->office, m->roles, m->n_roles, m->seats_most);
}

static void apply_changed(const struct said *s)
{
    const Core__OfficeChanged *m = s->body;

    office_set(s->r, m->office, m->roles, m->n_roles, m->seats_most);
}

static void apply_admission(const struct said *s)
{
    const Core__SeatAdmitted *m = s->body;
    struct roll_seat *seat = seat_make(s->r, m->seat);

    mem_free(seat->office);
    seat->office = mem_str(m->office);
    seat->kind = (int)m->kind;
}

static void apply_standing(const struct said *s)
{
    const Core__SeatStanding *m = s->body;
    struct roll_seat *seat = seat_of(s->r, m->seat);

    if (!seat)
        return;
    seat->standing = (int)m->standing;
    for (size_t i = 0; i < seat->n_keys; i++)
        if (m->standing == CORE__STANDING__STANDING_REVOKED && !seat->keys[i].revoked)
            seat->keys[i].revoked = s->at;
}

static void apply_added(const struct said *s)
{
    const Core__KeyAdded *m = s->body;
    struct roll_seat *seat = seat_of(s->r, m->seat);

    if (seat)
        key_make(seat, (int)m->kind, m->public_key, s->stated);
}

static void apply_revoked(const struct said *s)
{
    const Core__KeyRevoked *m = s->body;
    struct roll_seat *owner;
    struct roll_key *key = key_of(s->r, m->key_id, &owner);

    if (key && strcasecmp(owner->name, m->seat) == 0)
        key->revoked = s->at;
}

static void apply_rotated(const struct said *s)
{
    const Core__KeyRotated *m = s->body;
    struct roll_seat *owner;
    struct roll_key *key = key_of(s->r, m->key_id, &owner);

    if (!key || strcasecmp(owner->name, m->seat) != 0)
        return;
    key->revoked = s->at;
    key_make(owner, key->kind, m->public_key, s->stated);
}

static void apply_group(const struct said *s)
{
    const Core__GroupSet *m = s->body;
    size_t size = core__group_set__get_packed_size(m);
    uint8_t *bytes = mem_new(size);
    struct roll *r = s->r;

    core__group_set__pack(m, bytes);
    r->groups = mem_grow(r->groups, (r->n_groups + 1) * sizeof(Core__GroupSet *));
    r->groups[r->n_groups++] = core__group_set__unpack(NULL, size, bytes);
    mem_free(bytes);
}

static void apply_quorum(const struct said *s)
{
    s->r->quorum = ((const Core__QuorumSet *)s->body)->administrators;
}

static void apply_confirmed(const struct said *s);
static void apply_withdrawn(const struct said *s);

static const struct row rows[] = {
    {&core__log_founded__descriptor, apply_founded, always, NULL},
    {&core__office_added__descriptor, apply_office, NULL, always},
    {&core__office_changed__descriptor, apply_changed, NULL, always},
    {&core__seat_admitted__descriptor, apply_admission, own_admission, whole_admission},
    {&core__seat_standing__descriptor, apply_standing, own_standing, whole_standing},
    {&core__key_added__descriptor, apply_added, own_added, whole_added},
    {&core__key_revoked__descriptor, apply_revoked, own_revoked, whole_revoked},
    {&core__key_rotated__descriptor, apply_rotated, own_rotated, whole_rotated},
    {&core__group_set__descriptor, apply_group, NULL, NULL},
    {&core__quorum_set__descriptor, apply_quorum, NULL, always},
    {&core__act_confirmed__descriptor, apply_confirmed, NULL, NULL},
    {&core__act_withdrawn__descriptor, apply_withdrawn, NULL, NULL},
    {0},
};

static const struct row *row_of(const char *type)
{
    for (const struct row *row = rows; row->type; row++)
        if (strcmp(row->type->name, type) == 0)
            return row;
    return NULL;
}

/* ---- acts that wait ---- */

static void put_by(const struct said *s, const struct row *row, struct slice payload)
{
    struct roll *r = s->r;

    r->waiting = mem_grow(r->waiting, (r->n_waiting + 1) * sizeof *r->waiting);
    struct waiting *w = &r->waiting[r->n_waiting++];
    *w = (struct waiting){.position = s->at, .row = row, .n = 1};
    buf_add(&w->payload, payload.data, payload.size);
    w->signers = mem_new(sizeof *w->signers);
    w->signers[0] = mem_str(s->by);
}

/* NULL also for an act of a type without a row: it changes nothing here. */
static struct waiting *waiting_at(const struct roll *r, uint64_t position)
{
    for (size_t i = 0; i < r->n_waiting; i++)
        if (r->waiting[i].position == position)
            return &r->waiting[i];
    return NULL;
}

static void drop(struct roll *r, struct waiting *w)
{
    waiting_clear(w);
    *w = r->waiting[--r->n_waiting];
}

/* Who is no administrator any more has not signed. */
static bool is_last(const struct roll *r, const struct waiting *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n; i++)
        n += administers(r, w->signers[i]);
    return n + 1 >= r->quorum;
}

static void apply_confirmed(const struct said *s)
{
    const Core__ActConfirmed *m = s->body;
    struct waiting *w = waiting_at(s->r, m->position);

    if (w && !is_last(s->r, w)) {
        w->signers = mem_grow(w->signers, (w->n + 1) * sizeof *w->signers);
        w->signers[w->n++] = mem_str(s->by);
    } else if (w) {
        struct waiting act = *w; /* what it does may move the others */
        *w = s->r->waiting[--s->r->n_waiting];
        ProtobufCMessage *body =
            protobuf_c_message_unpack(act.row->type, NULL, act.payload.size, act.payload.data);
        if (body) {
            act.row->apply(&(struct said){s->r, act.signers[0], body, s->at, act.position});
            protobuf_c_message_free_unpacked(body, NULL);
        }
        waiting_clear(&act);
    }
}

static void apply_withdrawn(const struct said *s)
{
    struct waiting *w = waiting_at(s->r, ((const Core__ActWithdrawn *)s->body)->position);

    if (w)
        drop(s->r, w);
}

/* ---- taking ---- */

static int wrong(struct buf *why, int err, const struct chancery_record *record, const char *text)
{
    buf_printf(why, "the registry event at position %llu %s", (unsigned long long)record->position,
               text);
    return err;
}

static struct chain *chain_of(struct roll *r, const char *seat)
{
    for (size_t i = 0; i < r->n_chains; i++)
        if (strcasecmp(r->chains[i].seat, seat) == 0)
            return &r->chains[i];
    r->chains = mem_grow(r->chains, (r->n_chains + 1) * sizeof *r->chains);
    r->chains[r->n_chains] = (struct chain){.seat = mem_str(seat)};
    return &r->chains[r->n_chains++];
}

/* It follows what the seat said before: nothing is kept back between them. */
static bool follows(struct roll *r, const struct event *e)
{
    const Core__Envelope *env = e->envelope;
    struct chain *chain = chain_of(r, env->seat);
    bool good = env->seat_seq == chain->seq + 1 &&
                slice_equal(slice_of(env->previous.data, env->previous.len),
                            slice_of(chain->last.bytes, chain->seq ? HASH_SIZE : 0));

    chain->seq++;
    chain->last = e->envelope_hash;
    return good;
}

static bool is_signed(const struct roll *r, const struct event *e)
{
    const Core__SignedEvent *s = e->signed_event;
    struct roll_seat *owner;
    const struct roll_key *key = key_of(r, s->key_id, &owner);
    struct hash root;

    return key && !key->revoked && key->kind == CORE__KEY_KIND__KEY_KIND_ED25519 &&
           strcasecmp(owner->name, e->envelope->seat) == 0 && sign_event_root(s, &root) &&
           sign_root_check(&root, slice_of(s->signature.data, s->signature.len), key->public_key);
}

static int take_body(struct roll *r, const struct chancery_record *record, const struct event *e,
                     struct arena *arena, struct buf *why)
{
    const struct row *row = row_of(e->envelope->type);
    char where[128];
    int err = 0;

    if (!row)
        return 0;
    const void *body = scan_unpack(row->type, e->payload, arena, &err, where);
    if (!body)
        return wrong(why, err, record, "cannot be read");
    struct said s = {r, e->envelope->seat, body, record->position, record->position};
    if (row->apply == apply_founded ? r->founder != NULL
                                    : !administers(r, s.by) && !(row->own && row->own(&s)))
        return wrong(why, ERR_DENIED, record, "is signed by a seat that may not sign it");
    if (r->quorum > 1 && row->whole && row->whole(&s))
        put_by(&s, row, e->payload);
    else
        row->apply(&s);
    return 0;
}

/* The founding record brings the key that it is signed with. */
static int take(struct roll *r, const struct chancery_record *record, struct arena *arena,
                struct buf *why)
{
    struct event e;
    char where[128];
    bool founds = record->position == 1;
    int rc = event_open(&e, slice_of(record->event, record->event_size),
                        slice_of(record->payload, record->payload_size), arena, where);

    if (rc)
        return wrong(why, rc, record, "cannot be read");
    if (founds != (strcmp(e.envelope->type, core__log_founded__descriptor.name) == 0) ||
        (!founds && !r->founder))
        return wrong(why, ERR_REGISTRY, record, "is not behind the one that founds the log");
    if (!follows(r, &e))
        return wrong(why, ERR_REGISTRY, record,
                     "does not follow its signer's last one: one between them is kept back");
    if (founds)
        rc = take_body(r, record, &e, arena, why);
    if (rc == 0 && !is_signed(r, &e))
        return wrong(why, ERR_SIGNATURE, record, "is not signed with a key of its seat");
    return rc == 0 && !founds ? take_body(r, record, &e, arena, why) : rc;
}

int roll_take(struct roll *r, const struct chancery_record *record, struct buf *why)
{
    struct arena *arena = arena_new_for(record->event_size + record->payload_size, EVENT_ARENA);
    int rc = take(r, record, arena, why);

    arena_free(arena);
    return rc;
}
