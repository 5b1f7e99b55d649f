/* SPDX-License-Identifier: Apache-2.0 */
/* What a publisher keeps: files that are cut, flipped, filled up and killed at any moment. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/entries.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/keep.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/note.h"
#include "tests/support/test.h"

#define LOG "test.example/log"
enum { RECEIPTS = 8, LARGE = 1 << 20 };
static const int64_t DAY = INT64_C(24) * 3600 * 1000000;
static const struct receipts_policy generous = {.age = INT64_C(30) * 24 * 3600 * 1000000,
                                                .bytes = UINT64_C(1) << 30};

struct place { /* a directory of the test's own */
    char dir[64], keep[80], receipts[96];
};

static int setup(void **state)
{
    struct place *p = mem_new(sizeof *p);

    log_set_level(LOG_ERROR);
    strcpy(p->dir, "/tmp/keep-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->keep, sizeof p->keep, "%s/k", p->dir);
    snprintf(p->receipts, sizeof p->receipts, "%s/k/receipts", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    char command[96];

    snprintf(command, sizeof command, "rm -r %s", p->dir);
    int rc = system(command);
    mem_free(p);
    return rc;
}

static void put_file(const char *file, struct slice bytes)
{
    FILE *f = fopen(file, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes.data, 1, bytes.size, f), bytes.size);
    assert_int_equal(fclose(f), 0);
}

static char *in_keep(const struct place *p, const char *name)
{
    return mem_printf("%s/%s", p->keep, name);
}

/* ---- entries ---- */

static struct buf three_entries(const struct place *p, uint64_t ends[3])
{
    char *file = mem_printf("%s/e", p->dir);
    struct entries *e;
    struct buf bytes = {0};

    assert_int_equal(entries_create(&e, file, LOG), 0);
    for (uint32_t i = 0; i < 3; i++) {
        entries_add(e, i, slice_of("abcdefgh", 3 + i));
        ends[i] = entries_size(e);
    }
    assert_int_equal(access(file, F_OK), -1);
    assert_int_equal(entries_name(e), 0);
    entries_close(e);
    assert_int_equal(file_read(file, &bytes), 0);
    unlink(file);
    mem_free(file);
    return bytes;
}

/* Each entry found is one of the three, whole and in its place; how many, as bits. */
static unsigned found(struct slice bytes, const uint64_t ends[3])
{
    struct entries_view v;
    struct entry e;
    unsigned bits = 0;

    if (entries_view(&v, bytes) != 0)
        return 0;
    assert_string_equal(v.label, LOG);
    while (entries_next(&v, &e)) {
        assert_true(e.kind < 3);
        assert_true(slice_equal(e.body, slice_of("abcdefgh", 3 + e.kind)));
        assert_int_equal(v.at, ends[e.kind]);
        bits |= 1U << e.kind;
    }
    return bits;
}

static void a_file_cut_at_any_byte_holds_the_entries_before_it(void **state)
{
    uint64_t ends[3];
    struct buf b = three_entries(*state, ends);

    for (size_t size = 0; size <= b.size; size++) {
        unsigned expected = 0;
        for (int i = 0; i < 3; i++)
            expected |= (unsigned)(ends[i] <= size) << i;
        uint8_t *cut = mem_new(size); /* so that reading behind it is seen */
        memcpy(cut, b.data, size);
        assert_int_equal(found(slice_of(cut, size), ends), expected);
        mem_free(cut);
    }
    buf_free(&b);
}

static void any_byte_flipped_costs_its_entry_and_invents_none(void **state)
{
    uint64_t ends[3];
    struct buf b = three_entries(*state, ends);

    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            unsigned expected = 7;
            b.data[i] ^= (uint8_t)(1 << bit);
            for (int k = 0; k < 3; k++)
                if (i < ends[k] && i >= (k ? ends[k - 1] : ENTRIES_HEAD))
                    expected &= ~(1U << k);
            assert_int_equal(found(slice_buf(&b), ends), i < ENTRIES_HEAD ? 0 : expected);
            b.data[i] ^= (uint8_t)(1 << bit);
        }
    buf_free(&b);
}

