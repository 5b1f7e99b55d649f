/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_inside.h - the two halves of a process's bounds, for sandbox.c */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/slice.h"

/* ---- sandbox_calls.c: system calls ---- */

struct calls {
    bool internet; /* sockets of other machines, besides those that are files of this one */
    bool library;  /* code is mapped from files: libraries come later, or a program is started */
    bool program;  /* starts one, and ends it */
};

/* 0 or a negative err with the reason. */
int calls_hold(const struct calls *may, struct buf *why);

/* ---- sandbox_files.c: files, ports and signals, by Landlock ---- */

enum place_use {
    PLACE_READ,
    PLACE_LIST,  /* names only */
    PLACE_WRITE, /* files and directories are made, replaced and removed in it; sockets too */
    PLACE_RUN,   /* a program, or what loads it */
};

struct place {
    const char *path; /* a directory with all below it, or a file; one that is not there is none */
    enum place_use use;
};

struct ports {                /* of TCP */
    uint16_t listen, connect; /* the one port; 0 = none */
    bool names;               /* servers of names too */
    bool connect_any;
};

/* 0, or a negative err with the reason. `version` is that of the kernel's Landlock that is in
 * force, 0 where it has none that serves. */
int files_hold(const struct place places[], size_t n, const struct ports *ports, int *version,
               struct buf *why);
