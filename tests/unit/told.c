/* SPDX-License-Identifier: Apache-2.0 */
/* told - whether mails tell of all notices */
#include "tests/support/test.h"

#include "adapters/terminal/told.h"

static bool told(const char *alerts, const char *notices)
{
    return told_all(slice_str(alerts), slice_str(notices));
}

static void all_is_told_when_mails_name_every_substantive_notice(void **unused)
{
    static const char notices[] =
        "{\"position\":7,\"payload\":{\"weight\":\"WEIGHT_SUBSTANTIVE\"}}\n"
        "{\"position\":8,\"payload\":{\"weight\":\"WEIGHT_EDITORIAL\"}}\n"
        "{\"position\":9,\"payload\":{\"weight\":\"WEIGHT_SUBSTANTIVE\"}}\n";

    (void)unused;
    assert_true(told("", ""));
    assert_false(told("", notices));
    assert_false(told("{\"payload\":{\"causes\":[\"7\"]}}\n", notices));
    assert_false(told("{\"payload\":{\"causes\":[\"7\",\"8\"]}}\n", notices));
    assert_true(told("{\"payload\":{\"rule\":\"un\"}}\n{\"payload\":{\"causes\":[\"9\"]}}\n"
                     "{\"payload\":{\"causes\":[\"7\"]}}",
                     notices));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_told_when_mails_name_every_substantive_notice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
