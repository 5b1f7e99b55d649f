/* SPDX-License-Identifier: Apache-2.0 */
/* sign.h - keys, and signing and verifying events, one or a batch
 *
 * A seat's key file holds its CURVE, Ed25519 and age secrets; instead of the Ed25519 seed it may
 * name a key on a token (token.h), which then signs.  Keys are made where they are used; the file
 * has mode 0600, and one that others can read is refused with the command that mends it.
 */
#pragma once

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/seal.h"
#include "lib/slice.h"
#include "lib/token.h"
#include "lib/tree.h"

enum { KEY_SIZE = 32, KEY_ID_SIZE = 8, SIGNATURE_SIZE = 64, SALT_SIZE = 16, BATCH_MOST = 64 };

struct seat_key { /* plain values; secret: seat_key_clear it */
    char seat[65], office[130];
    char token_uri[TOKEN_URI_SIZE]; /* where the key that signs lies; "": the seed is here */
    struct token *token;            /* of an opened one; a copy lends it */
    uint8_t curve_public[KEY_SIZE], curve_secret[KEY_SIZE];
    uint8_t sign_public[KEY_SIZE], sign_seed[KEY_SIZE];
    struct seal_key age; /* all zero: of a file from before there were any */
};

void seat_key_make(struct seat_key *key, const char *seat, const char *office);
void seat_key_clear(struct seat_key *key);
bool seat_key_has_age(const struct seat_key *key);
/* Writes a new file, mode 0600, synced; ERR_EXISTS rather than overwriting. */
int seat_key_write(const struct seat_key *key, const char *file);
/* What the file says, for who does not sign: 0, ERR_NOT_FOUND, ERR_FILE_MODE, ERR_MALFORMED or
 * ERR_IO with a sentence in `why`. */
int seat_key_read(struct seat_key *key, const char *file, struct buf *why);
/* The same, ready to sign: its token is opened.  Also the errors of token_open, and ERR_TOKEN_KEY
 * when the token's key is not the file's. */
int seat_key_open(struct seat_key *key, const char *file, struct buf *why);
/* From now on the token's key signs, which is made there unless it is there; the seed is wiped. */
int seat_key_to_token(struct seat_key *key, const char *uri, struct buf *why);

/* First 8 bytes of SHA-256(public key). */
void key_id(uint8_t out[KEY_ID_SIZE], const uint8_t public_key[KEY_SIZE]);

/* What signs, lent: its seed, or what has it. */
struct sign_key {
    const uint8_t *public_key, *seed; /* KEY_SIZE */
    struct token *token;              /* NULL = the seed signs */
};
struct sign_key seat_key_signs(const struct seat_key *key);
/* 0; with a token also ERR_TOKEN, and it blocks as token_sign does. */
int sign_bytes(uint8_t signature[SIGNATURE_SIZE], struct slice message, const struct sign_key *key);
bool sign_check(const uint8_t signature[SIGNATURE_SIZE], struct slice message,
                const uint8_t public_key[KEY_SIZE]);

/* Signs 1 to 64 envelopes with one signature.  events[i] becomes the packed SignedEvent; fresh
 * salts.  As sign_bytes. */
int sign_events(const struct seat_key *key, const struct slice envelopes[], size_t n,
                struct buf events[]);
/* The same with the caller's salts, for examples that must come out alike.  A salt is never used
 * for two envelopes: it keeps who sees one event of a batch from guessing its neighbours. */
int sign_events_salted(const struct seat_key *key, const struct slice envelopes[],
                       const uint8_t (*salts)[SALT_SIZE], size_t n, struct buf events[]);

/* Index, size and length of the path fit each other: event_open_head sees to it. */
bool sign_path_fits(const Core__SignedEvent *event);
/* The root that the event's signature is over; false when its path does not fit.  Events of one
 * batch have the same root, key and signature: verifying one of them verifies all. */
bool sign_event_root(const Core__SignedEvent *event, struct hash *root);
/* The roots of 1 to 64 events whose paths fit.  A whole batch in its order is hashed as one tree:
 * two hashes an event and not eight. */
void sign_event_roots(const Core__SignedEvent *const events[], size_t n, struct hash roots[]);
/* Ed25519 over "chancery-event-v1" NUL root. The dear step: some 30 us. */
bool sign_root_check(const struct hash *root, struct slice signature,
                     const uint8_t public_key[KEY_SIZE]);