static void an_entry_is_none_in_another_place_or_file(void **state)
{
    uint64_t ends[3];
    struct buf a = three_entries(*state, ends), b = three_entries(*state, ends);

    assert_int_equal(found(slice_buf(&a), ends), 7);
    memcpy(a.data + ENTRIES_HEAD, b.data + ENTRIES_HEAD, ends[0] - ENTRIES_HEAD);
    assert_int_equal(found(slice_buf(&a), ends), 6); /* the other file's first entry */
    buf_add(&b, b.data + ENTRIES_HEAD, ends[0] - ENTRIES_HEAD);
    assert_int_equal(found(slice_buf(&b), ends), 7); /* its own first one once more */
    buf_free(&a);
    buf_free(&b);
}

static void a_body_that_holds_an_entry_is_not_taken_for_one(void **state)
{
    struct place *p = *state;
    char *file = mem_printf("%s/e", p->dir);
    struct entries *e;
    struct buf bytes = {0}, again = {0};
    struct entries_view v;
    struct entry one;

    assert_int_equal(entries_create(&e, file, LOG), 0);
    entries_add(e, 1, slice_str("inner"));
    assert_int_equal(entries_name(e), 0);
    assert_int_equal(file_read(file, &bytes), 0);
    uint64_t at = entries_add(e, 2, slice_of(bytes.data + ENTRIES_HEAD, bytes.size - ENTRIES_HEAD));
    assert_int_equal(entries_sync(e), 0);
    entries_close(e);
    assert_int_equal(file_read(file, &again), 0);
    again.data[at] ^= 1; /* the outer one is damaged, so what follows is searched */
    assert_int_equal(entries_view(&v, slice_buf(&again)), 0);
    assert_true(entries_next(&v, &one));
    assert_int_equal(one.kind, 1);
    assert_false(entries_next(&v, &one));
    buf_free(&bytes);
    buf_free(&again);
    mem_free(file);
}

static void what_is_undone_was_never_added(void **state)
{
    struct place *p = *state;
    char *file = mem_printf("%s/e", p->dir);
    struct entries *e;
    struct buf bytes = {0};
    struct entries_view v;
    struct entry one;

    assert_int_equal(entries_create(&e, file, LOG), 0);
    assert_int_equal(entries_name(e), 0);
    entries_add(e, 1, slice_str("one"));
    uint64_t at = entries_add(e, 2, slice_str("two"));
    assert_int_equal(entries_undo(e, at), 0);
    assert_int_equal(entries_sync(e), 0);
    assert_int_equal(entries_add(e, 3, slice_str("three")), at);
    assert_int_equal(entries_write(e), 0);
    assert_int_equal(entries_undo(e, at), 0);
    entries_close(e);
    assert_int_equal(file_read(file, &bytes), 0);
    assert_int_equal(bytes.size, at);
    assert_int_equal(entries_view(&v, slice_buf(&bytes)), 0);
    assert_true(entries_next(&v, &one));
    assert_int_equal(one.kind, 1);
    buf_free(&bytes);
    mem_free(file);
}

/* ---- receipts ---- */

struct made { /* a record and what it points into */
    Core__Record record;
    struct buf event, payload;
};

static struct made record_make(uint64_t position, size_t payload)
{
    struct made m = {.record = CORE__RECORD__INIT};
    Core__SignedEvent event = CORE__SIGNED_EVENT__INIT;
    char envelope[32];

    snprintf(envelope, sizeof envelope, "envelope %llu", (unsigned long long)position);
    event.envelope = (ProtobufCBinaryData){strlen(envelope), (uint8_t *)envelope};
    core__signed_event__pack(&event,
                             buf_grow(&m.event, core__signed_event__get_packed_size(&event)));
    memset(buf_grow(&m.payload, payload + 1), (int)position, payload + 1);
    m.record.position = position;
    m.record.received = (int64_t)position * DAY;
    m.record.event = (ProtobufCBinaryData){m.event.size, m.event.data};
    m.record.payload = (ProtobufCBinaryData){payload, m.payload.data};
    return m;
}

