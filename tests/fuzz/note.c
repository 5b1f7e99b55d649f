/* SPDX-License-Identifier: Apache-2.0 */
/* note.c - signed notes and verifier keys
 *
 * The first byte: 0 = a whole note, 1 = a text, to be signed, else a verifier key.
 */
#include "lib/note.h"

#include <assert.h>
#include <sodium.h>

#define NAME "log.qma.example/main"

struct pair {
    uint8_t seed[KEY_SIZE], public_key[KEY_SIZE];
};

static struct pair log_key(void) /* that of proto/vectors.json */
{
    struct pair p;
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    memset(p.seed, 0x22, KEY_SIZE);
    crypto_sign_seed_keypair(p.public_key, secret, p.seed);
    return p;
}

static void try_note(struct slice note, const struct pair *key)
{
    struct checkpoint c = {.size = 0};
    struct buf again = {0};

    if (checkpoint_open(&c, note, NAME, key->public_key) == 0) {
        assert(strcmp(c.origin, NAME) == 0 && c.size <= INT64_MAX);
        checkpoint_sign(&again, &c, &(struct sign_key){key->public_key, key->seed, NULL});
        assert(checkpoint_open(&c, slice_buf(&again), NAME, key->public_key) == 0);
    }
    buf_free(&again);
}

static void try_text(struct slice text, const struct pair *key)
{
    static const uint8_t no_root[HASH_SIZE];
    struct checkpoint c = {.origin = NAME, .size = 1};
    struct buf note = {0}, raw = {0}, line = {0};
    uint8_t signature[SIGNATURE_SIZE];

    /* the signature line of some checkpoint lends its name and key hash */
    memcpy(c.root.bytes, no_root, HASH_SIZE);
    checkpoint_sign(&line, &c, &(struct sign_key){key->public_key, key->seed, NULL});
    const char *blank = strrchr(buf_cstr(&line), ' ');
    assert(base64_decode(&raw, slice_of(blank + 1, strlen(blank) - 2)) == 0);
    sign_bytes(signature, text, &(struct sign_key){key->public_key, key->seed, NULL});
    memcpy(raw.data + 4, signature, SIGNATURE_SIZE);
    buf_add(&note, text.data, text.size);
    buf_add_str(&note, "\n\xe2\x80\x94 " NAME " ");
    base64_encode(&note, slice_buf(&raw));
    buf_add_byte(&note, '\n');
    try_note(slice_buf(&note), key);
    buf_free(&note);
    buf_free(&raw);
    buf_free(&line);
}

static void try_vkey(struct slice vkey)
{
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE];
    struct buf again = {0};

    if (note_vkey_parse(vkey, name, public_key) == 0) {
        note_vkey(&again, name, public_key);
        assert(slice_equal(slice_buf(&again), vkey));
    }
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pair key = log_key();

    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 0)
        try_note(rest, &key);
    else if (data[0] == 1)
        try_text(rest, &key);
    else
        try_vkey(rest);
    return 0;
}
