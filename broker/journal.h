/* SPDX-License-Identifier: Apache-2.0 */
/* journal.h - the durable log over LMDB: every record in one order, kept for good
 *
 * Positions start at 1 and have no gaps.  A record never changes once appended.  One process owns
 * the directory; tools may read beside it.  Only one thread appends (the commit thread); any thread
 * may read.  Every record's
 * SHA-256 is checked on every read.
 *
 * LMDB with its default durability (never NOSYNC, NOMETASYNC, MAPASYNC, WRITEMAP; no DUPSORT).  One
 * transaction a commit holds records, indexes, seats' tails and tree nodes, all under keys that
 * ascend.
 */
#pragma once

#include <stdint.h>

#include "lib/slice.h"
#include "lib/tree.h"

struct journal;

enum { JOURNAL_FORMAT = 2, COMMIT_EVENTS = 2048, COMMIT_BYTES = 4 * 1024 * 1024 };

struct journal_event { /* what the indexes need, and the bytes as received */
    const char *seat, *stream, *type;
    uint8_t id[16];
    uint64_t seat_seq;
    int64_t received;                                    /* not before the record before it */
    struct hash envelope_hash, event_hash, payload_hash; /* SHA-256, as computed from the bytes */
    struct slice event, payload;
    const struct hash *parts; /* the parts that it names */
    size_t n_parts;
};

/* Fills event_hash and payload_hash. */
void journal_event_hash(struct journal_event *e);

struct journal_tail {  /* where a seat stands in a stream */
    uint64_t seat_seq; /* 0 = nowhere yet */
    uint64_t position;
    struct hash envelope_hash;
};

/* Makes DIR/log anew with `events` as its first records: in a temporary directory, synced, renamed,
 * its parent synced. ERR_EXISTS where there is one. */
int journal_create(const char *dir, const struct journal_event events[], size_t n);

/* Opens DIR/log. ERR_NOT_FOUND, ERR_OWNED, ERR_VERSION, ERR_DAMAGED (shorter than it says, tree and
 * head disagree), ERR_IO (a network file system among them), with a sentence in `why`. `read_only`:
 * for tools, writes nothing; where a broker has the log open it is read as it was at this moment.
 */
int journal_open(struct journal **out, const char *dir, bool read_only, struct buf *why);
void journal_close(struct journal *j); /* NULL is fine */

/* Appends all or none, and returns once they are on disk: not for the loop.  `*first` becomes the
 * position of the first. 0; ERR_FULL: certainly nothing was written, go on when there is room;
 * ERR_UNKNOWN: it may or may not be on disk: stop the process. */
int journal_append(struct journal *j, const struct journal_event events[], size_t n,
                   uint64_t *first);

uint64_t journal_head(const struct journal *j); /* last position; 0 = empty */
int64_t journal_last_received(const struct journal *j);
uint64_t journal_founded(const struct journal *j); /* records that journal_create wrote */
/* Tree of all records up to the head: what a checkpoint is made of. Taken together, consistent. */
void journal_tree(const struct journal *j, uint64_t *size, struct hash *root);

struct journal_record { /* lent by the journal, valid only during the call */
    uint64_t position;
    int64_t received;
    struct slice event, payload;
    struct hash event_hash; /* SHA-256 of `event` */
};

/* 0 to go on; 1 stops behind this record; -1 stops before it: a reading goes on with it. */
typedef int journal_each(void *arg, const struct journal_record *record);

/* One record: 0, ERR_NOT_FOUND or ERR_DAMAGED. */
int journal_get(struct journal *j, uint64_t position, journal_each *each, void *arg);

/* A reading: names of streams and types resolved to what the log has. */
struct journal_filter;
/* Patterns as in frames.proto; n = 0: all; `seat` NULL or empty: all.  What it resolved is kept in
 * it, and channels that appear later are found: one thread at a time, and one journal. */
struct journal_filter *journal_filter_new(const char *const streams[], size_t n_streams,
                                          const char *const types[], size_t n_types,
                                          const char *seat);
void journal_filter_free(struct journal_filter *f);

/* Calls `each` for the matching records from `from` on, in order, until it returns nonzero, at most
 * `most` records were looked at, or the head is reached.  `*next` becomes the position to go on
 * from (head + 1 when caught up). 0 or ERR_DAMAGED (`*next` is then the position at fault). One
 * read transaction, ended when it returns. */
int journal_read(struct journal *j, const struct journal_filter *f, uint64_t from, size_t most,
                 journal_each *each, void *arg, uint64_t *next);

/* `*position` becomes the first one received at `time` or later, head + 1 where there is none: 0 or
 * ERR_DAMAGED. */
int journal_since(struct journal *j, int64_t time, uint64_t *position);

/* Position of (seat, id) and its envelope's hash; ERR_NOT_FOUND. */
int journal_find(struct journal *j, const char *seat, const uint8_t id[16], uint64_t *position,
                 struct hash *envelope_hash);
/* All zero where there is nothing yet. */
int journal_tail(struct journal *j, const char *seat, const char *stream, struct journal_tail *out);
/* The first position from `from` on that names the part, or ERR_NOT_FOUND. */
int journal_part(struct journal *j, const struct hash *part, uint64_t from, uint64_t *position);
/* The first part behind that hash, in order, that a record names: 0, ERR_NOT_FOUND or ERR_DAMAGED.
 */
int journal_next_part(struct journal *j, const struct hash *behind, struct hash *part);
/* Each part that a record names, once, in order of its hash, until `each` returns nonzero: that, 0,
 * ERR_DAMAGED or ERR_IO. */
int journal_each_part(struct journal *j, int (*each)(void *arg, const struct hash *part),
                      void *arg);
/* For proofs: see tree.h. */
int journal_stored_hash(void *journal, uint64_t stored_index, struct hash *out);

/* Writes a consistent copy of the log's file to `fd`, as it is at that moment: 0 or ERR_IO. */
int journal_copy(struct journal *j, int fd);
/* Gives back what readers that died hold of the file's free pages. */
void journal_sweep(struct journal *j);

uint64_t journal_size_on_disk(const struct journal *j); /* bytes */
uint64_t journal_used(const struct journal *j);         /* bytes of it that were ever written */

/* What verify finds, as it finds it: of which record (0 = of none), in what, and a sentence. */
typedef void journal_finding(void *arg, uint64_t position, const char *what, const char *text);
/* Before each step: what it looks at, at which record or behind whose entry, of how many records.
 * Reading a damaged file may end the process; who watches from another then knows where. */
typedef void journal_progress(void *arg, const char *what, uint64_t position, uint64_t of);
/* Reads everything there is and recomputes every index, tail and tree node from the records,
 * comparing both ways.  `each` (may be NULL) gets every sound record.  0 or the first error; how
 * many findings in `*findings`. */
int journal_verify(struct journal *j, journal_each *each, journal_finding *finding,
                   journal_progress *progress, void *arg, uint64_t *findings);
