/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - the state of the embargo worker: what the feeds say, and what is in force
 *
 * A list has two images.  The feed image is the last complete snapshot; events of a snapshot are
 * pending until its SnapshotPublished.  In force is the final base, over which additions and
 * amendments of a snapshot that waits for a decision stand as provisional.  Versions of parties
 * are kept packed and shared, for as long as a reference has a history.  The functions named
 * image_fold_ fold events of the worker's own: each reads the feed image as it stood at its cause.
 */
#pragma once

#include <stdbool.h>

#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/mem.h"
#include "lib/slice.h"
#include "lib/tree.h"

struct version { /* one canonical ListedParty; never changes */
    unsigned users;
    Sanctions__PartyType type;
    char *internal_id, *committee, *name, *original_script;
    size_t size;
    uint8_t packed[];
};

struct stamp { /* a snapshot */
    bool set;
    struct hash hash;
    char *text; /* the publisher's stamp as written */
    int64_t generated, fetched;
};

struct spell { /* a time on the list; the last one is open while `listed` */
    uint64_t added_by, removed_by;
    int64_t from, to;
};

struct held {                    /* what was in force from `position` on */
    uint64_t position, final_at; /* final_at 0: provisional as yet */
    struct version *version;     /* NULL = nothing */
    struct hash snapshot;
    uint64_t removed_by; /* number of the notice, where nothing is in force */
};

struct line { /* of the history */
    uint64_t number;
    bool provisional, withdrawn;
    bool adds; /* ADD or RELIST */
    size_t size;
    uint8_t *packed; /* HistoryLine without standing and withdrawn */
};

struct entry { /* a reference that was ever seen */
    char *reference;
    struct version *feed, *final, *provisional; /* NULL = not there */
    struct spell *spells;
    struct held *held;
    struct line *lines;
    size_t n_spells, n_held, n_lines;
    bool listed;
};

struct pending { /* of the snapshot whose events come in */
    char *reference;
    struct buf packed; /* of ListedParty, continuations behind one another; empty = gone */
    uint32_t number, of;
};

enum outcome { OUTCOME_NONE, OUTCOME_DECIDED, OUTCOME_OVERTAKEN };

struct decided { /* the latest outcome of a snapshot */
    struct hash hash;
    enum outcome outcome;
};

struct list {
    char *name;
    struct entry **entries; /* by reference */
    size_t n_entries, n_feed;
    struct hash pending_hash;
    struct pending *pending;
    size_t n_pending;
    struct stamp feed, base; /* last complete snapshot; the one in force */
    uint32_t feed_entries;   /* as the feed counts them */
    uint64_t base_position;  /* of the event that brought the base */
    uint64_t last_number;
    bool waiting; /* `feed` was set aside and is not decided */
    uint8_t *set_aside;
    size_t set_aside_size; /* SnapshotSetAside, packed */
    uint64_t set_aside_position;
    struct decided *decided;
    size_t n_decided;
};

struct images {
    struct list **lists; /* by name */
    size_t n;
};

void images_free(struct images *images); /* what they hold, not the struct */
struct list *images_find(const struct images *images, const char *name);
struct list *images_get(struct images *images, const char *name); /* made where it is new */

struct entry *list_find(const struct list *list, const char *reference);
enum outcome list_outcome(const struct list *list, ProtobufCBinaryData snapshot);
/* How many entries are in force, and how many of these provisionally. */
size_t list_in_force(const struct list *list, size_t *provisional);

/* ---- the feed ---- */

void image_party(struct list *list, const Sanctions__PartyPublished *event);
void image_gone(struct list *list, const Sanctions__PartiesGone *event);
/* All that is in the feed image and not pending goes with the snapshot that is pending. */
void image_rest_gone(struct list *list);
void image_snapshot(struct list *list, const Sanctions__SnapshotPublished *event);

/* ---- entries and versions ---- */

static inline struct version *entry_in_force(const struct entry *e)
{
    return e->provisional ? e->provisional : e->final;
}

/* The final version, or else the last one that ever was in force; NULL = none. */
const struct version *entry_last(const struct entry *e);
bool version_same(const struct version *a, const struct version *b);
Sanctions__ListedParty *version_unpack(const struct version *v, struct arena *arena);
/* What was in force at the position (0 = now), or NULL. */
const struct held *entry_at(const struct entry *e, uint64_t position);
bool held_provisional(const struct held *held, uint64_t position);

ProtobufCBinaryData hash_bytes(const struct hash *hash);    /* lent */
ProtobufCBinaryData stamp_bytes(const struct stamp *stamp); /* lent; empty where it is not set */

/* ---- own events, at their position ---- */

/* All that the feed image has is in force. */
void image_fold_baseline(struct list *list, uint64_t position);
/* The feed image's snapshot is the base now; provisional versions that it keeps are final. */
void image_fold_taken(struct list *list, uint64_t position);
void image_fold_set_aside(struct list *list, const Embargo__SnapshotSetAside *event,
                          uint64_t position);
void image_fold_rejected(struct list *list);
void image_fold_notice(struct list *list, const Embargo__Notice *event, uint64_t position);
void image_fold_editorial(struct list *list, const Embargo__EditorialNotice *event);
void image_fold_detail(struct list *list, const Embargo__EditorialDetail *event, uint64_t position);

/* Canonical text: equal states, equal text. */
void images_dump(const struct images *images, struct buf *out);
