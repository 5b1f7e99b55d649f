/* SPDX-License-Identifier: Apache-2.0 */
/* seal.h - sealed parts: files of age v1 for X25519 keys (C2SP age, https://c2sp.org/age)
 *
 * A header wraps a fresh file key for each recipient and is authenticated by it; the payload goes
 * in chunks of 64 KiB, each authenticated with its place and whether it is the last.  What is
 * sealed here Debian's age(1) opens with the identity of the key, and the other way round.
 *
 * Descriptors are read to their end and written in order; memory does not depend on the size.
 * All of it blocks.  Secrets, the clear text among them, are wiped from memory before a call
 * returns.
 */
#pragma once

#include "lib/slice.h"

enum {
    SEAL_KEY_SIZE = 32,
    SEAL_RECIPIENTS_MOST = 1024,   /* stanzas of a header, of other kinds too */
    SEAL_HEADER_MOST = 128 * 1024, /* bytes; one of 1024 recipients has 98 KiB */
    SEAL_INTRO_SIZE = 22,          /* what every file begins with */
    SEAL_RECIPIENT_SIZE = 63,      /* "age1..." with its NUL */
    SEAL_IDENTITY_SIZE = 75,       /* "AGE-SECRET-KEY-1..." with its NUL */
};

struct seal_key { /* secret: sodium_memzero it */
    uint8_t public_key[SEAL_KEY_SIZE], secret_key[SEAL_KEY_SIZE];
};

void seal_key_make(struct seal_key *key);
/* The public half from the secret one. */
void seal_key_complete(struct seal_key *key);

/* Whether these first bytes of a file, SEAL_INTRO_SIZE of them, are those of a sealed one. */
bool seal_begins(struct slice first);

/* From `in` to `out`, for 1 to SEAL_RECIPIENTS_MOST keys, each of which opens it alone.  ERR_FIELD:
 * a key is a point of low order, which no secret fits; nothing was written.  ERR_IO. */
int seal_write(int in, int out, const uint8_t (*recipients)[SEAL_KEY_SIZE], size_t n);

/* From `in` to `out`.  Nothing is written but chunks that were verified; where a later one is wrong
 * those before it are in `out` already: on any error the caller removes the file.  ERR_MALFORMED:
 * not an age v1 file; ERR_BOUNDS: its header is too large; ERR_SEALED: sealed for other keys;
 * ERR_DAMAGED: changed, cut off, or with something behind it; ERR_IO. */
int seal_open(int in, int out, const struct seal_key *key);

/* Keys as age writes them.  The parsers: 0 or ERR_MALFORMED. */
void seal_recipient_text(char out[SEAL_RECIPIENT_SIZE], const uint8_t public_key[SEAL_KEY_SIZE]);
int seal_recipient_parse(uint8_t public_key[SEAL_KEY_SIZE], const char *text);
void seal_identity_text(char out[SEAL_IDENTITY_SIZE], const uint8_t secret_key[SEAL_KEY_SIZE]);
int seal_identity_parse(uint8_t secret_key[SEAL_KEY_SIZE], const char *text);
