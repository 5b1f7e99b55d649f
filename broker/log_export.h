/* SPDX-License-Identifier: Apache-2.0 */
/* log_export.h - `chancery log export DIR OUT`: the log's tree as files for everybody
 *
 * OUT becomes a tiled log (c2sp.org/tlog-tiles): `checkpoint`, `tile/L/N`, `tile/entries/N`.  An
 * entry is what the tree has for a record (lib/tree.h): a hash, a time, and nothing of what was
 * said.
 *
 * OUT is new, or an older export of the same log, which is then extended.  A file is written aside,
 * synced and renamed, the checkpoint last: whatever ends the writing, OUT is a whole export, the
 * older or the new one.  What is there already is compared with the log.  Partial tiles stay until
 * the full one is there, since the checkpoint before had them.
 */
#pragma once

#include <stdbool.h>

/* EXIT_SUCCESS or EXIT_FAILURE. */
int log_export(const char *dir, const char *out, bool json);
