/* SPDX-License-Identifier: Apache-2.0 */
/* receipts.h - what was recorded where, and the bytes to publish it again
 *
 * A directory of segments, files of entries (entries.h) named by ascending numbers of ten digits;
 * the label of a segment is the name of the log.  An entry is
 *
 *     kind 3  a receipt: a packed core.v1.Record, as the log holds it
 *     kind 4  the last one of a segment that is full: how many receipts, the least and greatest
 *             position (u64 each), the newest receipt time (i64)
 *     kind 5  a packed core.v1.Receipt: the broker's signature for receipts that follow
 *
 * A receipt is there once: a position with the same envelope is not added again.  Segments are
 * dropped whole.  One process adds (the directory is that of a keep, which is locked); any may
 * read.
 */
#pragma once

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/slice.h"

struct receipts;

enum { RECEIPTS_SEGMENT = 4 * 1024 * 1024 }; /* bytes from which a segment is full */

struct receipts_policy { /* what may be dropped, the oldest first */
    int64_t age;         /* microseconds before the newest receipt */
    uint64_t bytes;      /* of all segments together */
};

struct receipt { /* lent until the next call */
    const char *log;
    const Core__Record *record;
    struct slice countersigned; /* a core.v1.Receipt; empty: there is none, or receipts_get */
};

/* 0 or ERR_IO, with a sentence in `why`. Makes the directory. */
int receipts_open(struct receipts **out, const char *dir, const struct receipts_policy *policy,
                  struct buf *why);
void receipts_close(struct receipts *r); /* NULL is fine */

/* Adds what was recorded together, and the broker's signature for it (NULL: none): on disk after
 * the next receipts_sync.  0 or ERR_IO. */
int receipts_add(struct receipts *r, const char *log, const Core__Record records[], size_t n,
                 const Core__Receipt *countersigned);
int receipts_sync(struct receipts *r); /* 0 or ERR_IO; blocks */

/* ---- finding ---- */

struct receipt_place {
    uint64_t position, segment, offset;
};

/* Those of the log above a position, in order of position; the caller frees the list. */
void receipts_find(struct receipts *r, const char *log, uint64_t above,
                   struct receipt_place **places, size_t *n);
/* 0 or ERR_DAMAGED. */
int receipts_get(struct receipts *r, const struct receipt_place *place, struct receipt *out);
/* Calls `each` for every log that there are receipts of, oldest first. */
void receipts_each_log(const struct receipts *r, void (*each)(void *arg, const char *log),
                       void *arg);

/* ---- dropping ---- */

/* The greatest position of segments that the policy lets go, of that log; 0 = none. */
uint64_t receipts_surplus(const struct receipts *r, const char *log);
/* Drops the segments that the policy lets go and that are `covered`, up to their greatest
 * position. */
void receipts_drop(struct receipts *r,
                   bool (*covered)(void *arg, const char *log, uint64_t greatest), void *arg);

/* ---- reading beside the process that adds ---- */

/* Each receipt of the directory, segment by segment, until `each` returns nonzero.  What is damaged
 * is told by `damaged` with its file and offset, and passed over.  0, ERR_NOT_FOUND or ERR_IO. */
int receipts_each(const char *dir, int (*each)(void *arg, const struct receipt *r),
                  void (*damaged)(void *arg, const char *file, uint64_t offset, uint64_t bytes),
                  void *arg);
