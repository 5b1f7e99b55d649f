/* SPDX-License-Identifier: Apache-2.0 */
/* keep.h - what a publisher keeps over a restart: frames not yet answered, and receipts
 *
 *     DIR/lock          held by the process that the directory belongs to
 *     DIR/unconfirmed   frames and the answers to them (entries.h); the answered ones are left out
 *                       when it is written anew
 *     DIR/receipts/     what was recorded where, and its bytes (receipts.h)
 *     DIR/checkpoint    the newest checkpoint held, a C2SP signed note as the broker gave it
 *     DIR/returned      a line "LOG SUCCESSOR" for each log whose receipts were published again
 *
 * Entries of `unconfirmed`: kind 1, a number, that of the frame in whose place it is (0 = none),
 * u64 both, and a packed core.v1.Frame with Publish; kind 2, the number of one that was answered.
 * Nothing is sent before its frame is on disk, and no answer is told before it is: so a process
 * that ends anywhere finds what it sent and was not told, and the receipt of all that it was told
 * is recorded.
 */
#pragma once

#include "lib/receipts.h"

struct keep;

/* Each frame that was not answered, in order; its number is the one that keep_done takes. */
typedef void keep_each(void *arg, uint64_t number, struct slice frame);

/* Makes the directory (its parent is there).  0, ERR_IO, ERR_OWNED (another process uses it), or
 * ERR_DAMAGED (`unconfirmed` is damaged, and not only torn at its end), with a sentence in `why`.
 * Blocks. */
int keep_open(struct keep **out, const char *dir, const struct receipts_policy *policy,
              keep_each *each, void *arg, struct buf *why);
void keep_close(struct keep *k); /* NULL is fine */

/* Adds a frame, in place of one that was refused (0 = of none); it is kept once keep_sync returned
 * 0.  Returns its number. */
uint64_t keep_add(struct keep *k, struct slice frame, uint64_t replaces);
/* Takes back the frames from that number on, which were added last and not synced: 0, or ERR_IO
 * when they may be found there at the next start.  Blocks. */
int keep_undo(struct keep *k, uint64_t number);
/* It was answered; so kept too once keep_sync returned 0. */
void keep_done(struct keep *k, uint64_t number);
/* 0 or ERR_IO; the receipts first.  Blocks. */
int keep_sync(struct keep *k);

struct receipts *keep_receipts(struct keep *k);

/* ---- dropping receipts ---- */

/* Drops those that the policy lets go and that the checkpoint held covers: it may have been ahead
 * of them when it came. */
void keep_let_go(struct keep *k);
/* Receipts of the log that the policy lets go are not covered by the checkpoint held. */
bool keep_wants_checkpoint(const struct keep *k, const char *log);
/* Holds the checkpoint (from its origin, the log) from now on, and drops what it covers and the
 * policy lets go.  ERR_MALFORMED, ERR_IO. */
int keep_checkpoint(struct keep *k, const char *log, struct slice note);

/* ---- a log that goes on under another name ---- */

/* What the log's receipts showed missing in the successor was published again there. */
bool keep_is_returned(const struct keep *k, const char *log, const char *successor);
int keep_returned(struct keep *k, const char *log, const char *successor);
