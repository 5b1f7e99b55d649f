/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/questions.h"

#include <stdio.h>
#include <stdlib.h>

#include "workers/embargo/render.h"

/* A page stays within an answer's bytes and a message's fields (a line has at most 6). */
enum { PAGE_BYTES = 240 * 1024, PAGE_LINES = 600, PAGE_CHANGES = 3000, STATUS_REFERENCES = 50 };

static const struct list *list_of(const void *state, const char *name, struct answers *out)
{
    const struct list *list = images_find(state, name);

    if (!list)
        answer_refused(out, "list.unknown", "list",
                       "no snapshot of this list has come in; see `chancery list status`");
    return list;
}

/* ---- one party ---- */

void reply_party(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    const Embargo__GetParty *asked = (const void *)question;
    const struct list *list = list_of(state, asked->list, out);
    const struct entry *e = list ? list_find(list, asked->reference) : NULL;
    const struct held *held = e ? entry_at(e, asked->at) : NULL;
    Embargo__Party party = EMBARGO__PARTY__INIT;

    if (!list)
        return;
    if (!e || e->n_held == 0) {
        answer_refused(out, "reference.unknown", "reference",
                       "this reference was never on the list; see `chancery list ls`");
        return;
    }
    struct arena *arena = arena_new(RENDER_ARENA);
    if (held) {
        bool provisional = held_provisional(held, asked->at);
        party.listed = held->version != NULL;
        party.party = held->version ? version_unpack(held->version, arena) : NULL;
        party.standing = !held->version ? EMBARGO__STANDING__STANDING_UNSPECIFIED
                         : provisional  ? EMBARGO__STANDING__STANDING_PROVISIONAL
                                        : EMBARGO__STANDING__STANDING_FINAL;
        party.snapshot = hash_bytes(&held->snapshot);
        party.position = held->position;
        party.removed_by = held->removed_by;
    }
    if (embargo__party__get_packed_size(&party) > ANSWER_MOST)
        answer_refused(out, "party.large", "reference",
                       "larger than an answer may be; read its PartyPublished in the list's feed");
    else
        answer(out, &party.base);
    arena_free(arena);
}

/* ---- parties ---- */

static bool line_of(const struct entry *e, const Embargo__ListParties *asked,
                    Embargo__PartyLine *line)
{
    const struct held *held = entry_at(e, asked->at);
    const struct version *v = held ? held->version : NULL;

    if (!v || (asked->committee[0] && strcmp(asked->committee, v->committee) != 0))
        return false;
    embargo__party_line__init(line);
    line->reference = e->reference;
    line->committee = v->committee;
    line->name = v->name;
    line->type = v->type;
    line->standing = held_provisional(held, asked->at) ? EMBARGO__STANDING__STANDING_PROVISIONAL
                                                       : EMBARGO__STANDING__STANDING_FINAL;
    return true;
}

void reply_parties(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    const Embargo__ListParties *asked = (const void *)question;
    const struct list *list = list_of(state, asked->list, out);
    Embargo__Parties page = EMBARGO__PARTIES__INIT;
    Embargo__PartyLine lines[PAGE_LINES], line, *at[PAGE_LINES];
    size_t bytes = 0;

    if (!list)
        return;
    page.parties = at;
    for (size_t i = 0; i < list->n_entries; i++) {
        const struct entry *e = list->entries[i];
        if (!line_of(e, asked, &line))
            continue;
        page.total++;
        if (page.cursor[0] || strcmp(e->reference, asked->cursor) <= 0)
            continue;
        bytes += embargo__party_line__get_packed_size(&line) + 8;
        if (page.n_parties == PAGE_LINES || (page.n_parties && bytes > PAGE_BYTES)) {
            page.cursor = at[page.n_parties - 1]->reference; /* there is more behind it */
            continue;
        }
        lines[page.n_parties] = line;
        at[page.n_parties] = &lines[page.n_parties];
        page.n_parties++;
    }
    answer(out, &page.base);
}

/* ---- history ---- */

static size_t changes_fields(const Embargo__HistoryLine *line)
{
    size_t n = 0;

    for (size_t i = 0; i < line->n_changes; i++)
        n += 4 + line->changes[i]->n_before + line->changes[i]->n_after;
    return n + 9;
}

static Embargo__HistoryLine *history_line(const struct line *line, struct arena *arena)
{
    Embargo__HistoryLine *history =
        embargo__history_line__unpack(arena_allocator(arena), line->size, line->packed);

    history->standing = line->provisional ? EMBARGO__STANDING__STANDING_PROVISIONAL
                                          : EMBARGO__STANDING__STANDING_FINAL;
    history->withdrawn = line->withdrawn;
    return history;
}

