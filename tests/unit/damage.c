/* SPDX-License-Identifier: Apache-2.0 */
/* A log of 300 records with one bit wrong: all that the door says is as before, or verify names the
 * place.  Nobody dies of it: a child tries all flips, and one that dies fails the test.
 *
 * Every byte of the used pages with CHANCERY_LONG, else one of every kind and FLIPS at random.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "broker/checkpoint.h"
#include "broker/fence.h"
#include "broker/journal.h"
#include "broker/store.h"
#include "lib/err.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

enum { RECORDS = 300, COMMITS = 10, FLIPS = 2000, PAGE = 4096, FINDINGS_MOST = 64 };

/* ---- a log to spoil ---- */

struct bench {
    struct records r;
    char *dir, *log, *file;
    int fd;
    size_t pages;
    struct checkpoint checkpoint;
    struct hash whole; /* the dump of the sound log */
};

struct flip {
    off_t at;
    unsigned bit;
    uint64_t position; /* that must be named; 0 = any */
};

struct answer { /* of who reads a spoilt log */
    bool sound;
    int opened; /* err */
    struct hash dump;
    uint64_t findings, named[FINDINGS_MOST];
};

struct series { /* shared with the child that tries */
    struct flip now;
    size_t done, refused, named, unchanged;
    char wrong[128]; /* what came out otherwise than it may */
};

static int dump_record(void *arg, const struct journal_record *record)
{
    struct buf *out = arg;

    buf_printf(out, "%llu %lld ", (unsigned long long)record->position,
               (long long)record->received);
    buf_add(out, record->event.data, record->event.size);
    buf_add(out, record->payload.data, record->payload.size);
    return 0;
}

static void dump_lookups(struct buf *out, struct journal *j, const struct records *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct journal_event *e = &r->events[i];
        struct hash hash = {0};
        struct journal_tail tail;
        uint64_t position = 0;
        int err = journal_find(j, e->seat, e->id, &position, &hash);
        buf_printf(out, "%d %llu ", err, (unsigned long long)position);
        buf_add(out, hash.bytes, HASH_SIZE);
        position = 0;
        err = journal_part(j, &r->part[i], 0, &position);
        buf_printf(out, "%d %llu ", err, (unsigned long long)position);
        err = journal_tail(j, e->seat, e->stream, &tail);
        buf_printf(out, "%d ", err);
        buf_add(out, &tail, sizeof tail);
        buf_printf(out, "%d", journal_get(j, i + 1, dump_record, out));
    }
    for (uint64_t i = 0; i < tree_stored_count(r->n); i++) {
        struct hash hash = {0};
        buf_printf(out, "%d", journal_stored_hash(j, i, &hash));
        buf_add(out, hash.bytes, HASH_SIZE);
    }
}

/* All that the door says, in one hash. */
static void dump(struct journal *j, const struct records *r, struct hash *out)
{
    struct buf bytes = {0};
    uint64_t next;

    journal_read(j, NULL, 1, SIZE_MAX, dump_record, &bytes, &next);
    for (int i = 0; i < RECORDS_STREAMS; i++) {
        struct journal_filter *f = journal_filter_new(&records_streams[i], 1, NULL, 0, NULL);
        journal_read(j, f, 1, SIZE_MAX, dump_record, &bytes, &next);
        journal_filter_free(f);
    }
    dump_lookups(&bytes, j, r);
    hash_sha256(out, slice_buf(&bytes));
    buf_free(&bytes);
}

static void on_finding(void *arg, uint64_t position, const char *what, const char *text)
{
    struct answer *a = arg;

    (void)what, (void)text;
    if (a->findings < FINDINGS_MOST)
        a->named[a->findings] = position;
    a->findings++;
}

static void look(struct bench *b, struct answer *a)
{
    struct buf why = {0};
    struct journal *j;
    uint64_t findings;

    a->opened = journal_open(&j, b->dir, true, &why);
    if (a->opened == 0) {
        a->findings = 0;
        a->sound = journal_verify(j, NULL, on_finding, NULL, a, &findings) == 0 &&
                   checkpoint_check(j, &b->checkpoint, &why) == 0;
        dump(j, &b->r, &a->dump);
        journal_close(j);
    }
    buf_free(&why);
}

static struct bench *bench_new(void)
{
    struct bench *b = mem_new(sizeof *b);
    struct answer a = {0};
    struct stat st;

