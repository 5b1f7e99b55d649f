/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal_inside.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- what is known in memory ---- */

void shared_lock(const struct journal *j)
{
    pthread_mutex_lock(&j->shared->lock);
}

void shared_unlock(const struct journal *j)
{
    pthread_mutex_unlock(&j->shared->lock);
}

struct shared *shared_new(void)
{
    struct shared *s = mem_new(sizeof *s);

    pthread_mutex_init(&s->lock, NULL);
    return s;
}

void shared_free(struct shared *s)
{
    for (int kind = 0; kind < NAME_KINDS; kind++)
        names_clear(&s->names[kind]);
    names_clear(&s->channels);
    mem_free(s->last);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void shared_note_channel(struct shared *s, const uint8_t name[CHANNEL_NAME], uint64_t position)
{
    uint32_t channel = names_find(&s->channels, slice_of(name, CHANNEL_NAME));

    if (!channel) {
        channel = names_add(&s->channels, slice_of(name, CHANNEL_NAME));
        if (channel > s->last_capacity) {
            s->last_capacity = s->channels.capacity;
            s->last = mem_grow(s->last, s->last_capacity * sizeof *s->last);
        }
    }
    s->last[channel - 1] = position;
}

/* ---- opening ---- */

/* Numbers come in any order, since keys are sorted by name. */
static int load_names(struct journal *j, MDB_txn *txn)
{
    struct names *names = j->shared->names;
    struct slice *at[NAME_KINDS];
    size_t counts[NAME_KINDS] = {0};
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    size_t entries = 0;
    int rc = store_cursor(&j->store, txn, DB_NAMES, &cursor), err = 0;

    while (rc == 0 && (rc = store_step(cursor, &key, &value, MDB_NEXT)) == 0)
        entries++;
    if (rc == MDB_NOTFOUND)
        rc = store_step(cursor, &key, &value, MDB_FIRST);
    for (int kind = 0; kind < NAME_KINDS; kind++)
        at[kind] = mem_new((entries + 1) * sizeof *at[kind]);
    for (; rc == 0; rc = store_step(cursor, &key, &value, MDB_NEXT)) {
        const uint8_t *name = key.mv_data;
        uint32_t number = value.mv_size == NUMBER_SIZE ? store_u32_read(value.mv_data) : 0;
        if (key.mv_size < 2 || name[0] >= NAME_KINDS || number == 0 || number > entries ||
            at[name[0]][number].size) {
            err = ERR_DAMAGED;
            goto out;
        }
        at[name[0]][number] = slice_of(name + 1, key.mv_size - 1);
        counts[name[0]]++;
    }
    if (rc != MDB_NOTFOUND) {
        err = store_error(rc);
        goto out;
    }
    for (int kind = 0; kind < NAME_KINDS; kind++)
        for (size_t number = 1; number <= counts[kind]; number++) {
            struct slice name = at[kind][number];
            if (!name.size || names_find(&names[kind], name)) {
                err = ERR_DAMAGED;
                goto out;
            }
            names_add(&names[kind], name);
        }
out:
    for (int kind = 0; kind < NAME_KINDS; kind++)
        mem_free(at[kind]);
    mdb_cursor_close(cursor);
    return err;
}

static bool channel_valid(const struct shared *s, const uint8_t name[CHANNEL_NAME])
{
    uint64_t numbers = store_u64_be_read(name);
    uint32_t stream = (uint32_t)(numbers >> 32), type = (uint32_t)numbers;

    return stream && type && stream <= s->names[NAME_STREAM].count &&
           type <= s->names[NAME_TYPE].count;
}

/* Goes from each channel's first entry to the last one before the next channel. */
static int load_channels(struct journal *j, MDB_txn *txn)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    uint8_t before[CHANNEL_NAME] = {0};
    int rc = store_cursor(&j->store, txn, DB_CHANNELS, &cursor), err = 0;

    if (rc == 0)
        rc = store_step(cursor, &key, &value, MDB_FIRST);
    while (rc == 0 && err == 0) {
        uint8_t name[CHANNEL_NAME], end[CHANNEL_KEY];
        if (key.mv_size != CHANNEL_KEY) {
            err = ERR_DAMAGED;
            break;
        }
        memcpy(name, key.mv_data, CHANNEL_NAME);
        if (!channel_valid(j->shared, name) || memcmp(name, before, CHANNEL_NAME) <= 0) {
            err = ERR_DAMAGED;
            break;
        }
        memcpy(before, name, CHANNEL_NAME);
        store_channel_key(end, name, UINT64_MAX);
        MDB_val last = {sizeof end, end};
        bool more = store_step(cursor, &last, &value, MDB_SET_RANGE) == 0;
        rc = store_step(cursor, &key, &value, more ? MDB_PREV : MDB_LAST);
        if (rc == 0 && (key.mv_size != CHANNEL_KEY || memcmp(key.mv_data, name, CHANNEL_NAME) != 0))
            err = ERR_DAMAGED;
        if (rc == 0 && err == 0) {
            const uint8_t *k = key.mv_data;
            shared_note_channel(j->shared, name, store_u64_be_read(k + CHANNEL_NAME));
            rc = store_step(cursor, &key, &value, MDB_NEXT);
        }
    }
    if (err == 0 && rc != MDB_NOTFOUND)
        err = store_error(rc);
    mdb_cursor_close(cursor);
    return err;
}

static int load_head(struct journal *j, MDB_txn *txn, struct hash *leaf)
{
    struct journal_record record;
    struct store_run run;
    int err = store_run_open(&run, &j->store, txn, DB_EVENTS);

    if (err == 0)
        err = store_run_last(&run);
    if (err == 0) {
        j->shared->head = run.first + run.count - 1;
        err = store_run_record(&run, j->shared->head, &record);
    } else if (err == ERR_NOT_FOUND) {
        record = (struct journal_record){0};
        err = 0;
    }
    if (err == 0) {
        j->shared->last_received = record.received;
        tree_log_leaf(leaf, record.position, record.received, &record.event_hash);
    }
    store_run_close(&run);
    return err;
}

/* The tree must end where the log does, and its last leaf be the last record's. */
static int load_tree(struct journal *j, const struct hash *leaf)
{
    struct shared *s = j->shared;
    struct hash stored;
    int err = tree_load(&s->tree, s->head, journal_stored_hash, j);

    if (err == 0 && s->head)
        err = journal_stored_hash(j, tree_stored_index(0, s->head - 1), &stored);
    if (err == 0 && s->head && !hash_equal(leaf, &stored))
        err = ERR_DAMAGED;
    if (err == 0 && !j->store.live && /* an owner adds to it */
        journal_stored_hash(j, tree_stored_count(s->head), &stored) != ERR_NOT_FOUND)
        err = ERR_DAMAGED;
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

int journal_load(struct journal *j, struct buf *why)
{
    const char *what = "last record";
    struct hash leaf;
    MDB_txn *txn = NULL;
    int err = store_error(store_begin(&j->store, MDB_RDONLY, &txn));

    if (err == 0)
        err = load_head(j, txn, &leaf);
    if (err == 0) {
        what = "names";
        err = load_names(j, txn);
    }
    if (err == 0) {
        what = "index of channels";
        err = load_channels(j, txn);
    }
    mdb_txn_abort(txn);
    if (err == 0) {
        what = "tree";
        err = load_tree(j, &leaf);
    }
    if (err)
        buf_printf(why, "%s: position %llu: %s: %s; see `chancery log verify`", j->dir,
                   (unsigned long long)j->shared->head, what, err_text(err));
    return err;
}
