/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/admit.h"

#include <stdlib.h>

#include "broker/deliver.h"
#include "broker/registry_log.h"
#include "lib/err.h"

enum { NAMINGS_MOST = 64 }; /* events looked at for a part; past them it is put again */
static const int64_t DAY = INT64_C(24) * 3600 * 1000000, CLOCKS_AGREE = INT64_C(300) * 1000000;
static const char ROLE_TRANSCRIBER[] = "transcriber";
static const char DUE[] = "chancery.clock.v1.Due";

struct check { /* one event among those of its batch */
    const struct admit *a;
    struct admit_event *events;
    size_t i;
    struct refusal *why;
};

typedef int check_step(const struct check *c);

static struct admit_event *event_of(const struct check *c)
{
    return &c->events[c->i];
}

static const Core__Envelope *envelope_of(const struct check *c)
{
    return c->events[c->i].event.envelope;
}

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

/* The log that the envelope was made for, when this one goes on from it; else NULL. */
static const struct predecessor *predecessor_of(const struct check *c)
{
    return registry_predecessor(c->a->registry, envelope_of(c)->log);
}

static int check_seat(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    const struct seat *seat = c->a->seat;

    if (strcmp(env->log, c->a->log) != 0 && !predecessor_of(c))
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
    if (!predecessor_of(c) || registry_returning(c->a->registry))
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

struct recalled {
    const struct check *c;
    bool yes;
};

static int weigh_recall(void *arg, const struct journal_record *rec)
{
    struct recalled *a = arg;
    struct event e;
    char where[128];
    struct arena *arena = arena_new(FRAME_MOST);

    a->yes = event_open_head(&e, rec->event, arena, where) == 0 &&
             access_recall(a->c->a->registry, a->c->a->seat, e.envelope);
    arena_free(arena);
    return 0;
}

/* A seat that left confirms recalls, and does nothing else. */
static int check_left(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    struct recalled a = {c, false};

    if (env->in_reply_to && env->kind == CORE__KIND__KIND_NEW &&
        env->in_reply_to->position <= journal_head(c->a->journal))
        journal_get(c->a->journal, env->in_reply_to->position, weigh_recall, &a);
    return a.yes ? 0
                 : refuse(c->why, ERR_DENIED, "seat",
                          "%s left: it may confirm recalls, in reply to them, and nothing else",
                          c->a->seat->name);
}

static int check_access(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);

    if (c->a->seat->standing == CORE__STANDING__STANDING_LEFT)
        return check_left(c);
    if (c->a->own || goes_along(c) ||
        (strcmp(env->stream, "audit") != 0 &&
         access_allows(c->a->registry, c->a->seat, CORE__VERB__VERB_PUBLISH, env->stream,
                       env->type)))
        return 0;
    return refuse(c->why, ERR_DENIED, "stream",
                  "no access rule lets %s publish %s in %s; ask an administrator", c->a->seat->name,
                  env->type, env->stream);
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
    int label = (int)envelope_of(c)->handling->label;

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
    if (!of_age && !predecessor_of(c))
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
    const struct predecessor *p = predecessor_of(c);

    if (p && env->cause > p->position)
        return refuse(c->why, ERR_CAUSE, "cause",
                      "position %llu of %s was lost; what it caused is decided anew",
                      (unsigned long long)env->cause, p->log);
    if (env->cause <= head)
        return 0;
    return refuse(c->why, ERR_CAUSE, "cause", "position %llu is not recorded; the log ends at %llu",
                  (unsigned long long)env->cause, (unsigned long long)head);
}

struct named {
    const Core__EventRef *ref;
    bool agrees;
};

static int compare_named(void *arg, const struct journal_record *rec)
{
    struct named *n = arg;
    struct event e;
    char where[128];
    struct arena *arena = arena_new(FRAME_MOST);

    if (event_open(&e, rec->event, rec->payload, arena, where) == 0)
        n->agrees = slice_equal(slice_of(e.envelope_hash.bytes, HASH_SIZE),
                                slice_of(n->ref->envelope_hash.data, n->ref->envelope_hash.len));
    arena_free(arena);
    return 0;
}

/* Another log's, whose readers check it there; so what a predecessor recorded and lost. */
static bool is_elsewhere(const struct check *c, const Core__EventRef *ref)
{
    const char *log = ref->log[0] ? ref->log : envelope_of(c)->log;
    const struct predecessor *p = registry_predecessor(c->a->registry, log);

    return p ? ref->position > p->position : strcmp(log, c->a->log) != 0;
}

