/* SPDX-License-Identifier: Apache-2.0 */
/* The client after a log was restored from an older copy: what it has receipts of comes back. */
#include "lib/envelope.h"
#include "lib/err.h"
#include "tests/support/peer.h"

#define FIRST "test.example/log"
#define SECOND "test.example/log-2"
#define THIRD "test.example/log-3"

/* Publishes in these streams, one event each, recorded from `first` on; frames 0 .. n - 1. */
static void publish_in(struct peer *p, const char *const streams[], size_t n, uint64_t first)
{
    size_t before = p->n_results, frames = p->n;

    for (size_t i = 0; i < n; i++)
        publish_event(p, (int)i, (struct chancery_event){.stream = streams[i]});
    until_frames(p, frames + n);
    for (size_t i = 0; i < n; i++)
        say_recorded(p, p->frames[frames + i], first + i);
    until_results(p, before + n);
}

static const char *const one_stream[] = {"test.in", "test.in", "test.in", "test.in"};

/* The peer keeps a successor of the log from now on; `head` is its last position. */
static void succeed(struct peer *p, const char *log, const char *predecessor, uint64_t position,
                    uint64_t head)
{
    p->log = log;
    p->predecessors[p->n_predecessors].log = predecessor;
    p->predecessors[p->n_predecessors++].position = position;
    p->log_head = head;
    p->returning = true;
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct peer *p = arg;

    p->sessions++;
    p->head = s->head;
}

/* A client that begins anew, as the next process would. */
static void open_again(struct peer *p)
{
    if (p->client)
        client_close(p);
    client_open(p, 0, true);
    p->sessions = 0;
    chancery_on_session(p->client, on_session, p);
}

static void until_session(struct peer *p)
{
    while (p->sessions == 0)
        turn(p);
}

static struct peer *peer_with_receipts(void)
{
    struct peer *p = peer_new();

    open_again(p);
    publish_in(p, one_stream, 4, 11);
    return p;
}

static void what_a_successor_lost_comes_back_before_anything_else(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    succeed(p, SECOND, FIRST, 12, 13);
    open_again(p);
    publish(p, 9);
    until_frames(p, 6);
    assert_true(same_events(p->frames[2], p->frames[4]));
    assert_true(same_events(p->frames[3], p->frames[5]));
    assert_int_equal(p->sessions, 0);
    p->tail_seq = 4;
    say_recorded(p, p->frames[4], 14);
    say_recorded(p, p->frames[5], 15);
    until_frames(p, 7);
    assert_int_equal(p->sessions, 1);
    assert_int_equal(p->head, 15);
    Core__Envelope *e = envelope_of(p->frames[6], 0);
    assert_string_equal(e->log, SECOND);
    assert_int_equal(e->seat_seq, 5);
    core__envelope__free_unpacked(e, NULL);
    say_recorded(p, p->frames[6], 16);
    until_results(p, 5);
    client_close(p);
    read_receipts(p, "keep");
    assert_int_equal(p->n_positions, 7);
    assert_int_equal(p->positions[6], 16);
    open_again(p); /* once is enough */
    until_session(p);
    assert_int_equal(p->n, 7);
    peer_free(p);
}

static void a_client_that_stays_meets_the_successor_too(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    publish(p, 4); /* in doubt */
    publish(p, 5);
    until_frames(p, 6);
    succeed(p, SECOND, FIRST, 13, 14);
    say_forgotten(p);
    until_frames(p, 7);
    assert_true(same_events(p->frames[3], p->frames[6]));
    say_recorded(p, p->frames[6], 15);
    until_frames(p, 9);
    assert_true(same_events(p->frames[4], p->frames[7])); /* behind it, as it was */
    assert_true(same_events(p->frames[5], p->frames[8]));
    say_recorded(p, p->frames[7], 16);
    say_recorded(p, p->frames[8], 17);
    until_results(p, 6);
    assert_int_equal(p->results[5].position, 17);
    peer_free(p);
}

static void what_is_in_doubt_is_signed_anew_once_the_return_is_ended(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    publish(p, 4);
    until_frames(p, 5);
    succeed(p, SECOND, FIRST, 14, 15);
    p->returning = false;
    p->tail_seq = 4;
    say_forgotten(p);
    until_frames(p, 6);
    assert_true(same_events(p->frames[4], p->frames[5]));
    say_refused(p, p->frames[5]->ref, "log.mismatch");
    until_frames(p, 7);
    assert_same_id(p->frames[4], p->frames[6]);
    Core__Envelope *e = envelope_of(p->frames[6], 0);
    assert_string_equal(e->log, SECOND);
    core__envelope__free_unpacked(e, NULL);
    say_recorded(p, p->frames[6], 16);
    until_results(p, 5);
    assert_int_equal(p->results[4].outcome, CHANCERY_RECORDED);
    peer_free(p);
}

