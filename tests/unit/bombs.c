/* SPDX-License-Identifier: Apache-2.0 */
/* Bombs (support/bombs.h): what their reading takes of memory, the arena's and the heap's. */
#include "tests/support/bombs.h"

#include <stdio.h>

#include "lib/err.h"
#include "lib/scan.h"
#include "tests/support/test.h"

enum { TIMES = 16, ARENA = 64 << 20 };

/* Of the sanitizer, where there is one: bytes that malloc and free are asked for. */
int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void *, size_t),
                                              void (*)(const volatile void *))
    __attribute__((weak));
size_t __sanitizer_get_allocated_size(const volatile void *p) __attribute__((weak));

static size_t now, most; /* on the heap since the last bomb */

static void on_malloc(const volatile void *p, size_t size)
{
    (void)p;
    now += size;
    most = now > most ? now : most;
}

static void on_free(const volatile void *p)
{
    size_t size = p ? __sanitizer_get_allocated_size(p) : 0;

    now -= size < now ? size : now;
}

struct tally {
    size_t bombs, passed, worst;
    char name[256];
};

static void set_off(void *arg, const struct bomb *b)
{
    struct tally *t = arg;
    char where[128];
    int err;

    now = most = 0;
    struct arena *arena = arena_new(ARENA);
    const void *m = scan_unpack_lent(b->type, b->bytes, arena, &err, where);
    size_t cost = most > arena_held(arena) ? most : arena_held(arena);
    arena_free(arena);
    assert_true((m != NULL) == (err == 0));
    assert_true(err == 0 || err == ERR_BOUNDS || err == ERR_MALFORMED || err == ERR_TEXT);
    t->bombs++;
    t->passed += m != NULL;
    if (cost > t->worst) {
        t->worst = cost;
        snprintf(t->name, sizeof t->name, "%s of %zu bytes: %s", b->name, b->bytes.size,
                 err_code(err));
    }
    if (cost > TIMES * (size_t)BOMB_MOST)
        fail_msg("%s: %zu bytes cost %zu, err %s", b->name, b->bytes.size, cost, err_code(err));
}

static void no_bomb_costs_sixteen_times_what_it_could_weigh(void **unused)
{
    struct tally t = {0};

    (void)unused;
    bombs_each(set_off, &t);
    print_message("%zu bombs, %zu of them pass; the dearest takes %zu bytes, %.1f times 256 KiB: "
                  "%s\n",
                  t.bombs, t.passed, t.worst, (double)t.worst / BOMB_MOST, t.name);
    assert_in_range(t.bombs, 100, 10000);
    assert_in_range(t.passed, 30, t.bombs - 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_bomb_costs_sixteen_times_what_it_could_weigh),
    };

    if (__sanitizer_install_malloc_and_free_hooks)
        __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
