/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_export.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/log_tree.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/tile.h"

enum { READ_TURN = 1024, OPEN_DIRS = 16 };

struct exporting {
    struct log_tree tree;
    const char *out;
    int lock; /* held while OUT is written */
    struct tiles *tiles;
    struct buf path, there; /* of a tile, and what it has already */
    uint64_t written, kept;
    int err; /* of the reading under way */
};

static int failed(struct exporting *x, const char *path)
{
    buf_printf(&x->tree.why, "%s: %s", path, strerror(errno));
    return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

/* ---- the directory ---- */

/* Without a checkpoint there is at most what an export that was ended had written. */
static int check_begun(struct exporting *x)
{
    DIR *dir = opendir(x->out);
    int err = dir ? 0 : failed(x, x->out);

    for (const struct dirent *e; err == 0 && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "tile") != 0 && strcmp(e->d_name, "checkpoint.new") != 0) {
            buf_printf(&x->tree.why,
                       "%s: has %s and no checkpoint: it is no export; name a new directory",
                       x->out, e->d_name);
            err = ERR_EXISTS;
        }
    if (dir)
        closedir(dir);
    return err;
}

/* What is there must be of this log, and not newer than its checkpoint. */
static int check_older(struct exporting *x)
{
    struct log_tree *t = &x->tree;
    struct checkpoint older;
    char *file = mem_printf("%s/checkpoint", x->out);
    int err = log_tree_checkpoint(t, file, &older);

    if (err == ERR_NOT_FOUND) {
        buf_reset(&t->why);
        err = check_begun(x);
    } else if (err == 0 && older.size > t->checkpoint.size) {
        buf_printf(&t->why, "%s: is of %" PRIu64 " records, and that of %s of %" PRIu64, file,
                   older.size, t->dir, t->checkpoint.size);
        err = ERR_ROLLED_BACK;
    } else if (err == 0) {
        err = log_tree_has(t, file, &older);
    }
    mem_free(file);
    return err;
}

