/* SPDX-License-Identifier: Apache-2.0 */
/* names.h - byte strings known by number: 1, 2, 3 ... in the order they were added; pure
 *
 * Kept in sorted order beside the numbers, so that finding is a binary search whatever names a peer
 * chooses.
 */
#pragma once

#include "lib/slice.h"

struct names { /* all zero is empty; names_clear frees it */
    struct buf *list;
    uint32_t *sorted; /* numbers, by the bytes they stand for */
    uint32_t count, capacity;
};

uint32_t names_find(const struct names *n, struct slice name); /* 0: none */
/* Must not be there yet; returns its number. */
uint32_t names_add(struct names *n, struct slice name);
/* With NUL behind it; lent until names_clear. */
struct slice names_get(const struct names *n, uint32_t number);
void names_clear(struct names *n);
