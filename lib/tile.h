/* SPDX-License-Identifier: Apache-2.0 */
/* tile.h - a log as tiles (c2sp.org/tlog-tiles): names, entry bundles, and the files of a tree;
 * pure
 *
 * A tile is 256 hashes of one level, a bundle the 256 entries under a tile of level 0.  The last of
 * each may be partial: its name says its width.  A hash of a level is the root of a full tile of
 * the level below.
 */
#pragma once

#include "lib/tree.h"

enum {
    TILE_WIDTH = 256,
    TILE_LEVELS = 8,
    TILE_ENTRIES = -1, /* in place of a level: a bundle */
    TILE_ENTRY_MOST = 65535,
};

struct tile {
    int level;
    uint64_t index;
    unsigned width; /* 1 to 256 */
};

/* "tile/0/x001/234" or "tile/entries/000.p/17".  Appends. */
void tile_path(struct buf *out, const struct tile *t);

/* Takes an entry off the front of a bundle; false where no whole one stands there. */
bool tile_entry(struct slice *bundle, struct slice *entry);

/* Gets a file of the tree; the bytes are lent for the call. 0, or what ends the building. */
typedef int tile_each(void *arg, const struct tile *tile, struct slice bytes);

/* Makes the files of a tree from its entries: `each` gets a full one as soon as it is full, a
 * bundle before the tile over it. */
struct tiles;
struct tiles *tiles_new(tile_each *each, void *arg);
void tiles_free(struct tiles *t); /* NULL is fine */
/* 0, ERR_BOUNDS (a longer entry than a bundle can have), or what `each` returned. */
int tiles_add(struct tiles *t, struct slice entry);
/* The partial ones. No entry may follow. */
int tiles_end(struct tiles *t);
/* The tree of what was added: as a checkpoint states it. */
const struct tree *tiles_tree(const struct tiles *t);
