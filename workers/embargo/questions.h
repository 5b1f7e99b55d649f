/* SPDX-License-Identifier: Apache-2.0 */
/* questions.h - answers to questions about lists: pages of at most 256 KiB, with cursors */
#pragma once

#include "lib/worker.h"
#include "workers/embargo/image.h"

void reply_party(const void *state, const ProtobufCMessage *question, struct answers *out);
void reply_parties(const void *state, const ProtobufCMessage *question, struct answers *out);
void reply_history(const void *state, const ProtobufCMessage *question, struct answers *out);
void reply_status(const void *state, const ProtobufCMessage *question, struct answers *out);

/* Counts by committee, in the order of their names, of the feed image or of what is in force. */
Sanctions__CommitteeCount **committees_count(const struct list *list, bool of_feed, size_t *n,
                                             struct arena *arena);
