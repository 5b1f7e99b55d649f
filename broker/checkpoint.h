/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.h - DIR/log/checkpoint: the newest signed tree head, kept with an fsync of its own
 *
 * At start a tree that is smaller than it, or has another root at its size, means "rolled back":
 * refuse to serve.
 */
#pragma once

#include "broker/journal.h"
#include "lib/note.h"

struct log_key { /* secret: DIR/keys/log.key, mode 0600; log_key_clear it */
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

/* DIR/log.vkey, the public half: 0, ERR_NOT_FOUND, ERR_IO or ERR_MALFORMED. */
int log_vkey_read(const char *dir, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE]);

/* Signs the journal's tree and replaces the file: written aside, synced, renamed, directory synced.
 * Blocks: not for the loop, but for start. `note` (may be NULL) gets the note.  Also ERR_TOKEN. */
int checkpoint_write(const char *dir, const struct log_key *key, uint64_t size,
                     const struct hash *root, struct buf *note);
/* The file, opened with the key: ERR_NOT_FOUND, ERR_SIGNATURE, ERR_MALFORMED, ERR_IO. */
int checkpoint_read(const char *dir, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note);
/* When the file was written: microseconds UTC by the machine's clock; 0 = there is none. */
int64_t checkpoint_time(const char *dir);
/* Whether the checkpoint is of this log's first records: 0, ERR_NOT_FOUND (the log has fewer),
 * ERR_FORKED (they are others), ERR_DAMAGED or ERR_IO. */
int checkpoint_compare(struct journal *j, const struct checkpoint *c);
/* Compares the journal with its checkpoint: 0, or ERR_ROLLED_BACK with a sentence in `why`. A
 * missing file with more than the founding records is rolled back too. */
int checkpoint_check(struct journal *j, const struct checkpoint *c, struct buf *why);
