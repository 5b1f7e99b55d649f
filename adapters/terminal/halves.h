/* SPDX-License-Identifier: Apache-2.0 */
/* halves.h - the public halves of a seat's keys: a kind of key is a row; pure */
#pragma once

#include "lib/sign.h"

enum { HALVES_MOST = 4 };

struct half {
    const char *name; /* as a card spells it */
    int kind;         /* KeyKind */
    size_t offset;    /* of its KEY_SIZE bytes in a seat_key; all zero: the file has none */
    bool needed;      /* no seat works without one */
};
extern const struct half halves[]; /* ended by a row without name */

/* NULL where the file has no key of this kind. */
const uint8_t *half_of(const struct seat_key *key, const struct half *half);
