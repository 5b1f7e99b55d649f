/* SPDX-License-Identifier: Apache-2.0 */
/* admit_named.c - recorded events that an event names: may it, and is it as restricted as they? */
#include <strings.h>

#include "broker/admit_inside.h"
#include "lib/err.h"
#include "lib/seal.h"

enum { NAMINGS_MOST = 64 }; /* events looked at for a part; past them it is put again */

/* ---- a recorded event ---- */

struct looking {
    see_event *see;
    void *arg;
    int rc;
};

static int open_recorded(void *arg, const struct journal_record *rec)
{
    struct looking *l = arg;
    struct event e;
    char where[128];
    struct arena *arena = arena_new_for(rec->event.size, FRAME_MOST);

    l->rc = event_open_head(&e, rec->event, arena, where);
    if (l->rc == 0)
        l->see(l->arg, &e);
    arena_free(arena);
    return 0;
}

int admit_look_at(const struct check *c, uint64_t position, see_event *see, void *arg)
{
    struct looking l = {see, arg, 0};
    int rc = journal_get(c->a->journal, position, open_recorded, &l);

    return rc ? rc : l.rc;
}

static bool may_read(const struct check *c, const Core__Envelope *recorded)
{
    return c->a->own || strcmp(recorded->seat, c->a->seat->name) == 0 ||
           mandate_read(c->a->registry, c->a->by, recorded);
}

/* ---- recalls ---- */

struct recalled {
    const struct check *c;
    bool yes;
};

static void see_recall(void *arg, const struct event *e)
{
    struct recalled *a = arg;

    a->yes = access_recall(a->c->a->registry, a->c->a->seat, e->envelope);
}

int admit_check_left(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    struct recalled a = {c, false};
    int rc = env->in_reply_to && env->kind == CORE__KIND__KIND_NEW
                 ? admit_look_at(c, env->in_reply_to->position, see_recall, &a)
                 : 0;

    if (rc && rc != ERR_NOT_FOUND)
        return refuse(c->why, rc, "in_reply_to", "what it answers cannot be read");
    return a.yes ? 0
                 : refuse(c->why, ERR_DENIED, "seat",
                          "%s left: it may confirm recalls, in reply to them, and nothing else",
                          c->a->seat->name);
}

/* ---- what it answers, refers to or changes ---- */

struct source {
    const struct check *c;
    uint64_t position;
    ProtobufCBinaryData hash; /* of its envelope, as stated; empty = not stated */
    bool acts;                /* it changes it: UPDATE, CANCEL or RECALL */
    const char *field;
    int err; /* of a reference that does not fit */
    int rc;
};

