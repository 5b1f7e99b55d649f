/* SPDX-License-Identifier: Apache-2.0 */
/* near - which word was probably meant */
#include "tests/support/test.h"

#include "adapters/terminal/near.h"

static void a_mistake_is_a_letter_more_less_changed_or_swapped(void **unused)
{
    (void)unused;
    assert_int_equal(near_distance("show", "show"), 0);
    assert_int_equal(near_distance("shw", "show"), 1);
    assert_int_equal(near_distance("shhow", "show"), 1);
    assert_int_equal(near_distance("shaw", "show"), 1);
    assert_int_equal(near_distance("hsow", "show"), 1);
    assert_int_equal(near_distance("hsw", "show"), 2);
    assert_int_equal(near_distance("", "show"), 4);
    assert_int_equal(near_distance("statu", "status"), 1);
    assert_int_equal(near_distance("sta", "status"), 1);
    assert_int_equal(near_distance("st", "status"), 4);
}

static void only_what_is_near_is_suggested(void **unused)
{
    static const char far[] = "a word that is much too long to be any of those that there are";

    (void)unused;
    assert_true(near_enough("lst", "list"));
    assert_true(near_enough("histrory", "history"));
    assert_false(near_enough("ls", "up"));
    assert_false(near_enough("nonsense", "list"));
    assert_false(near_enough("x", ""));
    assert_false(near_enough(far, "list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mistake_is_a_letter_more_less_changed_or_swapped),
        cmocka_unit_test(only_what_is_near_is_suggested),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
