/* SPDX-License-Identifier: Apache-2.0 */
/* registry_rules.c - the founding, access rules, limits of streams, purges, the quorum and the
 * clock
 *
 * All of it is the administrators'.
 */
#include <strings.h>

#include "broker/access.h"
#include "broker/journal.h"
#include "broker/registry_inside.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/note.h"

static const int64_t AHEAD_MOST = INT64_C(100) * 366 * 86400 * 1000000;

/* ---- the log itself ---- */

static int check_founded(const struct act *a, const void *body)
{
    const Core__LogFounded *founded = body;

    if (a->r->founded)
        return registry_refuse(a, ERR_REGISTRY, "", "the log %.80s is founded already",
                               a->r->founded->log);
    if (founded->format != JOURNAL_FORMAT)
        return registry_refuse(a, ERR_VERSION, "format", "only format %d is known", JOURNAL_FORMAT);
    if (!log_name_valid(founded->log))
        return registry_refuse(a, ERR_FIELD, "log", "'%.80s' is no name of a log", founded->log);
    if (founded->log_key.len != KEY_SIZE || founded->server_key.len != KEY_SIZE ||
        founded->administrator_key.len != KEY_SIZE)
        return registry_refuse(a, ERR_FIELD, "log_key", "a key has 32 bytes");
    int rc = registry_check_identifier(a, founded->administrator, "administrator");
    return rc ? rc : registry_check_identifier(a, founded->broker, "broker");
}

static int check_succeeded(const struct act *a, const void *body)
{
    const Core__LogSucceeded *m = body;

    if (!log_name_valid(m->log))
        return registry_refuse(a, ERR_FIELD, "log", "'%.80s' is no name of a log", m->log);
    if (strcmp(m->predecessor, a->r->log) != 0)
        return registry_refuse(a, ERR_REGISTRY, "predecessor", "this is a copy of %.80s",
                               a->r->log);
    if (strcmp(m->log, a->r->log) == 0 || registry_predecessor(a->r, m->log))
        return registry_refuse(a, ERR_EXISTS, "log",
                               "the log had the name %.80s before; choose another", m->log);
    if (m->log_key.len != KEY_SIZE)
        return registry_refuse(a, ERR_FIELD, "log_key", "a key has 32 bytes");
    if (m->root.len != HASH_SIZE)
        return registry_refuse(a, ERR_FIELD, "root", "the root of a tree has 32 bytes");
    if (m->lost && m->lost <= m->position)
        return registry_refuse(a, ERR_FIELD, "lost",
                               "position %llu is in the copy, which ends at %llu",
                               (unsigned long long)m->lost, (unsigned long long)m->position);
    if (m->checkpoint.len > NOTE_SIZE)
        return registry_refuse(a, ERR_BOUNDS, "checkpoint", "a note has at most %d bytes",
                               NOTE_SIZE);
    return 0;
}

static int check_return_ended(const struct act *a, const void *body)
{
    (void)body;
    return a->r->returning ? 0 : registry_refuse(a, ERR_REGISTRY, "", "no return is open");
}

static void fold_founded(struct registry *r, const struct folded *f, const void *body)
{
    const Core__LogFounded *founded = body;

    r->founded = registry_message(&founded->base);
    r->log = mem_str(founded->log);
    memcpy(r->log_key, founded->log_key.data, KEY_SIZE);
    registry_key_new(r, f->position, registry_seat_new(r, founded->administrator),
                     CORE__KEY_KIND__KEY_KIND_ED25519, founded->administrator_key.data, "");
}

/* One that does not stand where it says is no succession: a log from elsewhere may hold anything.
 */
static void fold_succeeded(struct registry *r, const struct folded *f, const void *body)
{
    const Core__LogSucceeded *m = body;

    if (f->position != m->position + 1)
        return;
    r->predecessors = mem_grow(r->predecessors, (r->n_predecessors + 1) * sizeof *r->predecessors);
    struct predecessor *p = &r->predecessors[r->n_predecessors++];
    *p = (struct predecessor){.log = r->log, .position = m->position};
    memcpy(p->root.bytes, m->root.data, HASH_SIZE);
    r->log = mem_str(m->log);
    memcpy(r->log_key, m->log_key.data, KEY_SIZE);
    r->returning = true;
}

static void fold_return_ended(struct registry *r, const struct folded *f, const void *body)
{
    (void)f;
    (void)body;
    r->returning = false;
}