static void a_return_that_was_interrupted_begins_anew(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    succeed(p, SECOND, FIRST, 10, 11);
    open_again(p);
    until_frames(p, 8);
    say_recorded(p, p->frames[4], 12);
    say_recorded(p, p->frames[5], 13);
    say_forgotten(p);
    until_frames(p, 12);
    for (size_t i = 0; i < 4; i++) {
        assert_true(same_events(p->frames[i], p->frames[8 + i]));
        say_recorded(p, p->frames[8 + i], 12 + i);
    }
    until_session(p);
    assert_int_equal(p->head, 15);
    client_close(p);
    read_receipts(p, "keep");
    assert_int_equal(p->n_positions, 8); /* each once a log */
    peer_free(p);
}

static void a_log_that_ends_before_its_receipts_gets_them_again(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    p->log_head = 12;
    open_again(p);
    until_frames(p, 6);
    assert_true(same_events(p->frames[2], p->frames[4]));
    say_recorded(p, p->frames[4], 13);
    say_refused(p, p->frames[5]->ref, "id.stale");
    until_session(p);
    peer_free(p);
}

static void a_stream_waits_for_others_and_holds_no_other_stream(void **unused)
{
    static const char *const streams[] = {"test.a", "test.b", "test.a", "test.b"};
    struct peer *p = peer_new();

    (void)unused;
    open_again(p);
    publish_in(p, streams, 4, 11);
    succeed(p, SECOND, FIRST, 10, 11);
    open_again(p);
    until_frames(p, 8);
    say_refused(p, p->frames[4]->ref, "access.denied"); /* the rule has not come back yet */
    say_recorded(p, p->frames[5], 12);
    say_order(p, p->frames[6]->ref, 1);
    say_recorded(p, p->frames[7], 13);
    until_frames(p, 10); /* the two of test.a once more */
    assert_int_equal(p->sessions, 0);
    assert_true(same_events(p->frames[0], p->frames[8]));
    assert_true(same_events(p->frames[2], p->frames[9]));
    say_recorded(p, p->frames[8], 14);
    say_recorded(p, p->frames[9], 15);
    until_session(p);
    assert_int_equal(p->n, 10);
    peer_free(p);
}

static void what_is_refused_for_good_ends_its_stream_alone(void **unused)
{
    static const char *const streams[] = {"test.a", "test.b", "test.a", "test.b"};
    struct peer *p = peer_new();

    (void)unused;
    open_again(p);
    publish_in(p, streams, 4, 11);
    succeed(p, SECOND, FIRST, 10, 11);
    open_again(p);
    until_frames(p, 8);
    say_refused(p, p->frames[4]->ref, "cause.invalid");
    say_recorded(p, p->frames[5], 12);
    say_order(p, p->frames[6]->ref, 1); /* nobody will bring back what is before it */
    say_recorded(p, p->frames[7], 13);
    until_session(p);
    assert_int_equal(p->n, 8);
    open_again(p); /* and it is not tried again */
    until_session(p);
    assert_int_equal(p->n, 8);
    peer_free(p);
}

static void when_the_return_is_ended_nothing_is_waited_for(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    succeed(p, SECOND, FIRST, 12, 13);
    p->returning = false;
    open_again(p);
    until_frames(p, 6);
    say_recorded(p, p->frames[4], 14); /* it had come back before */
    say_refused(p, p->frames[5]->ref, "log.mismatch");
    until_session(p);
    peer_free(p);
}

static void a_busy_broker_gets_it_again(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    succeed(p, SECOND, FIRST, 13, 14);
    open_again(p);
    until_frames(p, 5);
    say_refused(p, p->frames[4]->ref, "log.full");
    until_frames(p, 6);
    assert_true(same_events(p->frames[3], p->frames[5]));
    say_recorded(p, p->frames[5], 15);
    until_session(p);
    peer_free(p);
}

