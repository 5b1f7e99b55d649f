/* SPDX-License-Identifier: Apache-2.0 */
/* text.h - text without its letter case, and names as sets of words
 *
 * By Unicode's case folding and decomposition, both of which are stable: for an assigned character
 * no later version of Unicode gives another result.
 */
#pragma once

#include <stdbool.h>

#include "lib/mem.h"
#include "lib/slice.h"

/* The text case-folded, in the arena. */
const char *text_fold(const char *text, struct arena *arena);

/* The words of a name: letters and digits, folded, without marks; in the arena. */
struct words {
    const char **at;
    size_t n;
};

struct words text_words(const char *text, struct arena *arena);
/* How many of a's words b has; a word that comes twice counts twice where it comes twice in both.
 */
size_t words_common(struct words a, struct words b);