/* ---- access rules ---- */

/* Exact, or a prefix and one '*' at its end. */
static bool pattern_valid(const char *pattern, size_t most)
{
    size_t n = strlen(pattern);

    return n > 0 && n <= most && strcspn(pattern, "*") >= n - 1;
}

struct mending { /* may the seat still change rules? */
    const struct seat *seat;
    const Core__AccessRule *instead; /* of the rule of its name */
    bool allowed, denied;
};

static void weigh_mending(void *arg, const Core__AccessRule *rule)
{
    struct mending *m = arg;

    if (rule != m->instead && strcasecmp(rule->rule, m->instead->rule) == 0)
        return;
    int says = access_rule_says(rule, m->seat, CORE__VERB__VERB_PUBLISH, "registry",
                                core__access_rule__descriptor.name);
    m->allowed = m->allowed || says > 0;
    m->denied = m->denied || says < 0;
}

/* A rule after which no administrator could ever change a rule again is a mistake. */
static int check_lock_out(const struct act *a, const Core__AccessRule *rule)
{
    bool before = false, after = false;

    for (size_t i = 0; i < a->r->seats.n && !after; i++) {
        struct mending m = {.seat = a->r->seats.at[i], .instead = rule};
        if (!registry_is_administrator(a->r, m.seat))
            continue;
        before = before || access_allows(a->r, m.seat, CORE__VERB__VERB_PUBLISH, "registry",
                                         core__access_rule__descriptor.name);
        registry_each_rule(a->r, weigh_mending, &m);
        if (!rule->withdrawn)
            weigh_mending(&m, rule);
        after = m.allowed && !m.denied;
    }
    return after || !before ? 0
                            : registry_refuse(a, ERR_REGISTRY, "rule",
                                              "with it no administrator could change a rule again");
}

static int check_rule(const struct act *a, const void *body)
{
    const Core__AccessRule *rule = body;
    int rc = registry_check_identifier(a, rule->rule, "rule");

    if (rc)
        return rc;
    if (rule->withdrawn)
        return table_find(&a->r->rules, rule->rule)
                   ? check_lock_out(a, rule)
                   : registry_refuse(a, ERR_NOT_FOUND, "rule", "there is no rule %s", rule->rule);
    if (rule->effect != CORE__EFFECT__EFFECT_ALLOW && rule->effect != CORE__EFFECT__EFFECT_DENY)
        return registry_refuse(a, ERR_FIELD, "effect", "a rule allows or denies");
    if (rule->subject_kind < CORE__SUBJECT_KIND__SUBJECT_KIND_ANY ||
        rule->subject_kind > CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT)
        return registry_refuse(a, ERR_FIELD, "subject_kind", "say whom the rule concerns");
    bool any = rule->subject_kind == CORE__SUBJECT_KIND__SUBJECT_KIND_ANY;
    if (any != (rule->subject[0] == '\0') || strchr(rule->subject, '*'))
        return registry_refuse(a, ERR_FIELD, "subject", "name one subject exactly, none for ANY");
    if (rule->n_verbs < 1 || rule->n_verbs > 4)
        return registry_refuse(a, ERR_FIELD, "verbs", "a rule names 1 to 4 verbs");
    for (size_t i = 0; i < rule->n_verbs; i++)
        if (rule->verbs[i] < CORE__VERB__VERB_PUBLISH || rule->verbs[i] > CORE__VERB__VERB_OFFER)
            return registry_refuse(a, ERR_FIELD, "verbs", "publish, read, ask or offer");
    if (!pattern_valid(rule->stream, STREAM_MOST))
        return registry_refuse(a, ERR_FIELD, "stream", "'%.80s': exact, or one '*' at the end",
                               rule->stream);
    return pattern_valid(rule->type, TYPE_MOST)
               ? check_lock_out(a, rule)
               : registry_refuse(a, ERR_FIELD, "type", "'%.80s': exact, or one '*' at the end",
                                 rule->type);
}

static void fold_rule(struct registry *r, const struct folded *f, const void *body)
{
    const Core__AccessRule *added = body;

    (void)f;
    registry_rule_free(table_take(&r->rules, added->rule));
    if (added->withdrawn)
        return;
    struct rule *rule = mem_new(sizeof *rule);
    rule->rule = registry_message(&added->base);
    rule->name = rule->rule->rule;
    table_add(&r->rules, rule);
}

