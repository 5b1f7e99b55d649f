/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - the header, its stanzas and the chunks of age v1
 *
 * Names are those of the specification where it has one: file key, stanza, share.  X25519 and
 * ChaCha20-Poly1305 are libsodium's; HKDF is that of RFC 5869 for one block, over its HMAC.
 */
#include "lib/seal.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "lib/bech32.h"
#include "lib/err.h"
#include "lib/mem.h"

enum {
    FILE_KEY = 16,
    TAG = crypto_aead_chacha20poly1305_ietf_ABYTES,
    NONCE = crypto_aead_chacha20poly1305_ietf_NPUBBYTES,
    HASH = crypto_auth_hmacsha256_BYTES,
    WRAPPED = FILE_KEY + TAG,
    PAYLOAD_NONCE = 16,
    CHUNK = 64 * 1024,
    COLUMNS = 64, /* of a stanza's body; a shorter line ends it */
    COLUMNS_BYTES = COLUMNS / 4 * 3,
    KEY_TEXT = 44, /* 32 bytes in base64 without padding, and NUL */
};

static const char intro[] = "age-encryption.org/v1\n", kind[] = "X25519", passphrase[] = "scrypt",
                  foot[] = "---", recipient_prefix[] = "age", identity_prefix[] = "AGE-SECRET-KEY-";

static_assert(SEAL_INTRO_SIZE == sizeof intro - 1, "what every file begins with");
static_assert(SEAL_RECIPIENT_SIZE == BECH32_LENGTH(sizeof recipient_prefix - 1, SEAL_KEY_SIZE) + 1,
              "age1... and NUL");
static_assert(SEAL_IDENTITY_SIZE == BECH32_LENGTH(sizeof identity_prefix - 1, SEAL_KEY_SIZE) + 1,
              "AGE-SECRET-KEY-1... and NUL");

/* ---- keys derived from keys ---- */

static void hmac(uint8_t out[HASH], struct slice key, struct slice a, uint8_t b)
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key.data, key.size);
    crypto_auth_hmacsha256_update(&state, a.data, a.size);
    if (b)
        crypto_auth_hmacsha256_update(&state, &b, 1);
    crypto_auth_hmacsha256_final(&state, out);
    sodium_memzero(&state, sizeof state);
}

/* RFC 5869 with 32 bytes of output: one block, whose number is 1. */
static void hkdf(uint8_t out[HASH], struct slice secret, struct slice salt, const char *info)
{
    uint8_t extracted[HASH];

    hmac(extracted, salt, secret, 0);
    hmac(out, slice_of(extracted, sizeof extracted), slice_str(info), 1);
    sodium_memzero(extracted, sizeof extracted);
}

static void header_mac(uint8_t mac[HASH], const uint8_t file_key[FILE_KEY], struct slice header)
{
    uint8_t key[HASH];

    hkdf(key, slice_of(file_key, FILE_KEY), slice_of("", 0), "header");
    hmac(mac, slice_of(key, sizeof key), header, 0);
    sodium_memzero(key, sizeof key);
}

/* The key that wraps the file key, of both halves' common secret: false where a half is a point of
 * low order. */
static bool wrap_key(uint8_t out[HASH], const uint8_t secret[SEAL_KEY_SIZE],
                     const uint8_t other[SEAL_KEY_SIZE], const uint8_t share[SEAL_KEY_SIZE],
                     const uint8_t recipient[SEAL_KEY_SIZE])
{
    uint8_t common[SEAL_KEY_SIZE], salt[2 * SEAL_KEY_SIZE];
    bool good = crypto_scalarmult(common, secret, other) == 0;

    memcpy(salt, share, SEAL_KEY_SIZE);
    memcpy(salt + SEAL_KEY_SIZE, recipient, SEAL_KEY_SIZE);
    hkdf(out, slice_of(common, sizeof common), slice_of(salt, sizeof salt),
         "age-encryption.org/v1/X25519");
    sodium_memzero(common, sizeof common);
    return good;
}

