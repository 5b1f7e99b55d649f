/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/tile.h"

#include <stdlib.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

enum { MOST = 600, FILES_MOST = 4096 };

struct file {
    char *path;
    struct hash content;
};

struct files { /* by path, each once */
    struct file list[FILES_MOST];
    size_t n;
};

struct building {
    struct files *all;          /* of every size so far */
    struct hash leaves[MOST];   /* of the entries */
    size_t size, given, hashes; /* of the tree; what was given: files, and hashes in tiles */
    bool bundle_first;
};

/* Entries of every length from 0 on, none like another. */
static struct slice entry_of(size_t i, uint8_t room[MOST + 2])
{
    memset(room, (int)(i % 251), i + 2);
    room[0] = (uint8_t)(i >> 8);
    return slice_of(room, i == 0 ? 0 : i + 1);
}

static void range_root(const struct hash leaves[], size_t n, struct hash *root)
{
    struct tree t = {0};

    for (size_t i = 0; i < n; i++)
        tree_append(&t, &leaves[i], NULL);
    tree_root(&t, root);
}

/* Whatever the size, a name stands for the same bytes: so an export is extended from any smaller
 * one by the files that it has not. */
static void note_file(struct files *all, const char *path, struct slice bytes)
{
    struct hash content;
    size_t i = 0;

    hash_sha256(&content, bytes);
    while (i < all->n && strcmp(all->list[i].path, path) != 0)
        i++;
    if (i < all->n) {
        assert_true(hash_equal(&all->list[i].content, &content));
        return;
    }
    assert_true(all->n < FILES_MOST);
    all->list[all->n++] = (struct file){mem_str(path), content};
}

static void check_level(struct building *b, const struct tile *tile, struct slice bytes)
{
    size_t unit = (size_t)1 << 8 * tile->level;

    assert_int_equal(bytes.size, tile->width * HASH_SIZE);
    for (size_t i = 0; i < tile->width; i++) {
        size_t begin = (tile->index * TILE_WIDTH + i) * unit;
        struct hash root;
        assert_true(begin + unit <= b->size);
        range_root(b->leaves + begin, unit, &root);
        assert_memory_equal(root.bytes, bytes.data + i * HASH_SIZE, HASH_SIZE);
        b->hashes++;
    }
}

static void check_bundle(struct building *b, const struct tile *tile, struct slice bytes)
{
    struct slice entry;

    for (size_t i = 0; i < tile->width; i++) {
        struct hash leaf;
        assert_true(tile_entry(&bytes, &entry));
        tree_leaf(&leaf, entry);
        assert_true(hash_equal(&leaf, &b->leaves[tile->index * TILE_WIDTH + i]));
    }
    assert_int_equal(bytes.size, 0);
    assert_false(tile_entry(&bytes, &entry));
}

static int on_file(void *arg, const struct tile *tile, struct slice bytes)
{
    struct building *b = arg;
    struct buf path = {0};

    tile_path(&path, tile);
    note_file(b->all, buf_cstr(&path), bytes);
    buf_free(&path);
    assert_true(tile->width >= 1 && tile->width <= TILE_WIDTH);
    if (tile->level == TILE_ENTRIES)
        check_bundle(b, tile, bytes);
    else
        check_level(b, tile, bytes);
    b->given++;
    return 0;
}

/* Full and partial tiles of all levels, and as many bundles as tiles of level 0. */
static size_t files_meant(size_t size, size_t *hashes)
{
    size_t files = (size + 255) / 256;

    *hashes = 0;
    for (size_t n = size; n; n /= 256) {
        files += (n + 255) / 256;
        *hashes += n;
    }
    return files;
}

static void build(struct files *all, size_t size)
{
    struct building *b = mem_new(sizeof *b);
    struct tiles *t = tiles_new(on_file, b);
    struct hash root, built;
    uint8_t room[MOST + 2];
    size_t hashes;

    b->all = all;
    b->size = size;
    for (size_t i = 0; i < size; i++)
        tree_leaf(&b->leaves[i], entry_of(i, room));
    for (size_t i = 0; i < size; i++)
        assert_int_equal(tiles_add(t, entry_of(i, room)), 0);
    assert_int_equal(tiles_end(t), 0);
    assert_int_equal(b->given, files_meant(size, &hashes));
    assert_int_equal(b->hashes, hashes);
    range_root(b->leaves, size, &root);
    tree_root(tiles_tree(t), &built);
    assert_true(hash_equal(&root, &built));
    assert_int_equal(tiles_tree(t)->size, size);
    tiles_free(t);
    mem_free(b);
}