static int check_reference(const struct check *c, const Core__EventRef *ref, const char *field)
{
    struct named n = {ref, false};
    uint64_t head = journal_head(c->a->journal);

    if (is_elsewhere(c, ref))
        return 0;
    if (ref->position == 0 || ref->position > head)
        return refuse(c->why, ERR_REFERENCE, field, "position %llu is not recorded",
                      (unsigned long long)ref->position);
    if (ref->envelope_hash.len == 0)
        return 0;
    int rc = journal_get(c->a->journal, ref->position, compare_named, &n);
    if (rc)
        return refuse(c->why, rc, field, "position %llu cannot be read",
                      (unsigned long long)ref->position);
    if (!n.agrees)
        return refuse(c->why, ERR_REFERENCE, field,
                      "the envelope at position %llu has another hash",
                      (unsigned long long)ref->position);
    return 0;
}

static int check_references(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < env->n_references; k++)
        rc = check_reference(c, env->references[k], "references");
    if (rc == 0 && env->in_reply_to)
        rc = check_reference(c, env->in_reply_to, "in_reply_to");
    return rc;
}

/* ---- what it answers or changes ---- */

struct source { /* an event that this one answers, refers to or changes */
    const struct check *c;
    bool acts;    /* it changes it: UPDATE, CANCEL or RECALL */
    bool answers; /* it is a worker's answer to it */
    const char *field;
    int rc;
};

static bool by_originator(const struct check *c, const Core__Envelope *source)
{
    return strcasecmp(source->office, envelope_of(c)->office) == 0 ||
           (source->acting_for[0] && strcasecmp(source->acting_for, envelope_of(c)->office) == 0);
}

static bool same_recipients(Core__Recipient *const a[], size_t n_a, Core__Recipient *const b[],
                            size_t n_b)
{
    bool same = n_a == n_b;

    for (size_t i = 0; same && i < n_a; i++)
        same = a[i]->kind == b[i]->kind && strcasecmp(a[i]->name, b[i]->name) == 0;
    return same;
}

/* A recall reaches exactly whom the original reached. */
static int weigh_act(const struct source *s, const Core__Envelope *source)
{
    const Core__Envelope *env = envelope_of(s->c);
    const Core__Handling *now = env->handling, *then = source->handling;

    if (!by_originator(s->c, source))
        return refuse(s->c->why, ERR_DENIED, "kind", "only %s changes what it published",
                      source->office);
    if (env->kind == CORE__KIND__KIND_RECALL &&
        (now->label != then->label ||
         !same_recipients(now->recipients, now->n_recipients, then->recipients,
                          then->n_recipients) ||
         !same_recipients(now->release_to, now->n_release_to, then->release_to,
                          then->n_release_to)))
        return refuse(s->c->why, ERR_HANDLING, "handling",
                      "a recall goes to the recipients of the original, under its label");
    return 0;
}

/* Its originator may release it; a worker may lower what the table says. */
static int weigh_lowering(const struct source *s, const Core__Envelope *source)
{
    const Core__Envelope *env = envelope_of(s->c);

    if (by_originator(s->c, source) ||
        access_as_restricted(env->handling, source->handling, source->office))
        return 0;
    int lowest = s->answers ? registry_lowest(s->c->a->registry, source->type, env->type) : 0;
    if (lowest && (int)env->handling->label >= lowest)
        return 0;
    return refuse(s->c->why, ERR_LOWERED, s->field,
                  "less restricted than what it answers, %s of %s: keep its label and recipients, "
                  "or ask its originator to release it",
                  label_text((int)source->handling->label), source->office);
}

/* What a seat may not read, it learns nothing of by answering. */
static bool may_name(const struct source *s, const Core__Envelope *source)
{
    const struct seat *seat = s->c->a->seat;

    return s->c->a->own || strcmp(source->seat, seat->name) == 0 ||
           access_read(s->c->a->registry, seat, source);
}

static int weigh_source(void *arg, const struct journal_record *rec)
{
    struct source *s = arg;
    struct event e;
    char where[128];
    struct arena *arena = arena_new(FRAME_MOST);

    s->rc = event_open_head(&e, rec->event, arena, where);
    if (s->rc == 0 && !may_name(s, e.envelope))
        s->rc = refuse(s->c->why, s->answers ? ERR_CAUSE : ERR_REFERENCE, s->field,
                       "position %llu is not one that %s may read",
                       (unsigned long long)rec->position, s->c->a->seat->name);
    if (s->rc == 0 && s->acts)
        s->rc = weigh_act(s, e.envelope);
    if (s->rc == 0)
        s->rc = weigh_lowering(s, e.envelope);
    arena_free(arena);
    return 0;
}

