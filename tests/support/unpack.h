/* SPDX-License-Identifier: Apache-2.0 */
/* unpack.h - the bytes of a file packed with xz */
#pragma once

#include <stdio.h>
#include <unistd.h>

#include "lib/mem.h"
#include "lib/slice.h"

/* False where the file is not there. */
static inline bool unpack(const char *file, struct buf *out)
{
    char *command = mem_printf("xz -dc '%s'", file);
    bool there = access(file, R_OK) == 0;
    FILE *pipe = there ? popen(command, "r") : NULL;
    size_t n = 1;

    while (pipe && n > 0) {
        uint8_t *at = buf_grow(out, 65536);
        n = fread(at, 1, 65536, pipe);
        out->size -= 65536 - n;
    }
    mem_free(command);
    return pipe && pclose(pipe) == 0;
}
