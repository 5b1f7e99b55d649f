/* SPDX-License-Identifier: Apache-2.0 */
/* The scrubber: a pass over a sound log, one over a log with one thing wrong, and the thread. */
#include "broker/scrub.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <uv.h>

#include "broker/scrub_pass.h"
#include "broker/store.h"
#include "lib/err.h"
#include "tests/support/records.h"
#include "tests/support/test.h"

enum { COMMITS = 5, COMMIT = 30, RECORDS = COMMITS * COMMIT };

struct bench {
    struct records r;
    char *dir, *log, *file;
    struct journal *j;
};

static struct bench *bench_new(void)
{
    struct bench *b = mem_new(sizeof *b);

    b->dir = records_dir();
    b->log = mem_printf("%s/log", b->dir);
    b->file = mem_printf("%s/data.mdb", b->log);
    records_mix(&b->r, COMMIT);
    b->j = records_create(b->dir, &b->r);
    while (b->r.n < RECORDS) {
        records_mix(&b->r, COMMIT);
        assert_int_equal(records_append(&b->r, b->j), 0);
    }
    return b;
}

static void bench_free(struct bench *b)
{
    journal_close(b->j);
    records_clear(&b->r);
    records_dir_remove(b->dir);
    mem_free(b->log);
    mem_free(b->file);
    mem_free(b);
}

/* One pass in turns of so many bytes; what the last one says. */
static int pass(struct scrub_pass *p, struct journal *j, uint64_t bytes, int *turns)
{
    uint64_t read;
    int rc;

    *turns = 0;
    scrub_pass_begin(p);
    do {
        rc = scrub_pass_turn(p, j, bytes, &read);
        ++*turns;
    } while (rc == 0);
    return rc;
}

static void a_sound_log_is_read_to_its_end_and_again(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct scrub_pass p = {0};
    int turns;
    assert_int_equal(pass(&p, b->j, SIZE_MAX / 2, &turns), 1);
    assert_int_equal(turns, 1);
    assert_int_equal(p.next, RECORDS + 1);
    uint64_t bytes = p.bytes;
    records_mix(&b->r, COMMIT);
    assert_int_equal(records_append(&b->r, b->j), 0);
    assert_int_equal(pass(&p, b->j, SIZE_MAX / 2, &turns), 1);
    assert_int_equal(p.next, RECORDS + COMMIT + 1);
    assert_true(p.bytes > bytes);
    scrub_pass_end(&p);
    bench_free(b);
}

static void a_turn_is_bounded_and_reads_a_record_at_least(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct scrub_pass p = {0};
    int turns;
    assert_int_equal(pass(&p, b->j, 1, &turns), 1);
    assert_int_equal(turns, RECORDS);
    assert_int_equal(pass(&p, b->j, p.bytes / 10, &turns), 1);
    assert_in_range(turns, 8, 10);
    scrub_pass_end(&p);
    bench_free(b);
}

/* Records that come while a pass is under way are read in it. */
static void the_log_grows_while_it_is_read(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct scrub_pass p = {0};
    uint64_t read;
    int rc;
    scrub_pass_begin(&p);
    for (int i = 0; (rc = scrub_pass_turn(&p, b->j, 4096, &read)) == 0; i++)
        if (i < 3) {
            records_mix(&b->r, COMMIT);
            assert_int_equal(records_append(&b->r, b->j), 0);
        }
    assert_int_equal(rc, 1);
    assert_int_equal(p.next, b->r.n + 1);
    scrub_pass_end(&p);
    bench_free(b);
}

/* ---- one thing wrong ---- */

