/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/proof.h"

#include <sodium.h>
#include <stdlib.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

#define NAME "log.qma.example/main"
enum { SIZE = 13 };

struct log { /* of a few records, with its checkpoint */
    uint8_t seed[KEY_SIZE], key[KEY_SIZE];
    uint8_t entries[SIZE][LOG_ENTRY_SIZE];
    struct hash stored[2 * SIZE];
    struct buf note;
};

static int read_stored(void *arg, uint64_t index, struct hash *out)
{
    *out = ((const struct log *)arg)->stored[index];
    return 0;
}

static void log_make(struct log *l)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    struct tree t = {0};
    struct checkpoint c = {.origin = NAME, .size = SIZE};
    uint64_t n = 0;

    *l = (struct log){0};
    memset(l->seed, 0x22, sizeof l->seed);
    crypto_sign_seed_keypair(l->key, secret, l->seed);
    for (uint64_t i = 0; i < SIZE; i++) {
        struct hash event, leaf, stored[TREE_LEVELS];
        hash_sha256(&event, slice_of(&i, sizeof i));
        tree_log_entry(l->entries[i], i + 1, INT64_C(1767225600000000) + (int64_t)i, &event);
        tree_leaf(&leaf, slice_of(l->entries[i], LOG_ENTRY_SIZE));
        int k = tree_append(&t, &leaf, stored);
        memcpy(l->stored + n, stored, (size_t)k * sizeof stored[0]);
        n += (uint64_t)k;
    }
    tree_root(&t, &c.root);
    checkpoint_sign(&l->note, &c, &(struct sign_key){l->key, l->seed, NULL});
}

static struct proof proof_of(struct log *l, uint64_t index)
{
    struct proof p = {.has_entry = true, .index = index, .note = slice_buf(&l->note)};

    memcpy(p.entry, l->entries[index], LOG_ENTRY_SIZE);
    assert_int_equal(tree_inclusion(index, SIZE, read_stored, l, p.path, &p.n), 0);
    return p;
}

static void a_proof_is_read_as_it_was_printed_and_holds(void **unused)
{
    (void)unused;
    struct log l;
    struct checkpoint c;

    log_make(&l);
    for (uint64_t i = 0; i < SIZE; i++)
        for (int entry = 0; entry < 2; entry++) {
            struct proof p = proof_of(&l, i), again;
            struct buf text = {0}, twice = {0};
            p.has_entry = entry;
            proof_print(&text, &p);
            assert_int_equal(proof_parse(&again, slice_buf(&text)), 0);
            assert_int_equal(again.has_entry, entry);
            assert_int_equal(again.index, i);
            proof_print(&twice, &again);
            assert_true(slice_equal(slice_buf(&text), slice_buf(&twice)));
            assert_int_equal(proof_check(&again, l.entries[i], NAME, l.key, &c), 0);
            assert_int_equal(c.size, SIZE);
            buf_free(&text);
            buf_free(&twice);
        }
    buf_free(&l.note);
}

static void another_entry_or_place_or_log_is_refused(void **unused)
{
    (void)unused;
    struct log l;
    struct checkpoint c;

    log_make(&l);
    struct proof p = proof_of(&l, 5), other = p;
    uint8_t key[KEY_SIZE];
    assert_int_equal(proof_check(&p, l.entries[6], NAME, l.key, &c), ERR_PROOF);
    other.has_entry = false;
    assert_int_equal(proof_check(&other, l.entries[6], NAME, l.key, &c), ERR_PROOF);
    other = p;
    other.index = 4;
    assert_int_equal(proof_check(&other, l.entries[5], NAME, l.key, &c), ERR_PROOF);
    other = p;
    other.n--;
    assert_int_equal(proof_check(&other, l.entries[5], NAME, l.key, &c), ERR_PROOF);
    other = p;
    other.entry[LOG_ENTRY_SIZE - 1] ^= 1; /* of what nothing vouches for */
    assert_int_equal(proof_check(&other, l.entries[5], NAME, l.key, &c), ERR_PROOF);
    assert_int_equal(proof_check(&p, l.entries[5], "other.example", l.key, &c), ERR_SIGNATURE);
    memset(key, 7, sizeof key);
    assert_int_equal(proof_check(&p, l.entries[5], NAME, key, &c), ERR_SIGNATURE);
    buf_free(&l.note);
}

/* Each bit of a proof file: malformed, or it no longer holds. */
static void whatever_bit_is_flipped_is_refused(void **unused)
{
    (void)unused;
    struct log l;
    struct buf text = {0};
    struct checkpoint c;

    log_make(&l);
    struct proof p = proof_of(&l, 5), again;
    proof_print(&text, &p);
    for (size_t i = 0; i < text.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            text.data[i] ^= (uint8_t)(1 << bit);
            if (proof_parse(&again, slice_buf(&text)) == 0)
                assert_int_not_equal(proof_check(&again, l.entries[5], NAME, l.key, &c), 0);
            text.data[i] ^= (uint8_t)(1 << bit);
        }
    for (size_t size = 0; size < text.size; size++)
        if (proof_parse(&again, slice_of(text.data, size)) == 0)
            assert_int_not_equal(proof_check(&again, l.entries[5], NAME, l.key, &c), 0);
    assert_int_equal(proof_parse(&again, slice_buf(&text)), 0);
    assert_int_equal(proof_check(&again, l.entries[5], NAME, l.key, &c), 0);
    buf_free(&text);
    buf_free(&l.note);
}

static void assert_malformed(const char *text)
{
    struct proof p;

    assert_int_equal(proof_parse(&p, slice_str(text)), ERR_MALFORMED);
}

static void what_is_no_proof_is_malformed(void **unused)
{
    (void)unused;
    struct buf long_path = {0};

    assert_malformed("");
    assert_malformed("c2sp.org/tlog-proof@v2\nindex 0\n\n");
    assert_malformed("c2sp.org/tlog-proof@v1\n");
    assert_malformed("c2sp.org/tlog-proof@v1\nindex 00\n\n");
    assert_malformed("c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\n");
    assert_malformed("c2sp.org/tlog-proof@v1\nindex 0\nAA==\n\n");
    assert_malformed("c2sp.org/tlog-proof@v1\nextra AAAA\nindex 0\n\n"); /* another application's */
    assert_malformed("c2sp.org/tlog-proof@v1\nindex 0\n");               /* no empty line */
    buf_add_str(&long_path, "c2sp.org/tlog-proof@v1\nindex 0\n");
    for (int i = 0; i <= TREE_LEVELS; i++)
        buf_add_str(&long_path, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    buf_add_str(&long_path, "\n");
    assert_malformed(buf_cstr(&long_path));
    buf_free(&long_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_is_read_as_it_was_printed_and_holds),
        cmocka_unit_test(another_entry_or_place_or_log_is_refused),
        cmocka_unit_test(whatever_bit_is_flipped_is_refused),
        cmocka_unit_test(what_is_no_proof_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
