/* SPDX-License-Identifier: Apache-2.0 */
/* log_backup.h - `chancery log backup` and `restore`: exit statuses, and what people read */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Of the instance in `dir` into `file`. */
int log_backup(const char *dir, const char *file, bool json);
/* Unpacks it beside itself, verifies what came out, and removes it. */
int log_backup_verify(const char *file, bool json);
struct log_restore {
    const char *file, *dir;
    /* Where it is an older copy: it goes on as a successor of this name.  Else NULL, and it may be
     * served as it is only if nothing was recorded behind it. */
    const char *successor;
    const char *administrator; /* key file of who signs it */
    const char *checkpoint;    /* file of the newest one that anybody has, or NULL */
    uint64_t lost;             /* last position known to be lost; 0 = that of the checkpoint */
    bool json;
};

/* Into a directory that is not there or empty, and verifies what came out; nothing is left in it
 * where that fails. */
int log_restore(const struct log_restore *r);
