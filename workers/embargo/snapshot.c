/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workers/embargo/identity.h"
#include "workers/embargo/render.h"

#define KIND(name) EMBARGO__NOTICE_KIND__NOTICE_KIND_##name
#define DOUBT(name) EMBARGO__DOUBT_KIND__DOUBT_KIND_##name

struct deciding {
    const struct list *list;
    struct decision *out;
    bool *doubtful; /* by entry: its identity or name is in doubt */
    bool all_waits; /* nothing of the snapshot can be relied upon */
};

/* ---- doubts ---- */

struct gathered { /* references for one doubt */
    const char **at;
    size_t n;
};

static struct gathered gathered_new(const struct deciding *d)
{
    return (struct gathered){
        .at = render_take(d->out->arena, (d->list->n_entries + 1) * sizeof(const char *))};
}

static const char *take_text(struct arena *arena, struct buf *text)
{
    char *taken = render_take(arena, text->size + 1);

    memcpy(taken, text->data, text->size);
    buf_free(text);
    return taken;
}

/* Frees `text`.  All doubts together name at most DOUBT_REFERENCES: an event has its bounds. */
static Embargo__Doubt *doubt_add(struct deciding *d, Embargo__DoubtKind kind, struct buf *text,
                                 const struct gathered *references)
{
    struct decision *out = d->out;
    Embargo__Doubt *doubt = render_take(out->arena, sizeof *doubt);
    Embargo__Doubt **doubts = render_take(out->arena, (out->n_doubts + 1) * sizeof(void *));
    size_t left = DOUBT_REFERENCES;

    for (size_t i = 0; i < out->n_doubts; i++) {
        doubts[i] = out->doubts[i];
        left -= doubts[i]->n_references;
    }
    embargo__doubt__init(doubt);
    doubt->kind = kind;
    doubt->text = take_text(out->arena, text);
    if (references) {
        doubt->count = (uint32_t)references->n;
        doubt->references = references->at;
        doubt->n_references = references->n < left ? references->n : left;
    }
    doubts[out->n_doubts++] = doubt;
    out->doubts = doubts;
    return doubt;
}

static bool goes(const struct entry *e)
{
    return e->final && !e->feed;
}

static void guard_removals(struct deciding *d)
{
    struct gathered going = gathered_new(d);
    struct buf text = {0};
    size_t entries = 0;

    for (size_t i = 0; i < d->list->n_entries; i++) {
        const struct entry *e = d->list->entries[i];
        entries += e->final != NULL;
        if (goes(e))
            going.at[going.n++] = e->reference;
    }
    size_t limit = entries * REMOVALS_PERCENT / 100;
    limit = limit > REMOVALS_LEAST ? limit : REMOVALS_LEAST;
    if (going.n <= limit)
        return;
    buf_printf(&text, "%zu of %zu entries would go; at most %zu go without a person's word",
               going.n, entries, limit);
    doubt_add(d, DOUBT(REMOVALS), &text, &going)->limit = (uint32_t)limit;
}

/* The entries of the committee that go, or none where one of them stays. */
static struct gathered committee_gone(const struct deciding *d, const char *committee)
{
    struct gathered going = gathered_new(d);

    for (size_t i = 0; i < d->list->n_entries; i++) {
        const struct entry *e = d->list->entries[i];
        if (!e->final || strcmp(e->final->committee, committee) != 0)
            continue;
        if (e->feed)
            return (struct gathered){0};
        going.at[going.n++] = e->reference;
    }
    return going;
}

static bool named_before(const struct deciding *d, size_t i)
{
    const char *committee = d->list->entries[i]->final->committee;

    for (size_t j = 0; j < i; j++)
        if (goes(d->list->entries[j]) &&
            strcmp(d->list->entries[j]->final->committee, committee) == 0)
            return true;
    return false;
}

/* The first 32 committees are named: where more go, most entries go, and that is said as well. */
static void guard_committees(struct deciding *d)
{
    enum { COMMITTEES = 32 };

    for (size_t i = 0, n = 0; i < d->list->n_entries && n < COMMITTEES; i++) {
        if (!goes(d->list->entries[i]) || named_before(d, i))
            continue;
        const char *committee = d->list->entries[i]->final->committee;
        struct gathered going = committee_gone(d, committee);
        struct buf text = {0};
        if (going.n == 0)
            continue;
        buf_printf(&text, "every entry of %s would go (%zu)", committee, going.n);
        doubt_add(d, DOUBT(COMMITTEE), &text, &going)->committee = committee;
        n++;
    }
}

