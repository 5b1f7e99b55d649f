/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - what people read on a terminal: safe, aligned, with times in UTC and local; pure
 *
 * Text from the log may hold anything that is valid UTF-8.  Letters of every script are printed as
 * they are; what moves the cursor, hides or reorders text is shown as an escape instead: \n,
 * \u202e.
 */
#pragma once

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/slice.h"

/* Appends the text with control, format and bidi characters, unassigned ones and bad bytes shown as
 * escapes.  U+200C and U+200D stay: Persian and Indic names are spelt with them. */
void text_safe(struct buf *out, const char *s);
/* The same of what printf would print. */
void text_safe_args(struct buf *out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Columns that the text takes. */
size_t text_width(const char *s);

/* One compact line of JSON; the same characters are escaped as JSON has it, so it stays the same
 * value. */
void text_json(struct buf *out, const json_t *value);

/* "2026-02-27 00:00:09 UTC"; with `local` also " (2026-02-27 01:00:09 +0100)" where it differs;
 * "-" for 0. */
void text_time(struct buf *out, int64_t us, bool local);
/* "1.5 MiB", "312 B" */
void text_size(struct buf *out, uint64_t bytes);
/* Five-letter words for every 16 bits, to be read aloud ("lusab-babad": arXiv:0901.4016). */
void text_words(struct buf *out, struct slice bytes);

/* Rows of cells, printed with their columns aligned by display width. */
struct table;

struct table *table_new(const char *const head[]); /* NULL-ended titles */
void table_cell(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *t, FILE *out);
size_t table_rows(const struct table *t);
void table_free(struct table *t);
