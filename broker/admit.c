/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/admit_inside.h"

#include <stdlib.h>

#include "broker/registry_log.h"
#include "lib/err.h"

static const int64_t DAY = INT64_C(24) * 3600 * 1000000, CLOCKS_AGREE = INT64_C(300) * 1000000;
static const char ROLE_TRANSCRIBER[] = "transcriber";
static const char DUE[] = "chancery.clock.v1.Due";

bool admit_is_registry(const struct admit_event *e)
{
    return strcmp(e->event.envelope->stream, "registry") == 0;
}

/* ---- known before ---- */

static int reused(const struct check *c)
{
    char id[37];

    id_text(id, envelope_of(c)->id.data);
    return refuse(c->why, ERR_ID_REUSED, "id",
                  "%s was used by this seat for another envelope; make a new id", id);
}

static const struct hash *in_batch(const struct check *c)
{
    for (size_t k = 0; k < c->i; k++)
        if (memcmp(c->events[k].event.envelope->id.data, envelope_of(c)->id.data, ID_SIZE) == 0)
            return &c->events[k].event.envelope_hash;
    return NULL;
}

static int find_known(const struct check *c)
{
    struct admit_event *e = event_of(c);
    const Core__Envelope *env = e->event.envelope;
    struct hash hash;

    e->known = false;
    e->position = 0;
    if (in_batch(c)) /* twice in one batch: whichever is meant, one of them is wrong */
        return reused(c);
    const struct overlay_entry *under_way = overlay_find(c->a->overlay, env->seat, env->id.data);
    if (under_way) {
        e->known = true;
        return hash_equal(&under_way->envelope_hash, &e->event.envelope_hash) ? 0 : reused(c);
    }
    int rc = journal_find(c->a->journal, env->seat, env->id.data, &e->position, &hash);
    if (rc == ERR_NOT_FOUND)
        return 0;
    if (rc)
        return refuse(c->why, rc, "id", "the log's index of ids cannot be read");
    e->known = true;
    return hash_equal(&hash, &e->event.envelope_hash) ? 0 : reused(c);
}

/* ---- whose it is ---- */

const struct predecessor *admit_predecessor(const struct check *c)
{
    return registry_predecessor(c->a->registry, envelope_of(c)->log);
}

static int check_seat(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    const struct seat *seat = c->a->seat;

    if (strcmp(env->log, c->a->log) != 0 && !admit_predecessor(c))
        return refuse(c->why, ERR_LOG, "log", "meant for %s; this is %s", env->log, c->a->log);
    if (strcmp(env->seat, seat->name) != 0)
        return refuse(c->why, ERR_SEAT, "seat", "the session is that of %s", seat->name);
    if (strcmp(env->office, seat->office->name) != 0)
        return refuse(c->why, ERR_SEAT, "office", "%s acts for %s", seat->name, seat->office->name);
    return 0;
}

/* ---- the registry's rules ---- */

/* What a predecessor recorded comes back until the return is ended; what came back is known. */
static int check_return(const struct check *c)
{
    if (!admit_predecessor(c) || registry_returning(c->a->registry))
        return 0;
    return refuse(c->why, ERR_LOG, "log",
                  "made for %s, from which %s goes on, and the return is ended: sign it for %s",
                  envelope_of(c)->log, c->a->log, c->a->log);
}

/* What goes where the one before it in the batch went: that one passed, unless it was known and not
 * asked. */
static bool goes_along(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c), *before;

    if (c->i == 0 || c->events[c->i - 1].known)
        return false;
    before = c->events[c->i - 1].event.envelope;
    return strcmp(env->stream, before->stream) == 0 && strcmp(env->type, before->type) == 0;
}