/* Changes the stored bytes of the record, hash or entry: the log is closed meanwhile. */
static void change(struct bench *b, enum db db, struct slice key, size_t byte)
{
    struct buf why = {0};
    struct store s;
    MDB_txn *txn;
    struct slice value;

    journal_close(b->j);
    assert_int_equal(store_open(&s, b->log, false, &why), 0);
    assert_int_equal(store_begin(&s, 0, &txn), 0);
    assert_int_equal(store_get(&s, txn, db, key, &value), 0);
    assert_true(byte < value.size);
    uint8_t *copy = mem_new(value.size);
    memcpy(copy, value.data, value.size);
    copy[byte] ^= 4;
    assert_int_equal(store_put(&s, txn, db, key, slice_of(copy, value.size), 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    store_close(&s);
    mem_free(copy);
    buf_free(&why);
    b->j = records_open(b->dir, false);
}

static void what_is_wrong_is_named_by_its_position(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct scrub_pass p = {0};
    /* record 57: the block of 31 to 60; seat 0 (number 1), stream 1 (number 2), type 0 (number 1)
     */
    const uint64_t block = 31, hashes = tree_stored_count(30),
                   leaf = (tree_stored_index(0, 56) - hashes) * HASH_SIZE,
                   node = (tree_stored_index(3, 4) - hashes) * HASH_SIZE;
    uint8_t id[ID_KEY], pair[CHANNEL_NAME], channel[CHANNEL_KEY], tail[TAIL_KEY];
    store_id_key(id, 1, b->r.events[56].id);
    store_channel_name(pair, 2, 1);
    store_channel_key(channel, pair, 57);
    store_tail_key(tail, 1, 2);
    const struct {
        enum db db;
        struct slice key;
        size_t byte;
        uint64_t position;
        const char *what;
    } cases[] = {
        {DB_EVENTS, slice_of(&block, 8), BLOCK_HEAD + 26 * BLOCK_ROW, 57, "record"},
        {DB_EVENTS, slice_of(&block, 8), BLOCK_HEAD + 26 * BLOCK_ROW + 16, 57, "record"},
        {DB_EVENTS, slice_of(&block, 8), BLOCK_HEAD + 30 * BLOCK_ROW + 1, 31, "record"},
        {DB_IDS, slice_of(id, sizeof id), 0, 57, "ids"},
        {DB_IDS, slice_of(id, sizeof id), 20, 57, "ids"},
        {DB_CHANNELS, slice_of(channel, sizeof channel), 0, 57, "channels"},
        {DB_TAILS, slice_of(tail, sizeof tail), 16, b->r.tails[0][1].position, "tails"},
        {DB_TREE, slice_of(&hashes, 8), leaf + 31, 57, "tree"},
        {DB_TREE, slice_of(&hashes, 8), node, 40, "tree"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int turns;
        change(b, cases[i].db, cases[i].key, cases[i].byte);
        assert_int_equal(pass(&p, b->j, 4096, &turns), ERR_DAMAGED);
        assert_int_equal(p.finding.position, cases[i].position);
        assert_string_equal(p.finding.what, cases[i].what);
        change(b, cases[i].db, cases[i].key, cases[i].byte);
        assert_int_equal(pass(&p, b->j, 4096, &turns), 1);
    }
    scrub_pass_end(&p);
    bench_free(b);
}

/* ---- the thread ---- */

struct seen {
    pthread_mutex_t lock;
    pthread_cond_t more;
    int passes;
    uint64_t position, records;
};

static void on_passed(void *arg, uint64_t records, uint64_t bytes, uint64_t seconds)
{
    struct seen *s = arg;

    (void)bytes, (void)seconds;
    pthread_mutex_lock(&s->lock);
    s->passes++;
    s->records = records;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

static void on_found(void *arg, uint64_t position, const char *what, const char *text)
{
    struct seen *s = arg;

    (void)what, (void)text;
    pthread_mutex_lock(&s->lock);
    s->position = position;
    pthread_cond_signal(&s->more);
    pthread_mutex_unlock(&s->lock);
}

static struct scrub_of of(struct bench *b, struct seen *s, uint64_t rate, uint64_t least)
{
    *s = (struct seen){.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};
    return (struct scrub_of){
        .journal = b->j,
        .rate = rate,
        .least = least,
        .passed = on_passed,
        .found = on_found,
        .arg = s,
    };
}

/* A byte of a payload's in the file: the page that is mapped changes with it. */
static void flip(const struct bench *b, struct slice payload)
{
    struct buf file = {0};
    int fd = open(b->file, O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);

    assert_int_equal(pread(fd, buf_grow(&file, (size_t)size), (size_t)size, 0), size);
    const uint8_t *at = memmem(file.data, file.size, payload.data, payload.size);
    assert_non_null(at);
    uint8_t byte = *at ^ 1;
    assert_int_equal(pwrite(fd, &byte, 1, at - file.data), 1);
    close(fd);
    buf_free(&file);
}

static void a_flip_while_it_runs_is_found_by_the_next_pass(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct seen seen;
    const struct scrub_of what = of(b, &seen, 1 << 30, 0);
    struct scrub *s = scrub_start(&what);
    pthread_mutex_lock(&seen.lock);
    while (seen.passes < 2)
        pthread_cond_wait(&seen.more, &seen.lock);
    assert_int_equal(seen.records, RECORDS);
    pthread_mutex_unlock(&seen.lock);
    flip(b, b->r.events[11].payload); /* 5,000 bytes alike */
    pthread_mutex_lock(&seen.lock);
    while (!seen.position)
        pthread_cond_wait(&seen.more, &seen.lock);
    assert_int_equal(seen.position, 12);
    pthread_mutex_unlock(&seen.lock);
    scrub_stop(s);
    bench_free(b);
}

static void it_stops_at_once_while_it_rests(void **unused)
{
    (void)unused;
    struct bench *b = bench_new();
    struct seen seen;
    const struct scrub_of slow = of(b, &seen, 1, 0);
    scrub_stop(scrub_start(&slow)); /* a turn of so many bytes rests for days */
    const struct scrub_of seldom = of(b, &seen, 1 << 30, 86400);
    struct scrub *s = scrub_start(&seldom);
    uint64_t begun = uv_hrtime();
    pthread_mutex_lock(&seen.lock);
    while (seen.passes < 1)
        pthread_cond_wait(&seen.more, &seen.lock);
    pthread_mutex_unlock(&seen.lock);
    struct scrub_passed last = scrub_last(s), none = scrub_last(NULL);
    assert_int_equal(last.records, RECORDS);
    assert_in_range(last.ended, begun, uv_hrtime());
    assert_int_equal(none.ended, 0);
    scrub_stop(s);
    assert_int_equal(seen.passes, 1);
    scrub_stop(NULL);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_log_is_read_to_its_end_and_again),
        cmocka_unit_test(a_turn_is_bounded_and_reads_a_record_at_least),
        cmocka_unit_test(the_log_grows_while_it_is_read),
        cmocka_unit_test(what_is_wrong_is_named_by_its_position),
        cmocka_unit_test(a_flip_while_it_runs_is_found_by_the_next_pass),
        cmocka_unit_test(it_stops_at_once_while_it_rests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
