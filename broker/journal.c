/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/fence.h"
#include "broker/names.h"
#include "broker/store.h"
#include "broker/verify.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

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

/* ---- what is known in memory ---- */

static void shared_lock(const struct journal *j)
{
    pthread_mutex_lock(&j->shared->lock);
}

static void shared_unlock(const struct journal *j)
{
    pthread_mutex_unlock(&j->shared->lock);
}

static struct shared *shared_new(void)
{
    struct shared *s = mem_new(sizeof *s);

    pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void shared_free(struct shared *s)
{
    for (int kind = 0; kind < NAME_KINDS; kind++)
        names_clear(&s->names[kind]);
    names_clear(&s->channels);
    mem_free(s->last);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static void channel_note(struct shared *s, const uint8_t name[CHANNEL_NAME], uint64_t position)
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

uint64_t journal_head(const struct journal *j)
{
    shared_lock(j);
    uint64_t head = j->shared->head;
    shared_unlock(j);
    return head;
}

int64_t journal_last_received(const struct journal *j)
{
    shared_lock(j);
    int64_t last = j->shared->last_received;
    shared_unlock(j);
    return last;
}

void journal_tree(const struct journal *j, uint64_t *size, struct hash *root)
{
    shared_lock(j);
    struct tree tree = j->shared->tree;
    shared_unlock(j);
    *size = tree.size;
    tree_root(&tree, root);
}

static uint32_t name_number(const struct journal *j, enum name_kind kind, const char *name)
{
    shared_lock(j);
    uint32_t number = names_find(&j->shared->names[kind], slice_str(name));
    shared_unlock(j);
    return number;
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
            channel_note(j->shared, name, store_u64_be_read(k + CHANNEL_NAME));
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
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = store_cursor(&j->store, txn, DB_EVENTS, &cursor);

    if (rc == 0)
        rc = store_step(cursor, &key, &value, MDB_LAST);
    int err = rc == MDB_NOTFOUND ? 0 : store_error(rc);
    if (rc == 0) {
        memcpy(&j->shared->head, key.mv_data, sizeof j->shared->head);
        err = store_record(&record, j->shared->head, slice_of(value.mv_data, value.mv_size));
    }
    if (rc == 0 && err == 0) {
        j->shared->last_received = record.received;
        store_leaf(leaf, &record);
    }
    mdb_cursor_close(cursor);
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
    if (err == 0 && journal_stored_hash(j, tree_stored_count(s->head), &stored) != ERR_NOT_FOUND)
        err = ERR_DAMAGED;
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

static int load(struct journal *j, struct buf *why)
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

/* A tool gets a damaged log too, to name all that is wrong with it. */
int journal_open(struct journal **out, const char *dir, bool read_only, struct buf *why)
{
    struct journal *j = mem_new(sizeof *j);

    j->dir = mem_printf("%s/log", dir);
    j->shared = shared_new();
    int err = store_open(&j->store, j->dir, read_only, why);
    if (err == ERR_NOT_FOUND)
        buf_add_str(why, "; `chancery init` makes a log");
    if (err == 0)
        err = load(j, why);
    if (err == ERR_DAMAGED && read_only && j->store.env) {
        buf_reset(why);
        err = 0;
    }
    if (err) {
        journal_close(j);
        j = NULL;
    }
    *out = j;
    return err;
}

void journal_close(struct journal *j)
{
    if (j) {
        store_close(&j->store);
        shared_free(j->shared);
        mem_free(j->dir);
        mem_free(j);
    }
}

uint64_t journal_founded(const struct journal *j)
{
    return j->store.founded;
}

uint64_t journal_size_on_disk(const struct journal *j)
{
    struct stat st;
    mdb_filehandle_t fd;

    return mdb_env_get_fd(j->store.env, &fd) == 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* ---- making a log ---- */

static int sync_path(const char *path, int flags)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0)
        close(fd);
    return err;
}

static int sync_in(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);
    int err = sync_path(path, 0);

    mem_free(path);
    return err;
}

static void remove_in(const char *dir, const char *name)
{
    char *path = mem_printf("%s/%s", dir, name);

    unlink(path);
    mem_free(path);
}

/* The first records, in a directory of their own that nobody else knows yet. */
static int create_in(const char *dir, const struct journal_event events[], size_t n)
{
    uint64_t first;
    struct journal j = {.shared = shared_new()};
    int err = store_create(&j.store, dir, n);

    if (err == 0 && n)
        err = journal_append(&j, events, n, &first);
    store_close(&j.store);
    shared_free(j.shared);
    remove_in(dir, "lock.mdb");
    if (err == 0)
        err = sync_in(dir, "data.mdb");
    return err ? err : sync_path(dir, O_DIRECTORY);
}

/* The name appears when all is on disk; nothing that is there is ever replaced. */
static int create_rename(const char *made, const char *log, const char *dir)
{
    if (renameat2(AT_FDCWD, made, AT_FDCWD, log, RENAME_NOREPLACE) != 0)
        return errno == EEXIST ? ERR_EXISTS : ERR_IO;
    int err = sync_path(dir, O_DIRECTORY);
    return err ? err : sync_in(dir, "..");
}

int journal_create(const char *dir, const struct journal_event events[], size_t n)
{
    char *log = mem_printf("%s/log", dir), *made = mem_printf("%s/new.XXXXXX", dir);
    int err = access(log, F_OK) == 0 ? ERR_EXISTS : 0;

    if (err == 0) {
        bool there = mkdtemp(made) != NULL;
        err = there ? create_in(made, events, n) : ERR_IO;
        if (err == 0)
            err = create_rename(made, log, dir);
        if (err && there && access(made, F_OK) == 0) {
            remove_in(made, "data.mdb");
            rmdir(made);
        }
    }
    mem_free(log);
    mem_free(made);
    return err;
}

/* ---- appending ---- */

/* One transaction on its way: what becomes `shared` once it is on disk. */
struct append {
    struct journal *j;
    const struct journal_event *events;
    size_t n;
    MDB_txn *txn;
    uint64_t position;
    struct tree tree;
    struct names added[NAME_KINDS]; /* numbered behind those that are shared */
};

/* Only the appending thread changes what is shared, so it may look without the lock. */
static int append_name(struct append *a, enum name_kind kind, const char *name, uint32_t *number)
{
    const struct names *known = &a->j->shared->names[kind];
    struct slice s = slice_str(name);
    uint8_t key[1 + NAME_MOST], value[NUMBER_SIZE];

    *number = names_find(known, s);
    if (*number)
        return 0;
    *number = names_find(&a->added[kind], s);
    if (*number) {
        *number += known->count;
        return 0;
    }
    *number = known->count + names_add(&a->added[kind], s);
    store_u32(value, *number);
    return store_put(&a->j->store, a->txn, DB_NAMES, slice_of(key, store_name_key(key, kind, s)),
                     slice_of(value, sizeof value), MDB_NOOVERWRITE);
}

/* Written where it will lie: the only copy on the way in. */
static int append_record(struct append *a, const struct journal_event *e)
{
    MDB_val key = {sizeof a->position, &a->position}, value = {store_record_size(e), NULL};
    int rc = mdb_put(a->txn, a->j->store.dbi[DB_EVENTS], &key, &value, MDB_APPEND | MDB_RESERVE);

    if (rc == 0)
        store_record_fill(value.mv_data, a->position, e);
    return rc;
}

static int append_index(struct append *a, const struct journal_event *e, bool tail)
{
    const struct store *s = &a->j->store;
    uint32_t seat, stream, type;
    uint8_t id[ID_KEY], place[ID_VALUE], name[CHANNEL_NAME], channel[CHANNEL_KEY],
        number[NUMBER_SIZE], tail_key[TAIL_KEY], tail_value[TAIL_VALUE];
    int rc = append_name(a, NAME_SEAT, e->seat, &seat);

    if (rc == 0)
        rc = append_name(a, NAME_STREAM, e->stream, &stream);
    if (rc == 0)
        rc = append_name(a, NAME_TYPE, e->type, &type);
    if (rc)
        return rc;
    store_id_key(id, seat, e->id);
    store_id_value(place, a->position, &e->envelope_hash);
    rc = store_put(s, a->txn, DB_IDS, slice_of(id, sizeof id), slice_of(place, sizeof place),
                   MDB_NOOVERWRITE);
    store_channel_name(name, stream, type);
    store_channel_key(channel, name, a->position);
    store_u32(number, seat);
    if (rc == 0)
        rc = store_put(s, a->txn, DB_CHANNELS, slice_of(channel, sizeof channel),
                       slice_of(number, sizeof number), MDB_NOOVERWRITE);
    store_tail_key(tail_key, seat, stream);
    store_tail_value(tail_value,
                     &(struct journal_tail){e->seat_seq, a->position, e->envelope_hash});
    if (rc == 0 && tail)
        rc = store_put(s, a->txn, DB_TAILS, slice_of(tail_key, sizeof tail_key),
                       slice_of(tail_value, sizeof tail_value), 0);
    return rc;
}

static int append_parts(struct append *a, const struct journal_event *e)
{
    uint8_t key[PART_KEY];
    int rc = 0;

    for (size_t i = 0; i < e->n_parts && rc == 0; i++) {
        store_part_key(key, &e->parts[i], a->position);
        rc = store_put(&a->j->store, a->txn, DB_PARTS, slice_of(key, sizeof key), slice_str(""), 0);
    }
    return rc;
}

static int append_tree(struct append *a, const struct journal_event *e)
{
    struct journal_record record = {
        .position = a->position, .received = e->received, .event = e->event};
    struct hash leaf, stored[TREE_LEVELS];
    uint64_t index = tree_stored_count(a->position - 1);
    int rc = 0;

    store_leaf(&leaf, &record);
    int n = tree_append(&a->tree, &leaf, stored);
    for (int i = 0; i < n && rc == 0; i++, index++)
        rc = store_put(&a->j->store, a->txn, DB_TREE, slice_of(&index, sizeof index),
                       slice_of(stored[i].bytes, HASH_SIZE), MDB_APPEND);
    return rc;
}

static bool same_tail(const struct journal_event *a, const struct journal_event *b)
{
    return strcmp(a->seat, b->seat) == 0 && strcmp(a->stream, b->stream) == 0;
}

static int append_all(struct append *a)
{
    int rc = 0;

    for (size_t i = 0; i < a->n && rc == 0; i++, a->position++) {
        const struct journal_event *e = &a->events[i];
        rc = append_record(a, e);
        if (rc == 0)
            rc = append_index(a, e, i + 1 == a->n || !same_tail(e, e + 1));
        if (rc == 0)
            rc = append_parts(a, e);
        if (rc == 0)
            rc = append_tree(a, e);
    }
    return rc;
}

/* The transaction ends with it, but for a fault: then its state is unknown, and it is left. */
static int append_call(void *arg)
{
    struct append *a = arg;
    int rc = append_all(a);

    if (rc == 0)
        return mdb_txn_commit(a->txn);
    mdb_txn_abort(a->txn);
    return rc;
}

static void append_share(const struct append *a, const struct journal_event events[], size_t n)
{
    struct shared *s = a->j->shared;
    uint8_t channel[CHANNEL_NAME];

    shared_lock(a->j);
    for (int kind = 0; kind < NAME_KINDS; kind++)
        for (uint32_t i = 1; i <= a->added[kind].count; i++)
            names_add(&s->names[kind], names_get(&a->added[kind], i));
    for (size_t i = 0; i < n; i++) {
        store_channel_name(channel, names_find(&s->names[NAME_STREAM], slice_str(events[i].stream)),
                           names_find(&s->names[NAME_TYPE], slice_str(events[i].type)));
        channel_note(s, channel, s->head + i + 1);
    }
    s->head += n;
    s->last_received = events[n - 1].received;
    s->tree = a->tree;
    shared_unlock(a->j);
}

/* LMDB says EIO for a write cut short by a full disk; what does not fit is refused before.  Twice
 * the bytes and 1 KiB an event are more than a transaction takes, the rest is for pages rewritten.
 */
static bool has_room(const struct journal *j, const struct journal_event events[], size_t n)
{
    struct statvfs fs;
    mdb_filehandle_t fd;
    uint64_t need = 1024 * 1024;

    for (size_t i = 0; i < n; i++)
        need += 2 * store_record_size(&events[i]) + 1024;
    return mdb_env_get_fd(j->store.env, &fd) != 0 || fstatvfs(fd, &fs) != 0 ||
           (uint64_t)fs.f_bavail * fs.f_frsize >= need;
}

/* Full, and certainly not written: the transaction is gone and the environment still takes one. A
 * failed write of the head leaves it in doubt, and LMDB then refuses every further transaction. */
static int append_error(struct journal *j, int rc)
{
    MDB_txn *txn = NULL;

    if (rc == MDB_KEYEXIST)
        return ERR_EXISTS;
    if (rc != MDB_MAP_FULL && rc != ENOSPC && rc != EDQUOT)
        return ERR_UNKNOWN;
    if (store_begin(&j->store, 0, &txn) != 0)
        return ERR_UNKNOWN;
    mdb_txn_abort(txn);
    return ERR_FULL;
}

int journal_append(struct journal *j, const struct journal_event events[], size_t n,
                   uint64_t *first)
{
    struct append a = {
        .j = j, .events = events, .n = n, .position = j->shared->head + 1, .tree = j->shared->tree};

    assert(n > 0 && !j->store.read_only);
    for (size_t i = 0; i < n; i++)
        assert(events[i].received >= (i ? events[i - 1].received : j->shared->last_received));
    *first = a.position;
    if (!has_room(j, events, n))
        return ERR_FULL;
    int rc = store_begin(&j->store, 0, &a.txn);
    if (rc == 0)
        rc = fence_run(append_call, &a, MDB_PANIC);
    if (rc == 0)
        append_share(&a, events, n);
    for (int kind = 0; kind < NAME_KINDS; kind++)
        names_clear(&a.added[kind]);
    return rc ? append_error(j, rc) : 0;
}

/* ---- single answers ---- */

static int reading_begin(const struct journal *j, MDB_txn **txn)
{
    return store_begin(&j->store, MDB_RDONLY, txn) == 0 ? 0 : ERR_IO;
}

int journal_get(struct journal *j, uint64_t position, journal_each *each, void *arg)
{
    MDB_txn *txn = NULL;
    struct slice value;
    struct journal_record record;

    if (position == 0 || position > journal_head(j))
        return ERR_NOT_FOUND;
    int err = reading_begin(j, &txn);
    if (err == 0)
        err = store_get(&j->store, txn, DB_EVENTS, slice_of(&position, sizeof position), &value);
    if (err == 0)
        err = store_record(&record, position, value);
    if (err == 0)
        each(arg, &record);
    mdb_txn_abort(txn);
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

/* A copy of a small value: the one under the key. */
static int get_value(const struct journal *j, enum db db, struct slice key, void *out, size_t size)
{
    MDB_txn *txn = NULL;
    struct slice value;
    int err = reading_begin(j, &txn);

    if (err == 0)
        err = store_get(&j->store, txn, db, key, &value);
    if (err == 0 && value.size != size)
        err = ERR_DAMAGED;
    if (err == 0)
        memcpy(out, value.data, size);
    mdb_txn_abort(txn);
    return err;
}

int journal_find(struct journal *j, const char *seat, const uint8_t id[16], uint64_t *position,
                 struct hash *envelope_hash)
{
    uint32_t number = name_number(j, NAME_SEAT, seat);
    uint8_t key[ID_KEY], value[ID_VALUE];

    if (!number)
        return ERR_NOT_FOUND;
    store_id_key(key, number, id);
    int err = get_value(j, DB_IDS, slice_of(key, sizeof key), value, sizeof value);
    if (err == 0) {
        *position = store_u64_read(value);
        memcpy(envelope_hash->bytes, value + 8, HASH_SIZE);
    }
    return err;
}

int journal_tail(struct journal *j, const char *seat, const char *stream, struct journal_tail *out)
{
    uint32_t seat_number = name_number(j, NAME_SEAT, seat);
    uint32_t stream_number = name_number(j, NAME_STREAM, stream);
    uint8_t key[TAIL_KEY], value[TAIL_VALUE];

    *out = (struct journal_tail){0};
    if (!seat_number || !stream_number)
        return 0;
    store_tail_key(key, seat_number, stream_number);
    int err = get_value(j, DB_TAILS, slice_of(key, sizeof key), value, sizeof value);
    if (err == 0)
        store_tail_read(out, slice_of(value, sizeof value));
    return err == ERR_NOT_FOUND ? 0 : err;
}

int journal_part(struct journal *j, const struct hash *part, uint64_t from, uint64_t *position)
{
    uint8_t bytes[PART_KEY];
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key = {sizeof bytes, bytes}, value;
    int err = reading_begin(j, &txn);

    store_part_key(bytes, part, from);
    if (err == 0)
        err = store_error(store_cursor(&j->store, txn, DB_PARTS, &cursor));
    if (err == 0)
        err = store_error(store_step(cursor, &key, &value, MDB_SET_RANGE));
    if (err == 0 && key.mv_size != PART_KEY)
        err = ERR_DAMAGED;
    if (err == 0 && memcmp(key.mv_data, part->bytes, HASH_SIZE) != 0)
        err = ERR_NOT_FOUND;
    if (err == 0) {
        const uint8_t *k = key.mv_data;
        *position = store_u64_be_read(k + HASH_SIZE);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return err;
}

int journal_stored_hash(void *journal, uint64_t stored_index, struct hash *out)
{
    return get_value(journal, DB_TREE, slice_of(&stored_index, sizeof stored_index), out->bytes,
                     HASH_SIZE);
}

int journal_verify(struct journal *j, journal_each *each, journal_finding *finding,
                   journal_progress *progress, void *arg, uint64_t *findings)
{
    return verify_store(&j->store, each, finding, progress, arg, findings);
}

/* ---- readings ---- */

struct resolved { /* channels of the journal that the filter lets through */
    uint32_t seen, n, capacity;
    uint32_t *channels;
    uint32_t seat; /* 0: not in the log yet */
};

struct journal_filter {
    char **streams, **types, *seat;
    size_t n_streams, n_types;
    struct resolved *resolved;
};

static char **patterns_copy(const char *const patterns[], size_t n)
{
    char **copy = mem_new(n * sizeof *copy);

    for (size_t i = 0; i < n; i++)
        copy[i] = mem_str(patterns[i]);
    return copy;
}

static void patterns_free(char **patterns, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mem_free(patterns[i]);
    mem_free(patterns);
}

struct journal_filter *journal_filter_new(const char *const streams[], size_t n_streams,
                                          const char *const types[], size_t n_types,
                                          const char *seat)
{
    struct journal_filter *f = mem_new(sizeof *f);

    *f = (struct journal_filter){
        .streams = patterns_copy(streams, n_streams),
        .types = patterns_copy(types, n_types),
        .seat = seat && *seat ? mem_str(seat) : NULL,
        .n_streams = n_streams,
        .n_types = n_types,
        .resolved = mem_new(sizeof *f->resolved),
    };
    return f;
}

void journal_filter_free(struct journal_filter *f)
{
    if (f) {
        patterns_free(f->streams, f->n_streams);
        patterns_free(f->types, f->n_types);
        mem_free(f->seat);
        mem_free(f->resolved->channels);
        mem_free(f->resolved);
        mem_free(f);
    }
}

static bool patterns_match(char *const patterns[], size_t n, struct slice name)
{
    for (size_t i = 0; i < n; i++)
        if (pattern_match(patterns[i], (const char *)name.data))
            return true;
    return n == 0;
}

static bool filter_all(const struct journal_filter *f)
{
    return !f || (!f->seat && patterns_match(f->streams, f->n_streams, slice_str("*")) &&
                  patterns_match(f->types, f->n_types, slice_str("*")));
}

/* Looks at the channels that are new since the last time.  Under the lock. */
static void filter_resolve(const struct journal_filter *f, const struct shared *s)
{
    struct resolved *r = f->resolved;

    if (f->seat && !r->seat)
        r->seat = names_find(&s->names[NAME_SEAT], slice_str(f->seat));
    while (r->seen < s->channels.count) {
        struct slice name = names_get(&s->channels, ++r->seen);
        uint32_t stream = (uint32_t)(store_u64_be_read(name.data) >> 32);
        uint32_t type = (uint32_t)store_u64_be_read(name.data);
        if (!patterns_match(f->streams, f->n_streams, names_get(&s->names[NAME_STREAM], stream)) ||
            !patterns_match(f->types, f->n_types, names_get(&s->names[NAME_TYPE], type)))
            continue;
        if (r->n == r->capacity) {
            r->capacity = r->capacity ? 2 * r->capacity : 8;
            r->channels = mem_grow(r->channels, r->capacity * sizeof *r->channels);
        }
        r->channels[r->n++] = r->seen;
    }
}

struct run { /* one channel of a merge, standing at its next position */
    uint8_t name[CHANNEL_NAME];
    MDB_cursor *cursor;
    uint64_t position;
    uint32_t seat;
};

struct reading {
    struct journal *j;
    MDB_txn *txn;
    uint64_t head;
    struct run *runs; /* a heap by position */
    size_t n_runs;
};

/* Channels that have something at or after `from`; most readings are nearly at the head, and then
 * there are few or none. */
static void reading_gather(struct reading *r, const struct journal_filter *f, uint64_t from)
{
    struct shared *s = r->j->shared;

    shared_lock(r->j);
    r->head = s->head;
    if (f) {
        filter_resolve(f, s);
        for (uint32_t i = 0; i < f->resolved->n && (!f->seat || f->resolved->seat); i++) {
            uint32_t channel = f->resolved->channels[i];
            if (s->last[channel - 1] < from)
                continue;
            if (!r->runs)
                r->runs = mem_new(f->resolved->n * sizeof *r->runs);
            memcpy(r->runs[r->n_runs++].name, names_get(&s->channels, channel).data, CHANNEL_NAME);
        }
    }
    shared_unlock(r->j);
}

static void heap_down(struct reading *r, size_t i)
{
    for (;;) {
        size_t least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < r->n_runs; child++)
            if (r->runs[child].position < r->runs[least].position)
                least = child;
        if (least == i)
            return;
        struct run swap = r->runs[i];
        r->runs[i] = r->runs[least];
        r->runs[least] = swap;
        i = least;
    }
}

/* 0, ERR_NOT_FOUND at the channel's end. Positions ascend, whatever a damaged index says. */
static int run_move(struct run *run, uint64_t head, MDB_val *key, MDB_cursor_op op)
{
    MDB_val value;
    uint64_t before = run->position;
    int rc = store_step(run->cursor, key, &value, op);

    if (rc)
        return store_error(rc);
    if (key->mv_size != CHANNEL_KEY || value.mv_size != NUMBER_SIZE)
        return ERR_DAMAGED;
    const uint8_t *k = key->mv_data;
    run->position = store_u64_be_read(k + CHANNEL_NAME);
    run->seat = store_u32_read(value.mv_data);
    if (memcmp(k, run->name, CHANNEL_NAME) != 0 || run->position > head)
        return ERR_NOT_FOUND;
    return run->position > before ? 0 : ERR_DAMAGED;
}

static int runs_open(struct reading *r, uint64_t from)
{
    size_t open = 0;

    for (size_t i = 0; i < r->n_runs; i++) {
        struct run *run = &r->runs[open];
        uint8_t bytes[CHANNEL_KEY];
        MDB_val key = {sizeof bytes, bytes};
        *run = r->runs[i];
        run->position = from - 1;
        store_channel_key(bytes, run->name, from);
        int err = store_error(store_cursor(&r->j->store, r->txn, DB_CHANNELS, &run->cursor));
        if (err == 0)
            err = run_move(run, r->head, &key, MDB_SET_RANGE);
        if (err)
            mdb_cursor_close(run->cursor);
        else
            open++;
        if (err && err != ERR_NOT_FOUND) {
            r->n_runs = open;
            return err;
        }
    }
    r->n_runs = open;
    for (size_t i = open; i-- > 0;)
        heap_down(r, i);
    return 0;
}

static int runs_next(struct reading *r)
{
    MDB_val key;
    struct run *run = &r->runs[0];
    int err = run_move(run, r->head, &key, MDB_NEXT);

    if (err == ERR_NOT_FOUND) {
        mdb_cursor_close(run->cursor);
        *run = r->runs[--r->n_runs];
        err = 0;
    }
    heap_down(r, 0);
    return err;
}

/* Hands a record over. `*next` moves behind it when it was taken; returns whether to go on. */
static bool hand_over(uint64_t position, struct slice value, journal_each *each, void *arg,
                      uint64_t *next, int *err)
{
    struct journal_record record;

    *next = position;
    *err = store_record(&record, position, value);
    if (*err)
        return false;
    int stop = each(arg, &record);
    if (stop >= 0)
        *next = position + 1;
    return stop == 0;
}

static int read_channels(struct reading *r, const struct journal_filter *f, uint64_t from,
                         size_t most, journal_each *each, void *arg, uint64_t *next)
{
    struct slice value;
    int err = runs_open(r, from);

    while (err == 0 && r->n_runs) {
        uint64_t position = r->runs[0].position;
        *next = position;
        if (most-- == 0)
            return 0;
        if (!f->seat || r->runs[0].seat == f->resolved->seat) {
            err = store_get(&r->j->store, r->txn, DB_EVENTS, slice_of(&position, sizeof position),
                            &value);
            if (err == 0 && !hand_over(position, value, each, arg, next, &err))
                return err;
        }
        if (err == 0)
            err = runs_next(r);
    }
    if (err == 0)
        *next = r->head + 1;
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

static int read_all(struct reading *r, uint64_t from, size_t most, journal_each *each, void *arg,
                    uint64_t *next)
{
    MDB_cursor *cursor = NULL;
    MDB_val key = {sizeof from, &from}, value;
    int err = 0, rc = store_cursor(&r->j->store, r->txn, DB_EVENTS, &cursor);

    if (rc == 0)
        rc = store_step(cursor, &key, &value, MDB_SET);
    for (uint64_t position = from; position <= r->head && most; position++, most--) {
        *next = position;
        if (rc || key.mv_size != sizeof position || memcmp(key.mv_data, &position, 8) != 0) {
            err = rc && rc != MDB_NOTFOUND ? store_error(rc) : ERR_DAMAGED;
            break;
        }
        if (!hand_over(position, slice_of(value.mv_data, value.mv_size), each, arg, next, &err))
            break;
        rc = store_step(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return err;
}

int journal_read(struct journal *j, const struct journal_filter *f, uint64_t from, size_t most,
                 journal_each *each, void *arg, uint64_t *next)
{
    struct reading r = {.j = j};
    bool all = filter_all(f);
    int err = 0;

    from = from ? from : 1;
    *next = from;
    reading_gather(&r, all ? NULL : f, from);
    if (from > r.head)
        goto out;
    if (!all && !r.n_runs) {
        *next = r.head + 1;
        goto out;
    }
    err = reading_begin(j, &r.txn);
    if (err == 0)
        err = all ? read_all(&r, from, most, each, arg, next)
                  : read_channels(&r, f, from, most, each, arg, next);
    for (size_t i = 0; r.txn && !all && i < r.n_runs; i++)
        mdb_cursor_close(r.runs[i].cursor);
    mdb_txn_abort(r.txn);
out:
    mem_free(r.runs);
    return err;
}