static void a_tree_of_any_size_has_the_tiles_that_are_meant(void **unused)
{
    (void)unused;
    struct files *all = mem_new(sizeof *all);

    for (size_t size = 0; size <= MOST; size++)
        build(all, size);
    for (size_t i = 0; i < all->n; i++)
        mem_free(all->list[i].path);
    mem_free(all);
}

static void assert_path(int level, uint64_t index, unsigned width, const char *meant)
{
    struct buf path = {0};

    tile_path(&path, &(struct tile){level, index, width});
    assert_string_equal(buf_cstr(&path), meant);
    buf_free(&path);
}

static void a_tile_is_named_as_the_specification_says(void **unused)
{
    (void)unused;
    assert_path(0, 0, 256, "tile/0/000");
    assert_path(63, 7, 1, "tile/63/007.p/1");
    assert_path(0, 999, 255, "tile/0/999.p/255");
    assert_path(1, 1000, 256, "tile/1/x001/000");
    assert_path(0, 1234067, 256, "tile/0/x001/x234/067");
    assert_path(TILE_ENTRIES, 999999, 256, "tile/entries/x999/999");
    assert_path(TILE_ENTRIES, 1000000, 17, "tile/entries/x001/x000/000.p/17");
    assert_path(0, (uint64_t)1 << 55, 256, "tile/0/x036/x028/x797/x018/x963/968");
}

struct counted {
    size_t full[TILE_LEVELS];
    unsigned partial[TILE_LEVELS];
};

static int on_counted(void *arg, const struct tile *tile, struct slice bytes)
{
    struct counted *c = arg;

    (void)bytes;
    if (tile->level != TILE_ENTRIES && tile->width == TILE_WIDTH)
        c->full[tile->level]++;
    else if (tile->level != TILE_ENTRIES)
        c->partial[tile->level] = tile->width;
    return 0;
}

static void the_example_of_the_specification_comes_out(void **unused)
{
    (void)unused;
    struct counted c = {0};
    struct tiles *t = tiles_new(on_counted, &c);

    for (size_t i = 0; i < 70000; i++)
        assert_int_equal(tiles_add(t, slice_of(&i, sizeof i)), 0);
    assert_int_equal(tiles_end(t), 0);
    assert_int_equal(c.full[0], 273);
    assert_int_equal(c.partial[0], 112);
    assert_int_equal(c.full[1], 1);
    assert_int_equal(c.partial[1], 17);
    assert_int_equal(c.full[2], 0);
    assert_int_equal(c.partial[2], 1);
    tiles_free(t);
}

static int on_stop(void *arg, const struct tile *tile, struct slice bytes)
{
    (void)tile, (void)bytes;
    ++*(int *)arg;
    return ERR_IO;
}

static void what_cannot_be_written_ends_the_building(void **unused)
{
    (void)unused;
    uint8_t *large = mem_new(TILE_ENTRY_MOST + 1);
    int calls = 0;
    struct tiles *t = tiles_new(on_stop, &calls);

    assert_int_equal(tiles_add(t, slice_of(large, TILE_ENTRY_MOST + 1)), ERR_BOUNDS);
    assert_int_equal(tiles_tree(t)->size, 0);
    for (int i = 0; i < TILE_WIDTH - 1; i++)
        assert_int_equal(tiles_add(t, slice_str("entry")), 0);
    assert_int_equal(tiles_add(t, slice_of(large, TILE_ENTRY_MOST)), ERR_IO);
    assert_int_equal(calls, 1);
    tiles_free(t);
    mem_free(large);
}

static void a_bundle_that_ends_early_has_no_more_entries(void **unused)
{
    (void)unused;
    static const uint8_t bytes[] = {0, 2, 'a', 'b', 0, 0, 0, 3, 'c', 'd'};
    struct slice rest = slice_of(bytes, sizeof bytes), entry;

    assert_true(tile_entry(&rest, &entry) && slice_is(entry, "ab"));
    assert_true(tile_entry(&rest, &entry) && slice_is(entry, ""));
    assert_false(tile_entry(&rest, &entry));
    assert_int_equal(rest.size, 4);
    rest = slice_of(bytes, 1);
    assert_false(tile_entry(&rest, &entry));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_of_any_size_has_the_tiles_that_are_meant),
        cmocka_unit_test(a_tile_is_named_as_the_specification_says),
        cmocka_unit_test(the_example_of_the_specification_comes_out),
        cmocka_unit_test(what_cannot_be_written_ends_the_building),
        cmocka_unit_test(a_bundle_that_ends_early_has_no_more_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
