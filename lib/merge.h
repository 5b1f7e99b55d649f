/* SPDX-License-Identifier: Apache-2.0 */
/* merge.h - a worker's inputs by position, joined with its own answers by cause
 *
 * In the log the answers to an input stand anywhere behind it.  Whoever folds (a worker that
 * starts, an audit, a test) sees each input together with its answers, in order.  Pure; holds
 * copies of what has come and was not taken yet.
 */
#pragma once

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/mem.h"
#include "lib/slice.h"

struct item { /* a record taken apart, in memory of its own */
    uint64_t position;
    int64_t received;
    const Core__Envelope *envelope;
    struct slice payload;
    bool answered; /* of an input: somebody answers it */
    struct arena *arena;
    struct item *next;
};

/* Copies. NULL when the event cannot be opened. */
struct item *item_new(uint64_t position, int64_t received, struct slice event,
                      struct slice payload);
void item_free(struct item *item); /* NULL is fine */

struct merge;

struct merge *merge_new(void);
void merge_free(struct merge *m);

/* Takes the item over. Inputs come in order of position, own events in order of theirs. */
void merge_input(struct merge *m, struct item **input, bool answered);
void merge_own(struct merge *m, struct item **own);
bool merge_empty(const struct merge *m);
bool merge_input_waits(const struct merge *m);
/* What is held is bounded: there is room for another one, or nothing goes on without it. One of the
 * two holds, or merge_peek shows what can be taken. */
bool merge_wants_input(const struct merge *m);
bool merge_wants_own(const struct merge *m);

enum merge_state {
    MERGE_NOTHING,  /* no input waits (answers may: their input is still to come) */
    MERGE_PLAIN,    /* an input that is not answered */
    MERGE_ANSWERED, /* an input and all of its answers */
    MERGE_PART,     /* an input and some of its answers, or none: more may come */
    MERGE_SKIPPED,  /* an input and some of its answers, or none; later inputs have answers already
                     */
    MERGE_ORPHAN,   /* own[0] answers no input that there is */
};

/* The next input and the answers that it has so far, in order of ordinal. They stay the merge's. */
enum merge_state merge_peek(struct merge *m, const struct item **input,
                            const struct item *const **own, size_t *n);
/* Drops the input that merge_peek showed and its answers; after MERGE_ORPHAN the orphan alone. */
void merge_pop(struct merge *m);
