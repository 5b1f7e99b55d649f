/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole files and directories, on disk when the call returns
 *
 * All of it blocks.  Errors: ERR_NOT_FOUND, ERR_IO; errno is the cause.
 */
#pragma once

#include <sys/types.h>

#include "lib/slice.h"

/* What was made, renamed or removed in the directory stays so. */
int file_sync_dir(const char *dir);
/* The same for the directory that the file lies in. */
int file_sync_dir_of(const char *file);
/* The whole file, behind what is in `out`. */
int file_read(const char *file, struct buf *out);
/* A new file, and its name in the directory; ERR_EXISTS rather than overwriting. */
int file_create(const char *file, struct slice bytes, mode_t mode);
/* Replaces the file, or makes it, mode 0600: written beside it, synced, renamed. */
int file_replace(const char *file, struct slice bytes);
/* The same for everybody to read, mode 0644; the directory is not synced: file_sync_dir. */
int file_publish(const char *file, struct slice bytes);
/* All of it at that offset. */
int file_write_at(int fd, struct slice bytes, uint64_t offset);
struct mapped { /* a file as memory */
    int fd;
    struct slice bytes;
};
/* Close it in any case. */
int mapped_open(struct mapped *f, const char *file);
void mapped_close(struct mapped *f);
/* 0 when it is there already; mode 0700. */
int file_make_dir(const char *dir);
