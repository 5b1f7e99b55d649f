/* SPDX-License-Identifier: Apache-2.0 */
/* log_verify.h - `chancery log verify DIR`: everything that an instance's directory says of its log
 *
 * Records, indexes, tree, signatures, checkpoint and parts.  Prints a line for each finding, or one
 * that says ok, and a bar on a terminal.  A log that a broker has open is read as it is when it
 * begins.
 */
#pragma once

#include <stdbool.h>

/* EXIT_SUCCESS, or EXIT_FAILURE with at least one finding. */
int log_verify(const char *dir, bool json);
