/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/sandbox_filter.h"

uint32_t filter_death(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

    seccomp_release(filter);
    return filter ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_KILL_THREAD;
}

scmp_filter_ctx filter_new(uint32_t otherwise)
{
    scmp_filter_ctx filter = seccomp_init(otherwise);

    if (filter && seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, filter_death()) != 0) {
        seccomp_release(filter);
        filter = NULL;
    }
    return filter;
}

int filter_add(scmp_filter_ctx filter, uint32_t action, const struct filter_rule rules[], size_t n)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = seccomp_rule_add_array(filter, action, rules[i].call, rules[i].n, rules[i].arguments);
    return rc;
}
