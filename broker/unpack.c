/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.c - a backup back into a directory
 *
 * The archive may be anybody's: its members are those of its MANIFEST, in that order, under names
 * that a backup may have, and as large as it says.
 */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/backup.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

enum { PIECE = 256 * 1024 };
static const char HELD[] = "log.unpacking"; /* what log/ is called until all is there */

struct unpacking {
    const char *file, *dir;
    bool made_dir;
    struct archive *in;
    struct manifest *manifest;
    size_t done; /* files of the manifest that are written */
    struct buf *why;
};

static int refuse(struct unpacking *u, int err, const char *path, const char *text)
{
    buf_printf(u->why, "%s: %s%s%s", u->file, path, *path ? ": " : "", text);
    return err;
}

static int refuse_archive(struct unpacking *u)
{
    const char *text = archive_error_string(u->in);

    return refuse(u, ERR_MALFORMED, "", text ? text : "ends too early; not a whole backup");
}

static int refuse_io(struct unpacking *u, const char *path)
{
    buf_printf(u->why, "%s/%s: %s", u->dir, path, strerror(errno));
    return ERR_IO;
}

/* ---- the place ---- */

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    bool empty = d != NULL;

    for (struct dirent *e; d && empty && (e = readdir(d));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
    if (d)
        closedir(d);
    return empty;
}

static int take_place(struct unpacking *u)
{
    if (mkdir(u->dir, 0700) == 0)
        u->made_dir = true;
    else if (errno != EEXIST || !is_empty(u->dir)) {
        buf_printf(u->why, "%s: %s", u->dir,
                   errno == EEXIST || errno == 0
                       ? "is not empty; a log is restored into a directory of its own"
                       : strerror(errno));
        return ERR_EXISTS;
    }
    return 0;
}

/* log/data.mdb is written to log.unpacking/data.mdb: no program takes half a log for one. */
static char *place_of(const struct unpacking *u, const char *path)
{
    return strncmp(path, "log/", 4) == 0 ? mem_printf("%s/%s/%s", u->dir, HELD, path + 4)
                                         : mem_printf("%s/%s", u->dir, path);
}

static int make_parents(const struct unpacking *u, const char *place)
{
    int err = 0;

    for (const char *slash = strchr(place + strlen(u->dir) + 1, '/'); slash && err == 0;
         slash = strchr(slash + 1, '/')) {
        char *dir = mem_strn(place, (size_t)(slash - place));
        err = file_make_dir(dir);
        mem_free(dir);
    }
    return err;
}

/* ---- its members ---- */

static int read_manifest(struct unpacking *u)
{
    struct archive_entry *e;
    struct buf text = {0};
    la_ssize_t n = 1;

    if (archive_read_next_header(u->in, &e) != ARCHIVE_OK)
        return refuse_archive(u);
    if (strcmp(archive_entry_pathname(e), "MANIFEST") != 0)
        return refuse(u, ERR_MALFORMED, "", "does not begin with MANIFEST: not a backup of a log");
    while (n > 0 && text.size <= MANIFEST_MOST) {
        size_t before = text.size;
        n = archive_read_data(u->in, buf_grow(&text, PIECE), PIECE);
        text.size = before + (n > 0 ? (size_t)n : 0);
    }
    int err = n < 0   ? refuse_archive(u)
              : n > 0 ? refuse(u, ERR_BOUNDS, "MANIFEST", "is too long")
                      : manifest_read(u->manifest, slice_buf(&text), u->why);
    buf_free(&text);
    return err;
}

/* Its bytes as they come, hashed once they lie there. */
static int write_member(struct unpacking *u, const struct manifest_file *f, int fd)
{
    struct buf piece = {0};
    uint64_t written = 0;
    la_ssize_t n = 1;
    int err = 0;

    while (err == 0 && n > 0) {
        buf_reset(&piece);
        n = archive_read_data(u->in, buf_grow(&piece, PIECE), PIECE);
        if (n < 0)
            err = refuse_archive(u);
        else if ((uint64_t)n > f->size - written)
            err = refuse(u, ERR_DAMAGED, f->path, "is longer than MANIFEST says");
        else if (n && file_write_at(fd, slice_of(piece.data, (size_t)n), written) != 0)
            err = refuse_io(u, f->path);
        written += n > 0 ? (uint64_t)n : 0;
    }
    if (err == 0 && written != f->size)
        err = refuse(u, ERR_DAMAGED, f->path, "is shorter than MANIFEST says");
    if (err == 0 && fsync(fd) != 0)
        err = refuse_io(u, f->path);
    buf_free(&piece);
    return err;
}

