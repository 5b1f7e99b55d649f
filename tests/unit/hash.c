/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - many texts at once beside one text by OpenSSL, and beside FIPS 180-4's own examples */
#include "lib/hash.h"
#include "tests/support/test.h"

enum { LONGEST = 4 * 64 + 2, MOST = 11 };

static uint8_t bytes[LONGEST + MOST];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 151 + (i >> 3));
    return 0;
}

/* Text `i` of a run: of its own length, at its own place, split at its own two points. */
static struct slice nth(size_t length, size_t i, struct hash_text *text)
{
    size_t size = (length + i * 71) % (LONGEST + 1);
    size_t first = size * i / MOST, second = (size - first) * (i % 3) / 2;
    const uint8_t *at = bytes + i;

    *text = (struct hash_text){{slice_of(at, first), slice_of(at + first, second),
                                slice_of(at + first + second, size - first - second)}};
    return slice_of(at, size);
}

static void many_are_each_alone(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LONGEST; length++)
        for (size_t n = 0; n <= MOST; n++) {
            struct hash_text texts[MOST];
            struct hash hashes[MOST + 1] = {0}, alone[MOST + 1] = {0};
            for (size_t i = 0; i < n; i++)
                hash_sha256(&alone[i], nth(length, i, &texts[i]));
            hash_many(hashes, texts, n);
            assert_memory_equal(hashes, alone, sizeof hashes); /* and nothing behind the last */
        }
}

/* csrc.nist.gov, examples of FIPS 180-4: one block, and two blocks whose second is padding alone */
static void examples(void **state)
{
    static const char one[] = "abc",
                      two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    const uint8_t expected[2][HASH_SIZE] = {
        {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
         0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
         0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad},
        {0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26,
         0x93, 0x0c, 0x3e, 0x60, 0x39, 0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff,
         0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1},
    };
    struct hash hashes[2], none;

    (void)state;
    hash_many(&none, (struct hash_text[]){{{{NULL, 0}}}}, 1);
    hash_sha256(&hashes[0], slice_of(NULL, 0));
    assert_true(hash_equal(&none, &hashes[0]));
    hash_many(hashes, (struct hash_text[]){{{slice_str(one)}}, {{slice_str(two)}}}, 2);
    assert_memory_equal(hashes, expected, sizeof hashes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_are_each_alone),
        cmocka_unit_test(examples),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
