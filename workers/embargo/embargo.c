/* SPDX-License-Identifier: Apache-2.0 */
/* embargo.c - the worker's tables: what is folded, what is decided, what is answered
 *
 * Life of a snapshot:
 *
 *     SnapshotPublished -> Baseline                              the first of its list
 *                       -> SnapshotTaken, notices                nothing odd: all of it is final
 *                       -> SnapshotSetAside, provisional notices a person must look at it
 *     ConfirmSnapshot   -> SnapshotConfirmed, notices            what waited is final
 *     RejectSnapshot    -> SnapshotRejected, WITHDRAW notices    in force as before
 *     the next SnapshotPublished decides anew what waits
 */
#include "workers/embargo/embargo.h"

#include <assert.h>
#include <stdio.h>

#include "workers/embargo/image.h"
#include "workers/embargo/questions.h"
#include "workers/embargo/snapshot.h"

#define KIND(name) EMBARGO__NOTICE_KIND__NOTICE_KIND_##name

enum { REFERENCES_MOST = 2048 };

/* ---- the feeds, folded ---- */

/* A feed speaks of its own list alone. */
static bool is_feed_of(const struct input *in, const char *list)
{
    const char *stream = in->envelope->stream;
    size_t n = strlen(list);

    return n > 0 && strncmp(stream, list, n) == 0 && strcmp(stream + n, ".feed") == 0;
}

static void apply_party(void *state, const struct input *in)
{
    const Sanctions__PartyPublished *event = (const void *)in->body;

    if (event->party && event->party->reference[0] && is_feed_of(in, event->party->list))
        image_party(images_get(state, event->party->list), event);
}

static void apply_gone(void *state, const struct input *in)
{
    const Sanctions__PartiesGone *event = (const void *)in->body;

    if (is_feed_of(in, event->list))
        image_gone(images_get(state, event->list), event);
}

static void apply_snapshot(void *state, const struct input *in)
{
    const Sanctions__SnapshotPublished *event = (const void *)in->body;

    if (is_feed_of(in, event->list))
        image_snapshot(images_get(state, event->list), event);
}

/* ---- notices ---- */

struct writing { /* the notices of one cause */
    const struct list *list;
    struct answers *out;
    uint64_t number; /* last one used */
    const char *confirmed_by;
    bool provisional;
};

static Embargo__Notice notice_of(const struct writing *w, const struct entry *e,
                                 Embargo__NoticeKind kind)
{
    const struct list *list = w->list;
    const struct version *v = e->feed ? e->feed : entry_in_force(e);
    Embargo__Notice notice = EMBARGO__NOTICE__INIT;

    notice.list = list->name;
    notice.kind = kind;
    notice.weight = EMBARGO__WEIGHT__WEIGHT_SUBSTANTIVE;
    notice.standing = EMBARGO__STANDING__STANDING_FINAL;
    notice.reference = e->reference;
    if (v) {
        notice.internal_id = v->internal_id;
        notice.type = v->type;
        notice.committee = v->committee;
        notice.name = v->name;
        notice.name_original_script = v->original_script;
    }
    notice.old_snapshot = stamp_bytes(&list->base);
    notice.new_snapshot = stamp_bytes(&list->feed);
    notice.generated_text = list->feed.text;
    notice.generated = list->feed.generated;
    notice.fetched = list->feed.fetched;
    notice.confirmed_by = w->confirmed_by;
    return notice;
}

/* Takes every provisional notice of the entry back, the newest first. */
static void withdraw(struct writing *w, const struct entry *e)
{
    Embargo__Notice notice = notice_of(w, e, KIND(WITHDRAW));

    for (size_t i = e->n_lines; i-- > 0;) {
        if (!e->lines[i].provisional)
            continue;
        notice.number = ++w->number;
        notice.withdraws = e->lines[i].number;
        answer(w->out, &notice.base);
    }
}

static void write_notice(struct writing *w, const struct change *change)
{
    const struct entry *e = change->entry;
    const struct version *now = entry_in_force(e);
    const struct comparison *c = &change->comparison;
    Embargo__Notice notice = notice_of(w, e, change->kind);
    Embargo__Spell spell = EMBARGO__SPELL__INIT;

    if (change->kind == KIND(WITHDRAW)) {
        withdraw(w, e);
        return;
    }
    notice.number = ++w->number;
    if (w->provisional)
        notice.standing = EMBARGO__STANDING__STANDING_PROVISIONAL;
    if (c->rekeyed)
        notice.previous_internal_id = now->internal_id;
    if (change->kind == KIND(AMEND)) {
        notice.n_changes = c->n;
        notice.changes = c->changes;
    }
    if (change->kind == KIND(REKEY))
        notice.weight = EMBARGO__WEIGHT__WEIGHT_EDITORIAL;
    if (change->kind == KIND(RELIST)) {
        const struct spell *last = &e->spells[e->n_spells - 1];
        spell.added_by = last->added_by;
        spell.removed_by = last->removed_by;
        spell.from = last->from;
        spell.to = last->to;
        notice.earlier = &spell;
    }
    answer(w->out, &notice.base);
}