static int check_access(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    char name[MANDATE_NAME];

    if (c->a->by->through && !mandate_holds(c->a->by, c->a->at.now))
        return refuse(c->why, ERR_DELEGATION, "", "the session ended before its turn came");
    if (c->a->seat->standing == CORE__STANDING__STANDING_LEFT)
        return admit_check_left(c);
    if (c->a->own || goes_along(c) ||
        (strcmp(env->stream, "audit") != 0 &&
         mandate_allows(c->a->registry, c->a->by, CORE__VERB__VERB_PUBLISH, env->stream,
                        env->type)))
        return 0;
    return refuse(c->why, ERR_DENIED, "stream",
                  "no access rule lets %s publish %s in %s; ask an administrator",
                  mandate_name(c->a->by, name), env->type, env->stream);
}

static const struct office *office_of(const struct check *c, const char *name)
{
    return registry_office(c->a->registry, name);
}

/* A deputy while it is named; who enters paper, for whom it came from. */
static int check_acting_for(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);

    if (!env->acting_for[0])
        return 0;
    const struct office *office = office_of(c, env->acting_for);
    if (!office)
        return refuse(c->why, ERR_NOT_FOUND, "acting_for", "no office %s is registered",
                      env->acting_for);
    if (env->evidence == CORE__EVIDENCE__EVIDENCE_TRANSCRIBED ||
        registry_deputises(c->a->registry, c->a->seat->office, office, c->a->at.now))
        return 0;
    return refuse(c->why, ERR_DENIED, "acting_for", "%s is no deputy of %s now",
                  c->a->seat->office->name, office->name);
}

/* The office that is named, or whose seat is; NULL for parties and groups. */
static const struct office *office_named(const struct check *c, const Core__Recipient *r)
{
    const struct seat *seat = r->kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT
                                  ? registry_seat(c->a->registry, r->name)
                                  : NULL;

    if (r->kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE)
        return office_of(c, r->name);
    return seat ? seat->office : NULL;
}

static int check_recipients(const struct check *c, Core__Recipient *const list[], size_t n,
                            const char *field)
{
    const Core__Envelope *env = envelope_of(c);
    /* a worker answers whoever asked, under the label of the question */
    int label = admit_is_answer(c) ? 0 : (int)env->handling->label;

    for (size_t k = 0; k < n; k++) {
        if (!registry_knows(c->a->registry, list[k]))
            return refuse(c->why, ERR_HANDLING, field,
                          "%s is not registered: nobody would receive it", list[k]->name);
        const struct office *office = office_named(c, list[k]);
        if (office && office->clearance < label)
            return refuse(c->why, ERR_HANDLING, field,
                          "%s is cleared up to %s: nobody there would receive it", list[k]->name,
                          label_text(office->clearance));
    }
    return 0;
}

static int check_handling(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    const Core__Handling *h = env->handling;
    int most = registry_stream_most(c->a->registry, env->stream);

    if ((int)h->label > most)
        return refuse(c->why, ERR_HANDLING, "handling.label", "%s takes events up to %s",
                      env->stream, label_text(most));
    int rc = check_recipients(c, h->recipients, h->n_recipients, "handling.recipients");
    return rc ? rc : check_recipients(c, h->release_to, h->n_release_to, "handling.release_to");
}

/* Paper or telephone, entered by an office with that right, in the name of whom it came from. */
static int check_evidence(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);

    if (env->evidence != CORE__EVIDENCE__EVIDENCE_TRANSCRIBED)
        return 0;
    if (!registry_has_role(c->a->seat->office, ROLE_TRANSCRIBER))
        return refuse(c->why, ERR_DENIED, "evidence", "%s has not the role %s",
                      c->a->seat->office->name, ROLE_TRANSCRIBER);
    if (!env->acting_for[0])
        return refuse(c->why, ERR_FIELD, "acting_for", "say which office the paper came from");
    if (env->n_parts == 0)
        return refuse(c->why, ERR_FIELD, "parts", "the paper's scan goes with it as a part");
    return 0;
}

static int check_mode(const struct check *c)
{
    if (c->a->exercise && envelope_of(c)->mode != CORE__MODE__MODE_EXERCISE)
        return refuse(c->why, ERR_FIELD, "mode", "this is an exercise log: it takes EXERCISE only");
    return 0;
}

