/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - what the registry says now, as the broker tells it */
#pragma once

#include "adapters/terminal/session.h"
#include "chancery/core/v1/frames.pb-c.h"

/* Lies in the session's arena: DONE, or FAILED after an error was printed. */
int registry_fetch(struct session *s, const Core__Registry **out);
/* The same without a word: NULL, too, where the seat may not read the registry. */
const Core__Registry *registry_quietly(struct session *s);
/* Opens a session, fetches, prints and ends; returns what `print` does, or why it did not come to
 * it. */
int registry_look(const struct call *c,
                  int (*print)(const struct call *c, const Core__Registry *r));
