/* SPDX-License-Identifier: Apache-2.0 */
/* journal_inside.h - the journal's insides, for journal.c (life, appending, single answers),
 * journal_load.c (what is known in memory), journal_read.c (readings) and scrub_pass.c
 */
#pragma once

#include <pthread.h>

#include "broker/names.h"
#include "broker/store.h"

/* What is committed, as far as it is needed at every turn. A channel is a stream and a type; its
 * name is the two numbers of them, and `last` its last position, by its number. */
struct shared {
    pthread_mutex_t lock;
    uint64_t head;
    int64_t last_received;
    struct tree tree;
    struct names names[NAME_KINDS], channels;
    uint64_t *last;
    uint32_t last_capacity;
};

struct journal {
    struct store store;
    char *dir; /* DIR/log */
    struct shared *shared;
};

void shared_lock(const struct journal *j);
void shared_unlock(const struct journal *j);
struct shared *shared_new(void);
void shared_free(struct shared *s);
/* The channel's last position is now this one. */
void shared_note_channel(struct shared *s, const uint8_t name[CHANNEL_NAME], uint64_t position);

/* Fills `shared` from the log: 0, or an error of journal_open with a sentence in `why`. */
int journal_load(struct journal *j, struct buf *why);
int journal_begin(const struct journal *j,
                  MDB_txn **txn); /* a read transaction: 0, ERR_DAMAGED, ERR_IO */
