/* SPDX-License-Identifier: Apache-2.0 */
/* digest.c - see digest.h
 *
 * A snapshot that was set aside: WAITS -> CONFIRMED | REJECTED | OVERTAKEN.  The last three are
 * final.
 */
#include "adapters/alert/digest.h"

#include <inttypes.h>

#include "adapters/alert/rule.h"
#include "adapters/alert/table.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

struct group { /* the answers to one input, as far as they are told; items share it */
    size_t users;
    uint64_t cause;
    struct told_event *events; /* array of n: Notice and EditorialNotice */
    size_t n, capacity;
    char *aside; /* key of the snapshot set aside that it is about; NULL = none */
};

struct history { /* of one rule's terms, in order of position */
    Alert__RuleAdopted **terms;
    size_t n;
};

struct digest {
    digest_emit *emit;
    void *arg;
    struct history *rules; /* array of n_rules, in order of adoption */
    size_t n_rules;
    struct group *open;    /* the group that is coming in, or NULL */
    struct aside **asides; /* array of n_asides that wait, at most one a list */
    size_t n_asides;
    struct table *roots; /* rule, list and reference -> key of the first item that told of it */
};

static void told_event_clear(struct told_event *event)
{
    protobuf_c_message_free_unpacked(event->body, NULL);
}

static void group_leave(struct group *g)
{
    if (!g || --g->users > 0)
        return;
    for (size_t i = 0; i < g->n; i++)
        told_event_clear(&g->events[i]);
    mem_free(g->events);
    mem_free(g->aside);
    mem_free(g);
}

static void aside_leave(struct aside *a)
{
    if (!a || --a->users > 0)
        return;
    told_event_clear(&a->event);
    mem_free(a->key);
    mem_free(a);
}

void item_free(struct item *item)
{
    if (!item || --item->users > 0)
        return;
    group_leave(item->group);
    aside_leave(item->aside);
    mem_free(item->events);
    mem_free(item->key);
    mem_free(item->root);
    mem_free(item);
}

struct digest *digest_new(digest_emit *emit, void *arg)
{
    struct digest *d = mem_new(sizeof(*d));

    d->emit = emit;
    d->arg = arg;
    d->roots = table_new();
    return d;
}

void digest_free(struct digest *d)
{
    if (!d)
        return;
    group_leave(d->open);
    for (size_t i = 0; i < d->n_asides; i++)
        aside_leave(d->asides[i]);
    for (size_t i = 0; i < d->n_rules; i++) {
        for (size_t k = 0; k < d->rules[i].n; k++)
            terms_free(d->rules[i].terms[k]);
        mem_free(d->rules[i].terms);
    }
    mem_free(d->asides);
    mem_free(d->rules);
    table_free(d->roots);
    mem_free(d);
}

static struct history *history_find(const struct digest *d, const char *rule)
{
    for (size_t i = 0; i < d->n_rules; i++)
        if (strcmp(d->rules[i].terms[0]->rule, rule) == 0)
            return &d->rules[i];
    return NULL;
}

void digest_adopt(struct digest *d, const Alert__RuleAdopted *terms)
{
    struct history *h = history_find(d, terms->rule);

    if (!h) {
        d->rules = mem_grow(d->rules, (d->n_rules + 1) * sizeof(*d->rules));
        h = &d->rules[d->n_rules++];
        *h = (struct history){NULL, 0};
    }
    h->terms = mem_grow(h->terms, (h->n + 1) * sizeof(h->terms[0]));
    h->terms[h->n++] = terms_copy(terms);
}

const Alert__RuleAdopted *digest_terms(const struct digest *d, const char *rule)
{
    const struct history *h = history_find(d, rule);

    return h ? h->terms[h->n - 1] : NULL;
}

void digest_each_terms(const struct digest *d,
                       void (*each)(void *arg, const Alert__RuleAdopted *terms), void *arg)
{
    for (size_t i = 0; i < d->n_rules; i++)
        each(arg, d->rules[i].terms[d->rules[i].n - 1]);
}

