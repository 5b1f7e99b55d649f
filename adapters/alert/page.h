/* SPDX-License-Identifier: Apache-2.0 */
/* page.h - one content as plain text and as HTML; pure
 *
 * What comes from a list is shown, never obeyed: controls, bidirectional marks and invisible signs
 * stand as <U+202E>; text that is not ASCII is isolated (U+2068 .. U+2069, <bdi>), so that a name
 * in another script moves nothing beside it.
 */
#pragma once

#include "lib/slice.h"

struct page { /* all zero is an empty one */
    struct buf text, html;
};

void page_free(struct page *p);

/* The text as it may be shown anywhere. */
void page_show(struct buf *out, const char *text);

void page_heading(struct page *p, const char *text);
void page_paragraph(struct page *p, const char *text);
void page_warning(struct page *p, const char *text); /* stands out */
void page_command(struct page *p, const char *command);

/* A table of facts; rows only between begin and end. */
void page_facts_begin(struct page *p);
void page_fact(struct page *p, const char *name, const char *value);
void page_facts_end(struct page *p);

/* One field before and after. */
void page_change(struct page *p, const char *name, const char *source, const char *const before[],
                 size_t n_before, const char *const after[], size_t n_after);
