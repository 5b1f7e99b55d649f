/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c - trees and proofs beside the definitions of RFC 6962 section 2.1, word for word */
#include "lib/tree.h"
#include "lib/err.h"
#include "tests/support/test.h"

enum { LEAVES = 64, STORED = 2 * LEAVES };

struct fixture {
    struct hash leaves[LEAVES], stored[STORED], roots[LEAVES + 1];
    struct tree trees[LEAVES + 1];
    uint64_t n_stored;
};

/* MTH of RFC 6962 */
static struct hash naive_root(const struct hash leaves[], size_t n)
{
    struct hash h, left, right;
    size_t k = 1;

    if (n == 0) {
        hash_sha256(&h, slice_of(NULL, 0));
        return h;
    }
    if (n == 1)
        return leaves[0];
    while (2 * k < n)
        k *= 2;
    left = naive_root(leaves, k);
    right = naive_root(leaves + k, n - k);
    tree_node(&h, &left, &right);
    return h;
}

/* PATH(m, D[n]) */
static int naive_path(size_t m, const struct hash leaves[], size_t n, struct hash path[])
{
    size_t k = 1;
    int length;

    if (n == 1)
        return 0;
    while (2 * k < n)
        k *= 2;
    if (m < k) {
        length = naive_path(m, leaves, k, path);
        path[length] = naive_root(leaves + k, n - k);
    } else {
        length = naive_path(m - k, leaves + k, n - k, path);
        path[length] = naive_root(leaves, k);
    }
    return length + 1;
}

/* SUBPROOF(m, D[n], b) */
static int naive_subproof(size_t m, const struct hash leaves[], size_t n, bool whole,
                          struct hash path[])
{
    size_t k = 1;
    int length;

    if (m == n) {
        if (!whole)
            path[0] = naive_root(leaves, n);
        return whole ? 0 : 1;
    }
    while (2 * k < n)
        k *= 2;
    if (m <= k) {
        length = naive_subproof(m, leaves, k, whole, path);
        path[length] = naive_root(leaves + k, n - k);
    } else {
        length = naive_subproof(m - k, leaves + k, n - k, false, path);
        path[length] = naive_root(leaves, k);
    }
    return length + 1;
}

static int read_stored(void *arg, uint64_t index, struct hash *out)
{
    struct fixture *f = arg;

    assert_true(index < f->n_stored);
    *out = f->stored[index];
    return 0;
}

static int read_fails(void *arg, uint64_t index, struct hash *out)
{
    (void)arg, (void)index, (void)out;
    return ERR_IO;
}

static int grow(void **state)
{
    static struct fixture f;

    for (uint8_t i = 0; i < LEAVES; i++)
        tree_leaf(&f.leaves[i], slice_of(&i, 1));
    tree_root(&f.trees[0], &f.roots[0]);
    for (int i = 0; i < LEAVES; i++) {
        f.trees[i + 1] = f.trees[i];
        struct hash stored[TREE_LEVELS];
        int n = tree_append(&f.trees[i + 1], &f.leaves[i], stored);
        memcpy(f.stored + f.n_stored, stored, (size_t)n * sizeof stored[0]);
        f.n_stored += (uint64_t)n;
        tree_root(&f.trees[i + 1], &f.roots[i + 1]);
    }
    *state = &f;
    return 0;
}

static void roots_of_all_sizes_are_those_of_the_definition(void **state)
{
    struct fixture *f = *state;

    for (size_t n = 0; n <= LEAVES; n++) {
        struct hash naive = naive_root(f->leaves, n);
        assert_true(hash_equal(&f->roots[n], &naive));
    }
}

static void stored_hashes_lie_where_their_number_says(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(tree_stored_count(LEAVES), f->n_stored);
    for (int level = 0; level <= 6; level++)
        for (uint64_t i = 0; (i + 1) << level <= LEAVES; i++) {
            struct hash naive = naive_root(f->leaves + (i << level), (size_t)1 << level);
            assert_true(hash_equal(&f->stored[tree_stored_index(level, i)], &naive));
        }
    /* the example of golang.org/x/mod/sumdb/tlog */
    assert_int_equal(tree_stored_index(0, 0), 0);
    assert_int_equal(tree_stored_index(1, 0), 2);
    assert_int_equal(tree_stored_index(0, 4), 7);
    assert_int_equal(tree_stored_index(3, 0), 14);
}