static int check_key(const struct check *c)
{
    const struct key *key = event_of(c)->key;

    if (!key || key->seat != c->a->seat)
        return refuse(c->why, ERR_KEY_UNKNOWN, "key_id",
                      "no signing key with this id is registered for %s", c->a->seat->name);
    if (key->revoked)
        return refuse(c->why, ERR_KEY_REVOKED, "key_id", "the key was revoked at position %llu",
                      (unsigned long long)key->revoked);
    return 0;
}

static int check_signature(const struct check *c)
{
    return refuse(c->why, event_of(c)->signature, "signature",
                  "the signature does not fit the envelope and the key");
}

/* ---- the broker's state ---- */

static int check_halted(const struct check *c)
{
    if (admit_is_registry(event_of(c)))
        return 0;
    if (c->a->at.jumped)
        return refuse(c->why, ERR_CLOCK, "",
                      "the broker's clock jumped; once it is right an administrator accepts it: "
                      "chancery clock accept");
    if (c->a->at.full)
        return refuse(c->why, ERR_FULL, "",
                      "free space on the log's file system is below [broker] disk-reserve");
    return 0;
}

/* ---- the log's order ---- */

static int check_id(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    int64_t made = id_v7_time(env->id.data);

    if (made < 0) {
        if (env->cause && id_v8_is(env->id.data, env->cause, env->ordinal))
            return 0;
        return refuse(c->why, ERR_ID_INVALID, "id",
                      "not a UUIDv7, nor the UUIDv8 of this cause and ordinal");
    }
    bool of_age = llabs(made - c->a->at.now) <= DAY || llabs(made - c->a->at.machine) <= DAY;
    if (!of_age && !admit_predecessor(c))
        return refuse(
            c->why, ERR_ID_STALE, "id",
            "the id's time is more than 24 hours from the broker's; publish with a new one");
    return 0;
}

/* Where the seat stands in the stream, with what comes before in this batch. */
static int tail_of(const struct check *c, uint64_t *seat_seq, struct hash *hash)
{
    const Core__Envelope *env = envelope_of(c);
    struct journal_tail tail;

    for (size_t k = c->i; k-- > 0;) {
        const struct admit_event *e = &c->events[k];
        if (e->known || strcmp(e->event.envelope->stream, env->stream) != 0)
            continue;
        *seat_seq = e->event.envelope->seat_seq;
        *hash = e->event.envelope_hash;
        return 0;
    }
    if (overlay_tail(c->a->overlay, env->seat, env->stream, seat_seq, hash))
        return 0;
    int rc = journal_tail(c->a->journal, env->seat, env->stream, &tail);
    *seat_seq = tail.seat_seq;
    *hash = tail.envelope_hash;
    return rc;
}

static int check_order(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    uint64_t seq;
    struct hash hash;

    int rc = tail_of(c, &seq, &hash);
    if (rc)
        return refuse(c->why, rc, "seat_seq", "where the seat stands cannot be read");
    c->why->expected = seq + 1;
    if (env->seat_seq != seq + 1)
        return refuse(c->why, ERR_SEAT_ORDER, "seat_seq", "%llu stated, %llu follows in %s",
                      (unsigned long long)env->seat_seq, (unsigned long long)seq + 1, env->stream);
    size_t size = seq ? HASH_SIZE : 0;
    if (!slice_equal(slice_of(env->previous.data, env->previous.len), slice_of(hash.bytes, size)))
        return refuse(c->why, ERR_SEAT_ORDER, "previous",
                      "not the hash of the seat's envelope %llu in %s", (unsigned long long)seq,
                      env->stream);
    c->why->expected = 0;
    return 0;
}

