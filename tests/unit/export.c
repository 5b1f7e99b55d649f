/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_export.h"

#include <ftw.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/signed.h"
#include "lib/file.h"
#include "lib/tile.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

enum { MOST = 600 };

struct place { /* an instance of so many records, and where it is exported to */
    char *dir;
    struct records *records;
    struct journal *journal;
    struct log_key key;
};

static struct place place_new(void)
{
    struct place p = {.dir = records_dir(), .records = mem_new(sizeof *p.records)};
    char *file = mem_printf("%s/log.vkey", p.dir);
    struct buf vkey = {0};

    records_mix(p.records, MOST);
    p.journal = records_create(p.dir, p.records);
    log_key_make(&p.key, "log.qma.example/main");
    note_vkey(&vkey, p.key.name, p.key.public_key);
    assert_int_equal(file_replace(file, slice_buf(&vkey)), 0);
    buf_free(&vkey);
    mem_free(file);
    return p;
}

static void place_free(struct place *p)
{
    journal_close(p->journal);
    records_clear(p->records);
    mem_free(p->records);
    records_dir_remove(p->dir);
}

/* Exports the log as if it had so many records. */
static int export_at(struct place *p, uint64_t size, const char *name)
{
    struct tree tree;
    struct hash root;
    char *out = mem_printf("%s/%s", p->dir, name);

    assert_int_equal(tree_load(&tree, size, journal_stored_hash, p->journal), 0);
    tree_root(&tree, &root);
    assert_int_equal(signed_found(p->dir, &p->key, size, &root), 0);
    int status = log_export(p->dir, out, true);
    mem_free(out);
    return status;
}

static void remove_export(struct place *p, const char *name)
{
    char *command = mem_printf("rm -rf '%s/%s'", p->dir, name);

    assert_int_equal(system(command), 0);
    mem_free(command);
}

/* ---- what is in a directory ---- */

static struct { /* nftw hands nothing on */
    const char *dir;
    struct tiles *tiles; /* of the whole log */
    size_t meant, found, partial;
} look;

static int on_file(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)at;
    if (kind != FTW_F)
        return 0;
    look.found++;
    look.partial += strstr(path, ".p/") != NULL;
    assert_null(strstr(path, ".new"));
    return 0;
}

static int on_tile(void *arg, const struct tile *tile, struct slice bytes)
{
    struct buf path = {0}, there = {0};

    (void)arg;
    buf_printf(&path, "%s/", look.dir);
    tile_path(&path, tile);
    assert_int_equal(file_read(buf_cstr(&path), &there), 0);
    assert_true(slice_equal(slice_buf(&there), bytes));
    look.meant++;
    buf_free(&path);
    buf_free(&there);
    return 0;
}

/* The export has each file of a tree of that size, and `more` others. */
static void assert_export(struct place *p, const char *name, size_t size, size_t more)
{
    char *dir = mem_printf("%s/%s", p->dir, name);
    uint8_t entry[LOG_ENTRY_SIZE];

    look.dir = dir;
    look.meant = look.found = look.partial = 0;
    look.tiles = tiles_new(on_tile, NULL);
    for (size_t i = 0; i < size; i++) {
        const struct journal_event *e = &p->records->events[i];
        tree_log_entry(entry, i + 1, e->received, &e->event_hash);
        assert_int_equal(tiles_add(look.tiles, slice_of(entry, sizeof entry)), 0);
    }
    assert_int_equal(tiles_end(look.tiles), 0);
    tiles_free(look.tiles);
    assert_int_equal(nftw(dir, on_file, 8, FTW_PHYS), 0);
    assert_int_equal(look.found, look.meant + 1 + more); /* and the checkpoint */
    mem_free(dir);
}

/* Partial tiles that an export of `size` leaves in one of MOST: where no full one took its place.
 */
