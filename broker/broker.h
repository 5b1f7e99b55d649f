/* SPDX-License-Identifier: Apache-2.0 */
/* broker.h - peers, streams and positions, and no domain
 *
 * receive -> identify -> unpack -> one row of a table a kind of frame.  All of it runs on the
 * loop's thread, but the commits, the signature checks and the checkpoint's sync.
 */
#pragma once

#include <uv.h>

#include "lib/conf.h"

struct broker;

extern const struct conf_key broker_keys[]; /* its own settings */

/* Opens the instance that `config` (a file or a directory) names, tests its own door and serves: 0
 * or a negative err with a sentence in `why`. Runs the loop for the test. */
int broker_open(struct broker **out, uv_loop_t *loop, const char *config, struct buf *why);

/* Takes nothing more, ends what is under way, writes the checkpoint and closes all handles: the
 * loop then has nothing left of it. */
void broker_stop(struct broker *b);

/* Once the loop is empty. */
void broker_free(struct broker *b);
