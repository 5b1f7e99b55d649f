/* SPDX-License-Identifier: Apache-2.0 */
/* log_key.h - the key that signs a log's checkpoints: DIR/keys/log.key, mode 0600
 *
 * `chancery init` and `log restore` make one; after that the signer alone reads it.
 */
#pragma once

#include "lib/note.h"

struct log_key { /* secret: log_key_clear it */
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE], seed[KEY_SIZE];
    char token_uri[TOKEN_URI_SIZE]; /* where the key lies; "": its seed is here */
    struct token *token;            /* a copy lends it */
};

void log_key_make(struct log_key *key, const char *name);
/* As seat_key_to_token. */
int log_key_to_token(struct log_key *key, const char *uri, struct buf *why);
int log_key_write(const struct log_key *key, const char *file); /* as seat_key_write */
/* Ready to sign: as seat_key_open. */
int log_key_read(struct log_key *key, const char *file, struct buf *why);
void log_key_clear(struct log_key *key);

/* Appends a checkpoint of that tree: the same bytes whenever it is asked for.  0, or as sign_bytes
 * and nothing appended. */
int log_key_sign(const struct log_key *key, uint64_t size, const struct hash *root,
                 struct buf *note);