void reply_history(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    const Embargo__GetHistory *asked = (const void *)question;
    const struct list *list = list_of(state, asked->list, out);
    const struct entry *e = list ? list_find(list, asked->reference) : NULL;
    Embargo__History page = EMBARGO__HISTORY__INIT;
    char cursor[24];
    size_t bytes = 0, fields = 0;

    if (!list)
        return;
    if (!e || e->n_lines == 0) {
        answer_refused(out, "reference.unknown", "reference",
                       "this reference was never on the list; see `chancery list ls`");
        return;
    }
    struct arena *arena = arena_new(RENDER_ARENA);
    page.lines = render_take(arena, e->n_lines * sizeof *page.lines);
    for (size_t i = strtoul(asked->cursor, NULL, 10); i < e->n_lines; i++) {
        Embargo__HistoryLine *line = history_line(&e->lines[i], arena);
        bytes += embargo__history_line__get_packed_size(line) + 8;
        fields += changes_fields(line);
        if (page.n_lines > 0 && (bytes > PAGE_BYTES || fields > PAGE_CHANGES)) {
            snprintf(cursor, sizeof cursor, "%zu", i);
            page.cursor = cursor;
            break;
        }
        page.lines[page.n_lines++] = line;
    }
    answer(out, &page.base);
    arena_free(arena);
}

/* ---- status ---- */

static const char *committee_of(const struct entry *e, bool of_feed)
{
    const struct version *v = of_feed ? e->feed : entry_in_force(e);

    return v ? v->committee : NULL;
}

static int count_order(const void *a, const void *b)
{
    const Sanctions__CommitteeCount *const *x = a, *const *y = b;

    return strcmp((*x)->committee, (*y)->committee);
}

static Sanctions__CommitteeCount *count_find(Sanctions__CommitteeCount *const counts[], size_t n,
                                             const char *committee)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(counts[i]->committee, committee) == 0)
            return counts[i];
    return NULL;
}

Sanctions__CommitteeCount **committees_count(const struct list *list, bool of_feed, size_t *n,
                                             struct arena *arena)
{
    Sanctions__CommitteeCount **counts = render_take(arena, (list->n_entries + 1) * sizeof *counts);

    *n = 0;
    for (size_t i = 0; i < list->n_entries; i++) {
        const char *committee = committee_of(list->entries[i], of_feed);
        if (!committee)
            continue;
        Sanctions__CommitteeCount *count = count_find(counts, *n, committee);
        if (!count) {
            count = counts[(*n)++] = render_take(arena, sizeof *count);
            sanctions__committee_count__init(count);
            count->committee = committee;
        }
        count->entries++;
    }
    qsort(counts, *n, sizeof *counts, count_order);
    return counts;
}

static Embargo__SnapshotSetAside *set_aside_of(const struct list *list, struct arena *arena)
{
    if (!list->waiting)
        return NULL;
    Embargo__SnapshotSetAside *event = embargo__snapshot_set_aside__unpack(
        arena_allocator(arena), list->set_aside_size, list->set_aside);
    for (size_t i = 0; i < event->n_doubts; i++)
        if (event->doubts[i]->n_references > STATUS_REFERENCES)
            event->doubts[i]->n_references = STATUS_REFERENCES; /* the event has them all */
    return event;
}

static Embargo__ListStatus *status_of(const struct list *list, struct arena *arena)
{
    Embargo__ListStatus *status = render_take(arena, sizeof *status);
    size_t provisional, entries = list_in_force(list, &provisional);

    embargo__list_status__init(status);
    status->list = list->name;
    status->in_force = stamp_bytes(&list->base);
    status->generated_text = list->base.set ? list->base.text : "";
    status->generated = list->base.generated;
    status->entries = (uint32_t)entries;
    status->provisional = (uint32_t)provisional;
    status->committees = committees_count(list, false, &status->n_committees, arena);
    status->last_number = list->last_number;
    status->set_aside = set_aside_of(list, arena);
    status->set_aside_position = list->set_aside_position;
    status->position = list->base_position;
    return status;
}

void reply_status(const void *state, const ProtobufCMessage *question, struct answers *out)
{
    const Embargo__GetListStatus *asked = (const void *)question;
    const struct images *images = state;
    Embargo__ListStatuses statuses = EMBARGO__LIST_STATUSES__INIT;

    if (asked->list[0] && !list_of(state, asked->list, out))
        return;
    struct arena *arena = arena_new(RENDER_ARENA);
    statuses.lists = render_take(arena, (images->n + 1) * sizeof *statuses.lists);
    for (size_t i = 0; i < images->n; i++)
        if (!asked->list[0] || strcmp(asked->list, images->lists[i]->name) == 0)
            statuses.lists[statuses.n_lists++] = status_of(images->lists[i], arena);
    answer(out, &statuses.base);
    arena_free(arena);
}
