/* SPDX-License-Identifier: Apache-2.0 */
/* log_key.h - the key that signs a log's checkpoints: DIR/keys/log.key, mode 0600
 *
 * `chancery init` and `log restore` make one; after that the signer alone reads it.
 */
#pragma once

#include "lib/note.h"

struct log_key { /* secret */
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE], seed[KEY_SIZE];
};

void log_key_make(struct log_key *key, const char *name);
int log_key_write(const struct log_key *key, const char *file); /* as seat_key_write */
int log_key_read(struct log_key *key, const char *file, struct buf *why);

/* Appends a checkpoint of that tree: the same bytes whenever it is asked for. */
void log_key_sign(const struct log_key *key, uint64_t size, const struct hash *root,
                  struct buf *note);
