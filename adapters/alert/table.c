/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - see table.h: open addressing, at most half full, nothing is ever taken out */
#include "adapters/alert/table.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/mem.h"

struct pair {
    char *key, *value;
};

struct table {
    struct pair *pairs; /* array of capacity, a power of two */
    size_t n, capacity;
};

/* FNV-1a; the keys are the adapter's own */
static uint64_t hash_of(const char *key)
{
    uint64_t h = 14695981039346656037u;

    for (const char *p = key; *p; p++)
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    return h;
}

struct table *table_new(void)
{
    struct table *t = mem_new(sizeof(*t));

    t->capacity = 64;
    t->pairs = mem_new(t->capacity * sizeof(*t->pairs));
    return t;
}

void table_free(struct table *t)
{
    for (size_t i = 0; t && i < t->capacity; i++) {
        mem_free(t->pairs[i].key);
        mem_free(t->pairs[i].value);
    }
    if (t)
        mem_free(t->pairs);
    mem_free(t);
}

static struct pair *place_of(const struct table *t, const char *key)
{
    size_t i = (size_t)hash_of(key) & (t->capacity - 1);

    while (t->pairs[i].key && strcmp(t->pairs[i].key, key) != 0)
        i = (i + 1) & (t->capacity - 1);
    return &t->pairs[i];
}

static void table_double(struct table *t)
{
    struct table wider = {mem_new(2 * t->capacity * sizeof(*t->pairs)), t->n, 2 * t->capacity};

    for (size_t i = 0; i < t->capacity; i++)
        if (t->pairs[i].key)
            *place_of(&wider, t->pairs[i].key) = t->pairs[i];
    mem_free(t->pairs);
    *t = wider;
}

const char *table_add(struct table *t, const char *key, const char *value)
{
    if (2 * (t->n + 1) > t->capacity)
        table_double(t);
    struct pair *place = place_of(t, key);
    if (!place->key) {
        *place = (struct pair){mem_str(key), mem_str(value)};
        t->n++;
    }
    return place->value;
}

const char *table_find(const struct table *t, const char *key)
{
    return place_of(t, key)->value;
}
