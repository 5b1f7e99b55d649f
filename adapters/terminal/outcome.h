/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.h - a request about a list, and what came of it
 *
 * An import is answered twice: by the adapter in a feed with the request as cause, and, where a
 * snapshot came of it, by the worker in `embargo.out` with the snapshot's event as cause.  A
 * decision is answered once, by the worker.
 */
#pragma once

#include "adapters/terminal/session.h"

struct outcome { /* of a request, as its answers come */
    struct session *s;
    const char *list;
    bool json;
    uint64_t request;  /* position */
    uint64_t snapshot; /* position of its SnapshotPublished; 0 = none yet */
    uint32_t entries;
    bool told;     /* what there is to say was said */
    bool answered; /* all that is waited for has come */
    int status;
};

/* Waits for the answers of o->request and prints what they say: the exit status. */
int outcome_wait(struct outcome *o);
