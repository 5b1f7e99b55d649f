/* SPDX-License-Identifier: Apache-2.0 */
/* dump.c - the images as canonical text: equal states, equal text */
#include <inttypes.h>

#include "workers/embargo/image.h"

static void dump_hash(struct buf *out, const char *name, const struct hash *hash)
{
    char hex[2 * HASH_SIZE + 1];

    hex_encode(hex, hash->bytes, sizeof hash->bytes);
    buf_printf(out, " %s=%.16s", name, hex);
}

static void dump_version(struct buf *out, const char *name, const struct version *v)
{
    struct hash hash;

    if (!v)
        return;
    hash_sha256(&hash, slice_of(v->packed, v->size));
    dump_hash(out, name, &hash);
}

static void dump_stamp(struct buf *out, const char *name, const struct stamp *stamp)
{
    if (!stamp->set)
        return;
    buf_printf(out, "  %s generated=%" PRId64 " fetched=%" PRId64, name, stamp->generated,
               stamp->fetched);
    dump_hash(out, "snapshot", &stamp->hash);
    buf_printf(out, " \"%s\"\n", stamp->text);
}

static void dump_history(struct buf *out, const struct entry *e)
{
    for (size_t i = 0; i < e->n_spells; i++)
        buf_printf(out, "    spell %" PRIu64 "..%" PRIu64 " %" PRId64 "..%" PRId64 "\n",
                   e->spells[i].added_by, e->spells[i].removed_by, e->spells[i].from,
                   e->spells[i].to);
    for (size_t i = 0; i < e->n_held; i++) {
        const struct held *held = &e->held[i];
        buf_printf(out, "    held %" PRIu64 " final=%" PRIu64 " removed=%" PRIu64, held->position,
                   held->final_at, held->removed_by);
        dump_hash(out, "snapshot", &held->snapshot);
        dump_version(out, "version", held->version);
        buf_add_byte(out, '\n');
    }
    for (size_t i = 0; i < e->n_lines; i++) {
        const struct line *line = &e->lines[i];
        struct hash hash;
        hash_sha256(&hash, slice_of(line->packed, line->size));
        buf_printf(out, "    line %" PRIu64 "%s%s", line->number,
                   line->provisional ? " provisional" : "", line->withdrawn ? " withdrawn" : "");
        dump_hash(out, "line", &hash);
        buf_add_byte(out, '\n');
    }
}

static void dump_list(struct buf *out, const struct list *list)
{
    size_t provisional, n = list_in_force(list, &provisional);
    struct hash set_aside;

    buf_printf(out,
               "list %s in_force=%zu provisional=%zu feed=%zu/%" PRIu32 " last_number=%" PRIu64
               " base_position=%" PRIu64 "\n",
               list->name, n, provisional, list->n_feed, list->feed_entries, list->last_number,
               list->base_position);
    dump_stamp(out, "base", &list->base);
    dump_stamp(out, "feed", &list->feed);
    if (list->waiting) {
        hash_sha256(&set_aside, slice_of(list->set_aside, list->set_aside_size));
        buf_printf(out, "  waiting position=%" PRIu64, list->set_aside_position);
        dump_hash(out, "event", &set_aside);
        buf_add_byte(out, '\n');
    }
    if (list->n_pending)
        buf_printf(out, "  pending %zu\n", list->n_pending);
    for (size_t i = 0; i < list->n_decided; i++) {
        buf_printf(out, "  decided %d", (int)list->decided[i].outcome);
        dump_hash(out, "snapshot", &list->decided[i].hash);
        buf_add_byte(out, '\n');
    }
    for (size_t i = 0; i < list->n_entries; i++) {
        const struct entry *e = list->entries[i];
        buf_printf(out, "  %s%s", e->reference, e->listed ? " listed" : "");
        dump_version(out, "feed", e->feed);
        dump_version(out, "final", e->final);
        dump_version(out, "provisional", e->provisional);
        buf_add_byte(out, '\n');
        dump_history(out, e);
    }
}

void images_dump(const struct images *images, struct buf *out)
{
    for (size_t i = 0; i < images->n; i++)
        dump_list(out, images->lists[i]);
}