static void made_free(struct made *m)
{
    buf_free(&m->event);
    buf_free(&m->payload);
}

static void add(struct receipts *r, const char *log, uint64_t position, size_t payload)
{
    struct made m = record_make(position, payload);

    assert_int_equal(receipts_add(r, log, &m.record, 1, NULL), 0);
    made_free(&m);
}

static struct receipts *receipts_of(const struct place *p, const struct receipts_policy *policy)
{
    struct receipts *r;
    struct buf why = {0};

    assert_int_equal(file_make_dir(p->keep), 0);
    if (receipts_open(&r, p->receipts, policy, &why) != 0)
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    return r;
}

struct list { /* positions as they were read, and bytes that were damaged */
    uint64_t positions[4096];
    size_t n, payload;
    uint64_t damaged;
};

static int on_receipt(void *arg, const struct receipt *receipt)
{
    struct list *l = arg;
    struct made m = record_make(receipt->record->position, l->payload);
    const Core__Record *r = receipt->record;

    assert_int_equal(r->received, m.record.received);
    assert_true(slice_equal(slice_of(r->event.data, r->event.len), slice_buf(&m.event)));
    assert_int_equal(r->payload.len, l->payload);
    assert_memory_equal(r->payload.data, m.payload.data, l->payload);
    assert_true(l->n < sizeof l->positions / sizeof *l->positions);
    l->positions[l->n++] = r->position;
    made_free(&m);
    return 0;
}

static void on_damaged(void *arg, const char *file, uint64_t offset, uint64_t bytes)
{
    (void)file;
    (void)offset;
    ((struct list *)arg)->damaged += bytes;
}

/* Every receipt is one that was made: its bytes follow from its position. */
static struct list read_all(const struct place *p, size_t payload)
{
    struct list l = {.payload = payload};

    assert_int_equal(receipts_each(p->receipts, on_receipt, on_damaged, &l), 0);
    return l;
}

static char *segment(const struct place *p, int number)
{
    return mem_printf("%s/%010d", p->receipts, number);
}

static struct buf receipts_file(const struct place *p, uint64_t ends[RECEIPTS])
{
    struct receipts *r = receipts_of(p, &generous);
    char *file = segment(p, 1);
    struct buf bytes = {0};

    for (uint64_t i = 0; i < RECEIPTS; i++) {
        struct stat st;
        add(r, LOG, i + 1, 10);
        assert_int_equal(receipts_sync(r), 0);
        assert_int_equal(stat(file, &st), 0);
        ends[i] = (uint64_t)st.st_size;
    }
    receipts_close(r);
    assert_int_equal(file_read(file, &bytes), 0);
    mem_free(file);
    return bytes;
}

static void receipts_cut_at_any_byte_are_those_before_it_and_go_on(void **state)
{
    struct place *p = *state;
    uint64_t ends[RECEIPTS];
    struct buf b = receipts_file(p, ends);
    char *file = segment(p, 1), *next = segment(p, 2);

    for (size_t size = 0; size < b.size; size++) {
        size_t whole = 0;
        while (whole < RECEIPTS && ends[whole] <= size)
            whole++;
        put_file(file, slice_of(b.data, size));
        struct list l = read_all(p, 10);
        assert_int_equal(l.n, whole);
        struct receipts *r = receipts_of(p, &generous);
        add(r, LOG, RECEIPTS + 1, 10);
        receipts_close(r);
        l = read_all(p, 10);
        assert_int_equal(l.n, whole + 1);
        assert_int_equal(l.positions[whole], RECEIPTS + 1);
        assert_int_equal(l.damaged, size < ENTRIES_HEAD ? size : 0);
        unlink(next);
    }
    mem_free(file);
    mem_free(next);
    buf_free(&b);
}

