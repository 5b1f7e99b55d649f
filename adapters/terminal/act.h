/* SPDX-License-Identifier: Apache-2.0 */
/* act.h - one act on the registry, signed by the seat that the call names */
#pragma once

#include "adapters/terminal/session.h"

/* Says the sentence and asks, unless --yes answers; then publishes the message to `registry`. Takes
 * the sentence over.  The exit status. */
int act_sign(const struct call *c, const ProtobufCMessage *message, char *sentence);
