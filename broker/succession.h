/* SPDX-License-Identifier: Apache-2.0 */
/* succession.h - a restored copy of a log goes on under a name of its own
 *
 * The copy's records stay what they are: the successor's tree begins with the predecessor's.  The
 * first event behind them, LogSucceeded, names both, the predecessor's newest checkpoint and what
 * was lost, and opens the return (registry.proto, admit.c).
 */
#pragma once

#include "broker/journal.h"
#include "broker/log_key.h"
#include "broker/registry.h"

struct succession {
    const struct log_key *key;            /* of the successor, with its name */
    const struct seat_key *administrator; /* who signs; may publish to `registry` */
    uint64_t lost;                        /* last position known to be lost; 0 = not known */
    struct slice checkpoint;              /* the predecessor's newest note; empty = none is left */
    int64_t now;
};

/* Appends the event to the log in DIR/log, which no broker has open, and writes its checkpoint,
 * which the signer remembers (signed.h).  0;
 * ERR_REGISTRY, ERR_EXISTS, ERR_FIELD, ERR_DENIED or ERR_KEY_UNKNOWN and nothing changed; ERR_IO,
 * ERR_FULL, ERR_UNKNOWN; with a sentence in `why`.  Blocks. */
int succession_found(struct journal *j, const char *dir, const struct succession *s,
                     struct buf *why);

/* Whether a LogSucceeded at that position tells the truth about the log before it: 0, or an error
 * with a sentence in `text`. */
int succession_check(struct journal *j, uint64_t position, struct slice payload, char text[256]);