/* The terms that hold for what was recorded at the position, or NULL. */
static const Alert__RuleAdopted *terms_at(const struct history *h, uint64_t position)
{
    const Alert__RuleAdopted *found = NULL;

    for (size_t i = 0; i < h->n && h->terms[i]->position < position; i++)
        found = h->terms[i];
    return found && found->n_recipients > 0 ? found : NULL;
}

/* ---- items ---- */

static struct item *item_new(enum item_kind kind, const Alert__RuleAdopted *terms, char *key,
                             const struct told_event *first, size_t room)
{
    struct item *item = mem_new(sizeof(*item));

    item->users = 1;
    item->kind = kind;
    item->terms = terms;
    item->key = key;
    item->events = mem_new(room * sizeof(struct told_event *));
    item->events[item->n++] = first;
    item->time = first->received;
    return item;
}

static const Embargo__Notice *notice_of(const struct told_event *event)
{
    return event->body->descriptor == &embargo__notice__descriptor
               ? (const Embargo__Notice *)event->body
               : NULL;
}

/* Where mails about the notice's party begin: at `key`, if nothing told of it before. */
static const char *root_of(struct digest *d, const struct item *item, const Embargo__Notice *notice)
{
    char *party = mem_printf("%s\n%s\n%s", item->terms->rule, notice->list, notice->reference);
    const char *root = table_add(d->roots, party, item->key);

    mem_free(party);
    return root;
}

static void emit(struct digest *d, struct item *item, struct group *g,
                 const struct told_event *editorial)
{
    const char *root = NULL;

    for (size_t i = 0; item->kind != ITEM_EDITORIAL && i < item->n; i++) {
        const char *begin = root_of(d, item, notice_of(item->events[i]));
        if (item->kind == ITEM_NOTICE)
            root = begin;
    }
    if (item->kind != ITEM_NOTICE)
        root = g->aside;
    item->root = root && strcmp(root, item->key) != 0 ? mem_str(root) : NULL;
    item->editorial = editorial;
    item->group = g;
    g->users++;
    d->emit(d->arg, item);
}

/* What one rule takes of a group. */
struct taken {
    const struct told_event **notices;
    size_t n;
    const struct told_event *editorial;
};

static struct taken take(const struct group *g, const Alert__RuleAdopted *terms)
{
    struct taken t = {mem_new((g->n + 1) * sizeof(*t.notices)), 0, NULL};

    for (size_t i = 0; i < g->n; i++) {
        const Embargo__Notice *notice = notice_of(&g->events[i]);
        if (notice ? terms_take_notice(terms, notice)
                   : terms_take_editorial(terms,
                                          (const Embargo__EditorialNotice *)g->events[i].body)) {
            if (notice)
                t.notices[t.n++] = &g->events[i];
            else
                t.editorial = &g->events[i];
        }
    }
    return t;
}

static void tell_each(struct digest *d, struct group *g, const Alert__RuleAdopted *terms,
                      const struct taken *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const Embargo__Notice *notice = notice_of(t->notices[i]);
        char *key = mem_printf("notice %s %" PRIu64, notice->list, notice->number);
        emit(d, item_new(ITEM_NOTICE, terms, key, t->notices[i], 1), g, t->editorial);
    }
}

/* An item a committee, in the order in which the committees come first. */
static void tell_committees(struct digest *d, struct group *g, const Alert__RuleAdopted *terms,
                            const struct taken *t)
{
    for (size_t i = 0; i < t->n; i++) {
        const Embargo__Notice *first = t->notices[i] ? notice_of(t->notices[i]) : NULL;
        if (!first)
            continue;
        char *key =
            mem_printf("notices %s %" PRIu64 " %s", first->list, g->cause, first->committee);
        struct item *item = item_new(ITEM_COMMITTEE, terms, key, t->notices[i], t->n - i);
        for (size_t k = i + 1; k < t->n; k++) {
            const Embargo__Notice *other = t->notices[k] ? notice_of(t->notices[k]) : NULL;
            if (!other || strcmp(other->committee, first->committee) != 0)
                continue;
            item->events[item->n++] = t->notices[k];
            t->notices[k] = NULL;
        }
        emit(d, item, g, t->editorial);
    }
}

