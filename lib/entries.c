/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/entries.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/tree.h"

enum {
    MAGIC_SIZE = 16,
    MARK_SIZE = 4,
    CHECK_SIZE = 16,
    CHECK_AT = ENTRY_HEAD - CHECK_SIZE,
    HASHED = ENTRIES_HEAD - HASH_SIZE,
};
_Static_assert(MAGIC_SIZE + ENTRIES_SALT + ENTRIES_LABEL == HASHED, "the head of 192 bytes");

static const char magic[] = "chancery-entries"; /* 16 bytes of it */

struct entries {
    char *file, *made; /* made: the name until it is named; NULL = it is */
    int fd;
    uint8_t salt[ENTRIES_SALT];
    uint64_t written; /* bytes */
    struct buf added; /* behind them */
    bool unsynced, broken;
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

/* ---- the form ---- */

static void head_fill(uint8_t head[ENTRIES_HEAD], const uint8_t salt[ENTRIES_SALT],
                      const char *label)
{
    struct slice text = slice_str(label);
    struct hash hash;

    memset(head, 0, ENTRIES_HEAD);
    memcpy(head, magic, MAGIC_SIZE);
    memcpy(head + MAGIC_SIZE, salt, ENTRIES_SALT);
    memcpy(head + MAGIC_SIZE + ENTRIES_SALT, text.data, text.size);
    hash_sha256(&hash, slice_of(head, HASHED));
    memcpy(head + HASHED, hash.bytes, HASH_SIZE);
}

static void entry_check(uint8_t check[CHECK_SIZE], const uint8_t salt[ENTRIES_SALT],
                        const struct entry *e)
{
    uint8_t bound[ENTRIES_SALT + 8 + 4 + 4 + HASH_SIZE], *at = bound;
    struct hash body, whole;

    hash_sha256(&body, e->body);
    memcpy(at, salt, ENTRIES_SALT);
    put_number(at += ENTRIES_SALT, 8, e->offset);
    put_number(at += 8, 4, e->kind);
    put_number(at += 4, 4, e->body.size);
    memcpy(at + 4, body.bytes, HASH_SIZE);
    hash_sha256(&whole, slice_of(bound, sizeof bound));
    memcpy(check, whole.bytes, CHECK_SIZE);
}

/* Whether an entry stands at the beginning of `bytes`, which lie at `offset` of the file. */
static bool entry_read(struct slice bytes, const uint8_t salt[ENTRIES_SALT], uint64_t offset,
                       struct entry *out)
{
    uint8_t check[CHECK_SIZE];

