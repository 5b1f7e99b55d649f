/* SPDX-License-Identifier: Apache-2.0 */
/* log_proof.h - `chancery log proof DIR POSITION`: the log has that record
 *
 * Prints a c2sp.org/tlog-proof file against the checkpoint in DIR.  Its `extra` is what the tree
 * has for the record (lib/tree.h): the last 32 bytes are the event's SHA-256, so who has the event
 * and the log's key needs nothing else.
 */
#pragma once

#include <stdint.h>

/* EXIT_SUCCESS or EXIT_FAILURE. */
int log_proof(const char *dir, uint64_t position);
