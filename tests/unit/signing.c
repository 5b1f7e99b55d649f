/* SPDX-License-Identifier: Apache-2.0 */
/* What may be signed: a log that only grows, and nothing else. */
#include "broker/signing.h"

#include <stdio.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

enum { LEAVES = 300, STORED = 2 * LEAVES };

static const char LOG[] = "log.qma.example/main";

struct log { /* all its stored hashes, and its root at each size */
    struct hash stored[STORED], roots[LEAVES + 1];
};

struct question {
    Core__SignTree m;
    struct hash root, path[TREE_LEVELS + 1];
    ProtobufCBinaryData list[TREE_LEVELS + 1];
};

/* Two logs of different seeds are alike up to leaf `until`. */
static struct log *log_new(unsigned seed, unsigned until)
{
    struct log *l = mem_new(sizeof *l);
    struct tree t = {0};
    size_t n = 0;

    for (unsigned i = 0; i < LEAVES; i++) {
        const unsigned text[] = {i, i < until ? 0 : seed};
        struct hash leaf, stored[TREE_LEVELS];
        tree_leaf(&leaf, slice_of(text, sizeof text));
        int made = tree_append(&t, &leaf, stored);
        memcpy(&l->stored[n], stored, (size_t)made * sizeof *stored);
        n += (size_t)made;
        tree_root(&t, &l->roots[i + 1]);
    }
    return l;
}

static int stored_hash(void *arg, uint64_t index, struct hash *out)
{
    struct log *l = arg;

    *out = l->stored[index];
    return 0;
}

static struct checkpoint at(const struct log *l, uint64_t size)
{
    struct checkpoint c = {.size = size, .root = l->roots[size]};

    snprintf(c.origin, sizeof c.origin, "%s", LOG);
    return c;
}

static void ask(struct question *q, struct log *l, uint64_t before, uint64_t size)
{
    int n = 0;

    *q = (struct question){.m = CORE__SIGN_TREE__INIT, .root = l->roots[size]};
    if (before <= size)
        assert_int_equal(tree_consistency(before, size, stored_hash, l, q->path, &n), 0);
    for (int i = 0; i < TREE_LEVELS + 1; i++)
        q->list[i] = (ProtobufCBinaryData){HASH_SIZE, q->path[i].bytes};
    q->m.log = LOG;
    q->m.size = size;
    q->m.root = (ProtobufCBinaryData){HASH_SIZE, q->root.bytes};
    q->m.n_proof = (size_t)n;
    q->m.proof = q->list;
}

static int check(const struct checkpoint *last, const struct question *q, struct checkpoint *next)
{
    struct buf why = {0};
    int err = signing_check(last, &q->m, next, &why);

    assert_int_equal(err != 0, why.size != 0);
    buf_free(&why);
    return err;
}

static void refused(const struct checkpoint *last, const struct question *q, int err)
{
    struct checkpoint next = {.size = 7};

    assert_int_equal(check(last, q, &next), err);
    assert_int_equal(next.size, 7); /* untouched */
}

static void whatever_extends_what_was_signed_is_signed(void **unused)
{
    struct log *l = log_new(0, 0);

    (void)unused;
    for (uint64_t before = 1; before <= LEAVES; before += 1 + before / 7) {
        const struct checkpoint last = at(l, before);
        for (uint64_t size = before; size <= LEAVES; size++) {
            struct question q;
            struct checkpoint next;
            ask(&q, l, before, size);
            assert_int_equal(check(&last, &q, &next), 0);
            assert_int_equal(next.size, size);
            assert_true(hash_equal(&next.root, &l->roots[size]));
            assert_string_equal(next.origin, LOG);
        }
    }
    mem_free(l);
}

static void fewer_records_are_a_log_that_was_rolled_back(void **unused)
{
    struct log *l = log_new(0, 0);
    const struct checkpoint last = at(l, 200);
    struct question q;

    (void)unused;
    for (uint64_t size = 1; size < 200; size++) {
        ask(&q, l, size, size);
        refused(&last, &q, ERR_ROLLED_BACK);
    }
    mem_free(l);
}