/* A snapshot that waits counts as well as the one in force: its additions are in force. */
static void guard_date(struct deciding *d)
{
    const struct list *list = d->list;
    int64_t newest = list->base.generated;
    const char *text = list->base.text;
    struct buf why = {0};

    if (list->waiting) {
        Embargo__SnapshotSetAside *waits =
            embargo__snapshot_set_aside__unpack(NULL, list->set_aside_size, list->set_aside);
        if (waits->generated > newest)
            newest = waits->generated;
        embargo__snapshot_set_aside__free_unpacked(waits, NULL);
    }
    if (list->feed.generated >= newest)
        return;
    if (list->feed.generated == 0)
        buf_printf(&why, "its stamp \"%s\" cannot be read as a time", list->feed.text);
    else
        buf_printf(&why, "it goes back in date: stamped %s, and the list in force %s%s",
                   list->feed.text, text,
                   newest > list->base.generated ? " with additions from a later one" : "");
    doubt_add(d, DOUBT(DATE), &why, NULL);
    d->all_waits = true;
}

static void guard_count(struct deciding *d)
{
    struct buf text = {0};

    if (d->list->n_feed == d->list->feed_entries)
        return;
    buf_printf(&text,
               "the feed's events make %zu entries, and the snapshot counts %" PRIu32
               "; import the file again",
               d->list->n_feed, d->list->feed_entries);
    doubt_add(d, DOUBT(COUNT), &text, NULL)->count = d->list->feed_entries;
    d->all_waits = true;
}

static void guard_parties(struct deciding *d)
{
    struct gathered others = gathered_new(d), nameless = gathered_new(d);
    struct arena *arena = arena_new(RENDER_ARENA);
    struct buf text = {0};

    for (size_t i = 0; i < d->list->n_entries; i++) {
        const struct entry *e = d->list->entries[i];
        const struct version *last = entry_last(e);
        if (!last || !e->feed || version_same(last, e->feed))
            continue;
        arena_reset(arena);
        const Sanctions__ListedParty *before = version_unpack(last, arena);
        const Sanctions__ListedParty *after = version_unpack(e->feed, arena);
        if (identity_nameless(before, after))
            nameless.at[nameless.n++] = e->reference;
        else if (identity_doubtful(before, after, arena))
            others.at[others.n++] = e->reference;
        else
            continue;
        d->doubtful[i] = true;
    }
    arena_free(arena);
    if (others.n) {
        buf_printf(&text, "%zu %s; names and birth data both disagree", others.n,
                   others.n == 1 ? "reference would name somebody else"
                                 : "references would name somebody else");
        doubt_add(d, DOUBT(IDENTITY), &text, &others);
    }
    if (nameless.n) {
        buf_printf(&text, "%zu %s", nameless.n,
                   nameless.n == 1 ? "party would lose its name"
                                   : "parties would lose their names");
        doubt_add(d, DOUBT(NAMES), &text, &nameless);
    }
}

static void (*const guards[])(struct deciding *d) = {
    guard_count, guard_date, guard_removals, guard_committees, guard_parties,
};

static const char *const doubt_codes[] = {
    "snapshot.doubt",    "snapshot.removals", "snapshot.committee", "snapshot.date",
    "snapshot.identity", "snapshot.names",    "snapshot.count",
};

const char *doubt_code(Embargo__DoubtKind kind)
{
    size_t i = (size_t)kind;

    return doubt_codes[i < sizeof doubt_codes / sizeof *doubt_codes ? i : 0];
}

/* ---- changes ---- */

static struct change *change_add(struct deciding *d, const struct entry *e,
                                 Embargo__NoticeKind kind, bool waits)
{
    struct decision *out = d->out;
    struct change *change = &out->changes[out->n++];

    *change = (struct change){.entry = e, .kind = kind};
    change->waits = d->all_waits || (out->verdict == VERDICT_SET_ASIDE && waits);
    return change;
}

