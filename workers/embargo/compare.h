/* SPDX-License-Identifier: Apache-2.0 */
/* compare.h - two versions of a listed party: which fields changed, and whether it matters
 *
 * A change of letter case, comments or days of update, and birth data that moved between
 * the aliases and the blocks of birth data with its values unchanged, are editorial; all else is
 * substantive.  What is derived (intervals of days, normalised numbers), the list's own number of a
 * version and the order of repeated values make no change.
 */
#pragma once

#include <stdbool.h>

#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/mem.h"

struct comparison { /* all in the arena */
    Embargo__FieldChange **changes;
    size_t n;
    bool substantive; /* some change is */
    bool rekeyed;     /* another internal id */
};

/* Values longer than VALUE_MOST bytes are cut and say so; together they stay below CHANGES_MOST
 * bytes, so that a notice fits into an event and a page of history. */
enum { VALUE_MOST = 24 * 1024, CHANGES_MOST = 160 * 1024, CHANGES_VALUES = 1024 };

/* The fields in the order of the list's own form.  The arena is one of RENDER_ARENA. */
void compare_parties(struct comparison *out, const Sanctions__ListedParty *before,
                     const Sanctions__ListedParty *after, struct arena *arena);
