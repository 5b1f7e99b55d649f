/* SPDX-License-Identifier: Apache-2.0 */
/* progress.h - long work shows how far it is: a bar on a terminal, a line each 10 s elsewhere
 *
 * On standard error.  Nothing is shown of what takes less than half a second.
 */
#pragma once

#include <stdint.h>

struct progress {
    const char *what;  /* static */
    uint64_t done, of; /* `of` 0 = nobody knows */
    int64_t began, shown;
    int terminal, visible;
};

void progress_begin(struct progress *p, const char *what);
/* What is done now; the same work under another name may go on. */
void progress_step(struct progress *p, const char *what, uint64_t done, uint64_t of);
/* Shows it again where it is time to. */
void progress_tick(struct progress *p);
/* Clears the bar; nothing is shown any more until the next begin. */
void progress_end(struct progress *p);
