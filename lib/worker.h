/* SPDX-License-Identifier: Apache-2.0 */
/* worker.h - runs a worker: fold, decide, publish, resume
 *
 * A worker is a table of rows over message types and nothing else: `apply` folds an event into the
 * state, cannot refuse and emits nothing; `decide` answers a request from a state that it may not
 * change.  Neither reads a clock, a file or a random number, and neither uses floating point.
 *
 * Inputs are the reference streams and the request streams that the worker names, in order of
 * position; a type may have both rows and is folded first.  The state for the input at position p
 * is: inputs folded up to p, and own events with a cause before p. Own events are folded in order
 * of cause and ordinal.  So after a crash, an audit and a live run see the same states.
 */
#pragma once

#include <stdio.h>

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/answers.h"
#include "lib/merge.h"

struct input { /* valid during the call */
    uint64_t position;
    int64_t received;
    const Core__Envelope *envelope;
    const ProtobufCMessageDescriptor *type;
    const ProtobufCMessage *body;
    struct slice payload; /* the bytes of body */
};

typedef void worker_apply(void *state, const struct input *in);
typedef void worker_decide(const void *state, const struct input *in, struct answers *out);

/* A question's answer: pack one message with `answer(out, ...)`, or answer_refused. `as_of` is
 * added by the runtime. */
typedef void worker_reply(const void *state, const ProtobufCMessage *question, struct answers *out);

struct worker_row {
    const ProtobufCMessageDescriptor *type;
    worker_apply *apply;   /* or NULL */
    worker_decide *decide; /* or NULL; for types of own events always NULL */
};

struct worker_question {
    const ProtobufCMessageDescriptor *type;
    worker_reply *reply;
};

struct worker {
    const char *name;              /* also the service it offers */
    uint32_t rules;                /* version of its rules: another one is another way to decide */
    const char *const *reads;      /* NULL-ended: reference and request streams, patterns */
    const char *out;               /* own stream, e.g. "embargo.out" */
    const char *wake;              /* own stream of WakeAt, or NULL */
    const struct worker_row *rows; /* ended by a row without type */
    const struct worker_question *questions;
    void *(*state_new)(void);
    void (*state_free)(void *state);
    void (*dump)(const void *state, struct buf *out); /* canonical text: equal states, equal text */
};

/* The pure half, shared by the runtime, the test rig and audit. */
struct fold;
struct fold *fold_new(const struct worker *w);
void fold_free(struct fold *f);
const void *fold_state(const struct fold *f);
/* The worker reads the stream, as an input. */
bool fold_reads(const struct fold *f, const char *stream);
/* The stream is the worker's own. */
bool fold_owns(const struct fold *f, const char *stream);
/* Inputs of this type are answered: the type has a decide row, or the stream is "<name>.in". */
bool fold_answers(const struct fold *f, const char *stream, const char *type);

enum fold_mode {
    FOLD_APPLY,  /* only folded: it is not answered, or its answers are in the log */
    FOLD_DECIDE, /* folded and answered: into `out`, RulesAdopted first where it is due */
};

/* An input, in order of position.  What does not unpack or is of no known type is answered by
 * RequestRefused. RetryInput folds and decides the input that failed. */
void fold_input(struct fold *f, const struct item *input, enum fold_mode mode, struct answers *out);

enum { DEATHS_MOST = 3 }; /* on one input, and it is set aside */

/* Instead of fold_input for an input that ended the process so often: it is kept for RetryInput,
 * and answered by WorkerFailed into `out` (NULL: that is in the log). */
void fold_failed(struct fold *f, const struct item *input, uint32_t deaths, struct answers *out);
/* All answers to an input are one WorkerFailed. */
bool fold_is_failed(const struct item *const *own, size_t n);
/* Position of the first input behind `after` that failed and was not decided since; 0 = none. */
uint64_t fold_failed_behind(const struct fold *f, uint64_t after);
/* An own event, in order of cause and ordinal, after its cause's fold_input and before the next
 * input's. */
void fold_own(struct fold *f, const struct item *own);
uint32_t fold_rules(const struct fold *f); /* version last adopted; 0 = none yet */
/* Answers a question: one message or RequestRefused in `out`. */
void fold_question(const struct fold *f, const char *type, struct slice payload,
                   struct answers *out);

enum { WORKER_AGAIN = 75 }; /* exit status: another instance is ahead; start again from the log */

/* Runs until SIGTERM or SIGINT; returns the exit status.  argv as settings_file takes it; the seat
 * is that of [<name>], or of [process <name>] where that section does not exist.  From then on it
 * reaches its key, run-dir and the broker, and nothing else (sandbox.h).  Three deaths on
 * one input (counted in run-dir/<name>.deaths) are answered by WorkerFailed.  A second instance is
 * harmless: what both answer is recorded once, and the one that is behind ends with WORKER_AGAIN.
 */
int worker_main(const struct worker *w, int argc, char **argv);
