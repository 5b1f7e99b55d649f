/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/halves.h"

#include "chancery/core/v1/registry.pb-c.h"

/* The key that signs stands last: of a batch that rotates all of them it signs every event, and is
 * revoked with the last one. */
const struct half halves[] = {
    {"curve", CORE__KEY_KIND__KEY_KIND_CURVE, offsetof(struct seat_key, curve_public), true},
    {"age", CORE__KEY_KIND__KEY_KIND_AGE, offsetof(struct seat_key, age.public_key), false},
    {"ed25519", CORE__KEY_KIND__KEY_KIND_ED25519, offsetof(struct seat_key, sign_public), true},
    {0},
};

const uint8_t *half_of(const struct seat_key *key, const struct half *half)
{
    static const uint8_t none[KEY_SIZE];
    const uint8_t *bytes = (const uint8_t *)key + half->offset;

    return memcmp(bytes, none, KEY_SIZE) == 0 ? NULL : bytes;
}
