/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/bech32.h"

#include <assert.h>
#include <ctype.h>
#include <sodium.h>

enum { CHECKSUM = 6, GROUPS_MOST = (BECH32_BYTES_MOST * 8 + 4) / 5 };

static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";

static uint32_t step(uint32_t sum, uint8_t group)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = sum >> 25;

    sum = (sum & 0x1ffffff) << 5 ^ group;
    for (unsigned i = 0; i < 5; i++)
        if (top >> i & 1)
            sum ^= generator[i];
    return sum;
}

/* Of the prefix, always in lower case, and the groups. */
static uint32_t checksum(const char *prefix, const uint8_t groups[], size_t n)
{
    uint32_t sum = 1;

    for (const char *c = prefix; *c; c++)
        sum = step(sum, (uint8_t)(tolower((unsigned char)*c) >> 5));
    sum = step(sum, 0);
    for (const char *c = prefix; *c; c++)
        sum = step(sum, (uint8_t)(tolower((unsigned char)*c) & 31));
    for (size_t i = 0; i < n; i++)
        sum = step(sum, groups[i]);
    return sum;
}

static bool is_upper(const char *prefix)
{
    return isupper((unsigned char)prefix[0]);
}

/* Eight bits to five, the last group filled with zeros. */
static size_t to_groups(uint8_t groups[GROUPS_MOST], struct slice bytes)
{
    unsigned held = 0, bits = 0;
    size_t n = 0;

    for (size_t i = 0; i < bytes.size; i++) {
        held = (held << 8 | bytes.data[i]) & 0xfff;
        for (bits += 8; bits >= 5; bits -= 5)
            groups[n++] = held >> (bits - 5) & 31;
    }
    if (bits)
        groups[n++] = (uint8_t)(held << (5 - bits) & 31);
    return n;
}

/* Back again; false where the filling is not zeros. */
static bool of_groups(uint8_t *out, const uint8_t groups[], size_t n)
{
    unsigned held = 0, bits = 0;

    for (size_t i = 0; i < n; i++) {
        held = (held << 5 | groups[i]) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            *out++ = (uint8_t)(held >> bits);
        }
    }
    return (held & ((1U << bits) - 1)) == 0;
}

void bech32_encode(char *out, const char *prefix, struct slice bytes)
{
    uint8_t groups[GROUPS_MOST + CHECKSUM] = {0};

    assert(bytes.size <= BECH32_BYTES_MOST);
    size_t n = to_groups(groups, bytes);
    uint32_t sum = checksum(prefix, groups, n + CHECKSUM) ^ 1;
    for (unsigned i = 0; i < CHECKSUM; i++)
        groups[n++] = sum >> 5 * (CHECKSUM - 1 - i) & 31;
    size_t front = strlen(prefix);
    memcpy(out, prefix, front);
    out += front;
    *out++ = '1';
    for (size_t i = 0; i < n; i++) {
        char c = letters[groups[i]];
        *out++ = (char)(is_upper(prefix) ? toupper((unsigned char)c) : c);
    }
    *out = '\0';
    sodium_memzero(groups, sizeof groups);
}

static bool group_of(uint8_t *group, char c, bool upper)
{
    const char *at = NULL;

    if (c && (upper ? !islower((unsigned char)c) : !isupper((unsigned char)c)))
        at = strchr(letters, tolower((unsigned char)c));
    *group = at ? (uint8_t)(at - letters) : 0;
    return at;
}

bool bech32_decode(uint8_t *out, size_t size, const char *prefix, const char *text)
{
    size_t front = strlen(prefix), n = (size * 8 + 4) / 5;
    uint8_t groups[GROUPS_MOST + CHECKSUM] = {0};
    bool good = strlen(text) == BECH32_LENGTH(front, size) && memcmp(text, prefix, front) == 0 &&
                text[front] == '1';

    assert(size <= BECH32_BYTES_MOST);
    for (size_t i = 0; good && i < n + CHECKSUM; i++)
        good = group_of(&groups[i], text[front + 1 + i], is_upper(prefix));
    good = good && checksum(prefix, groups, n + CHECKSUM) == 1 && of_groups(out, groups, n);
    sodium_memzero(groups, sizeof groups);
    return good;
}
