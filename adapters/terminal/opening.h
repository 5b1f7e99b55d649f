/* SPDX-License-Identifier: Apache-2.0 */
/* opening.h - a sealed file, with the age key that the seat has or with one that it had
 *
 * What was sealed before a rotation opens with nothing else than the old key, so `seat rotate`
 * keeps each, as keys/SEAT.key.old or keys/SEAT.key.old.ID.
 */
#pragma once

#include "adapters/terminal/session.h"

/* From `in`, a file that is read from its beginning, to `out`: 0, or an error of seal_open;
 * ERR_NOT_FOUND where the seat has no age key at all.  `tried` gets the names of the key files that
 * were, and what is wrong with those that could not be. */
int opening_run(struct session *s, int in, int out, struct buf *tried);
