/* SPDX-License-Identifier: Apache-2.0 */
/* child.h - processes that do not outlive the one that started them */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Starts the program in a process group of its own; it gets SIGTERM when this process dies.
 * `log`: file that its standard error is added to (and its standard output with `quiet`); NULL =
 * ours.  The process, or -1 with errno set. */
pid_t child_start(const char *const argv[], const char *log, bool quiet);

/* True once it has ended; *status as waitpid gives it. */
bool child_ended(pid_t pid, int *status);

/* SIGTERM, and SIGKILL after 5 s; waits until all have ended.  Ended ones become 0. */
void child_stop_all(pid_t pids[], int n);

void sleep_ms(int ms); /* or until a signal comes */
