/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/slice.h"

static void *mem_check(void *p)
{
    if (!p) {
        fputs("mem: out of memory\n", stderr);
        abort();
    }
    return p;
}

enum {
    KEPT = 32 * 1024 * 1024, /* free at the heap's end before it is given back */
    STEP = 1024 * 1024,
    PIECE = 4 * 1024 * 1024, /* what is larger comes from the system, and goes back at once */
};

void mem_for_rushes(void)
{
    mallopt(M_TRIM_THRESHOLD, KEPT);
    mallopt(M_TOP_PAD, STEP);
    mallopt(M_MMAP_THRESHOLD, PIECE);
}

void *mem_new(size_t size)
{
    return mem_check(calloc(1, size ? size : 1));
}

void *mem_grow(void *p, size_t size)
{
    return mem_check(realloc(p, size ? size : 1));
}

char *mem_str(const char *s)
{
    return s ? mem_strn(s, strlen(s)) : NULL;
}

char *mem_strn(const void *data, size_t size)
{
    char *copy = mem_check(malloc(size + 1));

    if (size)
        memcpy(copy, data, size);
    copy[size] = '\0';
    return copy;
}

void mem_free(void *p)
{
    free(p);
}

char *mem_printf(const char *format, ...)
{
    struct buf b = {0};
    va_list args;

    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    va_start(args, format);
    vsnprintf((char *)buf_grow(&b, (size_t)n + 1), (size_t)n + 1, format, args);
    va_end(args);
    return (char *)b.data;
}

/* Blocks in a list, taken from one after the other; the first of them are kept over resets. */
struct block {
    struct block *next;
    size_t size, used;
    max_align_t data[];
};

struct kept { /* what is released with the arena's memory */
    struct kept *next;
    void (*release)(void *p);
    void *p;
};

struct arena {
    ProtobufCAllocator allocator;
    struct block *first, *last; /* those behind `last` are empty */
    struct kept *kept;
    size_t cap, taken, held;
};

enum { BLOCK_SIZE = 16 * 1024, BLOCKS_KEPT = 128 * 1024 };

static void *allocator_alloc(void *arena, size_t size)
{
    return arena_take(arena, size);
}

static void allocator_free(void *arena, void *p)
{
    (void)arena, (void)p;
}

static struct block *block_new(struct arena *a, size_t size)
{
    struct block *b = mem_check(malloc(sizeof *b + size));

    *b = (struct block){.size = size};
    a->held += sizeof *b + size;
    return b;
}

struct arena *arena_new_for(size_t size, size_t cap)
{
    struct arena *a = mem_new(sizeof *a);

    *a = (struct arena){
        .allocator = {allocator_alloc, allocator_free, a}, .cap = cap, .held = sizeof *a};
    a->first = a->last = block_new(a, size);
    return a;
}

struct arena *arena_new(size_t cap)
{
    return arena_new_for(BLOCK_SIZE, cap);
}

size_t arena_held(const struct arena *a)
{
    return a->held;
}

static void blocks_free(struct arena *a, struct block *b)
{
    while (b) {
        struct block *next = b->next;
        a->held -= sizeof *b + b->size;
        free(b);
        b = next;
    }
}

static void release_kept(struct arena *a)
{
    for (struct kept *k = a->kept; k; k = k->next)
        k->release(k->p);
    a->kept = NULL;
}

void arena_free(struct arena *a)
{
    if (a) {
        release_kept(a);
        blocks_free(a, a->first);
        mem_free(a);
    }
}

void arena_reset(struct arena *a)
{
    size_t size = a->first->size;
    struct block *last = a->first;

    release_kept(a);
    for (last->used = 0; last->next && size + last->next->size <= BLOCKS_KEPT; last->used = 0) {
        last = last->next;
        size += last->size;
    }
    blocks_free(a, last->next);
    last->next = NULL;
    a->last = a->first;
    a->taken = 0;
}

/* A block behind the last one with room for it; what lies behind and is too small is passed over.
 */
static void next_block(struct arena *a, size_t need)
{
    while (a->last->next) {
        a->last = a->last->next;
        if (need <= a->last->size)
            return;
    }
    a->last->next = block_new(a, need > BLOCK_SIZE ? need : BLOCK_SIZE);
    a->last = a->last->next;
}

void *arena_room(struct arena *a, size_t size)
{
    const size_t align = _Alignof(max_align_t);

    if (size > a->cap - a->taken)
        return NULL;
    size_t need = (size + align - 1) / align * align;
    if (need > a->last->size - a->last->used)
        next_block(a, need);
    void *p = (uint8_t *)a->last->data + a->last->used;
    a->last->used += need;
    a->taken += size;
    return p;
}

void *arena_take(struct arena *a, size_t size)
{
    void *p = arena_room(a, size);

    return p ? memset(p, 0, size) : NULL;
}

void *arena_copy(struct arena *a, const void *data, size_t size)
{
    void *copy = arena_room(a, size);

    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

char *arena_text(struct arena *a, const void *data, size_t size)
{
    char *copy = arena_room(a, size + 1);

    if (copy && size)
        memcpy(copy, data, size);
    if (copy)
        copy[size] = '\0';
    return copy;
}

bool arena_keep(struct arena *a, void (*release)(void *p), void *p)
{
    struct kept *k = arena_room(a, sizeof *k);

    if (!k)
        return false;
    *k = (struct kept){a->kept, release, p};
    a->kept = k;
    return true;
}

ProtobufCAllocator *arena_allocator(struct arena *a)
{
    return &a->allocator;
}