static void tell_editorial(struct digest *d, struct group *g, const Alert__RuleAdopted *terms,
                           const struct taken *t)
{
    const Embargo__EditorialNotice *notice = (const Embargo__EditorialNotice *)t->editorial->body;
    char *key = mem_printf("editorial %s %" PRIu64, notice->list, notice->number);

    emit(d, item_new(ITEM_EDITORIAL, terms, key, t->editorial, 1), g, t->editorial);
}

static void group_close(struct digest *d)
{
    struct group *g = d->open;

    for (size_t i = 0; g && g->n > 0 && i < d->n_rules; i++) {
        const Alert__RuleAdopted *terms = terms_at(&d->rules[i], g->events[g->n - 1].position);
        if (!terms)
            continue;
        struct taken t = take(g, terms);
        if (t.n > NOTICES_EACH)
            tell_committees(d, g, terms, &t);
        else if (t.n > 0)
            tell_each(d, g, terms, &t);
        else if (t.editorial)
            tell_editorial(d, g, terms, &t);
        mem_free(t.notices);
    }
    group_leave(g);
    d->open = NULL;
}

/* ---- snapshots set aside ---- */

static void aside_tell(struct digest *d, struct aside *a, int64_t number, int64_t time)
{
    const Embargo__SnapshotSetAside *event = (const Embargo__SnapshotSetAside *)a->event.body;

    a->told = number;
    for (size_t i = 0; i < d->n_rules; i++) {
        const Alert__RuleAdopted *terms = terms_at(&d->rules[i], a->event.position);
        if (!terms || !terms_take_set_aside(terms, event))
            continue;
        char *key =
            number == 0 ? mem_str(a->key) : mem_printf("%s reminder %" PRId64, a->key, number);
        struct item *item = item_new(ITEM_SET_ASIDE, terms, key, &a->event, 1);
        item->root = number == 0 ? NULL : mem_str(a->key);
        item->reminder = number;
        item->time = time;
        item->aside = a;
        a->users++;
        d->emit(d->arg, item);
    }
}

/* It no longer waits; who was told nothing of it yet is told now. */
static void aside_decide(struct digest *d, size_t i, enum aside_outcome outcome, uint64_t position)
{
    struct aside *a = d->asides[i];

    a->outcome = outcome;
    a->decided_by = position;
    if (a->told < 0)
        aside_tell(d, a, 0, a->event.received);
    d->asides[i] = d->asides[--d->n_asides];
    aside_leave(a);
}

static const Embargo__SnapshotSetAside *aside_event(const struct aside *a)
{
    return (const Embargo__SnapshotSetAside *)a->event.body;
}

/* The one that waits of the list, by its place; n_asides = none. */
static size_t aside_find(const struct digest *d, const char *list)
{
    size_t i = 0;

    while (i < d->n_asides && strcmp(aside_event(d->asides[i])->list, list) != 0)
        i++;
    return i;
}

void digest_remind(struct digest *d, int64_t now, int64_t every)
{
    for (size_t i = 0; i < d->n_asides; i++) {
        struct aside *a = d->asides[i];
        int64_t due = now > a->event.received ? (now - a->event.received) / every : 0;
        if (due > a->told)
            aside_tell(d, a, due, a->event.received + due * every);
    }
}

int64_t digest_next(const struct digest *d, int64_t every)
{
    int64_t next = 0;

    for (size_t i = 0; i < d->n_asides; i++) {
        int64_t at = d->asides[i]->event.received + (d->asides[i]->told + 1) * every;
        if (next == 0 || at < next)
            next = at;
    }
    return next;
}

/* ---- events ---- */

