/* SPDX-License-Identifier: Apache-2.0 */
/* token.c - keys on a PKCS #11 token: softhsm2 with a directory of its own */
#include "lib/token.h"

#include <p11-kit/p11-kit.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"
#include "lib/sign.h"
#include "tests/support/test.h"

static char root[] = "/tmp/chancery-token-XXXXXX";

static char *in_root(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void put(const char *name, const char *text, mode_t mode)
{
    char *file = in_root(name);

    unlink(file);
    assert_int_equal(file_create(file, slice_str(text), mode), 0);
    assert_int_equal(chmod(file, mode), 0);
    mem_free(file);
}

/* Takes the command over. */
static void run(char *command)
{
    assert_int_equal(system(command), 0);
    mem_free(command);
}

/* pkcs11:<path>?module-path=...&pin-source=file:ROOT/<pin> */
static char *uri(const char *path, const char *pin)
{
    return mem_printf("pkcs11:%s?module-path=%s&pin-source=file:%s/%s", path, SOFTHSM, root, pin);
}

static int softhsm_make(void **unused)
{
    char *conf, *tokens;

    (void)unused;
    assert_non_null(mkdtemp(root));
    conf = in_root("softhsm2.conf");
    tokens = in_root("tokens");
    assert_int_equal(mkdir(tokens, 0700), 0);
    FILE *f = fopen(conf, "w");
    assert_non_null(f);
    fprintf(f, "directories.tokendir = %s\nlog.level = ERROR\n", tokens);
    fclose(f);
    setenv("SOFTHSM2_CONF", conf, 1);
    for (int i = 0; i < 2; i++) {
        run(mem_printf("softhsm2-util --init-token --free --label %s --so-pin 87654321 --pin 1234 "
                       ">/dev/null",
                       i ? "other" : "qma"));
    }
    put("pin", "1234\n", 0600);
    mem_free(conf);
    mem_free(tokens);
    return 0;
}

static int softhsm_remove(void **unused)
{
    (void)unused;
    run(mem_printf("rm -r %s", root));
    return 0;
}

static struct token *made(const char *path)
{
    char *where = uri(path, "pin");
    struct token *t;
    struct buf why = {0};

    if (token_make(&t, where, &why) != 0)
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    mem_free(where);
    return t;
}

static void assert_signs(struct token *t)
{
    const struct slice message = slice_str("the quick brown fox");
    uint8_t signature[TOKEN_SIGNATURE_SIZE];

    assert_int_equal(token_sign(t, message, signature), 0);
    assert_true(sign_check(signature, message, token_public(t)));
}

/* Takes the URI over. */
static void assert_refused(char *where, int err, const char *text)
{
    struct token *t = NULL;
    struct buf why = {0};

    assert_int_equal(token_open(&t, where, &why), err);
    assert_null(t);
    if (!strstr(buf_cstr(&why), text))
        fail_msg("not \"%s\": %s", text, buf_cstr(&why));
    buf_free(&why);
    mem_free(where);
}

/* ---- */

static void a_key_is_made_once_and_signs(void **unused)
{
    uint8_t first[TOKEN_KEY_SIZE];

    (void)unused;
    struct token *t = made("token=qma;object=once");
    memcpy(first, token_public(t), sizeof first);
    assert_signs(t);
    token_close(t);

    t = made("token=qma;object=once");
    assert_memory_equal(token_public(t), first, sizeof first);
    assert_signs(t);
    token_close(t);
}

static void a_signature_is_that_of_libsodium(void **unused)
{
    struct seat_key key = {0};
    uint8_t signature[SIGNATURE_SIZE];

    (void)unused;
    seat_key_make(&key, "amina", "QMA/npc");
    char *where = uri("token=qma;object=amina", "pin");
    struct buf why = {0};
    assert_int_equal(seat_key_to_token(&key, where, &why), 0);
    assert_true(sodium_is_zero(key.sign_seed, KEY_SIZE));
    const struct sign_key by = seat_key_signs(&key);
    assert_int_equal(sign_bytes(signature, slice_str("text"), &by), 0);
    assert_true(sign_check(signature, slice_str("text"), key.sign_public));
    seat_key_clear(&key);
    buf_free(&why);
    mem_free(where);
}

static void a_key_is_found_by_its_id(void **unused)
{
    uint8_t first[TOKEN_KEY_SIZE];

    (void)unused;
    struct token *t = made("token=qma;object=numbered;id=%07%08");
    memcpy(first, token_public(t), sizeof first);
    token_close(t);
    t = made("token=qma;id=%07%08");
    assert_memory_equal(token_public(t), first, sizeof first);
    token_close(t);
}

static void a_key_never_leaves_the_token(void **unused)
{
    (void)unused;
    token_close(made("token=qma;object=stays"));
    CK_FUNCTION_LIST *m = p11_kit_module_load(SOFTHSM, P11_KIT_MODULE_UNMANAGED);
    struct token *t = made("token=qma;object=stays"); /* logged in */
    CK_SLOT_ID slots[8];
    CK_ULONG n = 8, found = 0;
    CK_SESSION_HANDLE s;
    CK_OBJECT_HANDLE key;
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    char label[] = "stays";
    uint8_t value[64];
    CK_ATTRIBUTE like[] = {{CKA_CLASS, &class, sizeof class}, {CKA_LABEL, label, 5}};
    CK_ATTRIBUTE secret = {CKA_VALUE, value, sizeof value};
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ATTRIBUTE kept[] = {{CKA_SENSITIVE, &sensitive, 1}, {CKA_EXTRACTABLE, &extractable, 1}};

    assert_int_equal(m->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n && !found; i++) {
        assert_int_equal(m->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &s), CKR_OK);
        assert_int_equal(m->C_FindObjectsInit(s, like, 2), CKR_OK);
        assert_int_equal(m->C_FindObjects(s, &key, 1, &found), CKR_OK);
        assert_int_equal(m->C_FindObjectsFinal(s), CKR_OK);
    }
    assert_int_equal(found, 1);
    assert_int_equal(m->C_GetAttributeValue(s, key, &secret, 1), CKR_ATTRIBUTE_SENSITIVE);
    assert_int_equal(m->C_GetAttributeValue(s, key, kept, 2), CKR_OK);
    assert_true(sensitive && !extractable);
    token_close(t);
    p11_kit_module_release(m);
}

