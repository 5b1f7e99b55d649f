/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h - DIR/log/checkpoint: the newest signed tree head, kept with an fsync of its own
 *
 * At start a tree that is smaller than it, or has another root at its size, means "rolled back":
 * refuse to serve.
 */
#pragma once

#include "broker/journal.h"
#include "lib/note.h"

/* DIR/log.vkey, the public half: 0, ERR_NOT_FOUND, ERR_IO or ERR_MALFORMED. */
int log_vkey_read(const char *dir, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE]);

/* Replaces the file: written aside, synced, renamed, directory synced.  Blocks: not for the loop,
 * but for start.  0 or ERR_IO. */
int checkpoint_write(const char *dir, struct slice note);
/* The file, opened with the key: ERR_NOT_FOUND, ERR_SIGNATURE, ERR_MALFORMED, ERR_IO. */
int checkpoint_read(const char *dir, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note);
/* The same of any file with one checkpoint in it. */
int checkpoint_file(const char *file, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note);
/* When the file was written: microseconds UTC by the machine's clock; 0 = there is none. */
int64_t checkpoint_time(const char *dir);
/* Whether the checkpoint is of this log's first records: 0, ERR_NOT_FOUND (the log has fewer),
 * ERR_FORKED (they are others), ERR_DAMAGED or ERR_IO. */
int checkpoint_compare(struct journal *j, const struct checkpoint *c);
/* Compares the journal with its checkpoint: 0, or ERR_ROLLED_BACK with a sentence in `why`. A
 * missing file with more than the founding records is rolled back too. */
int checkpoint_check(struct journal *j, const struct checkpoint *c, struct buf *why);
