/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/access.h"

#include <strings.h>

#include "lib/envelope.h"

struct question { /* and what the rules say so far */
    const struct seat *seat;
    Core__Verb verb;
    const char *stream, *type;
    bool prefix_only; /* `stream` is itself a pattern: any overlap counts */
    bool allowed, denied;
};

static bool has_role(const struct office *office, const char *role)
{
    for (size_t i = 0; i < office->n_roles; i++)
        if (strcasecmp(office->roles[i], role) == 0)
            return true;
    return false;
}

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
        return has_role(seat->office, rule->subject);
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

static void weigh(void *arg, const Core__AccessRule *rule)
{
    struct question *q = arg;

    if (q->denied || !has_verb(rule, q->verb) || !rule_concerns(rule, q->seat))
        return;
    if (q->prefix_only) {
        if (rule->effect == CORE__EFFECT__EFFECT_ALLOW)
            q->allowed = q->allowed || patterns_meet(rule->stream, q->stream);
        return;
    }
    if (!pattern_match(rule->stream, q->stream) || !pattern_match(rule->type, q->type))
        return;
    if (rule->effect == CORE__EFFECT__EFFECT_DENY)
        q->denied = true;
    else
        q->allowed = true;
}

bool access_allows(const struct registry *r, const struct seat *seat, Core__Verb verb,
                   const char *stream, const char *type)
{
    struct question q = {.seat = seat, .verb = verb, .stream = stream, .type = type};

    registry_each_rule(r, weigh, &q);
    return q.allowed && !q.denied;
}

bool access_may_read(const struct registry *r, const struct seat *seat, const char *stream_pattern)
{
    struct question q = {
        .seat = seat, .verb = CORE__VERB__VERB_READ, .stream = stream_pattern, .prefix_only = true};

    registry_each_rule(r, weigh, &q);
    return q.allowed;
}

static bool names_seat(const struct seat *seat, const Core__Recipient *recipient)
{
    switch (recipient->kind) {
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY:
        return strcasecmp(recipient->name, seat->office->party) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE:
        return strcasecmp(recipient->name, seat->office->name) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT:
        return strcasecmp(recipient->name, seat->name) == 0;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP:
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_UNSPECIFIED:
    case _CORE__RECIPIENT_KIND_IS_INT_SIZE:
    default:
        return false;
    }
}

bool access_handling(const struct registry *r, const struct seat *seat,
                     const Core__Handling *handling, const char *originator_office)
{
    (void)r;
    if (originator_office && strcasecmp(originator_office, seat->office->name) == 0)
        return true;
    if (!handling)
        return false;
    if (handling->label == CORE__LABEL__LABEL_CLEAR || handling->label == CORE__LABEL__LABEL_GREEN)
        return true;
    for (size_t i = 0; i < handling->n_recipients; i++)
        if (names_seat(seat, handling->recipients[i]))
            return true;
    for (size_t i = 0; i < handling->n_release_to; i++)
        if (names_seat(seat, handling->release_to[i]))
            return true;
    return false;
}
