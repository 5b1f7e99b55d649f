/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "broker/fence.h"
#include "lib/err.h"
#include "lib/mem.h"

static const uint32_t BLOCK_MAGIC = 0x31424843; /* "CHB1" */
static const uint64_t MAP_LEAST = (uint64_t)1 << 30, MAP_MOST = (uint64_t)1 << 40;

const char *const store_db_names[DB_COUNT] = {"events", "names", "ids",  "channels",
                                              "tails",  "parts", "tree", "meta"};
static const unsigned db_flags[DB_COUNT] = {
    [DB_EVENTS] = MDB_INTEGERKEY,
    [DB_TREE] = MDB_INTEGERKEY,
};

/* ---- numbers ---- */

void store_u32_be(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (24 - 8 * i));
}

void store_u64_be(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

uint64_t store_u64_be_read(const uint8_t *in)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v = v << 8 | in[i];
    return v;
}

void store_u32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

void store_u64(uint8_t *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(v >> 8 * i);
}

uint32_t store_u32_read(const uint8_t *in)
{
    return (uint32_t)store_u64_read((const uint8_t[8]){in[0], in[1], in[2], in[3]});
}

uint64_t store_u64_read(const uint8_t *in)
{
    uint64_t v = 0;

    for (int i = 0; i < 8; i++)
        v |= (uint64_t)in[i] << 8 * i;
    return v;
}

/* ---- keys and values ---- */

size_t store_name_key(uint8_t key[1 + NAME_MOST], enum name_kind kind, struct slice name)
{
    assert(name.size <= NAME_MOST);
    key[0] = (uint8_t)kind;
    memcpy(key + 1, name.data, name.size);
    return 1 + name.size;
}

void store_id_key(uint8_t key[ID_KEY], uint32_t seat, const uint8_t id[16])
{
    store_u32_be(key, seat);
    memcpy(key + 4, id, 16);
}

void store_id_value(uint8_t value[ID_VALUE], uint64_t position, const struct hash *envelope)
{
    store_u64(value, position);
    memcpy(value + 8, envelope->bytes, HASH_SIZE);
}

void store_channel_name(uint8_t name[CHANNEL_NAME], uint32_t stream, uint32_t type)
{
    store_u32_be(name, stream);
    store_u32_be(name + 4, type);
}

void store_channel_key(uint8_t key[CHANNEL_KEY], const uint8_t name[CHANNEL_NAME],
                       uint64_t position)
{
    memcpy(key, name, CHANNEL_NAME);
    store_u64_be(key + CHANNEL_NAME, position);
}

void store_tail_key(uint8_t key[TAIL_KEY], uint32_t seat, uint32_t stream)
{
    store_u32_be(key, seat);
    store_u32_be(key + 4, stream);
}

void store_tail_value(uint8_t value[TAIL_VALUE], const struct journal_tail *t)
{
    store_u64(value, t->seat_seq);
    store_u64(value + 8, t->position);
    memcpy(value + 16, t->envelope_hash.bytes, HASH_SIZE);
}

bool store_tail_read(struct journal_tail *t, struct slice value)
{
    if (value.size != TAIL_VALUE)
        return false;
    t->seat_seq = store_u64_read(value.data);
    t->position = store_u64_read(value.data + 8);
    memcpy(t->envelope_hash.bytes, value.data + 16, HASH_SIZE);
    return true;
}

void store_part_key(uint8_t key[PART_KEY], const struct hash *part, uint64_t position)
{
    memcpy(key, part->bytes, HASH_SIZE);
    store_u64_be(key + HASH_SIZE, position);
}

/* ---- blocks ---- */

static void record_sum(struct hash *out, uint64_t position, int64_t received,
                       const struct hash *event, const struct hash *payload)
{
    uint8_t bytes[8 + 8 + 2 * HASH_SIZE];

    store_u64(bytes, position);
    store_u64(bytes + 8, (uint64_t)received);
    memcpy(bytes + 16, event->bytes, HASH_SIZE);
    memcpy(bytes + 16 + HASH_SIZE, payload->bytes, HASH_SIZE);
    hash_sha256(out, slice_of(bytes, sizeof bytes));
}

