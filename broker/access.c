/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/access.h"

#include <stdio.h>
#include <strings.h>

#include "lib/envelope.h"

struct question { /* and what the rules say so far */
    const struct seat *seat;
    Core__Verb verb;
    const char *stream, *type;
    bool allowed, denied;
    const char *decided; /* by the rule of that name */
};

static bool rule_concerns(const Core__AccessRule *rule, const struct seat *seat)
{
    switch (rule->subject_kind) {
    case CORE__SUBJECT_KIND__SUBJECT_KIND_ANY:
        return true;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_PARTY:
        return strcasecmp(rule->subject, seat->office->party) == 0;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_OFFICE:
        return strcasecmp(rule->subject, seat->office->name) == 0;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE:
        return registry_has_role(seat->office, rule->subject);
    case CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT:
        return strcasecmp(rule->subject, seat->name) == 0;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_UNSPECIFIED:
    case _CORE__SUBJECT_KIND_IS_INT_SIZE:
    default:
        return false;
    }
}

static bool has_verb(const Core__AccessRule *rule, Core__Verb verb)
{
    for (size_t i = 0; i < rule->n_verbs; i++)
        if (rule->verbs[i] == verb)
            return true;
    return false;
}

/* Two patterns have a name in common: the shorter fixed beginning begins the other one. */
static bool patterns_meet(const char *a, const char *b)
{
    size_t fixed_a = strcspn(a, "*"), fixed_b = strcspn(b, "*");
    size_t n = fixed_a < fixed_b ? fixed_a : fixed_b;

    if (strncmp(a, b, n) != 0)
        return false;
    return (fixed_a <= fixed_b || b[fixed_b] == '*') && (fixed_b <= fixed_a || a[fixed_a] == '*');
}

int access_rule_says(const Core__AccessRule *rule, const struct seat *seat, Core__Verb verb,
                     const char *stream, const char *type)
{
    if (!has_verb(rule, verb) || !rule_concerns(rule, seat) ||
        !pattern_match(rule->stream, stream) || !pattern_match(rule->type, type))
        return 0;
    return rule->effect == CORE__EFFECT__EFFECT_DENY ? -1 : 1;
}

static void weigh(void *arg, const Core__AccessRule *rule)
{
    struct question *q = arg;

    if (q->denied)
        return;
    int says = access_rule_says(rule, q->seat, q->verb, q->stream, q->type);
    if (says < 0 || (says > 0 && !q->allowed))
        q->decided = rule->rule;
    q->allowed = q->allowed || says > 0;
    q->denied = says < 0;
}

static void weigh_any(void *arg, const Core__AccessRule *rule)
{
    struct question *q = arg;

    q->allowed =
        q->allowed || (rule->effect == CORE__EFFECT__EFFECT_ALLOW && has_verb(rule, q->verb) &&
                       rule_concerns(rule, q->seat) && patterns_meet(rule->stream, q->stream));
}

bool access_allows(const struct registry *r, const struct seat *seat, Core__Verb verb,
                   const char *stream, const char *type)
{
    return access_decides(r, seat, verb, stream, type, &(const char *){NULL});
}

bool access_decides(const struct registry *r, const struct seat *seat, Core__Verb verb,
                    const char *stream, const char *type, const char **rule)
{
    struct question q = {.seat = seat, .verb = verb, .stream = stream, .type = type};

    registry_each_rule(r, weigh, &q);
    *rule = q.decided;
    return seat->standing == CORE__STANDING__STANDING_SEATED && q.allowed && !q.denied;
}

bool access_may_read(const struct registry *r, const struct seat *seat, const char *stream_pattern)
{
    struct question q = {.seat = seat, .verb = CORE__VERB__VERB_READ, .stream = stream_pattern};

    if (seat->standing == CORE__STANDING__STANDING_LEFT)
        return true; /* recalls may come anywhere */
    registry_each_rule(r, weigh_any, &q);
    return q.allowed;
}

static bool names_one(const Core__Recipient *recipient, const struct seat *seat)
{
    switch (recipient->kind) {
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY:
        return strcasecmp(recipient->name, seat->office->party) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE:
        return strcasecmp(recipient->name, seat->office->name) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT:
        return strcasecmp(recipient->name, seat->name) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP: /* groups hold no groups */
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_UNSPECIFIED:
    case _CORE__RECIPIENT_KIND_IS_INT_SIZE:
    default:
        return false;
    }
}