static void a_tree_of_any_size_is_loaded_from_stored_hashes(void **state)
{
    struct fixture *f = *state;

    for (uint64_t n = 0; n <= LEAVES; n++) {
        struct tree t;
        assert_int_equal(tree_load(&t, n, read_stored, f), 0);
        assert_int_equal(t.size, n);
        assert_int_equal(t.depth, f->trees[n].depth);
        assert_memory_equal(t.edge, f->trees[n].edge, (size_t)t.depth * sizeof t.edge[0]);
    }
}

static void flip(struct hash *h)
{
    h->bytes[17] ^= 1;
}

/* No proof of another leaf, size, length or with another hash passes. */
static void spoil_inclusion(struct fixture *f, uint64_t i, uint64_t size, struct hash path[], int n)
{
    const struct hash *leaf = &f->leaves[i], *root = &f->roots[size];

    for (int k = 0; k < n; k++) {
        flip(&path[k]);
        assert_false(tree_check_inclusion(i, size, leaf, path, n, root));
        flip(&path[k]);
    }
    if (n > 0)
        assert_false(tree_check_inclusion(i, size, leaf, path, n - 1, root));
    path[n] = f->leaves[0];
    assert_false(tree_check_inclusion(i, size, leaf, path, n + 1, root));
    for (uint64_t other = 0; other < size; other++)
        if (other != i)
            assert_false(tree_check_inclusion(other, size, leaf, path, n, root));
    assert_false(tree_check_inclusion(i, size, &f->leaves[(i + 1) % LEAVES], path, n, root));
    assert_false(tree_check_inclusion(size, size, leaf, path, n, root));
    assert_false(tree_check_inclusion(0, 0, leaf, path, 0, leaf));
}

static void inclusion_proofs_are_those_of_the_definition_and_no_other_passes(void **state)
{
    struct fixture *f = *state;

    for (uint64_t size = 1; size <= LEAVES; size++)
        for (uint64_t i = 0; i < size; i++) {
            struct hash path[TREE_LEVELS], naive[TREE_LEVELS];
            int n;
            assert_int_equal(tree_inclusion(i, size, read_stored, f, path, &n), 0);
            assert_int_equal(n, naive_path(i, f->leaves, size, naive));
            assert_memory_equal(path, naive, (size_t)n * sizeof path[0]);
            assert_true(tree_check_inclusion(i, size, &f->leaves[i], path, n, &f->roots[size]));
            spoil_inclusion(f, i, size, path, n);
        }
}

static void spoil_consistency(struct fixture *f, uint64_t old, uint64_t size, struct hash path[],
                              int n)
{
    const struct hash *from = &f->roots[old], *to = &f->roots[size];
    const struct hash *wrong = &f->leaves[LEAVES - 1];

    for (int k = 0; k < n; k++) {
        flip(&path[k]);
        assert_false(tree_check_consistency(old, size, from, to, path, n));
        flip(&path[k]);
    }
    if (n > 0)
        assert_false(tree_check_consistency(old, size, from, to, path, n - 1));
    path[n] = *wrong;
    assert_false(tree_check_consistency(old, size, from, to, path, n + 1));
    assert_false(tree_check_consistency(old, size, wrong, to, path, n));
    if (old > 0) /* an empty tree is a beginning of any other */
        assert_false(tree_check_consistency(old, size, from, wrong, path, n));
    if (old < size)
        assert_false(tree_check_consistency(size, old, to, from, path, n));
}

static void consistency_proofs_are_those_of_the_definition_and_no_other_passes(void **state)
{
    struct fixture *f = *state;

    for (uint64_t size = 0; size <= LEAVES; size++)
        for (uint64_t old = 0; old <= size; old++) {
            struct hash path[TREE_LEVELS], naive[TREE_LEVELS];
            int n;
            assert_int_equal(tree_consistency(old, size, read_stored, f, path, &n), 0);
            if (old > 0) {
                assert_int_equal(n, naive_subproof(old, f->leaves, size, true, naive));
                assert_memory_equal(path, naive, (size_t)n * sizeof path[0]);
            }
            assert_true(
                tree_check_consistency(old, size, &f->roots[old], &f->roots[size], path, n));
            spoil_consistency(f, old, size, path, n);
        }
}