/* Each takes the event's body over. */
typedef void fold_event(struct digest *d, struct told_event *event);

static void fold_notice(struct digest *d, struct told_event *event)
{
    struct group *g = d->open;

    if (g->n == g->capacity) {
        g->capacity = g->capacity ? 2 * g->capacity : 8;
        g->events = mem_grow(g->events, g->capacity * sizeof(*g->events));
    }
    g->events[g->n++] = *event;
}

static void fold_set_aside(struct digest *d, struct told_event *event)
{
    struct aside *a = mem_new(sizeof(*a));

    a->users = 1;
    a->event = *event;
    a->told = -1;
    a->key = mem_printf("set-aside %s %" PRIu64, aside_event(a)->list, event->position);
    size_t i = aside_find(d, aside_event(a)->list);
    if (i < d->n_asides)
        aside_decide(d, i, ASIDE_OVERTAKEN, event->position);
    d->asides = mem_grow(d->asides, (d->n_asides + 1) * sizeof(*d->asides));
    d->asides[d->n_asides++] = a;
    mem_free(d->open->aside);
    d->open->aside = mem_str(a->key);
}

static void fold_decision(struct digest *d, const char *list, enum aside_outcome outcome,
                          struct told_event *event)
{
    size_t i = aside_find(d, list);

    if (i < d->n_asides) {
        if (outcome != ASIDE_OVERTAKEN && !d->open->aside)
            d->open->aside = mem_str(d->asides[i]->key);
        aside_decide(d, i, outcome, event->position);
    }
    told_event_clear(event);
}

static void fold_confirmed(struct digest *d, struct told_event *event)
{
    fold_decision(d, ((const Embargo__SnapshotConfirmed *)event->body)->list, ASIDE_CONFIRMED,
                  event);
}

static void fold_rejected(struct digest *d, struct told_event *event)
{
    fold_decision(d, ((const Embargo__SnapshotRejected *)event->body)->list, ASIDE_REJECTED, event);
}

static void fold_taken(struct digest *d, struct told_event *event)
{
    fold_decision(d, ((const Embargo__SnapshotTaken *)event->body)->list, ASIDE_OVERTAKEN, event);
}

static const struct fold_row {
    const ProtobufCMessageDescriptor *type;
    fold_event *fold;
} folds[] = {
    {&embargo__notice__descriptor, fold_notice},
    {&embargo__editorial_notice__descriptor, fold_notice},
    {&embargo__snapshot_set_aside__descriptor, fold_set_aside},
    {&embargo__snapshot_confirmed__descriptor, fold_confirmed},
    {&embargo__snapshot_rejected__descriptor, fold_rejected},
    {&embargo__snapshot_taken__descriptor, fold_taken},
};

static const struct fold_row *fold_find(const char *type)
{
    for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++)
        if (strcmp(folds[i].type->name, type) == 0)
            return &folds[i];
    return NULL;
}

static void group_open(struct digest *d, uint64_t cause)
{
    if (d->open && d->open->cause == cause)
        return;
    group_close(d);
    d->open = mem_new(sizeof(*d->open));
    d->open->users = 1;
    d->open->cause = cause;
}

int digest_event(struct digest *d, uint64_t position, int64_t received,
                 const Core__Envelope *envelope, struct slice payload)
{
    const struct fold_row *row = fold_find(envelope->type);
    struct told_event event = {position, received, (int)envelope->mode,
                               envelope->handling ? (int)envelope->handling->label : 0, NULL};
    int rc = 0;

    group_open(d, envelope->cause);
    if (row) {
        rc = scan_message(row->type, payload, NULL);
        event.body =
            rc == 0 ? protobuf_c_message_unpack(row->type, NULL, payload.size, payload.data) : NULL;
        if (event.body)
            row->fold(d, &event);
        else if (rc == 0)
            rc = ERR_MALFORMED;
    }
    if (envelope->ordinal + 1 >= envelope->of)
        group_close(d);
    return rc;
}
