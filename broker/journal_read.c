/* SPDX-License-Identifier: Apache-2.0 */
/* journal_read.c - readings: a filter resolved to channels, their records merged in order */
#include "broker/journal_inside.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

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
    struct store_run records;
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
static bool hand_over(struct reading *r, uint64_t position, journal_each *each, void *arg,
                      uint64_t *next, int *err)
{
    struct journal_record record;

    *next = position;
    *err = store_run_record(&r->records, position, &record);
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
    int err = runs_open(r, from);

    while (err == 0 && r->n_runs) {
        uint64_t position = r->runs[0].position;
        *next = position;
        if (most-- == 0)
            return 0;
        if ((!f->seat || r->runs[0].seat == f->resolved->seat) &&
            !hand_over(r, position, each, arg, next, &err))
            return err;
        err = runs_next(r);
    }
    if (err == 0)
        *next = r->head + 1;
    return err;
}

static int read_all(struct reading *r, uint64_t from, size_t most, journal_each *each, void *arg,
                    uint64_t *next)
{
    int err = 0;

    for (uint64_t position = from; position <= r->head && most; position++, most--)
        if (!hand_over(r, position, each, arg, next, &err))
            break;
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
    err = journal_begin(j, &r.txn);
    if (err == 0)
        err = store_run_open(&r.records, &j->store, r.txn, DB_EVENTS);
    if (err == 0)
        err = all ? read_all(&r, from, most, each, arg, next)
                  : read_channels(&r, f, from, most, each, arg, next);
    for (size_t i = 0; r.txn && !all && i < r.n_runs; i++)
        mdb_cursor_close(r.runs[i].cursor);
    store_run_close(&r.records);
    mdb_txn_abort(r.txn);
out:
    mem_free(r.runs);
    return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
}

static int take_received(void *arg, const struct journal_record *record)
{
    *(int64_t *)arg = record->received;
    return 0;
}

int journal_since(struct journal *j, int64_t time, uint64_t *position)
{
    uint64_t least = 1, behind = journal_head(j) + 1;
    int64_t received;
    int err = 0;

    while (least < behind && err == 0) {
        uint64_t middle = least + (behind - least) / 2;
        err = journal_get(j, middle, take_received, &received);
        if (err == 0 && received < time)
            least = middle + 1;
        else
            behind = middle;
    }
    *position = least;
    return err;
}
