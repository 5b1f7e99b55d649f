/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- versions ---- */

static struct version *version_new(const Sanctions__ListedParty *party)
{
    size_t size = sanctions__listed_party__get_packed_size(party);
    struct version *v = mem_new(sizeof *v + size);

    v->users = 1;
    v->type = party->type;
    v->internal_id = mem_str(party->internal_id);
    v->committee = mem_str(party->committee);
    v->name = mem_str(party->name);
    v->original_script = mem_str(party->name_original_script);
    v->size = size;
    sanctions__listed_party__pack(party, v->packed);
    return v;
}

static void version_drop(struct version **at)
{
    struct version *v = *at;

    *at = NULL;
    if (!v || --v->users > 0)
        return;
    mem_free(v->internal_id);
    mem_free(v->committee);
    mem_free(v->name);
    mem_free(v->original_script);
    mem_free(v);
}

static void version_set(struct version **at, struct version *v)
{
    if (v)
        v->users++;
    version_drop(at);
    *at = v;
}

bool version_same(const struct version *a, const struct version *b)
{
    if (a == b)
        return true;
    return a && b && slice_equal(slice_of(a->packed, a->size), slice_of(b->packed, b->size));
}

Sanctions__ListedParty *version_unpack(const struct version *v, struct arena *arena)
{
    Sanctions__ListedParty *party =
        sanctions__listed_party__unpack(arena_allocator(arena), v->size, v->packed);

    assert(party); /* packed by version_new */
    return party;
}

/* ---- snapshots ---- */

static struct hash hash_of(ProtobufCBinaryData bytes)
{
    struct hash hash = {{0}};

    if (bytes.len == sizeof hash.bytes)
        memcpy(hash.bytes, bytes.data, sizeof hash.bytes);
    return hash;
}

static void stamp_clear(struct stamp *stamp)
{
    mem_free(stamp->text);
    *stamp = (struct stamp){0};
}

static void stamp_copy(struct stamp *to, const struct stamp *from)
{
    stamp_clear(to);
    *to = *from;
    to->text = mem_str(from->text);
}

ProtobufCBinaryData hash_bytes(const struct hash *hash)
{
    /* what packs a message reads through this pointer and no more */
    return (ProtobufCBinaryData){sizeof hash->bytes, (uint8_t *)(uintptr_t)hash->bytes};
}

ProtobufCBinaryData stamp_bytes(const struct stamp *stamp)
{
    return stamp->set ? hash_bytes(&stamp->hash) : (ProtobufCBinaryData){0, NULL};
}

static struct decided *decided_find(const struct list *list, const struct hash *hash)
{
    for (size_t i = 0; i < list->n_decided; i++)
        if (hash_equal(&list->decided[i].hash, hash))
            return &list->decided[i];
    return NULL;
}

enum outcome list_outcome(const struct list *list, ProtobufCBinaryData snapshot)
{
    struct hash hash = hash_of(snapshot);
    const struct decided *decided = decided_find(list, &hash);

    return decided ? decided->outcome : OUTCOME_NONE;
}

static void decided_put(struct list *list, const struct hash *hash, enum outcome outcome)
{
    struct decided *decided = decided_find(list, hash);

    if (!decided) {
        list->decided = mem_grow(list->decided, (list->n_decided + 1) * sizeof *list->decided);
        decided = &list->decided[list->n_decided++];
        decided->hash = *hash;
    }
    decided->outcome = outcome;
}

/* ---- lists and entries, sorted ---- */

static size_t lists_place(const struct images *images, const char *name)
{
    size_t i = 0;

    while (i < images->n && strcmp(images->lists[i]->name, name) < 0)
        i++;
    return i;
}

struct list *images_find(const struct images *images, const char *name)
{
    size_t i = lists_place(images, name);

    return i < images->n && strcmp(images->lists[i]->name, name) == 0 ? images->lists[i] : NULL;
}

