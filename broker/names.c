/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/names.h"

#include <assert.h>

#include "lib/mem.h"

/* Index in `sorted` of the first name that is not before `name`. */
static uint32_t names_place(const struct names *n, struct slice name)
{
    uint32_t low = 0, high = n->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slice_compare(names_get(n, n->sorted[middle]), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool names_at(const struct names *n, uint32_t place, struct slice name)
{
    return place < n->count && slice_equal(names_get(n, n->sorted[place]), name);
}

uint32_t names_find(const struct names *n, struct slice name)
{
    uint32_t place = names_place(n, name);

    return names_at(n, place, name) ? n->sorted[place] : 0;
}

uint32_t names_add(struct names *n, struct slice name)
{
    uint32_t place = names_place(n, name);

    assert(!names_at(n, place, name) && n->count < UINT32_MAX / 2);
    if (n->count == n->capacity) {
        n->capacity = n->capacity ? 2 * n->capacity : 16;
        n->list = mem_grow(n->list, n->capacity * sizeof *n->list);
        n->sorted = mem_grow(n->sorted, n->capacity * sizeof *n->sorted);
    }
    n->list[n->count] = (struct buf){0};
    buf_add(&n->list[n->count], name.data, name.size);
    buf_cstr(&n->list[n->count]);
    memmove(n->sorted + place + 1, n->sorted + place, (n->count - place) * sizeof *n->sorted);
    n->sorted[place] = ++n->count;
    return n->count;
}

struct slice names_get(const struct names *n, uint32_t number)
{
    assert(number > 0 && number <= n->count);
    return slice_buf(&n->list[number - 1]);
}

void names_clear(struct names *n)
{
    for (uint32_t i = 0; i < n->count; i++)
        buf_free(&n->list[i]);
    mem_free(n->list);
    mem_free(n->sorted);
    *n = (struct names){0};
}
