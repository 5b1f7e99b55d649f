/* SPDX-License-Identifier: Apache-2.0 */
/* note.h - C2SP signed notes and checkpoints (c2sp.org/signed-note, c2sp.org/tlog-checkpoint)
 *
 * Key type 0x01 (Ed25519).  Unknown signature lines are ignored; a bad signature of the known key
 * refuses the note.
 */
#pragma once

#include "lib/sign.h"
#include "lib/slice.h"
#include "lib/tree.h"

enum { NOTE_SIZE = 4096, ORIGIN_SIZE = 129 };

struct checkpoint {
    char origin[ORIGIN_SIZE]; /* the log's name */
    uint64_t size;
    struct hash root;
};

/* Decimal, without leading zeros, at most INT64_MAX: what every implementation can hold. */
bool note_number(struct slice text, uint64_t *number);

/* The verifier key: name+hex8(key id)+base64(0x01 || public key).  Appends, without a line end. */
void note_vkey(struct buf *out, const char *name, const uint8_t public_key[KEY_SIZE]);
/* 0 or ERR_MALFORMED. */
int note_vkey_parse(struct slice vkey, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE]);

/* Appends the whole signed note: 0, or as sign_bytes. */
int checkpoint_sign(struct buf *out, const struct checkpoint *c, const struct sign_key *key);
/* 0, ERR_MALFORMED, or ERR_SIGNATURE (no or a bad signature of that key, or another origin). */
int checkpoint_open(struct checkpoint *c, struct slice note, const char *name,
                    const uint8_t public_key[KEY_SIZE]);
/* What the note states, for who has not the key: its signatures are not checked. */
int checkpoint_stated(struct checkpoint *c, struct slice note);
