/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/text.h"

#include <assert.h>
#include <stdlib.h>
#include <utf8proc.h>

/* Ranges whose code points stand alone: class 0, unchanged by NFC, composing with nothing before
 * them.  What lies outside is left to utf8proc. */
static const struct range {
    int32_t first, last;
} plain[] = {
    {0xA1, 0x2FF},    {0x400, 0x482},   {0x48A, 0x52F},   {0x5D0, 0x5EA},   {0x621, 0x64A},
    {0x66E, 0x66F},   {0x671, 0x6D3},   {0x6F0, 0x6FF},   {0x200B, 0x2027}, {0x2030, 0x205E},
    {0x3041, 0x3096}, {0x30A1, 0x30FA}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3},
};

static bool is_plain(int32_t c)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (c <= plain[i].last)
            return c >= plain[i].first;
    return false;
}

static bool is_space(int32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1C && c <= 0x1F);
    if (c == 0x85 || c == 0xA0)
        return true;
    if (c < 0x1680)
        return false;
    utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
           category == UTF8PROC_CATEGORY_ZP;
}

/* Folds into `out` (room for raw.size bytes); *stable tells that it is in NFC for certain. */
static size_t fold(char *out, struct slice raw, bool *stable)
{
    size_t n = 0;
    bool blank = false;

    *stable = true;
    for (size_t i = 0; i < raw.size;) {
        int32_t c = raw.data[i];
        size_t width = 1;
        if (c >= 0x80) {
            utf8proc_ssize_t rc =
                utf8proc_iterate(raw.data + i, (utf8proc_ssize_t)(raw.size - i), &c);
            assert(rc > 0); /* expat hands out valid UTF-8 alone */
            width = (size_t)rc;
        }
        while (c > ' ' && c < 0x7F && i + width < raw.size && raw.data[i + width] > ' ' &&
               raw.data[i + width] < 0x7F)
            width++; /* a word of ASCII at once */
        if (is_space(c)) {
            blank = n > 0;
        } else {
            if (blank)
                out[n++] = ' ';
            blank = false;
            memcpy(out + n, raw.data + i, width);
            n += width;
            *stable = *stable && (c < 0x80 || is_plain(c));
        }
        i += width;
    }
    return n;
}

static const char *copy_of(struct arena *arena, const char *text, size_t size)
{
    const char *copy = arena_text(arena, text, size);

    assert(copy);
    return copy;
}

const char *text_canonical(struct arena *arena, struct slice raw)
{
    char *text = arena_take(arena, raw.size + 1);
    utf8proc_uint8_t *composed = NULL;
    bool stable;

    assert(text);
    size_t n = fold(text, raw, &stable);
    if (n == 0)
        return NULL;
    if (stable)
        return text;
    utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n,
                                         &composed, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    assert(size >= 0);
    const char *copy = copy_of(arena, (const char *)composed, (size_t)size);
    free(composed);
    return copy;
}

const char *text_letters(struct arena *arena, const char *text)
{
    size_t n = 0;
    char *out = text ? arena_take(arena, strlen(text) + 1) : NULL;

    for (const char *p = text; p && *p; p++) {
        bool lower = *p >= 'a' && *p <= 'z';
        if (lower || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9'))
            out[n++] = lower ? (char)(*p - 'a' + 'A') : *p;
    }
    return n > 0 ? out : NULL;
}

const char *text_join(struct arena *arena, const char *const texts[], size_t n, const char *between)
{
    struct buf joined = {0};
    const char *out = NULL;

    for (size_t i = 0; i < n; i++) {
        if (!texts[i])
            continue;
        if (joined.size > 0)
            buf_add_str(&joined, between);
        buf_add_str(&joined, texts[i]);
    }
    if (joined.size > 0)
        out = copy_of(arena, (const char *)joined.data, joined.size);
    buf_free(&joined);
    return out;
}
