/* SPDX-License-Identifier: Apache-2.0 */
/* oracle.h - what the acts that a registry took allow, stated once more and otherwise
 *
 * It shares no code with the registry's fold: it unpacks with protobuf-c, keeps plain arrays, and
 * says who may sign what, what waits for the quorum, which keys pass and what the rules allow as
 * registry.proto and chancery(7) have it.  It believes the registry in one thing: which acts of
 * those who may sign them were well formed.
 */
#pragma once

#include "broker/registry.h"

struct oracle;

struct oracle *oracle_new(void);
void oracle_free(struct oracle *o);

/* Whether it is theirs to sign, as things stand. */
bool oracle_may_sign(const struct oracle *o, const struct registry_event *act);

/* The registry took the act at that position. */
void oracle_take(struct oracle *o, uint64_t position, const struct registry_event *act);

/* Compares all seats, keys, offices and rules, and what each seat may do with each verb: true, or
 * false with a sentence in `why`.  `answers` counts the questions that were allowed. */
bool oracle_agrees(const struct oracle *o, const struct registry *r, struct buf *why,
                   size_t *answers);
