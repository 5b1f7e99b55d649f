/* SPDX-License-Identifier: Apache-2.0 */
/* keep.c - frames not yet answered, and receipts, in two files that only grow */
#include "lib/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum {
    HEAD = 16,
    KIND_FRAME = 1,
    KIND_DONE = 2,
    KIND_RECEIPT = 3,
    ENTRY_MOST = FRAME_MOST + 4096,
    EMPTY_AT = 1024 * 1024, /* bytes of answered frames that are worth a truncation */
    FULL_AT = 64 * 1024 * 1024,
};

struct file {
    int fd;
    off_t size; /* of the whole entries in it */
    bool unsynced;
    struct buf buf; /* written with the next sync */
};

struct keep {
    struct file unconfirmed, receipts;
    uint64_t last;
    size_t open; /* frames not answered */
};

struct entry {
    uint32_t size, kind;
    uint64_t number;
};

static void put_number(uint8_t *out, size_t size, uint64_t v)
{
    for (size_t i = size; i-- > 0; v >>= 8)
        out[i] = (uint8_t)v;
}

static uint64_t get_number(const uint8_t *in, size_t size)
{
    uint64_t v = 0;

    for (size_t i = 0; i < size; i++)
        v = v << 8 | in[i];
    return v;
}

static void add_entry(struct file *f, uint32_t kind, uint64_t number, struct slice bytes)
{
    uint8_t *head = buf_grow(&f->buf, HEAD);

    put_number(head, 4, bytes.size);
    put_number(head + 4, 4, kind);
    put_number(head + 8, 8, number);
    buf_add(&f->buf, bytes.data, bytes.size);
}

/* Writes what was added behind the whole entries; what fails is written again by the next one. */
static int file_write(struct file *f)
{
    size_t done = 0;

    while (done < f->buf.size) {
        ssize_t n = pwrite(f->fd, f->buf.data + done, f->buf.size - done, f->size + (off_t)done);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        done += n > 0 ? (size_t)n : 0;
    }
    f->unsynced |= done > 0;
    f->size += (off_t)done;
    buf_reset(&f->buf);
    return 0;
}

static int file_sync(struct file *f)
{
    int rc = file_write(f);

    if (rc == 0 && f->unsynced && fdatasync(f->fd) != 0)
        rc = ERR_IO;
    if (rc == 0)
        f->unsynced = false;
    return rc;
}

/* The entry at `at`, its bytes in `room`: false at the end and before a torn one. */
static bool file_entry(const struct file *f, off_t at, struct entry *e, struct buf *room)
{
    uint8_t head[HEAD];

    if (pread(f->fd, head, HEAD, at) != HEAD)
        return false;
    *e = (struct entry){(uint32_t)get_number(head, 4), (uint32_t)get_number(head + 4, 4),
                        get_number(head + 8, 8)};
    if (e->size > ENTRY_MOST)
        return false;
    buf_reset(room);
    return pread(f->fd, buf_grow(room, e->size), e->size, at + HEAD) == (ssize_t)e->size;
}

/* Up to the last whole entry; calls `each` for all. */
static void file_scan(struct file *f,
                      void (*each)(void *arg, const struct entry *e, struct slice s), void *arg)
{
    struct buf room = {0};
    struct entry e;

    for (f->size = 0; file_entry(f, f->size, &e, &room); f->size += HEAD + (off_t)e.size)
        each(arg, &e, slice_buf(&room));
    buf_free(&room);
}

/* Nothing behind the whole entries may pass for one later. */
static int file_cut(struct file *f)
{
    return ftruncate(f->fd, f->size) == 0 ? 0 : ERR_IO;
}

struct scan { /* of the unconfirmed: the answered numbers first, then the frames without */
    struct keep *keep;
    uint64_t *answered;
    size_t n, capacity;
    keep_each *each;
    void *arg;
};

static void note_answered(void *arg, const struct entry *e, struct slice s)
{
    struct scan *scan = arg;

    (void)s;
    if (e->number > scan->keep->last)
        scan->keep->last = e->number;
    if (e->kind != KIND_DONE)
        return;
    if (scan->n == scan->capacity) {
        scan->capacity = scan->capacity ? 2 * scan->capacity : 64;
        scan->answered = mem_grow(scan->answered, scan->capacity * sizeof *scan->answered);
    }
    scan->answered[scan->n++] = e->number;
}