/* The office that published it, the one that it was published for, or a deputy of either. */
static bool by_originator(const struct check *c, const Core__Envelope *source)
{
    const Core__Envelope *env = envelope_of(c);
    const char *deputy_of = env->evidence == CORE__EVIDENCE__EVIDENCE_SIGNED ? env->acting_for : "";

    return strcasecmp(source->office, env->office) == 0 ||
           strcasecmp(source->office, deputy_of) == 0 ||
           (source->acting_for[0] && (strcasecmp(source->acting_for, env->office) == 0 ||
                                      strcasecmp(source->acting_for, deputy_of) == 0));
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

/* Its originator may release it; an answer may be lower where the table says so. */
static int weigh_lowering(const struct source *s, const Core__Envelope *source)
{
    const Core__Envelope *env = envelope_of(s->c);

    if (by_originator(s->c, source) ||
        access_as_restricted(env->handling, source->handling, source->office))
        return 0;
    int lowest =
        admit_is_answer(s->c) ? registry_lowest(s->c->a->registry, source->type, env->type) : 0;
    if (lowest && (int)env->handling->label >= lowest)
        return 0;
    return refuse(s->c->why, ERR_LOWERED, s->field,
                  "less restricted than what it answers, %s of %s: keep its label and recipients, "
                  "or ask its originator to release it",
                  label_text((int)source->handling->label), source->office);
}

static bool is_that(const struct source *s, const struct event *e)
{
    struct hash hash;

    if (s->hash.len == 0)
        return true;
    hash_sha256(&hash, slice_of(e->signed_event->envelope.data, e->signed_event->envelope.len));
    return slice_equal(slice_of(hash.bytes, HASH_SIZE), slice_of(s->hash.data, s->hash.len));
}

/* What a seat may not read, it learns nothing of by naming it. */
static void see_source(void *arg, const struct event *e)
{
    struct source *s = arg;
    struct refusal *why = s->c->why;

    if (!may_read(s->c, e->envelope))
        s->rc = refuse(why, s->err, s->field, "position %llu is not one that %s may read",
                       (unsigned long long)s->position, s->c->a->seat->name);
    else if (!is_that(s, e))
        s->rc = refuse(why, s->err, s->field, "the envelope at position %llu has another hash",
                       (unsigned long long)s->position);
    else if (s->acts)
        s->rc = weigh_act(s, e->envelope);
    if (s->rc == 0)
        s->rc = weigh_lowering(s, e->envelope);
}

static int check_source(struct source *s)
{
    uint64_t head = journal_head(s->c->a->journal);

    if (s->position == 0 || s->position > head)
        return refuse(s->c->why, s->err, s->field, "position %llu is not recorded",
                      (unsigned long long)s->position);
    int rc = admit_look_at(s->c, s->position, see_source, s);
    return rc ? refuse(s->c->why, rc, s->field, "position %llu cannot be read",
                       (unsigned long long)s->position)
              : s->rc;
}

static int check_reference(const struct check *c, const Core__EventRef *ref, const char *field,
                           bool acts)
{
    struct source s = {.c = c,
                       .position = ref->position,
                       .hash = ref->envelope_hash,
                       .acts = acts,
                       .field = field,
                       .err = ERR_REFERENCE};

    /* its readers check it there */
    return registry_elsewhere(c->a->registry, envelope_of(c)->log, ref) ? 0 : check_source(&s);
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

int admit_check_named(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    struct source cause = {.c = c, .position = env->cause, .field = "cause", .err = ERR_CAUSE};
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < env->n_references; k++)
        rc = check_reference(c, env->references[k], "references",
                             k == 0 && env->kind != CORE__KIND__KIND_NEW);
    if (rc == 0 && env->in_reply_to)
        rc = check_reference(c, env->in_reply_to, "in_reply_to", false);
    if (rc == 0 && env->cause && !answers_as_before(c))
        rc = check_source(&cause);
    return rc;
}

/* ---- parts ---- */

struct naming { /* an event that names a part */
    const struct check *c;
    bool open; /* the seat wrote it or may read it */
};

static void see_naming(void *arg, const struct event *e)
{
    struct naming *n = arg;

    n->open = may_read(n->c, e->envelope);
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
            rc = admit_look_at(c, at, see_naming, &n);
    }
    return rc == 0 && !n.open ? ERR_NOT_FOUND : rc;
}

/* Whether it is sealed for whom it says nobody here can tell, but a clear one shows. */
static int check_sealed(const struct check *c, const struct hash *part, const char *hex)
{
    struct buf first = {0};
    uint64_t size;
    int rc = parts_get(c->a->parts, part, 0, SEAL_INTRO_SIZE, &first, &size);

    if (rc)
        rc = refuse(c->why, rc, "parts", "%s cannot be read", hex);
    else if (!seal_begins(slice_buf(&first)))
        rc = refuse(c->why, ERR_PART, "parts",
                    "%s is said to be sealed and is no file of age v1; seal it first", hex);
    buf_free(&first);
    return rc;
}

static bool is_kept_no_more(const struct check *c)
{
    int64_t until = envelope_of(c)->handling->retain_until;

    return until && until < c->a->at.now;
}

/* What a predecessor took comes back as it is, its sealed parts unopened and without what went. */
static int check_stored(const struct check *c, const Core__PartRef *ref, const struct hash *part,
                        const char *hex)
{
    int rc = find_naming(c, part);
    if (rc && rc != ERR_NOT_FOUND)
        return refuse(c->why, rc, "parts", "who named the part cannot be read");
    int64_t size = rc == 0 ? parts_size(c->a->parts, part) : -1;
    if (size < 0 && admit_predecessor(c) && is_kept_no_more(c))
        return 0;
    if (size < 0)
        return refuse(c->why, ERR_PART_MISSING, "parts",
                      "%s was not put by this seat; put it first", hex);
    if ((uint64_t)size != ref->size)
        return refuse(c->why, ERR_PART, "parts", "%s has another size", hex);
    return ref->sealed && !admit_predecessor(c) ? check_sealed(c, part, hex) : 0;
}

static int check_part(const struct check *c, const Core__PartRef *ref)
{
    struct hash part;
    char hex[2 * HASH_SIZE + 1];

    memcpy(part.bytes, ref->sha256.data, HASH_SIZE);
    hex_encode(hex, part.bytes, HASH_SIZE);
    const struct purge *purge = registry_purged(c->a->registry, &part);
    if (!purge)
        return check_stored(c, ref, &part, hex);
    if (admit_predecessor(c))
        return 0;
    return refuse(c->why, ERR_PURGED, "parts",
                  "%s was purged at position %llu: no new event may name it", hex,
                  (unsigned long long)purge->position);
}

int admit_check_parts(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    int rc = 0;

    for (size_t k = 0; rc == 0 && k < env->n_parts; k++)
        rc = check_part(c, env->parts[k]);
    return rc;
}
