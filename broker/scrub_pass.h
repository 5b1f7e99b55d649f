/* SPDX-License-Identifier: Apache-2.0 */
/* scrub_pass.h - one reading of the whole log, a bounded piece at a time
 *
 * Each record is read and opened; its checksum, its place in time, its names, its entries in the
 * indexes, its seat's tail and the tree's hashes are recomputed and compared, and at the end the
 * tree's root with the one in memory.  The first thing that is wrong ends the pass.
 */
#pragma once

#include "broker/check.h"

struct scrub_finding {
    uint64_t position; /* 0: none */
    const char *what;
    char text[160];
};

struct scrub_pass {
    struct check check;
    struct arena *arena;
    uint64_t next; /* record that it goes on with */
    int64_t received;
    uint64_t bytes; /* of records read so far */
    struct scrub_finding finding;
};

void scrub_pass_begin(struct scrub_pass *p); /* of an empty one, or anew from the first record */
void scrub_pass_end(struct scrub_pass *p);   /* frees what it holds */

/* Reads on for at least one record and until `bytes` are read, in one read transaction; `*read`
 * becomes how many they were.  0 to go on, 1 at the log's end, ERR_DAMAGED with `finding` set. */
int scrub_pass_turn(struct scrub_pass *p, struct journal *j, uint64_t bytes, uint64_t *read);
