/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - RFC 6962 (section 2.1) hashes and proofs; pure
 *
 * leaf = SHA-256(0x00 || entry), node = SHA-256(0x01 || left || right), empty root = SHA-256("").
 * Stored hashes are numbered as they become known: after leaf n come the nodes that it completes,
 * so the numbers ascend with the log and never change (the order of golang.org/x/mod/sumdb/tlog).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/hash.h"

enum { TREE_LEVELS = 64, LOG_ENTRY_SIZE = 49 };

/* What the log's tree has for a record: 0x01 || position || received || SHA-256(SignedEvent),
 * big-endian. */
void tree_log_entry(uint8_t out[LOG_ENTRY_SIZE], uint64_t position, int64_t received,
                    const struct hash *event);
/* Takes it apart: 0 or ERR_MALFORMED. */
int tree_log_entry_read(struct slice entry, uint64_t *position, int64_t *received,
                        struct hash *event);
/* The leaf of that entry. */
void tree_log_leaf(struct hash *out, uint64_t position, int64_t received, const struct hash *event);
void tree_leaf(struct hash *out, struct slice entry);
/* What is hashed for a leaf of a batch: 0x00 || salt || envelope. */
struct hash_text tree_batch_leaf(struct slice salt, struct slice envelope);
void tree_node(struct hash *out, const struct hash *left, const struct hash *right);

/* A growing tree: the roots of its complete subtrees, largest first. */
struct tree {
    uint64_t size;
    int depth;
    struct hash edge[TREE_LEVELS];
};

/* Adds a leaf hash. `stored`, if not NULL, gets the 1 + k new stored hashes in their order; returns
 * how many. */
int tree_append(struct tree *t, const struct hash *leaf, struct hash stored[TREE_LEVELS]);
void tree_root(const struct tree *t, struct hash *out);

/* Number of the stored hash of the complete subtree of 2^level leaves that begins at leaf `index`
 * << level. */
uint64_t tree_stored_index(int level, uint64_t index);
/* How many stored hashes a tree of `size` leaves has. */
uint64_t tree_stored_count(uint64_t size);

/* Reads a stored hash; 0 or a negative err. */
typedef int tree_read(void *arg, uint64_t stored_index, struct hash *out);

int tree_load(struct tree *t, uint64_t size, tree_read *read,
              void *arg); /* the edge of a tree of that size */

/* Audit path of leaf `index` in the tree of `size`, from the sibling up; at most 64. */
int tree_inclusion(uint64_t index, uint64_t size, tree_read *read, void *arg,
                   struct hash path[TREE_LEVELS], int *n);
/* Consistency proof between two sizes (RFC 6962 section 2.1.2). */
int tree_consistency(uint64_t old_size, uint64_t size, tree_read *read, void *arg,
                     struct hash path[TREE_LEVELS], int *n);

/* Length of the audit path of leaf `index` < `size`. */
int tree_inclusion_length(uint64_t index, uint64_t size);
/* The root that the path leads to; false where the path has not the length that index and size ask
 * for. */
bool tree_inclusion_root(uint64_t index, uint64_t size, const struct hash *leaf,
                         const struct hash path[], int n, struct hash *root);
/* True when the path leads from the leaf to the root. */
bool tree_check_inclusion(uint64_t index, uint64_t size, const struct hash *leaf,
                          const struct hash path[], int n, const struct hash *root);
bool tree_check_consistency(uint64_t old_size, uint64_t size, const struct hash *old_root,
                            const struct hash *root, const struct hash path[], int n);

/* A whole small tree at once: its root and, for each of n (1..64) leaves, the audit path. `paths`
 * may be NULL. */
void tree_small(const struct hash leaves[], size_t n, struct hash *root, struct hash (*paths)[6],
                size_t path_lengths[]);
