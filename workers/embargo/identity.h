/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h - does a reference still name the same party?
 *
 * Lists have given old reference numbers to other people.  A reference is in doubt when names and
 * birth data both disagree:
 *   names   no name or alias of one side shares more than half of its words with one of the other,
 *           letters folded, marks dropped (a single word must be equal); "Mohammed" alone in
 *           common between two names of two words is no agreement;
 *   birth   both sides state days of birth and no interval of one meets one of the other.
 * Where one side has no birth data (entities have none), names alone are a renaming, not a doubt,
 * unless the type changed as well.
 */
#pragma once

#include <stdbool.h>

#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/mem.h"

bool identity_doubtful(const Sanctions__ListedParty *before, const Sanctions__ListedParty *after,
                       struct arena *arena);

/* A party that had a name has none. */
bool identity_nameless(const Sanctions__ListedParty *before, const Sanctions__ListedParty *after);
