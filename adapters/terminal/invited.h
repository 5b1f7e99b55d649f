/* SPDX-License-Identifier: Apache-2.0 */
/* invited.h - who was invited with an instance: a small file each, DIR/invitations/SEAT
 *
 * Written by `seat invite`, mode 0600.  It tells that somebody was asked, not that they came: that
 * is in the registry.  Inviting a seat again replaces its file, so the last invitation is told.
 */
#pragma once

#include "adapters/terminal/card.h"

struct invited { /* invited_clear frees it */
    char *seat, *office, *name, *code;
    char *at; /* when, as time_text writes it */
};

void invited_clear(struct invited *i);
/* Of an invitation that was written now: 0, or an err with a sentence in `why`. */
int invited_keep(const char *dir, const struct invitation *in, struct buf *why);
/* All of them in order of their names, until `each` returns nonzero; a file that cannot be read is
 * complained about, and makes it FAILED in the end. */
int invited_each(const char *dir, int (*each)(void *arg, const struct invited *i), void *arg);