static void proofs_of_what_is_not_there_are_refused(void **state)
{
    struct fixture *f = *state;
    struct hash path[TREE_LEVELS];
    struct tree t = {.size = 7};
    int n;

    assert_int_equal(tree_inclusion(5, 5, read_stored, f, path, &n), ERR_BOUNDS);
    assert_int_equal(tree_inclusion(0, UINT64_MAX, read_stored, f, path, &n), ERR_BOUNDS);
    assert_int_equal(tree_consistency(6, 5, read_stored, f, path, &n), ERR_BOUNDS);
    assert_int_equal(tree_inclusion(1, 5, read_fails, f, path, &n), ERR_IO);
    assert_int_equal(n, 0);
    assert_int_equal(tree_consistency(2, 5, read_fails, f, path, &n), ERR_IO);
    assert_int_equal(tree_load(&t, 5, read_fails, f), ERR_IO);
    assert_int_equal(t.size, 7);
}

static void small_trees_have_the_roots_and_paths_of_grown_ones(void **state)
{
    struct fixture *f = *state;

    for (size_t size = 1; size <= LEAVES; size++) {
        struct hash root, paths[LEAVES][6], naive[TREE_LEVELS];
        size_t lengths[LEAVES];
        tree_small(f->leaves, size, &root, paths, lengths);
        assert_true(hash_equal(&root, &f->roots[size]));
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(lengths[i], naive_path(i, f->leaves, size, naive));
            assert_memory_equal(paths[i], naive, lengths[i] * sizeof naive[0]);
        }
        tree_small(f->leaves, size, &root, NULL, NULL);
        assert_true(hash_equal(&root, &f->roots[size]));
    }
}

static void hashes_are_those_of_published_vectors(void **unused)
{
    (void)unused;
    struct hash h;
    char hex[65];

    hash_sha256(&h, slice_str("abc")); /* FIPS 180-4 */
    hex_encode(hex, h.bytes, HASH_SIZE);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    tree_leaf(&h, slice_str("")); /* the empty leaf of certificate-transparency's tests */
    hex_encode(hex, h.bytes, HASH_SIZE);
    assert_string_equal(hex, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
}

static void the_leaf_of_the_log_is_its_49_bytes(void **unused)
{
    (void)unused;
    static const uint8_t entry[49] = {1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 1, 0, [17] = 9};
    const struct hash event = {{9}};
    struct hash h, expected;

    tree_log_leaf(&h, UINT64_C(0x0102030405060708), 256, &event);
    tree_leaf(&expected, slice_of(entry, sizeof entry));
    assert_true(hash_equal(&h, &expected));
}

static void a_batch_leaf_is_the_leaf_of_salt_and_envelope(void **unused)
{
    (void)unused;
    struct hash h, expected;

    struct hash_text text = tree_batch_leaf(slice_str("0123456789abcdef"), slice_str("envelope"));
    hash_text(&h, &text);
    tree_leaf(&expected, slice_str("0123456789abcdefenvelope"));
    assert_true(hash_equal(&h, &expected));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_published_vectors),
        cmocka_unit_test(the_leaf_of_the_log_is_its_49_bytes),
        cmocka_unit_test(a_batch_leaf_is_the_leaf_of_salt_and_envelope),
        cmocka_unit_test(roots_of_all_sizes_are_those_of_the_definition),
        cmocka_unit_test(stored_hashes_lie_where_their_number_says),
        cmocka_unit_test(a_tree_of_any_size_is_loaded_from_stored_hashes),
        cmocka_unit_test(inclusion_proofs_are_those_of_the_definition_and_no_other_passes),
        cmocka_unit_test(consistency_proofs_are_those_of_the_definition_and_no_other_passes),
        cmocka_unit_test(proofs_of_what_is_not_there_are_refused),
        cmocka_unit_test(small_trees_have_the_roots_and_paths_of_grown_ones),
    };

    return cmocka_run_group_tests(tests, grow, NULL);
}