    b->dir = records_dir();
    b->log = mem_printf("%s/log", b->dir);
    b->file = mem_printf("%s/data.mdb", b->log);
    records_mix(&b->r, RECORDS / COMMITS);
    struct journal *j = records_create(b->dir, &b->r);
    while (b->r.n < RECORDS) {
        records_mix(&b->r, RECORDS / COMMITS);
        assert_int_equal(records_append(&b->r, j), 0);
    }
    journal_tree(j, &b->checkpoint.size, &b->checkpoint.root);
    journal_close(j);
    b->fd = open(b->file, O_RDWR | O_CLOEXEC);
    assert_int_equal(fstat(b->fd, &st), 0);
    b->pages = (size_t)st.st_size / PAGE;
    look(b, &a);
    assert_true(a.sound);
    b->whole = a.dump;
    return b;
}

static void bench_free(struct bench *b)
{
    close(b->fd);
    records_clear(&b->r);
    records_dir_remove(b->dir);
    mem_free(b->log);
    mem_free(b->file);
    mem_free(b);
}

/* ---- flips ---- */

static void turn(struct bench *b, const struct flip *f)
{
    uint8_t byte;

    assert_int_equal(pread(b->fd, &byte, 1, f->at), 1);
    byte ^= (uint8_t)(1u << f->bit);
    assert_int_equal(pwrite(b->fd, &byte, 1, f->at), 1);
}

/* False, with a sentence, where the flip has an effect that nobody tells. */
static bool judge(const struct bench *b, const struct answer *a, struct series *to)
{
    const struct flip *f = &to->now;
    bool same = hash_equal(&a->dump, &b->whole), named = f->position == 0;

    for (size_t i = 0; i < a->findings && i < FINDINGS_MOST; i++)
        named = named || a->named[i] == f->position;
    to->done++;
    to->refused += a->opened != 0;
    to->unchanged += a->opened == 0 && a->sound;
    to->named += a->opened == 0 && !a->sound;
    if (a->opened || (a->sound ? same && !f->position : named))
        return true;
    snprintf(to->wrong, sizeof to->wrong, a->sound ? "nobody says so" : "%llu is not named",
             (unsigned long long)f->position);
    return false;
}

static bool try(struct bench *b, const struct flip *f, struct series *to)
{
    struct answer a = {0};

    to->now = *f;
    alarm(60);
    turn(b, f);
    look(b, &a);
    turn(b, f);
    return judge(b, &a, to);
}

/* False where there are no more. */
typedef bool next_flip(void *arg, struct flip *out);

