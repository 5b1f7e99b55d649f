/* SPDX-License-Identifier: Apache-2.0 */
/* A part on its way in lies in DIR/parts/new, one file an upload; what is left there at start is
 * thrown away.  A part that is stored already is received and checked all the same: knowing a hash
 * is not having the bytes.  Writing pieces is the page cache's work; hashing and syncing run in
 * libuv's thread pool.
 */
#include "broker/parts.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { UPLOADS_MOST = 8, HASH_PIECE = 256 * 1024 };
static const uint64_t UNREFERENCED_MOST = (uint64_t)4 << 30; /* bytes a seat */

struct upload {
    struct upload *next;
    struct parts *parts;
    char *seat, *file, *place;
    struct hash part;
    uint64_t size, got;
    int fd, err;
    int64_t touched;
    parts_stored *done;
    void *arg;
    uv_work_t work;
};

struct waiting { /* stored, and named by no event of this seat since */
    struct waiting *next;
    char *seat;
    struct hash part;
    uint64_t size;
    int64_t put;
};

struct purging { /* a part whose file is being deleted */
    struct purging *next;
    uv_work_t work;
    struct parts *parts;
    char *dir, *place;
    struct hash part;
    uint64_t size;
    int err;
    parts_purged *done;
    void *arg;
};

struct parts {
    char *dir; /* DIR/parts */
    uv_loop_t *loop;
    struct upload *uploads; /* receiving */
    struct upload *storing; /* in the thread pool */
    struct purging *purging;
    struct waiting *waiting;
    unsigned working; /* in the thread pool */
    uint64_t number;  /* of the next upload's file */
    uint64_t stored;  /* bytes in all; what is put again counts again until it is counted anew */
    bool closed;
};

static void part_name(char out[2 * HASH_SIZE + 1], const struct hash *part)
{
    hex_encode(out, part->bytes, HASH_SIZE);
}

static char *part_place(const char *dir, const struct hash *part)
{
    char name[2 * HASH_SIZE + 1];

    part_name(name, part);
    return mem_printf("%s/%.2s/%s", dir, name, name);
}

static int err_of_errno(int e)
{
    return e == ENOENT ? ERR_NOT_FOUND : e == ENOSPC || e == EDQUOT ? ERR_FULL : ERR_IO;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0)
        close(fd);
    return err;
}

/* ---- opening ---- */

static int make_dir(const char *dir)
{
    return mkdir(dir, 0700) == 0 || errno == EEXIST ? 0 : err_of_errno(errno);
}

static void empty_dir(const char *dir)
{
    DIR *d = opendir(dir);

    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
}

/* All directories are made at once: then storing a part syncs one of them and no other. */
static int make_dirs(struct parts *p, const char *parent)
{
    char *made = mem_printf("%s/new", p->dir);
    int err = make_dir(p->dir);

    if (err == 0)
        err = make_dir(made);
    for (int i = 0; i < 256 && err == 0; i++) {
        char *dir = mem_printf("%s/%02x", p->dir, (unsigned)i);
        err = make_dir(dir);
        mem_free(dir);
    }
    if (err == 0)
        err = sync_dir(p->dir);
    if (err == 0)
        err = sync_dir(parent);
    if (err == 0)
        empty_dir(made);
    mem_free(made);
    return err;
}

