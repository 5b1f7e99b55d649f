/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - `log check`: an export of a log (c2sp.org/tlog-tiles), by who has neither log nor
 * broker
 *
 * The tree is built anew from the entries and compared with every tile and the signed root.  A
 * partial tile may have made room for the full one.  Nothing is read that has not the size that is
 * meant: the files may be anybody's.
 */
#include <errno.h>
#include <sys/stat.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/note.h"
#include "lib/tile.h"

enum { ENTRY_BYTES = 2 + LOG_ENTRY_SIZE };

struct checking {
    const char *out;
    char log[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    struct checkpoint checkpoint;
    struct tiles *tiles;
    struct buf name, file, why; /* of what is looked at: its name, its bytes; what is wrong */
    int64_t received;           /* of the entry before */
    uint64_t files;
};

static int wrong(struct checking *k, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int wrong(struct checking *k, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_add_str(&k->why, text);
    return ERR_PROOF;
}

/* The file that is looked at, of a size between the two. */
static int read_file(struct checking *k, size_t least, size_t most)
{
    char *path = mem_printf("%s/%s", k->out, buf_cstr(&k->name));
    struct stat st;
    int err = stat(path, &st) == 0 ? 0 : errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;

    buf_reset(&k->file);
    if (err == 0 && (st.st_size < (off_t)least || st.st_size > (off_t)most))
        err = wrong(k, "has %lld bytes, and %zu are meant", (long long)st.st_size, most);
    else if (err == 0)
        err = file_read(path, &k->file);
    if (err == ERR_IO)
        wrong(k, "%s", strerror(errno));
    mem_free(path);
    return err;
}

static int read_named(struct checking *k, const struct tile *tile, size_t unit)
{
    buf_reset(&k->name);
    tile_path(&k->name, tile);
    return read_file(k, tile->width * unit, tile->width * unit);
}

/* A tile or bundle whose hashes or entries have `unit` bytes. */
static int read_tile(struct checking *k, const struct tile *tile, size_t unit)
{
    const struct tile full = {tile->level, tile->index, TILE_WIDTH};
    int err = read_named(k, tile, unit);

    if (err == ERR_NOT_FOUND && tile->width < TILE_WIDTH)
        err = read_named(k, &full, unit);
    if (err == ERR_NOT_FOUND) {
        buf_reset(&k->name);
        tile_path(&k->name, tile);
        wrong(k, "is not there");
    }
    k->files += err == 0;
    return err;
}

static int compare_tile(void *arg, const struct tile *tile, struct slice bytes)
{
    struct checking *k = arg;

    if (tile->level == TILE_ENTRIES) /* it is what the tree is made of */
        return 0;
    int err = read_tile(k, tile, HASH_SIZE);
    for (unsigned i = 0; err == 0 && i < tile->width; i++)
        if (memcmp(k->file.data + i * HASH_SIZE, bytes.data + i * HASH_SIZE, HASH_SIZE) != 0)
            err = wrong(k, "hash %u is not that of the entries from %llu on", i,
                        (unsigned long long)(tile->index * TILE_WIDTH + i) << 8 * tile->level);
    return err;
}

static int check_entry(struct checking *k, struct slice *bundle, uint64_t index)
{
    struct slice entry;
    struct hash event;
    uint64_t position;
    int64_t received;

    if (!tile_entry(bundle, &entry) ||
        tree_log_entry_read(entry, &position, &received, &event) != 0)
        return wrong(k, "entry %llu is none of this log", (unsigned long long)index);
    if (position != index + 1 || received < k->received)
        return wrong(k, "entry %llu does not follow the one before", (unsigned long long)index);
    k->received = received;
    return tiles_add(k->tiles, entry);
}

static int check_bundle(struct checking *k, uint64_t begin)
{
    uint64_t left = k->checkpoint.size - begin;
    unsigned width = left < TILE_WIDTH ? (unsigned)left : TILE_WIDTH;
    struct tile tile = {TILE_ENTRIES, begin / TILE_WIDTH, width};
    int err = read_tile(k, &tile, ENTRY_BYTES);
    struct buf bundle = k->file; /* the tiles over it are read beside it */
    struct slice rest = slice_buf(&bundle);

    k->file = (struct buf){0};
    for (unsigned i = 0; err == 0 && i < width; i++)
        err = check_entry(k, &rest, begin + i);
    buf_free(&bundle);
    return err;
}

static int check_checkpoint(struct checking *k)
{
    buf_add_str(&k->name, "checkpoint");
    int err = read_file(k, 1, NOTE_SIZE);

    if (err == ERR_NOT_FOUND)
        wrong(k, "is not there: this is no export, or not a whole one");
    if (err == 0) {
        err = checkpoint_open(&k->checkpoint, slice_buf(&k->file), k->log, k->key);
        if (err == ERR_SIGNATURE)
            wrong(k, "is not signed with the key of %s", k->log);
        else if (err)
            wrong(k, "%s", err_text(err));
    }
    return err;
}

static int check(struct checking *k)
{
    struct hash root;
    int err = check_checkpoint(k);

    for (uint64_t at = 0; err == 0 && at < k->checkpoint.size; at += TILE_WIDTH)
        err = check_bundle(k, at);
    if (err == 0)
        err = tiles_end(k->tiles);
    tree_root(tiles_tree(k->tiles), &root);
    if (err == 0 && !hash_equal(&root, &k->checkpoint.root)) {
        buf_reset(&k->name);
        buf_add_str(&k->name, "checkpoint");
        err = wrong(k, "its root is not that of the entries");
    }
    return err;
}

static int tell(struct checking *k, int err, bool json)
{
    char root[2 * HASH_SIZE + 1];
    const struct checkpoint *c = &k->checkpoint;

    hex_encode(root, c->root.bytes, HASH_SIZE);
    if (err && json)
        show_json(json_pack("{s:b, s:s, s:s}", "ok", false, "file", buf_cstr(&k->name), "text",
                            buf_cstr(&k->why)));
    else if (err)
        complain("%s/%s: %s", k->out, buf_cstr(&k->name), buf_cstr(&k->why));
    else if (json)
        show_json(json_pack("{s:b, s:s, s:I, s:s, s:I}", "ok", true, "log", c->origin, "size",
                            (json_int_t)c->size, "root", root, "files", (json_int_t)k->files));
    else
        printf("ok: %s, %llu records, root %s, %llu files\n", c->origin,
               (unsigned long long)c->size, root, (unsigned long long)k->files);
    return err ? FAILED : DONE;
}

int log_check_run(const struct call *c)
{
    struct checking k = {.out = c->argument[0]};
    const char *vkey = c->option[OPT_KEY];

    if (note_vkey_parse(slice_str(vkey), k.log, k.key) != 0)
        return call_usage(c, "--key: not a verifier key, NAME+HASH+BASE64: %s", vkey);
    k.tiles = tiles_new(compare_tile, &k);
    int status = tell(&k, check(&k), c->option[OPT_JSON] != NULL);
    tiles_free(k.tiles);
    buf_free(&k.name);
    buf_free(&k.file);
    buf_free(&k.why);
    return status;
}
