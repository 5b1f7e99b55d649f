/* SPDX-License-Identifier: Apache-2.0 */
/* roll.h - who is seated where with which keys, as the registry's signed events say; pure
 *
 * The broker tells its registry (GetRegistry), and who seals for the keys that it tells trusts it
 * with the secret.  This is what the events of the stream `registry` say themselves, each verified:
 * that its key was then the signer's, that none of the signer's is missing, and that the signer
 * might (proto/README.md, rule 7).  Acts that wait for a quorum are not in force until it signed.
 */
#pragma once

#include "chancery/core/v1/registry.pb-c.h"
#include "lib/chancery.h"
#include "lib/mem.h"
#include "lib/note.h"
#include "lib/sign.h"

struct roll;

struct roll_key {
    int kind; /* KeyKind */
    uint8_t public_key[KEY_SIZE], id[KEY_ID_SIZE];
    uint64_t stated;  /* position of the event that has it */
    uint64_t revoked; /* 0 = it is in force */
};

struct roll_seat {
    char *name, *office; /* office NULL: it founded the log and has none yet */
    int kind, standing;  /* SeatKind, Standing */
    struct roll_key *keys;
    size_t n_keys;
};

struct roll *roll_new(void);
void roll_free(struct roll *r); /* NULL is fine */

/* The next event of the stream, from position 1 on: 0, or a negative err with a sentence in `why`;
 * then nothing that the roll says is vouched for. */
int roll_take(struct roll *r, const struct chancery_record *record, struct buf *why);

size_t roll_seats(const struct roll *r);
const struct roll_seat *roll_seat(const struct roll *r, size_t i); /* lent until roll_take */
/* What "identifier@version" means, or NULL. */
const Core__GroupSet *roll_group(const struct roll *r, const char *reference);
