/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - making one
 *
 * The copy of the log's file is made beside the archive: its hash stands in MANIFEST, which comes
 * first.
 */
#include "broker/backup.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "broker/checkpoint.h"
#include "broker/journal.h"
#include "broker/parts.h"
#include "broker/registry_log.h"
#include "broker/retention.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

enum { TRIES = 3 }; /* while parts are purged meanwhile */

struct making {
    const char *dir;
    char *work;    /* a directory beside the archive: the copy, and the archive being made */
    char *archive; /* in it */
    struct buf checkpoint; /* the note, read before the log is copied */
    struct journal *copy;
    struct registry *registry; /* of the copy */
    struct manifest *manifest;
    struct archive *out;
    struct buf *why;
    int err; /* of a part */
};

static int fail(struct making *m, int err, const char *what)
{
    buf_printf(m->why, "%s: %s", what, err == ERR_IO ? strerror(errno) : err_text(err));
    return err;
}

/* ---- what goes in ---- */

/* Where a member lies: the copy in the working directory, everything else in the instance. */
static char *place_of(const struct making *m, const char *path)
{
    bool copied = strcmp(path, "log/data.mdb") == 0 || strcmp(path, "log/checkpoint") == 0;

    return mem_printf("%s/%s", copied ? m->work : m->dir, path);
}

/* ERR_PURGED for a part that is not there because it was let go behind what was copied. */
static int missed(const struct making *m, int err, const char *path)
{
    struct hash part;
    struct journal *j = NULL;
    struct buf why = {0};
    uint64_t at;

    if (err != ERR_NOT_FOUND || strncmp(path, "parts/", 6) != 0)
        return err;
    hex_decode(part.bytes, HASH_SIZE, path + strlen("parts/xx/"));
    struct registry *now = registry_new();
    if (journal_open(&j, m->dir, true, &why) == 0 && registry_log_fold(now, j, &at) == 0 &&
        retention_lets_go(j, now, &part))
        err = ERR_PURGED;
    journal_close(j);
    registry_free(now);
    buf_free(&why);
    return err;
}

static int list_file(struct making *m, const char *path)
{
    char *place = place_of(m, path);
    struct mapped f;
    struct hash hash;
    int err = mapped_open(&f, place);

    if (err)
        err = fail(m, missed(m, err, path), place);
    if (err == 0) {
        hash_sha256(&hash, f.bytes);
        manifest_add(m->manifest, path, f.bytes.size, &hash);
    }
    mapped_close(&f);
    mem_free(place);
    return err;
}

/* What the copy says is purged is not in it, though it may be there yet; what it lets go need not
 * be. A part whose bytes are not those of its name is damaged: it is not carried along unnoticed.
 */
static int list_part(void *arg, const struct hash *part)
{
    struct making *m = arg;
    char name[2 * HASH_SIZE + 1], path[MANIFEST_PATH];

    if (registry_purged(m->registry, part) ||
        (!parts_there(m->dir, part) && retention_lets_go(m->copy, m->registry, part)))
        return 0;
    hex_encode(name, part->bytes, HASH_SIZE);
    snprintf(path, sizeof path, "parts/%.2s/%s", name, name);
    m->err = list_file(m, path);
    if (m->err == 0 && !hash_equal(&m->manifest->files[m->manifest->n - 1].hash, part))
        m->err = fail(m, ERR_DAMAGED, path);
    return m->err;
}

/* ---- the copy ---- */

static int copy_log(struct making *m)
{
    struct journal *j;
    char *log = mem_printf("%s/log", m->work), *file = mem_printf("%s/data.mdb", log),
         *note = mem_printf("%s/log/checkpoint", m->dir);
    int err = file_make_dir(log);

    if (err == 0)
        err = file_read(note, &m->checkpoint); /* before the log: a broker writes it behind it */
    if (err)
        fail(m, err, note);
    if (err == 0)
        err = journal_open(&j, m->dir, true, m->why);
    if (err == 0) {
        int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        err = fd < 0 ? ERR_IO : journal_copy(j, fd);
        if (err)
            fail(m, err, file);
        if (fd >= 0)
            close(fd);
        journal_close(j);
    }
    mem_free(log);
    mem_free(file);
    mem_free(note);
    return err;
}

/* The copy goes on from the checkpoint: what was rolled back is no backup. */
static int check_copy(struct making *m)
{
    struct checkpoint c;
    char *note = mem_printf("%s/log/checkpoint", m->work);
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    int err = log_vkey_read(m->dir, name, key);

    if (err)
        fail(m, err, "log.vkey");
    if (err == 0 && (err = file_replace(note, slice_buf(&m->checkpoint))) != 0)
        fail(m, err, note);
    if (err == 0 && (err = checkpoint_read(m->work, name, key, &c, NULL)) != 0)
        fail(m, err, "log/checkpoint");
    if (err == 0)
        err = checkpoint_check(m->copy, &c, m->why);
    if (err == 0)
        snprintf(m->manifest->log, sizeof m->manifest->log, "%s", name);
    mem_free(note);
    return err;
}

