/* SPDX-License-Identifier: Apache-2.0 */
/* image.h - which references there are, and the hash of what each has: a table, no parties
 *
 * Rows stand in the order in which they came.  A reference is an identifier (64 bytes at most).
 */
#pragma once

#include "lib/tree.h"

struct image_row {
    char reference[65];
    struct hash content;
    uint64_t mark; /* the owner's */
};

struct image { /* all zero is an empty one; image_clear it */
    struct image_row *rows;
    size_t n, capacity;
    uint32_t *slots; /* number of a row, from 1 */
    size_t n_slots;  /* a power of two, at least twice the rows */
};

/* The row of the reference, or NULL.  Valid until the next image_put. */
struct image_row *image_find(const struct image *image, const char *reference);
/* The row of the reference, made where there is none. */
struct image_row *image_put(struct image *image, const char *reference, const struct hash *content);
void image_clear(struct image *image);

/* Rows in order of the references' bytes: an array of image->n, mem_free it. */
const struct image_row **image_sorted(const struct image *image);
