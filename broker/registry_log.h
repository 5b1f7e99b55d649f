/* SPDX-License-Identifier: Apache-2.0 */
/* registry_log.h - the registry as a log has it */
#pragma once

#include "broker/journal.h"
#include "broker/registry.h"

/* Folds all registry events of the log into an empty registry: 0, or the error with the position
 * at fault in `*at`. */
int registry_log_fold(struct registry *r, struct journal *j, uint64_t *at);
/* The same of the instance in `dir` as it is at this moment, beside its broker: 0, or why the log
 * cannot be opened or read.  No journal of it is open in this process. */
int registry_log_read(struct registry *r, const char *dir);