size_t store_block_fit(const struct journal_event events[], size_t n, size_t *size)
{
    size_t fit = 0, bytes = 0;

    for (; fit < n; fit++) {
        size_t more = events[fit].event.size + events[fit].payload.size;
        if (fit && bytes + more > BLOCK_BYTES)
            break;
        bytes += more;
    }
    *size = BLOCK_HEAD + fit * BLOCK_ROW + bytes;
    return fit;
}

static uint8_t *put(uint8_t *at, struct slice bytes)
{
    if (bytes.size)
        memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}

void store_block_fill(uint8_t *block, uint64_t first, const struct journal_event events[], size_t n)
{
    uint8_t *row = block + BLOCK_HEAD, *at = row + n * BLOCK_ROW;
    struct hash sum;

    store_u32(block, BLOCK_MAGIC);
    store_u32(block + 4, (uint32_t)n);
    for (size_t i = 0; i < n; i++, row += BLOCK_ROW) {
        const struct journal_event *e = &events[i];
        record_sum(&sum, first + i, e->received, &e->event_hash, &e->payload_hash);
        at = put(at, e->event);
        store_u64(row, (uint64_t)e->received);
        store_u32(row + 8, (uint32_t)(at - block));
        at = put(at, e->payload);
        store_u32(row + 12, (uint32_t)(at - block));
        memcpy(row + 16, sum.bytes, HASH_SIZE);
    }
}

/* Records of a block, hashes of a value of the tree; 0 where it is none. */
static uint64_t things_in(enum db db, struct slice value)
{
    if (db == DB_TREE)
        return value.size % HASH_SIZE ? 0 : value.size / HASH_SIZE;
    if (value.size < BLOCK_HEAD || store_u32_read(value.data) != BLOCK_MAGIC)
        return 0;
    uint64_t n = store_u32_read(value.data + 4);
    return n <= (value.size - BLOCK_HEAD) / BLOCK_ROW ? n : 0;
}

struct block_call {
    struct journal_record *out;
    const struct store_run *run; /* stands at the record's block */
    uint64_t position;
};

static int block_record(void *arg)
{
    const struct block_call *c = arg;
    struct journal_record *out = c->out;
    const struct slice block = c->run->value;
    uint64_t position = c->position, i = position - c->run->first, count = c->run->count;
    const uint8_t *row = block.data + BLOCK_HEAD + i * BLOCK_ROW;
    size_t begin = i ? store_u32_read(row - BLOCK_ROW + 12) : BLOCK_HEAD + count * BLOCK_ROW;
    size_t middle = store_u32_read(row + 8), end = store_u32_read(row + 12);
    struct hash hashes[2], sum;

    if (begin > middle || middle > end || end > block.size || (i + 1 == count && end != block.size))
        return ERR_DAMAGED;
    *out = (struct journal_record){
        .position = position,
        .received = (int64_t)store_u64_read(row),
        .event = slice_of(block.data + begin, middle - begin),
        .payload = slice_of(block.data + middle, end - middle),
    };
    hash_many(hashes, (struct hash_text[]){{{out->event}}, {{out->payload}}}, 2);
    out->event_hash = hashes[0];
    record_sum(&sum, position, out->received, &hashes[0], &hashes[1]);
    return memcmp(sum.bytes, row + 16, HASH_SIZE) == 0 ? 0 : ERR_DAMAGED;
}

/* ---- LMDB ---- */

int store_error(int mdb)
{
    switch (mdb) {
    case MDB_SUCCESS:
        return 0;
    case MDB_NOTFOUND:
        return ERR_NOT_FOUND;
    case MDB_PAGE_NOTFOUND:
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_CURSOR_FULL:
        return ERR_DAMAGED;
    default:
        return ERR_IO;
    }
}

/* LMDB does not write to what it is lent, but its types say it might. */
static MDB_val val_of(struct slice s)
{
    union {
        const void *lent;
        void *data;
    } u = {.lent = s.data};

    return (MDB_val){s.size, u.data};
}

/* Both ends, while there is a fence: a damaged page may say that they lie behind the file's end.
 * From one that says it holds keys alone LMDB succeeds without a value. */
static int touch(const MDB_val *v)
{
    const volatile uint8_t *bytes = v->mv_data;

    if (!bytes)
        return MDB_CORRUPTED;
    if (v->mv_size) {
        (void)bytes[0];
        (void)bytes[v->mv_size - 1];
    }
    return 0;
}

