/* SPDX-License-Identifier: Apache-2.0 */
/* retention.h - how long a log keeps a part: as its events state, and until an administrator purges
 * it
 *
 * A part is kept while one event that names it states no `handling.retain_until`, or one that has
 * not passed.  What the log says is all there is to it: the same for broker, verify and backup.
 */
#pragma once

#include "broker/journal.h"
#include "broker/registry.h"

struct retention {
    int64_t until; /* the latest one stated; INT64_MAX = for good */
    uint64_t last; /* position of the last event that was looked at */
};

/* 0, ERR_NOT_FOUND where no event names it, ERR_DAMAGED or ERR_IO.  One that more than 1,024 events
 * name is kept for good. */
int retention_of(struct journal *j, const struct hash *part, struct retention *out);
/* May it be missing, at the last receipt time of the log? */
bool retention_lets_go(struct journal *j, const struct registry *r, const struct hash *part);
