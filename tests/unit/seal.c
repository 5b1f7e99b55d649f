/* SPDX-License-Identifier: Apache-2.0 */
/* seal.c - sealed parts: what is sealed is opened by its recipients alone, and a changed byte never
 *
 * What seal_write would not write is made here by hand, from a file key that the test knows.
 */
#include "lib/seal.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/bech32.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

enum { CHUNK = 65536, TAG = 16 };

/* ---- files in memory ---- */

static int file_of(struct slice bytes)
{
    int fd = memfd_create("part", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = write(fd, bytes.data + done, bytes.size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* Takes the descriptor over. */
static void file_take(int fd, struct buf *out)
{
    off_t size = lseek(fd, 0, SEEK_END);

    buf_reset(out);
    assert_true(size >= 0);
    assert_int_equal(pread(fd, buf_grow(out, (size_t)size), (size_t)size, 0), size);
    close(fd);
}

static int seal(struct buf *out, struct slice clear, const uint8_t (*keys)[SEAL_KEY_SIZE], size_t n)
{
    int from = file_of(clear), to = file_of(slice_of(NULL, 0));
    int rc = seal_write(from, to, keys, n);

    close(from);
    file_take(to, out);
    return rc;
}

static int unseal(struct buf *out, struct slice sealed, const struct seal_key *key)
{
    int from = file_of(sealed), to = file_of(slice_of(NULL, 0));
    int rc = seal_open(from, to, key);

    close(from);
    file_take(to, out);
    return rc;
}

static void fill(struct buf *out, size_t size)
{
    buf_reset(out);
    uint8_t *bytes = buf_grow(out, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
}

/* ---- what seal_write writes ---- */

static void every_size_comes_back_to_each_recipient_and_to_nobody_else(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK};
    static const size_t counts[] = {1, 20};
    struct buf clear = {0}, sealed = {0}, back = {0};
    struct seal_key keys[21];
    uint8_t recipients[20][SEAL_KEY_SIZE];

    for (size_t i = 0; i < 21; i++)
        seal_key_make(&keys[i]);
    for (size_t i = 0; i < 20; i++)
        memcpy(recipients[i], keys[i].public_key, SEAL_KEY_SIZE);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < 2; k++) {
            fill(&clear, sizes[i]);
            assert_int_equal(seal(&sealed, slice_buf(&clear), recipients, counts[k]), 0);
            assert_true(seal_begins(slice_buf(&sealed)));
            for (size_t r = 0; r < 21; r++) {
                bool may = r < counts[k];
                assert_int_equal(unseal(&back, slice_buf(&sealed), &keys[r]), may ? 0 : ERR_SEALED);
                assert_true(
                    slice_equal(slice_buf(&back), slice_of(clear.data, may ? clear.size : 0)));
            }
        }
    buf_free(&clear);
    buf_free(&sealed);
    buf_free(&back);
}

static void a_pipe_is_read_to_its_end(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf sealed = {0}, back = {0};
    int pipes[2], to = file_of(slice_of(NULL, 0));

    seal_key_make(&key);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "in pieces", 9), 9);
    close(pipes[1]);
    assert_int_equal(seal_write(pipes[0], to, &key.public_key, 1), 0);
    close(pipes[0]);
    file_take(to, &sealed);
    assert_int_equal(unseal(&back, slice_buf(&sealed), &key), 0);
    assert_true(slice_is(slice_buf(&back), "in pieces"));
    buf_free(&sealed);
    buf_free(&back);
}

static void two_seals_of_one_text_have_nothing_in_common(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf a = {0}, b = {0};

    seal_key_make(&key);
    assert_int_equal(seal(&a, slice_str("text"), &key.public_key, 1), 0);
    assert_int_equal(seal(&b, slice_str("text"), &key.public_key, 1), 0);
    assert_int_equal(a.size, b.size);
    const size_t share = SEAL_INTRO_SIZE + 10; /* behind "-> X25519 " */
    assert_memory_not_equal(a.data + share, b.data + share, 43);
    assert_memory_not_equal(a.data + a.size - 20, b.data + b.size - 20, 20);
    buf_free(&a);
    buf_free(&b);
}

