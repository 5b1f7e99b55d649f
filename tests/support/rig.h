/* SPDX-License-Identifier: Apache-2.0 */
/* rig.h - a worker without a broker: inputs go in, answers come out, and the log of both is kept
 *
 * Positions count up from 1, receipt times a second each from 2026-01-01T00:00:00Z, mode EXERCISE.
 * `rig_free` folds the log anew, once as a worker that starts again does and once deciding every
 * input anew, and compares the states and the answers.
 */
#pragma once

#include "lib/worker.h"

struct rig;

struct rig *rig_new(const struct worker *w);
void rig_free(struct rig *r); /* fails the test when the log folds or decides differently */

/* An input in `stream` by seat "amina" of office "QMA/secretariat"; returns its position. Answered
 * at once. */
uint64_t rig_input(struct rig *r, const char *stream, const ProtobufCMessage *message);
/* The same by another seat. */
uint64_t rig_input_by(struct rig *r, const char *stream, const char *seat, const char *office,
                      const ProtobufCMessage *message);

/* The same, but the worker dies of it three times: answered by WorkerFailed. */
uint64_t rig_fatal(struct rig *r, const char *stream, const ProtobufCMessage *message);

/* "sanctions.SnapshotPublished\n    embargo.Baseline\n": an input a line, its answers indented; of
 * a RequestRefused with its code. Only answered inputs. Since the last rig_trace. */
const char *rig_trace(struct rig *r);

/* Answers to the last input. */
size_t rig_answers(const struct rig *r);
/* The i-th of them unpacked (the rig's, until the next call); its type must be `type`. */
const void *rig_answer(struct rig *r, size_t i, const ProtobufCMessageDescriptor *type);
const char *rig_answer_type(const struct rig *r, size_t i);

/* A question and its answer (the rig's, until the next call). */
const void *rig_ask(struct rig *r, const ProtobufCMessage *question,
                    const ProtobufCMessageDescriptor *type);

const void *rig_state(const struct rig *r);
/* The worker's dump of its state. */
const char *rig_dump(struct rig *r);