static void hand_frame(void *arg, const struct entry *e, struct slice s)
{
    struct scan *scan = arg;

    if (e->kind != KIND_FRAME)
        return;
    for (size_t i = 0; i < scan->n; i++)
        if (scan->answered[i] == e->number)
            return;
    scan->keep->open++;
    scan->each(scan->arg, e->number, s);
}

static void skip(void *arg, const struct entry *e, struct slice s)
{
    (void)arg;
    (void)e;
    (void)s;
}

static int file_open(struct file *f, const char *dir, const char *name, struct buf *why)
{
    char *path = mem_printf("%s/%s", dir, name);
    int rc = 0;

    f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        buf_printf(why, "%s: %s", path, strerror(errno));
        rc = ERR_IO;
    } else if (flock(f->fd, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(why, "%s: another process uses it", path);
        rc = ERR_OWNED;
    }
    mem_free(path);
    return rc;
}

static int dir_make(const char *dir, struct buf *why)
{
    if (mkdir(dir, 0700) == 0 || errno == EEXIST)
        return 0;
    buf_printf(why, "%s: %s", dir, strerror(errno));
    return ERR_IO;
}

static int dir_sync(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0)
        close(fd);
    return rc;
}

int keep_open(struct keep **out, const char *dir, keep_each *each, void *arg, struct buf *why)
{
    struct keep *k = mem_new(sizeof *k);

    k->unconfirmed.fd = k->receipts.fd = -1;
    int rc = dir_make(dir, why);
    if (rc == 0)
        rc = file_open(&k->unconfirmed, dir, "unconfirmed", why);
    if (rc == 0)
        rc = file_open(&k->receipts, dir, "receipts", why);
    if (rc == 0 && dir_sync(dir) != 0) {
        buf_printf(why, "%s: cannot be synced", dir);
        rc = ERR_IO;
    }
    if (rc) {
        keep_close(k);
        return rc;
    }
    struct scan scan = {.keep = k, .each = each, .arg = arg};
    file_scan(&k->unconfirmed, note_answered, &scan);
    file_scan(&k->unconfirmed, hand_frame, &scan);
    file_scan(&k->receipts, skip, NULL);
    mem_free(scan.answered);
    if (file_cut(&k->unconfirmed) != 0 || file_cut(&k->receipts) != 0) {
        buf_printf(why, "%s: a torn entry cannot be cut off", dir);
        keep_close(k);
        return ERR_IO;
    }
    *out = k;
    return 0;
}

static void file_close(struct file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    buf_free(&f->buf);
}

void keep_close(struct keep *k)
{
    if (!k)
        return;
    if (k->unconfirmed.fd >= 0)
        file_write(&k->unconfirmed); /* answers only: a frame was synced before it was sent */
    file_close(&k->unconfirmed);
    file_close(&k->receipts);
    mem_free(k);
}

int keep_add(struct keep *k, struct slice frame, uint64_t *number)
{
    if (frame.size > ENTRY_MOST)
        return ERR_BOUNDS;
    *number = ++k->last;
    k->open++;
    add_entry(&k->unconfirmed, KIND_FRAME, *number, frame);
    return 0;
}

int keep_sync(struct keep *k)
{
    int rc = file_sync(&k->receipts);

    return rc ? rc : file_sync(&k->unconfirmed);
}

void keep_done(struct keep *k, uint64_t number)
{
    struct file *f = &k->unconfirmed;

    add_entry(f, KIND_DONE, number, (struct slice){0});
    if (--k->open > 0 || f->size < EMPTY_AT)
        return;
    if (ftruncate(f->fd, 0) == 0) {
        f->size = 0;
        buf_reset(&f->buf);
    }
}

bool keep_full(const struct keep *k)
{
    return k->unconfirmed.size >= FULL_AT;
}

int keep_receipt(struct keep *k, const Core__Record *record)
{
    struct buf packed = {0};

    core__record__pack(record, buf_grow(&packed, core__record__get_packed_size(record)));
    add_entry(&k->receipts, KIND_RECEIPT, record->position, slice_buf(&packed));
    buf_free(&packed);
    return 0;
}
