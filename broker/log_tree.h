/* SPDX-License-Identifier: Apache-2.0 */
/* log_tree.h - what every proof is made of: an instance's verifier key, checkpoint and journal
 *
 * The checkpoint is read first, for a broker may be adding to the log behind it.
 */
#pragma once

#include "broker/checkpoint.h"

struct log_tree {
    const char *dir; /* lent */
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    struct checkpoint checkpoint;
    struct buf note; /* the same, signed */
    struct journal *journal;
    struct buf why; /* what is wrong, in a sentence */
};

/* 0, or an error with a sentence in `why`; close it in any case. */
int log_tree_open(struct log_tree *t, const char *dir);
void log_tree_close(struct log_tree *t);

/* Reads a checkpoint file that the log's key signed. 0, or an error with a sentence in `why`. */
int log_tree_checkpoint(struct log_tree *t, const char *file, struct checkpoint *c);
/* That the checkpoint of the file is one of this log. 0, or an error with a sentence in `why`. */
int log_tree_has(struct log_tree *t, const char *file, const struct checkpoint *c);
/* Prints what is wrong; returns EXIT_FAILURE. */
int log_tree_failed(struct log_tree *t, int err);
