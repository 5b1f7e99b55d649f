/* SPDX-License-Identifier: Apache-2.0 */
/* child.h - a program whose output is read on the loop, with a limit on its time */
#pragma once

#include <uv.h>

#include "lib/slice.h"

struct child;

typedef void child_output(void *arg, struct slice bytes);
/* Its output ended and it is gone: exit status and signal as wait has them; `late` where its time
 * was over and it was killed.  The child is freed behind this. */
typedef void child_ended(void *arg, int64_t status, int signal, bool late);

/* Starts argv (NULL-ended) with an empty environment; standard error is ours.  0, or ERR_IO and
 * libuv's reason in `*why`. */
int child_start(struct child **out, uv_loop_t *loop, const char *const argv[],
                uint64_t milliseconds, child_output *output, child_ended *ended, void *arg,
                const char **why);
/* Kills it; no callback comes any more. */
void child_drop(struct child *c);
