/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "broker/checkpoint.h"
#include "broker/signed.h"
#include "broker/store.h"
#include "lib/err.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

struct read {
    uint64_t positions[RECORDS_MOST];
    size_t n, stop_at; /* 0: never */
    int stop;
    const struct records *expected;
};

static int on_record(void *arg, const struct journal_record *record)
{
    struct read *read = arg;

    if (read->expected) {
        const struct journal_event *e = &read->expected->events[record->position - 1];
        assert_true(slice_equal(e->event, record->event));
        assert_true(slice_equal(e->payload, record->payload));
        assert_int_equal(e->received, record->received);
    }
    if (read->stop_at && read->n + 1 == read->stop_at && read->stop < 0)
        return -1;
    read->positions[read->n++] = record->position;
    return read->stop_at && read->n == read->stop_at ? read->stop : 0;
}

static void what_is_appended_is_read_back_in_order(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 5);
    struct journal *j = records_create(dir, r);
    for (int i = 0; i < 20; i++) {
        records_mix(r, (size_t)(1 + i % 13));
        assert_int_equal(records_append(r, j), 0);
    }
    for (int again = 0; again < 2; again++) {
        struct read read = {.expected = r};
        uint64_t next;
        assert_int_equal(journal_head(j), r->n);
        assert_int_equal(journal_last_received(j), r->events[r->n - 1].received);
        assert_int_equal(journal_read(j, NULL, 1, SIZE_MAX, on_record, &read, &next), 0);
        assert_int_equal(next, r->n + 1);
        assert_int_equal(read.n, r->n);
        for (size_t i = 0; i < r->n; i++)
            assert_int_equal(read.positions[i], i + 1);
        journal_close(j);
        j = records_open(dir, again);
    }
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void what_was_received_since_a_time_begins_at_a_position(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 5);
    struct journal *j = records_create(dir, r);
    uint64_t position;
    for (int i = 0; i < 20; i++) {
        records_mix(r, (size_t)(1 + i % 13));
        assert_int_equal(records_append(r, j), 0);
    }
    for (size_t i = 0, first = 0; i < r->n; i++) {
        if (r->events[i].received != r->events[first].received)
            first = i;
        assert_int_equal(journal_since(j, r->events[i].received, &position), 0);
        assert_int_equal(position, first + 1);
    }
    assert_int_equal(journal_since(j, 0, &position), 0);
    assert_int_equal(position, 1);
    assert_int_equal(journal_since(j, r->events[r->n - 1].received + 1, &position), 0);
    assert_int_equal(position, r->n + 1);
    assert_in_range(journal_used(j), 1, journal_size_on_disk(j));
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

struct walk {
    struct journal *journal;
    struct hash part;
};

/* One after the other, as all of them come. */
static int take_part(void *arg, const struct hash *part)
{
    struct walk *w = arg;

    assert_int_equal(journal_next_part(w->journal, &w->part, &w->part), 0);
    assert_true(hash_equal(&w->part, part));
    return 0;
}

static void ids_tails_and_parts_are_found(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 5);
    struct journal *j = records_create(dir, r);
    records_mix(r, 200);
    assert_int_equal(records_append(r, j), 0);
    for (size_t i = 0; i < r->n; i++) {
        const struct journal_event *e = &r->events[i];
        struct hash hash;
        uint64_t position;
        assert_int_equal(journal_find(j, e->seat, e->id, &position, &hash), 0);
        assert_int_equal(position, i + 1);
        assert_true(hash_equal(&hash, &e->envelope_hash));
        assert_int_equal(journal_part(j, &r->part[i], 0, &position), i % 7 ? ERR_NOT_FOUND : 0);
        if (i % 7 == 0)
            assert_int_equal(position, i + 1);
        assert_int_equal(journal_find(j, "qmz-desk", e->id, &position, &hash), ERR_NOT_FOUND);
    }
    struct walk w = {.journal = j};
    assert_int_equal(journal_each_part(j, take_part, &w), 0);
    assert_int_equal(journal_next_part(j, &w.part, &w.part), ERR_NOT_FOUND);
    for (int seat = 0; seat < RECORDS_SEATS; seat++)
        for (int stream = 0; stream < RECORDS_STREAMS; stream++) {
            struct journal_tail tail;
            assert_int_equal(journal_tail(j, records_seats[seat], records_streams[stream], &tail),
                             0);
            assert_memory_equal(&tail, &r->tails[seat][stream], sizeof tail);
        }
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static bool wanted(const struct journal_event *e, const char *stream, const char *type,
                   const char *seat)
{
    return (!stream || pattern_match(stream, e->stream)) &&
           (!type || pattern_match(type, e->type)) && (!seat || strcmp(seat, e->seat) == 0);
}

