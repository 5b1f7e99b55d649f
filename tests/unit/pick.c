/* SPDX-License-Identifier: Apache-2.0 */
/* pick - which snapshot is meant by the beginning of its hash */
#include "tests/support/test.h"

#include "adapters/terminal/pick.h"

/* Two lists wait, with hashes that differ in the tenth digit. */
static void a_snapshot_is_named_by_the_beginning_of_its_hash(void **unused)
{
    uint8_t a[32] = {0xab, 0xcd, 0xef, 0x01, 0x23}, b[32] = {0xab, 0xcd, 0xef, 0x01, 0x24};
    Embargo__SnapshotSetAside waits[2];
    Embargo__ListStatus lists[3], *at[3];
    Embargo__ListStatuses statuses = EMBARGO__LIST_STATUSES__INIT;
    size_t n;

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        embargo__list_status__init(&lists[i]);
        at[i] = &lists[i];
    }
    for (size_t i = 0; i < 2; i++) {
        embargo__snapshot_set_aside__init(&waits[i]);
        waits[i].snapshot = (ProtobufCBinaryData){32, i ? b : a};
        lists[i].set_aside = &waits[i]; /* the third list has none */
    }
    statuses.n_lists = 3;
    statuses.lists = at;
    assert_ptr_equal(pick_snapshot(&statuses, "abcdef0123", &n), &lists[0]);
    assert_ptr_equal(pick_snapshot(&statuses, "ABCDEF0124", &n), &lists[1]);
    assert_int_equal(n, 1);
    assert_null(pick_snapshot(&statuses, "abcdef01", &n));
    assert_int_equal(n, 2);
    assert_null(pick_snapshot(&statuses, "abcdef02", &n));
    assert_int_equal(n, 0);
}

static void few_digits_name_no_snapshot(void **unused)
{
    char digits[66] = "";

    (void)unused;
    memset(digits, 'a', 65);
    assert_false(pick_valid(""));
    assert_false(pick_valid("abcdef0"));
    assert_true(pick_valid("abcdef01"));
    assert_true(pick_valid("ABCDEF01"));
    assert_false(pick_valid("abcdefg1"));
    assert_false(pick_valid(digits));
    assert_true(pick_valid(digits + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_is_named_by_the_beginning_of_its_hash),
        cmocka_unit_test(few_digits_name_no_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
