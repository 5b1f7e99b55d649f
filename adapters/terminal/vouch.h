/* SPDX-License-Identifier: Apache-2.0 */
/* vouch.h - the roll that the registry's signed events make, and that the log has them
 *
 * For a decision that must not hang on the broker's word.  What is left: a broker may keep the
 * newest events to itself, or show a log of its own making to one reader, signed with the log's
 * key; either shows when checkpoints are compared.
 */
#pragma once

#include "adapters/terminal/roll.h"
#include "adapters/terminal/session.h"

struct vouch;

/* Reads the stream `registry` whole and verifies each event.  Blocks.  The exit status, having
 * complained; `*out` is to be closed when it is DONE. */
int vouch_open(struct vouch **out, struct session *s);
void vouch_close(struct vouch *v); /* NULL is fine */
const struct roll *vouch_roll(const struct vouch *v);
/* That the event at the position, of the stream, is in the tree that the log's key signed: asks the
 * broker, once a position.  The exit status, having complained. */
int vouch_prove(struct vouch *v, uint64_t position);
