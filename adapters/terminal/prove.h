/* SPDX-License-Identifier: Apache-2.0 */
/* prove.h - that the log has an entry, as the broker shows it to a seat that has no log */
#pragma once

#include "adapters/terminal/given.h"
#include "adapters/terminal/session.h"
#include "lib/proof.h"

/* Waits until a checkpoint covers the position: DONE, with `err` 0 and the proof, whose note lies
 * in the session's arena, or with what is wrong with it, ERR_BUSY or ERR_TIMEOUT; or UNREACHABLE.
 */
int prove_entry(struct session *s, const struct log_id *log, uint64_t position,
                const uint8_t entry[LOG_ENTRY_SIZE], struct proof *out, int *err);
