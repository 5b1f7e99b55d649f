/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/fence.h"
#include "broker/journal_inside.h"
#include "broker/verify.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

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
        err = journal_load(j, why);
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

uint64_t journal_used(const struct journal *j)
{
    MDB_stat pages;
    MDB_envinfo info;
    bool known = mdb_env_stat(j->store.env, &pages) == 0 && mdb_env_info(j->store.env, &info) == 0;

    return known ? ((uint64_t)info.me_last_pgno + 1) * pages.ms_psize : 0;
}

int journal_copy(struct journal *j, int fd)
{
    return mdb_env_copyfd2(j->store.env, fd, 0) == 0 ? 0 : ERR_IO;
}

void journal_sweep(struct journal *j)
{
    int dead = 0;

    if (mdb_reader_check(j->store.env, &dead) == 0 && dead)
        log_info("journal.swept", "readers that died are forgotten readers=%d", dead);
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

void journal_event_hash(struct journal_event *e)
{
    struct hash hashes[2];

    hash_many(hashes, (struct hash_text[]){{{e->event}}, {{e->payload}}}, 2);
    e->event_hash = hashes[0];
    e->payload_hash = hashes[1];
}

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

/* Written where they will lie: the only copy on the way in. */
static int append_records(struct append *a, const struct journal_event events[], size_t n)
{
    for (size_t done = 0; done < n;) {
        uint64_t first = a->position + done;
        size_t size, fit = store_block_fit(events + done, n - done, &size);
        MDB_val key = {sizeof first, &first}, value = {size, NULL};
        int rc =
            mdb_put(a->txn, a->j->store.dbi[DB_EVENTS], &key, &value, MDB_APPEND | MDB_RESERVE);
        if (rc)
            return rc;
        store_block_fill(value.mv_data, first, events + done, fit);
        done += fit;
    }
    return 0;
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

static int append_tree(struct append *a, const struct journal_event events[], size_t n)
{
    uint64_t first = tree_stored_count(a->position - 1);
    size_t count = (size_t)(tree_stored_count(a->position - 1 + n) - first), done = 0;
    MDB_val key = {sizeof first, &first}, value = {count * HASH_SIZE, NULL};
    int rc = mdb_put(a->txn, a->j->store.dbi[DB_TREE], &key, &value, MDB_APPEND | MDB_RESERVE);

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct hash leaf, stored[TREE_LEVELS];
        tree_log_leaf(&leaf, a->position + i, events[i].received, &events[i].event_hash);
        int made = tree_append(&a->tree, &leaf, stored);
        memcpy((uint8_t *)value.mv_data + done, stored, (size_t)made * HASH_SIZE);
        done += (size_t)made * HASH_SIZE;
    }
    return rc;
}

static bool same_tail(const struct journal_event *a, const struct journal_event *b)
{
    return strcmp(a->seat, b->seat) == 0 && strcmp(a->stream, b->stream) == 0;
}

static int append_all(struct append *a)
{
    const struct journal_event *events = a->events;
    size_t n = a->n;
    int rc = append_records(a, events, n);

    if (rc == 0)
        rc = append_tree(a, events, n);
    for (size_t i = 0; i < n && rc == 0; i++, a->position++) {
        const struct journal_event *e = &events[i];
        rc = append_index(a, e, i + 1 == n || !same_tail(e, e + 1));
        if (rc == 0)
            rc = append_parts(a, e);
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
        shared_note_channel(s, channel, s->head + i + 1);
    }
    s->head += n;
    s->last_received = events[n - 1].received;
    s->tree = a->tree;
    shared_unlock(a->j);
}

/* LMDB says EIO for a write cut short by a full disk; what does not fit is refused before.  Twice
 * the bytes and 2 KiB an event are more than a transaction takes, the rest is for pages rewritten.
 */
static bool has_room(const struct journal *j, const struct journal_event events[], size_t n)
{
    struct statvfs fs;
    mdb_filehandle_t fd;
    uint64_t need = 1024 * 1024;

    for (size_t i = 0; i < n; i++)
        need += 2 * (events[i].event.size + events[i].payload.size) + 2048;
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

int journal_begin(const struct journal *j, MDB_txn **txn)
{
    return store_error(store_begin(&j->store, MDB_RDONLY, txn));
}

int journal_get(struct journal *j, uint64_t position, journal_each *each, void *arg)
{
    MDB_txn *txn = NULL;
    struct store_run run = {0};
    struct journal_record record;

    if (position == 0 || position > journal_head(j))
        return ERR_NOT_FOUND;
    int err = journal_begin(j, &txn);
    if (err == 0)
        err = store_run_open(&run, &j->store, txn, DB_EVENTS);
    if (err == 0)
        err = store_run_record(&run, position, &record);
    if (err == 0)
        each(arg, &record);
    store_run_close(&run);
    mdb_txn_abort(txn);
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

/* A copy of a small value: the one under the key. */
static int get_value(const struct journal *j, enum db db, struct slice key, void *out, size_t size)
{
    MDB_txn *txn = NULL;
    struct slice value;
    int err = journal_begin(j, &txn);

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

/* The first entry from (part, from) on. */
static int find_part(struct journal *j, const struct hash *part, uint64_t from, struct hash *found,
                     uint64_t *position)
{
    uint8_t bytes[PART_KEY];
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key = {sizeof bytes, bytes}, value;
    int err = journal_begin(j, &txn);

    store_part_key(bytes, part, from);
    if (err == 0)
        err = store_error(store_cursor(&j->store, txn, DB_PARTS, &cursor));
    if (err == 0)
        err = store_error(store_step(cursor, &key, &value, MDB_SET_RANGE));
    if (err == 0 && key.mv_size != PART_KEY)
        err = ERR_DAMAGED;
    if (err == 0) {
        const uint8_t *k = key.mv_data;
        memcpy(found->bytes, k, HASH_SIZE);
        *position = store_u64_be_read(k + HASH_SIZE);
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return err;
}

int journal_part(struct journal *j, const struct hash *part, uint64_t from, uint64_t *position)
{
    struct hash found;
    uint64_t at;
    int err = find_part(j, part, from, &found, &at);

    if (err == 0 && !hash_equal(&found, part))
        err = ERR_NOT_FOUND;
    if (err == 0)
        *position = at;
    return err;
}

int journal_next_part(struct journal *j, const struct hash *behind, struct hash *part)
{
    uint64_t position;

    return find_part(j, behind, UINT64_MAX, part, &position);
}

int journal_each_part(struct journal *j, int (*each)(void *arg, const struct hash *part), void *arg)
{
    struct hash last = {0};
    bool any = false;
    MDB_txn *txn = NULL;
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int err = journal_begin(j, &txn), stop = 0;

    if (err == 0)
        err = store_error(store_cursor(&j->store, txn, DB_PARTS, &cursor));
    while (err == 0 && stop == 0 &&
           (err = store_error(store_step(cursor, &key, &value, MDB_NEXT))) == 0) {
        if (key.mv_size != PART_KEY) {
            err = ERR_DAMAGED;
        } else if (!any || memcmp(last.bytes, key.mv_data, HASH_SIZE) != 0) {
            any = true;
            memcpy(last.bytes, key.mv_data, HASH_SIZE);
            stop = each(arg, &last);
        }
    }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    return stop ? stop : err == ERR_NOT_FOUND ? 0 : err;
}

int journal_stored_hash(void *journal, uint64_t stored_index, struct hash *out)
{
    const struct journal *j = journal;
    MDB_txn *txn = NULL;
    struct store_run run = {0};
    int err = journal_begin(j, &txn);

    if (err == 0)
        err = store_run_open(&run, &j->store, txn, DB_TREE);
    if (err == 0)
        err = store_run_hash(&run, stored_index, out);
    store_run_close(&run);
    mdb_txn_abort(txn);
    return err;
}

int journal_verify(struct journal *j, journal_each *each, journal_finding *finding,
                   journal_progress *progress, void *arg, uint64_t *findings)
{
    return verify_store(&j->store, each, finding, progress, arg, findings);
}