static void a_changed_byte_is_never_opened(void **unused)
{
    (void)unused;
    static const uint8_t masks[] = {0x01, 0x20, 0x80};
    struct seal_key key;
    struct buf sealed = {0}, back = {0};

    seal_key_make(&key);
    assert_int_equal(seal(&sealed, slice_str("nobody but QMB"), &key.public_key, 1), 0);
    for (size_t i = 0; i < sealed.size; i++)
        for (size_t m = 0; m < sizeof masks; m++) {
            sealed.data[i] ^= masks[m];
            int rc = unseal(&back, slice_buf(&sealed), &key);
            assert_true(rc == ERR_MALFORMED || rc == ERR_SEALED || rc == ERR_DAMAGED);
            assert_int_equal(back.size, 0);
            sealed.data[i] ^= masks[m];
        }
    assert_int_equal(unseal(&back, slice_buf(&sealed), &key), 0);
    buf_free(&sealed);
    buf_free(&back);
}

static void a_file_cut_anywhere_is_refused(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf sealed = {0}, back = {0};

    seal_key_make(&key);
    assert_int_equal(seal(&sealed, slice_str("nobody but QMB"), &key.public_key, 1), 0);
    for (size_t n = 0; n < sealed.size; n++) {
        assert_true(unseal(&back, slice_of(sealed.data, n), &key) < 0);
        assert_int_equal(back.size, 0);
    }
    buf_free(&sealed);
    buf_free(&back);
}

/* Of three chunks and a little: what was verified before the place is all that may come out. */
static void of_a_long_file_only_whole_chunks_before_the_damage_come_out(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf clear = {0}, sealed = {0}, back = {0};

    seal_key_make(&key);
    fill(&clear, 3 * CHUNK + 5);
    assert_int_equal(seal(&sealed, slice_buf(&clear), &key.public_key, 1), 0);
    const size_t payload = sealed.size - (3 * (CHUNK + TAG) + 5 + TAG);
    for (size_t chunk = 0; chunk < 4; chunk++) {
        const size_t begin = payload + chunk * (CHUNK + TAG);
        sealed.data[begin] ^= 1;
        assert_int_equal(unseal(&back, slice_buf(&sealed), &key), ERR_DAMAGED);
        assert_true(slice_equal(slice_buf(&back), slice_of(clear.data, chunk * CHUNK)));
        sealed.data[begin] ^= 1;
        assert_int_equal(unseal(&back, slice_of(sealed.data, begin), &key), ERR_DAMAGED);
        assert_true(back.size <= chunk * CHUNK);
        assert_true(slice_equal(slice_buf(&back), slice_of(clear.data, back.size)));
    }
    /* the second and third in each other's place */
    uint8_t *second = sealed.data + payload + CHUNK + TAG, *third = second + CHUNK + TAG;
    for (size_t i = 0; i < CHUNK + TAG; i++) {
        uint8_t byte = second[i];
        second[i] = third[i];
        third[i] = byte;
    }
    assert_int_equal(unseal(&back, slice_buf(&sealed), &key), ERR_DAMAGED);
    assert_int_equal(back.size, CHUNK);
    buf_free(&clear);
    buf_free(&sealed);
    buf_free(&back);
}

static void what_stands_behind_is_refused(void **unused)
{
    (void)unused;
    static const size_t sizes[] = {0, 1, CHUNK};
    struct seal_key key;
    struct buf clear = {0}, sealed = {0}, back = {0};

    seal_key_make(&key);
    for (size_t i = 0; i < 3; i++) {
        fill(&clear, sizes[i]);
        assert_int_equal(seal(&sealed, slice_buf(&clear), &key.public_key, 1), 0);
        buf_add_byte(&sealed, 0);
        assert_int_equal(unseal(&back, slice_buf(&sealed), &key), ERR_DAMAGED);
        assert_int_equal(back.size, 0);
        buf_add(&sealed, clear.data, 40);
        assert_int_equal(unseal(&back, slice_buf(&sealed), &key), ERR_DAMAGED);
        assert_int_equal(back.size, 0);
    }
    buf_free(&clear);
    buf_free(&sealed);
    buf_free(&back);
}

