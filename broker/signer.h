/* SPDX-License-Identifier: Apache-2.0 */
/* signer.h - has the log's tree signed while the log grows: the newest checkpoint, beside the log
 *
 * The process that signs, chancery-signer, connects to DIR/run/signer.sock, tells what it signed
 * last, and signs what extends it (signer.proto).  One tree is asked for at a time; what grows
 * meanwhile is in the next one.  Without a signer the log goes on and checkpoints wait.  What the
 * signer says is believed where the log's key signed it: a checkpoint that was asked for, or one
 * that this log does not have, which shows that records were lost.
 *
 * All on the loop's thread, but for writing and syncing the file.
 */
#pragma once

#include <uv.h>

#include "broker/checkpoint.h"

struct signer;

struct signer_of { /* lent for as long as the signer lives */
    uv_loop_t *loop;
    struct journal *journal;
    const char *log, *dir;
    const uint8_t *key; /* public */
    /* The key signed more records than the log has, or others: nothing more may be recorded.  The
     * checkpoint that says so is the log's now, so that no later start serves either. */
    void (*lost)(void *arg, const char *why);
    void *arg;
};

struct signer *signer_new(const struct signer_of *of);
void signer_free(struct signer *s); /* NULL is fine; once the loop is empty */

/* Reads the last checkpoint and compares the log with it: 0, or an error of checkpoint.h with a
 * sentence in `why`. */
int signer_read(struct signer *s, struct buf *why);
/* Lets the signer connect: 0 or ERR_IO with a sentence in `why`. */
int signer_open(struct signer *s, struct buf *why);
/* Each second: asks when the log has grown, tells who is away, and gives up who does not answer. */
void signer_look(struct signer *s);
/* When nothing more is recorded: true once the last tree is signed and on disk, or cannot be in two
 * seconds. Asked again in each turn of the loop. */
bool signer_finished(struct signer *s);
void signer_close(struct signer *s); /* once it is finished */

/* The newest note that is on disk, empty before the first, and the size of its tree. */
uint64_t signer_size(const struct signer *s);
const struct buf *signer_note(const struct signer *s);
/* Why nothing is signed now: "signer.away", or the code that the signer refuses with; "" = all is.
 */
const char *signer_waits(const struct signer *s);