static void receipts_flipped_in_any_byte_are_told_and_the_others_are_there(void **state)
{
    struct place *p = *state;
    uint64_t ends[RECEIPTS];
    struct buf b = receipts_file(p, ends);
    char *file = segment(p, 1), *next = segment(p, 2);

    for (size_t i = 0; i < b.size; i++) {
        b.data[i] ^= 0x10;
        put_file(file, slice_buf(&b));
        struct receipts *r = receipts_of(p, &generous);
        add(r, LOG, RECEIPTS + 1, 10);
        receipts_close(r);
        struct list l = read_all(p, 10);
        bool last = i >= ends[RECEIPTS - 2]; /* not told from a torn end, and cut off */
        assert_int_equal(l.n, i < ENTRIES_HEAD ? 1 : RECEIPTS);
        assert_int_equal(l.positions[l.n - 1], RECEIPTS + 1);
        assert_int_equal(l.damaged > 0, !last);
        unlink(next);
        b.data[i] ^= 0x10;
    }
    mem_free(file);
    mem_free(next);
    buf_free(&b);
}

static void a_receipt_is_there_once(void **state)
{
    struct place *p = *state;
    struct receipts *r = receipts_of(p, &generous);
    struct made other = record_make(3, 10);

    add(r, LOG, 1, 10);
    add(r, LOG, 3, 10);
    add(r, LOG, 2, 10); /* an older one may come late */
    add(r, LOG, 3, 10);
    add(r, LOG, 1, 10);
    receipts_close(r);
    r = receipts_of(p, &generous);
    add(r, LOG, 2, 10);
    add(r, "test.example/other", 2, 10);
    other.record.event.len--; /* another event at the same place is another matter */
    assert_int_equal(receipts_add(r, LOG, &other.record, 1, NULL), 0);
    made_free(&other);
    struct receipt_place *places;
    size_t n;
    receipts_find(r, LOG, 1, &places, &n);
    assert_int_equal(n, 3);
    assert_int_equal(places[0].position, 2);
    assert_int_equal(places[1].position, 3);
    assert_int_equal(places[2].position, 3);
    struct receipt receipt;
    assert_int_equal(receipts_get(r, &places[0], &receipt), 0);
    assert_string_equal(receipt.log, LOG);
    assert_int_equal(receipt.record->position, 2);
    mem_free(places);
    receipts_find(r, "test.example/other", 0, &places, &n);
    assert_int_equal(n, 1);
    mem_free(places);
    receipts_close(r);
}

/* 16 segments of 4 KiB; a receipt of 400 bytes and some. */
static const struct receipts_policy small = {.age = INT64_C(1) << 60, .bytes = 64 * 1024};

static bool everything(void *arg, const char *log, uint64_t greatest)
{
    uint64_t *covered = arg;

    return strcmp(log, LOG) == 0 && greatest <= *covered;
}

struct words { /* which receipts stand under which countersignature */
    char text[256];
};

static int take_word(void *arg, const struct receipt *receipt)
{
    struct words *w = arg;
    Core__Receipt *m =
        core__receipt__unpack(NULL, receipt->countersigned.size, receipt->countersigned.data);
    size_t used = strlen(w->text);

    assert_non_null(m);
    snprintf(w->text + used, sizeof w->text - used, "%llu%.*s ",
             (unsigned long long)receipt->record->position, (int)m->signature.len,
             m->signature.data ? (const char *)m->signature.data : "-");
    core__receipt__free_unpacked(m, NULL);
    return 0;
}

static void add_together(struct receipts *r, uint64_t first, size_t n, const char *signature)
{
    struct made made[4];
    Core__Record records[4] = {0};
    uint8_t entries[4][LOG_ENTRY_SIZE];
    Core__Receipt m = CORE__RECEIPT__INIT;

    for (size_t i = 0; i < n; i++) {
        made[i] = record_make(first + i, 10);
        records[i] = made[i].record;
        tree_log_entry(entries[i], first + i, records[i].received, &(struct hash){0});
    }
    m.log = LOG;
    m.entries = (ProtobufCBinaryData){n * LOG_ENTRY_SIZE, entries[0]};
    m.signature = (ProtobufCBinaryData){1, (uint8_t *)(uintptr_t)signature};
    assert_int_equal(receipts_add(r, LOG, records, n, &m), 0);
    for (size_t i = 0; i < n; i++)
        made_free(&made[i]);
}

