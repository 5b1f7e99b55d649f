/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/text.h"

#include <stdlib.h>
#include <time.h>
#include <utf8proc.h>

#include "lib/mem.h"

/* ---- safe text ---- */

static bool harmless(utf8proc_int32_t point)
{
    static const uint32_t harmful = 1u << UTF8PROC_CATEGORY_CC | 1u << UTF8PROC_CATEGORY_CF |
                                    1u << UTF8PROC_CATEGORY_CS | 1u << UTF8PROC_CATEGORY_CO |
                                    1u << UTF8PROC_CATEGORY_CN | 1u << UTF8PROC_CATEGORY_ZL |
                                    1u << UTF8PROC_CATEGORY_ZP;

    return point == 0x200c || point == 0x200d || !(harmful >> utf8proc_category(point) & 1);
}

static void escape(struct buf *out, utf8proc_int32_t point)
{
    if (point == '\n' || point == '\t')
        buf_add_str(out, point == '\n' ? "\\n" : "\\t");
    else
        buf_printf(out, point > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)point);
}

void text_safe(struct buf *out, const char *s)
{
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s);

    while (left > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point);

        if (n <= 0)
            buf_printf(out, "\\x%02x", (unsigned char)*s);
        else if (harmless(point))
            buf_add(out, s, (size_t)n);
        else
            escape(out, point);
        n = n > 0 ? n : 1;
        s += n;
        left -= n;
    }
}

void text_safe_args(struct buf *out, const char *format, va_list args)
{
    struct buf raw = {0};
    va_list again;

    va_copy(again, args);
    size_t n = (size_t)vsnprintf(NULL, 0, format, args) + 1;
    vsnprintf((char *)buf_grow(&raw, n), n, format, again);
    va_end(again);
    text_safe(out, (const char *)raw.data);
    buf_free(&raw);
}

size_t text_width(const char *s)
{
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s), n;
    utf8proc_int32_t point;
    size_t width = 0;

    for (; left > 0; s += n, left -= n) {
        n = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point);
        width += n > 0 ? (size_t)utf8proc_charwidth(point) : 1;
        n = n > 0 ? n : 1;
    }
    return width;
}

static void escape_json(struct buf *out, utf8proc_int32_t point)
{
    uint32_t p = (uint32_t)point;

    if (p <= 0xffff)
        buf_printf(out, "\\u%04x", p);
    else
        buf_printf(out, "\\u%04x\\u%04x", 0xd800 + ((p - 0x10000) >> 10),
                   0xdc00 + ((p - 0x10000) & 0x3ff));
}

/* Outside its strings JSON is ASCII, so what is escaped lies in strings. */
void text_json(struct buf *out, const json_t *value)
{
    char *dump = json_dumps(value, JSON_COMPACT);
    const char *s = dump;
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(dump), n;

    for (; left > 0; s += n, left -= n) {
        utf8proc_int32_t point;

        n = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point);
        n = n > 0 ? n : 1;
        if (harmless(point))
            buf_add(out, s, (size_t)n);
        else
            escape_json(out, point);
    }
    free(dump);
}

/* ---- times, sizes, fingerprints ---- */

void text_time(struct buf *out, int64_t us, bool local)
{
    time_t seconds = (time_t)(us / 1000000 - (us % 1000000 < 0));
    struct tm utc, here;
    char text[64];

    if (us == 0) {
        buf_add_byte(out, '-');
        return;
    }
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &utc);
    buf_add_str(out, text);
    localtime_r(&seconds, &here);
    if (!local || here.tm_gmtoff == 0)
        return;
    strftime(text, sizeof text, " (%Y-%m-%d %H:%M:%S %z)", &here);
    buf_add_str(out, text);
}

void text_size(struct buf *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double size = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        buf_printf(out, "%u B", (unsigned)bytes);
        return;
    }
    for (; size >= 1024 && unit < 3; unit++)
        size /= 1024;
    buf_printf(out, "%.1f %s", size, units[unit]);
}

void text_words(struct buf *out, struct slice bytes)
{
    static const char consonants[] = "bdfghjklmnprstvz", vowels[] = "aiou";

    for (size_t i = 0; i + 1 < bytes.size; i += 2) {
        unsigned n = (unsigned)bytes.data[i] << 8 | bytes.data[i + 1];

        if (i)
            buf_add_byte(out, '-');
        buf_add_byte(out, (uint8_t)consonants[n >> 12]);
        buf_add_byte(out, (uint8_t)vowels[n >> 10 & 3]);
        buf_add_byte(out, (uint8_t)consonants[n >> 6 & 15]);
        buf_add_byte(out, (uint8_t)vowels[n >> 4 & 3]);
        buf_add_byte(out, (uint8_t)consonants[n & 15]);
    }
}

/* ---- tables ---- */

enum { COLUMNS_MOST = 16, GAP = 2 };

struct table {
    size_t columns, n;
    size_t widths[COLUMNS_MOST];
    char **cells;
};

static void cell_add(struct table *t, struct buf *cell)
{
    size_t width = text_width(buf_cstr(cell)), column = t->n % t->columns;

    if (width > t->widths[column])
        t->widths[column] = width;
    t->cells = mem_grow(t->cells, (t->n + 1) * sizeof *t->cells);
    t->cells[t->n++] = mem_str(buf_cstr(cell));
}

struct table *table_new(const char *const head[])
{
    struct table *t = mem_new(sizeof *t);

    while (head[t->columns] && t->columns < COLUMNS_MOST)
        t->columns++;
    for (size_t i = 0; i < t->columns; i++)
        table_cell(t, "%s", head[i]);
    return t;
}

void table_cell(struct table *t, const char *format, ...)
{
    struct buf safe = {0};
    va_list args;

    va_start(args, format);
    text_safe_args(&safe, format, args);
    va_end(args);
    cell_add(t, &safe);
    buf_free(&safe);
}

void table_print(const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t column = i % t->columns;

        fputs(t->cells[i], out);
        if (column + 1 == t->columns)
            fputc('\n', out);
        else
            fprintf(out, "%*s", (int)(t->widths[column] - text_width(t->cells[i]) + GAP), "");
    }
}

size_t table_rows(const struct table *t)
{
    return t->n / t->columns - 1;
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        mem_free(t->cells[i]);
    mem_free(t->cells);
    mem_free(t);
}
