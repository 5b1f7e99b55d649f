/* SPDX-License-Identifier: Apache-2.0 */
/* signer_pipe.h - one connection between the broker and its signer: frames of signer.proto
 *
 * On a loop, its thread alone.  One frame is on its way out at a time, and nothing more is read
 * until the other side has taken it: what a side must hold is bounded whatever the other one does.
 */
#pragma once

#include <uv.h>

#include "chancery/core/v1/signer.pb-c.h"
#include "lib/slice.h"

struct signer_pipe;

/* DIR/run/signer.sock, the caller frees it. One that is too long for a socket goes by `*place`, the
 * directory's descriptor, to be kept open as long as the path is used; else that is -1. */
char *signer_socket(const char *dir, int *place);

struct signer_pipe_of {
    uv_loop_t *loop;
    void (*take)(void *arg, const Core__SignerFrame *f); /* lent for the call */
    /* The other side is gone, or said what is no frame: close the pipe. Called once. */
    void (*gone)(void *arg, const char *why);
    void *arg;
};

struct signer_pipe *signer_pipe_new(const struct signer_pipe_of *of);
/* To connect, or to accept into. */
uv_pipe_t *signer_pipe_handle(struct signer_pipe *p);
/* Once it is connected. */
void signer_pipe_read(struct signer_pipe *p);
/* In a `take`, or when the last one was answered. */
void signer_pipe_say(struct signer_pipe *p, const Core__SignerFrame *f);
/* Nothing is called any more; the memory goes when the loop has closed the handle. */
void signer_pipe_close(struct signer_pipe *p);
