/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/check.h"

#include <inttypes.h>
#include <stdio.h>

static void missing(const struct check *c, uint64_t position, enum db db)
{
    c->found(c->arg, position, db, true, "its entry is missing");
}

static void entry(const struct check *c, uint64_t position, enum db db, struct slice key,
                  struct slice expected)
{
    struct slice value;

    if (store_get(c->store, c->txn, db, key, &value) != 0)
        missing(c, position, db);
    else if (!slice_equal(value, expected))
        c->found(c->arg, position, db, false, "its entry says something else");
}

static size_t parts(const struct check *c, uint64_t position, const Core__Envelope *envelope)
{
    uint8_t key[PART_KEY];
    struct hash part;
    size_t n = 0;

    for (size_t i = 0; i < envelope->n_parts; i++) {
        bool again = false;
        memcpy(part.bytes, envelope->parts[i]->sha256.data, HASH_SIZE);
        for (size_t k = 0; k < i && !again; k++)
            again = memcmp(part.bytes, envelope->parts[k]->sha256.data, HASH_SIZE) == 0;
        if (again)
            continue;
        n++;
        store_part_key(key, &part, position);
        entry(c, position, DB_PARTS, slice_of(key, sizeof key), slice_str(""));
    }
    return n;
}

size_t check_entries(const struct check *c, uint64_t position, const struct event *e,
                     const uint32_t numbers[NAME_KINDS])
{
    uint8_t id[ID_KEY], place[ID_VALUE], name[CHANNEL_NAME], channel[CHANNEL_KEY],
        seat[NUMBER_SIZE];

    store_id_key(id, numbers[NAME_SEAT], e->envelope->id.data);
    store_id_value(place, position, &e->envelope_hash);
    entry(c, position, DB_IDS, slice_of(id, sizeof id), slice_of(place, sizeof place));
    store_channel_name(name, numbers[NAME_STREAM], numbers[NAME_TYPE]);
    store_channel_key(channel, name, position);
    store_u32(seat, numbers[NAME_SEAT]);
    entry(c, position, DB_CHANNELS, slice_of(channel, sizeof channel), slice_of(seat, sizeof seat));
    return parts(c, position, e->envelope);
}

void check_tree(struct check *c, uint64_t position, const struct journal_record *record)
{
    struct hash leaf = {0}, nodes[TREE_LEVELS], stored;
    uint64_t index = tree_stored_count(position - 1);
    char text[80];

    if (record)
        tree_log_leaf(&leaf, position, record->received, &record->event_hash);
    else
        store_run_hash(&c->hashes, index, &leaf);
    int n = tree_append(&c->tree, &leaf, nodes);
    for (int i = 0; i < n; i++) {
        if (store_run_hash(&c->hashes, index + (uint64_t)i, &stored) != 0) {
            missing(c, position, DB_TREE);
        } else if (!hash_equal(&stored, &nodes[i])) {
            snprintf(text, sizeof text, "stored hash %" PRIu64 " is not that of the records",
                     index + (uint64_t)i);
            c->found(c->arg, position, DB_TREE, false, text);
        }
    }
}
