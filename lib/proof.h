/* SPDX-License-Identifier: Apache-2.0 */
/* proof.h - an inclusion proof as a file (c2sp.org/tlog-proof), and what it shows; pure
 *
 * Its `extra` is the log's entry of the record (tree.h).  Nothing vouches for that: who checks a
 * record makes the entry from the record, and compares.
 */
#pragma once

#include "lib/note.h"

enum { PROOF_SIZE = 16384 };

struct proof {
    bool has_entry; /* others' files may lack it */
    uint8_t entry[LOG_ENTRY_SIZE];
    uint64_t index;
    struct hash path[TREE_LEVELS];
    int n;
    struct slice note; /* the checkpoint; lent by what the proof was read from */
};

/* Appends the file. */
void proof_print(struct buf *out, const struct proof *p);
/* A hash a line, base64: also the form of a consistency proof.  Appends. */
void proof_print_hashes(struct buf *out, const struct hash hashes[], int n);
/* 0 or ERR_MALFORMED; a file of another application, with another `extra`, is malformed too. */
int proof_parse(struct proof *p, struct slice text);

/* That the entry is where the proof says, in the tree whose checkpoint the log's key signed; `c`
 * becomes the checkpoint. 0; ERR_MALFORMED or ERR_SIGNATURE of the checkpoint; ERR_PROOF. */
int proof_check(const struct proof *p, const uint8_t entry[LOG_ENTRY_SIZE], const char *log,
                const uint8_t public_key[KEY_SIZE], struct checkpoint *c);
