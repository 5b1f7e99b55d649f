/* SPDX-License-Identifier: Apache-2.0 */
/* client_open.h - opening a client with a key that is open already
 *
 * A process that enters a sandbox opens its seat's key before it (a token's module is not reached
 * from inside), and the client behind it.
 */
#pragma once

#include "lib/chancery.h"
#include "lib/sign.h"

/* As chancery_open, without reading key_file; once it returns 0 the key is the client's. */
int client_open_key(struct chancery **out, struct uv_loop_s *loop,
                    const struct chancery_options *options, struct seat_key *key, char why[256]);