static size_t left_over(size_t size)
{
    size_t n = 0;

    for (size_t was = size, is = MOST; was; was /= TILE_WIDTH, is /= TILE_WIDTH)
        if (was % TILE_WIDTH && was / TILE_WIDTH == is / TILE_WIDTH && was != is)
            n += was == size ? 2 : 1; /* of level 0, its bundle too */
    return n;
}

/* ---- */

static void an_export_of_any_size_is_extended_to_what_a_fresh_one_is(void **unused)
{
    (void)unused;
    struct place p = place_new();

    for (size_t size = 1; size <= MOST; size += size % 256 < 2 || size % 256 == 255 ? 1 : 13) {
        assert_int_equal(export_at(&p, size, "out"), EXIT_SUCCESS);
        assert_export(&p, "out", size, 0);
        assert_int_equal(export_at(&p, MOST, "out"), EXIT_SUCCESS);
        assert_export(&p, "out", MOST, left_over(size));
        remove_export(&p, "out");
    }
    place_free(&p);
}

static void an_export_grows_record_by_record(void **unused)
{
    (void)unused;
    struct place p = place_new();

    for (size_t size = 240; size <= 270; size++)
        assert_int_equal(export_at(&p, size, "out"), EXIT_SUCCESS);
    /* of 257 to 269 the partial ones, and nothing below 256, since it is full */
    assert_export(&p, "out", 270, 2 * 13);
    assert_int_equal(export_at(&p, 270, "out"), EXIT_SUCCESS); /* nothing new */
    assert_export(&p, "out", 270, 2 * 13);
    place_free(&p);
}

static void an_older_log_does_not_take_an_export_back(void **unused)
{
    (void)unused;
    struct place p = place_new();

    assert_int_equal(export_at(&p, 300, "out"), EXIT_SUCCESS);
    assert_int_equal(export_at(&p, 299, "out"), EXIT_FAILURE);
    assert_export(&p, "out", 300, 0);
    place_free(&p);
}

static void what_is_no_export_of_this_log_is_left_alone(void **unused)
{
    (void)unused;
    struct place p = place_new();
    char *dir = mem_printf("%s/out", p.dir), *file = mem_printf("%s/letter", dir);

    assert_int_equal(mkdir(dir, 0755), 0);
    assert_int_equal(file_replace(file, slice_str("dear")), 0);
    assert_int_equal(export_at(&p, 10, "out"), EXIT_FAILURE);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(export_at(&p, 10, "out"), EXIT_SUCCESS); /* an empty one is fine */
    log_key_make(&p.key, "log.qmb.example/main");             /* its directory names the old key */
    assert_int_equal(export_at(&p, 11, "out"), EXIT_FAILURE);
    assert_export(&p, "out", 10, 0);
    mem_free(dir);
    mem_free(file);
    place_free(&p);
}

static void a_changed_file_is_an_error_and_stays_as_it_is(void **unused)
{
    (void)unused;
    static const char *const names[] = {"tile/0/000", "tile/entries/001", "tile/1/000.p/1",
                                        "tile/0/001.p/44"};
    struct place p = place_new();
    struct buf there = {0};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *file = mem_printf("%s/out/%s", p.dir, names[i]);
        assert_int_equal(export_at(&p, i == 1 ? 512 : 300, "out"), EXIT_SUCCESS);
        assert_int_equal(file_replace(file, slice_str("changed")), 0);
        assert_int_equal(export_at(&p, i == 1 ? MOST : 300, "out"), EXIT_FAILURE);
        buf_reset(&there);
        assert_int_equal(file_read(file, &there), 0);
        assert_true(slice_is(slice_buf(&there), "changed"));
        remove_export(&p, "out");
        mem_free(file);
    }
    buf_free(&there);
    place_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_of_any_size_is_extended_to_what_a_fresh_one_is),
        cmocka_unit_test(an_export_grows_record_by_record),
        cmocka_unit_test(an_older_log_does_not_take_an_export_back),
        cmocka_unit_test(what_is_no_export_of_this_log_is_left_alone),
        cmocka_unit_test(a_changed_file_is_an_error_and_stays_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