bool access_names(const struct registry *r, const Core__Recipient *recipient,
                  const struct seat *seat)
{
    if (recipient->kind != CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP)
        return names_one(recipient, seat);
    const Core__GroupSet *group = registry_group(r, recipient->name);
    for (size_t i = 0; group && i < group->n_members; i++)
        if (names_one(group->members[i], seat))
            return true;
    return false;
}

static bool list_names(const struct registry *r, Core__Recipient *const list[], size_t n,
                       const struct seat *seat)
{
    for (size_t i = 0; i < n; i++)
        if (access_names(r, list[i], seat))
            return true;
    return false;
}

bool access_handling(const struct registry *r, const struct seat *seat,
                     const Core__Handling *handling, const char *originator_office)
{
    if (originator_office && strcasecmp(originator_office, seat->office->name) == 0)
        return true;
    if (!handling || (int)handling->label > seat->office->clearance)
        return false;
    return handling->label <= CORE__LABEL__LABEL_GREEN ||
           list_names(r, handling->recipients, handling->n_recipients, seat) ||
           list_names(r, handling->release_to, handling->n_release_to, seat);
}

static bool lists(const Core__Handling *handling, const Core__Recipient *recipient)
{
    for (size_t i = 0; i < handling->n_recipients; i++)
        if (handling->recipients[i]->kind == recipient->kind &&
            strcasecmp(handling->recipients[i]->name, recipient->name) == 0)
            return true;
    for (size_t i = 0; i < handling->n_release_to; i++)
        if (handling->release_to[i]->kind == recipient->kind &&
            strcasecmp(handling->release_to[i]->name, recipient->name) == 0)
            return true;
    return false;
}

static bool is_office(const Core__Recipient *recipient, const char *office)
{
    return recipient->kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE &&
           strcasecmp(recipient->name, office) == 0;
}

bool access_as_restricted(const Core__Handling *handling, const Core__Handling *source,
                          const char *office)
{
    if (!source || !handling || handling->label < source->label)
        return false;
    if (source->label <= CORE__LABEL__LABEL_GREEN)
        return true;
    for (size_t i = 0; i < handling->n_recipients; i++)
        if (!lists(source, handling->recipients[i]) && !is_office(handling->recipients[i], office))
            return false;
    for (size_t i = 0; i < handling->n_release_to; i++)
        if (!lists(source, handling->release_to[i]) && !is_office(handling->release_to[i], office))
            return false;
    return true;
}

bool access_recall(const struct registry *r, const struct seat *seat,
                   const Core__Envelope *envelope)
{
    return seat->standing == CORE__STANDING__STANDING_LEFT &&
           envelope->kind == CORE__KIND__KIND_RECALL && envelope->n_references > 0 &&
           envelope->references[0]->position < seat->ended &&
           access_handling(r, seat, envelope->handling, envelope->office);
}

/* A rule for any seat makes nobody a worker. */
static void weigh_named(void *arg, const Core__AccessRule *rule)
{
    if (rule->subject_kind != CORE__SUBJECT_KIND__SUBJECT_KIND_ANY)
        weigh_any(arg, rule);
}

bool access_serves(const struct registry *r, const struct seat *seat, const char *stream)
{
    struct question q = {.seat = seat, .verb = CORE__VERB__VERB_PUBLISH};
    const char *end = strrchr(stream, '.');
    char out[72];

    if (seat->kind != CORE__SEAT_KIND__SEAT_KIND_PROCESS || !end || strcmp(end, ".in") != 0)
        return false;
    snprintf(out, sizeof out, "%.*s.out", (int)(end - stream), stream);
    q.stream = out;
    registry_each_rule(r, weigh_named, &q);
    return q.allowed;
}

bool access_read(const struct registry *r, const struct seat *seat, const Core__Envelope *envelope)
{
    return access_recall(r, seat, envelope) ||
           (access_allows(r, seat, CORE__VERB__VERB_READ, envelope->stream, envelope->type) &&
            (access_handling(r, seat, envelope->handling, envelope->office) ||
             access_serves(r, seat, envelope->stream)));
}