static const uint8_t no_nonce[NONCE]; /* a wrapping key wraps once */

static bool decrypt(uint8_t *out, struct slice sealed, const uint8_t nonce[NONCE],
                    const uint8_t key[HASH])
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.data, sealed.size,
                                                     NULL, 0, nonce, key) == 0;
}

static void encrypt(uint8_t *out, struct slice clear, const uint8_t nonce[NONCE],
                    const uint8_t key[HASH])
{
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, clear.data, clear.size, NULL, 0, NULL,
                                              nonce, key);
}

void seal_key_make(struct seal_key *key)
{
    assert(sodium_init() >= 0);
    randombytes_buf(key->secret_key, SEAL_KEY_SIZE);
    seal_key_complete(key);
}

void seal_key_complete(struct seal_key *key)
{
    crypto_scalarmult_base(key->public_key, key->secret_key);
}

/* ---- descriptors ---- */

struct source { /* what was read of a descriptor and not taken yet */
    int fd;
    uint8_t *data;
    size_t begin, end, capacity;
};

static void source_begin(struct source *s, int fd, size_t capacity)
{
    *s = (struct source){.fd = fd, .data = mem_new(capacity), .capacity = capacity};
}

static void source_end(struct source *s)
{
    sodium_memzero(s->data, s->capacity);
    mem_free(s->data);
}

static size_t source_has(const struct source *s)
{
    return s->end - s->begin;
}

/* At least so many bytes, fewer only at the end of the file. */
static int source_fill(struct source *s, size_t want)
{
    ssize_t n = 1;

    assert(want <= s->capacity);
    memmove(s->data, s->data + s->begin, source_has(s));
    s->end -= s->begin;
    s->begin = 0;
    while (s->end < want && n != 0) {
        n = read(s->fd, s->data + s->end, s->capacity - s->end);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        s->end += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static struct slice source_take(struct source *s, size_t size)
{
    struct slice taken = slice_of(s->data + s->begin, size);

    s->begin += size;
    return taken;
}

static int write_all(int fd, struct slice bytes)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.data, bytes.size);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0)
            bytes = slice_of(bytes.data + n, bytes.size - (size_t)n);
    }
    return 0;
}

/* ---- the payload ---- */

/* An 11-byte number, big-endian, and whether the chunk is the last one. */
static void chunk_nonce(uint8_t nonce[NONCE], uint64_t number, bool last)
{
    memset(nonce, 0, NONCE);
    for (size_t i = 0; i < 8; i++)
        nonce[NONCE - 2 - i] = (uint8_t)(number >> 8 * i);
    nonce[NONCE - 1] = last;
}

static void payload_key(uint8_t key[HASH], const uint8_t file_key[FILE_KEY],
                        const uint8_t nonce[PAYLOAD_NONCE])
{
    hkdf(key, slice_of(file_key, FILE_KEY), slice_of(nonce, PAYLOAD_NONCE), "payload");
}

static int chunks_write(struct source *in, int out, const uint8_t key[HASH])
{
    uint8_t nonce[NONCE], *sealed = mem_new(CHUNK + TAG);
    bool last = false;
    int rc = 0;

    for (uint64_t number = 0; rc == 0 && !last; number++) {
        rc = source_fill(in, CHUNK + 1);
        if (rc)
            break;
        last = source_has(in) <= CHUNK;
        struct slice clear = source_take(in, last ? source_has(in) : CHUNK);
        chunk_nonce(nonce, number, last);
        encrypt(sealed, clear, nonce, key);
        rc = write_all(out, slice_of(sealed, clear.size + TAG));
    }
    mem_free(sealed);
    return rc;
}

/* One chunk; an empty one only where it is all there is. */
static int chunk_open(uint8_t clear[CHUNK], struct slice sealed, uint64_t number, bool last,
                      const uint8_t key[HASH])
{
    uint8_t nonce[NONCE];

    chunk_nonce(nonce, number, last);
    if (sealed.size < TAG || (sealed.size == TAG && number > 0) ||
        !decrypt(clear, sealed, nonce, key))
        return ERR_DAMAGED;
    return 0;
}

