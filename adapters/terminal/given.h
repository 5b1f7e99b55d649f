/* SPDX-License-Identifier: Apache-2.0 */
/* given.h - files that come from others: one that is larger than it can be is not read */
#pragma once

#include <stddef.h>

struct buf;

/* The whole file of at most `most` bytes, behind what is in `text`: DONE, or FAILED after an error
 * was printed. */
int given_read(const char *file, size_t most, struct buf *text);
