/* SPDX-License-Identifier: Apache-2.0 */
/* Group commit over a real journal, and what the broker keeps beside it: the overlay, the guarded
 * clock, the counted refusals, the token bucket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "broker/commit.h"
#include "broker/guard.h"
#include "broker/overlay.h"
#include "broker/peer.h"
#include "broker/refusals.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { CALLS = 300, SECOND = 1000000 };

struct rig {
    char dir[64];
    uv_loop_t loop;
    struct journal *journal;
    struct commit *commit;
    struct journal_event events[CALLS];
    uint64_t first[CALLS]; /* by call; 0 = not done */
    int errs[CALLS];
    size_t sizes[CALLS], done, batches;
    bool closed_seen;
};

static void on_done(void *owner, int err, uint64_t first, void *const args[], size_t n)
{
    struct rig *r = owner;

    if (n)
        r->batches++;
    for (size_t i = 0; i < n; i++) {
        size_t call = (size_t)((size_t *)args[i] - r->sizes);
        r->errs[call] = err;
        r->first[call] = first;
        first += r->sizes[call];
        r->done++;
    }
}

/* The journal does not read the envelope: these bytes need not be one. */
static struct journal_event event_of(uint64_t seq)
{
    struct journal_event e = {.seat = "alice", .stream = "notes", .type = "a.B", .seat_seq = seq};

    e.received = (int64_t)seq;
    e.event = slice_str("event");
    e.payload = slice_str("payload");
    memcpy(e.id, &seq, sizeof seq);
    memcpy(e.envelope_hash.bytes, &seq, sizeof seq);
    journal_event_hash(&e);
    return e;
}

static struct rig *rig_new(void)
{
    struct rig *r = mem_new(sizeof *r);
    struct buf why = {0};
    struct journal_event first = event_of(1);

    snprintf(r->dir, sizeof r->dir, "/tmp/chancery-commit-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    assert_int_equal(journal_create(r->dir, &first, 1), 0);
    assert_int_equal(journal_open(&r->journal, r->dir, false, &why), 0);
    uv_loop_init(&r->loop);
    commit_start(&r->commit, &r->loop, r->journal, on_done, r);
    for (size_t i = 0; i < CALLS; i++)
        r->events[i] = event_of(i + 2);
    return r;
}

static void rig_free(struct rig *r)
{
    char command[128];

    commit_stop(r->commit);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    journal_close(r->journal);
    snprintf(command, sizeof command, "rm -rf %s", r->dir);
    assert_int_equal(system(command), 0);
    mem_free(r);
}

static int add(struct rig *r, size_t call, size_t n, bool closes)
{
    r->sizes[call] = n;
    return commit_add(r->commit, &r->events[call], n, closes, &r->sizes[call]);
}

static void wait_done(struct rig *r, size_t done)
{
    while (r->done < done)
        uv_run(&r->loop, UV_RUN_ONCE);
}

static uint64_t counted(const struct histogram *h)
{
    uint64_t n = 0;

    for (size_t i = 0; i <= h->n_bounds; i++)
        n += h->counts[i];
    return n;
}

static void a_measurement_is_counted_by_its_size(void **unused)
{
    (void)unused;
    struct histogram h = histogram_of_commit_time();

    for (size_t i = 1; i < h.n_bounds; i++)
        assert_true(h.bounds[i - 1] < h.bounds[i]);
    histogram_add(&h, 0);
    histogram_add(&h, h.bounds[0]);
    histogram_add(&h, h.bounds[0] + 1);
    histogram_add(&h, h.bounds[h.n_bounds - 1]);
    histogram_add(&h, UINT32_MAX);
    assert_int_equal(h.counts[0], 2);
    assert_int_equal(h.counts[1], 1);
    assert_int_equal(h.counts[h.n_bounds - 1], 1);
    assert_int_equal(h.counts[h.n_bounds], 1);
    assert_int_equal(counted(&h), 5);
    assert_int_equal(h.sum, 2 * h.bounds[0] + 1 + h.bounds[h.n_bounds - 1] + UINT32_MAX);
}

static void what_gathers_during_a_commit_lands_in_the_next_one(void **unused)
{
    (void)unused;
    struct rig *r = rig_new();

    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(add(r, i, 1, false), 0);
    assert_int_equal(commit_pending(r->commit), CALLS);
    wait_done(r, CALLS);
    assert_int_equal(r->batches, 2); /* the first one alone, and all the others */
    const struct commit_totals *t = commit_totals(r->commit);
    assert_int_equal(t->batches, 2);
    assert_int_equal(t->events, CALLS);
    assert_int_equal(t->bytes, CALLS * (sizeof "event" + sizeof "payload" - 2));
    assert_int_equal(t->size.counts[0], 1);
    assert_int_equal(t->size.counts[9], 1); /* from 257 to 512 */
    assert_int_equal(t->size.sum, CALLS);
    assert_int_equal(counted(&t->time), 2);
    assert_true(t->time.sum > 0);
    for (size_t i = 0; i < CALLS; i++)
        assert_int_equal(r->first[i], i + 2);
    assert_int_equal(journal_head(r->journal), CALLS + 1);
    assert_int_equal(commit_pending(r->commit), 0);
    rig_free(r);
}

static void nothing_gathers_behind_a_closing_batch(void **unused)
{
    (void)unused;
    struct rig *r = rig_new();

    assert_int_equal(add(r, 0, 1, true), 0);
    assert_true(commit_closed(r->commit));
    assert_int_equal(add(r, 1, 1, false), ERR_BUSY);
    wait_done(r, 1);
    assert_false(commit_closed(r->commit));
    assert_int_equal(add(r, 1, 1, false), 0);
    assert_int_equal(add(r, 2, 1, true), 0); /* closes the one that gathers */
    assert_int_equal(add(r, 3, 1, false), ERR_BUSY);
    wait_done(r, 3);
    assert_int_equal(r->first[2], 4);
    rig_free(r);
}

static void what_gathers_is_bounded(void **unused)
{
    (void)unused;
    struct rig *r = rig_new();
    struct buf large = {0};

    memset(buf_grow(&large, 3 * 1024 * 1024), 'x', 3 * 1024 * 1024);
    for (size_t i = 0; i < 3; i++)
        r->events[i].payload = slice_buf(&large);
    assert_int_equal(add(r, 0, 1, false), 0); /* in flight */
    assert_int_equal(add(r, 1, 1, false), 0); /* gathers */
    assert_int_equal(add(r, 2, 1, false), ERR_BUSY);
    wait_done(r, 2);
    assert_int_equal(add(r, 2, 1, false), 0);
    wait_done(r, 3);
    buf_free(&large);
    rig_free(r);
}

static void a_call_without_events_comes_back_in_its_turn(void **unused)
{
    (void)unused;
    struct rig *r = rig_new();

    assert_int_equal(add(r, 0, 1, false), 0);
    assert_int_equal(add(r, 1, 0, false), 0);
    wait_done(r, 2);
    assert_int_equal(r->first[0], 2);
    assert_int_equal(journal_head(r->journal), 2);
    assert_int_equal(commit_totals(r->commit)->batches, 2);
    assert_int_equal(counted(&commit_totals(r->commit)->time), 1);
    rig_free(r);
}

static void stopping_waits_for_the_batch_in_flight(void **unused)
{
    (void)unused;
    struct rig *r = rig_new();

    assert_int_equal(add(r, 0, 1, false), 0);
    assert_int_equal(add(r, 1, 1, false), 0);
    commit_stop(r->commit);
    assert_int_equal(r->done, 2);
    assert_int_equal(r->errs[0], 0);
    assert_int_equal(r->errs[1], ERR_CANCELLED);
    assert_int_equal(journal_head(r->journal), 2);
    commit_start(&r->commit, &r->loop, r->journal, on_done, r);
    rig_free(r);
}

static struct overlay_entry entry_of(const char *stream, const uint8_t *id, uint64_t seq)
{
    struct overlay_entry e = {.seat = "alice", .stream = stream, .id = id, .seat_seq = seq};