static int check_cause(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    uint64_t head = journal_head(c->a->journal);
    const struct predecessor *p = admit_predecessor(c);

    if (p && env->cause > p->position)
        return refuse(c->why, ERR_CAUSE, "cause",
                      "position %llu of %s was lost; what it caused is decided anew",
                      (unsigned long long)env->cause, p->log);
    if (env->cause <= head)
        return 0;
    return refuse(c->why, ERR_CAUSE, "cause", "position %llu is not recorded; the log ends at %llu",
                  (unsigned long long)env->cause, (unsigned long long)head);
}

static int check_due(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);

    if (strcmp(env->type, DUE) == 0 && env->effective > c->a->at.now)
        return refuse(c->why, ERR_EARLY, "effective", "the broker's time has not come to it");
    return 0;
}

/* ---- all of them ---- */

static check_step *const allowed_steps[] = {
    check_seat,       check_return,   check_access, check_evidence,
    check_acting_for, check_handling, check_mode,   NULL,
};

static check_step *const steps[] = {
    check_key,   check_signature,   check_halted,           check_id,          check_order,
    check_cause, admit_check_named, admit_check_transcript, admit_check_parts, check_due,
    NULL,
};

static int run(const struct check *c, check_step *const list[])
{
    int rc = 0;

    c->why->index = (uint32_t)c->i;
    c->why->stream = envelope_of(c)->stream;
    c->why->type = envelope_of(c)->type;
    for (size_t k = 0; rc == 0 && list[k]; k++)
        rc = list[k](c);
    return rc;
}

static check_step *const known_steps[] = {check_seat, find_known, NULL};

int admit_known(const struct admit *a, struct admit_event events[], size_t n, struct refusal *why)
{
    struct check c = {a, events, 0, why};
    int rc = 0;

    for (; rc == 0 && c.i < n; c.i++)
        rc = run(&c, known_steps);
    return rc;
}

int admit_allowed(const struct admit *a, struct admit_event events[], size_t n, struct refusal *why)
{
    struct check c = {a, events, 0, why};
    int rc = 0;

    for (; rc == 0 && c.i < n; c.i++)
        rc = run(&c, allowed_steps);
    return rc;
}

/* Whoever accepts the clock and the broker mean the same one, and ids made by it will be taken. */
static int check_clock(const struct check *c, int64_t stated)
{
    const struct standing *at = &c->a->at;
    char ours[40], other[40];

    time_text(ours, at->machine);
    if (!at->jumped)
        return refuse(c->why, ERR_REGISTRY, "",
                      "the clock did not jump: there is nothing to accept");
    time_text(other, stated);
    if (llabs(stated - at->machine) > CLOCKS_AGREE)
        return refuse(c->why, ERR_REGISTRY, "time", "%s is accepted, the broker's clock says %s",
                      other, ours);
    time_text(other, journal_last_received(c->a->journal) - at->ahead);
    if (at->machine + at->ahead < journal_last_received(c->a->journal) - DAY)
        return refuse(c->why, ERR_REGISTRY, "time",
                      "the broker's clock says %s, more than a day before the log's last receipt "
                      "time %s, and receipt times never go back",
                      ours, other);
    return 0;
}

/* As far ahead as a delegation may be issued, so that all which could hold now can be taken back.
 */
static int check_withdrawal_act(const struct check *c)
{
    struct slice payload = event_of(c)->event.payload;
    Core__SeatDelegationsWithdrawn *act =
        core__seat_delegations_withdrawn__unpack(NULL, payload.size, payload.data);
    int rc =
        act->before > c->a->at.now + DELEGATION_AHEAD
            ? refuse(c->why, ERR_REGISTRY, "before", "at most 5 minutes after the broker's time")
            : 0;

    core__seat_delegations_withdrawn__free_unpacked(act, NULL);
    return rc;
}

static int check_clock_act(const struct check *c)
{
    struct slice payload = event_of(c)->event.payload;
    Core__ClockAccepted *act = core__clock_accepted__unpack(NULL, payload.size, payload.data);
    int rc = check_clock(c, act->time);
    core__clock_accepted__free_unpacked(act, NULL);
    return rc;
}