static void a_filter_lets_through_what_it_names_and_sees_later_channels(void **unused)
{
    (void)unused;
    static const struct {
        const char *stream, *type, *seat;
    } cases[] = {
        {"embargo.in", NULL, NULL},
        {"embargo.*", NULL, NULL},
        {NULL, "chancery.core.*", NULL},
        {"un.feed", "chancery.core.v1.Two", NULL},
        {NULL, NULL, "qmb-desk"},
        {"audit", NULL, NULL},
        {"*", "*", NULL},
        {"none.*", NULL, NULL},
        {NULL, NULL, "qmz-desk"},
        {"embargo.out", "*", "qmc-desk"},
    };
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 5);
    struct journal *j = records_create(dir, r);
    struct journal_filter *filters[sizeof cases / sizeof *cases];
    uint64_t at[sizeof cases / sizeof *cases];
    size_t seen[sizeof cases / sizeof *cases] = {0};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        filters[c] = journal_filter_new(&cases[c].stream, cases[c].stream != NULL, &cases[c].type,
                                        cases[c].type != NULL, cases[c].seat);
        at[c] = 1;
    }
    for (int round = 0; round < 30; round++) {
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            struct read read = {.expected = r};
            while (at[c] <= journal_head(j))
                assert_int_equal(journal_read(j, filters[c], at[c], 3, on_record, &read, &at[c]),
                                 0);
            assert_int_equal(at[c], journal_head(j) + 1);
            size_t k = 0;
            for (size_t i = seen[c]; i < r->n; i++)
                if (wanted(&r->events[i], cases[c].stream, cases[c].type, cases[c].seat))
                    assert_int_equal(read.positions[k++], i + 1);
            assert_int_equal(k, read.n);
            seen[c] = r->n;
        }
        if (round == 15)
            records_add(r, 3, 3, 2, 10, false);
        records_mix(r, (size_t)(round % 9 + 1));
        assert_int_equal(records_append(r, j), 0);
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
        journal_filter_free(filters[c]);
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

struct writer {
    struct records *r;
    struct journal *j;
};

static void *append_many(void *arg)
{
    struct writer *w = arg;
    uint64_t first;

    for (; w->r->taken < w->r->n; w->r->taken += 10)
        if (journal_append(w->j, w->r->events + w->r->taken, 10, &first))
            break;
    return NULL;
}

