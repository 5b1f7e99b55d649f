/* SPDX-License-Identifier: Apache-2.0 */
/* log_verify_parts.h - the parts that a log names, against what is stored and what was purged
 *
 * A part that was purged is not stored, and one that was not is, with the bytes of its hash. Purges
 * stand behind what they purge, so what is not stored is judged at the end.
 */
#pragma once

#include "broker/journal.h"
#include "broker/registry.h"

struct parts_seen { /* begins with the first three, all else zero */
    const char *dir;
    journal_finding *found;
    void *arg;
    uint64_t named, purged;
    struct part_absent *absent;
    size_t n_absent;
};

/* The parts of a record, each once: where it is first named. */
void parts_seen_take(struct parts_seen *s, struct journal *j, uint64_t position,
                     const Core__Envelope *envelope);
/* `r` is the fold of what was seen.  Opens the log anew where a part is missing, for a broker may
 * have purged it since: the journal is closed before.  Frees what it holds. */
void parts_seen_end(struct parts_seen *s, const struct registry *r);
