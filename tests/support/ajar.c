/* SPDX-License-Identifier: Apache-2.0 */
/* ajar.c - the broker with one thing that keeps strangers out left undone, as AJAR says
 *
 *   domain    the ZAP domain is not set        handler   there is no ZAP handler
 *   enforced  nor is a domain asked for        unknown   the handler knows every key
 *
 * Words with commas between them.  The linker sends the calls here (--wrap); nothing that is
 * installed is linked with it. */
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "broker/registry.h"
#include "broker/zap.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

#define WRAPPED(type, name, ...)     \
    type __real_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__); \
    type __wrap_##name(__VA_ARGS__)

static bool undone(const char *word)
{
    const char *words = getenv("AJAR");

    return words && strstr(words, word);
}

WRAPPED(int, zmq_setsockopt, void *socket, int option, const void *value, size_t size)
{
    if ((option == ZMQ_ZAP_DOMAIN && undone("domain")) ||
        (option == ZMQ_ZAP_ENFORCE_DOMAIN && undone("enforced")))
        return 0;
    return __real_zmq_setsockopt(socket, option, value, size);
}

WRAPPED(int, zap_open, struct zap **out, uv_loop_t *loop, void *context, zap_admits *admits,
        void *arg, struct buf *why)
{
    return undone("handler") ? 0 : __real_zap_open(out, loop, context, admits, arg, why);
}

/* A key that nobody has passes for the broker's. */
WRAPPED(const struct key *, registry_curve_key, const struct registry *r,
        const uint8_t public_key[KEY_SIZE])
{
    const struct key *key = __real_registry_curve_key(r, public_key);
    const Core__LogFounded *founded = registry_founded(r);

    return key || !undone("unknown") ? key : __real_registry_curve_key(r, founded->server_key.data);
}
