/* SPDX-License-Identifier: Apache-2.0 */
/* program.h - programs that lie beside this one, and what they print
 *
 * All of it blocks: not for a loop.
 */
#pragma once

#include <sys/types.h>

#include "lib/slice.h"

enum program_errors { /* where its standard error goes */
                      ERRORS_OURS,
                      ERRORS_NOWHERE,
                      ERRORS_WITH_OUTPUT,
};

/* The path of a program in this one's directory; the caller frees it. */
char *program_beside(const char *name);

/* Starts argv[0]; what it prints is read from `*fd`, or goes where ours goes where `fd` is NULL.
 * 0 or ERR_IO; errno is the cause. */
int program_start(const char *const argv[], enum program_errors errors, pid_t *pid, int *fd);
/* Until it ends: its status as waitpid gives it, or -1, neither exited nor killed, where nobody
 * knows (SIGCHLD is ignored). */
int program_wait(pid_t pid);

/* Runs argv[0] to its end, and adds what it prints to `out` (NULL = it goes where ours goes): its
 * exit status, or -1 when it could not be started or was killed. */
int program_run(const char *const argv[], enum program_errors errors, struct buf *out);
