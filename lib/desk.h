/* SPDX-License-Identifier: Apache-2.0 */
/* desk.h - a worker's desk: questions, answered once the state knows enough of the log */
#pragma once

#include <uv.h>

#include "lib/worker.h"

struct desk;

/* Offers the worker's service.  All that is given outlives the desk. */
struct desk *desk_new(const struct worker *w, const struct fold *fold, struct chancery *client,
                      uv_loop_t *loop);
void desk_free(struct desk *d); /* after the client was closed; NULL is fine */

/* Folded up to the position; while the worker is `folding` what was there before it, questions are
 * refused. */
void desk_turn(struct desk *d, bool folding, uint64_t folded);
/* Refuses those that have waited too long: to be called twice a second. */
void desk_tick(struct desk *d);
