/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/told.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/mem.h"

struct told {
    uint64_t *positions; /* of the notices that mails tell of */
    size_t n;
    bool all;
};

static void each_line(struct slice lines, void (*take)(struct told *t, const json_t *event),
                      struct told *t)
{
    while (lines.size) {
        const uint8_t *end = memchr(lines.data, '\n', lines.size);
        size_t n = end ? (size_t)(end - lines.data) : lines.size;
        json_t *event = json_loadb((const char *)lines.data, n, 0, NULL);

        take(t, event);
        json_decref(event);
        n += end != NULL;
        lines = slice_of(lines.data + n, lines.size - n);
    }
}

static void take_alert(struct told *t, const json_t *event)
{
    const json_t *cause;
    size_t i;

    json_array_foreach(json_object_get(json_object_get(event, "payload"), "causes"), i, cause)
    {
        t->positions = mem_grow(t->positions, (t->n + 1) * sizeof *t->positions);
        t->positions[t->n++] = strtoull(json_string_value(cause), NULL, 10);
    }
}

static void take_notice(struct told *t, const json_t *event)
{
    uint64_t position = (uint64_t)json_integer_value(json_object_get(event, "position"));
    const char *weight =
        json_string_value(json_object_get(json_object_get(event, "payload"), "weight"));

    if (!weight || strcmp(weight, "WEIGHT_SUBSTANTIVE") != 0)
        return;
    for (size_t i = 0; i < t->n; i++)
        if (t->positions[i] == position)
            return;
    t->all = false;
}

bool told_all(struct slice alerts, struct slice notices)
{
    struct told t = {.all = true};

    each_line(alerts, take_alert, &t);
    each_line(notices, take_notice, &t);
    mem_free(t.positions);
    return t.all;
}
