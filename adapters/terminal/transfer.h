/* SPDX-License-Identifier: Apache-2.0 */
/* transfer.h - parts to the broker and from it: each call here waits until it is done
 *
 * What fails is complained about here; the caller only hands the exit status on.
 */
#pragma once

#include "adapters/terminal/session.h"

/* Puts the file: hash and size of *part are its. */
int transfer_put(struct session *s, const char *file, struct chancery_part *part);
/* The last event was refused since its part was put at a broker that is gone: put it again. */
bool transfer_missing(const struct session *s);

/* *fd becomes a file without a name that holds the part, read from its beginning; the caller
 * closes it. */
int transfer_get(struct session *s, uint64_t position, const uint8_t sha256[32], int *fd);

/* A file without a name in $TMPDIR; -1 after a complaint. */
int transfer_scratch(void);
