/* SPDX-License-Identifier: Apache-2.0 */
/* log_backup.h - `chancery log backup` and `restore`: exit statuses, and what people read */
#pragma once

#include <stdbool.h>

/* Of the instance in `dir` into `file`. */
int log_backup(const char *dir, const char *file, bool json);
/* Unpacks it beside itself, verifies what came out, and removes it. */
int log_backup_verify(const char *file, bool json);
/* Into a directory that is not there or empty, and verifies what came out. */
int log_restore(const char *file, const char *dir, bool json);
