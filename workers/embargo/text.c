/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/text.h"

#include <stdlib.h>
#include <utf8proc.h>

#include "workers/embargo/render.h"

static const char *map(const char *text, utf8proc_option_t options, struct arena *arena)
{
    utf8proc_uint8_t *mapped = NULL;
    utf8proc_ssize_t size =
        utf8proc_map((const utf8proc_uint8_t *)text, 0, &mapped,
                     (utf8proc_option_t)(UTF8PROC_NULLTERM | UTF8PROC_STABLE | options));

    if (size < 0) /* not UTF-8: the door lets none in, and then it is compared as it is */
        return text;
    char *kept = render_take(arena, (size_t)size + 1);
    memcpy(kept, mapped, (size_t)size);
    free(mapped);
    return kept;
}

static bool is_plain(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static const char *fold_plain(const char *text, struct arena *arena)
{
    size_t size = strlen(text);
    char *folded = render_take(arena, size + 1);

    for (size_t i = 0; i < size; i++)
        folded[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + ('a' - 'A') : text[i]);
    return folded;
}

const char *text_fold(const char *text, struct arena *arena)
{
    if (is_plain(text))
        return fold_plain(text, arena);
    return map(text, (utf8proc_option_t)(UTF8PROC_CASEFOLD | UTF8PROC_COMPOSE), arena);
}

static bool is_word(utf8proc_int32_t c)
{
    utf8proc_category_t category = utf8proc_category(c);

    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO);
}

/* Apostrophes stand within a word ("MUS'AB", "Mus’ab"): they are dropped and part nothing. */
static bool is_apostrophe(utf8proc_int32_t c)
{
    return c == '\'' || c == '`' || c == 0x2018 || c == 0x2019 || c == 0x02BC || c == 0x02BF;
}

struct words text_words(const char *text, struct arena *arena)
{
    const char *at = map(text,
                         (utf8proc_option_t)(UTF8PROC_CASEFOLD | UTF8PROC_COMPAT |
                                             UTF8PROC_DECOMPOSE | UTF8PROC_STRIPMARK),
                         arena);
    size_t size = strlen(at);
    char *out = render_take(arena, 2 * size + 1); /* each word with NUL behind it */
    struct words words = {.at = render_take(arena, (size + 1) * sizeof *words.at)};
    bool within = false;

    for (size_t used = 0; used < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)at + used,
                                              (utf8proc_ssize_t)(size - used), &c);
        n = n > 0 ? n : 1;
        if (is_word(c)) {
            if (!within)
                words.at[words.n++] = out;
            memcpy(out, at + used, (size_t)n);
            out += n;
            within = true;
        } else if (within && !is_apostrophe(c)) {
            *out++ = '\0';
            within = false;
        }
        used += (size_t)n;
    }
    return words;
}

size_t words_common(struct words a, struct words b)
{
    size_t common = 0;

    for (size_t i = 0; i < a.n; i++) {
        size_t had = 0, has = 0;
        for (size_t j = 0; j <= i; j++)
            had += strcmp(a.at[i], a.at[j]) == 0;
        for (size_t j = 0; j < b.n; j++)
            has += strcmp(a.at[i], b.at[j]) == 0;
        common += has >= had;
    }
    return common;
}