static struct series try_all(struct bench *b, next_flip *next, void *arg)
{
    struct series *to =
        mmap(NULL, sizeof *to, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct flip f;
    int status;

    assert_true(to != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        bool good = true;
        fence_install();
        while (good && next(arg, &f))
            good = try(b, &f, to);
        _exit(!good);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    struct series done = *to;
    munmap(to, sizeof *to);
    if (status)
        fail_msg("bit %u of byte %lld: %s (status %x)", done.now.bit, (long long)done.now.at,
                 done.wrong, (unsigned)status);
    return done;
}

/* ---- one of every kind ---- */

/* Where in the file something lies that LMDB points to: its page says which it is. */
static off_t offset_of(const void *p)
{
    uintptr_t at = (uintptr_t)p, page = at / PAGE * PAGE;
    uint64_t number;

    memcpy(&number, (const uint8_t *)p - (at - page), sizeof number);
    return (off_t)(number * PAGE + (at - page));
}

struct place {
    off_t at;
    size_t size;
};

static struct place place_of(const struct store *s, MDB_txn *txn, enum db db, struct slice key)
{
    struct slice value;

    assert_int_equal(store_get(s, txn, db, key, &value), 0);
    return (struct place){offset_of(value.data), value.size};
}

/* What the number has of the value that it lies in: its hash, or its row and bytes of the block. */
static size_t places_in(const struct store *s, MDB_txn *txn, enum db db, uint64_t number,
                        struct place places[2])
{
    struct store_run run;
    struct journal_record record;

    assert_int_equal(store_run_open(&run, s, txn, db), 0);
    assert_int_equal(store_run_seek(&run, number), 0);
    off_t at = offset_of(run.value.data), index = (off_t)(number - run.first);
    places[0] = (struct place){at + index * HASH_SIZE, HASH_SIZE};
    if (db == DB_EVENTS) {
        assert_int_equal(store_run_record(&run, number, &record), 0);
        places[0] = (struct place){at + BLOCK_HEAD + index * BLOCK_ROW, BLOCK_ROW};
        places[1] = (struct place){at + (record.event.data - run.value.data),
                                   record.event.size + record.payload.size};
    }
    store_run_close(&run);
    return db == DB_EVENTS ? 2 : 1;
}

struct list {
    struct flip *flips;
    size_t n, at;
};

static bool next_of_list(void *arg, struct flip *out)
{
    struct list *l = arg;

    if (l->at == l->n)
        return false;
    *out = l->flips[l->at++];
    return true;
}

static void list_add(struct list *l, struct place place, size_t step, uint64_t position)
{
    for (size_t at = 0; at < place.size; at += step)
        l->flips[l->n++] = (struct flip){place.at + (off_t)at, (unsigned)(at % 8), position};
}

/* Record 57: seat 0 (number 1), stream 28 % 3 = 1 (number 2), type 18 % 3 = 0 (number 1). */
static void list_entries(struct list *l, const struct bench *b, const struct store *s, MDB_txn *txn)
{
    uint8_t name[1 + NAME_MOST], id[ID_KEY], pair[CHANNEL_NAME], channel[CHANNEL_KEY],
        tail[TAIL_KEY], part[PART_KEY];
    size_t name_size = store_name_key(name, NAME_STREAM, slice_str(records_streams[1]));

    store_id_key(id, 1, b->r.events[56].id);
    store_channel_name(pair, 2, 1);
    store_channel_key(channel, pair, 57);
    store_tail_key(tail, 1, 2);
    store_part_key(part, &b->r.part[63], 64);
    const struct {
        enum db db;
        struct slice key;
        uint64_t position; /* 0: the log is refused */
    } entries[] = {
        {DB_NAMES, slice_of(name, name_size), 3}, /* the first in that stream */
        {DB_IDS, slice_of(id, sizeof id), 57},
        {DB_CHANNELS, slice_of(channel, sizeof channel), 57},
        {DB_TAILS, slice_of(tail, sizeof tail), b->r.tails[0][1].position},
        {DB_META, slice_str("format"), 0},
    };
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        list_add(l, place_of(s, txn, entries[i].db, entries[i].key), 1, entries[i].position);
    /* a part's entry has no value: it ends where its key does */
    struct place end = place_of(s, txn, DB_PARTS, slice_of(part, sizeof part));
    list_add(l, (struct place){end.at - PART_KEY, PART_KEY}, 1, 64);
}

/* A small record and a large one, and the hashes of a leaf and of a node that 40 completed. */
static void list_runs(struct list *l, const struct store *s, MDB_txn *txn)
{
    const struct {
        enum db db;
        uint64_t number, position;
        size_t step;
    } runs[] = {
        {DB_EVENTS, 57, 57, 1},
        {DB_EVENTS, 12, 12, 17},
        {DB_TREE, tree_stored_index(0, 56), 57, 1},
        {DB_TREE, tree_stored_index(3, 4), 40, 1},
    };

    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct place places[2];
        size_t n = places_in(s, txn, runs[i].db, runs[i].number, places);
        for (size_t k = 0; k < n; k++)
            list_add(l, places[k], runs[i].step, runs[i].position);
    }
}

static void one_of_every_kind_is_named_by_its_position(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct list l = {.flips = mem_new(8 * PAGE * sizeof *l.flips)};
    struct buf why = {0};
    struct store s;
    MDB_txn *txn;
    assert_int_equal(store_open(&s, b->log, true, &why), 0);
    assert_int_equal(store_begin(&s, MDB_RDONLY, &txn), 0);
    list_entries(&l, b, &s, txn);
    list_runs(&l, &s, txn);
    mdb_txn_abort(txn);
    store_close(&s);
    struct series done = try_all(b, next_of_list, &l);
    print_message("%zu flips: %zu named by their position, %zu refused at the start\n", done.done,
                  done.named, done.refused);
    assert_int_equal(done.unchanged, 0);
    mem_free(l.flips);
    buf_free(&why);
    bench_free(b);
}

/* ---- any byte ---- */

/* Pages that LMDB keeps for reuse say nothing: they are in its list of free ones, the database 0.
 */
static bool *used_pages(const struct bench *b)
{
    bool *used = mem_new(b->pages * sizeof *used);
    struct buf why = {0};
    struct store s;
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;

    memset(used, 1, b->pages * sizeof *used);
    assert_int_equal(store_open(&s, b->log, true, &why), 0);
    assert_int_equal(store_begin(&s, MDB_RDONLY, &txn), 0);
    assert_int_equal(mdb_cursor_open(txn, 0, &cursor), 0);
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0)
        for (size_t i = 1; i < value.mv_size / sizeof(size_t); i++) {
            size_t page;
            memcpy(&page, (const uint8_t *)value.mv_data + i * sizeof page, sizeof page);
            assert_true(page < b->pages);
            used[page] = false;
        }
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
    store_close(&s);
    buf_free(&why);
    return used;
}

struct bytes { /* of used pages: every one, or at random */
    const bool *used;
    size_t size, at, n;
    bool every;
};

