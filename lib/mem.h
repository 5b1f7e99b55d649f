/* SPDX-License-Identifier: Apache-2.0 */
/* mem.h - allocation that does not fail, and an arena for one message
 *
 * Bookkeeping does not handle lack of memory: `mem_*` ends the process.  A size chosen by a peer is
 * checked against a limit first.  What a peer's bytes make `unpack` allocate comes from an arena
 * with a cap, and there running out is an ordinary failure.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

void *mem_new(size_t size); /* zeroed; never NULL */
void *mem_grow(void *p, size_t size);
char *mem_str(const char *s);                  /* a copy; NULL gives NULL */
char *mem_strn(const void *data, size_t size); /* a copy with NUL behind it */
void mem_free(void *p);                        /* NULL is fine */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For a program through which many events pass, before its first thread: what a rush takes again
 * and again stays with the process, up to 32 MiB, and is not asked of the system frame by frame. */
void mem_for_rushes(void);

/* Memory for one message: decode, handle, answer, drop it whole. */
struct arena;

struct arena *arena_new(size_t cap); /* bytes that may be taken between two resets */
struct arena *arena_new_for(size_t size, size_t cap); /* for something of about that size */
void arena_free(struct arena *a);                     /* NULL is fine */
size_t arena_held(const struct arena *a);             /* bytes of memory that it takes itself */
void arena_reset(struct arena *a); /* all that was taken is invalid; some blocks stay */
void *arena_take(struct arena *a,
                 size_t size); /* zeroed, aligned for anything; NULL past the cap */
void *arena_room(struct arena *a, size_t size); /* the same, not zeroed */
/* Copies in the arena, the second with a NUL behind it; NULL past the cap. */
void *arena_copy(struct arena *a, const void *data, size_t size);
char *arena_text(struct arena *a, const void *data, size_t size);

/* `release` is called with `p` when the arena is reset or freed, last kept first: true, or false
 * past the cap. */
bool arena_keep(struct arena *a, void (*release)(void *p), void *p);

/* For protobuf-c's unpack: allocations from the arena, frees ignored.  Lives as long as the arena.
 */
ProtobufCAllocator *arena_allocator(struct arena *a);