/* A part that no event names is none of the log's: it expires by itself.  One that a predecessor
 * purged stays purged, though the event that named it was lost. */
static int check_purge(const struct check *c, const Core__PartPurged *act)
{
    const struct predecessor *p = admit_predecessor(c);
    struct hash part;
    uint64_t at = 0;

    if (p && act->position > p->position)
        return 0;
    memcpy(part.bytes, act->sha256.data, HASH_SIZE);
    int rc = journal_part(c->a->journal, &part, act->position, &at);
    if (rc && rc != ERR_NOT_FOUND)
        return refuse(c->why, rc, "sha256", "who named the part cannot be read");
    if (rc == 0 && at == act->position)
        return 0;
    return refuse(c->why, ERR_NOT_FOUND, "position",
                  "the event at position %llu names no such part",
                  (unsigned long long)act->position);
}

static int check_purge_act(const struct check *c)
{
    struct slice payload = event_of(c)->event.payload;
    Core__PartPurged *act = core__part_purged__unpack(NULL, payload.size, payload.data);
    int rc = check_purge(c, act);

    core__part_purged__free_unpacked(act, NULL);
    return rc;
}

/* What an act asks of the log and the clock, which the registry does not see. */
static int check_act(const struct check *c)
{
    const char *type = envelope_of(c)->type;

    if (strcmp(type, core__clock_accepted__descriptor.name) == 0)
        return check_clock_act(c);
    if (strcmp(type, core__seat_delegations_withdrawn__descriptor.name) == 0)
        return check_withdrawal_act(c);
    return strcmp(type, core__part_purged__descriptor.name) == 0 ? check_purge_act(c) : 0;
}

static int check_registry(const struct check *c, const struct registry *registry)
{
    const char *field = "";
    char text[256] = "";
    const struct event *e = &event_of(c)->event;
    const struct registry_event act = {e->envelope->seat, e->envelope->type, e->payload};

    if (strcmp(act.type, core__log_succeeded__descriptor.name) == 0)
        return refuse(c->why, ERR_REGISTRY, "type",
                      "a successor is founded by `chancery log restore`, without a broker");
    int rc = registry_check(registry, &act, &field, text);
    return rc ? refuse(c->why, rc, field ? field : "", "%s", text) : check_act(c);
}

static void fold_in(struct registry *copy, uint64_t position, const struct event *e)
{
    registry_fold(copy, position,
                  &(struct registry_event){e->envelope->seat, e->envelope->type, e->payload});
}

/* Several registry events of one batch build on each other: checked in a copy of the registry. */
static int admit_registry(const struct admit *a, struct admit_event events[], size_t n,
                          size_t n_registry, struct refusal *why)
{
    struct registry *copy = n_registry > 1 ? registry_new() : NULL;
    struct check c = {a, events, 0, why};
    uint64_t at;
    int rc = 0;

    if (copy)
        rc = refuse(why, registry_log_fold(copy, a->journal, &at), "",
                    "the registry cannot be read from the log");
    for (; rc == 0 && c.i < n; c.i++) {
        if (events[c.i].known || !admit_is_registry(&events[c.i]))
            continue;
        why->index = (uint32_t)c.i;
        rc = check_registry(&c, copy ? copy : a->registry);
        if (rc == 0 && copy)
            fold_in(copy, journal_head(a->journal) + 1 + c.i, &events[c.i].event);
    }
    registry_free(copy);
    return rc;
}

int admit_check(const struct admit *a, struct admit_event events[], size_t n, struct refusal *why)
{
    struct check c = {a, events, 0, why};
    size_t n_registry = 0;
    int rc = admit_known(a, events, n, why);

    for (; rc == 0 && c.i < n; c.i++) {
        if (events[c.i].known)
            continue;
        n_registry += admit_is_registry(&events[c.i]);
        rc = run(&c, allowed_steps);
        if (rc == 0)
            rc = run(&c, steps);
    }
    return rc || n_registry == 0 ? rc : admit_registry(a, events, n, n_registry, why);
}
