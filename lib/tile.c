/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tile.h"

#include "lib/err.h"
#include "lib/mem.h"

enum { LENGTH_SIZE = 2, GROUP = 1000 };

struct level { /* the last tile of it, so far */
    struct hash hashes[TILE_WIDTH];
    unsigned n;
    uint64_t index;
};

struct tiles {
    tile_each *each;
    void *arg;
    struct tree tree;
    struct buf bundle;
    struct level levels[TILE_LEVELS];
};

/* All groups of three digits but the last begin with an x, so that no file is a directory too. */
static void add_index(struct buf *out, uint64_t index)
{
    uint64_t unit = 1;

    while (index / unit >= GROUP)
        unit *= GROUP;
    for (; unit > 1; unit /= GROUP)
        buf_printf(out, "x%03u/", (unsigned)(index / unit % GROUP));
    buf_printf(out, "%03u", (unsigned)(index % GROUP));
}

void tile_path(struct buf *out, const struct tile *t)
{
    if (t->level == TILE_ENTRIES)
        buf_add_str(out, "tile/entries/");
    else
        buf_printf(out, "tile/%d/", t->level);
    add_index(out, t->index);
    if (t->width < TILE_WIDTH)
        buf_printf(out, ".p/%u", t->width);
}

bool tile_entry(struct slice *bundle, struct slice *entry)
{
    if (bundle->size < LENGTH_SIZE)
        return false;
    size_t size = (size_t)bundle->data[0] << 8 | bundle->data[1];
    if (bundle->size - LENGTH_SIZE < size)
        return false;
    *entry = slice_of(bundle->data + LENGTH_SIZE, size);
    *bundle = slice_of(entry->data + size, bundle->size - LENGTH_SIZE - size);
    return true;
}

struct tiles *tiles_new(tile_each *each, void *arg)
{
    struct tiles *t = mem_new(sizeof *t);

    t->each = each;
    t->arg = arg;
    return t;
}

void tiles_free(struct tiles *t)
{
    if (t) {
        buf_free(&t->bundle);
        mem_free(t);
    }
}

static int give_bundle(struct tiles *t, unsigned width)
{
    struct tile tile = {TILE_ENTRIES, (t->tree.size - 1) / TILE_WIDTH, width};
    int err = t->each(t->arg, &tile, slice_buf(&t->bundle));

    buf_reset(&t->bundle);
    return err;
}

static int give_level(struct tiles *t, int level)
{
    const struct level *l = &t->levels[level];
    struct tile tile = {level, l->index, l->n};

    return t->each(t->arg, &tile, slice_of(l->hashes, l->n * sizeof l->hashes[0]));
}

static void full_root(const struct level *l, struct hash *root)
{
    struct tree full = {0};

    for (unsigned i = 0; i < TILE_WIDTH; i++)
        tree_append(&full, &l->hashes[i], NULL);
    tree_root(&full, root);
}

static int add_hash(struct tiles *t, struct hash hash)
{
    int err = 0;

    for (int i = 0; err == 0 && i < TILE_LEVELS; i++) {
        struct level *l = &t->levels[i];
        l->hashes[l->n++] = hash;
        if (l->n < TILE_WIDTH)
            break;
        err = give_level(t, i);
        full_root(l, &hash);
        l->n = 0;
        l->index++;
    }
    return err;
}

int tiles_add(struct tiles *t, struct slice entry)
{
    struct hash leaf;
    int err = 0;

    if (entry.size > TILE_ENTRY_MOST)
        return ERR_BOUNDS;
    buf_add_byte(&t->bundle, (uint8_t)(entry.size >> 8));
    buf_add_byte(&t->bundle, (uint8_t)entry.size);
    buf_add(&t->bundle, entry.data, entry.size);
    tree_leaf(&leaf, entry);
    tree_append(&t->tree, &leaf, NULL);
    if (t->tree.size % TILE_WIDTH == 0)
        err = give_bundle(t, TILE_WIDTH);
    return err ? err : add_hash(t, leaf);
}

int tiles_end(struct tiles *t)
{
    unsigned width = (unsigned)(t->tree.size % TILE_WIDTH);
    int err = width ? give_bundle(t, width) : 0;

    for (int i = 0; err == 0 && i < TILE_LEVELS; i++)
        if (t->levels[i].n)
            err = give_level(t, i);
    return err;
}

const struct tree *tiles_tree(const struct tiles *t)
{
    return &t->tree;
}