static void a_reader_follows_while_another_thread_appends(void **unused)
{
    (void)unused;
    const char *stream = "embargo.*";
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 10);
    struct writer w = {r, records_create(dir, r)};
    records_mix(r, 1000);
    struct journal_filter *f = journal_filter_new(&stream, 1, NULL, 0, NULL);
    struct read all = {.expected = r}, some = {.expected = r};
    uint64_t all_at = 1, some_at = 1;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, append_many, &w), 0);
    while (all_at <= r->n || some_at <= r->n) {
        struct journal_tail tail;
        assert_int_equal(journal_read(w.j, NULL, all_at, 100, on_record, &all, &all_at), 0);
        assert_int_equal(journal_read(w.j, f, some_at, 100, on_record, &some, &some_at), 0);
        assert_int_equal(journal_tail(w.j, "qma-desk", "embargo.in", &tail), 0);
    }
    pthread_join(thread, NULL);
    assert_int_equal(all.n, r->n);
    size_t k = 0;
    for (size_t i = 0; i < r->n; i++)
        if (wanted(&r->events[i], stream, NULL, NULL))
            assert_int_equal(some.positions[k++], i + 1);
    assert_int_equal(k, some.n);
    journal_filter_free(f);
    journal_close(w.j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void a_reading_goes_on_where_it_was_stopped(void **unused)
{
    (void)unused;
    const char *stream = "embargo.*";
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 40);
    struct journal *j = records_create(dir, r);
    struct journal_filter *f = journal_filter_new(&stream, 1, NULL, 0, NULL);
    for (int filtered = 0; filtered < 2; filtered++) {
        struct read all = {0};
        uint64_t next;
        journal_read(j, filtered ? f : NULL, 1, SIZE_MAX, on_record, &all, &next);
        struct read behind = {.stop_at = 5, .stop = 1}, before = {.stop_at = 5, .stop = -1};
        assert_int_equal(
            journal_read(j, filtered ? f : NULL, 1, SIZE_MAX, on_record, &behind, &next), 0);
        assert_int_equal(behind.n, 5);
        assert_int_equal(next, all.positions[4] + 1);
        assert_int_equal(
            journal_read(j, filtered ? f : NULL, 1, SIZE_MAX, on_record, &before, &next), 0);
        assert_int_equal(before.n, 4);
        assert_int_equal(next, all.positions[4]);
    }
    journal_filter_free(f);
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void a_log_has_one_owner_and_tools_read_beside_it(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    struct buf why = {0};
    struct journal *other;
    char *dir = records_dir();
    records_mix(r, 3);
    struct journal *j = records_create(dir, r);
    assert_int_equal(journal_open(&other, dir, false, &why), ERR_OWNED);
    other = records_open(dir, true); /* a tool reads beside it */
    assert_int_equal(journal_head(other), 3);
    journal_close(other);
    journal_close(j);
    j = records_open(dir, true);
    other = records_open(dir, true);
    journal_close(other);
    assert_int_equal(journal_open(&other, dir, false, &why), ERR_OWNED);
    journal_close(j);
    buf_free(&why);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void lmdb_runs_with_its_default_durability(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    struct buf why = {0};
    struct store s;
    unsigned flags;
    char *dir = records_dir(), *log = mem_printf("%s/log", dir);
    records_mix(r, 3);
    journal_close(records_create(dir, r));
    assert_int_equal(store_open(&s, log, false, &why), 0);
    assert_int_equal(mdb_env_get_flags(s.env, &flags), 0);
    assert_int_equal(flags & ~(unsigned)MDB_NOTLS, 0);
    store_close(&s);
    mem_free(log);
    buf_free(&why);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void the_same_id_is_never_appended_twice(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    uint64_t first;
    char *dir = records_dir();
    records_mix(r, 3);
    struct journal *j = records_create(dir, r);
    struct journal_event again = r->events[1];
    again.received = r->events[2].received;
    assert_int_equal(journal_append(j, &again, 1, &first), ERR_EXISTS);
    assert_int_equal(journal_head(j), 3);
    records_mix(r, 3);
    assert_int_equal(records_append(r, j), 0);
    journal_close(j);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void a_log_is_never_made_over_another(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir();
    records_mix(r, 3);
    journal_close(records_create(dir, r));
    assert_int_equal(journal_create(dir, r->events, r->n), ERR_EXISTS);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void no_log_says_how_one_is_made(void **unused)
{
    (void)unused;
    struct buf why = {0};
    struct journal *j;
    char *dir = records_dir();
    assert_int_equal(journal_open(&j, dir, false, &why), ERR_NOT_FOUND);
    assert_non_null(strstr(buf_cstr(&why), "chancery init"));
    buf_free(&why);
    records_dir_remove(dir);
}

/* Killed a little later in each round: there is no log, or all of it. */
static void a_log_torn_while_it_is_made_is_not_there(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    int none = 0, whole = 0;
    records_mix(r, 20);
    for (useconds_t delay = 0; delay < 20000; delay += 500) {
        char *dir = records_dir(), *log = mem_printf("%s/log", dir);
        pid_t child = fork();
        if (child == 0)
            _exit(journal_create(dir, r->events, r->n) != 0);
        usleep(delay);
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        if (access(log, F_OK) == 0) {
            struct journal *j = records_open(dir, false);
            assert_int_equal(journal_head(j), r->n);
            journal_close(j);
            whole++;
        } else {
            none++;
        }
        mem_free(log);
        records_dir_remove(dir);
    }
    print_message("%d without a log, %d with all of it\n", none, whole);
    assert_true(none > 0);
    records_clear(r);
    mem_free(r);
}

static void a_full_disk_is_told_and_the_log_goes_on_when_there_is_room(void **unused)
{
    (void)unused;
    char *dir = records_dir();
    if (mount("tmpfs", dir, "tmpfs", 0, "size=4m") != 0) {
        rmdir(dir);
        mem_free(dir);
        print_message("skipped: a_full_disk_...: needs the right to mount a tmpfs\n");
        skip();
    }
    struct records *r = mem_new(sizeof *r);
    records_mix(r, 3);
    struct journal *j = records_create(dir, r);
    char *file = mem_printf("%s/ballast", dir);
    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(posix_fallocate(fd, 0, 2 * 1024 * 1024), 0);
    close(fd);
    int err = 0;
    size_t rounds = 0;
    while (err == 0 && rounds++ < 200) {
        for (int i = 0; i < 4; i++)
            records_add(r, 0, 0, 0, 20000, false);
        err = records_append(r, j);
    }
    assert_int_equal(err, ERR_FULL);
    uint64_t head = journal_head(j), findings;
    assert_int_equal(head, r->taken);
    assert_int_equal(records_append(r, j), ERR_FULL);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(records_append(r, j), 0);
    assert_int_equal(journal_head(j), r->n);
    assert_int_equal(journal_verify(j, NULL, NULL, NULL, NULL, &findings), 0);
    journal_close(j);
    mem_free(file);
    records_clear(r);
    mem_free(r);
    assert_int_equal(umount(dir), 0);
    rmdir(dir);
    mem_free(dir);
}

/* ---- roll back ---- */

static void a_rolled_back_log_is_refused(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    struct log_key key;
    struct checkpoint c;
    struct hash root;
    struct buf why = {0};
    uint64_t size;
    char *dir = records_dir();
    log_key_make(&key, "log.qma.example/main");
    records_mix(r, 5);
    struct journal *j = records_create(dir, r);
    assert_int_equal(checkpoint_check(j, NULL, &why), 0);
    char *keep = mem_printf("cp '%s/log/data.mdb' '%s/old.mdb'", dir, dir);
    assert_int_equal(system(keep), 0);
    records_mix(r, 30);
    assert_int_equal(records_append(r, j), 0);
    assert_int_equal(checkpoint_check(j, NULL, &why), ERR_ROLLED_BACK);
    journal_tree(j, &size, &root);
    assert_int_equal(signed_found(dir, &key, size, &root), 0);
    assert_int_equal(checkpoint_read(dir, key.name, key.public_key, &c, NULL), 0);
    assert_int_equal(checkpoint_check(j, &c, &why), 0);
    records_mix(r, 30);
    assert_int_equal(records_append(r, j), 0);
    assert_int_equal(checkpoint_check(j, &c, &why), 0);
    c.root.bytes[0] ^= 1;
    assert_int_equal(checkpoint_check(j, &c, &why), ERR_ROLLED_BACK);
    c.root.bytes[0] ^= 1;
    journal_close(j);
    char *put = mem_printf("cp '%s/old.mdb' '%s/log/data.mdb'", dir, dir);
    assert_int_equal(system(put), 0);
    j = records_open(dir, false);
    assert_int_equal(checkpoint_check(j, &c, &why), ERR_ROLLED_BACK);
    journal_close(j);
    mem_free(keep);
    mem_free(put);
    buf_free(&why);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

/* ---- verify names the place ---- */

struct findings {
    uint64_t position;
    char what[32];
    size_t n;
};

static void on_finding(void *arg, uint64_t position, const char *what, const char *text)
{
    struct findings *f = arg;

    (void)text;
    if (f->n++ == 0) {
        f->position = position;
        snprintf(f->what, sizeof f->what, "%s", what);
    }
}

static void change(const struct store *s, enum db db, struct slice key, size_t byte)
{
    MDB_txn *txn;
    struct slice value;
    struct buf copy = {0};

    assert_int_equal(mdb_txn_begin(s->env, NULL, 0, &txn), 0);
    assert_int_equal(store_get(s, txn, db, key, &value), 0);
    assert_true(byte < value.size);
    buf_add(&copy, value.data, value.size);
    copy.data[byte] ^= 4;
    assert_int_equal(store_put(s, txn, db, key, slice_buf(&copy), 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    buf_free(&copy);
}

static struct findings verify(const char *dir)
{
    struct findings f = {0};
    uint64_t n;
    struct journal *j = records_open(dir, true);

    journal_verify(j, NULL, on_finding, NULL, &f, &n);
    assert_int_equal(n, f.n);
    journal_close(j);
    return f;
}

static void verify_names_the_position_of_a_change(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    struct buf why = {0};
    struct store s;
    char *dir = records_dir(), *log = mem_printf("%s/log", dir);
    uint8_t id[ID_KEY], name[CHANNEL_NAME], channel[CHANNEL_KEY], tail[TAIL_KEY];
    const uint64_t position = 57, block = 1, hashes = 0;
    const size_t row = BLOCK_HEAD + 56 * BLOCK_ROW, rows = BLOCK_HEAD + 100 * BLOCK_ROW,
                 node = HASH_SIZE * tree_stored_index(3, 4),
                 leaf = HASH_SIZE * tree_stored_index(0, 56);
    size_t before = rows;
    records_mix(r, 100);
    journal_close(records_create(dir, r));
    assert_int_equal(verify(dir).n, 0);
    for (int i = 0; i < 56; i++)
        before += r->events[i].event.size + r->events[i].payload.size;
    /* event 57: seat 0 (number 1), stream 28 % 3 = 1 (number 2), type 18 % 3 = 0 (number 1) */
    store_id_key(id, 1, r->events[56].id);
    store_channel_name(name, 2, 1);
    store_channel_key(channel, name, position);
    store_tail_key(tail, 1, 2);
    const struct {
        enum db db;
        struct slice key;
        size_t byte;
        uint64_t position;
        const char *what;
        size_t n; /* findings; 0: all that the block holds */
    } cases[] = {
        {DB_EVENTS, slice_of(&block, 8), 0, 1, "record", 0},        /* the block's magic */
        {DB_EVENTS, slice_of(&block, 8), 4, 1, "record", 0},        /* its count */
        {DB_EVENTS, slice_of(&block, 8), row, 57, "record", 1},     /* received */
        {DB_EVENTS, slice_of(&block, 8), row + 8, 57, "record", 1}, /* end of the event */
        {DB_EVENTS, slice_of(&block, 8), row + 12, 57, "record", 2},
        {DB_EVENTS, slice_of(&block, 8), row + 16, 57, "record", 1}, /* the sum */
        {DB_EVENTS, slice_of(&block, 8), before + 100, 57, "record", 1},
        {DB_IDS, slice_of(id, sizeof id), 0, 57, "ids", 1},
        {DB_IDS, slice_of(id, sizeof id), 20, 57, "ids", 1},
        {DB_CHANNELS, slice_of(channel, sizeof channel), 0, 57, "channels", 1},
        {DB_TAILS, slice_of(tail, sizeof tail), 0, r->tails[0][1].position, "tails", 1},
        {DB_TREE, slice_of(&hashes, 8), leaf + 31, 57, "tree", 1},
        {DB_TREE, slice_of(&hashes, 8), node, 40, "tree", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int back = 0; back < 2; back++) {
            assert_int_equal(store_open(&s, log, false, &why), 0);
            change(&s, cases[i].db, cases[i].key, cases[i].byte);
            store_close(&s);
            struct findings f = verify(dir);
            if (back)
                assert_int_equal(f.n, 0);
            else if (cases[i].n)
                assert_int_equal(f.n, cases[i].n);
            if (!back) {
                assert_true(f.n > 0);
                assert_int_equal(f.position, cases[i].position);
                assert_string_equal(f.what, cases[i].what);
            }
        }
    }
    mem_free(log);
    buf_free(&why);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

static void put(const char *log, enum db db, struct slice key, struct slice value, bool delete)
{
    struct buf why = {0};
    struct store s;
    MDB_txn *txn;
    uint8_t copy[64];

    memcpy(copy, key.data, key.size);
    MDB_val k = {key.size, copy};
    assert_int_equal(store_open(&s, log, false, &why), 0);
    assert_int_equal(mdb_txn_begin(s.env, NULL, 0, &txn), 0);
    assert_int_equal(
        delete ? mdb_del(txn, s.dbi[db], &k, NULL) : store_put(&s, txn, db, key, value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_close(&s);
    buf_free(&why);
}

static void verify_names_what_is_missing_and_what_is_too_much(void **unused)
{
    (void)unused;
    struct records *r = mem_new(sizeof *r);
    char *dir = records_dir(), *log = mem_printf("%s/log", dir);
    uint8_t id[ID_KEY], name[CHANNEL_NAME], channel[CHANNEL_KEY], part[PART_KEY];
    records_mix(r, 100);
    journal_close(records_create(dir, r));
    store_id_key(id, 2, r->events[56].id); /* another seat's */
    store_channel_name(name, 3, 3);
    store_channel_key(channel, name, 57);
    store_part_key(part, &r->part[3], 4); /* event 4 names none */
    uint8_t value[ID_VALUE];
    store_id_value(value, 57, &r->events[56].envelope_hash);
    const struct {
        enum db db;
        struct slice key, value;
        uint64_t position;
    } cases[] = {
        {DB_IDS, slice_of(id, sizeof id), slice_of(value, sizeof value), 57},
        {DB_CHANNELS, slice_of(channel, sizeof channel), slice_of("\1\0\0", 4), 57},
        {DB_PARTS, slice_of(part, sizeof part), slice_str(""), 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put(log, cases[i].db, cases[i].key, cases[i].value, false);
        struct findings f = verify(dir);
        assert_int_equal(f.n, 1);
        assert_int_equal(f.position, cases[i].position);
        assert_string_equal(f.what, store_db_names[cases[i].db]);
        put(log, cases[i].db, cases[i].key, cases[i].value, true);
        assert_int_equal(verify(dir).n, 0);
    }
    store_id_key(id, 1, r->events[56].id);
    put(log, DB_IDS, slice_of(id, sizeof id), slice_str(""), true);
    struct findings f = verify(dir);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.position, 57);
    assert_string_equal(f.what, "ids");
    mem_free(log);
    records_clear(r);
    mem_free(r);
    records_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_is_read_back_in_order),
        cmocka_unit_test(what_was_received_since_a_time_begins_at_a_position),
        cmocka_unit_test(ids_tails_and_parts_are_found),
        cmocka_unit_test(a_filter_lets_through_what_it_names_and_sees_later_channels),
        cmocka_unit_test(a_reader_follows_while_another_thread_appends),
        cmocka_unit_test(a_reading_goes_on_where_it_was_stopped),
        cmocka_unit_test(a_log_has_one_owner_and_tools_read_beside_it),
        cmocka_unit_test(lmdb_runs_with_its_default_durability),
        cmocka_unit_test(the_same_id_is_never_appended_twice),
        cmocka_unit_test(a_log_is_never_made_over_another),
        cmocka_unit_test(no_log_says_how_one_is_made),
        cmocka_unit_test(a_log_torn_while_it_is_made_is_not_there),
        cmocka_unit_test(a_full_disk_is_told_and_the_log_goes_on_when_there_is_room),
        cmocka_unit_test(a_rolled_back_log_is_refused),
        cmocka_unit_test(verify_names_the_position_of_a_change),
        cmocka_unit_test(verify_names_what_is_missing_and_what_is_too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
