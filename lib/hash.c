/* SPDX-License-Identifier: Apache-2.0 */
/* hash.c - one text by OpenSSL, many side by side
 *
 * A lane is a text on its way, 64 bytes after 64 bytes.  As many blocks as there are lanes go
 * through the 64 rounds at once; a lane whose text is over takes the next one.
 */
/* The digest functions that OpenSSL 3 calls deprecated need no allocation and no look-up: for a
 * text of 49 bytes that is most of the cost. */
#define OPENSSL_API_COMPAT 0x10101000L

#include "lib/hash.h"

#include <openssl/sha.h>

void hash_text(struct hash *out, const struct hash_text *text)
{
    SHA256_CTX ctx;

    SHA256_Init(&ctx);
    for (size_t i = 0; i < HASH_PARTS; i++)
        SHA256_Update(&ctx, text->parts[i].data, text->parts[i].size);
    SHA256_Final(out->bytes, &ctx);
}

void hash_sha256(struct hash *out, struct slice data)
{
    hash_text(out, &(struct hash_text){{data}});
}

#ifdef __x86_64__

#include <cpuid.h>
#include <immintrin.h>

enum { LANES = 4, BLOCK = 64, LENGTH_AT = BLOCK - 8 };
#define WITH_SHA __attribute__((target("sha,sse4.1")))

/* FIPS 180-4, section 4.2.2 */
static const uint32_t constants[64] __attribute__((aligned(16))) = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The eight words of the state as the instructions want them: a, b, e, f and c, d, g, h. */
struct state {
    __m128i abef, cdgh;
};

struct lane {
    struct state state;
    const struct hash_text *text;
    struct hash *out;
    size_t part, at; /* what is taken of the text */
    uint64_t size;   /* the same in bytes */
    enum { TEXT, PADDED, OVER } stage;
    uint8_t block[BLOCK];
};

static bool has_sha(void)
{
    unsigned a, b, c, d;

    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_1) &&
           __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

static void begin(struct lane *l, const struct hash_text *text, struct hash *out)
{
    l->state = (struct state){
        _mm_setr_epi32((int)0x9b05688c, 0x510e527f, (int)0xbb67ae85, 0x6a09e667),
        _mm_setr_epi32(0x5be0cd19, 0x1f83d9ab, (int)0xa54ff53a, 0x3c6ef372),
    };
    l->text = text;
    l->out = out;
    l->part = l->at = l->size = 0;
    l->stage = TEXT;
}

static void put_big_endian(uint8_t *out, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(out, &v, sizeof v);
}

/* What is left of the text, and behind it a 1 bit, zeros and the length in bits. */
static const uint8_t *last_blocks(struct lane *l, size_t filled)
{
    memset(l->block + filled, 0, BLOCK - filled);
    if (l->stage == TEXT)
        l->block[filled++] = 0x80;
    l->stage = filled <= LENGTH_AT ? OVER : PADDED;
    if (l->stage == OVER)
        put_big_endian(l->block + LENGTH_AT, 8 * l->size);
    return l->block;
}

/* The next 64 bytes: where they lie, or gathered from the parts. */
static const uint8_t *next_block(struct lane *l)
{
    size_t filled = 0;

    while (l->part < HASH_PARTS && filled < BLOCK) {
        struct slice part = l->text->parts[l->part];
        size_t left = part.size - l->at, n = left < BLOCK - filled ? left : BLOCK - filled;
        if (n == 0) {
            l->part++;
            l->at = 0;
            continue;
        }
        const uint8_t *from = part.data + l->at;
        l->at += n;
        l->size += n;
        if (n == BLOCK)
            return from;
        memcpy(l->block + filled, from, n);
        filled += n;
    }
    return filled == BLOCK ? l->block : last_blocks(l, filled);
}