static int chunks_open(struct source *in, int out, const uint8_t key[HASH])
{
    uint8_t *clear = mem_new(CHUNK);
    bool last = false;
    int rc = 0;

    for (uint64_t number = 0; rc == 0 && !last; number++) {
        rc = source_fill(in, CHUNK + TAG + 1);
        if (rc)
            break;
        last = source_has(in) <= CHUNK + TAG;
        struct slice sealed = source_take(in, last ? source_has(in) : CHUNK + TAG);
        rc = chunk_open(clear, sealed, number, last, key);
        if (rc == 0)
            rc = write_all(out, slice_of(clear, sealed.size - TAG));
    }
    sodium_memzero(clear, CHUNK);
    mem_free(clear);
    return rc;
}

/* ---- writing a header ---- */

static void add_base64(struct buf *out, struct slice bytes)
{
    char text[KEY_TEXT];

    sodium_bin2base64(text, sizeof text, bytes.data, bytes.size,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    buf_add_str(out, text);
}

static int add_stanza(struct buf *header, const uint8_t file_key[FILE_KEY],
                      const uint8_t recipient[SEAL_KEY_SIZE])
{
    struct seal_key share;
    uint8_t key[HASH], wrapped[WRAPPED];

    seal_key_make(&share);
    bool good = wrap_key(key, share.secret_key, recipient, share.public_key, recipient);
    encrypt(wrapped, slice_of(file_key, FILE_KEY), no_nonce, key);
    buf_printf(header, "-> %s ", kind);
    add_base64(header, slice_of(share.public_key, SEAL_KEY_SIZE));
    buf_add_byte(header, '\n');
    add_base64(header, slice_of(wrapped, sizeof wrapped));
    buf_add_byte(header, '\n');
    sodium_memzero(&share, sizeof share);
    sodium_memzero(key, sizeof key);
    return good ? 0 : ERR_FIELD;
}

static int header_make(struct buf *header, const uint8_t file_key[FILE_KEY],
                       const uint8_t (*recipients)[SEAL_KEY_SIZE], size_t n)
{
    uint8_t mac[HASH];
    int rc = 0;

    buf_add_str(header, intro);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_stanza(header, file_key, recipients[i]);
    buf_add_str(header, foot);
    header_mac(mac, file_key, slice_buf(header));
    buf_add_byte(header, ' ');
    add_base64(header, slice_of(mac, sizeof mac));
    buf_add_byte(header, '\n');
    return rc;
}

int seal_write(int in, int out, const uint8_t (*recipients)[SEAL_KEY_SIZE], size_t n)
{
    uint8_t file_key[FILE_KEY], nonce[PAYLOAD_NONCE], key[HASH];
    struct buf header = {0};
    struct source source;

    assert(n >= 1 && n <= SEAL_RECIPIENTS_MOST && sodium_init() >= 0);
    source_begin(&source, in, CHUNK + 1);
    randombytes_buf(file_key, sizeof file_key);
    randombytes_buf(nonce, sizeof nonce);
    payload_key(key, file_key, nonce);
    int rc = header_make(&header, file_key, recipients, n);
    buf_add(&header, nonce, sizeof nonce);
    if (rc == 0)
        rc = write_all(out, slice_buf(&header));
    if (rc == 0)
        rc = chunks_write(&source, out, key);
    sodium_memzero(file_key, sizeof file_key);
    sodium_memzero(key, sizeof key);
    source_end(&source);
    buf_free(&header);
    return rc;
}

/* ---- reading a header ---- */

struct stanza {
    struct slice type, share; /* its first two arguments */
    size_t n_arguments;
    uint8_t body[COLUMNS_BYTES]; /* the first line of it */
    size_t body_size;
};

struct header {
    const struct seal_key *key; /* that opens it */
    struct slice all, rest;     /* what can be seen of the file; what is not read of it yet */
    size_t n_stanzas;
    bool
        by_passphrase; /* which stands alone, or anybody who knows it could have written the file */
    bool opened;
    uint8_t file_key[FILE_KEY]; /* once it is */
};

static bool take_line(struct slice *rest, struct slice *line)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);

    if (!end)
        return false;
    *line = slice_of(rest->data, (size_t)(end - rest->data));
    *rest = slice_of(end + 1, rest->size - line->size - 1);
    return true;
}