    e.envelope_hash.bytes[0] = (uint8_t)seq;
    return e;
}

static void the_overlay_knows_ids_and_tails_until_they_are_removed(void **unused)
{
    (void)unused;
    struct overlay *o = overlay_new();
    uint8_t ids[3][ID_SIZE] = {{1}, {2}, {3}};
    struct overlay_entry a = entry_of("x", ids[0], 7), b = entry_of("x", ids[1], 8),
                         c = entry_of("y", ids[2], 1);
    uint64_t seq;
    struct hash hash;

    assert_false(overlay_tail(o, "alice", "x", &seq, &hash));
    overlay_add(o, &a);
    overlay_add(o, &b);
    overlay_add(o, &c);
    assert_true(overlay_tail(o, "alice", "x", &seq, &hash));
    assert_int_equal(seq, 8);
    assert_int_equal(hash.bytes[0], 8);
    assert_ptr_equal(overlay_find(o, "alice", ids[1]), &b);
    assert_null(overlay_find(o, "bob", ids[1]));
    overlay_remove(o, &a);
    assert_null(overlay_find(o, "alice", ids[0]));
    assert_true(overlay_tail(o, "alice", "x", &seq, &hash));
    overlay_remove(o, &b);
    assert_false(overlay_tail(o, "alice", "x", &seq, &hash));
    assert_true(overlay_tail(o, "alice", "y", &seq, &hash));
    overlay_free(o);
}

static void the_guarded_time_never_goes_back_and_a_jump_stays(void **unused)
{
    (void)unused;
    struct guard g;
    const int64_t t0 = INT64_C(1700000000) * SECOND;

    guard_begin(&g, t0, 50, t0 - SECOND, t0 - SECOND);
    assert_false(g.jumped);
    assert_int_equal(guard_now(&g, t0 + 10, 60), t0 + 10);
    assert_int_equal(guard_now(&g, t0 + 4, 70), t0 + 10);
    assert_int_equal(guard_now(&g, t0 + 6 * SECOND, 80), t0 + 30); /* by the boot clock */
    assert_true(g.jumped);
    assert_int_equal(guard_now(&g, t0 + 100, 150), t0 + 100);
    assert_true(g.jumped);
}

static void an_accepted_clock_goes_on_and_behind_it_the_time_stands_still(void **unused)
{
    (void)unused;
    struct guard g;
    const int64_t t0 = INT64_C(1700000000) * SECOND, day = INT64_C(86400) * SECOND;

    guard_begin(&g, t0, 0, t0, t0);
    assert_int_equal(guard_now(&g, t0 + 300 * day, 10), t0 + 10);
    guard_accept(&g, t0 + 300 * day, 20);
    assert_int_equal(guard_now(&g, t0 + 300 * day + 5, 25), t0 + 300 * day + 5);
    assert_false(g.jumped);
    guard_accept(&g, t0 + 299 * day, 30);
    assert_int_equal(guard_now(&g, t0 + 299 * day + 5, 35), t0 + 300 * day + 5);
    assert_int_equal(guard_now(&g, t0 + 301 * day, 30 + 2 * day), t0 + 301 * day);
    guard_forward(&g, 7 * day);
    assert_int_equal(guard_now(&g, t0 + 308 * day + 1, 31 + 2 * day), t0 + 308 * day + 1);
    assert_false(g.jumped);
}

static void a_clock_before_the_log_or_long_after_it_is_a_jump(void **unused)
{
    (void)unused;
    struct guard g;
    const int64_t t0 = INT64_C(1700000000) * SECOND, day = INT64_C(86400) * SECOND;

    guard_begin(&g, t0 - day, 0, t0, t0);
    assert_true(g.jumped);
    assert_int_equal(guard_now(&g, t0 - day, 5), t0 + 5);
    guard_begin(&g, t0 + 31 * day, 0, t0, t0);
    assert_true(g.jumped);
    guard_begin(&g, t0 + 29 * day, 0, t0, t0);
    assert_false(g.jumped);
    guard_begin(&g, t0 + 31 * day, 0, t0, t0 + 30 * day); /* accepted, and nothing came since */
    assert_false(g.jumped);
    assert_int_equal(guard_now(&g, t0 + 31 * day, 0), t0 + 31 * day);
    guard_begin(&g, t0 - day / 2, 0, t0, t0 - day);
    assert_false(g.jumped);
    assert_int_equal(guard_now(&g, t0 - day / 2, 0), t0);
}

static void refusals_are_counted_in_a_bounded_table(void **unused)
{
    (void)unused;
    struct refusals r = {0};
    char seat[16];

    for (int i = 0; i < 1000; i++) {
        snprintf(seat, sizeof seat, "seat-%d", i % 200);
        refusals_count(&r, seat, "seat.order", "s", "t", i);
    }
    assert_int_equal(r.n, REFUSAL_ROWS);
    assert_int_equal(r.total, 1000);
    assert_int_equal(r.rows[0].count, 5);
    assert_string_equal(r.rows[REFUSAL_ROWS - 1].code, "refusals.other");
    uint64_t counted = 0;
    for (size_t i = 0; i < r.n; i++)
        counted += r.rows[i].count;
    assert_int_equal(counted, 1000);
    refusals_count(&r, "", "stranger", "", "", 0);
    refusals_clear(&r);
    assert_int_equal(r.total, 1001);
    assert_int_equal(r.n_totals, 2); /* by code, whatever the rows had no room for */
    assert_string_equal(r.totals[0].code, "seat.order");
    assert_int_equal(r.totals[0].count, 1000);
    assert_int_equal(r.totals[1].count, 1);
    refusals_free(&r);
    assert_int_equal(r.total, 0);
}

static void a_bucket_gives_its_rate_and_no_more(void **unused)
{
    (void)unused;
    struct bucket b = {.rate = 100, .at = INT64_MIN / 2};

    assert_true(bucket_take(&b, 200, 0));
    assert_false(bucket_take(&b, 1, 0));
    assert_true(bucket_take(&b, 50, SECOND / 2));
    assert_false(bucket_take(&b, 51, SECOND));
    assert_true(bucket_take(&b, 50, SECOND));
    assert_true(bucket_take(&b, 200, 60 * (int64_t)SECOND));
    assert_false(bucket_take(&b, 1, 60 * (int64_t)SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_measurement_is_counted_by_its_size),
        cmocka_unit_test(what_gathers_during_a_commit_lands_in_the_next_one),
        cmocka_unit_test(nothing_gathers_behind_a_closing_batch),
        cmocka_unit_test(what_gathers_is_bounded),
        cmocka_unit_test(a_call_without_events_comes_back_in_its_turn),
        cmocka_unit_test(stopping_waits_for_the_batch_in_flight),
        cmocka_unit_test(the_overlay_knows_ids_and_tails_until_they_are_removed),
        cmocka_unit_test(the_guarded_time_never_goes_back_and_a_jump_stays),
        cmocka_unit_test(an_accepted_clock_goes_on_and_behind_it_the_time_stands_still),
        cmocka_unit_test(a_clock_before_the_log_or_long_after_it_is_a_jump),
        cmocka_unit_test(refusals_are_counted_in_a_bounded_table),
        cmocka_unit_test(a_bucket_gives_its_rate_and_no_more),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