struct get_call {
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val key, value;
};

static int get_call(void *arg)
{
    struct get_call *c = arg;
    int rc = mdb_get(c->txn, c->dbi, &c->key, &c->value);

    return rc ? rc : touch(&c->value);
}

int store_get(const struct store *s, MDB_txn *txn, enum db db, struct slice key, struct slice *out)
{
    struct get_call c = {.txn = txn, .dbi = s->dbi[db], .key = val_of(key)};
    int rc = fence_run(get_call, &c, MDB_CORRUPTED);

    if (rc == 0)
        *out = slice_of(c.value.mv_data, c.value.mv_size);
    return store_error(rc);
}

struct cursor_call {
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_cursor **cursor;
};

static int cursor_call(void *arg)
{
    const struct cursor_call *c = arg;

    return mdb_cursor_open(c->txn, c->dbi, c->cursor);
}

int store_cursor(const struct store *s, MDB_txn *txn, enum db db, MDB_cursor **cursor)
{
    struct cursor_call c = {txn, s->dbi[db], cursor};

    return fence_run(cursor_call, &c, MDB_CORRUPTED);
}

struct step_call {
    MDB_cursor *cursor;
    MDB_val *key, *value;
    MDB_cursor_op op;
};

static int step_call(void *arg)
{
    struct step_call *c = arg;

    *c->value = (MDB_val){0};
    int rc = mdb_cursor_get(c->cursor, c->key, c->value, c->op);
    if (rc == 0)
        rc = touch(c->key);
    return rc ? rc : touch(c->value);
}

int store_step(MDB_cursor *cursor, MDB_val *key, MDB_val *value, MDB_cursor_op op)
{
    struct step_call c = {cursor, key, value, op};

    return fence_run(step_call, &c, MDB_CORRUPTED);
}

struct begin_call {
    MDB_env *env;
    unsigned flags;
    MDB_txn **txn;
};

static int begin_call(void *arg)
{
    const struct begin_call *c = arg;

    return mdb_txn_begin(c->env, NULL, c->flags, c->txn);
}

int store_begin(const struct store *s, unsigned flags, MDB_txn **txn)
{
    struct begin_call c = {s->env, flags, txn};

    return fence_run(begin_call, &c, MDB_CORRUPTED);
}

int store_put(const struct store *s, MDB_txn *txn, enum db db, struct slice key, struct slice value,
              unsigned flags)
{
    MDB_val k = val_of(key), v = val_of(value);

    return mdb_put(txn, s->dbi[db], &k, &v, flags);
}

/* ---- values that hold several things ---- */

int store_run_open(struct store_run *r, const struct store *s, MDB_txn *txn, enum db db)
{
    *r = (struct store_run){.store = s, .db = db};
    return store_error(store_cursor(s, txn, db, &r->cursor));
}

void store_run_close(struct store_run *r)
{
    mdb_cursor_close(r->cursor);
    r->cursor = NULL;
}

static int run_go(struct store_run *r, uint64_t number, MDB_cursor_op op)
{
    MDB_val key = {sizeof number, &number}, value;
    int rc = store_step(r->cursor, &key, &value, op);

    r->first = r->count = 0;
    if (rc)
        return store_error(rc);
    if (key.mv_size != sizeof r->first)
        return ERR_DAMAGED;
    memcpy(&r->first, key.mv_data, sizeof r->first);
    r->value = slice_of(value.mv_data, value.mv_size);
    r->count = things_in(r->db, r->value);
    return r->count ? 0 : ERR_DAMAGED;
}

static bool run_holds(const struct store_run *r, uint64_t number)
{
    return r->count && number >= r->first && number - r->first < r->count;
}

int store_run_next(struct store_run *r)
{
    return run_go(r, 0, MDB_NEXT);
}

int store_run_last(struct store_run *r)
{
    return run_go(r, 0, MDB_LAST);
}

/* The value that begins at the number or is the last one before it. */
static int run_find(struct store_run *r, uint64_t number)
{
    int err = run_go(r, number, MDB_SET_RANGE);

    if (err == 0 && r->first == number)
        return 0;
    if (err && err != ERR_NOT_FOUND)
        return err;
    return run_go(r, 0, err ? MDB_LAST : MDB_PREV);
}