static void *sign_often(void *arg)
{
    for (int i = 0; i < 50; i++)
        assert_signs(arg);
    return NULL;
}

static void two_sessions_sign_at_once(void **unused)
{
    pthread_t threads[2];
    struct token *tokens[] = {made("token=qma;object=one"), made("token=qma;object=two")};

    (void)unused;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sign_often, tokens[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    token_close(tokens[0]);
    assert_signs(tokens[1]); /* closing one leaves the other logged in */
    token_close(tokens[1]);
}

static void a_uri_is_refused_with_what_it_lacks(void **unused)
{
    (void)unused;
    assert_refused(mem_str("token=qma"), ERR_CONFIG, "not a pkcs11: URI");
    assert_refused(mem_str("pkcs11:token=qma"), ERR_CONFIG, "module-path");
    assert_refused(mem_str("pkcs11:token=qma?module-path=softhsm.so"), ERR_CONFIG, "module-path");
    assert_refused(mem_printf("pkcs11:token=qma?module-path=%s&pin-value=1234", SOFTHSM),
                   ERR_CONFIG, "a PIN is not part of it");
    assert_refused(mem_printf("pkcs11:token=qma?module-path=%s&pin-source=pin", SOFTHSM),
                   ERR_CONFIG, "pin-source=file:/");
    assert_refused(mem_printf("pkcs11:token=qma;colour=red?module-path=%s", SOFTHSM), ERR_CONFIG,
                   "nobody knows");
}

static void a_refusal_does_not_repeat_the_pin(void **unused)
{
    struct token *t;
    struct buf why = {0};

    (void)unused;
    char *where = mem_printf("pkcs11:token=qma?module-path=%s&pin-value=314159", SOFTHSM);
    assert_int_equal(token_open(&t, where, &why), ERR_CONFIG);
    assert_null(strstr(buf_cstr(&why), "314159"));
    buf_free(&why);
    mem_free(where);
}

static void a_missing_module_is_named(void **unused)
{
    (void)unused;
    assert_refused(mem_str("pkcs11:token=qma?module-path=/nowhere/module.so"), ERR_TOKEN_MODULE,
                   "/nowhere/module.so");
    assert_refused(mem_printf("pkcs11:token=qma?module-path=%s/softhsm2.conf", root),
                   ERR_TOKEN_MODULE, "softhsm2.conf");
}

static void a_missing_token_is_named(void **unused)
{
    (void)unused;
    assert_refused(uri("token=qmz;object=once", "pin"), ERR_TOKEN_ABSENT, "token=qmz");
    assert_refused(uri("object=once", "pin"), ERR_TOKEN_ABSENT, "several tokens");
}

static void a_pin_is_refused_with_the_cure(void **unused)
{
    char *where = mem_printf("pkcs11:token=qma;object=once?module-path=%s", SOFTHSM);

    (void)unused;
    put("wrong", "4321\n", 0600);
    put("open", "1234\n", 0644);
    put("empty", "\n", 0600);
    assert_refused(uri("token=qma;object=once", "wrong"), ERR_TOKEN_PIN, "/wrong");
    assert_refused(uri("token=qma;object=once", "open"), ERR_FILE_MODE, "chmod 600");
    assert_refused(uri("token=qma;object=once", "empty"), ERR_TOKEN_PIN, "not a PIN");
    assert_refused(uri("token=qma;object=once", "none"), ERR_TOKEN_PIN, "/none");
    assert_refused(where, ERR_TOKEN_PIN, "pin-source=file:/PATH");
}

static void a_key_that_is_not_there_is_not_made_by_opening(void **unused)
{
    (void)unused;
    assert_refused(uri("token=qma;object=nobody", "pin"), ERR_TOKEN_KEY, "object=nobody");
    assert_refused(uri("token=qma;object=nobody", "pin"), ERR_TOKEN_KEY, "no private key");
    assert_refused(uri("token=other;object=once", "pin"), ERR_TOKEN_KEY, "token=other");
}

/* A key pair of the NIST's curve P-256, by a token's own session. */
static void make_other_kind(void)
{
    struct token *in = made("token=qma;object=lends"); /* its login */
    CK_FUNCTION_LIST *m = p11_kit_module_load(SOFTHSM, P11_KIT_MODULE_UNMANAGED);
    CK_SLOT_ID slots[8];
    CK_ULONG n = 8;
    CK_TOKEN_INFO info;
    CK_SESSION_HANDLE s = 0;
    CK_OBJECT_HANDLE public, private;
    CK_BBOOL yes = CK_TRUE;
    uint8_t p256[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
    char label[] = "p256";
    CK_MECHANISM how = {CKM_ECDSA_KEY_PAIR_GEN, NULL, 0};
    CK_ATTRIBUTE shown[] = {{CKA_TOKEN, &yes, 1}, {CKA_EC_PARAMS, p256, sizeof p256}};
    CK_ATTRIBUTE hidden[] = {{CKA_TOKEN, &yes, 1}, {CKA_LABEL, label, 4}};

    assert_int_equal(m->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n && !s; i++)
        if (m->C_GetTokenInfo(slots[i], &info) == CKR_OK && memcmp(info.label, "qma ", 4) == 0)
            assert_int_equal(
                m->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &s),
                CKR_OK);
    assert_int_equal(m->C_GenerateKeyPair(s, &how, shown, 2, hidden, 2, &public, &private), CKR_OK);
    token_close(in);
    p11_kit_module_release(m);
}

static void a_key_of_another_kind_is_refused(void **unused)
{
    (void)unused;
    make_other_kind();
    assert_refused(uri("token=qma;object=p256", "pin"), ERR_TOKEN_KEY, "another kind than Ed25519");
}

static void a_key_that_several_have_is_refused(void **unused)
{
    (void)unused;
    token_close(made("token=qma;object=twin;id=%21"));
    token_close(made("token=qma;object=twin;id=%22"));
    assert_refused(uri("token=qma;object=twin", "pin"), ERR_TOKEN_KEY, "several keys");
}

static void a_token_that_goes_away_does_not_sign(void **unused)
{
    struct token *t = made("token=other;object=goes");
    uint8_t signature[TOKEN_SIGNATURE_SIZE];

    (void)unused;
    assert_signs(t);
    run(mem_printf("mv %s/tokens %s/away", root, root));
    assert_int_equal(token_sign(t, slice_str("text"), signature), ERR_TOKEN);
    run(mem_printf("mv %s/away %s/tokens", root, root));
    token_close(t);
}

static void a_point_is_taken_bare_and_as_an_octet_string(void **unused)
{
    uint8_t bytes[2 + TOKEN_KEY_SIZE + 1] = {0x04, TOKEN_KEY_SIZE, 0x04, TOKEN_KEY_SIZE, 5},
                                       out[TOKEN_KEY_SIZE];
    const struct slice key = slice_of(bytes + 2, TOKEN_KEY_SIZE);

    (void)unused;
    assert_true(token_point(out, key));
    assert_memory_equal(out, key.data, TOKEN_KEY_SIZE);
    memset(out, 0, sizeof out);
    assert_true(token_point(out, slice_of(bytes, 2 + TOKEN_KEY_SIZE)));
    assert_memory_equal(out, key.data, TOKEN_KEY_SIZE);
    assert_false(token_point(out, slice_of(bytes, 2 + TOKEN_KEY_SIZE + 1)));
    assert_false(token_point(out, slice_of(bytes, TOKEN_KEY_SIZE - 1)));
    assert_false(token_point(out, slice_of(NULL, 0)));
    bytes[0] = 0x03; /* a BIT STRING */
    assert_false(token_point(out, slice_of(bytes, 2 + TOKEN_KEY_SIZE)));
}

/* ---- key files ---- */

static void move_to(struct seat_key *key, const char *path)
{
    char *where = uri(path, "pin");
    struct buf why = {0};

    if (seat_key_to_token(key, where, &why) != 0)
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    mem_free(where);
}

static void a_file_names_its_token_and_holds_no_seed(void **unused)
{
    struct seat_key key, back;
    struct buf text = {0}, why = {0}, event = {0};
    char *file = in_root("bela.key");
    const struct slice envelope = slice_str("envelope");

    (void)unused;
    seat_key_make(&key, "bela", "QMA/npc");
    move_to(&key, "token=qma;object=bela");
    assert_int_equal(seat_key_write(&key, file), 0);
    assert_int_equal(file_read(file, &text), 0);
    assert_non_null(strstr(buf_cstr(&text), "sign-token = pkcs11:token=qma;object=bela?"));
    assert_null(strstr(buf_cstr(&text), "sign-seed"));

    assert_int_equal(seat_key_read(&back, file, &why), 0); /* for who only looks */
    assert_null(back.token);
    assert_memory_equal(back.sign_public, key.sign_public, KEY_SIZE);
    seat_key_clear(&back);
    assert_int_equal(seat_key_open(&back, file, &why), 0);
    assert_int_equal(sign_events(&back, &envelope, 1, &event), 0);
    seat_key_clear(&back);
    seat_key_clear(&key);
    buf_free(&text);
    buf_free(&why);
    buf_free(&event);
    mem_free(file);
}

static void a_file_of_another_key_than_the_tokens_is_refused(void **unused)
{
    struct seat_key key, back;
    struct buf why = {0};
    char *file = in_root("cora.key");

    (void)unused;
    seat_key_make(&key, "cora", "QMA/npc");
    move_to(&key, "token=qma;object=cora");
    key.sign_public[0] ^= 1;
    assert_int_equal(seat_key_write(&key, file), 0);
    assert_int_equal(seat_key_open(&back, file, &why), ERR_TOKEN_KEY);
    assert_non_null(strstr(buf_cstr(&why), "another key"));
    seat_key_clear(&key);
    buf_free(&why);
    mem_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_once_and_signs),
        cmocka_unit_test(a_signature_is_that_of_libsodium),
        cmocka_unit_test(a_key_is_found_by_its_id),
        cmocka_unit_test(a_key_never_leaves_the_token),
        cmocka_unit_test(two_sessions_sign_at_once),
        cmocka_unit_test(a_uri_is_refused_with_what_it_lacks),
        cmocka_unit_test(a_refusal_does_not_repeat_the_pin),
        cmocka_unit_test(a_missing_module_is_named),
        cmocka_unit_test(a_missing_token_is_named),
        cmocka_unit_test(a_pin_is_refused_with_the_cure),
        cmocka_unit_test(a_key_that_is_not_there_is_not_made_by_opening),
        cmocka_unit_test(a_key_of_another_kind_is_refused),
        cmocka_unit_test(a_key_that_several_have_is_refused),
        cmocka_unit_test(a_token_that_goes_away_does_not_sign),
        cmocka_unit_test(a_point_is_taken_bare_and_as_an_octet_string),
        cmocka_unit_test(a_file_names_its_token_and_holds_no_seed),
        cmocka_unit_test(a_file_of_another_key_than_the_tokens_is_refused),
    };

    return cmocka_run_group_tests(tests, softhsm_make, softhsm_remove);
}