static int check_member(struct unpacking *u, const struct manifest_file *f, const char *place)
{
    struct mapped m;
    struct hash hash;
    int err = mapped_open(&m, place);

    if (err)
        err = refuse_io(u, f->path);
    else
        hash_sha256(&hash, m.bytes);
    mapped_close(&m);
    if (err == 0 && !hash_equal(&hash, &f->hash))
        err = refuse(u, ERR_DAMAGED, f->path, "its bytes are not those that MANIFEST names");
    return err;
}

static int take_member(struct unpacking *u, const struct manifest_file *f)
{
    char *place = place_of(u, f->path);
    int err = make_parents(u, place), fd = -1;

    if (err == 0 && (fd = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) >= 0) {
        u->done++;
        err = write_member(u, f, fd);
        close(fd);
    } else {
        err = refuse_io(u, f->path);
    }
    if (err == 0)
        err = check_member(u, f, place);
    if (err == 0 && file_sync_dir_of(place) != 0)
        err = refuse_io(u, f->path);
    mem_free(place);
    return err;
}

static int take_all(struct unpacking *u)
{
    struct archive_entry *e;
    int err = 0, rc;

    for (size_t i = 0; err == 0 && i < u->manifest->n; i++) {
        const struct manifest_file *f = &u->manifest->files[i];
        rc = archive_read_next_header(u->in, &e);
        if (rc == ARCHIVE_EOF)
            err = refuse(u, ERR_DAMAGED, f->path, "is not there");
        else if (rc != ARCHIVE_OK)
            err = refuse_archive(u);
        else if (strcmp(archive_entry_pathname(e), f->path) != 0)
            err = refuse(u, ERR_DAMAGED, archive_entry_pathname(e), "is not what MANIFEST says");
        else
            err = take_member(u, f);
    }
    if (err == 0 && archive_read_next_header(u->in, &e) != ARCHIVE_EOF)
        err = refuse(u, ERR_DAMAGED, "", "holds more than its MANIFEST says");
    return err;
}

/* ---- all of it ---- */

static int name_log(struct unpacking *u)
{
    char *held = mem_printf("%s/%s", u->dir, HELD), *log = mem_printf("%s/log", u->dir);
    int err = rename(held, log) == 0 && file_sync_dir(u->dir) == 0 && file_sync_dir_of(u->dir) == 0
                  ? 0
                  : refuse_io(u, "log");

    mem_free(held);
    mem_free(log);
    return err;
}

static void remove_up(const struct unpacking *u, char *place)
{
    size_t root = strlen(u->dir);

    for (char *slash; strlen(place) > root && remove(place) == 0; *slash = '\0')
        slash = strrchr(place, '/');
}

static void take_back(struct unpacking *u)
{
    for (size_t i = u->done; i-- > 0;) {
        char *place = place_of(u, u->manifest->files[i].path);
        remove_up(u, place);
        mem_free(place);
    }
    if (u->made_dir)
        rmdir(u->dir);
}

int backup_unpack(const char *file, const char *dir, struct manifest *found, struct buf *why)
{
    struct unpacking u = {.file = file, .dir = dir, .manifest = found, .why = why};
    int fd = open(file, O_RDONLY | O_CLOEXEC), err;

    *found = (struct manifest){0};
    u.in = archive_read_new();
    archive_read_support_filter_zstd(u.in);
    archive_read_support_format_tar(u.in);
    if (fd < 0) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        err = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    } else {
        err = archive_read_open_fd(u.in, fd, PIECE) == ARCHIVE_OK ? read_manifest(&u)
                                                                  : refuse_archive(&u);
    }
    if (err == 0)
        err = take_place(&u);
    if (err == 0) {
        err = take_all(&u);
        if (err == 0)
            err = name_log(&u);
        if (err)
            take_back(&u);
    }
    archive_read_free(u.in);
    if (fd >= 0)
        close(fd);
    if (err)
        manifest_clear(found);
    return err;
}
