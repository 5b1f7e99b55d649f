/* SPDX-License-Identifier: Apache-2.0 */
/* The broker's end: who a message comes from where nobody was asked for a key, and the tree. */
#include <unistd.h>

#include "broker/zap.h"
#include "lib/tree.h"
#include "tests/bench/without.h"

WRAPPED(const char *, zmq_msg_gets, const zmq_msg_t *message, const char *property)
{
    return without("curve") ? getenv("BENCH_SEAT_KEY") : __real_zmq_msg_gets(message, property);
}

WRAPPED(int, zap_self_test, uv_loop_t *loop, void *context, const char *endpoint,
        const uint8_t server_key[KEY_SIZE], const struct seat_key *known, struct buf *why)
{
    return without("curve") ? 0
                            : __real_zap_self_test(loop, context, endpoint, server_key, known, why);
}

/* The main thread opens a log, and compares the leaf; the other one appends. */
WRAPPED(void, tree_log_leaf, struct hash *out, uint64_t position, int64_t received,
        const struct hash *event)
{
    if (!without("tree") || gettid() == getpid())
        __real_tree_log_leaf(out, position, received, event);
}

WRAPPED(int, tree_append, struct tree *t, const struct hash *leaf, struct hash stored[TREE_LEVELS])
{
    return without("tree") ? 0 : __real_tree_append(t, leaf, stored);
}