/* ---- what streams take, and what workers may lower ---- */

static int check_limit(const struct act *a, const void *body)
{
    const Core__StreamLimited *m = body;

    if (!pattern_valid(m->stream, STREAM_MOST))
        return registry_refuse(a, ERR_FIELD, "stream", "'%.80s': exact, or one '*' at the end",
                               m->stream);
    return m->most >= CORE__LABEL__LABEL_CLEAR && m->most <= CORE__LABEL__LABEL_RED
               ? 0
               : registry_refuse(a, ERR_FIELD, "most", "not a TLP 2.0 label");
}

static void fold_limit(struct registry *r, const struct folded *f, const void *body)
{
    const Core__StreamLimited *m = body;
    struct stream_limit *limit = table_find(&r->limits, m->stream);

    (void)f;
    if (!limit) {
        limit = mem_new(sizeof *limit);
        limit->name = mem_str(m->stream);
        table_add(&r->limits, limit);
    }
    limit->most = (int)m->most;
}

static int check_lowering(const struct act *a, const void *body)
{
    const Core__LoweringAllowed *m = body;
    int rc = registry_check_identifier(a, m->rule, "rule");

    if (rc)
        return rc;
    if (m->withdrawn)
        return table_find(&a->r->lowerings, m->rule)
                   ? 0
                   : registry_refuse(a, ERR_NOT_FOUND, "rule", "there is no rule %s", m->rule);
    if (!type_valid(m->input_type) || !type_valid(m->output_type))
        return registry_refuse(a, ERR_FIELD, "input_type",
                               "name two types in full; a lowering has no patterns");
    return m->lowest >= CORE__LABEL__LABEL_CLEAR && m->lowest <= CORE__LABEL__LABEL_RED
               ? 0
               : registry_refuse(a, ERR_FIELD, "lowest", "not a TLP 2.0 label");
}

static void fold_lowering(struct registry *r, const struct folded *f, const void *body)
{
    const Core__LoweringAllowed *m = body;

    (void)f;
    registry_lowering_free(table_take(&r->lowerings, m->rule));
    if (m->withdrawn)
        return;
    struct lowering *l = mem_new(sizeof *l);
    l->allowed = registry_message(&m->base);
    l->name = l->allowed->rule;
    table_add(&r->lowerings, l);
}

/* ---- purges of parts ---- */

static int check_purged(const struct act *a, const void *body)
{
    const Core__PartPurged *m = body;
    struct hash part;

    if (m->sha256.len != HASH_SIZE)
        return registry_refuse(a, ERR_FIELD, "sha256", "a SHA-256 has %d bytes", HASH_SIZE);
    if (!m->reason[0])
        return registry_refuse(a, ERR_FIELD, "reason", "say why: it is all that will be left");
    memcpy(part.bytes, m->sha256.data, HASH_SIZE);
    const struct purge *before = registry_purged(a->r, &part);
    if (before)
        return registry_refuse(a, ERR_EXISTS, "sha256", "the part was purged at position %llu",
                               (unsigned long long)before->position);
    return registry_check_text(a, m->reason, "reason");
}

static void fold_purged(struct registry *r, const struct folded *f, const void *body)
{
    const Core__PartPurged *m = body;
    struct purge *purge = mem_new(sizeof *purge);
    char name[2 * HASH_SIZE + 1];

    hex_encode(name, m->sha256.data, HASH_SIZE);
    *purge = (struct purge){mem_str(name), mem_str(m->reason), f->by, f->position};
    table_add(&r->purges, purge);
}

void registry_purge_free(struct purge *purge)
{
    mem_free((void *)(uintptr_t)purge->part);
    mem_free((void *)(uintptr_t)purge->reason);
    mem_free(purge);
}

/* ---- the quorum ---- */

static int check_quorum(const struct act *a, const void *body)
{
    const Core__QuorumSet *m = body;
    size_t seated = registry_administrators(a->r);

    return m->administrators >= 1 && m->administrators <= seated
               ? 0
               : registry_refuse(a, ERR_FIELD, "administrators",
                                 "1 to %zu: so many administrators are seated", seated);
}

static void fold_quorum(struct registry *r, const struct folded *f, const void *body)
{
    (void)f;
    r->quorum = ((const Core__QuorumSet *)body)->administrators;
}

