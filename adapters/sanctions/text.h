/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - canonical text: NFC, white space folded to single blanks and trimmed
 *
 * Two files that say the same have the same canonical text whatever their line breaks, indentation
 * and Unicode form.  White space is what Unicode calls so (category Z, and the ASCII and Latin-1
 * controls of that kind).  Nothing else is changed: letter case and punctuation are content.
 */
#pragma once

#include "lib/mem.h"
#include "lib/slice.h"

/* The canonical form of valid UTF-8 without U+0000, in the arena (NUL behind it); NULL where
 * nothing is left of it. */
const char *text_canonical(struct arena *arena, struct slice raw);

/* The letters and digits of ASCII, letters made capital: a document's number as it is compared.
 * NULL where there are none. */
const char *text_letters(struct arena *arena, const char *text);

/* All texts that are not NULL, with `between` between them; NULL where there is none. */
const char *text_join(struct arena *arena, const char *const texts[], size_t n,
                      const char *between);
