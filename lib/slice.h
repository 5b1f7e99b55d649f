/* SPDX-License-Identifier: Apache-2.0 */
/* slice.h - bytes: a `buf` owns, a `slice` borrows */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice { /* lent: valid as long as what it points into */
    const uint8_t *data;
    size_t size;
};

struct buf { /* owned: `buf_free` it; all zero is an empty one */
    uint8_t *data;
    size_t size, capacity;
};

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){data, size};
}

static inline struct slice slice_str(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static inline struct slice slice_buf(const struct buf *b)
{
    return (struct slice){b->data, b->size};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool slice_is(struct slice a, const char *s)
{
    return slice_equal(a, slice_str(s));
}

/* <0, 0, >0 as memcmp, a prefix before what it begins */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;

    return c ? c : (a.size > b.size) - (a.size < b.size);
}

/* Appends; `data` may be NULL with size 0. */
void buf_add(struct buf *b, const void *data, size_t size);
void buf_add_str(struct buf *b, const char *s);
void buf_add_byte(struct buf *b, uint8_t byte);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for `size` more bytes at the end, uninitialised and counted; returns where they begin. */
uint8_t *buf_grow(struct buf *b, size_t size);
void buf_reset(struct buf *b); /* empty, memory kept */
void buf_free(struct buf *b);  /* empty, memory given back */

/* The content as a C string, NUL behind it and not counted; valid until the next change. */
const char *buf_cstr(struct buf *b);

/* Lower-case hexadecimal.  `out` has 2 * size + 1 bytes. */
void hex_encode(char *out, const void *data, size_t size);
/* Exactly 2 * size digits of either case and then NUL, or false. */
bool hex_decode(uint8_t *out, size_t size, const char *hex);
/* RFC 4648 section 4, with padding.  Appends. */
void base64_encode(struct buf *out, struct slice data);
/* 0 or ERR_MALFORMED: strict, padding needed, no white space.  Appends. */
int base64_decode(struct buf *out, struct slice text);
