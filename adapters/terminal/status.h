/* SPDX-License-Identifier: Apache-2.0 */
/* status.h - what the broker says of itself, for `status`, `worker ls` and `top` */
#pragma once

#include "adapters/terminal/session.h"
#include "chancery/core/v1/frames.pb-c.h"

/* Lies in the session's arena.  DONE, FAILED or UNREACHABLE; a session that is patient waits for
 * the answer without an end, and it is NULL when that was interrupted. */
int status_fetch(struct session *s, const Core__Status **out);
/* The table of seats; `workers`: of those alone that offer a service. */
void status_seats(const Core__Status *st, bool workers);
