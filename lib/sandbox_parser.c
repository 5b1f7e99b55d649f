/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_parser.c - the parser's bounds, which are tighter than any process's: see sandbox.h */
#include "lib/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/sandbox_filter.h"

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

/* Memory is never executable and never of a file; the only signal is one's own abort. */
static int fill(scmp_filter_ctx filter, int file)
{
    const struct filter_rule rules[] = {
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

    return filter_add(filter, SCMP_ACT_ALLOW, rules, sizeof rules / sizeof *rules);
}

/* Loading it sets no_new_privs too. */
static int load(int file)
{
    scmp_filter_ctx filter = filter_new(filter_death());
    int rc = filter ? fill(filter, file) : -ENOMEM;

    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc;
}

int sandbox_parser(int file)
{
    tzset(); /* timegm reads the zone's file at its first use */
    int rc = limits_set();
    if (rc == 0)
        rc = load(file);
    if (rc == 0)
        return 0;
    errno = -rc;
    return ERR_IO;
}
