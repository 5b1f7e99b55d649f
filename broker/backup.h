/* SPDX-License-Identifier: Apache-2.0 */
/* backup.h - a log with its parts in one file, and back
 *
 * A tar archive, compressed with zstd, that any tar opens: MANIFEST, log/checkpoint, log.vkey,
 * log/data.mdb and the parts that its records name and that are not purged, in the order of
 * MANIFEST. Secret keys and settings are not in it.  All of it blocks.
 */
#pragma once

#include "broker/manifest.h"

/* Of the instance in `dir`, whose broker may run: the log as it is when this begins, with the last
 * checkpoint before that.  `file` appears when all of it is on disk, mode 0600.  0; ERR_EXISTS;
 * errors of journal_open; ERR_ROLLED_BACK, ERR_NOT_FOUND (a part), ERR_PURGED (one after another
 * while it was made), ERR_DAMAGED, ERR_IO, with a sentence in `why`. */
int backup_make(const char *dir, const char *file, struct manifest *made, struct buf *why);

/* Unpacks into `dir`, which is not there or empty, and checks every file against MANIFEST; the log
 * appears last.  0; ERR_EXISTS; ERR_NOT_FOUND, ERR_MALFORMED, ERR_DAMAGED, ERR_IO with a sentence
 * in `why`, and nothing left in `dir`. What the log says is for log_verify. */
int backup_unpack(const char *file, const char *dir, struct manifest *found, struct buf *why);
