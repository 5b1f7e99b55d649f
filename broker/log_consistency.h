/* SPDX-License-Identifier: Apache-2.0 */
/* log_consistency.h - `chancery log consistency DIR OLD NEW`: one checkpoint extends the other
 *
 * Prints the consistency proof (RFC 6962 section 2.1.2) between the two checkpoint files, a hash a
 * line in base64, after checking that the log's key signed both.
 */
#pragma once

/* EXIT_SUCCESS or EXIT_FAILURE. */
int log_consistency(const char *dir, const char *old_file, const char *new_file);
