/* SPDX-License-Identifier: Apache-2.0 */
/* log_proof.h - `chancery log proof DIR POSITION`: the log has that record
 *
 * Prints a proof (lib/proof.h) against the checkpoint in DIR, and writes the record that it is of
 * where `event` says (NULL: nowhere).  Who has both and the log's key needs nothing else: see
 * `chancery event verify`.
 */
#pragma once

#include <stdint.h>

/* EXIT_SUCCESS or EXIT_FAILURE. */
int log_proof(const char *dir, uint64_t position, const char *event);
