/* SPDX-License-Identifier: Apache-2.0 */
/* list.h - one canonical listed party and a whole list of them, whatever the format
 *
 * Canonical: texts as text.h has them, what is empty is absent, repeated values stand in the order
 * of their bytes (messages: of their packed bytes) and exact duplicates are dropped.  A party's
 * content hash is SHA-256 of the packed canonical party without `version`, which lists bump or
 * leave as they please; `internal_id` counts, so that a party that got a new one is seen as
 * changed. A list's content hash is SHA-256 over the parties' content hashes in the order of
 * references.
 */
#pragma once

#include "adapters/sanctions/image.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/mem.h"
#include "lib/slice.h"

enum {
    LIST_FILE = 256 * 1024 * 1024, /* bytes of a file */
    LIST_ENTRIES = 200000,
    LIST_COMMITTEES = 512,
    LIST_COMMITTEE = 128, /* bytes of a committee's name */
    LIST_WARNINGS = 16,
    PIECE_BYTES = 400 * 1024, /* of one event of a party; design bound 512 KiB */
    PIECE_FIELDS = 3500,      /* design bound 4,096 */
};

/* Why a file is no list that can be used. */
struct list_fault {
    const char *code;      /* "list.truncated"; NULL = none */
    char text[320];        /* what is wrong and what to do */
    uint64_t line, column; /* from 1; 0 = the whole file */
};

/* ---- one party ---- */

/* Sorts texts by bytes and drops duplicates; `*n` is then how many are left. */
void list_sort_texts(const char **texts, size_t *n);
/* The same for messages, by their packed bytes. */
void list_sort_messages(ProtobufCMessage **messages, size_t *n, struct arena *arena);

/* The content hash of a canonical party; `room` is reused. */
void list_hash(const Sanctions__ListedParty *party, struct buf *room, struct hash *out);

/* The events that carry the party, each within PIECE_BYTES and PIECE_FIELDS: the first has the
 * single fields and as many repeated ones as fit, the others repeat `list` and `reference`. */
typedef int list_piece(void *arg, const Sanctions__PartyPublished *piece);
/* 0, what `each` returned, or ERR_BOUNDS: one value alone is larger than an event. */
int list_cut(const Sanctions__ListedParty *party, const struct hash *snapshot,
             const struct hash *content, list_piece *each, void *arg);

/* ---- a whole list ---- */

struct list_count {
    char committee[LIST_COMMITTEE + 1];
    uint32_t entries;
};

struct list {             /* what is gathered while a file is read; all zero is the beginning */
    struct image parties; /* mark: where in the file, as the format counts */
    struct list_count *counts;
    size_t n_counts;
    char *warnings[LIST_WARNINGS];
    size_t n_warnings;
    char generated_text[64];
    int64_t generated; /* microseconds UTC */
};

enum list_standing { LIST_NEW, LIST_SAME, LIST_CONTRADICTS, LIST_TOO_MANY };

/* Enters a party.  LIST_SAME: it stands there already with this content; LIST_CONTRADICTS: with
 * another one, and `*first` becomes its mark. */
enum list_standing list_enter(struct list *list, const Sanctions__ListedParty *party,
                              const struct hash *content, uint64_t mark, uint64_t *first);
/* Keeps the warning unless it is there already or there are too many. */
void list_warn(struct list *list, const char *format, ...) __attribute__((format(printf, 2, 3)));
void list_content(const struct list *list, struct hash *out);
void list_clear(struct list *list);

/* The event that ends the list, in the arena: what the file tells (the request's data and what the
 * last snapshot had are the adapter's to add). */
Sanctions__SnapshotPublished *list_snapshot(const struct list *list, const char *name,
                                            const struct hash *snapshot, uint64_t size,
                                            struct arena *arena);
