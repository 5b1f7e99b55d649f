/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/list.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void list_sort_texts(const char **texts, size_t *n)
{
    size_t kept = 0;

    if (*n < 2)
        return;
    qsort(texts, *n, sizeof *texts, by_bytes);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || strcmp(texts[kept - 1], texts[i]) != 0)
            texts[kept++] = texts[i];
    *n = kept;
}

struct packed {
    struct slice bytes;
    ProtobufCMessage *message;
};

static int by_packed(const void *a, const void *b)
{
    return slice_compare(((const struct packed *)a)->bytes, ((const struct packed *)b)->bytes);
}

static struct packed pack(ProtobufCMessage *message, struct arena *arena)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_take(arena, size + 1);

    assert(bytes);
    protobuf_c_message_pack(message, bytes);
    return (struct packed){{bytes, size}, message};
}

void list_sort_messages(ProtobufCMessage **messages, size_t *n, struct arena *arena)
{
    size_t kept = 0;

    if (*n < 2)
        return;
    struct packed *rows = arena_take(arena, *n * sizeof *rows);
    assert(rows);
    for (size_t i = 0; i < *n; i++)
        rows[i] = pack(messages[i], arena);
    qsort(rows, *n, sizeof *rows, by_packed);
    for (size_t i = 0; i < *n; i++)
        if (kept == 0 || !slice_equal(rows[kept - 1].bytes, rows[i].bytes))
            rows[kept++] = rows[i];
    for (size_t i = 0; i < kept; i++)
        messages[i] = rows[i].message;
    *n = kept;
}

void list_hash(const Sanctions__ListedParty *party, struct buf *room, struct hash *out)
{
    Sanctions__ListedParty content = *party;

    content.version = NULL;
    buf_reset(room);
    size_t size = protobuf_c_message_get_packed_size(&content.base);
    protobuf_c_message_pack(&content.base, buf_grow(room, size));
    hash_sha256(out, slice_buf(room));
}

/* ---- a whole list ---- */

static bool count_committee(struct list *list, const char *committee)
{
    size_t i = 0;

    while (i < list->n_counts && strcmp(list->counts[i].committee, committee) != 0)
        i++;
    if (i == list->n_counts) {
        if (i == LIST_COMMITTEES || strlen(committee) > LIST_COMMITTEE)
            return false;
        list->counts = mem_grow(list->counts, (i + 1) * sizeof *list->counts);
        list->counts[i] = (struct list_count){.entries = 0};
        memcpy(list->counts[i].committee, committee, strlen(committee) + 1);
        list->n_counts++;
    }
    list->counts[i].entries++;
    return true;
}

enum list_standing list_enter(struct list *list, const Sanctions__ListedParty *party,
                              const struct hash *content, uint64_t mark, uint64_t *first)
{
    struct image_row *row = image_find(&list->parties, party->reference);

    if (row) {
        *first = row->mark;
        return hash_equal(&row->content, content) ? LIST_SAME : LIST_CONTRADICTS;
    }
    if (list->parties.n == LIST_ENTRIES || !count_committee(list, party->committee))
        return LIST_TOO_MANY;
    image_put(&list->parties, party->reference, content)->mark = mark;
    return LIST_NEW;
}

void list_warn(struct list *list, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0; i < list->n_warnings; i++)
        if (strcmp(list->warnings[i], text) == 0)
            return;
    if (list->n_warnings < LIST_WARNINGS)
        list->warnings[list->n_warnings++] = mem_str(text);
}

void list_content(const struct list *list, struct hash *out)
{
    const struct image_row **rows = image_sorted(&list->parties);
    struct buf hashes = {0};

    for (size_t i = 0; i < list->parties.n; i++)
        buf_add(&hashes, rows[i]->content.bytes, HASH_SIZE);
    hash_sha256(out, slice_buf(&hashes));
    buf_free(&hashes);
    mem_free(rows);
}

void list_clear(struct list *list)
{
    image_clear(&list->parties);
    mem_free(list->counts);
    for (size_t i = 0; i < list->n_warnings; i++)
        mem_free(list->warnings[i]);
    *list = (struct list){.counts = NULL};
}

static void *take(struct arena *arena, size_t size)
{
    void *p = arena_take(arena, size);

    assert(p);
    return p;
}

static ProtobufCBinaryData hash_bytes(const struct hash *hash, struct arena *arena)
{
    uint8_t *copy = take(arena, HASH_SIZE);

    memcpy(copy, hash->bytes, HASH_SIZE);
    return (ProtobufCBinaryData){HASH_SIZE, copy};
}

static int by_committee(const void *a, const void *b)
{
    return strcmp((*(Sanctions__CommitteeCount *const *)a)->committee,
                  (*(Sanctions__CommitteeCount *const *)b)->committee);
}

static void add_committees(Sanctions__SnapshotPublished *s, const struct list *list,
                           struct arena *arena)
{
    s->n_committees = list->n_counts;
    s->committees = take(arena, list->n_counts * sizeof(void *));
    for (size_t i = 0; i < list->n_counts; i++) {
        s->committees[i] = take(arena, sizeof **s->committees);
        sanctions__committee_count__init(s->committees[i]);
        s->committees[i]->committee = list->counts[i].committee;
        s->committees[i]->entries = list->counts[i].entries;
    }
    qsort(s->committees, s->n_committees, sizeof(void *), by_committee);
}

Sanctions__SnapshotPublished *list_snapshot(const struct list *list, const char *name,
                                            const struct hash *snapshot, uint64_t size,
                                            struct arena *arena)
{
    Sanctions__SnapshotPublished *s = take(arena, sizeof *s);
    struct hash content;

    sanctions__snapshot_published__init(s);
    list_content(list, &content);
    s->list = name;
    s->snapshot = hash_bytes(snapshot, arena);
    s->content = hash_bytes(&content, arena);
    s->generated_text = list->generated_text;
    s->generated = list->generated;
    s->entries = (uint32_t)list->parties.n;
    s->size = size;
    s->n_warnings = list->n_warnings;
    s->warnings = take(arena, list->n_warnings * sizeof(void *));
    for (size_t i = 0; i < list->n_warnings; i++)
        s->warnings[i] = list->warnings[i];
    add_committees(s, list, arena);
    return s;
}
