/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/countersign.h"

#include <string.h>

#include "lib/hash.h"

static const char purpose[] = "chancery-receipt-v1";

struct text {
    uint8_t bytes[sizeof purpose + 2 * HASH_SIZE];
};

static struct slice text_of(struct text *t, const char *log, struct slice entries)
{
    struct hash hash;

    memcpy(t->bytes, purpose, sizeof purpose);
    hash_sha256(&hash, slice_str(log));
    memcpy(t->bytes + sizeof purpose, hash.bytes, HASH_SIZE);
    hash_sha256(&hash, entries);
    memcpy(t->bytes + sizeof purpose + HASH_SIZE, hash.bytes, HASH_SIZE);
    return slice_of(t->bytes, sizeof t->bytes);
}

int countersign(uint8_t signature[SIGNATURE_SIZE], const char *log, struct slice entries,
                const struct seat_key *key)
{
    const struct sign_key by = seat_key_signs(key);
    struct text text;

    return sign_bytes(signature, text_of(&text, log, entries), &by);
}

bool countersign_check(struct slice signature, const char *log, struct slice entries,
                       const uint8_t public_key[KEY_SIZE])
{
    struct text text;

    return signature.size == SIGNATURE_SIZE &&
           sign_check(signature.data, text_of(&text, log, entries), public_key);
}