static bool has_signed(const struct pending *p, const struct seat *seat)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->signed_by[i] == seat)
            return true;
    return false;
}

/* Who is no administrator any more has not signed. */
static bool is_last(const struct registry *r, const struct pending *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += registry_is_administrator(r, p->signed_by[i]);
    return n + 1 >= r->quorum;
}

static int check_confirmed(const struct act *a, const void *body)
{
    const Core__ActConfirmed *m = body;
    const struct pending *p = registry_pending(a->r, m->position);

    if (!p)
        return registry_refuse(a, ERR_NOT_FOUND, "position", "no act waits at position %llu",
                               (unsigned long long)m->position);
    if (has_signed(p, a->by))
        return registry_refuse(a, ERR_EXISTS, "position", "%s signed it before; another one must",
                               a->by->name);
    return is_last(a->r, p) ? registry_check_pending(a, p) : 0;
}

static void fold_confirmed(struct registry *r, const struct folded *f, const void *body)
{
    const Core__ActConfirmed *m = body;
    struct pending *p = registry_pending(r, m->position);

    if (is_last(r, p)) {
        registry_fold_pending(r, f, p);
        registry_pending_drop(r, m->position);
        return;
    }
    p->signed_by = mem_grow(p->signed_by, (p->n + 1) * sizeof *p->signed_by);
    p->signed_by[p->n++] = f->by;
}

static int check_withdrawn(const struct act *a, const void *body)
{
    const Core__ActWithdrawn *m = body;

    if (!registry_pending(a->r, m->position))
        return registry_refuse(a, ERR_NOT_FOUND, "position", "no act waits at position %llu",
                               (unsigned long long)m->position);
    return registry_check_text(a, m->reason, "reason");
}

static void fold_withdrawn(struct registry *r, const struct folded *f, const void *body)
{
    (void)f;
    registry_pending_drop(r, ((const Core__ActWithdrawn *)body)->position);
}

/* ---- the clock ---- */

static int check_accepted(const struct act *a, const void *body)
{
    const Core__ClockAccepted *accepted = body;

    if (accepted->time <= 0)
        return registry_refuse(a, ERR_FIELD, "time", "say what time it is");
    return registry_check_text(a, accepted->reason, "reason");
}

static int check_moved(const struct act *a, const void *body)
{
    const Core__ClockMoved *moved = body;

    if (!a->r->founded->exercise)
        return registry_refuse(a, ERR_REGISTRY, "",
                               "only the clock of a log for exercises is moved");
    if (moved->by <= 0 || moved->by > AHEAD_MOST - a->r->clock.ahead)
        return registry_refuse(a, ERR_FIELD, "by", "the clock moves forward, by 100 years in all");
    return registry_check_text(a, moved->reason, "reason");
}

static void fold_accepted(struct registry *r, const struct folded *f, const void *body)
{
    const Core__ClockAccepted *accepted = body;

    r->clock.accepted = f->position;
    r->clock.accepted_time = accepted->time;
}

static void fold_moved(struct registry *r, const struct folded *f, const void *body)
{
    const Core__ClockMoved *moved = body;

    (void)f;
    r->clock.ahead += moved->by;
}

const struct row registry_rules[] = {
    {&core__log_founded__descriptor, check_founded, fold_founded, NULL, NULL},
    {&core__log_succeeded__descriptor, check_succeeded, fold_succeeded, NULL, NULL},
    {&core__return_ended__descriptor, check_return_ended, fold_return_ended, NULL, NULL},
    {&core__access_rule__descriptor, check_rule, fold_rule, NULL, registry_always},
    {&core__stream_limited__descriptor, check_limit, fold_limit, NULL, registry_always},
    {&core__lowering_allowed__descriptor, check_lowering, fold_lowering, NULL, registry_always},
    {&core__part_purged__descriptor, check_purged, fold_purged, NULL, registry_always},
    {&core__quorum_set__descriptor, check_quorum, fold_quorum, NULL, registry_always},
    {&core__act_confirmed__descriptor, check_confirmed, fold_confirmed, NULL, NULL},
    {&core__act_withdrawn__descriptor, check_withdrawn, fold_withdrawn, NULL, NULL},
    {&core__clock_accepted__descriptor, check_accepted, fold_accepted, NULL, NULL},
    {&core__clock_moved__descriptor, check_moved, fold_moved, NULL, NULL},
    {0},
};
