/* SPDX-License-Identifier: Apache-2.0 */
/* delegation.h - what a person's seat lets a gateway do in its name; pure, but for a key on a token
 *
 * SignedDelegation of frames.proto: the seat's Ed25519 key signs (RFC 8032) over
 * "chancery-delegation-v1" NUL and the Delegation's bytes, so that no signature of an event or a
 * card is one of a delegation.  design.md, section 6, has the rule; whether one holds now the
 * broker says (broker/mandate.h).
 */
#pragma once

#include "lib/sign.h"

enum { DELEGATION_MOST = 512 }; /* bytes of a signed one */

/* Microseconds: how long one holds at most, and how far ahead of the broker's time the clock of
 * who signs may be. */
static const int64_t DELEGATION_LIFE = INT64_C(12) * 3600 * 1000000,
                     DELEGATION_AHEAD = INT64_C(300) * 1000000;

struct delegation { /* plain values */
    char log[129], seat[65];
    uint8_t gateway[KEY_SIZE]; /* CURVE public key */
    unsigned verbs;            /* bits 1 << Verb */
    int64_t issued, expires;   /* microseconds UTC */
};

struct delegation_shown { /* as it came */
    struct delegation says;
    uint8_t key_id[KEY_ID_SIZE], signature[SIGNATURE_SIZE];
    uint8_t text[DELEGATION_MOST]; /* that is signed */
    size_t size;
};

/* Whether it is one at all: log, seat and verbs are such, times in their bounds.  0 or ERR_FIELD,
 * ERR_BOUNDS; `where` becomes the field at fault. */
int delegation_check(const struct delegation *d, char where[128]);
/* Of one that passed delegation_check, with the keys of its seat: 0 and appends at most
 * DELEGATION_MOST bytes, or as sign_bytes. */
int delegation_sign(const struct delegation *d, const struct seat_key *key, struct buf *out);
/* Any bytes: 0 once delegation_check passed too, else also ERR_MALFORMED, ERR_TEXT.  The signature
 * is not looked at. */
int delegation_read(struct delegation_shown *out, struct slice bytes, char where[128]);
/* Whether that key signed it. */
bool delegation_signed_by(const struct delegation_shown *d, const uint8_t public_key[KEY_SIZE]);