static int describe(struct making *m)
{
    static const char *const files[] = {"log/checkpoint", "log.vkey", "log/data.mdb"};
    uint64_t at;
    int err = registry_log_fold(m->registry, m->copy, &at);

    if (err)
        fail(m, err, "the registry");
    journal_tree(m->copy, &m->manifest->head, &m->manifest->root);
    m->manifest->received = journal_last_received(m->copy);
    m->manifest->made = time_now();
    for (size_t i = 0; err == 0 && i < sizeof files / sizeof *files; i++)
        err = list_file(m, files[i]);
    if (err == 0 && (err = journal_each_part(m->copy, list_part, m)) != 0 && !m->err)
        fail(m, err, "the index of parts");
    return err;
}

/* ---- the archive ---- */

static int put(struct making *m, const char *path, struct slice bytes)
{
    struct archive_entry *e = archive_entry_new();

    archive_entry_set_pathname(e, path);
    archive_entry_set_size(e, (int64_t)bytes.size);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0600);
    archive_entry_set_mtime(e, m->manifest->made / 1000000, 0);
    bool good = archive_write_header(m->out, e) == ARCHIVE_OK;
    while (good && bytes.size) {
        la_ssize_t n = archive_write_data(m->out, bytes.data, bytes.size);
        good = n > 0;
        if (good)
            bytes = slice_of(bytes.data + n, bytes.size - (size_t)n);
    }
    archive_entry_free(e);
    if (!good)
        buf_printf(m->why, "%s: %s", m->archive, archive_error_string(m->out));
    return good ? 0 : ERR_IO;
}

static int put_file(struct making *m, const struct manifest_file *file)
{
    char *place = place_of(m, file->path);
    struct mapped f;
    int err = mapped_open(&f, place);

    if (err == 0 && f.bytes.size != file->size)
        err = ERR_DAMAGED;
    if (err)
        err = fail(m, missed(m, err, file->path), place);
    else
        err = put(m, file->path, f.bytes);
    mapped_close(&f);
    mem_free(place);
    return err;
}

static int put_all(struct making *m)
{
    struct buf text = {0};

    manifest_write(m->manifest, &text);
    int err = put(m, "MANIFEST", slice_buf(&text));
    for (size_t i = 0; err == 0 && i < m->manifest->n; i++)
        err = put_file(m, &m->manifest->files[i]);
    buf_free(&text);
    return err;
}

static int archive(struct making *m)
{
    int fd = open(m->archive, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int err = fd < 0 ? fail(m, ERR_IO, m->archive) : 0;

    m->out = archive_write_new();
    if (err == 0 && (archive_write_add_filter_zstd(m->out) != ARCHIVE_OK ||
                     archive_write_set_format_pax_restricted(m->out) != ARCHIVE_OK ||
                     archive_write_open_fd(m->out, fd) != ARCHIVE_OK)) {
        buf_printf(m->why, "%s: %s", m->archive, archive_error_string(m->out));
        err = ERR_IO;
    }
    if (err == 0)
        err = put_all(m);
    if (archive_write_close(m->out) != ARCHIVE_OK && err == 0) {
        buf_printf(m->why, "%s: %s", m->archive, archive_error_string(m->out));
        err = ERR_IO;
    }
    archive_write_free(m->out);
    if (err == 0 && fsync(fd) != 0)
        err = fail(m, ERR_IO, m->archive);
    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- all of it ---- */

static int publish(struct making *m, const char *file)
{
    if (renameat2(AT_FDCWD, m->archive, AT_FDCWD, file, RENAME_NOREPLACE) != 0)
        return fail(m, errno == EEXIST ? ERR_EXISTS : ERR_IO, file);
    return file_sync_dir_of(file) == 0 ? 0 : fail(m, ERR_IO, file);
}

static void remove_work(const struct making *m)
{
    static const char *const left[] = {"log/data.mdb", "log/checkpoint", "log", "archive", ""};

    for (size_t i = 0; i < sizeof left / sizeof *left; i++) {
        char *path = mem_printf("%s/%s", m->work, left[i]);
        remove(path);
        mem_free(path);
    }
}

static int make(const char *dir, const char *file, struct manifest *made, struct buf *why)
{
    struct making m = {.dir = dir, .manifest = made, .why = why, .registry = registry_new()};
    int err = access(file, F_OK) == 0 ? ERR_EXISTS : 0;

    *made = (struct manifest){0};
    m.work = mem_printf("%s.XXXXXX", file);
    m.archive = NULL;
    if (err)
        fail(&m, err, file);
    else if (!mkdtemp(m.work))
        err = fail(&m, ERR_IO, m.work);
    if (err == 0) {
        m.archive = mem_printf("%s/archive", m.work);
        err = copy_log(&m);
        if (err == 0)
            err = journal_open(&m.copy, m.work, true, why);
        if (err == 0)
            err = check_copy(&m);
        if (err == 0)
            err = describe(&m);
        if (err == 0)
            err = archive(&m);
        if (err == 0)
            err = publish(&m, file);
        journal_close(m.copy);
        remove_work(&m);
    }
    if (err)
        manifest_clear(made);
    registry_free(m.registry);
    buf_free(&m.checkpoint);
    mem_free(m.archive);
    mem_free(m.work);
    return err;
}

/* A copy whose parts were purged while it was made would miss them without a reason in its log. */
int backup_make(const char *dir, const char *file, struct manifest *made, struct buf *why)
{
    int err = ERR_PURGED;

    for (int i = 0; err == ERR_PURGED && i < TRIES; i++) {
        buf_reset(why);
        err = make(dir, file, made, why);
    }
    return err;
}
