/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sign.h"
#include "tests/bench/without.h"

WRAPPED(bool, sign_root_check, const struct hash *root, struct slice signature,
        const uint8_t public_key[KEY_SIZE])
{
    return without("signatures") || __real_sign_root_check(root, signature, public_key);
}