static void a_descriptor_that_fails_is_told(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf sealed = {0};
    int from = file_of(slice_str("x")), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    seal_key_make(&key);
    assert_true(full >= 0);
    assert_int_equal(seal_write(from, full, &key.public_key, 1), ERR_IO);
    assert_int_equal(seal_write(-1, full, &key.public_key, 1), ERR_IO);
    assert_int_equal(seal(&sealed, slice_str("x"), &key.public_key, 1), 0);
    close(from);
    from = file_of(slice_buf(&sealed));
    assert_int_equal(seal_open(from, full, &key), ERR_IO);
    assert_int_equal(seal_open(-1, full, &key), ERR_IO);
    close(from);
    close(full);
    buf_free(&sealed);
}

/* ---- points of low order ---- */

static void a_point_of_low_order_is_no_recipient(void **unused)
{
    (void)unused;
    static const uint8_t low[][SEAL_KEY_SIZE] = {{0}, {1}};
    struct buf sealed = {0};

    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(seal(&sealed, slice_str("x"), &low[i], 1), ERR_FIELD);
        assert_int_equal(sealed.size, 0);
    }
    buf_free(&sealed);
}

/* ---- made by hand ---- */

static const uint8_t file_key[16] = "0123456789abcdef", nonce[16] = "fedcba9876543210";

static void hkdf(uint8_t out[32], struct slice secret, struct slice salt, const char *info)
{
    uint8_t key[32] = {0}, extracted[32];
    struct buf text = {0};

    assert_true(salt.size <= 64);
    crypto_auth_hmacsha256_state s;
    crypto_auth_hmacsha256_init(&s, salt.size ? salt.data : key, salt.size);
    crypto_auth_hmacsha256_update(&s, secret.data, secret.size);
    crypto_auth_hmacsha256_final(&s, extracted);
    buf_add_str(&text, info);
    buf_add_byte(&text, 1);
    crypto_auth_hmacsha256(out, text.data, text.size, extracted);
    buf_free(&text);
}

static void add_base64(struct buf *out, const void *data, size_t size)
{
    char text[128];

    sodium_bin2base64(text, sizeof text, data, size, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    buf_add_str(out, text);
}

/* The file key wrapped for the key, by a share of 7s. */
static void wrapped(uint8_t share[32], uint8_t out[32], const struct seal_key *key)
{
    uint8_t secret[32], common[32], salt[64], wrap[32];
    static const uint8_t zero[12];

    memset(secret, 7, sizeof secret);
    crypto_scalarmult_base(share, secret);
    assert_int_equal(crypto_scalarmult(common, secret, key->public_key), 0);
    memcpy(salt, share, 32);
    memcpy(salt + 32, key->public_key, 32);
    hkdf(wrap, slice_of(common, 32), slice_of(salt, 64), "age-encryption.org/v1/X25519");
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, file_key, 16, NULL, 0, NULL, zero, wrap);
}

/* In `lines` "@" stands for the share, "#" for the body of a good stanza. */
static void add_lines(struct buf *out, const char *lines, const struct seal_key *key)
{
    uint8_t share[32], body[32];

    wrapped(share, body, key);
    for (const char *c = lines; *c; c++)
        if (*c == '@')
            add_base64(out, share, sizeof share);
        else if (*c == '#')
            add_base64(out, body, sizeof body);
        else
            buf_add_byte(out, (uint8_t)*c);
}