/* FIPS 180-4, section 6.2.2: a block of each lane.  `n` is a constant where it is called. */
WITH_SHA static inline __attribute__((always_inline)) void
rounds(struct lane *const lanes[LANES], const uint8_t *const blocks[LANES], const int n)
{
    const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i words[LANES][4], abef[LANES], cdgh[LANES];

    for (int l = 0; l < n; l++) {
        abef[l] = lanes[l]->state.abef;
        cdgh[l] = lanes[l]->state.cdgh;
        for (int i = 0; i < 4; i++) {
            __m128i word = _mm_loadu_si128((const void *)(blocks[l] + 16 * i));
            words[l][i] = _mm_shuffle_epi8(word, big_endian);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++) {
        __m128i constant = _mm_load_si128((const void *)&constants[4 * r]);
#pragma GCC unroll 4
        for (int l = 0; l < n; l++) {
            __m128i *w = words[l];
            __m128i sum = _mm_add_epi32(w[r % 4], constant);
            cdgh[l] = _mm_sha256rnds2_epu32(cdgh[l], abef[l], sum);
            abef[l] = _mm_sha256rnds2_epu32(abef[l], cdgh[l], _mm_shuffle_epi32(sum, 0x0e));
            if (r < 12) {
                __m128i next = _mm_sha256msg1_epu32(w[r % 4], w[(r + 1) % 4]);
                next = _mm_add_epi32(next, _mm_alignr_epi8(w[(r + 3) % 4], w[(r + 2) % 4], 4));
                w[r % 4] = _mm_sha256msg2_epu32(next, w[(r + 3) % 4]);
            }
        }
    }
    for (int l = 0; l < n; l++) {
        lanes[l]->state.abef = _mm_add_epi32(lanes[l]->state.abef, abef[l]);
        lanes[l]->state.cdgh = _mm_add_epi32(lanes[l]->state.cdgh, cdgh[l]);
    }
}

WITH_SHA static void advance(struct lane *const lanes[LANES], const uint8_t *const blocks[LANES],
                             size_t n)
{
    switch (n) {
    case 4:
        rounds(lanes, blocks, 4);
        break;
    case 3:
        rounds(lanes, blocks, 3);
        break;
    case 2:
        rounds(lanes, blocks, 2);
        break;
    default:
        rounds(lanes, blocks, 1);
    }
}

static void end(struct lane *l)
{
    uint32_t v[8];
    const int order[8] = {3, 2, 7, 6, 1, 0, 5, 4}; /* a .. h, of f e b a h g d c */

    memcpy(v, &l->state, sizeof v);
    for (int i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(v[order[i]]);
        memcpy(l->out->bytes + 4 * i, &word, sizeof word);
    }
}

static void hash_lanes(struct hash out[], const struct hash_text texts[], size_t n)
{
    struct lane all[LANES], *lanes[LANES];
    const uint8_t *blocks[LANES];
    size_t next = 0, busy = 0;

    for (; busy < LANES && next < n; busy++, next++) {
        lanes[busy] = &all[busy];
        begin(lanes[busy], &texts[next], &out[next]);
    }
    while (busy) {
        for (size_t i = 0; i < busy; i++)
            blocks[i] = next_block(lanes[i]);
        advance(lanes, blocks, busy);
        for (size_t i = 0; i < busy; i++) {
            if (lanes[i]->stage != OVER)
                continue;
            end(lanes[i]);
            if (next < n) {
                begin(lanes[i], &texts[next], &out[next]);
                next++;
            } else {
                lanes[i--] = lanes[--busy];
            }
        }
    }
}

void hash_many(struct hash out[], const struct hash_text texts[], size_t n)
{
    static _Atomic int known; /* 1 = it has them, -1 = not */

    if (known == 0)
        known = has_sha() ? 1 : -1;
    if (known > 0) {
        hash_lanes(out, texts, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        hash_text(&out[i], &texts[i]);
}

#else

void hash_many(struct hash out[], const struct hash_text texts[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        hash_text(&out[i], &texts[i]);
}

#endif