static void write_detail(struct writing *w, const struct change *change)
{
    Embargo__EditorialDetail detail = EMBARGO__EDITORIAL_DETAIL__INIT;

    detail.list = w->list->name;
    detail.number = w->number;
    detail.reference = change->entry->reference;
    detail.committee = change->entry->feed->committee;
    detail.name = change->entry->feed->name;
    detail.n_changes = change->comparison.n;
    detail.changes = change->comparison.changes;
    answer(w->out, &detail.base);
}

static bool editorial_now(const struct change *change)
{
    return change->editorial && !change->waits;
}

/* One notice for all editorial changes, which come last; then each of them. */
static void write_editorial(struct writing *w, const struct decision *d)
{
    const struct list *list = w->list;
    Embargo__EditorialNotice notice = EMBARGO__EDITORIAL_NOTICE__INIT;
    const char *references[REFERENCES_MOST];

    if (d->counts.editorial == 0)
        return;
    notice.references = references;
    for (size_t i = 0; i < d->n; i++) {
        if (!editorial_now(&d->changes[i]))
            continue;
        notice.changes += (uint32_t)d->changes[i].comparison.n;
        if (notice.n_references < REFERENCES_MOST)
            references[notice.n_references++] = d->changes[i].entry->reference;
    }
    notice.list = list->name;
    notice.number = ++w->number;
    notice.entries = d->counts.editorial;
    notice.old_snapshot = stamp_bytes(&list->base);
    notice.new_snapshot = stamp_bytes(&list->feed);
    notice.generated_text = list->feed.text;
    notice.generated = list->feed.generated;
    notice.confirmed_by = w->confirmed_by;
    answer(w->out, &notice.base);
    for (size_t i = 0; i < d->n; i++)
        if (editorial_now(&d->changes[i]))
            write_detail(w, &d->changes[i]);
}

static void write_changes(struct writing *w, const struct decision *d)
{
    for (size_t i = 0; i < d->n; i++)
        if (!d->changes[i].waits && !d->changes[i].editorial)
            write_notice(w, &d->changes[i]);
    write_editorial(w, d);
    assert(w->number == w->list->last_number + d->counts.notices);
}

/* ---- a snapshot, decided ---- */

static void answer_baseline(const struct list *list, struct answers *out)
{
    Embargo__Baseline baseline = EMBARGO__BASELINE__INIT;
    struct arena *arena = arena_new((size_t)64 * 1024 * 1024);

    baseline.list = list->name;
    baseline.snapshot = stamp_bytes(&list->feed);
    baseline.generated_text = list->feed.text;
    baseline.generated = list->feed.generated;
    baseline.entries = (uint32_t)list->n_feed;
    baseline.committees = committees_count(list, true, &baseline.n_committees, arena);
    answer(out, &baseline.base);
    arena_free(arena);
}

static void answer_taken(const struct list *list, const struct decision *d, struct answers *out)
{
    Embargo__SnapshotTaken taken = EMBARGO__SNAPSHOT_TAKEN__INIT;
    struct writing w = {.list = list, .out = out, .number = list->last_number, .confirmed_by = ""};

    taken.list = list->name;
    taken.snapshot = stamp_bytes(&list->feed);
    taken.previous = stamp_bytes(&list->base);
    taken.generated_text = list->feed.text;
    taken.generated = list->feed.generated;
    taken.added = d->counts.added;
    taken.relisted = d->counts.relisted;
    taken.amended = d->counts.amended;
    taken.editorial = d->counts.editorial;
    taken.rekeyed = d->counts.rekeyed;
    taken.removed = d->counts.removed;
    taken.withdrawn = d->counts.withdrawn;
    if (d->counts.notices) {
        taken.first_number = list->last_number + 1;
        taken.last_number = list->last_number + d->counts.notices;
    }
    answer(out, &taken.base);
    write_changes(&w, d);
}

