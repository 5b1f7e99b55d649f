/* SPDX-License-Identifier: Apache-2.0 */
/* act.h - signing about the registry: what will change is said in one sentence, and asked */
#pragma once

#include "adapters/terminal/session.h"

/* Whether the person agrees, or --yes did; complains otherwise. */
bool act_agreed(const struct call *c, const char *sentence);
/* Asks, and publishes all of the messages or none, at most SESSION_MESSAGES.  Takes the sentence
 * over. */
int act_sign(const struct call *c, struct session *s, const ProtobufCMessage *const messages[],
             size_t n, char *sentence);
/* The same for one message, in a session of its own. */
int act_one(const struct call *c, const ProtobufCMessage *message, char *sentence);
