/* SPDX-License-Identifier: Apache-2.0 */
/* registry_log.h - the registry as a log has it */
#pragma once

#include "broker/journal.h"
#include "broker/registry.h"

/* Folds all registry events of the log into an empty registry: 0, or the error with the position
 * at fault in `*at`. */
int registry_log_fold(struct registry *r, struct journal *j, uint64_t *at);
