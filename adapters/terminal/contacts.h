/* SPDX-License-Identifier: Apache-2.0 */
/* contacts.h - who is to be invited, as a spreadsheet writes it (RFC 4180); pure
 *
 * The first line is "seat,office,name"; a seat comes once.  A field in quotes may hold commas and
 * doubled quotes, but no line end.  The mark that some programs put before UTF-8 is taken.
 */
#pragma once

#include "lib/slice.h"

struct contact { /* lent for the call */
    const char *seat, *office, *name;
};

/* Calls `each` for every line behind the first; nonzero ends it.  0, what `each` returned, or
 * ERR_CONFIG with "file:line: what is wrong". */
int contacts_read(const char *file, struct slice text,
                  int (*each)(void *arg, const struct contact *contact, struct buf *why), void *arg,
                  struct buf *why);