static void add_mac(struct buf *header)
{
    uint8_t key[32], mac[32];

    hkdf(key, slice_of(file_key, 16), slice_of(NULL, 0), "header");
    buf_add_str(header, "---");
    crypto_auth_hmacsha256(mac, header->data, header->size, key);
    buf_add_byte(header, ' ');
    add_base64(header, mac, sizeof mac);
}

static void add_chunk(struct buf *out, uint64_t number, bool last, struct slice clear)
{
    uint8_t key[32], at[12] = {0};

    hkdf(key, slice_of(file_key, 16), slice_of(nonce, 16), "payload");
    at[10] = (uint8_t)number;
    at[11] = last;
    crypto_aead_chacha20poly1305_ietf_encrypt(buf_grow(out, clear.size + TAG), NULL, clear.data,
                                              clear.size, NULL, 0, NULL, at, key);
}

static void made(struct buf *out, const char *lines, const struct seal_key *key)
{
    buf_reset(out);
    buf_add_str(out, "age-encryption.org/v1\n");
    add_lines(out, lines, key);
    add_mac(out);
    buf_add_byte(out, '\n');
    buf_add(out, nonce, sizeof nonce);
}

#define GOOD "-> X25519 @\n#\n"
#define FULL "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"

static void headers_are_read_strictly(void **unused)
{
    (void)unused;
    static const struct {
        const char *lines;
        int err;
    } rows[] = {
        {GOOD, 0},
        {GOOD GOOD, 0},
        {"-> grease-x !\"~ b c\n\n" GOOD, 0}, /* stanzas of another kind, by their bodies */
        {"-> x\nAAAA\n" GOOD "-> y z\n" FULL "\n", 0},
        {"-> argon a 10\n" FULL FULL "AA\n" GOOD, 0},
        {"-> scrypt AA 10\n\n", ERR_SEALED},
        {"-> scrypt AA 10\n\n" GOOD, ERR_MALFORMED},
        {"-> x25519 @\n#\n", ERR_SEALED},
        {"-> x\n\n", ERR_SEALED},
        {"", ERR_MALFORMED},
        {GOOD "-> X25519 @ more\n#\n", ERR_MALFORMED}, /* an X25519 one is looked at, each */
        {GOOD "-> X25519\n#\n", ERR_MALFORMED},
        {GOOD "-> X25519 AAAA\n#\n", ERR_MALFORMED},
        {GOOD "-> X25519 @=\n#\n", ERR_MALFORMED},
        {GOOD "-> X25519 @\nAAAA\n", ERR_MALFORMED},
        {GOOD "-> X25519 @\n" FULL "\n", ERR_MALFORMED},
        {"-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n#\n" GOOD, ERR_MALFORMED},
        {"-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB\n#\n", ERR_MALFORMED},
        {"->X25519 @\n#\n", ERR_MALFORMED},
        {"->  X25519 @\n#\n", ERR_MALFORMED},
        {"-> X25519  @\n#\n", ERR_MALFORMED},
        {"-> X25519 @ \n#\n", ERR_MALFORMED},
        {"-> X25519\t@\n#\n", ERR_MALFORMED},
        {"-> X25519 @\r\n#\n", ERR_MALFORMED},
        {"-> \xc3\xa4\n\n" GOOD, ERR_MALFORMED},
        {"-> \n\n" GOOD, ERR_MALFORMED},
        {"-> x\n" FULL GOOD, ERR_MALFORMED}, /* a body ends with a short line */
        {"-> x\n" GOOD, ERR_MALFORMED},
        {"-> x\nAAAA\nAAAA\n" GOOD, ERR_MALFORMED},
        {"-> x\nA\n" GOOD, ERR_MALFORMED},
        {"-> x\nAB\n" GOOD, ERR_MALFORMED}, /* bits left over */
        {"-> x\nAA==\n" GOOD, ERR_MALFORMED},
        {"-> x\n-_\n" GOOD, ERR_MALFORMED},
        {"-> x\nAA\xaf"
         "A\n" GOOD,
         ERR_MALFORMED},
        {"-> x\n A\n" GOOD, ERR_MALFORMED},
        {"-> x\nA" FULL "\n" GOOD, ERR_MALFORMED},
        {"\n" GOOD, ERR_MALFORMED},
        {GOOD "\n", ERR_MALFORMED},
    };
    struct seal_key key;
    struct buf file = {0}, back = {0};

    seal_key_make(&key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        made(&file, rows[i].lines, &key);
        add_chunk(&file, 0, true, slice_str("good"));
        int rc = unseal(&back, slice_buf(&file), &key);
        if (rc != rows[i].err)
            print_message("%s\n", rows[i].lines);
        assert_int_equal(rc, rows[i].err);
        assert_true(slice_is(slice_buf(&back), rc ? "" : "good"));
    }
    buf_free(&file);
    buf_free(&back);
}

