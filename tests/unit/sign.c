/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - keys and signed events, with libcrypto's Ed25519 as the second opinion */
#include "lib/sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/countersign.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/scan.h"
#include "tests/support/test.h"

static char dir[] = "/tmp/chancery-sign-XXXXXX";

static int make_dir(void **unused)
{
    (void)unused;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **unused)
{
    (void)unused;
    return rmdir(dir);
}

static char *file_in_dir(const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static void a_signature_of_rfc_8032_comes_out_alike(void **unused)
{
    (void)unused; /* section 7.1, test 3 */
    uint8_t seed[32], public_key[32], expected[64], signature[64];
    static const uint8_t message[] = {0xaf, 0x82};

    assert_true(
        hex_decode(seed, 32, "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
    assert_true(hex_decode(public_key, 32,
                           "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
    assert_true(hex_decode(expected, 64,
                           "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
                           "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"));
    sign_bytes(signature, slice_of(message, 2), &(struct sign_key){public_key, seed, NULL});
    assert_memory_equal(signature, expected, 64);
    assert_true(sign_check(signature, slice_of(message, 2), public_key));
    assert_false(sign_check(signature, slice_of(message, 1), public_key));
    signature[63] ^= 0x10;
    assert_false(sign_check(signature, slice_of(message, 2), public_key));
}

static bool libcrypto_agrees(const uint8_t *signature, struct slice message,
                             const uint8_t public_key[KEY_SIZE])
{
    EVP_PKEY *key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, KEY_SIZE);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE, message.data, message.size) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

struct batch {
    struct seat_key key;
    struct arena *arena;
    size_t n;
    struct buf events[BATCH_MOST];
    const Core__SignedEvent *opened[BATCH_MOST];
};

static void batch_make(struct batch *b, size_t n)
{
    static const char *const texts[] = {"one", "two", "three", "four"};
    struct slice envelopes[BATCH_MOST];
    char where[128];
    int err;

    *b = (struct batch){.arena = arena_new(1 << 20), .n = n};
    seat_key_make(&b->key, "qma-desk", "QMA/npc");
    for (size_t i = 0; i < n; i++)
        envelopes[i] = slice_str(texts[i % 4]);
    sign_events(&b->key, envelopes, n, b->events);
    for (size_t i = 0; i < n; i++) {
        b->opened[i] = (Core__SignedEvent *)scan_unpack(
            &core__signed_event__descriptor, slice_buf(&b->events[i]), b->arena, &err, where);
        assert_int_equal(err, 0);
        assert_true(slice_equal(envelopes[i],
                                slice_of(b->opened[i]->envelope.data, b->opened[i]->envelope.len)));
    }
}

static void batch_free(struct batch *b)
{
    for (size_t i = 0; i < b->n; i++)
        buf_free(&b->events[i]);
    arena_free(b->arena);
    seat_key_clear(&b->key);
}

static struct slice bytes(ProtobufCBinaryData data)
{
    return slice_of(data.data, data.len);
}

static void every_event_of_a_batch_of_any_size_verifies_alone(void **unused)
{
    (void)unused;
    for (size_t n = 1; n <= BATCH_MOST; n++) {
        struct batch b;
        uint8_t signed_text[18 + HASH_SIZE];
        batch_make(&b, n);
        for (size_t i = 0; i < n; i++) {
            struct hash root;
            assert_true(sign_event_root(b.opened[i], &root));
            assert_true(sign_root_check(&root, bytes(b.opened[i]->signature), b.key.sign_public));
            memcpy(signed_text, "chancery-event-v1", 18);
            memcpy(signed_text + 18, root.bytes, HASH_SIZE);
            assert_true(libcrypto_agrees(b.opened[i]->signature.data,
                                         slice_of(signed_text, sizeof signed_text),
                                         b.key.sign_public));
        }
        batch_free(&b);
    }
}

static void roots_agree(const Core__SignedEvent *const events[], size_t n)
{
    struct hash roots[BATCH_MOST], root;

    sign_event_roots(events, n, roots);
    for (size_t i = 0; i < n; i++) {
        assert_true(sign_event_root(events[i], &root));
        assert_true(hash_equal(&root, &roots[i]));
    }
}

static void roots_of_many_are_those_of_each(void **unused)
{
    (void)unused;
    for (size_t n = 1; n <= BATCH_MOST; n++) {
        struct batch b;
        const Core__SignedEvent *list[BATCH_MOST];
        batch_make(&b, n);
        for (size_t i = 0; i < n; i++)
            list[i] = b.opened[i];
        roots_agree(list, n);
        roots_agree(list, (n + 1) / 2); /* a part of a batch */
        list[0] = b.opened[n - 1];      /* one of it twice */
        roots_agree(list, n);
        list[0] = b.opened[0];
        for (size_t i = 0; i < n; i++) /* a byte of a path, of an envelope, of a salt */
            for (size_t k = 0; k < b.opened[i]->n_path; k++) {
                b.opened[i]->path[k].data[n % HASH_SIZE] ^= 1;
                roots_agree(list, n);
                b.opened[i]->path[k].data[n % HASH_SIZE] ^= 1;
            }
        b.opened[n / 2]->envelope.data[0] ^= 1;
        roots_agree(list, n);
        b.opened[n / 3]->salt.data[0] ^= 1;
        roots_agree(list, n);
        batch_free(&b);
    }
}

static bool verifies(const Core__SignedEvent *e, const struct seat_key *key)
{
    struct hash root;

    return sign_event_root(e, &root) &&
           sign_root_check(&root, bytes(e->signature), key->sign_public);
}

static void a_changed_byte_anywhere_is_noticed(void **unused)
{
    (void)unused;
    struct batch b;

    batch_make(&b, 5);
    Core__SignedEvent e = *b.opened[3];
    ProtobufCBinaryData fields[] = {e.envelope, e.salt, e.signature, e.path[0], e.path[2]};
    assert_true(verifies(&e, &b.key));
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (size_t i = 0; i < fields[f].len; i++) {
            fields[f].data[i] ^= 4;
            assert_false(verifies(&e, &b.key));
            fields[f].data[i] ^= 4;
        }
    e.leaf_index = 2;
    assert_false(verifies(&e, &b.key));
    e.leaf_index = 3;
    e.tree_size = 4;
    assert_false(verifies(&e, &b.key));
    e.tree_size = 5;
    assert_true(verifies(&e, &b.key));
    b.key.sign_public[0] ^= 1;
    assert_false(verifies(&e, &b.key));
    batch_free(&b);
}

static void a_path_that_index_and_size_do_not_ask_for_has_no_root(void **unused)
{
    (void)unused;
    struct batch b;
    struct hash root;

    batch_make(&b, 5);
    Core__SignedEvent e = *b.opened[4]; /* alone on two levels: its path is short */
    assert_int_equal(e.n_path, 1);
    e.n_path = 0;
    assert_false(sign_event_root(&e, &root));
    e = *b.opened[0];
    e.n_path = 2;
    assert_false(sign_event_root(&e, &root));
    e.n_path = 7;
    assert_false(sign_event_root(&e, &root));
    e = *b.opened[0];
    e.path[1].len = 31;
    assert_false(sign_event_root(&e, &root));
    e.path[1].len = 32;
    assert_true(sign_event_root(&e, &root));
    static const uint32_t sizes[][2] = {{0, 0}, {0, 65}, {5, 5}, {UINT32_MAX, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        e.leaf_index = sizes[i][0];
        e.tree_size = sizes[i][1];
        assert_false(sign_event_root(&e, &root));
    }
    batch_free(&b);
}

static void salts_are_never_the_same(void **unused)
{
    (void)unused;
    struct batch b, c;

    batch_make(&b, 64);
    batch_make(&c, 1);
    for (size_t i = 0; i < 64; i++) {
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(b.opened[i]->salt.data, b.opened[k]->salt.data, SALT_SIZE);
        assert_memory_not_equal(b.opened[i]->salt.data, c.opened[0]->salt.data, SALT_SIZE);
    }
    batch_free(&b);
    batch_free(&c);
}

static void a_key_file_gives_back_the_key_and_is_the_owners_alone(void **unused)
{
    (void)unused;
    struct seat_key key, back;
    struct buf why = {0};
    struct stat st;
    char *file = file_in_dir("qma-desk.key");

    seat_key_make(&key, "qma-desk", "QMA/npc");
    assert_int_equal(seat_key_write(&key, file), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(seat_key_read(&back, file, &why), 0);
    assert_memory_equal(&key, &back, sizeof key);
    assert_int_equal(seat_key_write(&key, file), ERR_EXISTS);
    assert_int_equal(why.size, 0);
    assert_int_equal(unlink(file), 0);
    mem_free(file);
}

static void a_key_file_without_an_age_key_stays_readable(void **unused)
{
    (void)unused;
    struct seat_key key, back;
    struct buf why = {0};
    char *file = file_in_dir("older.key");

    seat_key_make(&key, "qma-desk", "QMA/npc");
    assert_true(seat_key_has_age(&key));
    key.age = (struct seal_key){{0}, {0}};
    assert_int_equal(seat_key_write(&key, file), 0);
    assert_int_equal(seat_key_read(&back, file, &why), 0);
    assert_false(seat_key_has_age(&back));
    assert_memory_equal(&key, &back, sizeof key);
    assert_int_equal(unlink(file), 0);
    mem_free(file);
}

static void a_key_file_that_others_can_read_is_refused_with_the_cure(void **unused)
{
    (void)unused;
    struct seat_key key, back;
    struct buf why = {0};
    char *file = file_in_dir("open.key"), *command;

    seat_key_make(&key, "qma-desk", "QMA/npc");
    assert_int_equal(seat_key_write(&key, file), 0);
    assert_int_equal(chmod(file, 0640), 0);
    assert_int_equal(seat_key_read(&back, file, &why), ERR_FILE_MODE);
    command = mem_printf("chmod 600 '%s'", file);
    assert_non_null(strstr(buf_cstr(&why), command));
    assert_non_null(strstr(buf_cstr(&why), "0640"));
    assert_int_equal(unlink(file), 0);
    buf_free(&why);
    mem_free(command);
    mem_free(file);
}

static void write_secret(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void a_key_file_that_is_damaged_is_refused_with_its_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "no line \"seat = ...\""},
        {"seat = a\nseat = b\n", ":2: "},
        {"seat = a\nnonsense\n", ":2: "},
        {"curve-public = 12\n", ":1: "},
        {"# remark\n\nspare = 1\n", ":3: "},
        {"sign-token = pkcs11:a\nsign-token = pkcs11:b\n", ":2: "},
        {"seat = a\noffice = A/b\n"
         "curve-public = 0000000000000000000000000000000000000000000000000000000000000000\n"
         "curve-secret = 0000000000000000000000000000000000000000000000000000000000000001\n"
         "sign-public = 0000000000000000000000000000000000000000000000000000000000000000\n",
         "no line \"sign-seed = ...\""},
        {"sign-seed = 0000000000000000000000000000000000000000000000000000000000000001\n"
         "sign-token = pkcs11:token=qma\n",
         "in the file or on a token"},
        {"seat = a\noffice = A/b\n"
         "curve-public = 0000000000000000000000000000000000000000000000000000000000000000\n"
         "curve-secret = 0000000000000000000000000000000000000000000000000000000000000001\n"
         "sign-public = 0000000000000000000000000000000000000000000000000000000000000000\n"
         "sign-seed = 0000000000000000000000000000000000000000000000000000000000000001\n",
         "does not fit"},
    };
    char *file = file_in_dir("damaged.key");

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seat_key key;
        struct buf why = {0};
        write_secret(file, rows[i].text);
        assert_int_equal(seat_key_read(&key, file, &why), ERR_MALFORMED);
        assert_non_null(strstr(buf_cstr(&why), rows[i].why));
        buf_free(&why);
    }
    assert_int_equal(unlink(file), 0);
    mem_free(file);
}

/* One line of the two, or a public half of another secret. */
static void an_age_key_is_whole_or_refused(void **unused)
{
    (void)unused;
    static const char *const lines[] = {"age-public = ", "age-secret = "};
    struct seat_key key;
    struct buf text = {0}, why = {0};
    char *file = file_in_dir("half.key");

    for (int i = 0; i < 3; i++) {
        seat_key_make(&key, "qma-desk", "QMA/npc");
        key.age.public_key[0] ^= i == 2;
        assert_int_equal(seat_key_write(&key, file), 0);
        buf_reset(&text);
        assert_int_equal(file_read(file, &text), 0);
        char *line = i < 2 ? strstr(buf_cstr(&text), lines[i]) : NULL;
        if (line)
            line[0] = '#';
        assert_int_equal(unlink(file), 0);
        write_secret(file, buf_cstr(&text));
        buf_reset(&why);
        assert_int_equal(seat_key_read(&key, file, &why), ERR_MALFORMED);
        assert_non_null(strstr(buf_cstr(&why), i < 2 ? lines[i] : "does not fit"));
        assert_int_equal(unlink(file), 0);
    }
    buf_free(&text);
    buf_free(&why);
    mem_free(file);
}

static void a_key_file_that_is_none_is_refused(void **unused)
{
    (void)unused;
    struct seat_key key;
    struct buf why = {0};
    char *missing = file_in_dir("missing.key");

    assert_int_equal(seat_key_read(&key, missing, &why), ERR_NOT_FOUND);
    assert_int_equal(seat_key_read(&key, dir, &why), ERR_MALFORMED);
    assert_int_equal(seat_key_read(&key, "/dev/null", &why), ERR_MALFORMED);
    buf_free(&why);
    mem_free(missing);
}

/* The signed text is written out here, so that other languages find it the same. */
static void a_receipt_is_of_its_log_and_entries(void **unused)
{
    (void)unused;
    struct seat_key key;
    uint8_t signature[SIGNATURE_SIZE], entries[2 * LOG_ENTRY_SIZE] = {1};
    struct hash log, all;
    struct buf text = {0};
    struct slice given = slice_of(signature, sizeof signature);

    seat_key_make(&key, "broker", "QMA/chancery");
    countersign(signature, "log.example/main", slice_of(entries, sizeof entries), &key);
    hash_sha256(&log, slice_str("log.example/main"));
    hash_sha256(&all, slice_of(entries, sizeof entries));
    buf_add(&text, "chancery-receipt-v1", sizeof "chancery-receipt-v1");
    buf_add(&text, log.bytes, HASH_SIZE);
    buf_add(&text, all.bytes, HASH_SIZE);
    assert_true(sign_check(signature, slice_buf(&text), key.sign_public));
    assert_true(countersign_check(given, "log.example/main", slice_of(entries, sizeof entries),
                                  key.sign_public));
    assert_false(countersign_check(given, "log.example/other", slice_of(entries, sizeof entries),
                                   key.sign_public));
    assert_false(countersign_check(given, "log.example/main", slice_of(entries, LOG_ENTRY_SIZE),
                                   key.sign_public));
    assert_false(countersign_check(slice_of(signature, 63), "log.example/main",
                                   slice_of(entries, sizeof entries), key.sign_public));
    buf_free(&text);
    seat_key_clear(&key);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_of_rfc_8032_comes_out_alike),
        cmocka_unit_test(every_event_of_a_batch_of_any_size_verifies_alone),
        cmocka_unit_test(roots_of_many_are_those_of_each),
        cmocka_unit_test(a_changed_byte_anywhere_is_noticed),
        cmocka_unit_test(a_path_that_index_and_size_do_not_ask_for_has_no_root),
        cmocka_unit_test(a_receipt_is_of_its_log_and_entries),
        cmocka_unit_test(salts_are_never_the_same),
        cmocka_unit_test(a_key_file_gives_back_the_key_and_is_the_owners_alone),
        cmocka_unit_test(a_key_file_without_an_age_key_stays_readable),
        cmocka_unit_test(an_age_key_is_whole_or_refused),
        cmocka_unit_test(a_key_file_that_others_can_read_is_refused_with_the_cure),
        cmocka_unit_test(a_key_file_that_is_damaged_is_refused_with_its_line),
        cmocka_unit_test(a_key_file_that_is_none_is_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
