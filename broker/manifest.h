/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.h - what a backup holds: its first member, MANIFEST; pure
 *
 *   chancery-backup 1
 *   log <name>
 *   head <positions> <root, 64 hexadecimal digits>
 *   received <RFC 3339: of the last record>
 *   made <RFC 3339>
 *   file <SHA-256> <bytes> <path>      (one each, in the order of the archive)
 */
#pragma once

#include "lib/note.h"
#include "lib/slice.h"
#include "lib/tree.h"

enum { MANIFEST_PATH = 96, MANIFEST_MOST = 256 * 1024 * 1024 };

struct manifest_file {
    char path[MANIFEST_PATH];
    uint64_t size;
    struct hash hash;
};

struct manifest {
    char log[ORIGIN_SIZE];
    uint64_t head;
    struct hash root;
    int64_t received, made; /* microseconds UTC */
    struct manifest_file *files;
    size_t n, capacity;
};

void manifest_add(struct manifest *m, const char *path, uint64_t size, const struct hash *hash);
void manifest_write(const struct manifest *m, struct buf *out);
/* 0, or ERR_MALFORMED with "line N: ..." in `why`. Paths are those of a backup and no others:
 * log/data.mdb, log/checkpoint, log.vkey, parts/<2 digits>/<64 digits>. */
int manifest_read(struct manifest *m, struct slice text, struct buf *why);
void manifest_clear(struct manifest *m);