static int open_out(struct exporting *x)
{
    if (mkdir(x->out, 0755) != 0 && errno != EEXIST)
        return failed(x, x->out);
    x->lock = open(x->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (x->lock < 0)
        return failed(x, x->out);
    if (flock(x->lock, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(&x->tree.why, "%s: another export writes there; let it end", x->out);
        return ERR_BUSY;
    }
    return check_older(x);
}

/* ---- tiles ---- */

static int make_dirs(struct exporting *x)
{
    char *path = mem_str(buf_cstr(&x->path));
    int err = 0;

    for (char *at = path + strlen(x->out) + 1; err == 0 && (at = strchr(at, '/')); at++) {
        *at = '\0';
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            err = failed(x, path);
        *at = '/';
    }
    mem_free(path);
    return err;
}

static int write_tile(struct exporting *x, struct slice bytes)
{
    int err = make_dirs(x);

    if (err == 0 && file_publish(buf_cstr(&x->path), bytes) != 0)
        err = failed(x, buf_cstr(&x->path));
    x->written += err == 0;
    return err;
}

static int put_tile(void *arg, const struct tile *tile, struct slice bytes)
{
    struct exporting *x = arg;

    buf_reset(&x->path);
    buf_reset(&x->there);
    buf_printf(&x->path, "%s/", x->out);
    tile_path(&x->path, tile);
    int err = file_read(buf_cstr(&x->path), &x->there);
    if (err == ERR_NOT_FOUND)
        return write_tile(x, bytes);
    if (err)
        return failed(x, buf_cstr(&x->path));
    if (!slice_equal(slice_buf(&x->there), bytes)) {
        buf_printf(&x->tree.why,
                   "%s: is not what the log has: it was changed; take it away, or export into a "
                   "new directory",
                   buf_cstr(&x->path));
        return ERR_EXISTS;
    }
    x->kept++;
    return 0;
}

/* ---- entries ---- */

static int add_record(void *arg, const struct journal_record *record)
{
    struct exporting *x = arg;
    struct log_tree *t = &x->tree;
    uint8_t entry[LOG_ENTRY_SIZE];
    struct hash leaf, stored;

    if (record->position > t->checkpoint.size)
        return -1;
    tree_log_entry(entry, record->position, record->received, &record->event_hash);
    tree_leaf(&leaf, slice_of(entry, sizeof entry));
    x->err = journal_stored_hash(t->journal, tree_stored_index(0, record->position - 1), &stored);
    if (x->err == 0 && !hash_equal(&leaf, &stored))
        x->err = ERR_DAMAGED;
    if (x->err)
        buf_printf(&t->why, "position %" PRIu64 ": %s; see `chancery log verify`", record->position,
                   err_text(x->err));
    else
        x->err = tiles_add(x->tiles, slice_of(entry, sizeof entry));
    return x->err ? -1 : 0;
}

static int add_records(struct exporting *x)
{
    struct log_tree *t = &x->tree;
    uint64_t at = 1;
    int err = 0;

    while (err == 0 && x->err == 0 && at <= t->checkpoint.size)
        err = journal_read(t->journal, NULL, at, READ_TURN, add_record, x, &at);
    if (err)
        buf_printf(&t->why, "position %" PRIu64 ": %s; see `chancery log verify`", at,
                   err_text(err));
    return err ? err : x->err;
}

static int write_tiles(struct exporting *x)
{
    struct hash root;

    x->tiles = tiles_new(put_tile, x);
    int err = add_records(x);
    if (err == 0)
        err = tiles_end(x->tiles);
    tree_root(tiles_tree(x->tiles), &root);
    if (err == 0 && !hash_equal(&root, &x->tree.checkpoint.root)) {
        buf_printf(&x->tree.why,
                   "%s: its records do not lead to its checkpoint; see `chancery "
                   "log verify`",
                   x->tree.dir);
        err = ERR_DAMAGED;
    }
    tiles_free(x->tiles);
    return err;
}

/* ---- the end ---- */

static int sync_dir(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)at;
    return kind == FTW_D ? file_sync_dir(path) : 0;
}

/* A partial tile, or the directory of partial tiles, whose full tile is there. */
static int drop_partial(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    size_t n = kind == FTW_DP ? strlen(path) : (size_t)at->base - 1;

    (void)st;
    if (n < 2 || strncmp(path + n - 2, ".p", 2) != 0)
        return 0;
    char *full = mem_strn(path, n - 2);
    int err = access(full, F_OK) == 0 && remove(path) != 0 ? ERR_IO : 0;
    mem_free(full);
    return err;
}

/* The checkpoint says that all is there: so all is on disk before it. */
static int write_checkpoint(struct exporting *x)
{
    char *file = mem_printf("%s/checkpoint", x->out), *here = mem_printf("%s/.", x->out),
         *above = mem_printf("%s/..", x->out), *tiles = mem_printf("%s/tile", x->out);
    int err = 0;

    if (nftw(here, sync_dir, OPEN_DIRS, FTW_PHYS) != 0)
        err = failed(x, x->out);
    if (err == 0 && (file_publish(file, slice_buf(&x->tree.note)) != 0 ||
                     file_sync_dir(x->out) != 0 || file_sync_dir(above) != 0))
        err = failed(x, file);
    if (err == 0 && nftw(tiles, drop_partial, OPEN_DIRS, FTW_PHYS | FTW_DEPTH) != 0)
        err = failed(x, tiles);
    mem_free(file);
    mem_free(here);
    mem_free(above);
    mem_free(tiles);
    return err;
}

static void tell(const struct exporting *x, bool json)
{
    const struct checkpoint *c = &x->tree.checkpoint;
    char root[2 * HASH_SIZE + 1];

    hex_encode(root, c->root.bytes, HASH_SIZE);
    if (json) {
        json_t *line = json_pack("{s:s, s:s, s:I, s:s, s:I, s:I}", "log", c->origin, "exported",
                                 x->out, "size", (json_int_t)c->size, "root", root, "written",
                                 (json_int_t)x->written, "kept", (json_int_t)x->kept);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
    } else {
        printf("exported %s: %s, %" PRIu64 " records, root %s, %" PRIu64 " files written, %" PRIu64
               " were there\n",
               x->out, c->origin, c->size, root, x->written, x->kept);
    }
}

int log_export(const char *dir, const char *out, bool json)
{
    struct exporting x = {.out = out, .lock = -1};
    int status = EXIT_SUCCESS, err = log_tree_open(&x.tree, dir);

    if (err == 0)
        err = open_out(&x);
    if (err == 0)
        err = write_tiles(&x);
    if (err == 0)
        err = write_checkpoint(&x);
    if (err)
        status = log_tree_failed(&x.tree, err);
    else
        tell(&x, json);
    if (x.lock >= 0)
        close(x.lock);
    buf_free(&x.path);
    buf_free(&x.there);
    log_tree_close(&x.tree);
    return status;
}
