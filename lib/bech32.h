/* SPDX-License-Identifier: Apache-2.0 */
/* bech32.h - bytes as text with a checksum (BIP 173), as age writes its keys; pure
 *
 * Not bounded by BIP 173's 90 characters; of one letter case, as the prefix that is asked for.
 */
#pragma once

#include "lib/slice.h"

enum { BECH32_BYTES_MOST = 64 };

/* Characters, without the NUL, of `size` bytes behind a prefix of that length. */
#define BECH32_LENGTH(prefix, size) ((prefix) + 1 + ((size)*8 + 4) / 5 + 6)

/* prefix "1" data checksum, then NUL; upper case where the prefix is.  At most BECH32_BYTES_MOST
 * bytes. */
void bech32_encode(char *out, const char *prefix, struct slice bytes);
/* Exactly `size` bytes, or false: another prefix, case or length, a wrong checksum, bits left over.
 * `out` may then hold anything. */
bool bech32_decode(uint8_t *out, size_t size, const char *prefix, const char *text);
