/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - sealed parts: the header, the chunks and keys as text
 *
 * The first byte: 0 = a whole file; 1 = the lines of a header, to which a good stanza, the code
 * that authenticates it and a payload are added; 2 = a payload behind a good header; else a key as
 * text.
 */
#include "lib/seal.h"

#include <assert.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/err.h"

static const uint8_t file_key[16] = "0123456789abcdef", nonce[16] = "fedcba9876543210";
static const char clear_text[] = "an open text that must come back";

static struct seal_key key_of_tests(void) /* that of the corpus */
{
    struct seal_key key;

    memset(key.secret_key, 0x33, SEAL_KEY_SIZE);
    seal_key_complete(&key);
    return key;
}

static void hkdf(uint8_t out[32], struct slice secret, struct slice salt, const char *info)
{
    uint8_t extracted[32], one = 1;
    crypto_auth_hmacsha256_state s;

    crypto_auth_hmacsha256_init(&s, salt.data, salt.size);
    crypto_auth_hmacsha256_update(&s, secret.data, secret.size);
    crypto_auth_hmacsha256_final(&s, extracted);
    crypto_auth_hmacsha256_init(&s, extracted, sizeof extracted);
    crypto_auth_hmacsha256_update(&s, (const uint8_t *)info, strlen(info));
    crypto_auth_hmacsha256_update(&s, &one, 1);
    crypto_auth_hmacsha256_final(&s, out);
}

static void add_base64(struct buf *out, const uint8_t bytes[32])
{
    char text[64];

    sodium_bin2base64(text, sizeof text, bytes, 32, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    buf_add_str(out, text);
}

static void add_stanza(struct buf *out, const struct seal_key *key)
{
    uint8_t secret[32], share[32], common[32], salt[64], wrap[32], body[32];
    static const uint8_t zero[12];

    memset(secret, 7, sizeof secret);
    crypto_scalarmult_base(share, secret);
    assert(crypto_scalarmult(common, secret, key->public_key) == 0);
    memcpy(salt, share, 32);
    memcpy(salt + 32, key->public_key, 32);
    hkdf(wrap, slice_of(common, 32), slice_of(salt, 64), "age-encryption.org/v1/X25519");
    crypto_aead_chacha20poly1305_ietf_encrypt(body, NULL, file_key, 16, NULL, 0, NULL, zero, wrap);
    buf_add_str(out, "-> X25519 ");
    add_base64(out, share);
    buf_add_byte(out, '\n');
    add_base64(out, body);
    buf_add_byte(out, '\n');
}

/* A header that is good but for what the lines say. */
static void add_header(struct buf *out, const struct seal_key *key, struct slice lines)
{
    uint8_t mac_key[32], mac[32];

    buf_add_str(out, "age-encryption.org/v1\n");
    add_stanza(out, key);
    buf_add(out, lines.data, lines.size);
    buf_add_str(out, "---");
    hkdf(mac_key, slice_of(file_key, 16), slice_of("", 0), "header");
    crypto_auth_hmacsha256(mac, out->data, out->size, mac_key);
    buf_add_byte(out, ' ');
    add_base64(out, mac);
    buf_add_byte(out, '\n');
    buf_add(out, nonce, sizeof nonce);
}

static void add_payload(struct buf *out)
{
    uint8_t key[32];
    static const uint8_t last[12] = {[11] = 1};

    hkdf(key, slice_of(file_key, 16), slice_of(nonce, 16), "payload");
    crypto_aead_chacha20poly1305_ietf_encrypt(buf_grow(out, sizeof clear_text + 16), NULL,
                                              (const uint8_t *)clear_text, sizeof clear_text, NULL,
                                              0, NULL, last, key);
}

static int try_open(struct slice sealed, const struct seal_key *key, off_t *opened)
{
    int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);

    assert(write(in, sealed.data, sealed.size) == (ssize_t)sealed.size);
    assert(lseek(in, 0, SEEK_SET) == 0);
    int rc = seal_open(in, out, key);
    assert(rc == 0 || rc == ERR_MALFORMED || rc == ERR_BOUNDS || rc == ERR_SEALED ||
           rc == ERR_DAMAGED);
    *opened = lseek(out, 0, SEEK_END);
    close(in);
    close(out);
    return rc;
}

static void try_lines(struct slice lines, const struct seal_key *key)
{
    struct buf file = {0};
    off_t opened;

    add_header(&file, key, lines);
    add_payload(&file);
    int rc = try_open(slice_buf(&file), key, &opened);
    assert(opened == (rc ? 0 : (off_t)sizeof clear_text));
    buf_free(&file);
}

static void try_payload(struct slice payload, const struct seal_key *key)
{
    struct buf file = {0};
    off_t opened;

    add_header(&file, key, slice_of("", 0));
    buf_add(&file, payload.data, payload.size);
    try_open(slice_buf(&file), key, &opened);
    assert((uint64_t)opened <= payload.size);
    buf_free(&file);
}

static void try_text(struct slice text)
{
    struct buf copy = {0};
    uint8_t bytes[SEAL_KEY_SIZE];
    char again[SEAL_IDENTITY_SIZE];

    buf_add(&copy, text.data, text.size);
    if (seal_recipient_parse(bytes, buf_cstr(&copy)) == 0) {
        seal_recipient_text(again, bytes);
        assert(strcmp(again, buf_cstr(&copy)) == 0);
    }
    if (seal_identity_parse(bytes, buf_cstr(&copy)) == 0) {
        seal_identity_text(again, bytes);
        assert(strcmp(again, buf_cstr(&copy)) == 0);
    }
    buf_free(&copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct seal_key key = key_of_tests();
    off_t opened;

    if (size == 0)
        return 0;
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] == 0)
        try_open(rest, &key, &opened);
    else if (data[0] == 1)
        try_lines(rest, &key);
    else if (data[0] == 2)
        try_payload(rest, &key);
    else
        try_text(rest);
    return 0;
}