static bool next_byte(void *arg, struct flip *out)
{
    struct bytes *b = arg;

    do {
        if (b->every ? b->at == b->size : b->n == FLIPS)
            return false;
        out->at = (off_t)(b->every ? b->at++ : (size_t)random() % b->size);
    } while (!b->used[out->at / PAGE]);
    b->n++;
    out->bit = (unsigned)random() % 8;
    out->position = 0;
    return true;
}

static void every_flipped_bit_changes_nothing_or_is_found(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    bool *used = used_pages(b);
    struct bytes bytes = {used, b->pages * PAGE, 0, 0, getenv("CHANCERY_LONG") != NULL};
    srandom(20260227);
    struct series done = try_all(b, next_byte, &bytes);
    print_message("%zu flips: %zu named, %zu refused at the start, %zu change nothing\n", done.done,
                  done.named, done.refused, done.unchanged);
    assert_true(done.named > done.done / 4);
    mem_free(used);
    bench_free(b);
}

/* LMDB's MDB_page: 8 bytes number, 2 padding, 2 flags; of these 0x20 says that keys have no values.
 */
static bool next_flags(void *arg, struct flip *out)
{
    struct bytes *b = arg;

    while (b->at < b->size && !b->used[b->at / PAGE])
        b->at += PAGE;
    if (b->at == b->size)
        return false;
    *out = (struct flip){.at = (off_t)b->at + 10, .bit = 5};
    b->at += PAGE;
    b->n++;
    return true;
}

static void a_page_that_says_its_keys_have_no_values_is_found(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    bool *used = used_pages(b);
    struct bytes bytes = {used, b->pages * PAGE, 0, 0, true};
    struct series done = try_all(b, next_flags, &bytes);
    print_message("%zu pages: %zu named, %zu refused at the start\n", done.done, done.named,
                  done.refused);
    assert_true(done.named > done.done / 4);
    mem_free(used);
    bench_free(b);
}

/* ---- cut ---- */

static void a_file_cut_anywhere_is_refused(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct buf why = {0};
    struct journal *j;
    for (off_t size = (off_t)b->pages * PAGE - 1; size > 0; size -= size % PAGE ? 1365 : 1366) {
        assert_int_equal(ftruncate(b->fd, size), 0);
        assert_int_equal(journal_open(&j, b->dir, false, &why), ERR_DAMAGED);
        assert_int_equal(journal_open(&j, b->dir, true, &why), ERR_DAMAGED);
    }
    buf_free(&why);
    bench_free(b);
}

/* In a child, as the fence is for the whole process. */
static int read_while_it_is_cut(struct bench *b)
{
    struct buf bytes = {0};
    struct journal *j = records_open(b->dir, false);
    uint64_t next, first, findings;

    fence_install();
    assert(ftruncate(b->fd, 2 * PAGE) == 0);
    int failures = 0, err = journal_read(j, NULL, 1, SIZE_MAX, dump_record, &bytes, &next);
    failures += err != ERR_DAMAGED || next > RECORDS;
    failures += journal_get(j, RECORDS, dump_record, &bytes) != ERR_DAMAGED;
    failures += journal_verify(j, NULL, NULL, NULL, NULL, &findings) != ERR_DAMAGED;
    struct journal_event event = b->r.events[RECORDS - 1];
    failures += journal_append(j, &event, 1, &first) != ERR_UNKNOWN;
    return failures;
}

static void a_file_that_is_cut_while_it_is_open_is_damaged_and_nobody_dies(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(read_while_it_is_cut(b));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    bench_free(b);
}

/* ---- heads ---- */

/* One head's transaction made large would put the older one in force. */
static void an_older_head_does_not_become_the_newer(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct buf why = {0};
    struct journal *j;
    for (off_t page = 0; page < 2; page++)
        for (unsigned bit = 0; bit < 64; bit++) {
            const struct flip f = {page * PAGE + 144 + bit / 8, bit % 8, 0};
            turn(b, &f);
            assert_int_equal(journal_open(&j, b->dir, false, &why), ERR_DAMAGED);
            turn(b, &f);
        }
    buf_free(&why);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_every_kind_is_named_by_its_position),
        cmocka_unit_test(a_page_that_says_its_keys_have_no_values_is_found),
        cmocka_unit_test(every_flipped_bit_changes_nothing_or_is_found),
        cmocka_unit_test(a_file_cut_anywhere_is_refused),
        cmocka_unit_test(a_file_that_is_cut_while_it_is_open_is_damaged_and_nobody_dies),
        cmocka_unit_test(an_older_head_does_not_become_the_newer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
