/* SPDX-License-Identifier: Apache-2.0 */
/* store.h - how the journal lies in LMDB: databases, keys and values; for journal and verify
 *
 *   events    position of the first           -> a block: records of one commit side by side
 *   names     kind, name                      -> number, in the order of first use
 *   ids       seat, id                        -> position, envelope hash
 *   channels  stream, type, position          -> seat
 *   tails     seat, stream                    -> seat_seq, position, envelope hash
 *   parts     part hash, position             -> nothing
 *   tree      stored index of the first       -> hashes of one commit side by side (lib/tree.h)
 *   meta      "format"                        -> version, founding records, SHA-256 of both
 *
 * A block is a head {magic u32, count u32}, a row for each record {received i64, end of its event
 * u32, end of its payload u32 (both from the start of the block), sum}, and then events and
 * payloads in turn.  The sum is SHA-256(position u64 || received i64 || SHA-256(event) ||
 * SHA-256(payload)). Side by side, records and hashes cost no page that is half empty and one
 * look-up a commit.
 *
 * Keys are big-endian, but for events and tree (MDB_INTEGERKEY).  Numbers in values are
 * little-endian.  LMDB aligns nothing and its values are gone with the transaction: all goes by
 * memcpy.  Nothing is ever deleted.
 */
#pragma once

#include <lmdb.h>

#include "broker/journal.h"

enum db {
    DB_EVENTS,
    DB_NAMES,
    DB_IDS,
    DB_CHANNELS,
    DB_TAILS,
    DB_PARTS,
    DB_TREE,
    DB_META,
    DB_COUNT
};
enum name_kind { NAME_SEAT, NAME_STREAM, NAME_TYPE, NAME_KINDS };
enum {
    NAME_MOST = 128, /* bytes */
    BLOCK_HEAD = 4 + 4,
    BLOCK_ROW = 8 + 4 + 4 + HASH_SIZE,
    BLOCK_BYTES = 256 * 1024, /* of events and payloads; one record may be larger */
    NUMBER_SIZE = 4,
    ID_KEY = 4 + 16,
    ID_VALUE = 8 + HASH_SIZE,
    CHANNEL_NAME = 4 + 4,
    CHANNEL_KEY = CHANNEL_NAME + 8,
    TAIL_KEY = 4 + 4,
    TAIL_VALUE = 8 + 8 + HASH_SIZE,
    PART_KEY = HASH_SIZE + 8,
    META_BODY = 4 + 8,
};

extern const char *const store_db_names[DB_COUNT];

struct store {
    MDB_env *env;
    MDB_dbi dbi[DB_COUNT];
    int owner; /* descriptor that holds the lock; -1 none */
    bool read_only;
    bool live;        /* read beside a process that owns it, as LMDB's table of readers allows */
    uint64_t founded; /* records that journal_create wrote */
};

/* Makes the databases in an existing empty directory, and nothing in them. */
int store_create(struct store *s, const char *dir, uint64_t founded);
/* `dir` is DIR/log; takes the lock. Errors as journal_open. */
int store_open(struct store *s, const char *dir, bool read_only, struct buf *why);
void store_close(struct store *s);

/* 0 for MDB_SUCCESS, ERR_NOT_FOUND, ERR_DAMAGED for what LMDB finds amiss in the file, else ERR_IO.
 */
int store_error(int mdb);

/* Within fences (fence.h): a page that cannot be read is MDB_CORRUPTED, here ERR_DAMAGED. */
int store_get(const struct store *s, MDB_txn *txn, enum db db, struct slice key, struct slice *out);
/* MDB's own codes. */
int store_begin(const struct store *s, unsigned flags, MDB_txn **txn);
int store_cursor(const struct store *s, MDB_txn *txn, enum db db, MDB_cursor **cursor);
int store_step(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op);
/* MDB's own code. `flags` as mdb_put. */
int store_put(const struct store *s, MDB_txn *txn, enum db db, struct slice key, struct slice value,
              unsigned flags);

/* How many of the events go into the next block, and its size. */
size_t store_block_fit(const struct journal_event events[], size_t n, size_t *size);
void store_block_fill(uint8_t *block, uint64_t first, const struct journal_event events[],
                      size_t n);

/* Values that hold several things side by side, in DB_EVENTS or DB_TREE: goes to the one with a
 * number and remembers where it stands, so that going on is cheap.  Within one transaction. */
struct store_run {
    const struct store *store;
    enum db db;
    MDB_cursor *cursor;
    uint64_t first, count; /* of the value where it stands; count 0: nowhere */
    struct slice value;
};

/* 0, ERR_DAMAGED or ERR_IO. */
int store_run_open(struct store_run *r, const struct store *s, MDB_txn *txn, enum db db);
void store_run_close(struct store_run *r);
/* 0, ERR_NOT_FOUND where no value holds the number, ERR_DAMAGED. */
int store_run_seek(struct store_run *r, uint64_t number);
/* To the next value, at first to the first one; `last`: to the last one.  ERR_NOT_FOUND behind the
 * end; ERR_DAMAGED with `first` set and count 0 where the value is none. */
int store_run_next(struct store_run *r);
int store_run_last(struct store_run *r);
/* The record, checked: 0, ERR_NOT_FOUND or ERR_DAMAGED. */
int store_run_record(struct store_run *r, uint64_t position, struct journal_record *out);
/* 0, ERR_NOT_FOUND or ERR_DAMAGED. */
int store_run_hash(struct store_run *r, uint64_t stored_index, struct hash *out);

size_t store_name_key(uint8_t key[1 + NAME_MOST], enum name_kind kind, struct slice name);
void store_id_key(uint8_t key[ID_KEY], uint32_t seat, const uint8_t id[16]);
void store_id_value(uint8_t value[ID_VALUE], uint64_t position, const struct hash *envelope);
void store_channel_name(uint8_t name[CHANNEL_NAME], uint32_t stream, uint32_t type);
void store_channel_key(uint8_t key[CHANNEL_KEY], const uint8_t name[CHANNEL_NAME],
                       uint64_t position);
void store_tail_key(uint8_t key[TAIL_KEY], uint32_t seat, uint32_t stream);
void store_tail_value(uint8_t value[TAIL_VALUE], const struct journal_tail *t);
bool store_tail_read(struct journal_tail *t, struct slice value);
void store_part_key(uint8_t key[PART_KEY], const struct hash *part, uint64_t position);

void store_u32_be(uint8_t *out, uint32_t v);
void store_u64_be(uint8_t *out, uint64_t v);
uint64_t store_u64_be_read(const uint8_t *in);
void store_u32(uint8_t *out, uint32_t v); /* little-endian */
void store_u64(uint8_t *out, uint64_t v);
uint32_t store_u32_read(const uint8_t *in);
uint64_t store_u64_read(const uint8_t *in);