    if (bytes.size < ENTRY_HEAD || memcmp(bytes.data, salt, MARK_SIZE) != 0)
        return false;
    size_t size = (size_t)get_number(bytes.data + MARK_SIZE + 4, 4);
    if (size > ENTRY_MOST || size > bytes.size - ENTRY_HEAD)
        return false;
    *out = (struct entry){
        .kind = (uint32_t)get_number(bytes.data + MARK_SIZE, 4),
        .offset = offset,
        .body = slice_of(bytes.data + ENTRY_HEAD, size),
    };
    entry_check(check, salt, out);
    return memcmp(check, bytes.data + CHECK_AT, CHECK_SIZE) == 0;
}

int entries_view(struct entries_view *v, struct slice bytes)
{
    struct hash hash;

    if (bytes.size < ENTRIES_HEAD || memcmp(bytes.data, magic, MAGIC_SIZE) != 0)
        return ERR_DAMAGED;
    hash_sha256(&hash, slice_of(bytes.data, HASHED));
    const uint8_t *label = bytes.data + MAGIC_SIZE + ENTRIES_SALT;
    if (memcmp(hash.bytes, bytes.data + HASHED, HASH_SIZE) != 0 || label[ENTRIES_LABEL - 1] != 0)
        return ERR_DAMAGED;
    *v = (struct entries_view){.bytes = bytes, .at = ENTRIES_HEAD};
    memcpy(v->salt, bytes.data + MAGIC_SIZE, ENTRIES_SALT);
    memcpy(v->label, label, ENTRIES_LABEL);
    return 0;
}

bool entries_at(const struct entries_view *v, uint64_t offset, struct entry *out)
{
    return offset < v->bytes.size &&
           entry_read(slice_of(v->bytes.data + offset, v->bytes.size - offset), v->salt, offset,
                      out);
}

bool entries_next(struct entries_view *v, struct entry *out)
{
    for (uint64_t at = v->at; at < v->bytes.size; at++) {
        if (!entries_at(v, at, out))
            continue;
        v->skipped += at - v->at;
        v->at = at + ENTRY_HEAD + out->body.size;
        return true;
    }
    return false;
}

/* ---- making and opening ---- */

int entries_create(struct entries **out, const char *file, const char *label)
{
    uint8_t head[ENTRIES_HEAD];
    struct entries *e = mem_new(sizeof *e);

    assert(strlen(label) < ENTRIES_LABEL);
    if (sodium_init() < 0)
        abort();
    e->file = mem_str(file);
    e->made = mem_printf("%s.new", file);
    e->fd = open(e->made, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (e->fd < 0) {
        entries_close(e);
        return ERR_IO;
    }
    randombytes_buf(e->salt, sizeof e->salt);
    head_fill(head, e->salt, label);
    buf_add(&e->added, head, sizeof head);
    *out = e;
    return 0;
}

int entries_name(struct entries *e)
{
    int rc = entries_sync(e);

    if (rc == 0 && rename(e->made, e->file) != 0)
        rc = ERR_IO;
    if (rc)
        return rc;
    mem_free(e->made);
    e->made = NULL;
    e->broken = file_sync_dir_of(e->file) != 0;
    return 0;
}

/* Cuts off what is behind the last whole entry. */
static int open_to_add(struct entries **out, const char *file, const struct entries_view *view)
{
    int fd = open(file, O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return ERR_IO;
    if (view->at < view->bytes.size && (ftruncate(fd, (off_t)view->at) != 0 || fsync(fd) != 0)) {
        close(fd);
        return ERR_IO;
    }
    *out = mem_new(sizeof **out);
    (*out)->file = mem_str(file);
    (*out)->fd = fd;
    (*out)->written = view->at;
    (*out)->unsynced = true; /* a process that ended may not have synced what is read here */
    memcpy((*out)->salt, view->salt, ENTRIES_SALT);
    return 0;
}

int entries_open(struct entries **out, const char *file, struct buf *bytes,
                 struct entries_view *view)
{
    struct entry e;

    *out = NULL;
    int rc = file_read(file, bytes);
    if (rc == 0)
        rc = entries_view(view, slice_buf(bytes));
    if (rc)
        return rc;
    struct entries_view all = *view;
    while (entries_next(&all, &e))
        continue;
    return all.skipped ? ERR_DAMAGED : open_to_add(out, file, &all);
}

static int read_at(int fd, struct buf *out, size_t size, uint64_t offset)
{
    ssize_t n;

    buf_reset(out);
    uint8_t *to = buf_grow(out, size);
    do
        n = pread(fd, to, size, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? ERR_IO : (size_t)n < size ? ERR_DAMAGED : 0;
}

int entries_last(const char *file, size_t size, char label[ENTRIES_LABEL], struct buf *room,
                 struct entry *out)
{
    struct entries_view v;
    struct stat st;
    uint64_t offset = 0;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 && fstat(fd, &st) == 0 ? read_at(fd, room, ENTRIES_HEAD, 0) : ERR_IO;

    if (rc == 0)
        rc = entries_view(&v, slice_buf(room));
    if (rc == 0) {
        memcpy(label, v.label, sizeof v.label);
        offset = (uint64_t)st.st_size - ENTRY_HEAD - size;
        rc = (uint64_t)st.st_size < ENTRIES_HEAD + ENTRY_HEAD + size
                 ? ERR_NOT_FOUND
                 : read_at(fd, room, ENTRY_HEAD + size, offset);
    }
    if (rc == 0 && (!entry_read(slice_buf(room), v.salt, offset, out) || out->body.size != size))
        rc = ERR_NOT_FOUND;
    if (fd >= 0)
        close(fd);
    return rc;
}

void entries_close(struct entries *e)
{
    if (!e)
        return;
    if (e->fd >= 0)
        close(e->fd);
    if (e->made)
        unlink(e->made);
    mem_free(e->file);
    mem_free(e->made);
    buf_free(&e->added);
    mem_free(e);
}

/* ---- adding ---- */

uint64_t entries_size(const struct entries *e)
{
    return e->written + e->added.size;
}

uint64_t entries_add(struct entries *e, uint32_t kind, struct slice body)
{
    uint8_t head[ENTRY_HEAD];
    struct entry entry = {.kind = kind, .offset = entries_size(e), .body = body};

    assert(body.size <= ENTRY_MOST);
    memcpy(head, e->salt, MARK_SIZE);
    put_number(head + MARK_SIZE, 4, kind);
    put_number(head + MARK_SIZE + 4, 4, body.size);
    entry_check(head + CHECK_AT, e->salt, &entry);
    buf_add(&e->added, head, sizeof head);
    buf_add(&e->added, body.data, body.size);
    return entry.offset;
}

int entries_write(struct entries *e)
{
    if (e->added.size == 0)
        return 0;
    if (file_write_at(e->fd, slice_buf(&e->added), e->written) != 0)
        return ERR_IO;
    e->written += e->added.size;
    e->unsynced = true;
    buf_reset(&e->added);
    return 0;
}

int entries_sync(struct entries *e)
{
    if (e->broken || entries_write(e) != 0)
        return ERR_IO;
    if (e->unsynced && fdatasync(e->fd) != 0) {
        e->broken = true;
        return ERR_IO;
    }
    e->unsynced = false;
    return 0;
}

int entries_undo(struct entries *e, uint64_t offset)
{
    if (offset >= e->written) {
        e->added.size = (size_t)(offset - e->written);
    } else {
        buf_reset(&e->added);
        e->written = offset;
    }
    return !e->broken && ftruncate(e->fd, (off_t)e->written) == 0 && fdatasync(e->fd) == 0 ? 0
                                                                                           : ERR_IO;
}
