/* SPDX-License-Identifier: Apache-2.0 */
/* deaths.h - how often an input ended the process, in a small file
 *
 * Counted before the input is decided and forgotten behind it, so what stands there at a start is
 * how often the input that is next was fatal.  The file is mapped, so it outlives a kill; after a
 * power cut the input that was under way may count once too often or not at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct deaths;

/* Makes the file when it is missing: 0, or ERR_IO with errno set. */
int deaths_open(struct deaths **out, const char *file);
void deaths_close(struct deaths *d); /* the file stays; NULL is fine */

uint64_t deaths_of(const struct deaths *d, uint64_t position);
void deaths_expect(struct deaths *d,
                   uint64_t position); /* one more, unless deaths_forget follows */
void deaths_forget(struct deaths *d, uint64_t position);
