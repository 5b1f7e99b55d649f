/* SPDX-License-Identifier: Apache-2.0 */
/* publish.h - inside `event publish`: what its two forms share */
#pragma once

#include "adapters/terminal/draft.h"
#include "adapters/terminal/session.h"

/* What the options say of the event: DONE, or USAGE after an error was printed. */
int draft_of_call(const struct call *c, struct draft *d);

/* One object: what became of the event; `id` NULL = it never had one, `line` 0 = it is not one of
 * many. */
void published_show(const struct published *p, const uint8_t *id, uint64_t line);

/* `event publish --ndjson` */
int ndjson_run(const struct call *c);
