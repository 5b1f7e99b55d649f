/* SPDX-License-Identifier: Apache-2.0 */
/* bombs.c - what bytes that are made to cost much (support/bombs.h) cost to read: the dearest ones
 */
#include "tests/support/bombs.h"

#include <stdio.h>

#include "lib/scan.h"
#include "tests/bench/bench.h"

enum { TRIES = 3, ARENA = 64 << 20 };

struct dearest {
    uint64_t ns;
    size_t size;
    char name[256];
};

static uint64_t least(const struct bomb *b)
{
    uint64_t ns = UINT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        struct arena *arena = arena_new(ARENA);
        int err;
        uint64_t begun = bench_now_ns();
        scan_unpack_lent(b->type, b->bytes, arena, &err, NULL);
        uint64_t took = bench_now_ns() - begun;
        ns = took < ns ? took : ns;
        arena_free(arena);
    }
    return ns;
}

static void set_off(void *arg, const struct bomb *b)
{
    struct dearest *d = arg;
    uint64_t ns = least(b);

    if (ns <= d->ns)
        return;
    d->ns = ns;
    d->size = b->bytes.size;
    snprintf(d->name, sizeof d->name, "%s", b->name);
}

int main(int argc, char **argv)
{
    struct bench_options o;
    struct dearest d = {0};

    bench_options(&o, argc, argv, "bombs");
    bombs_each(set_off, &d);
    printf("the dearest bomb: %.3f ms, %zu bytes: %s\n", (double)d.ns / 1e6, d.size, d.name);
    return 0;
}
