/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_filter.h - a filter of system calls: rules as data, over libseccomp
 *
 * For sandbox*.c alone.
 */
#pragma once

#include <seccomp.h>
#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

/* A call, and what its arguments must be. */
struct filter_rule {
    int call;
    unsigned n;
    struct scmp_arg_cmp arguments[2];
};

#define EQUALS(argument, value) SCMP_CMP64(argument, SCMP_CMP_EQ, (scmp_datum_t)(value), 0)
#define IS(argument, mask, value) \
    SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))
#define HAS(argument, bits) IS(argument, bits, bits)
#define HAS_NOT(argument, bits) IS(argument, bits, 0)

/* What ends whoever makes a call that he may not: the process, or its thread where a service
 * manager keeps seccomp(2) itself from its services, for then the library uses prctl(2). */
uint32_t filter_death(void);
/* A filter that answers each call with `otherwise`; NULL where there is none to be had. */
scmp_filter_ctx filter_new(uint32_t otherwise);
/* `action` is the answer to the calls of these rules.  0 or -errno. */
int filter_add(scmp_filter_ctx filter, uint32_t action, const struct filter_rule rules[], size_t n);
