/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h - a worker for tests of the runtime: answers with as many events as it is asked for
 *
 * A request is PartyAdded in "tally.in": a `name` of digits is answered by so many OfficeAdded,
 * "abort" ends the process (unless built with TALLY_MENDED: one OfficeAdded), any other is refused.
 * PartyAdded as a question is answered by PartyAdded, its name the dump of the state.
 */
#pragma once

#include "lib/worker.h"

extern const struct worker tally;