static void a_countersignature_is_of_the_receipts_it_states(void **state)
{
    struct place *p = *state;
    struct receipts *r = receipts_of(p, &generous);
    struct words w = {""};

    add_together(r, 1, 3, "a");
    add(r, LOG, 4, 10);
    add_together(r, 3, 3, "b"); /* of which two are there */
    add_together(r, 5, 1, "c");
    receipts_close(r);
    assert_int_equal(receipts_each(p->receipts, take_word, on_damaged, &w), 0);
    assert_string_equal(w.text, "1a 2a 3a 4 5b ");
}

static void past_its_bytes_the_oldest_receipts_go_once_they_are_covered(void **state)
{
    struct place *p = *state;
    struct receipts *r = receipts_of(p, &small);
    uint64_t covered = 0;

    for (uint64_t i = 1; i <= 600; i++)
        add(r, LOG, i, 400);
    assert_int_equal(receipts_sync(r), 0);
    receipts_drop(r, everything, &covered);
    assert_int_equal(read_all(p, 400).n, 600);
    uint64_t surplus = receipts_surplus(r, LOG);
    assert_in_range(surplus, 420, 500);
    covered = 100;
    receipts_drop(r, everything, &covered);
    struct list l = read_all(p, 400);
    assert_in_range(l.positions[0], 85, 101);
    assert_int_equal(l.n, 601 - l.positions[0]);
    covered = surplus;
    receipts_drop(r, everything, &covered);
    receipts_close(r);
    r = receipts_of(p, &small); /* the same is known from the summaries */
    assert_int_equal(receipts_surplus(r, LOG), 0);
    l = read_all(p, 400);
    assert_int_equal(l.positions[0], surplus + 1);
    assert_int_equal(l.positions[l.n - 1], 600);
    struct receipt_place *places;
    size_t n;
    receipts_find(r, LOG, 550, &places, &n);
    assert_int_equal(n, 50);
    mem_free(places);
    add(r, LOG, 590, 400);
    add(r, LOG, 501, 400);
    assert_int_equal(read_all(p, 400).n, l.n); /* found in full segments too */
    receipts_close(r);
}

static void past_their_age_receipts_go_by_the_time_of_the_log(void **state)
{
    struct place *p = *state;
    const struct receipts_policy policy = {.age = 100 * DAY, .bytes = 64 * 1024};
    struct receipts *r = receipts_of(p, &policy);
    uint64_t all = UINT64_MAX;

    for (uint64_t i = 1; i <= 90; i++) /* a day each */
        add(r, LOG, i, 400);
    receipts_drop(r, everything, &all);
    assert_int_equal(receipts_surplus(r, LOG), 0);
    add(r, LOG, 150, 400);
    uint64_t surplus = receipts_surplus(r, LOG);
    assert_in_range(surplus, 40, 49);
    receipts_drop(r, everything, &all);
    receipts_sync(r);
    assert_int_equal(read_all(p, 400).positions[0], surplus + 1);
    receipts_close(r);
}

/* ---- the whole ---- */

struct handed {
    size_t n;
    char frames[64][16];
    uint64_t numbers[64];
};

static void on_frame(void *arg, uint64_t number, struct slice frame)
{
    struct handed *h = arg;

    if (!h)
        return;
    assert_true(h->n < 64);
    snprintf(h->frames[h->n], sizeof h->frames[0], "%.*s", (int)frame.size,
             (const char *)frame.data);
    h->numbers[h->n++] = number;
}

static int try_open(const struct place *p, struct keep **k, struct handed *h, struct buf *why)
{
    if (h)
        *h = (struct handed){0};
    return keep_open(k, p->keep, &generous, on_frame, h, why);
}

static struct keep *open_keep(const struct place *p, struct handed *h)
{
    struct keep *k;
    struct buf why = {0};

    if (try_open(p, &k, h, &why) != 0)
        fail_msg("%s", buf_cstr(&why));
    buf_free(&why);
    return k;
}

static uint64_t keep_frame(struct keep *k, const char *text)
{
    return keep_add(k, slice_str(text), 0);
}