static bool take_text(struct slice *rest, const char *text)
{
    size_t n = strlen(text);

    if (rest->size < n || memcmp(rest->data, text, n) != 0)
        return false;
    *rest = slice_of(rest->data + n, rest->size - n);
    return true;
}

/* Canonical, without padding, of a line at most.  (libsodium's decoder takes 0xaf for a '/'.) */
static bool base64_open(uint8_t *out, size_t most, struct slice text, size_t *size)
{
    uint8_t padded[COLUMNS];
    struct buf bytes = {0};

    if (text.size > COLUMNS || memchr(text.data, '=', text.size))
        return false;
    memset(padded, '=', sizeof padded);
    memcpy(padded, text.data, text.size);
    bool good =
        base64_decode(&bytes, slice_of(padded, (text.size + 3) / 4 * 4)) == 0 && bytes.size <= most;
    *size = bytes.size;
    if (good && bytes.size)
        memcpy(out, bytes.data, bytes.size);
    buf_free(&bytes);
    return good;
}

static bool base64_is(uint8_t *out, size_t want, struct slice text)
{
    size_t size = 0;

    return base64_open(out, want, text, &size) && size == want;
}

/* Words of visible characters, a blank between two of them. */
static bool stanza_arguments(struct stanza *s, struct slice line)
{
    for (size_t begin = 0, i = 0; i <= line.size; i++) {
        if (i < line.size && line.data[i] > ' ' && line.data[i] < 0x7f)
            continue;
        if (i == begin || (i < line.size && line.data[i] != ' '))
            return false;
        struct slice word = slice_of(line.data + begin, i - begin);
        if (s->n_arguments == 0)
            s->type = word;
        else if (s->n_arguments == 1)
            s->share = word;
        s->n_arguments++;
        begin = i + 1;
    }
    return true;
}

static bool stanza_body(struct stanza *s, struct slice *rest)
{
    uint8_t bytes[COLUMNS_BYTES];
    struct slice line;
    size_t size = 0;

    do {
        if (!take_line(rest, &line) || !base64_open(bytes, sizeof bytes, line, &size))
            return false;
        if (s->body_size == 0)
            memcpy(s->body, bytes, size);
        s->body_size += size;
    } while (line.size == COLUMNS);
    return true;
}

/* The file key, if the stanza was made for this key; what it was not made for is no error. */
static int stanza_try(struct header *h, const struct stanza *s)
{
    uint8_t share[SEAL_KEY_SIZE], key[HASH];

    if (s->n_arguments != 2 || !base64_is(share, sizeof share, s->share) || s->body_size != WRAPPED)
        return ERR_MALFORMED;
    if (h->opened)
        return 0;
    bool good = wrap_key(key, h->key->secret_key, share, share, h->key->public_key);
    if (good)
        h->opened = decrypt(h->file_key, slice_of(s->body, WRAPPED), no_nonce, key);
    sodium_memzero(key, sizeof key);
    return good ? 0 : ERR_MALFORMED;
}

static int header_stanza(struct header *h, struct slice line)
{
    struct stanza s = {0};

    if (!stanza_arguments(&s, line) || !stanza_body(&s, &h->rest))
        return ERR_MALFORMED;
    if (++h->n_stanzas > SEAL_RECIPIENTS_MOST)
        return ERR_BOUNDS;
    h->by_passphrase = h->by_passphrase || slice_is(s.type, passphrase);
    return slice_is(s.type, kind) ? stanza_try(h, &s) : 0;
}