/* Calls `each` for every stored part. */
static void each_stored(struct parts *p,
                        void (*each)(struct parts *p, int dir, const char *name,
                                     const struct stat *st, void *arg),
                        void *arg)
{
    for (int i = 0; i < 256; i++) {
        char *path = mem_printf("%s/%02x", p->dir, (unsigned)i);
        DIR *d = opendir(path);
        struct stat st;
        for (struct dirent *e; d && (e = readdir(d));)
            if (strlen(e->d_name) == 2 * (size_t)HASH_SIZE &&
                fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                each(p, dirfd(d), e->d_name, &st, arg);
        if (d)
            closedir(d);
        mem_free(path);
    }
}

static void count_stored(struct parts *p, int dir, const char *name, const struct stat *st,
                         void *arg)
{
    (void)dir;
    (void)name;
    (void)arg;
    p->stored += (uint64_t)st->st_size;
}

int parts_open(struct parts **out, const char *dir, uv_loop_t *loop, struct buf *why)
{
    struct parts *p = mem_new(sizeof *p);

    p->dir = mem_printf("%s/parts", dir);
    p->loop = loop;
    int err = make_dirs(p, dir);
    if (err) {
        buf_printf(why, "%s: %s", p->dir, strerror(errno));
        parts_close(p);
        p = NULL;
    } else {
        each_stored(p, count_stored, NULL);
    }
    *out = p;
    return err;
}

static void upload_free(struct upload *u)
{
    if (u->fd >= 0)
        close(u->fd);
    unlink(u->file); /* gone already where it was stored */
    mem_free(u->seat);
    mem_free(u->file);
    mem_free(u->place);
    mem_free(u);
}

static void parts_free(struct parts *p)
{
    mem_free(p->dir);
    mem_free(p);
}

/* What the thread pool holds is answered to nobody; the last of it frees. */
void parts_close(struct parts *p)
{
    if (!p)
        return;
    while (p->uploads) {
        struct upload *u = p->uploads;
        p->uploads = u->next;
        upload_free(u);
    }
    while (p->waiting) {
        struct waiting *w = p->waiting;
        p->waiting = w->next;
        mem_free(w->seat);
        mem_free(w);
    }
    p->closed = true;
    if (p->working == 0)
        parts_free(p);
}

/* ---- checking ---- */

static int hash_fd(int fd, struct hash *out, uint64_t *size)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *piece = mem_new(HASH_PIECE);
    ssize_t n = 1;

    assert(ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    for (*size = 0; n != 0;) {
        n = pread(fd, piece, HASH_PIECE, (off_t)*size);
        if (n < 0 && errno != EINTR)
            break;
        if (n > 0) {
            EVP_DigestUpdate(ctx, piece, (size_t)n);
            *size += (uint64_t)n;
        }
    }
    EVP_DigestFinal_ex(ctx, out->bytes, NULL);
    EVP_MD_CTX_free(ctx);
    mem_free(piece);
    return n == 0 ? 0 : ERR_IO;
}

int parts_check(const char *dir, const struct hash *part, uint64_t size)
{
    char *parts = mem_printf("%s/parts", dir), *place = part_place(parts, part);
    int fd = open(place, O_RDONLY | O_CLOEXEC), err = fd < 0 ? err_of_errno(errno) : 0;
    struct hash hash;
    uint64_t got;

    if (err == 0)
        err = hash_fd(fd, &hash, &got);
    if (err == 0 && (got != size || !hash_equal(&hash, part)))
        err = ERR_DAMAGED;
    if (fd >= 0)
        close(fd);
    mem_free(place);
    mem_free(parts);
    return err;
}

bool parts_there(const char *dir, const struct hash *part)
{
    char *parts = mem_printf("%s/parts", dir), *place = part_place(parts, part);
    bool there = access(place, F_OK) == 0;

    mem_free(place);
    mem_free(parts);
    return there;
}

uint64_t parts_bytes(const struct parts *p)
{
    return p->stored;
}

static int64_t stored_size(const struct parts *p, const struct hash *part)
{
    char *place = part_place(p->dir, part);
    struct stat st;
    int64_t size = stat(place, &st) == 0 ? (int64_t)st.st_size : -1;

    mem_free(place);
    return size;
}

int64_t parts_size(struct parts *p, const struct hash *part)
{
    const struct purging *g = p->purging;

    while (g && !hash_equal(&g->part, part))
        g = g->next;
    return g ? -1 : stored_size(p, part);
}

/* ---- receiving ---- */

static uint64_t seat_bytes(const struct parts *p, const char *seat, int *uploads)
{
    uint64_t bytes = 0;

    *uploads = 0;
    for (const struct upload *u = p->uploads; u; u = u->next)
        if (strcmp(u->seat, seat) == 0) {
            bytes += u->size;
            ++*uploads;
        }
    for (const struct waiting *w = p->waiting; w; w = w->next)
        if (strcmp(w->seat, seat) == 0)
            bytes += w->size;
    return bytes;
}

static struct upload **upload_find(struct parts *p, const char *seat, const struct hash *part)
{
    struct upload **u = &p->uploads;

    while (*u && (strcmp((*u)->seat, seat) != 0 || !hash_equal(&(*u)->part, part)))
        u = &(*u)->next;
    return u;
}

static void upload_drop(struct upload **at)
{
    struct upload *u = *at;

    *at = u->next;
    upload_free(u);
}

static int upload_start(struct parts *p, const char *seat, const struct hash *part, uint64_t size)
{
    int uploads;

    if (size > PART_MOST)
        return ERR_BOUNDS;
    if (seat_bytes(p, seat, &uploads) + size > UNREFERENCED_MOST || uploads >= UPLOADS_MOST)
        return ERR_QUOTA;
    struct upload *u = mem_new(sizeof *u);
    *u = (struct upload){
        .next = p->uploads,
        .parts = p,
        .seat = mem_str(seat),
        .file = mem_printf("%s/new/%llu", p->dir, (unsigned long long)p->number++),
        .place = part_place(p->dir, part),
        .part = *part,
        .size = size,
    };
    u->fd = open(u->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (u->fd < 0) {
        int err = err_of_errno(errno);
        upload_free(u);
        return err == ERR_FULL ? ERR_FULL : ERR_IO;
    }
    p->uploads = u;
    return 0;
}

static int upload_write(struct upload *u, struct slice chunk)
{
    while (chunk.size) {
        ssize_t n = write(u->fd, chunk.data, chunk.size);
        if (n < 0 && errno != EINTR)
            return err_of_errno(errno);
        if (n > 0) {
            chunk = slice_of(chunk.data + n, chunk.size - (size_t)n);
            u->got += (uint64_t)n;
        }
    }
    return 0;
}

/* In the thread pool: synced, then read back, so that what is named is what the disk was given. */
static void upload_store(uv_work_t *work)
{
    struct upload *u = work->data;
    struct hash hash;
    uint64_t size;
    char *dir = mem_strn(u->place, (size_t)(strrchr(u->place, '/') - u->place));

    u->err = fsync(u->fd) == 0 ? 0 : err_of_errno(errno);
    if (u->err == 0)
        u->err = hash_fd(u->fd, &hash, &size);
    if (u->err == 0 && (size != u->size || !hash_equal(&hash, &u->part)))
        u->err = ERR_PART;
    if (u->err == 0 && rename(u->file, u->place) != 0)
        u->err = err_of_errno(errno);
    if (u->err == 0)
        u->err = sync_dir(dir);
    mem_free(dir);
}

static void waiting_add(struct parts *p, const struct upload *u)
{
    struct waiting *w = mem_new(sizeof *w);

    *w = (struct waiting){p->waiting, mem_str(u->seat), u->part, u->size, time_now()};
    p->waiting = w;
}

static void leave(struct parts *p, const struct upload *u)
{
    struct upload **at = &p->storing;

    while (*at != u)
        at = &(*at)->next;
    *at = u->next;
}

static void upload_stored(uv_work_t *work, int status)
{
    struct upload *u = work->data;
    struct parts *p = u->parts;
    int err = status ? ERR_IO : u->err;

    p->working--;
    leave(p, u);
    if (!p->closed) {
        if (err == 0) {
            parts_referenced(p, u->seat, &u->part); /* counted once a seat */
            waiting_add(p, u);
            p->stored += u->size;
        }
        u->done(u->arg, err);
    }
    upload_free(u);
    if (p->closed && p->working == 0)
        parts_free(p);
}

int parts_put(struct parts *p, const char *seat, const struct hash *part, uint64_t size,
              uint64_t offset, struct slice chunk, parts_stored *done, void *arg)
{
    struct upload **at = upload_find(p, seat, part);
    int err = 0;

    if (offset == 0 && *at)
        upload_drop(at); /* the peer begins anew */
    if (offset == 0) {
        err = upload_start(p, seat, part, size);
        if (err)
            return err;
        at = &p->uploads;
    }
    struct upload *u = *at;
    if (!u)
        return ERR_PART;
    if (u->size != size || u->got != offset || chunk.size > size - offset ||
        (chunk.size == 0 && size != 0))
        err = ERR_PART;
    if (chunk.size > CHUNK_MOST)
        err = ERR_BOUNDS;
    if (err == 0)
        err = upload_write(u, chunk);
    if (err) {
        upload_drop(at);
        return err;
    }
    u->touched = time_now();
    if (u->got < u->size)
        return 0;
    *at = u->next;
    u->next = p->storing;
    p->storing = u;
    u->done = done;
    u->arg = arg;
    u->work.data = u;
    p->working++;
    assert(uv_queue_work(p->loop, &u->work, upload_store, upload_stored) == 0);
    return 0;
}

/* ---- serving ---- */

int parts_get(struct parts *p, const struct hash *part, uint64_t offset, uint32_t length,
              struct buf *out, uint64_t *size)
{
    char *place = part_place(p->dir, part);
    int fd = open(place, O_RDONLY | O_CLOEXEC), err = fd < 0 ? err_of_errno(errno) : 0;
    struct stat st;

    if (err == 0 && fstat(fd, &st) != 0)
        err = ERR_IO;
    if (err == 0) {
        *size = (uint64_t)st.st_size;
        uint64_t left = offset < *size ? *size - offset : 0;
        size_t want = left < length ? (size_t)left : length, got = 0, before = out->size;
        uint8_t *to = buf_grow(out, want);
        while (got < want && err == 0) {
            ssize_t n = pread(fd, to + got, want - got, (off_t)(offset + got));
            if (n > 0)
                got += (size_t)n;
            else if (n == 0 || errno != EINTR)
                err = ERR_IO;
        }
        if (err)
            out->size = before;
    }
    if (fd >= 0)
        close(fd);
    mem_free(place);
    return err == 0 || err == ERR_NOT_FOUND ? err : ERR_IO;
}

static void waiting_drop(struct waiting **at)
{
    struct waiting *w = *at;

    *at = w->next;
    mem_free(w->seat);
    mem_free(w);
}

bool parts_put_by(const struct parts *p, const char *seat, const struct hash *part)
{
    for (const struct waiting *w = p->waiting; w; w = w->next)
        if (hash_equal(&w->part, part) && strcmp(w->seat, seat) == 0)
            return true;
    return false;
}

void parts_referenced(struct parts *p, const char *seat, const struct hash *part)
{
    for (struct waiting **at = &p->waiting; *at;)
        if (hash_equal(&(*at)->part, part) && strcmp((*at)->seat, seat) == 0)
            waiting_drop(at);
        else
            at = &(*at)->next;
}

/* ---- purging ---- */

static bool has_upload(const struct upload *u, const struct hash *part)
{
    while (u && !hash_equal(&u->part, part))
        u = u->next;
    return u;
}

bool parts_awaited(const struct parts *p, const struct hash *part)
{
    const struct waiting *w = p->waiting;

    while (w && !hash_equal(&w->part, part))
        w = w->next;
    return w || has_upload(p->uploads, part) || has_upload(p->storing, part);
}

static void forget(struct parts *p, const struct hash *part)
{
    for (struct upload **at = &p->uploads; *at;)
        if (hash_equal(&(*at)->part, part))
            upload_drop(at);
        else
            at = &(*at)->next;
    for (struct waiting **at = &p->waiting; *at;)
        if (hash_equal(&(*at)->part, part))
            waiting_drop(at);
        else
            at = &(*at)->next;
}

/* In the thread pool.  Another one may have been quicker. */
static void purge_file(uv_work_t *work)
{
    struct purging *g = work->data;

    if (unlink(g->place) != 0) {
        g->err = errno == ENOENT ? 0 : ERR_IO;
        g->size = 0;
    }
    if (g->err == 0)
        g->err = sync_dir(g->dir);
}

static void purge_done(uv_work_t *work, int status)
{
    struct purging *g = work->data, **at = &g->parts->purging;
    struct parts *p = g->parts;

    while (*at != g)
        at = &(*at)->next;
    *at = g->next;
    p->working--;
    if (!p->closed) {
        p->stored -= g->size;
        g->done(g->arg, &g->part, status ? ERR_IO : g->err);
    }
    mem_free(g->dir);
    mem_free(g->place);
    mem_free(g);
    if (p->closed && p->working == 0)
        parts_free(p);
}

void parts_purge(struct parts *p, const struct hash *part, parts_purged *done, void *arg)
{
    int64_t size = stored_size(p, part);

    forget(p, part);
    if (size < 0)
        return;
    struct purging *g = mem_new(sizeof *g);
    *g = (struct purging){.next = p->purging,
                          .parts = p,
                          .place = part_place(p->dir, part),
                          .part = *part,
                          .size = (uint64_t)size,
                          .done = done,
                          .arg = arg};
    g->dir = mem_strn(g->place, (size_t)(strrchr(g->place, '/') - g->place));
    g->work.data = g;
    p->purging = g;
    p->working++;
    assert(uv_queue_work(p->loop, &g->work, purge_file, purge_done) == 0);
}

/* ---- expiring ---- */

struct expiring {
    int64_t before;
    bool (*referenced)(void *arg, const struct hash *part);
    void *arg;
};

static void expire(struct parts *p, int dir, const char *name, const struct stat *st, void *arg)
{
    const struct expiring *x = arg;
    int64_t stored = (int64_t)st->st_mtim.tv_sec * 1000000 + st->st_mtim.tv_nsec / 1000;
    struct hash part;

    if (stored < x->before && hex_decode(part.bytes, HASH_SIZE, name) &&
        !x->referenced(x->arg, &part) && unlinkat(dir, name, 0) == 0)
        return;
    p->stored += (uint64_t)st->st_size;
}

void parts_expire(struct parts *p, int64_t before,
                  bool (*referenced)(void *arg, const struct hash *part), void *arg)
{
    for (struct upload **at = &p->uploads; *at;)
        if ((*at)->touched < before)
            upload_drop(at);
        else
            at = &(*at)->next;
    for (struct waiting **at = &p->waiting; *at;)
        if ((*at)->put < before)
            waiting_drop(at);
        else
            at = &(*at)->next;
    p->stored = 0;
    each_stored(p, expire, &(struct expiring){before, referenced, arg});
}