static void what_was_not_answered_is_handed_over_in_order(void **state)
{
    struct place *p = *state;
    struct handed h;
    struct keep *k = open_keep(p, &h);

    assert_int_equal(h.n, 0);
    uint64_t one = keep_frame(k, "one");
    keep_frame(k, "two");
    assert_int_equal(keep_sync(k), 0);
    keep_frame(k, "three");
    keep_done(k, one);
    assert_int_equal(keep_sync(k), 0);
    keep_close(k);
    k = open_keep(p, &h);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.frames[0], "two");
    assert_string_equal(h.frames[1], "three");
    keep_done(k, h.numbers[1]);
    keep_done(k, h.numbers[0]);
    keep_close(k);
    keep_close(open_keep(p, &h));
    assert_int_equal(h.n, 0);
}

static off_t size_of(const struct place *p, const char *name)
{
    char *path = in_keep(p, name);
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    mem_free(path);
    return st.st_size;
}

static void answered_frames_do_not_stay_and_the_others_do(void **state)
{
    struct place *p = *state;
    struct handed h;
    struct keep *k = open_keep(p, NULL);
    char *large = mem_new(100 * 1024);

    memset(large, 'x', 100 * 1024 - 1);
    keep_frame(k, "first");
    for (int i = 0; i < 100; i++) {
        uint64_t number = keep_frame(k, large);
        if (i == 50)
            keep_frame(k, "middle");
        assert_int_equal(keep_sync(k), 0);
        keep_done(k, number);
    }
    keep_frame(k, "last");
    assert_int_equal(keep_sync(k), 0);
    assert_true(size_of(p, "unconfirmed") < 2 * LARGE);
    keep_close(k);
    keep_close(open_keep(p, &h));
    assert_int_equal(h.n, 3);
    assert_string_equal(h.frames[0], "first");
    assert_string_equal(h.frames[1], "middle");
    assert_string_equal(h.frames[2], "last");
    mem_free(large);
}

static void a_directory_has_one_owner(void **state)
{
    struct place *p = *state;
    struct keep *k = open_keep(p, NULL), *second;
    struct buf why = {0};

    assert_int_equal(try_open(p, &second, NULL, &why), ERR_OWNED);
    assert_non_null(strstr(buf_cstr(&why), "another process"));
    buf_free(&why);
    keep_close(k);
}

