/* SPDX-License-Identifier: Apache-2.0 */
/* merge.c - inputs and own answers, in whatever order the two readings bring them */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/merge.h"

enum { LARGE = 512 * 1024, MANY = 100, ROUNDS_MOST = 10000 };

/* As item_new makes it, but for the signature, which the merge does not look at. */
static struct item *item(uint64_t position, uint64_t cause, uint32_t ordinal, uint32_t of,
                         size_t size)
{
    struct arena *arena = arena_new(2 * (size_t)LARGE);
    struct item *made = arena_take(arena, sizeof *made);
    Core__Envelope *envelope = arena_take(arena, sizeof *envelope);

    core__envelope__init(envelope);
    envelope->cause = cause;
    envelope->ordinal = ordinal;
    envelope->of = of;
    made->position = position;
    made->envelope = envelope;
    made->payload = slice_of(arena_take(arena, size), size);
    made->arena = arena;
    return made;
}

static void input(struct merge *m, uint64_t position, bool answered, size_t size)
{
    struct item *made = item(position, 0, 0, 0, size);

    merge_input(m, &made, answered);
    assert_null(made);
}

static void own(struct merge *m, uint64_t position, uint64_t cause, uint32_t ordinal, uint32_t of,
                size_t size)
{
    struct item *made = item(position, cause, ordinal, of, size);

    merge_own(m, &made);
    assert_null(made);
}

static void shows(struct merge *m, enum merge_state state, uint64_t position, size_t answers)
{
    const struct item *first, *const *list;
    size_t n;

    assert_int_equal(merge_peek(m, &first, &list, &n), state);
    assert_int_equal(first ? first->position : 0, position);
    assert_int_equal(n, answers);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(list[i]->envelope->ordinal, i);
}

static void an_input_is_shown_with_its_answers_when_all_are_there(void **unused)
{
    struct merge *m = merge_new();

    (void)unused;
    shows(m, MERGE_NOTHING, 0, 0);
    own(m, 7, 5, 0, 2, 1);
    shows(m, MERGE_NOTHING, 0, 0);
    input(m, 4, false, 1);
    shows(m, MERGE_PLAIN, 4, 0);
    merge_pop(m);
    input(m, 5, true, 1);
    shows(m, MERGE_PART, 5, 1);
    shows(m, MERGE_PART, 5, 1);
    own(m, 8, 5, 1, 2, 1);
    shows(m, MERGE_ANSWERED, 5, 2);
    own(m, 9, 6, 0, 1, 1);
    input(m, 6, true, 1);
    shows(m, MERGE_ANSWERED, 5, 2);
    merge_pop(m);
    shows(m, MERGE_ANSWERED, 6, 1);
    merge_pop(m);
    assert_true(merge_empty(m));
    merge_free(m);
}

static void a_log_that_does_not_fit_is_noticed(void **unused)
{
    struct merge *m = merge_new();

    (void)unused;
    own(m, 9, 3, 0, 1, 1); /* answers nothing that comes */
    own(m, 10, 7, 0, 1, 1);
    input(m, 5, true, 1);
    shows(m, MERGE_ORPHAN, 5, 1);
    shows(m, MERGE_ORPHAN, 5, 1);
    merge_pop(m);
    shows(m, MERGE_SKIPPED, 5, 0); /* a later one is answered */
    merge_pop(m);
    input(m, 7, false, 1);
    shows(m, MERGE_ORPHAN, 7, 1); /* nobody answers such an input */
    merge_free(m);
}

struct reading { /* what a reading still has to bring */
    uint64_t next, last;
};

/* Two readings of a log whose inputs 1 .. MANY are plain but the last, which has MANY answers: each
 * brings an event when it is its turn and the merge wants one. */
static void goes_through(bool own_first)
{
    struct merge *m = merge_new();
    struct reading inputs = {1, MANY}, answers = {0, MANY - 1};
    bool done = false;

    for (int round = 0; !done; round++) {
        const struct item *first, *const *list;
        size_t n;
        assert_true(round < ROUNDS_MOST);
        while (own_first && answers.next <= answers.last && merge_wants_own(m)) {
            own(m, 1000 + answers.next, MANY, (uint32_t)answers.next, MANY, LARGE);
            answers.next++;
        }
        if (inputs.next <= inputs.last && merge_wants_input(m)) {
            input(m, inputs.next, inputs.next == inputs.last, LARGE);
            inputs.next++;
        }
        if (answers.next <= answers.last && merge_wants_own(m)) {
            own(m, 1000 + answers.next, MANY, (uint32_t)answers.next, MANY, LARGE);
            answers.next++;
        }
        enum merge_state state = merge_peek(m, &first, &list, &n);
        if (state == MERGE_PLAIN || state == MERGE_ANSWERED)
            merge_pop(m);
        done = state == MERGE_ANSWERED;
    }
    assert_true(merge_empty(m));
    merge_free(m);
}

static void whatever_comes_first_what_is_held_is_bounded_and_goes_on(void **unused)
{
    struct merge *m = merge_new();
    size_t n = 0;

    (void)unused;
    goes_through(true);
    goes_through(false);
    for (; merge_wants_input(m); n++)
        input(m, n + 1, true, LARGE);
    assert_in_range(n, 2, MANY);
    merge_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_input_is_shown_with_its_answers_when_all_are_there),
        cmocka_unit_test(a_log_that_does_not_fit_is_noticed),
        cmocka_unit_test(whatever_comes_first_what_is_held_is_bounded_and_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
