/* SPDX-License-Identifier: Apache-2.0 */
/* given.h - files that come from others: one that is larger than it can be is not read */
#pragma once

#include "adapters/terminal/verb.h"
#include "lib/note.h"
#include "lib/settings.h"

/* The whole file of at most `most` bytes, behind what is in `text`: DONE, or FAILED after an error
 * was printed. */
int given_read(const char *file, size_t most, struct buf *text);

struct log_id { /* what a log is known by */
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
};

/* The instance's DIR/log.vkey: DONE, or FAILED after an error was printed. */
int given_log_id(const struct settings *settings, struct log_id *id);