int store_run_seek(struct store_run *r, uint64_t number)
{
    if (run_holds(r, number))
        return 0;
    int err = r->count && number == r->first + r->count ? store_run_next(r) : ERR_NOT_FOUND;
    if (err || !run_holds(r, number))
        err = run_find(r, number);
    return err || run_holds(r, number) ? err : ERR_NOT_FOUND;
}

int store_run_record(struct store_run *r, uint64_t position, struct journal_record *out)
{
    int err = store_run_seek(r, position);

    return err ? err : fence_run(block_record, &(struct block_call){out, r, position}, ERR_DAMAGED);
}

int store_run_hash(struct store_run *r, uint64_t stored_index, struct hash *out)
{
    int err = store_run_seek(r, stored_index);

    if (err == 0)
        memcpy(out->bytes, r->value.data + (stored_index - r->first) * HASH_SIZE, HASH_SIZE);
    return err;
}

/* As large as the file system: the map never has to grow, and the disk is full before it is. */
static uint64_t map_size(const char *dir)
{
    struct statvfs fs;
    uint64_t size = statvfs(dir, &fs) == 0 ? (uint64_t)fs.f_blocks * fs.f_frsize : 0;

    size = size < MAP_LEAST ? MAP_LEAST : size > MAP_MOST ? MAP_MOST : size;
    return size / MAP_LEAST * MAP_LEAST;
}

static void on_assertion(MDB_env *env, const char *text)
{
    (void)env, (void)text;
    fence_break();
}

static int env_open(struct store *s, const char *dir)
{
    unsigned flags =
        MDB_NOTLS | (s->read_only ? MDB_RDONLY : 0) | (s->read_only && !s->live ? MDB_NOLOCK : 0);
    int rc = mdb_env_create(&s->env);

    if (rc == 0)
        rc = mdb_env_set_assert(s->env, on_assertion);
    if (rc == 0)
        rc = mdb_env_set_maxdbs(s->env, DB_COUNT);
    if (rc == 0)
        rc = mdb_env_set_mapsize(s->env, map_size(dir));
    return rc ? rc : mdb_env_open(s->env, dir, flags, 0600);
}

static int dbis_open(struct store *s, MDB_txn *txn, unsigned create)
{
    int rc = 0;

    for (int i = 0; i < DB_COUNT && rc == 0; i++) {
        unsigned flags = 0;
        rc = mdb_dbi_open(txn, store_db_names[i], db_flags[i] | create, &s->dbi[i]);
        if (rc == 0)
            rc = mdb_dbi_flags(txn, s->dbi[i], &flags);
        if (rc == 0 && flags != db_flags[i])
            rc = MDB_INCOMPATIBLE;
    }
    return rc == MDB_NOTFOUND || rc == MDB_BAD_DBI ? MDB_INCOMPATIBLE : rc;
}

static void meta_fill(uint8_t value[META_BODY + HASH_SIZE], uint64_t founded)
{
    struct hash sum;

    store_u32(value, JOURNAL_FORMAT);
    store_u64(value + 4, founded);
    hash_sha256(&sum, slice_of(value, META_BODY));
    memcpy(value + META_BODY, sum.bytes, HASH_SIZE);
}

int store_create(struct store *s, const char *dir, uint64_t founded)
{
    uint8_t meta[META_BODY + HASH_SIZE];
    MDB_txn *txn = NULL;

    *s = (struct store){.owner = -1, .founded = founded};
    meta_fill(meta, founded);
    int rc = env_open(s, dir);
    if (rc == 0)
        rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    if (rc == 0)
        rc = dbis_open(s, txn, MDB_CREATE);
    if (rc == 0)
        rc = store_put(s, txn, DB_META, slice_str("format"), slice_of(meta, sizeof meta), 0);
    if (rc == 0) {
        rc = mdb_txn_commit(txn);
        txn = NULL;
    }
    mdb_txn_abort(txn);
    return rc ? ERR_IO : 0;
}

void store_close(struct store *s)
{
    if (s->env)
        mdb_env_close(s->env);
    if (s->owner >= 0)
        close(s->owner);
    *s = (struct store){.owner = -1};
}

/* ---- opening what is there ---- */

