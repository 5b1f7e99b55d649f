/* SPDX-License-Identifier: Apache-2.0 */
/* entries.h - a file of entries, each checked by itself: appended to, never changed
 *
 * The file begins with a head of 192 bytes: "chancery-entries" (16), a random salt (16), a label
 * (128, NUL behind it), and the SHA-256 of these (32).  It is written before the file gets its
 * name.  An entry is a head of 28 bytes and its body; numbers are big-endian:
 *
 *     mark   4  the first bytes of the salt
 *     kind   4
 *     size   4  of the body
 *     check 16  of SHA-256(salt || offset u64 || kind || size || SHA-256(body))
 *
 * So an entry is one only in its place in its own file: not where a disk gave back an older block,
 * and not where somebody chose a body that looks like one.  A write that was cut off leaves a torn
 * end, which is no entry.  Where bytes in between were damaged, reading goes on behind them.
 */
#pragma once

#include "lib/slice.h"

enum {
    ENTRIES_HEAD = 192,
    ENTRIES_SALT = 16,
    ENTRIES_LABEL = 128,
    ENTRY_HEAD = 28,
    ENTRY_MOST = 1024 * 1024 + 8192, /* bytes of a body: a frame or record, and what is beside it */
};

/* ---- reading: pure ---- */

struct entry {
    uint32_t kind;
    uint64_t offset; /* in the file, of its head */
    struct slice body;
};

struct entries_view { /* of a file's bytes, lent */
    struct slice bytes;
    char label[ENTRIES_LABEL];
    uint8_t salt[ENTRIES_SALT];
    uint64_t at;      /* behind the last whole entry */
    uint64_t skipped; /* bytes before it that are no entry */
};

/* 0, or ERR_DAMAGED for what does not begin with a sound head. */
int entries_view(struct entries_view *v, struct slice bytes);
/* The next whole entry; false when none follows: what is behind `at` is then a torn end. */
bool entries_next(struct entries_view *v, struct entry *out);
/* The entry at that offset, or false. */
bool entries_at(const struct entries_view *v, uint64_t offset, struct entry *out);

/* ---- files ---- */

struct entries;

/* A new one without a name yet, beside `file`; what was left there by a crash is overwritten.  0 or
 * ERR_IO. */
int entries_create(struct entries **out, const char *file, const char *label);
/* Syncs it and gives it its name, in place of a file that has it: 0, or ERR_IO and nothing changed.
 * Where the name itself cannot be synced no later sync succeeds.  Blocks. */
int entries_name(struct entries *e);
/* Opens one to go on behind its last whole entry; a torn end is cut off.  `view` is what it holds,
 * of bytes in `bytes`.  0, ERR_NOT_FOUND, ERR_IO, or ERR_DAMAGED when it is damaged elsewhere: its
 * entries can be viewed, and nothing can be added. */
int entries_open(struct entries **out, const char *file, struct buf *bytes,
                 struct entries_view *view);
void entries_close(struct entries *e); /* without a sync; NULL is fine */
/* Without reading all of it: its label, and its last entry, whose body has `size` bytes and comes
 * to lie in `room`. 0, ERR_NOT_FOUND (it does not end with such an entry), ERR_DAMAGED, ERR_IO. */
int entries_last(const char *file, size_t size, char label[ENTRIES_LABEL], struct buf *room,
                 struct entry *out);

/* Adds an entry, in memory until the next write; returns its offset. */
uint64_t entries_add(struct entries *e, uint32_t kind, struct slice body);
/* Writes what was added: 0 or ERR_IO, and then the next one writes it again. */
int entries_write(struct entries *e);
/* Writes and syncs: 0 or ERR_IO.  Once a sync failed, none succeeds any more: what the kernel
 * dropped then is not known.  Blocks. */
int entries_sync(struct entries *e);
/* Takes back the entries from that offset on, which are not synced: as if they had never been
 * added. ERR_IO: it is not certain that they are gone from the disk.  Blocks. */
int entries_undo(struct entries *e, uint64_t offset);
/* With what is not written yet. */
uint64_t entries_size(const struct entries *e);
