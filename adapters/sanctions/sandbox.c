/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* ---- limits ---- */

static const struct {
    __rlimit_resource_t resource;
    struct rlimit limit;
} limits[] = {
    {RLIMIT_CPU, {20, 21}}, /* SIGXCPU, and SIGKILL where that is not enough */
    {RLIMIT_FSIZE, {0, 0}},
    {RLIMIT_CORE, {0, 0}},
    {RLIMIT_NOFILE, {0, 0}},
#ifndef SANITIZED
    {RLIMIT_AS, {(rlim_t)512 * 1024 * 1024, (rlim_t)512 * 1024 * 1024}},
#endif
};

static int limits_set(void)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (setrlimit(limits[i].resource, &limits[i].limit) != 0)
            return -errno;
    return 0;
}

/* ---- the filter ---- */

/* A call, and what its arguments must be. */
struct rule {
    int call;
    unsigned n;
    struct scmp_arg_cmp arguments[2];
};

#define EQUALS(argument, value) SCMP_CMP64(argument, SCMP_CMP_EQ, (scmp_datum_t)(value), 0)
#define HAS(argument, bit) \
    SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bit), (scmp_datum_t)(bit))
#define HAS_NOT(argument, bit) SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bit), 0)

static int rules_add(scmp_filter_ctx filter, const struct rule rules[], size_t n)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].call, rules[i].n,
                                    rules[i].arguments);
    return rc;
}

/* Memory is never executable and never of a file; the only signal is one's own abort. */
static int filter_fill(scmp_filter_ctx filter, int file)
{
    const struct rule rules[] = {
        {SCMP_SYS(read), 1, {EQUALS(0, file)}},
        {SCMP_SYS(write), 1, {EQUALS(0, STDOUT_FILENO)}},
        {SCMP_SYS(write), 1, {EQUALS(0, STDERR_FILENO)}},
        {SCMP_SYS(mmap), 2, {HAS_NOT(2, PROT_EXEC), HAS(3, MAP_ANONYMOUS)}},
        {SCMP_SYS(mprotect), 1, {HAS_NOT(2, PROT_EXEC)}},
        {SCMP_SYS(munmap), 0, {{0}}},
        {SCMP_SYS(mremap), 0, {{0}}},
        {SCMP_SYS(madvise), 0, {{0}}},
        {SCMP_SYS(brk), 0, {{0}}},
        {SCMP_SYS(getrandom), 0, {{0}}}, /* expat's and malloc's salts */
        {SCMP_SYS(sysinfo), 0, {{0}}},   /* qsort, for how much it may copy */
        {SCMP_SYS(rt_sigprocmask), 0, {{0}}},
        {SCMP_SYS(getpid), 0, {{0}}},
        {SCMP_SYS(gettid), 0, {{0}}},
        {SCMP_SYS(tgkill), 2, {EQUALS(0, getpid()), EQUALS(2, SIGABRT)}},
        {SCMP_SYS(exit_group), 0, {{0}}},
#ifdef SANITIZED
        {SCMP_SYS(sigaltstack), 0, {{0}}},
#endif
    };

    return rules_add(filter, rules, sizeof rules / sizeof *rules);
}

/* Loading it sets no_new_privs too.  A service manager may keep seccomp(2) itself from its
 * services; then the library knows no KILL_PROCESS and uses prctl(2), and the process is its one
 * thread. */
static int filter_load(int file)
{
    uint32_t action = SCMP_ACT_KILL_PROCESS;
    scmp_filter_ctx filter = seccomp_init(action);

    if (!filter)
        filter = seccomp_init(action = SCMP_ACT_KILL_THREAD);
    if (!filter)
        return -ENOMEM;
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, action);
    if (rc == 0)
        rc = filter_fill(filter, file);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}

int sandbox_enter(int file)
{
    tzset(); /* timegm reads the zone's file at its first use */
    int rc = limits_set();
    if (rc == 0)
        rc = filter_load(file);
    if (rc == 0)
        return 0;
    errno = -rc;
    return ERR_IO;
}