static void plan_amend(struct deciding *d, const struct entry *e, bool doubtful)
{
    struct arena *arena = d->out->arena;
    struct comparison comparison;
    struct change *change;

    compare_parties(&comparison, version_unpack(entry_in_force(e), arena),
                    version_unpack(e->feed, arena), arena);
    if (comparison.rekeyed && !comparison.substantive) {
        change = change_add(d, e, KIND(REKEY), true);
        change->comparison = comparison;
    }
    if (comparison.n > 0) {
        change = change_add(d, e, KIND(AMEND), doubtful || !comparison.substantive);
        change->comparison = comparison;
        change->editorial = !comparison.substantive;
    }
}

/* What is in force against what the feed says. */
static void plan_entry(struct deciding *d, size_t i)
{
    const struct entry *e = d->list->entries[i];
    const struct version *now = entry_in_force(e);
    bool reverted = e->provisional && version_same(e->final, e->feed);

    if (version_same(now, e->feed)) {
        d->out->counts.kept += e->provisional != NULL;
        return;
    }
    if (reverted) /* to go from provisionally listed to not listed is a removal: it waits */
        change_add(d, e, KIND(WITHDRAW), !e->feed);
    else if (!e->feed)
        change_add(d, e, KIND(REMOVE), true);
    else if (!now)
        change_add(d, e, e->n_spells ? KIND(RELIST) : KIND(ADD), d->doubtful[i]);
    else
        plan_amend(d, e, d->doubtful[i]);
}

static int change_rank(const struct change *change)
{
    static const int ranks[] = {0, 1, 1, 2, 3, 4, 5};

    return change->editorial ? 6 : ranks[change->kind];
}

static int change_order(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    int rank = change_rank(x) - change_rank(y);

    return rank ? rank : strcmp(x->entry->reference, y->entry->reference);
}

static uint32_t provisional_notices(const struct entry *e)
{
    uint32_t n = 0;

    for (size_t i = 0; i < e->n_lines; i++)
        n += e->lines[i].provisional;
    return n;
}

static void count_change(struct counts *c, const struct change *change)
{
    uint32_t *const by_kind[] = {NULL,        &c->added,   &c->relisted, &c->amended,
                                 &c->rekeyed, &c->removed, &c->withdrawn};

    if (change->waits) {
        c->waiting++;
        c->waiting_removals += change->kind == KIND(REMOVE);
    } else if (change->editorial) {
        c->notices += c->editorial++ == 0; /* one for all of them */
    } else {
        uint32_t n = change->kind == KIND(WITHDRAW) ? provisional_notices(change->entry) : 1;
        *by_kind[change->kind] += n;
        c->notices += n;
    }
}

static void plan(struct deciding *d)
{
    struct decision *out = d->out;

    out->changes = mem_new((2 * d->list->n_entries + 1) * sizeof *out->changes);
    for (size_t i = 0; i < d->list->n_entries; i++)
        plan_entry(d, i);
    qsort(out->changes, out->n, sizeof *out->changes, change_order);
    for (size_t i = 0; i < out->n; i++)
        count_change(&out->counts, &out->changes[i]);
}

static struct deciding deciding_new(const struct list *list, struct decision *out)
{
    *out = (struct decision){.verdict = VERDICT_TAKEN, .arena = arena_new(RENDER_ARENA)};
    return (struct deciding){
        .list = list,
        .out = out,
        .doubtful = render_take(out->arena, list->n_entries + 1),
    };
}

void snapshot_decide(const struct list *list, struct decision *out)
{
    struct deciding d = deciding_new(list, out);

    for (size_t i = 0; i < sizeof guards / sizeof *guards; i++)
        guards[i](&d);
    if (out->n_doubts > 0)
        out->verdict = VERDICT_SET_ASIDE;
    else if (!list->base.set)
        out->verdict = VERDICT_BASELINE;
    if (out->verdict != VERDICT_BASELINE)
        plan(&d);
}

void snapshot_confirm(const struct list *list, struct decision *out)
{
    struct deciding d = deciding_new(list, out);

    plan(&d);
}

void decision_free(struct decision *d)
{
    mem_free(d->changes);
    arena_free(d->arena);
    *d = (struct decision){0};
}