static void answer_set_aside(const struct list *list, const struct decision *d, struct answers *out)
{
    Embargo__SnapshotSetAside aside = EMBARGO__SNAPSHOT_SET_ASIDE__INIT;
    Embargo__SnapshotSetAside *before = NULL;
    struct writing w = {.list = list,
                        .out = out,
                        .number = list->last_number,
                        .confirmed_by = "",
                        .provisional = true};

    if (list->waiting)
        before = embargo__snapshot_set_aside__unpack(NULL, list->set_aside_size, list->set_aside);
    aside.list = list->name;
    aside.snapshot = stamp_bytes(&list->feed);
    aside.in_force = stamp_bytes(&list->base);
    aside.generated_text = list->feed.text;
    aside.generated = list->feed.generated;
    aside.n_doubts = d->n_doubts;
    aside.doubts = d->doubts;
    aside.added = d->counts.added + d->counts.relisted;
    aside.amended = d->counts.amended;
    aside.waiting = d->counts.waiting;
    aside.removals = d->counts.waiting_removals;
    aside.withdrawn = d->counts.withdrawn;
    aside.kept = d->counts.kept;
    if (before && !slice_equal(slice_of(before->snapshot.data, before->snapshot.len),
                               slice_of(list->feed.hash.bytes, HASH_SIZE)))
        aside.overtakes = before->snapshot;
    answer(out, &aside.base);
    if (before)
        embargo__snapshot_set_aside__free_unpacked(before, NULL);
    write_changes(&w, d);
}

static void decide_snapshot(const void *state, const struct input *in, struct answers *out)
{
    static void (*const answers[])(const struct list *list, const struct decision *d,
                                   struct answers *out) = {
        [VERDICT_TAKEN] = answer_taken,
        [VERDICT_SET_ASIDE] = answer_set_aside,
    };
    const Sanctions__SnapshotPublished *event = (const void *)in->body;
    struct decision d;

    if (!is_feed_of(in, event->list)) {
        answer_refused(out, "list.mismatch", "list",
                       "the snapshot's list is not the one whose feed it came in");
        return;
    }
    const struct list *list = images_find(state, event->list);
    snapshot_decide(list, &d);
    if (d.verdict == VERDICT_BASELINE)
        answer_baseline(list, out);
    else
        answers[d.verdict](list, &d, out);
    decision_free(&d);
}

/* ---- a person's word ---- */

static bool waits_for(const struct list *list, ProtobufCBinaryData snapshot)
{
    return list->waiting && slice_equal(slice_of(snapshot.data, snapshot.len),
                                        slice_of(list->feed.hash.bytes, HASH_SIZE));
}

/* The list whose waiting snapshot is named, or NULL and refused. */
static const struct list *list_waiting(const void *state, const char *name,
                                       ProtobufCBinaryData snapshot, struct answers *out)
{
    static const char *const refusals[][2] = {
        [OUTCOME_NONE] = {"snapshot.unknown",
                          "no snapshot with this hash was set aside; see `chancery list status`"},
        [OUTCOME_DECIDED] = {"snapshot.decided",
                             "this snapshot is decided; see `chancery list status`"},
        [OUTCOME_OVERTAKEN] = {"snapshot.overtaken",
                               "a newer snapshot took its place; see `chancery list status`"},
    };
    const struct list *list = images_find(state, name);

    if (!list) {
        answer_refused(out, "list.unknown", "list",
                       "no snapshot of this list has come in; see `chancery list status`");
        return NULL;
    }
    if (waits_for(list, snapshot))
        return list;
    enum outcome outcome = list_outcome(list, snapshot);
    answer_refused(out, refusals[outcome][0], "snapshot", refusals[outcome][1]);
    return NULL;
}

static void decide_confirm(const void *state, const struct input *in, struct answers *out)
{
    const Embargo__ConfirmSnapshot *request = (const void *)in->body;
    const struct list *list = list_waiting(state, request->list, request->snapshot, out);
    Embargo__SnapshotConfirmed confirmed = EMBARGO__SNAPSHOT_CONFIRMED__INIT;
    char by[256];
    struct decision d;

    if (!list)
        return;
    snprintf(by, sizeof by, "%s %s", in->envelope->office, in->envelope->seat);
    struct writing w = {.list = list, .out = out, .number = list->last_number, .confirmed_by = by};
    snapshot_confirm(list, &d);
    confirmed.list = list->name;
    confirmed.snapshot = request->snapshot;
    confirmed.by_seat = in->envelope->seat;
    confirmed.by_office = in->envelope->office;
    confirmed.reason = request->reason;
    confirmed.made_final = d.counts.kept;
    confirmed.added = d.counts.added;
    confirmed.relisted = d.counts.relisted;
    confirmed.amended = d.counts.amended;
    confirmed.editorial = d.counts.editorial;
    confirmed.rekeyed = d.counts.rekeyed;
    confirmed.removed = d.counts.removed;
    if (d.counts.notices) {
        confirmed.first_number = list->last_number + 1;
        confirmed.last_number = list->last_number + d.counts.notices;
    }
    answer(out, &confirmed.base);
    write_changes(&w, &d);
    decision_free(&d);
}