static void damage_amid_what_is_unconfirmed_is_not_guessed_at(void **state)
{
    struct place *p = *state;
    struct keep *k = open_keep(p, NULL);
    char *path = in_keep(p, "unconfirmed");
    struct buf bytes = {0}, why = {0};
    struct handed h;

    uint64_t one = keep_frame(k, "one");
    assert_int_equal(keep_sync(k), 0);
    uint64_t end_of_one = (uint64_t)size_of(p, "unconfirmed");
    keep_done(k, one);
    keep_frame(k, "two");
    assert_int_equal(keep_sync(k), 0);
    keep_close(k);
    assert_int_equal(file_read(path, &bytes), 0);
    for (size_t i = 0; i < bytes.size; i++) {
        bytes.data[i] ^= 1;
        put_file(path, slice_buf(&bytes));
        buf_reset(&why);
        int rc = try_open(p, &k, &h, &why);
        if (rc) {
            assert_int_equal(rc, ERR_DAMAGED);
            assert_non_null(strstr(buf_cstr(&why), "move it away"));
        } else { /* only the last entry, the frame "two", can be lost as a torn end */
            assert_true(i >= end_of_one + ENTRY_HEAD + 8);
            assert_int_equal(h.n, 0);
            keep_close(k);
        }
        bytes.data[i] ^= 1;
    }
    put_file(path, slice_buf(&bytes));
    keep_close(open_keep(p, &h));
    assert_int_equal(h.n, 1);
    buf_free(&bytes);
    buf_free(&why);
    mem_free(path);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_written_is_taken_back_and_it_goes_on_when_there_is_room(void **state)
{
    struct place *p = *state;
    struct handed h;
    struct keep *k = open_keep(p, NULL);
    char *large = mem_new(10 * 1024);

    memset(large, 'x', 10 * 1024 - 1);
    uint64_t one = keep_frame(k, "one");
    assert_int_equal(keep_sync(k), 0);
    limit_files(8 * 1024);
    keep_done(k, one); /* waits for room */
    uint64_t number = keep_frame(k, large);
    keep_frame(k, "behind it");
    assert_int_equal(keep_sync(k), ERR_IO);
    assert_int_equal(keep_undo(k, number), 0);
    limit_files(0);
    keep_frame(k, "two");
    assert_int_equal(keep_sync(k), 0);
    keep_close(k);
    keep_close(open_keep(p, &h));
    assert_int_equal(h.n, 1);
    assert_string_equal(h.frames[0], "two");
    mem_free(large);
}

static void a_checkpoint_is_held_and_lets_go_what_it_covers(void **state)
{
    struct place *p = *state;
    struct keep *k;
    struct buf why = {0}, note = {0};
    struct checkpoint c = {.origin = LOG, .size = 600};
    struct seat_key key;

    assert_int_equal(keep_open(&k, p->keep, &small, on_frame, NULL, &why), 0);
    for (uint64_t i = 1; i <= 600; i++)
        add(keep_receipts(k), LOG, i, 400);
    assert_int_equal(keep_sync(k), 0);
    assert_true(keep_wants_checkpoint(k, LOG));
    assert_false(keep_wants_checkpoint(k, "test.example/other"));
    seat_key_make(&key, "a", "QMA/b");
    const struct sign_key by = seat_key_signs(&key);
    checkpoint_sign(&note, &c, &by);
    assert_int_equal(keep_checkpoint(k, "test.example/other", slice_buf(&note)), ERR_MALFORMED);
    assert_int_equal(keep_checkpoint(k, LOG, slice_of(note.data, 20)), ERR_MALFORMED);
    assert_int_equal(read_all(p, 400).n, 600);
    assert_int_equal(keep_checkpoint(k, LOG, slice_buf(&note)), 0);
    size_t left = read_all(p, 400).n;
    assert_in_range(left, 100, 200);
    assert_false(keep_wants_checkpoint(k, LOG));
    for (uint64_t i = 601; i <= 700; i++)
        add(keep_receipts(k), LOG, i, 400);
    assert_int_equal(keep_sync(k), 0);
    keep_close(k);
    assert_int_equal(keep_open(&k, p->keep, &small, on_frame, NULL, &why), 0);
    assert_true(read_all(p, 400).n < left + 100); /* it is held over a restart */
    keep_close(k);
    buf_free(&note);
    buf_free(&why);
}

/* The log is signed faster than its publisher hears of what is recorded. */
static void a_checkpoint_lets_go_what_is_confirmed_behind_it(void **state)
{
    struct place *p = *state;
    struct keep *k;
    struct buf why = {0}, note = {0};
    struct checkpoint c = {.origin = LOG, .size = 600};
    struct seat_key key;

    assert_int_equal(keep_open(&k, p->keep, &small, on_frame, NULL, &why), 0);
    seat_key_make(&key, "a", "QMA/b");
    const struct sign_key by = seat_key_signs(&key);
    assert_int_equal(checkpoint_sign(&note, &c, &by), 0);
    assert_int_equal(keep_checkpoint(k, LOG, slice_buf(&note)), 0);
    for (uint64_t i = 1; i <= 600; i++)
        add(keep_receipts(k), LOG, i, 400);
    assert_int_equal(keep_sync(k), 0);
    assert_false(keep_wants_checkpoint(k, LOG));
    assert_int_equal(read_all(p, 400).n, 600);
    keep_let_go(k);
    assert_in_range(read_all(p, 400).n, 100, 200);
    keep_close(k);
    buf_free(&note);
    buf_free(&why);
}

static void what_was_returned_is_remembered(void **state)
{
    struct place *p = *state;
    struct keep *k = open_keep(p, NULL);

    assert_false(keep_is_returned(k, "a", "b"));
    assert_int_equal(keep_returned(k, "a", "b"), 0);
    assert_int_equal(keep_returned(k, "b", "c"), 0);
    assert_int_equal(keep_returned(k, "a", "b"), 0);
    keep_close(k);
    k = open_keep(p, NULL);
    assert_true(keep_is_returned(k, "a", "b"));
    assert_true(keep_is_returned(k, "b", "c"));
    assert_false(keep_is_returned(k, "a", "c"));
    assert_false(keep_is_returned(k, "a", ""));
    assert_int_equal(size_of(p, "returned"), 8);
    keep_close(k);
}

/* ---- killed ---- */

struct told { /* what the child had on disk when it said so, shared by a pipe */
    uint64_t receipts, frames;
};

static void write_until_killed(const struct place *p, int out)
{
    struct keep *k = open_keep(p, NULL);
    struct told told = {0};

    for (;;) {
        char text[16];
        uint64_t number[4];
        for (int i = 0; i < 4; i++) {
            snprintf(text, sizeof text, "%llu", (unsigned long long)told.frames + 1);
            told.frames++;
            number[i] = keep_frame(k, text);
        }
        if (keep_sync(k) != 0)
            _exit(1);
        for (int i = 0; i < 4; i++) {
            add(keep_receipts(k), LOG, ++told.receipts, 300);
            keep_done(k, number[i]);
        }
        if (keep_sync(k) != 0 || write(out, &told, sizeof told) != sizeof told)
            _exit(1);
    }
}

static void killed_anywhere_it_has_all_that_was_told(void **state)
{
    struct place *p = *state;
    const int times = getenv("CHANCERY_LONG") ? 1000 : 30;

    for (int i = 0; i < times; i++) {
        char command[128];
        struct told told = {0}, last = {0};
        struct handed h;
        int pipes[2], status;
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        if (child == 0) {
            close(pipes[0]);
            write_until_killed(p, pipes[1]);
        }
        close(pipes[1]);
        for (int n = 0; n <= i % 7; n++)
            if (read(pipes[0], &last, sizeof last) == sizeof last)
                told = last;
        usleep((useconds_t)(i * 37 % 500)); /* somewhere in its next round */
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        while (read(pipes[0], &last, sizeof last) == sizeof last)
            told = last;
        close(pipes[0]);
        keep_close(open_keep(p, &h));
        struct list l = read_all(p, 300);
        assert_true(l.n >= told.receipts);
        assert_int_equal(l.damaged, 0);
        for (size_t k = 0; k < l.n; k++)
            assert_int_equal(l.positions[k], k + 1);
        for (size_t k = 0; k < h.n; k++) /* nothing that was told is said again */
            assert_true(strtoull(h.frames[k], NULL, 10) > told.frames);
        snprintf(command, sizeof command, "rm -r %s", p->keep);
        assert_int_equal(system(command), 0);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_cut_at_any_byte_holds_the_entries_before_it),
        TEST(any_byte_flipped_costs_its_entry_and_invents_none),
        TEST(an_entry_is_none_in_another_place_or_file),
        TEST(a_body_that_holds_an_entry_is_not_taken_for_one),
        TEST(what_is_undone_was_never_added),
        TEST(receipts_cut_at_any_byte_are_those_before_it_and_go_on),
        TEST(receipts_flipped_in_any_byte_are_told_and_the_others_are_there),
        TEST(a_receipt_is_there_once),
        TEST(a_countersignature_is_of_the_receipts_it_states),
        TEST(past_its_bytes_the_oldest_receipts_go_once_they_are_covered),
        TEST(past_their_age_receipts_go_by_the_time_of_the_log),
        TEST(what_was_not_answered_is_handed_over_in_order),
        TEST(answered_frames_do_not_stay_and_the_others_do),
        TEST(a_directory_has_one_owner),
        TEST(damage_amid_what_is_unconfirmed_is_not_guessed_at),
        TEST(what_cannot_be_written_is_taken_back_and_it_goes_on_when_there_is_room),
        TEST(a_checkpoint_is_held_and_lets_go_what_it_covers),
        TEST(a_checkpoint_lets_go_what_is_confirmed_behind_it),
        TEST(what_was_returned_is_remembered),
        TEST(killed_anywhere_it_has_all_that_was_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
