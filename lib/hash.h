/* SPDX-License-Identifier: Apache-2.0 */
/* hash.h - SHA-256 (FIPS 180-4), of one text or of many; pure
 *
 * The steps of one hash wait for each other.  Where the processor has SHA instructions, the steps
 * of four hashes fill its time: many texts are hashed in 0.6 of the time that they take in turn.
 */
#pragma once

#include "lib/slice.h"

enum { HASH_SIZE = 32, HASH_PARTS = 3 };

struct hash {
    uint8_t bytes[HASH_SIZE];
};

struct hash_text { /* its parts, one behind the other; parts may be empty */
    struct slice parts[HASH_PARTS];
};

static inline bool hash_equal(const struct hash *a, const struct hash *b)
{
    return memcmp(a->bytes, b->bytes, HASH_SIZE) == 0;
}

void hash_sha256(struct hash *out, struct slice data);
void hash_text(struct hash *out, const struct hash_text *text);
/* out[i] of texts[i]; no text lies in `out`. */
void hash_many(struct hash out[], const struct hash_text texts[], size_t n);