/* It has the proofs of its own tree, and they lead to its own root of the old size. */
static void a_fork_is_signed_at_no_size(void **unused)
{
    (void)unused;
    for (unsigned until = 0; until < 100; until += 9) {
        struct log *l = log_new(0, 0), *fork = log_new(1, until);
        const struct checkpoint last = at(l, 100);
        for (uint64_t size = 100; size <= LEAVES; size++) {
            struct question q;
            ask(&q, fork, 100, size);
            refused(&last, &q, ERR_FORKED);
            q.m.n_proof = 0;
            refused(&last, &q, ERR_FORKED);
        }
        mem_free(l);
        mem_free(fork);
    }
}

static void a_proof_from_another_size_is_none(void **unused)
{
    struct log *l = log_new(0, 0);
    const struct checkpoint last = at(l, 100);

    (void)unused;
    for (uint64_t before = 1; before <= 250; before++) {
        struct question q;
        if (before == 100)
            continue;
        ask(&q, l, before, 250);
        refused(&last, &q, ERR_FORKED);
    }
    mem_free(l);
}

static void what_is_no_question_is_refused_as_such(void **unused)
{
    struct log *l = log_new(0, 0);
    const struct checkpoint last = at(l, 100);
    struct question q;

    (void)unused;
    for (const uint64_t *size = (const uint64_t[]){0, (uint64_t)INT64_MAX + 1, UINT64_MAX, 7};
         *size != 7; size++) {
        ask(&q, l, 100, 250);
        q.m.size = *size;
        refused(&last, &q, ERR_FIELD);
    }
    for (size_t n = 0; n < 100; n += n == HASH_SIZE - 1 ? 2 : 1) { /* all but 32 */
        uint8_t bytes[100] = {0};
        ask(&q, l, 100, 250);
        q.m.root = (ProtobufCBinaryData){n, bytes};
        refused(&last, &q, ERR_FIELD);
        ask(&q, l, 100, 250);
        q.list[q.m.n_proof - 1] = (ProtobufCBinaryData){n, bytes};
        refused(&last, &q, ERR_FIELD);
    }
    ask(&q, l, 100, 250);
    q.m.n_proof = TREE_LEVELS + 1;
    refused(&last, &q, ERR_FIELD);
    mem_free(l);
}

static void another_log_is_refused(void **unused)
{
    static const char *const names[] = {"", "log.qma.example/mai", "log.qma.example/main2",
                                        "log.qmb.example/main", "LOG.qma.example/main"};
    struct log *l = log_new(0, 0);
    const struct checkpoint last = at(l, 100);
    struct question q;

    (void)unused;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ask(&q, l, 100, 250);
        q.m.log = names[i];
        refused(&last, &q, ERR_LOG);
    }
    mem_free(l);
}

/* RFC 6962 lets anything extend the empty tree: no log of ours was ever that. */
static void nothing_is_signed_on_top_of_nothing(void **unused)
{
    struct log *l = log_new(0, 0);
    struct checkpoint last = at(l, 1);
    struct question q;

    (void)unused;
    last.size = 0;
    hash_sha256(&last.root, slice_of(NULL, 0));
    ask(&q, l, 0, 250);
    refused(&last, &q, ERR_FORKED);
    mem_free(l);
}

static void a_right_question_with_any_bit_changed_is_refused(void **unused)
{
    struct log *l = log_new(0, 0);
    const struct checkpoint last = at(l, 100);
    struct question q;
    struct checkpoint next;

    (void)unused;
    ask(&q, l, 100, 250);
    assert_int_equal(check(&last, &q, &next), 0);
    for (size_t i = 0; i < 8 * HASH_SIZE * (q.m.n_proof + 1); i++) {
        uint8_t *byte = i / 8 < HASH_SIZE ? &q.root.bytes[i / 8]
                                          : &q.path[i / 8 / HASH_SIZE - 1].bytes[i / 8 % HASH_SIZE];
        *byte ^= (uint8_t)(1 << i % 8);
        refused(&last, &q, ERR_FORKED);
        *byte ^= (uint8_t)(1 << i % 8);
    }
    assert_int_equal(check(&last, &q, &next), 0);
    mem_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_extends_what_was_signed_is_signed),
        cmocka_unit_test(fewer_records_are_a_log_that_was_rolled_back),
        cmocka_unit_test(a_fork_is_signed_at_no_size),
        cmocka_unit_test(a_proof_from_another_size_is_none),
        cmocka_unit_test(what_is_no_question_is_refused_as_such),
        cmocka_unit_test(another_log_is_refused),
        cmocka_unit_test(nothing_is_signed_on_top_of_nothing),
        cmocka_unit_test(a_right_question_with_any_bit_changed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