static void the_last_line_of_a_header_is_read_strictly(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf file = {0}, back = {0};
    static const struct {
        const char *before, *behind;
        int err;
    } rows[] = {
        {"", "\n", 0},
        {"", "=\n", ERR_MALFORMED},
        {"", " \n", ERR_MALFORMED},
        {"", "\r\n", ERR_MALFORMED},
        {"", "", ERR_MALFORMED},
        {" ", "\n", ERR_MALFORMED},
        {"-> ", "\n", ERR_MALFORMED},
    };

    seal_key_make(&key);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_reset(&file);
        buf_add_str(&file, "age-encryption.org/v1\n");
        add_lines(&file, GOOD, &key);
        buf_add_str(&file, rows[i].before);
        add_mac(&file);
        buf_add_str(&file, rows[i].behind);
        buf_add(&file, nonce, sizeof nonce);
        add_chunk(&file, 0, true, slice_str("good"));
        assert_int_equal(unseal(&back, slice_buf(&file), &key), rows[i].err);
    }
    buf_free(&file);
    buf_free(&back);
}

static void a_file_of_another_kind_is_malformed(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "",
        "age",
        "age-encryption.org/v2\n",
        "age-encryption.org/v1\r\n",
        "%PDF-1.7\n",
        "-----BEGIN AGE ENCRYPTED FILE-----\n",
    };
    struct seal_key key;
    struct buf back = {0};

    seal_key_make(&key);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(unseal(&back, slice_str(texts[i]), &key), ERR_MALFORMED);
        assert_false(seal_begins(slice_str(texts[i])));
    }
    buf_free(&back);
}

static void a_header_has_bounds(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf file = {0}, back = {0}, lines = {0};

    seal_key_make(&key);
    for (int i = 1; i < SEAL_RECIPIENTS_MOST; i++)
        buf_add_str(&lines, "-> x\n\n");
    buf_add_str(&lines, GOOD);
    made(&file, buf_cstr(&lines), &key);
    add_chunk(&file, 0, true, slice_str("good"));
    assert_int_equal(unseal(&back, slice_buf(&file), &key), 0);
    buf_add_str(&lines, "-> x\n\n");
    made(&file, buf_cstr(&lines), &key);
    assert_int_equal(unseal(&back, slice_buf(&file), &key), ERR_BOUNDS);
    buf_reset(&lines);
    buf_add_str(&lines, GOOD "-> ");
    memset(buf_grow(&lines, SEAL_HEADER_MOST), 'x', SEAL_HEADER_MOST);
    buf_add_str(&lines, "\n\n");
    made(&file, buf_cstr(&lines), &key);
    assert_int_equal(unseal(&back, slice_buf(&file), &key), ERR_BOUNDS);
    buf_reset(&lines);
    buf_add_str(&lines, GOOD "-> x\n");
    while (lines.size < SEAL_HEADER_MOST)
        buf_add_str(&lines, FULL);
    buf_add_str(&lines, "\n");
    made(&file, buf_cstr(&lines), &key);
    assert_int_equal(unseal(&back, slice_buf(&file), &key), ERR_BOUNDS);
    buf_free(&file);
    buf_free(&back);
    buf_free(&lines);
}

