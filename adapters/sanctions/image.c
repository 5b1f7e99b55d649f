/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/image.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mem.h"

/* FNV-1a */
static size_t reference_hash(const char *reference)
{
    uint64_t h = 14695981039346656037u;

    for (const char *p = reference; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The slot of the reference, or the free one where it would stand. */
static uint32_t *slot_of(const struct image *image, const char *reference)
{
    size_t mask = image->n_slots - 1;
    size_t at = reference_hash(reference) & mask;

    while (image->slots[at] && strcmp(image->rows[image->slots[at] - 1].reference, reference) != 0)
        at = (at + 1) & mask;
    return &image->slots[at];
}

static void slots_grow(struct image *image)
{
    mem_free(image->slots);
    image->n_slots = image->n_slots ? image->n_slots * 2 : 64;
    image->slots = mem_new(image->n_slots * sizeof *image->slots);
    for (size_t i = 0; i < image->n; i++)
        *slot_of(image, image->rows[i].reference) = (uint32_t)(i + 1);
}

struct image_row *image_find(const struct image *image, const char *reference)
{
    uint32_t row = image->n_slots ? *slot_of(image, reference) : 0;

    return row ? &image->rows[row - 1] : NULL;
}

struct image_row *image_put(struct image *image, const char *reference, const struct hash *content)
{
    struct image_row *row = image_find(image, reference);

    if (!row) {
        assert(strlen(reference) < sizeof row->reference);
        if (image->n == image->capacity) {
            image->capacity = image->capacity ? image->capacity * 2 : 64;
            image->rows = mem_grow(image->rows, image->capacity * sizeof *image->rows);
        }
        assert(image->rows);
        row = &image->rows[image->n++];
        *row = (struct image_row){.mark = 0};
        memcpy(row->reference, reference, strlen(reference) + 1);
        if (image->n * 2 > image->n_slots)
            slots_grow(image);
        else
            *slot_of(image, reference) = (uint32_t)image->n;
    }
    row->content = *content;
    return row;
}

void image_clear(struct image *image)
{
    mem_free(image->rows);
    mem_free(image->slots);
    *image = (struct image){0};
}

static int by_reference(const void *a, const void *b)
{
    const struct image_row *const *x = a, *const *y = b;

    return strcmp((*x)->reference, (*y)->reference);
}

const struct image_row **image_sorted(const struct image *image)
{
    const struct image_row **rows = mem_new(image->n * sizeof(void *));

    for (size_t i = 0; i < image->n; i++)
        rows[i] = &image->rows[i];
    qsort(rows, image->n, sizeof *rows, by_reference);
    return rows;
}
