/* SPDX-License-Identifier: Apache-2.0 */
/* keep.h - what a publisher keeps over a restart: frames not yet answered, and receipts
 *
 * DIR/unconfirmed is a journal of frames and of the answers to them; it is emptied when all are
 * answered.  DIR/receipts grows by one entry an event: what was recorded where, and its bytes.
 * An entry is u32 size, u32 kind, u64 number (big-endian) and `size` bytes.  A torn last entry is
 * one that was never sent, and is dropped.
 */
#pragma once

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/slice.h"

struct keep;

/* Each frame that was not answered, in order; its number is the one that keep_done takes. */
typedef void keep_each(void *arg, uint64_t number, struct slice frame);

/* 0, ERR_IO, or ERR_OWNED (another process uses the directory), with a sentence in `why`. */
int keep_open(struct keep **out, const char *dir, keep_each *each, void *arg, struct buf *why);
void keep_close(struct keep *k); /* NULL is fine */

/* Adds a frame; it is kept once keep_sync returned 0. */
int keep_add(struct keep *k, struct slice frame, uint64_t *number);
int keep_sync(struct keep *k); /* blocks */
void keep_done(struct keep *k, uint64_t number);
/* Time to let all be answered: the file is emptied then, and only then. */
bool keep_full(const struct keep *k);
/* A packed Core__Record behind the others; on disk after the next keep_sync. */
int keep_receipt(struct keep *k, const Core__Record *record);
