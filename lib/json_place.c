/* SPDX-License-Identifier: Apache-2.0 */
/* json_place.c - where in a JSON text something stands: the parser does not tell
 *
 * Only for texts that were parsed: what is skipped here is known to be well-formed.
 */
#include "lib/json.h"

#include <stdlib.h>

struct walk {
    const uint8_t *at, *end;
};

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static uint8_t peek(struct walk *w)
{
    while (w->at < w->end && is_space(*w->at))
        w->at++;
    return w->at < w->end ? *w->at : 0;
}

static void skip_string(struct walk *w)
{
    for (w->at++; w->at < w->end && *w->at != '"'; w->at++)
        if (*w->at == '\\')
            w->at++;
    w->at++;
}

/* Up to the comma or bracket behind the value. */
static void skip_value(struct walk *w)
{
    int depth = 0;

    for (uint8_t c; (c = peek(w)) != 0; w->at++) {
        if (depth == 0 && (c == ',' || c == ']' || c == '}'))
            return;
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (c == '"') {
            skip_string(w);
            w->at--;
        }
    }
}

/* One word of a pointer against a key between quotes, neither taken apart further. */
static bool is_key(const char *word, size_t size, const uint8_t *key)
{
    size_t i = 0;

    for (key++; i < size && *key != '"'; i++, key++) {
        char c = word[i];
        if (c == '~')
            c = word[++i] == '0' ? '~' : '/';
        if ((uint8_t)c != *key)
            return false;
    }
    return i == size && *key == '"';
}

/* Steps into the value at the walk to the member or element of that name: where it begins, with
 * the walk at its value; NULL when it has none. */
static const uint8_t *step(struct walk *w, const char *word, size_t size)
{
    bool object = peek(w) == '{';
    unsigned long left = object ? 0 : strtoul(word, NULL, 10);

    if (!object && peek(w) != '[')
        return NULL;
    for (w->at++; peek(w) && *w->at != '}' && *w->at != ']'; w->at += peek(w) == ',') {
        const uint8_t *begin = w->at;
        if (object) {
            skip_string(w);
            peek(w);
            w->at++; /* the colon */
        }
        peek(w);
        if (object ? is_key(word, size, begin) : left-- == 0)
            return begin;
        skip_value(w);
    }
    return NULL;
}

void json_place(struct slice text, const char *pointer, int *line, int *column)
{
    struct walk w = {text.data, text.data + text.size};
    const uint8_t *found;

    peek(&w);
    found = w.at;
    while (*pointer == '/') {
        size_t size = strcspn(++pointer, "/");
        const uint8_t *begin = step(&w, pointer, size);
        if (!begin)
            break;
        found = begin;
        pointer += size;
    }
    *line = *column = 1;
    for (const uint8_t *c = text.data; c < found; c++) {
        *line += *c == '\n';
        *column = *c == '\n' ? 1 : *column + ((*c & 0xc0) != 0x80);
    }
}

void json_blame(struct buf *why, struct slice text, const char *pointer)
{
    int line, column;

    json_place(text, pointer, &line, &column);
    buf_printf(why, "%d:%d: %s: ", line, column, pointer[0] ? pointer : "/");
}