/* One of each: the kinds of chunks, and whether each is marked as the last. */
static void the_last_chunk_says_so_and_is_empty_only_when_all_is(void **unused)
{
    (void)unused;
    struct seal_key key;
    struct buf file = {0}, back = {0}, chunk = {0};

    seal_key_make(&key);
    fill(&chunk, CHUNK);
    const struct {
        struct slice chunks[3];
        const char *last; /* "1" where it is marked */
        int err;
        size_t out;
    } rows[] = {
        {{slice_of("", 0)}, "1", 0, 0},
        {{slice_of("", 0)}, "0", ERR_DAMAGED, 0},
        {{slice_buf(&chunk)}, "1", 0, CHUNK},
        {{slice_buf(&chunk)}, "0", ERR_DAMAGED, 0},
        {{slice_buf(&chunk), slice_of("a", 1)}, "01", 0, CHUNK + 1},
        {{slice_buf(&chunk), slice_of("a", 1)}, "00", ERR_DAMAGED, CHUNK},
        {{slice_buf(&chunk), slice_of("a", 1)}, "11", ERR_DAMAGED, 0},
        {{slice_buf(&chunk), slice_of("", 0)}, "01", ERR_DAMAGED, CHUNK},
        {{slice_buf(&chunk), slice_buf(&chunk)}, "01", 0, 2 * CHUNK},
        {{slice_buf(&chunk), slice_buf(&chunk), slice_of("", 0)}, "001", ERR_DAMAGED, 2 * CHUNK},
        {{slice_of("a", 1), slice_of("b", 1)}, "01", ERR_DAMAGED, 0},
        {{slice_of("", 0)}, "", ERR_DAMAGED, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        made(&file, GOOD, &key);
        for (size_t k = 0; rows[i].last[k]; k++)
            add_chunk(&file, k, rows[i].last[k] == '1', rows[i].chunks[k]);
        assert_int_equal(unseal(&back, slice_buf(&file), &key), rows[i].err);
        assert_int_equal(back.size, rows[i].out);
    }
    buf_free(&file);
    buf_free(&back);
    buf_free(&chunk);
}

/* ---- made by others ---- */

/* age 1.1.1 of Debian 12, with age-keygen's identity. */
static void a_file_of_age_is_opened(void **unused)
{
    (void)unused;
    static const char identity[] =
        "AGE-SECRET-KEY-1HJUAJKNY459X5CHH94ZPP87FE5KEPGH08HU2V5MMW67JY5ZDED9SMEPVN5",
                      recipient[] =
                          "age1zzpg9htp2wr6wrce5mqvejln2mksgyrl2gmhsjn9kh4f034aup5ss34g3r";
    static const char hex[] =
        "6167652d656e6372797074696f6e2e6f72672f76310a2d3e20583235353139206b30776b70614c30"
        "785059737161674665756d724c4e516479312f6636736b3634655375412f7a724a6e410a73634264"
        "6d716b58693272392b33483679633164446643533577623651765854714a384c794734422b38550a"
        "2d2d2d2059774a6848794952322b67335351795049395334756d563947583472306f514a692f6344"
        "77526e734f30410ac4e01e6970c592717d8f03b38c4eb004219fd4e77a34905d9232034ee1e17cbd"
        "7da5e42088525204be8be0dd803554c3724b4a070bda3cc4d3fefc";
    struct seal_key key;
    struct buf back = {0};
    uint8_t sealed[sizeof hex / 2], public_key[SEAL_KEY_SIZE];
    char text[SEAL_IDENTITY_SIZE];

    assert_true(hex_decode(sealed, sizeof sealed, hex));
    assert_int_equal(seal_identity_parse(key.secret_key, identity), 0);
    seal_key_complete(&key);
    assert_int_equal(seal_recipient_parse(public_key, recipient), 0);
    assert_memory_equal(key.public_key, public_key, SEAL_KEY_SIZE);
    assert_int_equal(unseal(&back, slice_of(sealed, sizeof sealed), &key), 0);
    assert_true(slice_is(slice_buf(&back), "The list of QMA, 12 pages.\n"));
    seal_identity_text(text, key.secret_key);
    assert_string_equal(text, identity);
    seal_recipient_text(text, public_key);
    assert_string_equal(text, recipient);
    buf_free(&back);
}

/* ---- keys as text ---- */

static void a_key_with_a_changed_letter_is_none(void **unused)
{
    (void)unused;
    struct seal_key key;
    uint8_t back[SEAL_KEY_SIZE];
    char text[SEAL_IDENTITY_SIZE];

    seal_key_make(&key);
    for (int identity = 0; identity < 2; identity++) {
        if (identity)
            seal_identity_text(text, key.secret_key);
        else
            seal_recipient_text(text, key.public_key);
        int (*parse)(uint8_t *, const char *) =
            identity ? seal_identity_parse : seal_recipient_parse;
        assert_int_equal(parse(back, text), 0);
        assert_memory_equal(back, identity ? key.secret_key : key.public_key, SEAL_KEY_SIZE);
        for (size_t i = 0; text[i]; i++) {
            const char letter = text[i],
                       others[] = {'q', 'Q', '1', ' ', '\0', (char)(letter ^ 0x20)};
            for (size_t k = 0; k < sizeof others; k++) {
                text[i] = others[k];
                assert_int_equal(parse(back, text), letter == others[k] ? 0 : ERR_MALFORMED);
            }
            text[i] = letter;
        }
        assert_int_equal(parse(back, ""), ERR_MALFORMED);
    }
}

/* BIP 173's examples that are valid, as far as whole bytes stand in them. */
static void bech32_is_that_of_its_page(void **unused)
{
    (void)unused;
    uint8_t bytes[BECH32_BYTES_MOST];
    char text[128];

    assert_true(bech32_decode(bytes, 0, "a", "a12uel5l"));
    assert_true(bech32_decode(bytes, 0, "A", "A12UEL5L"));
    assert_false(bech32_decode(bytes, 0, "a", "A12UEL5L"));
    assert_false(bech32_decode(bytes, 0, "A", "A1G7SGD8")); /* its checksum is that of lower case */
    assert_true(
        bech32_decode(bytes, 20, "abcdef", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"));
    assert_memory_equal(
        bytes, "\x00\x44\x32\x14\xc7\x42\x54\xb6\x35\xcf\x84\x65\x3a\x56\xd7\xc6\x75\xbe\x77\xdf",
        20);
    bech32_encode(text, "abcdef", slice_of(bytes, 20));
    assert_string_equal(text, "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_comes_back_to_each_recipient_and_to_nobody_else),
        cmocka_unit_test(a_pipe_is_read_to_its_end),
        cmocka_unit_test(two_seals_of_one_text_have_nothing_in_common),
        cmocka_unit_test(a_changed_byte_is_never_opened),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(of_a_long_file_only_whole_chunks_before_the_damage_come_out),
        cmocka_unit_test(what_stands_behind_is_refused),
        cmocka_unit_test(a_descriptor_that_fails_is_told),
        cmocka_unit_test(a_point_of_low_order_is_no_recipient),
        cmocka_unit_test(headers_are_read_strictly),
        cmocka_unit_test(the_last_line_of_a_header_is_read_strictly),
        cmocka_unit_test(a_file_of_another_kind_is_malformed),
        cmocka_unit_test(a_header_has_bounds),
        cmocka_unit_test(the_last_chunk_says_so_and_is_empty_only_when_all_is),
        cmocka_unit_test(a_file_of_age_is_opened),
        cmocka_unit_test(a_key_with_a_changed_letter_is_none),
        cmocka_unit_test(bech32_is_that_of_its_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
