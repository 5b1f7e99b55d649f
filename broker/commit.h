/* SPDX-License-Identifier: Apache-2.0 */
/* commit.h - group commit: one batch on its way to disk, the next one gathers
 *
 * A thread of its own appends; the loop never waits for the disk.  What gathers is bounded; past it
 * comes ERR_BUSY.
 */
#pragma once

#include <uv.h>

#include "broker/histogram.h"
#include "broker/journal.h"

struct commit;

struct commit_totals {
    uint64_t batches;            /* done, whatever became of them, with events or without */
    uint64_t events, bytes;      /* on disk; bytes of events and payloads */
    struct histogram time, size; /* of a batch with events: microseconds, and how many */
};

/* On the loop, after the batch is on disk (err 0, first = position of its first event), or refused
 * as a whole (ERR_FULL), or in doubt (ERR_UNKNOWN: the process must end without answering
 * anything). `arg` of each commit_add in order. */
typedef void commit_done(void *owner, int err, uint64_t first, void *const args[], size_t n);

void commit_start(struct commit **out, uv_loop_t *loop, struct journal *journal, commit_done *done,
                  void *owner);

/* Gathers the events of one request; all of them land in the same batch. The events' memory stays
 * the caller's until `done`, which gives back `arg` once for each call.  0 or ERR_BUSY.
 * `close_batch`: nothing is gathered behind it until it is done (registry). */
int commit_add(struct commit *c, const struct journal_event events[], size_t n, bool close_batch,
               void *arg);
bool commit_closed(
    const struct commit *c); /* a closing batch is under way: commit_add would say ERR_BUSY */
size_t commit_pending(const struct commit *c); /* events gathered or in flight */
const struct commit_totals *commit_totals(const struct commit *c); /* lent; the loop's */

/* Waits for the batch in flight, then stops the thread: blocks. */
void commit_stop(struct commit *c);