static int check_source(struct source *s, uint64_t position)
{
    int rc = journal_get(s->c->a->journal, position, weigh_source, s);

    return rc ? refuse(s->c->why, rc, s->field, "position %llu cannot be read",
                       (unsigned long long)position)
              : s->rc;
}

/* The one before it in the batch answered the same input alike, and passed. */
static bool answers_as_before(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c), *before;

    if (c->i == 0 || c->events[c->i - 1].known)
        return false;
    before = c->events[c->i - 1].event.envelope;
    return before->cause == env->cause && strcmp(before->type, env->type) == 0 &&
           before->handling->label == env->handling->label &&
           env->handling->n_recipients + env->handling->n_release_to == 0;
}

static int check_answered(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < env->n_references; k++) {
        struct source s = {c, k == 0 && env->kind != CORE__KIND__KIND_NEW, false, "references", 0};
        if (!is_elsewhere(c, env->references[k]))
            rc = check_source(&s, env->references[k]->position);
    }
    if (rc == 0 && env->in_reply_to && !is_elsewhere(c, env->in_reply_to)) {
        struct source s = {c, false, false, "in_reply_to", 0};
        rc = check_source(&s, env->in_reply_to->position);
    }
    if (rc == 0 && env->cause && !answers_as_before(c)) {
        struct source s = {c, false, true, "cause", 0};
        rc = check_source(&s, env->cause);
    }
    return rc;
}

struct naming { /* an event that names a part */
    const struct check *c;
    bool open; /* the seat wrote it or may read it */
};

static int weigh_naming(void *arg, const struct journal_record *rec)
{
    struct naming *n = arg;
    const struct seat *seat = n->c->a->seat;
    struct event e;
    char where[128];
    struct arena *arena = arena_new(FRAME_MOST);

    n->open = event_open_head(&e, rec->event, arena, where) == 0 &&
              (strcmp(e.envelope->seat, seat->name) == 0 ||
               access_read(n->c->a->registry, seat, e.envelope));
    arena_free(arena);
    return 0;
}

/* Who only knows a part's hash must not get its bytes through an event of its own. 0 where the seat
 * may name it, ERR_NOT_FOUND, or that the log cannot be read. */
static int find_naming(const struct check *c, const struct hash *part)
{
    struct naming n = {c, parts_put_by(c->a->parts, c->a->seat->name, part)};
    uint64_t at = 0;
    int rc = 0;

    for (int k = 0; rc == 0 && !n.open && k < NAMINGS_MOST; k++) {
        rc = journal_part(c->a->journal, part, at + 1, &at);
        if (rc == 0)
            rc = journal_get(c->a->journal, at, weigh_naming, &n);
    }
    return rc == 0 && !n.open ? ERR_NOT_FOUND : rc;
}

static bool is_kept_no_more(const struct check *c)
{
    int64_t until = envelope_of(c)->handling->retain_until;

    return until && until < c->a->at.now;
}

static int check_part(const struct check *c, const Core__PartRef *ref)
{
    struct hash part;
    char hex[2 * HASH_SIZE + 1];

    memcpy(part.bytes, ref->sha256.data, HASH_SIZE);
    hex_encode(hex, part.bytes, HASH_SIZE);
    const struct purge *purge = registry_purged(c->a->registry, &part);
    if (purge && predecessor_of(c)) /* what was recorded with the part comes back without it */
        return 0;
    if (purge)
        return refuse(c->why, ERR_PURGED, "parts",
                      "%s was purged at position %llu: no new event may name it", hex,
                      (unsigned long long)purge->position);
    int rc = find_naming(c, &part);
    if (rc && rc != ERR_NOT_FOUND)
        return refuse(c->why, rc, "parts", "who named the part cannot be read");
    int64_t size = rc == 0 ? parts_size(c->a->parts, &part) : -1;
    if (size < 0 && predecessor_of(c) && is_kept_no_more(c))
        return 0;
    if (size < 0)
        return refuse(c->why, ERR_PART_MISSING, "parts",
                      "%s was not put by this seat; put it first", hex);
    return (uint64_t)size == ref->size
               ? 0
               : refuse(c->why, ERR_PART, "parts", "%s has another size", hex);
}

static int check_parts(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < env->n_parts; k++)
        rc = check_part(c, env->parts[k]);
    return rc;
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
    check_key,        check_signature, check_halted, check_id,  check_order, check_cause,
    check_references, check_answered,  check_parts,  check_due, NULL,
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
    const struct predecessor *p = predecessor_of(c);
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