/* mmap and flock mean less on these: another machine may write the file. */
static const struct {
    uint32_t magic;
    const char *name;
} foreign_file_systems[] = {
    {0x00006969, "NFS"},  {0x0000517b, "SMB"},    {0xff534d42, "CIFS"},   {0xfe534d42, "SMB2"},
    {0x65735546, "FUSE"}, {0x01021997, "9P"},     {0x00c36400, "Ceph"},   {0x5346414f, "AFS"},
    {0x73757245, "Coda"}, {0x0bd00bd0, "Lustre"}, {0x01161970, "GFS2"},   {0x7461636f, "OCFS2"},
    {0x47504653, "GPFS"}, {0x0000564c, "NCP"},    {0x19830326, "BeeGFS"},
};

static int file_system_check(const char *dir, struct buf *why)
{
    struct statfs fs;

    if (statfs(dir, &fs) != 0) {
        buf_printf(why, "%s: %s", dir, strerror(errno));
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    }
    for (size_t i = 0; i < sizeof foreign_file_systems / sizeof *foreign_file_systems; i++)
        if ((uint32_t)fs.f_type == foreign_file_systems[i].magic) {
            buf_printf(why, "%s: lies on %s; keep the log on a disk of this machine", dir,
                       foreign_file_systems[i].name);
            return ERR_IO;
        }
    return 0;
}

/* One owner, or any number of tools that only read; the lock ends with the process.  A tool also
 * reads beside an owner: it sees the log as it is when a transaction begins. */
static int owner_lock(struct store *s, const char *dir, struct buf *why)
{
    char *file = mem_printf("%s/owner", dir);
    int err = 0;

    s->owner = open(file, s->read_only ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->owner < 0 && !(s->read_only && errno == ENOENT)) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        err = ERR_IO;
    } else if (s->owner >= 0 && flock(s->owner, (s->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB)) {
        s->live = s->read_only && errno == EWOULDBLOCK;
        if (s->live)
            goto out;
        buf_printf(why,
                   "%s: another process has the log open; stop it, or work on a copy that was "
                   "made while it was stopped",
                   dir);
        err = errno == EWOULDBLOCK ? ERR_OWNED : ERR_IO;
    }
out:
    mem_free(file);
    return err;
}

/* The two pages that LMDB starts from. It trusts them: a wrong page size divides by zero, a page
 * behind the end of the file is a SIGBUS, and a wrong number makes the older of them the newer.
 * Transaction n writes page n & 1.  Pages are written before the head that counts them and none is
 * ever given up, so a sound file is never shorter than its head says; after a crash it may be
 * longer. */
struct lmdb_head {
    uint64_t page_number;
    uint16_t pad, flags;
    uint32_t free_space;
    uint32_t magic, version;
    uint64_t address, map_size;
    struct lmdb_db {
        uint32_t pad; /* of the first: the page size */
        uint16_t flags, depth;
        uint64_t branches, leaves, overflows, entries, root;
    } dbs[2];
    uint64_t last_page, transaction;
};
enum { LMDB_META = 0x08, LMDB_DEPTH = 32, HEADS_TRIES = 1000 };

static bool head_sound(const struct lmdb_head *h, uint64_t number)
{
    uint32_t page = h->dbs[0].pad;
    return h->magic == 0xbeefc0de && h->version == 1 && h->page_number == number &&
           h->flags == LMDB_META && (h->transaction & 1) == number && page >= 4096 &&
           page <= 65536 && (page & (page - 1)) == 0;
}

/* Of the newer head alone: where writing a head failed, LMDB puts the old numbers back into it and
 * leaves the roots. */
static bool roots_sound(const struct lmdb_head *h)
{
    bool sound = true;

    for (int i = 0; i < 2 && sound; i++)
        sound = h->dbs[i].flags == (i ? 0 : MDB_INTEGERKEY) && h->dbs[i].depth <= LMDB_DEPTH &&
                (h->dbs[i].root <= h->last_page || h->dbs[i].root == UINT64_MAX);
    return sound;
}

/* Reads both; false where they cannot be or do not fit each other. */
static bool heads_read(int fd, struct lmdb_head heads[2])
{
    if (pread(fd, &heads[0], sizeof heads[0], 0) != sizeof heads[0] || !head_sound(&heads[0], 0) ||
        pread(fd, &heads[1], sizeof heads[1], heads[0].dbs[0].pad) != sizeof heads[1] ||
        !head_sound(&heads[1], 1) || heads[0].dbs[0].pad != heads[1].dbs[0].pad)
        return false;
    int newer = heads[1].transaction > heads[0].transaction;
    return heads[newer].transaction == heads[!newer].transaction + 1 &&
           heads[newer].last_page >= heads[!newer].last_page && roots_sound(&heads[newer]);
}

