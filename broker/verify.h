/* SPDX-License-Identifier: Apache-2.0 */
/* verify.h - reads a whole log and recomputes all that is derived from its records
 *
 * For journal_verify, which says what is promised.
 */
#pragma once

#include "broker/store.h"

int verify_store(const struct store *s, journal_each *each, journal_finding *finding,
                 journal_progress *progress, void *arg, uint64_t *findings);