static uint32_t provisional_lines(const struct list *list)
{
    uint32_t n = 0;

    for (size_t i = 0; i < list->n_entries; i++)
        for (size_t j = 0; j < list->entries[i]->n_lines; j++)
            n += list->entries[i]->lines[j].provisional;
    return n;
}

static void decide_reject(const void *state, const struct input *in, struct answers *out)
{
    const Embargo__RejectSnapshot *request = (const void *)in->body;
    const struct list *list = list_waiting(state, request->list, request->snapshot, out);
    Embargo__SnapshotRejected rejected = EMBARGO__SNAPSHOT_REJECTED__INIT;

    if (!list)
        return;
    struct writing w = {.list = list, .out = out, .number = list->last_number, .confirmed_by = ""};
    rejected.list = list->name;
    rejected.snapshot = request->snapshot;
    rejected.by_seat = in->envelope->seat;
    rejected.by_office = in->envelope->office;
    rejected.reason = request->reason;
    rejected.withdrawn = provisional_lines(list);
    answer(out, &rejected.base);
    for (size_t i = 0; i < list->n_entries; i++)
        withdraw(&w, list->entries[i]);
}

/* ---- own events, folded ---- */

static void apply_baseline(void *state, const struct input *in)
{
    const Embargo__Baseline *event = (const void *)in->body;

    image_fold_baseline(images_get(state, event->list), in->position);
}

static void apply_taken(void *state, const struct input *in)
{
    const Embargo__SnapshotTaken *event = (const void *)in->body;

    image_fold_taken(images_get(state, event->list), in->position);
}

static void apply_confirmed(void *state, const struct input *in)
{
    const Embargo__SnapshotConfirmed *event = (const void *)in->body;

    image_fold_taken(images_get(state, event->list), in->position);
}

static void apply_set_aside(void *state, const struct input *in)
{
    const Embargo__SnapshotSetAside *event = (const void *)in->body;

    image_fold_set_aside(images_get(state, event->list), event, in->position);
}

static void apply_rejected(void *state, const struct input *in)
{
    const Embargo__SnapshotRejected *event = (const void *)in->body;

    image_fold_rejected(images_get(state, event->list));
}

static void apply_notice(void *state, const struct input *in)
{
    const Embargo__Notice *event = (const void *)in->body;

    image_fold_notice(images_get(state, event->list), event, in->position);
}

static void apply_editorial(void *state, const struct input *in)
{
    const Embargo__EditorialNotice *event = (const void *)in->body;

    image_fold_editorial(images_get(state, event->list), event);
}

static void apply_detail(void *state, const struct input *in)
{
    const Embargo__EditorialDetail *event = (const void *)in->body;

    image_fold_detail(images_get(state, event->list), event, in->position);
}

/* ---- tables ---- */

static const struct worker_row rows[] = {
    {&sanctions__party_published__descriptor, apply_party, NULL},
    {&sanctions__parties_gone__descriptor, apply_gone, NULL},
    {&sanctions__snapshot_published__descriptor, apply_snapshot, decide_snapshot},
    {&embargo__confirm_snapshot__descriptor, NULL, decide_confirm},
    {&embargo__reject_snapshot__descriptor, NULL, decide_reject},
    {&embargo__baseline__descriptor, apply_baseline, NULL},
    {&embargo__snapshot_taken__descriptor, apply_taken, NULL},
    {&embargo__snapshot_set_aside__descriptor, apply_set_aside, NULL},
    {&embargo__snapshot_confirmed__descriptor, apply_confirmed, NULL},
    {&embargo__snapshot_rejected__descriptor, apply_rejected, NULL},
    {&embargo__notice__descriptor, apply_notice, NULL},
    {&embargo__editorial_notice__descriptor, apply_editorial, NULL},
    {&embargo__editorial_detail__descriptor, apply_detail, NULL},
    {NULL, NULL, NULL},
};

static const struct worker_question questions[] = {
    {&embargo__get_party__descriptor, reply_party},
    {&embargo__list_parties__descriptor, reply_parties},
    {&embargo__get_history__descriptor, reply_history},
    {&embargo__get_list_status__descriptor, reply_status},
    {NULL, NULL},
};

static const char *const reads[] = {"un.feed", "embargo.in", NULL};

static void *state_new(void)
{
    return mem_new(sizeof(struct images));
}

static void state_free(void *state)
{
    images_free(state);
    mem_free(state);
}

static void dump(const void *state, struct buf *out)
{
    images_dump(state, out);
}

const struct worker embargo = {
    .name = "embargo",
    .rules = 1,
    .reads = reads,
    .out = "embargo.out",
    .rows = rows,
    .questions = questions,
    .state_new = state_new,
    .state_free = state_free,
    .dump = dump,
};
