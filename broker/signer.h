/* SPDX-License-Identifier: Apache-2.0 */
/* signer.h - signs the log's tree while the log grows: the newest checkpoint, kept beside the log
 *
 * Writing and syncing it run off the loop.  One is under way at a time; what grows meanwhile is in
 * the next one.
 */
#pragma once

#include <uv.h>

#include "broker/checkpoint.h"

struct signer;

/* All is lent for as long as the signer lives. */
struct signer *signer_new(uv_loop_t *loop, struct journal *journal, const struct log_key *key,
                          const char *dir);
void signer_free(struct signer *s); /* NULL is fine; not while it is busy */

/* Reads the last checkpoint and compares the log with it: 0, or an error of checkpoint.h with a
 * sentence in `why`. */
int signer_read(struct signer *s, const char *log, struct buf *why);
/* Signs anew when the log has grown. */
void signer_look(struct signer *s);
bool signer_busy(const struct signer *s);
/* The last one, at once: blocks. */
void signer_end(struct signer *s);
/* The newest note that is on disk, empty before the first, and the size of its tree. */
uint64_t signer_size(const struct signer *s);
const struct buf *signer_note(const struct signer *s);