struct list *images_get(struct images *images, const char *name)
{
    struct list *list = images_find(images, name);

    if (list)
        return list;
    size_t i = lists_place(images, name);
    list = mem_new(sizeof *list);
    list->name = mem_str(name);
    images->lists = mem_grow(images->lists, (images->n + 1) * sizeof *images->lists);
    memmove(images->lists + i + 1, images->lists + i, (images->n - i) * sizeof *images->lists);
    images->lists[i] = list;
    images->n++;
    return list;
}

static size_t entries_place(const struct list *list, const char *reference)
{
    size_t low = 0, high = list->n_entries;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(list->entries[middle]->reference, reference) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct entry *list_find(const struct list *list, const char *reference)
{
    size_t i = entries_place(list, reference);

    if (i == list->n_entries || strcmp(list->entries[i]->reference, reference) != 0)
        return NULL;
    return list->entries[i];
}

/* Room grows by doubling: where n is a power of two, or 0, the array is full. */
static void *room_for_one(void *array, size_t n, size_t size)
{
    return (n & (n - 1)) == 0 ? mem_grow(array, (n ? 2 * n : 1) * size) : array;
}

static struct entry *list_get(struct list *list, const char *reference)
{
    struct entry *e = list_find(list, reference);

    if (e)
        return e;
    size_t i = entries_place(list, reference);
    e = mem_new(sizeof *e);
    e->reference = mem_str(reference);
    list->entries = room_for_one(list->entries, list->n_entries, sizeof *list->entries);
    memmove(list->entries + i + 1, list->entries + i,
            (list->n_entries - i) * sizeof *list->entries);
    list->entries[i] = e;
    list->n_entries++;
    return e;
}

static void entry_free(struct entry *e)
{
    version_drop(&e->feed);
    version_drop(&e->final);
    version_drop(&e->provisional);
    for (size_t i = 0; i < e->n_held; i++)
        version_drop(&e->held[i].version);
    for (size_t i = 0; i < e->n_lines; i++)
        mem_free(e->lines[i].packed);
    mem_free(e->spells);
    mem_free(e->held);
    mem_free(e->lines);
    mem_free(e->reference);
    mem_free(e);
}

static void pending_clear(struct list *list)
{
    for (size_t i = 0; i < list->n_pending; i++) {
        mem_free(list->pending[i].reference);
        buf_free(&list->pending[i].packed);
    }
    mem_free(list->pending);
    list->pending = NULL;
    list->n_pending = 0;
}

static void list_free(struct list *list)
{
    for (size_t i = 0; i < list->n_entries; i++)
        entry_free(list->entries[i]);
    pending_clear(list);
    stamp_clear(&list->feed);
    stamp_clear(&list->base);
    mem_free(list->entries);
    mem_free(list->set_aside);
    mem_free(list->decided);
    mem_free(list->name);
    mem_free(list);
}

void images_free(struct images *images)
{
    for (size_t i = 0; i < images->n; i++)
        list_free(images->lists[i]);
    mem_free(images->lists);
    *images = (struct images){0};
}

size_t list_in_force(const struct list *list, size_t *provisional)
{
    size_t n = 0;

    *provisional = 0;
    for (size_t i = 0; i < list->n_entries; i++) {
        n += entry_in_force(list->entries[i]) != NULL;
        *provisional += list->entries[i]->provisional != NULL;
    }
    return n;
}

const struct version *entry_last(const struct entry *e)
{
    if (e->final || e->provisional)
        return e->final ? e->final : e->provisional;
    for (size_t i = e->n_held; i-- > 0;)
        if (e->held[i].version)
            return e->held[i].version;
    return NULL;
}

const struct held *entry_at(const struct entry *e, uint64_t position)
{
    size_t i = e->n_held;

    while (i > 0 && position && e->held[i - 1].position > position)
        i--;
    return i ? &e->held[i - 1] : NULL;
}

bool held_provisional(const struct held *held, uint64_t position)
{
    return held->version && (!held->final_at || (position && held->final_at > position));
}

/* ---- the feed ---- */

/* Events of another snapshot: those that were pending belong to one that never came. */
static void pending_begin(struct list *list, ProtobufCBinaryData snapshot)
{
    struct hash hash = hash_of(snapshot);

    if (hash_equal(&hash, &list->pending_hash))
        return;
    pending_clear(list);
    list->pending_hash = hash;
}

static struct pending *pending_add(struct list *list, const char *reference)
{
    list->pending = room_for_one(list->pending, list->n_pending, sizeof *list->pending);
    struct pending *p = &list->pending[list->n_pending++];
    *p = (struct pending){.reference = mem_str(reference)};
    return p;
}

void image_party(struct list *list, const Sanctions__PartyPublished *event)
{
    const Sanctions__ListedParty *party = event->party;
    struct pending *p;

    pending_begin(list, event->snapshot);
    if (event->number <= 1) {
        p = pending_add(list, party->reference);
    } else {
        p = list->n_pending ? &list->pending[list->n_pending - 1] : NULL;
        if (!p || strcmp(p->reference, party->reference) != 0 || p->number + 1 != event->number)
            return; /* continues nothing: the count of the snapshot will tell */
    }
    p->number = event->number ? event->number : 1;
    p->of = event->of ? event->of : 1;
    /* protobuf merges messages that stand behind one another: repeated fields go on */
    sanctions__listed_party__pack(
        party, buf_grow(&p->packed, sanctions__listed_party__get_packed_size(party)));
}

void image_gone(struct list *list, const Sanctions__PartiesGone *event)
{
    pending_begin(list, event->snapshot);
    for (size_t i = 0; i < event->n_references; i++)
        pending_add(list, event->references[i]);
}

static int reference_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void image_rest_gone(struct list *list)
{
    size_t n = list->n_pending;
    const char **kept = mem_new((n + 1) * sizeof *kept);

    for (size_t i = 0; i < n; i++)
        kept[i] = list->pending[i].reference;
    qsort(kept, n, sizeof *kept, reference_order);
    for (size_t i = 0; i < list->n_entries; i++) {
        const char *reference = list->entries[i]->reference;
        if (list->entries[i]->feed && !bsearch(&reference, kept, n, sizeof *kept, reference_order))
            pending_add(list, reference);
    }
    mem_free(kept);
}

static void feed_put(struct list *list, const struct pending *p, struct arena *arena)
{
    const Sanctions__ListedParty *party;
    struct entry *e;

    if (p->number != p->of)
        return; /* incomplete: the count of the snapshot will tell */
    party = sanctions__listed_party__unpack(arena_allocator(arena), p->packed.size, p->packed.data);
    assert(party); /* its pieces were unpacked from events */
    e = list_get(list, p->reference);
    struct version *v = version_new(party);
    if (!version_same(v, e->feed)) {
        list->n_feed += e->feed == NULL;
        version_set(&e->feed, v);
    }
    version_drop(&v);
}

static void feed_drop(struct list *list, const char *reference)
{
    struct entry *e = list_find(list, reference);

    if (!e || !e->feed)
        return;
    list->n_feed--;
    version_drop(&e->feed);
}

void image_snapshot(struct list *list, const Sanctions__SnapshotPublished *event)
{
    struct arena *arena = arena_new((size_t)256 * 1024 * 1024);

    pending_begin(list, event->snapshot);
    for (size_t i = 0; i < list->n_pending; i++) {
        const struct pending *p = &list->pending[i];
        arena_reset(arena);
        if (p->packed.size)
            feed_put(list, p, arena);
        else
            feed_drop(list, p->reference);
    }
    arena_free(arena);
    pending_clear(list);
    list->pending_hash = (struct hash){{0}};
    stamp_clear(&list->feed);
    list->feed = (struct stamp){
        .set = true,
        .hash = hash_of(event->snapshot),
        .text = mem_str(event->generated_text),
        .generated = event->generated,
        .fetched = event->fetched,
    };
    list->feed_entries = event->entries;
}

/* ---- own events ---- */

static void held_add(struct entry *e, const struct held *held)
{
    e->held = room_for_one(e->held, e->n_held, sizeof *e->held);
    e->held[e->n_held] = *held;
    if (held->version)
        held->version->users++;
    e->n_held++;
}

static void spell_open(struct entry *e, uint64_t number, int64_t from)
{
    e->spells = room_for_one(e->spells, e->n_spells, sizeof *e->spells);
    e->spells[e->n_spells++] = (struct spell){.added_by = number, .from = from};
    e->listed = true;
}

static void line_add(struct entry *e, const Embargo__HistoryLine *history, bool provisional)
{
    struct line line = {
        .number = history->number,
        .provisional = provisional,
        .adds = history->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD ||
                history->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_RELIST,
        .size = embargo__history_line__get_packed_size(history),
    };

    line.packed = mem_new(line.size);
    embargo__history_line__pack(history, line.packed);
    e->lines = room_for_one(e->lines, e->n_lines, sizeof *e->lines);
    e->lines[e->n_lines++] = line;
}

/* Whatever was provisional of the entry stands now. */
static void lines_settle(struct entry *e)
{
    for (size_t i = 0; i < e->n_lines; i++)
        e->lines[i].provisional = false;
}

static void waiting_end(struct list *list, enum outcome outcome)
{
    if (!list->waiting)
        return;
    Embargo__SnapshotSetAside *event =
        embargo__snapshot_set_aside__unpack(NULL, list->set_aside_size, list->set_aside);
    struct hash hash = hash_of(event->snapshot);
    embargo__snapshot_set_aside__free_unpacked(event, NULL);
    decided_put(list, &hash, outcome);
    mem_free(list->set_aside);
    list->set_aside = NULL;
    list->set_aside_size = 0;
    list->set_aside_position = 0;
    list->waiting = false;
}

static void base_moves(struct list *list, uint64_t position)
{
    waiting_end(list, OUTCOME_OVERTAKEN); /* where it is the same snapshot: decided below */
    decided_put(list, &list->feed.hash, OUTCOME_DECIDED);
    stamp_copy(&list->base, &list->feed);
    list->base_position = position;
}

static void baseline_entry(struct list *list, struct entry *e, uint64_t position)
{
    Embargo__HistoryLine line = EMBARGO__HISTORY_LINE__INIT;

    version_drop(&e->provisional);
    version_set(&e->final, e->feed);
    spell_open(e, 0, list->base.generated);
    held_add(e, &(struct held){position, position, e->final, list->base.hash, 0});
    line.position = position;
    line.generated_text = list->base.text;
    line.snapshot = stamp_bytes(&list->base);
    line_add(e, &line, false);
}

void image_fold_baseline(struct list *list, uint64_t position)
{
    base_moves(list, position);
    for (size_t i = 0; i < list->n_entries; i++)
        if (list->entries[i]->feed)
            baseline_entry(list, list->entries[i], position);
}

void image_fold_taken(struct list *list, uint64_t position)
{
    base_moves(list, position);
    for (size_t i = 0; i < list->n_entries; i++) {
        struct entry *e = list->entries[i];
        if (!e->provisional || !version_same(e->provisional, e->feed))
            continue;
        version_set(&e->final, e->provisional);
        version_drop(&e->provisional);
        e->held[e->n_held - 1].final_at = position;
        lines_settle(e);
    }
}

void image_fold_set_aside(struct list *list, const Embargo__SnapshotSetAside *event,
                          uint64_t position)
{
    waiting_end(list, OUTCOME_OVERTAKEN);
    list->waiting = true;
    list->set_aside_position = position;
    list->set_aside_size = embargo__snapshot_set_aside__get_packed_size(event);
    list->set_aside = mem_new(list->set_aside_size);
    embargo__snapshot_set_aside__pack(event, list->set_aside);
}

void image_fold_rejected(struct list *list)
{
    waiting_end(list, OUTCOME_DECIDED);
}

/* The feed's version is in force from here on. */
static void entry_takes(struct list *list, struct entry *e, bool provisional, uint64_t position)
{
    struct version **at = provisional ? &e->provisional : &e->final;

    version_set(at, e->feed);
    if (!provisional) {
        version_drop(&e->provisional);
        lines_settle(e);
    }
    held_add(e, &(struct held){position, provisional ? 0 : position, e->feed, list->feed.hash, 0});
}

static void entry_goes(struct list *list, struct entry *e, const Embargo__Notice *event,
                       uint64_t position)
{
    struct spell *spell = e->listed ? &e->spells[e->n_spells - 1] : NULL;

    version_drop(&e->final);
    version_drop(&e->provisional);
    lines_settle(e);
    if (spell) {
        spell->removed_by = event->number;
        spell->to = event->generated;
    }
    e->listed = false;
    held_add(e, &(struct held){position, position, NULL, list->feed.hash, event->number});
}

/* One provisional notice is taken back; with the last of them the provisional version goes. */
static void entry_withdraws(struct list *list, struct entry *e, const Embargo__Notice *event,
                            uint64_t position)
{
    bool left = false, added = false;

    for (size_t i = 0; i < e->n_lines; i++) {
        if (e->lines[i].number == event->withdraws) {
            e->lines[i].provisional = false;
            e->lines[i].withdrawn = true;
            added = e->lines[i].adds;
        }
        left |= e->lines[i].provisional;
    }
    if (added && e->listed) { /* as if it had never been listed */
        e->n_spells--;
        e->listed = false;
    }
    if (left)
        return;
    version_drop(&e->provisional);
    held_add(e, &(struct held){position, position, e->final, list->base.hash,
                               e->final ? 0 : event->number});
}

static void notice_line(struct entry *e, const Embargo__Notice *event, uint64_t position)
{
    Embargo__HistoryLine line = EMBARGO__HISTORY_LINE__INIT;

    line.position = position;
    line.number = event->number;
    line.kind = event->kind;
    line.weight = event->weight;
    line.generated_text = event->generated_text;
    line.snapshot = event->new_snapshot;
    line.n_changes = event->n_changes;
    line.changes = event->changes;
    line_add(e, &line, event->standing == EMBARGO__STANDING__STANDING_PROVISIONAL);
}

void image_fold_notice(struct list *list, const Embargo__Notice *event, uint64_t position)
{
    struct entry *e = list_get(list, event->reference);
    bool provisional = event->standing == EMBARGO__STANDING__STANDING_PROVISIONAL;

    list->last_number = event->number;
    if (event->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_WITHDRAW)
        entry_withdraws(list, e, event, position);
    else if (event->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE)
        entry_goes(list, e, event, position);
    else
        entry_takes(list, e, provisional, position);
    if (event->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD ||
        event->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_RELIST)
        spell_open(e, event->number, event->generated);
    notice_line(e, event, position);
}

void image_fold_editorial(struct list *list, const Embargo__EditorialNotice *event)
{
    list->last_number = event->number;
}

void image_fold_detail(struct list *list, const Embargo__EditorialDetail *event, uint64_t position)
{
    struct entry *e = list_get(list, event->reference);
    Embargo__HistoryLine line = EMBARGO__HISTORY_LINE__INIT;

    entry_takes(list, e, false, position);
    line.position = position;
    line.number = event->number;
    line.kind = EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND;
    line.weight = EMBARGO__WEIGHT__WEIGHT_EDITORIAL;
    line.generated_text = list->feed.text;
    line.snapshot = stamp_bytes(&list->feed);
    line.n_changes = event->n_changes;
    line.changes = event->changes;
    line_add(e, &line, false);
}
