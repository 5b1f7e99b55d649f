/* SPDX-License-Identifier: Apache-2.0 */
/* desk.h - a worker's desk: questions, answered once the state knows enough of the log
 *
 * An answer states the position up to which it knows the log, and that is true: nothing is answered
 * while an input is under way, for the state then has a part of what follows from it.  Inputs that
 * come tell how far the log is known; where one asks for a position that no input has reached (of
 * an answer, or of what the worker does not read), the log is asked whether there are inputs up to
 * there.
 */
#pragma once

#include <uv.h>

#include "lib/worker.h"

enum desk_state {
    DESK_FOLDING, /* the worker starts: questions are refused */
    DESK_WAITS,   /* an input is under way: they wait */
    DESK_OPEN,
};

struct desk;

/* Offers the worker's service.  All that is given outlives the desk. */
struct desk *desk_new(const struct worker *w, const struct fold *fold, struct chancery *client,
                      uv_loop_t *loop);
void desk_free(struct desk *d); /* after the client was closed; NULL is fine */

/* All inputs up to the position have come (and may still wait to be folded). */
void desk_came(struct desk *d, uint64_t position);
void desk_turn(struct desk *d, enum desk_state state);
/* Refuses those that have waited too long: to be called twice a second. */
void desk_tick(struct desk *d);
