/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - records, from the first one on, against what is derived of each; for verify and scrub
 *
 * Of a record that opens: its entries in the indexes, and the hashes of the tree that it completed.
 */
#pragma once

#include "broker/store.h"
#include "lib/envelope.h"

/* What is missing or says something else, and a sentence. */
typedef void check_found(void *arg, uint64_t position, enum db db, bool missing, const char *text);

struct check { /* `tree` goes from record to record, the rest is of one transaction */
    const struct store *store;
    MDB_txn *txn;
    struct store_run hashes; /* opened on DB_TREE */
    struct tree tree;
    check_found *found;
    void *arg;
};

/* `numbers` are those of its names.  Returns how many parts it names, each counted once. */
size_t check_entries(const struct check *c, uint64_t position, const struct event *e,
                     const uint32_t numbers[NAME_KINDS]);
/* The next record; NULL for one that is damaged: the leaf that is stored stands for it, so that
 * only it is named. */
void check_tree(struct check *c, uint64_t position, const struct journal_record *record);