static void each_succession_gets_back_what_it_lost_itself(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    succeed(p, SECOND, FIRST, 13, 14);
    open_again(p);
    until_frames(p, 5);
    say_recorded(p, p->frames[4], 15);
    until_session(p);
    p->tail_seq = 4;
    publish_in(p, one_stream, 2, 16);
    succeed(p, THIRD, SECOND, 14, 15); /* its copy is older than what came back */
    open_again(p);
    until_frames(p, 10);
    assert_true(
        same_events(p->frames[3], p->frames[7])); /* made for the first log, by its receipt */
    assert_true(same_events(p->frames[5], p->frames[8])); /* of the second */
    assert_true(same_events(p->frames[6], p->frames[9]));
    for (size_t i = 7; i < 10; i++)
        say_recorded(p, p->frames[i], i + 9);
    until_session(p);
    peer_free(p);
}

static void a_log_of_another_name_is_none_of_the_receipts_business(void **unused)
{
    struct peer *p = peer_with_receipts();

    (void)unused;
    p->log = "test.example/other";
    p->log_head = 3;
    open_again(p);
    until_session(p);
    assert_int_equal(p->n, 4);
    peer_free(p);
}

/* ---- readers ---- */

static int on_record(void *arg, const struct chancery_record *record)
{
    struct peer *p = arg;

    p->positions[p->n_positions++] = record->position;
    return 1;
}

static void on_ended(void *arg, int err, const char *text)
{
    struct peer *p = arg;

    assert_non_null(strstr(text, "12"));
    p->answered++;
    p->answer_err = err;
}

static void who_read_what_was_lost_is_told_and_who_did_not_goes_on(void **unused)
{
    static const uint64_t far[] = {11, 12, 13}, near[] = {12};
    struct peer *p = peer_new();
    struct chancery_read_options options = {
        .from = 11, .record = on_record, .ended = on_ended, .arg = p};

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_read(p->client, &options, NULL), 0);
    until_frames(p, 1);
    assert_int_equal(chancery_read(p->client, &options, NULL), 0);
    until_frames(p, 2);
    say_deliver(p, p->frames[0]->ref, far, 3);
    say_deliver(p, p->frames[1]->ref, near, 1);
    while (p->n_positions < 4)
        turn(p);
    succeed(p, SECOND, FIRST, 12, 13);
    say_forgotten(p);
    until_frames(p, 3);
    while (p->answered == 0)
        turn(p);
    assert_int_equal(p->answered, 1);
    assert_int_equal(p->answer_err, ERR_ROLLED_BACK);
    assert_int_equal(p->frames[2]->body_case, CORE__FRAME__BODY_READ);
    assert_int_equal(p->frames[2]->read->from, 13);
    peer_free(p);
}

static void a_reader_of_the_same_log_that_lost_something_is_told(void **unused)
{
    static const uint64_t all[] = {11, 12, 13};
    struct peer *p = peer_new();
    struct chancery_read_options options = {
        .from = 11, .record = on_record, .ended = on_ended, .arg = p};
    struct chancery_read_options ahead = {
        .from = 99, .record = on_record, .ended = on_ended, .arg = p};

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_read(p->client, &options, NULL), 0);
    until_frames(p, 1);
    assert_int_equal(chancery_read(p->client, &ahead, NULL), 0);
    until_frames(p, 2);
    say_deliver(p, p->frames[0]->ref, all, 3);
    while (p->n_positions < 3)
        turn(p);
    say_forgotten(p);
    until_frames(p, 4); /* as far as it was */
    assert_int_equal(p->answered, 0);
    p->log_head = 12;
    say_forgotten(p);
    until_frames(p, 5); /* who waits for what is to come goes on waiting */
    assert_int_equal(p->frames[4]->read->from, 99);
    while (p->answered == 0)
        turn(p);
    assert_int_equal(p->answer_err, ERR_ROLLED_BACK);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_successor_lost_comes_back_before_anything_else),
        cmocka_unit_test(a_client_that_stays_meets_the_successor_too),
        cmocka_unit_test(what_is_in_doubt_is_signed_anew_once_the_return_is_ended),
        cmocka_unit_test(a_return_that_was_interrupted_begins_anew),
        cmocka_unit_test(a_log_that_ends_before_its_receipts_gets_them_again),
        cmocka_unit_test(a_stream_waits_for_others_and_holds_no_other_stream),
        cmocka_unit_test(what_is_refused_for_good_ends_its_stream_alone),
        cmocka_unit_test(when_the_return_is_ended_nothing_is_waited_for),
        cmocka_unit_test(a_busy_broker_gets_it_again),
        cmocka_unit_test(each_succession_gets_back_what_it_lost_itself),
        cmocka_unit_test(a_log_of_another_name_is_none_of_the_receipts_business),
        cmocka_unit_test(who_read_what_was_lost_is_told_and_who_did_not_goes_on),
        cmocka_unit_test(a_reader_of_the_same_log_that_lost_something_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
