/* SPDX-License-Identifier: Apache-2.0 */
/* crew.h - a few threads for work that would keep the loop
 *
 * They draw items from one queue, in the order in which those were given, and end them in any.  A
 * thread that works takes the next item without being woken, so waking is paid for once a rush and
 * not once an item.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct crew;

struct crew_item { /* part of what is given; the crew's until it is done */
    struct crew_item *next;
    atomic_bool done;
};

typedef void crew_work(struct crew_item *item); /* on one of the threads */
typedef void crew_done(void *owner); /* on the loop: items are done that were not before */

/* As many threads as there are processors, at most 4. */
void crew_start(struct crew **out, uv_loop_t *loop, crew_work *work, crew_done *done, void *owner);
void crew_give(struct crew *c, struct crew_item *item);
/* From then on the item is the caller's, with all that was done to it. */
bool crew_is_done(struct crew_item *item);
/* Waits for the threads: blocks as long as the items that were given take. */
void crew_stop(struct crew *c);