/* Behind "---": all up to there is what it authenticates. */
static int header_foot(struct header *h, struct slice line)
{
    uint8_t stated[HASH], mac[HASH];
    size_t front = (size_t)(line.data - h->all.data);

    if (h->n_stanzas == 0 || (h->by_passphrase && h->n_stanzas > 1) || !take_text(&line, " ") ||
        !base64_is(stated, sizeof stated, line))
        return ERR_MALFORMED;
    if (!h->opened)
        return ERR_SEALED;
    header_mac(mac, h->file_key, slice_of(h->all.data, front));
    return sodium_memcmp(mac, stated, sizeof mac) == 0 ? 0 : ERR_DAMAGED;
}

static int header_open(struct header *h)
{
    struct slice line;
    int rc = take_text(&h->rest, intro) ? 0 : ERR_MALFORMED;

    while (rc == 0) {
        if (!take_line(&h->rest, &line))
            return ERR_MALFORMED;
        if (take_text(&line, foot))
            return header_foot(h, line);
        rc = take_text(&line, "-> ") ? header_stanza(h, line) : ERR_MALFORMED;
    }
    return rc;
}

/* What the window does not show the end of is too large. */
static int header_read(struct source *in, struct header *h)
{
    int rc = source_fill(in, SEAL_HEADER_MOST);

    if (rc)
        return rc;
    h->all = h->rest = slice_of(in->data, source_has(in));
    rc = header_open(h);
    if (rc == ERR_MALFORMED && source_has(in) >= SEAL_HEADER_MOST &&
        !memchr(h->rest.data, '\n', h->rest.size))
        return ERR_BOUNDS;
    source_take(in, h->all.size - h->rest.size);
    return rc;
}

static int payload_open(struct source *in, int out, const uint8_t file_key[FILE_KEY])
{
    uint8_t key[HASH];
    int rc = source_fill(in, PAYLOAD_NONCE);

    if (rc == 0 && source_has(in) < PAYLOAD_NONCE)
        rc = ERR_DAMAGED;
    if (rc)
        return rc;
    payload_key(key, file_key, source_take(in, PAYLOAD_NONCE).data);
    rc = chunks_open(in, out, key);
    sodium_memzero(key, sizeof key);
    return rc;
}

int seal_open(int in, int out, const struct seal_key *key)
{
    struct header header = {.key = key};
    struct source source;

    assert(sodium_init() >= 0);
    source_begin(&source, in, SEAL_HEADER_MOST);
    int rc = header_read(&source, &header);
    if (rc == 0)
        rc = payload_open(&source, out, header.file_key);
    sodium_memzero(&header, sizeof header);
    source_end(&source);
    return rc;
}

bool seal_begins(struct slice first)
{
    return take_text(&first, intro);
}

/* ---- keys as text ---- */

void seal_recipient_text(char out[SEAL_RECIPIENT_SIZE], const uint8_t public_key[SEAL_KEY_SIZE])
{
    bech32_encode(out, recipient_prefix, slice_of(public_key, SEAL_KEY_SIZE));
}

int seal_recipient_parse(uint8_t public_key[SEAL_KEY_SIZE], const char *text)
{
    return bech32_decode(public_key, SEAL_KEY_SIZE, recipient_prefix, text) ? 0 : ERR_MALFORMED;
}

void seal_identity_text(char out[SEAL_IDENTITY_SIZE], const uint8_t secret_key[SEAL_KEY_SIZE])
{
    bech32_encode(out, identity_prefix, slice_of(secret_key, SEAL_KEY_SIZE));
}

int seal_identity_parse(uint8_t secret_key[SEAL_KEY_SIZE], const char *text)
{
    return bech32_decode(secret_key, SEAL_KEY_SIZE, identity_prefix, text) ? 0 : ERR_MALFORMED;
}
