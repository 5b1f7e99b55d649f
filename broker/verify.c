/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes.  Over the records: each is read by its key and by the walk, its checksum and event
 * are checked, and what must stand in each index is looked up.  Over the indexes: whatever stands
 * there must have been looked up in the first pass, so it is counted.
 */
#include "broker/verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "broker/check.h"
#include "broker/names.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { GAP_MOST = 1000, ARENA_CAP = 4 * 1024 * 1024 };

struct verify {
    const struct store *store;
    MDB_txn *txn;
    struct check check;
    struct arena *arena;
    struct names names[NAME_KINDS], known[NAME_KINDS]; /* seen in records; in the index */
    uint32_t *numbers[NAME_KINDS];                     /* of `known`, as stored */
    struct names tails;                                /* keys; values in tail */
    struct journal_tail *tail;
    uint64_t head, parts;
    uint64_t missing[DB_COUNT]; /* entries, told in the first pass */
    int64_t received;
    uint64_t *damaged; /* positions, ascending */
    size_t n_damaged, damaged_capacity;
    uint64_t records, findings; /* counted by LMDB; made */
    journal_finding *finding;
    journal_progress *progress;
    void *arg;
};

/* ---- findings ---- */

static void found(struct verify *v, uint64_t position, const char *what, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void found(struct verify *v, uint64_t position, const char *what, const char *format, ...)
{
    char text[256];
    va_list args;

    v->findings++;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (v->finding)
        v->finding(v->arg, position, what, text);
}

static void step(struct verify *v, const char *what, uint64_t position)
{
    if (v->progress)
        v->progress(v->arg, what, position, v->records);
}

/* A record that cannot be read cannot say what the indexes should hold for it. */
static void damaged(struct verify *v, uint64_t position)
{
    if (v->n_damaged == v->damaged_capacity) {
        v->damaged_capacity = v->damaged_capacity ? 2 * v->damaged_capacity : 16;
        v->damaged = mem_grow(v->damaged, v->damaged_capacity * sizeof *v->damaged);
    }
    v->damaged[v->n_damaged++] = position;
}

static bool is_damaged(const struct verify *v, uint64_t position)
{
    size_t low = 0, high = v->n_damaged;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (v->damaged[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < v->n_damaged && v->damaged[low] == position;
}

/* ---- names ---- */

static const char *const kind_names[NAME_KINDS] = {"seat", "stream", "type"};

static void names_load(struct verify *v)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    int rc = store_cursor(v->store, v->txn, DB_NAMES, &cursor);

    while (rc == 0 && (rc = store_step(cursor, &key, &value, MDB_NEXT)) == 0) {
        const uint8_t *k = key.mv_data;
        if (key.mv_size < 2 || key.mv_size > 1 + NAME_MOST || k[0] >= NAME_KINDS ||
            value.mv_size != NUMBER_SIZE) {
            found(v, 0, "names", "an entry that is none");
            continue;
        }
        struct names *known = &v->known[k[0]];
        struct slice name = slice_of(k + 1, key.mv_size - 1);
        if (names_find(known, name)) {
            found(v, 0, "names", "a name twice");
            continue;
        }
        uint32_t at = names_add(known, name);
        v->numbers[k[0]] = mem_grow(v->numbers[k[0]], known->capacity * sizeof *v->numbers[0]);
        v->numbers[k[0]][at - 1] = store_u32_read(value.mv_data);
    }
    if (rc != MDB_NOTFOUND)
        found(v, 0, "names", "cannot be read to the end: %s", mdb_strerror(rc));
    mdb_cursor_close(cursor);
}

/* The number that the indexes use for a name: stored, reachable by its key, and in the order of
 * first use.  0 where there is none. */
static uint32_t name_check(struct verify *v, uint64_t position, enum name_kind kind,
                           const char *name)
{
    struct slice s = slice_str(name), stored;
    uint8_t key[1 + NAME_MOST];
    uint32_t at = names_find(&v->known[kind], s);
    uint32_t number = at ? v->numbers[kind][at - 1] : 0;

    if (names_find(&v->names[kind], s))
        return number;
    uint32_t expected = names_add(&v->names[kind], s);
    if (!number)
        found(v, position, "names", "the %s %s is not in the index", kind_names[kind], name);
    else if (v->n_damaged ? number < expected : number != expected)
        found(v, position, "names", "the %s %s has number %u, not %u", kind_names[kind], name,
              number, expected);
    else if (store_get(v->store, v->txn, DB_NAMES, slice_of(key, store_name_key(key, kind, s)),
                       &stored) != 0)
        found(v, position, "names", "the %s %s is not found by its key", kind_names[kind], name);
    return number;
}

static void names_finish(struct verify *v)
{
    for (int kind = 0; kind < NAME_KINDS; kind++)
        for (uint32_t i = 1; i <= v->known[kind].count && !v->n_damaged; i++) {
            struct slice name = names_get(&v->known[kind], i);
            if (!names_find(&v->names[kind], name))
                found(v, 0, "names", "the %s %s is in the index and in no record", kind_names[kind],
                      (const char *)name.data);
        }
}

/* ---- a record's entries ---- */

static void on_entry(void *arg, uint64_t position, enum db db, bool missing, const char *text)
{
    struct verify *v = arg;

    found(v, position, store_db_names[db], "%s", text);
    v->missing[db] += missing;
}

/* Where the seat stood in the stream, to be replaced by where it stands now. */
static struct journal_tail *tail_of(struct verify *v, const uint8_t key[TAIL_KEY])
{
    uint32_t at = names_find(&v->tails, slice_of(key, TAIL_KEY));

    if (!at) {
        at = names_add(&v->tails, slice_of(key, TAIL_KEY));
        v->tail = mem_grow(v->tail, v->tails.capacity * sizeof *v->tail);
        v->tail[at - 1] = (struct journal_tail){0};
    }
    return &v->tail[at - 1];
}

static void chain_check(struct verify *v, uint64_t position, const uint8_t key[TAIL_KEY],
                        const struct event *e)
{
    struct journal_tail *tail = tail_of(v, key);
    const Core__Envelope *envelope = e->envelope;
    struct slice previous = slice_of(envelope->previous.data, envelope->previous.len);
    struct slice last = slice_of(tail->envelope_hash.bytes, tail->seat_seq ? HASH_SIZE : 0);

    if (!v->n_damaged && envelope->seat_seq != tail->seat_seq + 1)
        found(v, position, "seat_seq", "%" PRIu64 " of %s in %s follows %" PRIu64,
              envelope->seat_seq, envelope->seat, envelope->stream, tail->seat_seq);
    else if (!v->n_damaged && !slice_equal(previous, last))
        found(v, position, "previous", "is not the hash of the envelope at position %" PRIu64,
              tail->position);
    *tail = (struct journal_tail){envelope->seat_seq, position, e->envelope_hash};
}

static void index_check(struct verify *v, uint64_t position, const struct event *e)
{
    const Core__Envelope *envelope = e->envelope;
    const uint32_t numbers[NAME_KINDS] = {
        name_check(v, position, NAME_SEAT, envelope->seat),
        name_check(v, position, NAME_STREAM, envelope->stream),
        name_check(v, position, NAME_TYPE, envelope->type),
    };
    uint8_t tail[TAIL_KEY];

    v->parts += check_entries(&v->check, position, e, numbers);
    store_tail_key(tail, numbers[NAME_SEAT], numbers[NAME_STREAM]);
    chain_check(v, position, tail, e);
}

/* ---- first pass ---- */

static bool record_check(struct verify *v, const struct journal_record *record)
{
    struct event e;
    char where[128] = "";

    arena_reset(v->arena);
    int err = event_open(&e, record->event, record->payload, v->arena, where);
    if (err) {
        found(v, record->position, "event", "%s: %s", where, err_text(err));
        return false;
    }
    if (record->received < v->received)
        found(v, record->position, "received", "is before that of the record before it");
    v->received = record->received;
    index_check(v, record->position, &e);
    return true;
}

static bool position_check(struct verify *v, struct store_run *blocks, uint64_t position,
                           journal_each *each)
{
    struct journal_record record;
    int err = store_run_record(blocks, position, &record);

    if (err)
        found(v, position, "record", "%s", err_text(err));
    bool sound = err == 0 && record_check(v, &record);
    if (!sound)
        damaged(v, position);
    check_tree(&v->check, position, err ? NULL : &record);
    return sound && each && each(v->arg, &record) != 0;
}

static void gap_check(struct verify *v, uint64_t from, uint64_t until)
{
    if (until - from >= GAP_MOST) {
        found(v, from, "record", "is missing, with all up to position %" PRIu64, until - 1);
        from = until;
    }
    for (uint64_t position = from; position < until; position++) {
        found(v, position, "record", "is missing");
        damaged(v, position);
        check_tree(&v->check, position, NULL);
    }
}

/* The records of the block where the walk stands. */
static void block_check(struct verify *v, struct store_run *blocks, journal_each **each)
{
    struct store_run lookup;
    uint64_t first = blocks->first, end = first + blocks->count;
    int err = store_run_open(&lookup, v->store, v->txn, DB_EVENTS);

    if (err || store_run_seek(&lookup, first) || lookup.value.data != blocks->value.data)
        found(v, first, "record", "is not found by its position");
    store_run_close(&lookup);
    for (uint64_t position = first; position < end; position++) {
        v->head = position;
        step(v, "record", position);
        if (position_check(v, blocks, position, *each))
            *each = NULL;
    }
}

static uint64_t last_position(struct verify *v)
{
    struct store_run blocks;
    uint64_t last = 0;

    if (store_run_open(&blocks, v->store, v->txn, DB_EVENTS) == 0 && store_run_last(&blocks) == 0)
        last = blocks.first + blocks.count - 1;
    store_run_close(&blocks);
    return last;
}

/* How many records the tree has leaves for. */
static uint64_t tree_leaves(struct verify *v)
{
    struct store_run hashes;
    uint64_t low = 0, high = 0;

    if (store_run_open(&hashes, v->store, v->txn, DB_TREE) == 0 && store_run_last(&hashes) == 0)
        high = hashes.first + hashes.count;
    store_run_close(&hashes);
    for (uint64_t end = high; low < high;) {
        uint64_t middle = low + (high - low) / 2;
        if (tree_stored_count(middle) < end)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void records_check(struct verify *v, journal_each *each)
{
    struct store_run blocks;
    uint64_t last = last_position(v), torn = 0;
    int err = store_run_open(&blocks, v->store, v->txn, DB_EVENTS);

    v->records = last;
    while (err == 0) {
        step(v, "record", v->head + 1);
        err = store_run_next(&blocks);
        if (err == ERR_NOT_FOUND)
            break;
        if (blocks.first <= v->head || (last && blocks.first > last)) {
            found(v, v->head + 1, "record", err ? "cannot be read" : "its place is taken");
            break;
        }
        if (err == 0) { /* else the next block, or the tree's end, tells what was in this one */
            gap_check(v, v->head + 1, blocks.first);
            block_check(v, &blocks, &each);
        }
        torn = err ? blocks.first : 0;
        err = 0;
    }
    uint64_t end = tree_leaves(v) > torn ? tree_leaves(v) : torn;
    if (end > v->head) {
        gap_check(v, v->head + 1, end + 1);
        v->head = end;
    }
    store_run_close(&blocks);
}

/* ---- second pass ---- */

/* The position that an entry speaks of, 0 where it does not have the form. */
static uint64_t id_position(struct slice key, struct slice value)
{
    return key.size == ID_KEY && value.size == ID_VALUE ? store_u64_read(value.data) : 0;
}

static uint64_t channel_position(struct slice key, struct slice value)
{
    return key.size == CHANNEL_KEY && value.size == NUMBER_SIZE
               ? store_u64_be_read(key.data + CHANNEL_NAME)
               : 0;
}

static uint64_t part_position(struct slice key, struct slice value)
{
    return key.size == PART_KEY && value.size == 0 ? store_u64_be_read(key.data + HASH_SIZE) : 0;
}

static uint64_t tail_position(struct slice key, struct slice value)
{
    struct journal_tail tail;

    return key.size == TAIL_KEY && store_tail_read(&tail, value) ? tail.position : 0;
}

typedef uint64_t entry_position(struct slice key, struct slice value);

static bool record_opens(struct verify *v, uint64_t position, struct event *e)
{
    struct journal_record record;
    struct store_run blocks;
    char where[128];

    arena_reset(v->arena);
    bool opens = store_run_open(&blocks, v->store, v->txn, DB_EVENTS) == 0 &&
                 store_run_record(&blocks, position, &record) == 0 &&
                 event_open(e, record.event, record.payload, v->arena, where) == 0;
    store_run_close(&blocks);
    return opens;
}

/* Only where there is one entry too many: does the record at its position ask for it? */
static bool entry_asked(struct verify *v, enum db db, uint64_t position, struct slice key)
{
    struct event e;
    uint8_t seat[4], name[CHANNEL_NAME];

    if (!record_opens(v, position, &e))
        return false;
    uint32_t numbers[NAME_KINDS];
    const char *const names[NAME_KINDS] = {e.envelope->seat, e.envelope->stream, e.envelope->type};
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        uint32_t at = names_find(&v->known[kind], slice_str(names[kind]));
        numbers[kind] = at ? v->numbers[kind][at - 1] : 0;
    }
    store_u32_be(seat, numbers[NAME_SEAT]);
    store_channel_name(name, numbers[NAME_STREAM], numbers[NAME_TYPE]);
    if (db == DB_IDS)
        return memcmp(key.data, seat, 4) == 0 && memcmp(key.data + 4, e.envelope->id.data, 16) == 0;
    if (db == DB_CHANNELS)
        return memcmp(key.data, name, CHANNEL_NAME) == 0;
    for (size_t i = 0; db == DB_PARTS && i < e.envelope->n_parts; i++)
        if (memcmp(key.data, e.envelope->parts[i]->sha256.data, HASH_SIZE) == 0)
            return true;
    return false;
}

static const struct {
    enum db db;
    entry_position *position;
} indexes[] = {
    {DB_IDS, id_position},
    {DB_CHANNELS, channel_position},
    {DB_PARTS, part_position},
};

/* Entries of sound records; with `name` each that no record asks for is told. */
static uint64_t index_walk(struct verify *v, size_t index, bool name)
{
    enum db db = indexes[index].db;
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    struct buf last = {0};
    uint64_t n = 0;
    int rc = store_cursor(v->store, v->txn, db, &cursor);

    while (rc == 0 && (rc = store_step(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct slice k = slice_of(key.mv_data, key.mv_size);
        uint64_t position = indexes[index].position(k, slice_of(value.mv_data, value.mv_size));
        step(v, store_db_names[db], position);
        if (last.size && slice_compare(slice_buf(&last), k) >= 0 && !name)
            found(v, position, store_db_names[db], "its entry is out of order");
        buf_reset(&last);
        buf_add(&last, k.data, k.size);
        if (position == 0 || !is_damaged(v, position))
            n++;
        if (!name || (position && is_damaged(v, position)))
            continue;
        if (!position || !entry_asked(v, db, position, k))
            found(v, position <= v->head ? position : 0, store_db_names[db],
                  "holds an entry that no record asks for");
    }
    if (rc != MDB_NOTFOUND && !name)
        found(v, 0, store_db_names[db], "cannot be read to the end: %s", mdb_strerror(rc));
    buf_free(&last);
    mdb_cursor_close(cursor);
    return n;
}

static void indexes_check(struct verify *v)
{
    const uint64_t sound = v->head - v->n_damaged;
    const uint64_t expected[] = {sound, sound, v->parts};

    for (size_t i = 0; i < sizeof indexes / sizeof *indexes; i++) {
        uint64_t before = v->findings, n = index_walk(v, i, false);
        enum db db = indexes[i].db;
        uint64_t asked = expected[i] - v->missing[db];
        if (n == asked)
            continue;
        if (n > asked)
            index_walk(v, i, true);
        if (v->findings == before)
            found(v, 0, store_db_names[db],
                  "%" PRIu64 " entries are asked for and %" PRIu64 " are there", asked, n);
    }
}

/* What the records ask for was looked up; here, that there is nothing else. */
static void tree_end_check(struct verify *v)
{
    const uint64_t expected = tree_stored_count(v->head);
    struct store_run values;
    uint64_t end = 0;
    int err = store_run_open(&values, v->store, v->txn, DB_TREE);

    while (err == 0 && (err = store_run_next(&values)) == 0) {
        if (values.first != end)
            found(v, 0, "tree", "stored hash %" PRIu64 " is followed by %" PRIu64, end,
                  values.first);
        end = values.first + values.count;
    }
    if (err != ERR_NOT_FOUND)
        found(v, 0, "tree", "cannot be read to the end: %s", err_text(err));
    if (end > expected)
        found(v, 0, "tree", "%" PRIu64 " stored hashes are asked for and %" PRIu64 " are there",
              expected, end);
    store_run_close(&values);
}

static void tails_check(struct verify *v)
{
    MDB_cursor *cursor = NULL;
    MDB_val key, value;
    uint8_t expected[TAIL_VALUE];
    int rc;

    for (uint32_t i = 1; i <= v->tails.count; i++) {
        struct slice stored, k = names_get(&v->tails, i);
        store_tail_value(expected, &v->tail[i - 1]);
        if (store_get(v->store, v->txn, DB_TAILS, k, &stored))
            found(v, v->tail[i - 1].position, "tails", "the seat's tail is missing");
        else if (!slice_equal(stored, slice_of(expected, sizeof expected)) &&
                 !is_damaged(v, tail_position(k, stored)))
            found(v, v->tail[i - 1].position, "tails", "the seat's tail says something else");
    }
    rc = store_cursor(v->store, v->txn, DB_TAILS, &cursor);
    while (rc == 0 && (rc = store_step(cursor, &key, &value, MDB_NEXT)) == 0) {
        struct slice k = slice_of(key.mv_data, key.mv_size);
        uint64_t position = tail_position(k, slice_of(value.mv_data, value.mv_size));
        if (!names_find(&v->tails, k) && !is_damaged(v, position))
            found(v, position <= v->head ? position : 0, "tails",
                  "holds an entry that no record asks for");
    }
    if (rc != MDB_NOTFOUND)
        found(v, 0, "tails", "cannot be read to the end: %s", mdb_strerror(rc));
    mdb_cursor_close(cursor);
}

static void verify_clear(struct verify *v)
{
    for (int kind = 0; kind < NAME_KINDS; kind++) {
        names_clear(&v->names[kind]);
        names_clear(&v->known[kind]);
        mem_free(v->numbers[kind]);
    }
    names_clear(&v->tails);
    mem_free(v->tail);
    mem_free(v->damaged);
    arena_free(v->arena);
}

int verify_store(const struct store *s, journal_each *each, journal_finding *finding,
                 journal_progress *progress, void *arg, uint64_t *findings)
{
    struct verify v = {.store = s, .finding = finding, .progress = progress, .arg = arg};

    v.check = (struct check){.store = s, .found = on_entry, .arg = &v};
    *findings = 0;
    int err = store_error(store_begin(s, MDB_RDONLY, &v.txn));
    if (err == 0)
        err = store_run_open(&v.check.hashes, s, v.txn, DB_TREE);
    if (err) {
        mdb_txn_abort(v.txn);
        return err;
    }
    v.check.txn = v.txn;
    v.received = INT64_MIN;
    v.arena = arena_new(ARENA_CAP);
    step(&v, "names", 0);
    names_load(&v);
    records_check(&v, each);
    step(&v, "names", 0);
    names_finish(&v);
    indexes_check(&v);
    step(&v, "tree", 0);
    tree_end_check(&v);
    step(&v, "tails", 0);
    tails_check(&v);
    store_run_close(&v.check.hashes);
    mdb_txn_abort(v.txn);
    *findings = v.findings;
    verify_clear(&v);
    return *findings ? ERR_DAMAGED : 0;
}