/* An owner may write between the two. */
static bool heads_read_at_last(const struct store *s, int fd, struct lmdb_head heads[2])
{
    bool sound = heads_read(fd, heads);

    for (int tries = 1; s->live && !sound && tries < HEADS_TRIES; tries++)
        sound = heads_read(fd, heads);
    return sound;
}

static int file_check(const struct store *s, const char *dir, struct buf *why)
{
    char *file = mem_printf("%s/data.mdb", dir);
    int err = 0, fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat st;
    struct lmdb_head heads[2];
    bool sound = fd >= 0 && heads_read_at_last(s, fd, heads);

    if (fd < 0 || fstat(fd, &st) != 0) { /* its size behind its head: an owner makes it longer */
        err = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        buf_printf(why, "%s: %s", file, strerror(errno));
    } else if (!sound) {
        buf_printf(why, "%s: its head is damaged; restore the log from a copy", file);
        err = ERR_DAMAGED;
    } else {
        const struct lmdb_head *h = &heads[heads[1].transaction > heads[0].transaction];
        uint64_t pages = (uint64_t)st.st_size / h->dbs[0].pad;
        if (h->last_page >= pages) {
            buf_printf(why,
                       "%s: the file is cut short: %llu pages of %llu; restore the log from a copy",
                       file, (unsigned long long)pages, (unsigned long long)h->last_page + 1);
            err = ERR_DAMAGED;
        }
    }
    if (fd >= 0)
        close(fd);
    mem_free(file);
    return err;
}

static int meta_read(struct store *s, MDB_txn *txn, struct buf *why)
{
    uint8_t expected[META_BODY + HASH_SIZE];
    struct slice value;
    int err = store_get(s, txn, DB_META, slice_str("format"), &value);

    if (err || value.size != sizeof expected) {
        buf_printf(why, "the log does not say its format");
        return ERR_DAMAGED;
    }
    if (store_u32_read(value.data) != JOURNAL_FORMAT) {
        buf_printf(why, "the log has format %u, this program knows %u", store_u32_read(value.data),
                   JOURNAL_FORMAT);
        return ERR_VERSION;
    }
    s->founded = store_u64_read(value.data + 4);
    meta_fill(expected, s->founded);
    if (memcmp(expected, value.data, sizeof expected) != 0) {
        buf_printf(why, "the log's format record is damaged");
        return ERR_DAMAGED;
    }
    return 0;
}

struct dbis_call {
    struct store *store;
    MDB_txn *txn;
};

static int dbis_call(void *arg)
{
    const struct dbis_call *c = arg;

    return dbis_open(c->store, c->txn, 0);
}

static int env_load(struct store *s, const char *dir, struct buf *why)
{
    MDB_txn *txn = NULL;
    int rc = env_open(s, dir), dead = 0, err;

    if (rc == 0 && !s->read_only)
        rc = mdb_reader_check(s->env, &dead);
    if (rc == 0)
        rc = store_begin(s, MDB_RDONLY, &txn);
    if (rc == 0)
        rc = fence_run(dbis_call, &(struct dbis_call){s, txn}, MDB_CORRUPTED);
    if (rc) {
        buf_printf(why, "%s/data.mdb: %s", dir, mdb_strerror(rc));
        err = store_error(rc);
    } else {
        err = meta_read(s, txn, why);
    }
    if (err == 0) {
        mdb_txn_commit(txn); /* keeps the databases' handles */
        txn = NULL;
    }
    mdb_txn_abort(txn);
    return err;
}

int store_open(struct store *s, const char *dir, bool read_only, struct buf *why)
{
    *s = (struct store){.owner = -1, .read_only = read_only};
    int err = file_system_check(dir, why);
    if (err == 0)
        err = owner_lock(s, dir, why);
    if (err == 0)
        err = file_check(s, dir, why);
    if (err == 0)
        err = env_load(s, dir, why);
    if (err)
        store_close(s);
    return err;
}
