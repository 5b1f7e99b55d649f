/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a peer that speaks frames and misbehaves on purpose: it forgets sessions,
 * loses and repeats answers, refuses in the middle of a window.  (tests/unit/session.c has the real
 * broker.) */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/support/peer.h"

/* ---- the session ---- */

static void hello_is_said_until_the_welcome_comes(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    p->hellos_ignored = 2;
    client_open(p, 0, false);
    assert_null(chancery_current(p->client));
    while (!chancery_current(p->client))
        turn(p);
    assert_int_equal(p->hellos, 3);
    assert_string_equal(chancery_current(p->client)->seat, "alice");
    assert_int_equal(chancery_current(p->client)->number, 1);
    peer_free(p);
}

static void options_that_cannot_be_used_are_refused_with_a_sentence(void **unused)
{
    struct peer *p = peer_new();
    char *file = path_in(p, "alice.key"), why[256] = "";
    struct chancery *c;
    struct chancery_options options = {
        .endpoint = "ipc:///tmp/none", .server_key = "12", .key_file = file};

    (void)unused;
    assert_int_equal(chancery_open(&c, &p->loop, &options, why), ERR_CONFIG);
    assert_non_null(strstr(why, "64"));
    options.server_key = p->public_key;
    options.endpoint = "nonsense";
    assert_int_equal(chancery_open(&c, &p->loop, &options, why), ERR_CONFIG);
    options.endpoint = "ipc:///tmp/none";
    chmod(file, 0644);
    assert_int_equal(chancery_open(&c, &p->loop, &options, why), ERR_FILE_MODE);
    assert_non_null(strstr(why, "chmod"));
    mem_free(file);
    peer_free(p);
}

/* ---- publishing ---- */

static void a_publish_is_signed_and_chained_and_recorded(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish(p, 1);
    publish(p, 2);
    until_frames(p, 2);
    Core__Envelope *a = envelope_of(p->frames[0], 0), *b = envelope_of(p->frames[1], 0);
    assert_int_equal(a->seat_seq, 1);
    assert_int_equal(b->seat_seq, 2);
    assert_int_equal(a->previous.len, 0);
    assert_int_equal(b->previous.len, HASH_SIZE);
    assert_string_equal(a->log, "test.example/log");
    assert_string_equal(a->office, "QMB/npc");
    assert_int_equal(a->mode, CORE__MODE__MODE_ACTUAL);
    assert_int_equal(a->handling->label, CORE__LABEL__LABEL_GREEN);
    core__envelope__free_unpacked(a, NULL);
    core__envelope__free_unpacked(b, NULL);
    say_recorded(p, p->frames[0], 5);
    say_recorded(p, p->frames[1], 6);
    until_results(p, 2);
    assert_int_equal(p->results[1].outcome, CHANCERY_RECORDED);
    assert_int_equal(p->results[1].position, 6);
    assert_int_equal(p->tails, 1);
    peer_free(p);
}

static void a_forgotten_publish_is_said_again_with_the_same_bytes(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish(p, 1);
    publish(p, 2);
    until_frames(p, 2);
    say_forgotten(p);
    until_frames(p, 4);
    assert_same_frame(p, 0, 2);
    assert_same_frame(p, 1, 3);
    assert_int_equal(p->hellos, 2);
    assert_int_equal(chancery_current(p->client)->number, 2);
    say_recorded(p, p->frames[2], 5);
    say_recorded(p, p->frames[2], 5); /* an answer that comes twice finds nothing */
    say_recorded(p, p->frames[3], 6);
    until_results(p, 2);
    assert_int_equal(p->results[0].position, 5);
    peer_free(p);
}

static void a_tail_that_was_forgotten_is_asked_again(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    p->forget = true;
    client_open(p, 0, false);
    publish(p, 1);
    until_frames(p, 2);
    assert_int_equal(p->frames[0]->body_case, CORE__FRAME__BODY_GET_TAIL);
    assert_int_equal(p->frames[1]->body_case, CORE__FRAME__BODY_PUBLISH);
    assert_int_equal(p->hellos, 2);
    peer_free(p);
}

static void what_is_behind_a_refusal_is_numbered_anew(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    for (int i = 0; i < 3; i++)
        publish(p, i);
    until_frames(p, 3);
    p->tail_seq = 7;
    memset(p->tail_hash.bytes, 0xab, HASH_SIZE);
    say_refused(p, p->frames[0]->ref, "field.invalid");
    say_refused(p, p->frames[1]->ref, "seat.order");
    say_refused(p, p->frames[2]->ref, "seat.order");
    until_frames(p, 5);
    assert_int_equal(p->tails, 2);
    assert_int_equal(seat_seq_of(p->frames[3]), 8);
    assert_int_equal(seat_seq_of(p->frames[4]), 9);
    assert_same_id(p->frames[1], p->frames[3]);
    assert_same_id(p->frames[2], p->frames[4]);
    say_recorded(p, p->frames[3], 20);
    say_recorded(p, p->frames[4], 21);
    until_results(p, 3);
    assert_string_equal(p->results[0].code, "field.invalid");
    assert_int_equal(p->results[0].number, 0);
    assert_int_equal(p->results[1].number, 1);
    assert_int_equal(p->results[2].number, 2);
    assert_int_equal(p->results[2].position, 21);
    peer_free(p);
}

/* Refuses the batch until it ends; returns how often it came. */
static size_t refused_until_the_end(struct peer *p, const char *code)
{
    size_t seen = 0;

    while (p->n_results == 0) {
        turn(p);
        for (; seen < p->n; seen++)
            say_refused(p, p->frames[seen]->ref, code);
    }
    return seen;
}

static void another_process_of_the_seat_is_met_five_times(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish(p, 0);
    assert_int_equal(refused_until_the_end(p, "seat.order"), 6);
    assert_int_equal(p->results[0].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[0].code, "seat.order");
    peer_free(p);
}

static void an_answer_meets_another_process_once(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish_event(p, 0, (struct chancery_event){.stream = "test.out", .cause = 3, .of = 1});
    assert_int_equal(refused_until_the_end(p, "seat.order"), 2);
    Core__Envelope *e = envelope_of(p->frames[0], 0);
    assert_true(id_v8_is(e->id.data, 3, 0));
    core__envelope__free_unpacked(e, NULL);
    peer_free(p);
}

static void a_busy_broker_is_asked_again(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish(p, 0);
    until_frames(p, 1);
    say_refused(p, p->frames[0]->ref, "busy");
    until_frames(p, 2);
    assert_same_id(p->frames[0], p->frames[1]);
    say_recorded(p, p->frames[1], 9);
    until_results(p, 1);
    assert_int_equal(p->results[0].position, 9);
    peer_free(p);
}

static void a_full_log_is_waited_out_by_who_is_patient(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    p->patient = true;
    client_open(p, 0, false);
    publish(p, 0);
    until_frames(p, 1);
    say_refused(p, p->frames[0]->ref, "log.full");
    until_frames(p, 2);
    assert_same_id(p->frames[0], p->frames[1]);
    say_refused(p, p->frames[1]->ref, "clock.jump");
    until_frames(p, 3);
    say_recorded(p, p->frames[2], 9);
    until_results(p, 1);
    assert_int_equal(p->results[0].position, 9);
    peer_free(p);
}

static void a_full_log_is_refused_to_who_is_not_patient(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    publish(p, 0);
    until_frames(p, 1);
    say_refused(p, p->frames[0]->ref, "log.full");
    until_results(p, 1);
    assert_int_equal(p->results[0].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[0].code, "log.full");
    peer_free(p);
}

static void a_stream_that_may_not_be_written_refuses_the_publish(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    p->mute_tails = true;
    client_open(p, 0, false);
    publish(p, 0);
    until_frames(p, 1);
    say_refused(p, p->frames[0]->ref, "access.denied");
    until_results(p, 1);
    assert_int_equal(p->results[0].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[0].code, "access.denied");
    peer_free(p);
}

static void what_is_given_up_is_unknown_and_not_refused(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 300000, false);
    publish(p, 0);
    until_results(p, 1);
    assert_int_equal(p->results[0].outcome, CHANCERY_UNKNOWN);
    assert_string_equal(p->results[0].code, "outcome.unknown");
    say_recorded(p, p->frames[0], 1); /* too late: nobody is told twice */
    publish(p, 1);
    until_frames(p, 2);
    assert_int_equal(p->tails, 2);
    assert_int_equal(p->n_results, 1);
    peer_free(p);
}

static void no_more_than_a_window_is_in_flight(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    for (int i = 0; i < 40; i++)
        publish(p, i);
    until_frames(p, 16);
    for (int i = 0; i < 5; i++)
        uv_run(&p->loop, UV_RUN_NOWAIT);
    assert_int_equal(p->n, 16);
    for (size_t i = 0; i < 40; i++) {
        while (p->n <= i)
            turn(p);
        assert_int_equal(seat_seq_of(p->frames[i]), i + 1);
        say_recorded(p, p->frames[i], i + 1);
    }
    until_results(p, 40);
    for (int i = 0; i < 40; i++)
        assert_int_equal(p->results[i].number, i);
    peer_free(p);
}

static void what_exceeds_bounds_is_not_taken(void **unused)
{
    static struct chancery_event events[65];
    struct peer *p = peer_new();
    uint8_t *large = mem_new(PAYLOAD_MOST);

    (void)unused;
    client_open(p, 0, false);
    for (size_t i = 0; i < 65; i++)
        events[i] = (struct chancery_event){.stream = "test.in", .type = "T"};
    assert_int_equal(chancery_publish(p->client, events, 0, NULL, NULL), ERR_BOUNDS);
    assert_int_equal(chancery_publish(p->client, events, 65, NULL, NULL), ERR_BOUNDS);
    events[0].payload = events[1].payload = large;
    events[0].payload_size = PAYLOAD_MOST + 1;
    assert_int_equal(chancery_publish(p->client, events, 1, NULL, NULL), ERR_BOUNDS);
    events[0].payload_size = events[1].payload_size = PAYLOAD_MOST;
    assert_int_equal(chancery_publish(p->client, events, 2, NULL, NULL), ERR_BOUNDS);
    events[0].payload_size = 0;
    events[0].marking = "\xff";
    assert_int_equal(chancery_publish(p->client, events, 1, NULL, NULL), ERR_TEXT);
    mem_free(large);
    peer_free(p);
}

static void too_much_unconfirmed_is_busy(void **unused)
{
    struct peer *p = peer_new();
    uint8_t *large = mem_new(PAYLOAD_MOST);
    struct chancery_event e = {
        .stream = "test.in", .type = "T", .payload = large, .payload_size = PAYLOAD_MOST};
    int taken = 0, rc = 0;

    (void)unused;
    client_open(p, 0, false);
    while (rc == 0 && taken < 1000)
        if ((rc = chancery_publish(p->client, &e, 1, NULL, NULL)) == 0)
            taken++;
    assert_int_equal(rc, ERR_BUSY);
    assert_in_range(taken, 127, 130);
    mem_free(large);
    peer_free(p);
}

static void close_on_published(void *arg, const struct chancery_result *r)
{
    struct peer *p = arg;

    p->results[p->n_results++].outcome = r->outcome;
    if (p->n_results == 1)
        chancery_close(p->client, on_client_closed, p);
}

static void a_client_may_be_closed_in_any_callback(void **unused)
{
    struct peer *p = peer_new();
    struct chancery_event e = {.stream = "test.in", .type = "T"};

    (void)unused;
    client_open(p, 0, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(chancery_publish(p->client, &e, 1, close_on_published, p), 0);
    until_frames(p, 3);
    say_recorded(p, p->frames[0], 1);
    while (!p->client_closed)
        turn(p);
    p->client = NULL;
    assert_int_equal(p->n_results, 3);
    assert_int_equal(p->results[0].outcome, CHANCERY_RECORDED);
    assert_int_equal(p->results[1].outcome, CHANCERY_UNKNOWN);
    assert_int_equal(p->results[2].outcome, CHANCERY_UNKNOWN);
    peer_free(p);
}

/* ---- reading ---- */

static int on_record(void *arg, const struct chancery_record *record)
{
    struct peer *p = arg;

    p->positions[p->n_positions++] = record->position;
    return p->n_positions != p->hold_at;
}

static void on_caught_up(void *arg, uint64_t head)
{
    (void)head;
    ((struct peer *)arg)->caught_up++;
}

static void on_ended(void *arg, int err, const char *text)
{
    struct peer *p = arg;

    (void)text;
    p->answered++;
    p->answer_err = err;
}

static struct chancery_reading *read_from(struct peer *p, uint64_t from)
{
    struct chancery_reading *r;
    struct chancery_read_options options = {
        .from = from, .record = on_record, .caught_up = on_caught_up, .ended = on_ended, .arg = p};

    assert_int_equal(chancery_read(p->client, &options, &r), 0);
    return r;
}

static void until_positions(struct peer *p, size_t n)
{
    while (p->n_positions < n)
        turn(p);
    assert_int_equal(p->n_positions, n);
}

static void a_reading_goes_on_and_hands_nothing_over_twice(void **unused)
{
    static const uint64_t first[] = {3, 4, 4, 3, 6}, again[] = {6, 7};
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    read_from(p, 3);
    until_frames(p, 1);
    assert_int_equal(p->frames[0]->read->from, 3);
    say_deliver(p, p->frames[0]->ref, first, 5);
    until_positions(p, 3);
    say_forgotten(p);
    until_frames(p, 2);
    assert_int_equal(p->frames[1]->read->from, 7);
    assert_true(p->frames[1]->ref != p->frames[0]->ref);
    say_deliver(p, p->frames[1]->ref, again, 2);
    until_positions(p, 4);
    assert_int_equal(p->positions[2], 6);
    assert_int_equal(p->positions[3], 7);
    peer_free(p);
}

static void a_held_reading_waits_with_what_came(void **unused)
{
    static const uint64_t all[] = {1, 2, 3, 4};
    struct peer *p = peer_new();
    Core__CaughtUp up = CORE__CAUGHT_UP__INIT;

    (void)unused;
    p->hold_at = 2;
    client_open(p, 0, false);
    struct chancery_reading *r = read_from(p, 0);
    until_frames(p, 1);
    uint32_t window = p->frames[0]->read->credit_events;
    say_deliver(p, p->frames[0]->ref, all, 4);
    say(p, p->frames[0]->ref, CORE__FRAME__BODY_CAUGHT_UP, &up);
    until_positions(p, 2);
    say_forgotten(p); /* what waits is neither lost nor asked for again */
    until_frames(p, 2);
    assert_int_equal(p->frames[1]->read->from, 5);
    assert_int_equal(p->frames[1]->read->credit_events, window - 2);
    assert_int_equal(p->n_positions, 2);
    assert_int_equal(p->caught_up, 0);
    chancery_read_more(r);
    assert_int_equal(p->n_positions, 2); /* never from within a call */
    until_positions(p, 4);
    assert_int_equal(p->caught_up, 1);
    peer_free(p);
}

static void credit_is_renewed_at_half(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    read_from(p, 0);
    until_frames(p, 1);
    uint32_t window = p->frames[0]->read->credit_events;
    p->n_positions = 0;
    for (uint64_t i = 1; i <= window / 2; i++) {
        say_deliver(p, p->frames[0]->ref, &i, 1);
        until_positions(p, 1);
        p->n_positions = 0;
        if (i < window / 2)
            assert_int_equal(p->n, 1);
    }
    until_frames(p, 2);
    assert_int_equal(p->frames[1]->body_case, CORE__FRAME__BODY_CREDIT);
    assert_int_equal(p->frames[1]->credit->events, window / 2);
    peer_free(p);
}

static void a_refused_reading_ends(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    read_from(p, 0);
    until_frames(p, 1);
    say_refused(p, p->frames[0]->ref, "quota.exceeded");
    while (!p->answered)
        turn(p);
    assert_int_equal(p->answer_err, ERR_QUOTA);
    peer_free(p);
}

static int cancel_on_record(void *arg, const struct chancery_record *record)
{
    struct chancery_reading **r = arg;

    assert_int_equal(record->position, 1);
    chancery_read_cancel(*r);
    *r = NULL;
    return 1;
}

static void a_reading_may_be_cancelled_in_its_callback(void **unused)
{
    static const uint64_t all[] = {1, 2, 3};
    struct peer *p = peer_new();
    struct chancery_reading *r;
    struct chancery_read_options options = {.record = cancel_on_record, .arg = &r};

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_read(p->client, &options, &r), 0);
    until_frames(p, 1);
    say_deliver(p, p->frames[0]->ref, all, 3);
    until_frames(p, 2);
    assert_int_equal(p->frames[1]->body_case, CORE__FRAME__BODY_CANCEL);
    assert_null(r);
    peer_free(p);
}

/* ---- questions ---- */

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct peer *p = arg;

    (void)code, (void)text, (void)type, (void)payload, (void)size, (void)as_of;
    p->answered++;
    p->answer_err = err;
}

static void a_question_without_an_answer_times_out(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_ask(p->client, "test", "T", "", 0, 0, 200000, on_answered, p), 0);
    while (!p->answered)
        turn(p);
    assert_int_equal(p->answer_err, ERR_TIMEOUT);
    assert_int_equal(p->frames[0]->ask->patience_ms, 200);
    peer_free(p);
}

static void a_forgotten_question_is_asked_again(void **unused)
{
    struct peer *p = peer_new();
    Core__Answer answer = CORE__ANSWER__INIT;

    (void)unused;
    p->forget = true;
    client_open(p, 0, false);
    assert_int_equal(chancery_ask(p->client, "test", "T", "", 0, 0, 20000000, on_answered, p), 0);
    until_frames(p, 2);
    assert_same_frame(p, 0, 1);
    say(p, p->frames[1]->ref, CORE__FRAME__BODY_ANSWER, &answer);
    while (!p->answered)
        turn(p);
    assert_int_equal(p->answer_err, 0);
    peer_free(p);
}

static void on_question(void *arg, const struct chancery_question *q)
{
    ((struct peer *)arg)->token = q->token;
}

static uint64_t question(struct peer *p, uint64_t ref)
{
    static char service[] = "test", type[] = "T";
    Core__Question q = CORE__QUESTION__INIT;

    q.service = service;
    q.type = type;
    p->token = 0;
    say(p, ref, CORE__FRAME__BODY_QUESTION, &q);
    while (!p->token)
        turn(p);
    return p->token;
}

static void an_answer_to_a_question_of_an_older_session_goes_nowhere(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_offer(p->client, "test", on_question, p), 0);
    until_frames(p, 1);
    uint64_t old = question(p, 1);
    say_forgotten(p);
    until_frames(p, 2);
    assert_int_equal(p->frames[1]->body_case, CORE__FRAME__BODY_OFFER);
    uint64_t new = question(p, 1); /* the same ref by another broker */
    chancery_answer(p->client, old, "Old", "", 0, 1, 0);
    chancery_answer(p->client, new, "New", "", 0, 1, 0);
    chancery_answer(p->client, new, "Twice", "", 0, 1, 0);
    until_frames(p, 3);
    assert_string_equal(p->frames[2]->answer->type, "New");
    for (int i = 0; i < 5; i++)
        uv_run(&p->loop, UV_RUN_NOWAIT);
    assert_int_equal(p->n, 3);
    peer_free(p);
}

/* ---- parts ---- */

static void part_done(void *arg, int err, const char *text)
{
    on_ended(arg, err, text);
}

static void a_forgotten_part_is_sent_from_its_beginning(void **unused)
{
    struct peer *p = peer_new();
    char *file = path_in(p, "part");
    struct chancery_part part;
    Core__PartStored stored = CORE__PART_STORED__INIT;
    FILE *out = fopen(file, "w");

    (void)unused;
    for (int i = 0; i < 300000; i++)
        fputc(i % 251, out);
    fclose(out);
    client_open(p, 0, false);
    assert_int_equal(chancery_put_part(p->client, file, &part, part_done, p), 0);
    assert_int_equal(part.size, 300000);
    until_frames(p, 3);
    say_forgotten(p);
    until_frames(p, 6);
    assert_int_equal(p->frames[3]->put_part->offset, 0);
    assert_int_equal(p->frames[5]->put_part->offset + p->frames[5]->put_part->chunk.len, 300000);
    assert_int_equal(p->answered, 0);
    say(p, p->frames[5]->ref, CORE__FRAME__BODY_PART_STORED, &stored);
    while (!p->answered)
        turn(p);
    assert_int_equal(p->answer_err, 0);
    mem_free(file);
    peer_free(p);
}

static void a_part_with_other_bytes_leaves_no_file(void **unused)
{
    struct peer *p = peer_new();
    char *file = path_in(p, "got");
    uint8_t sha256[32] = {1}, bytes[] = "other";
    Core__PartChunk chunk = CORE__PART_CHUNK__INIT;

    (void)unused;
    client_open(p, 0, false);
    assert_int_equal(chancery_get_part(p->client, 9, sha256, file, part_done, p), 0);
    until_frames(p, 1);
    chunk.size = 5;
    chunk.chunk = (ProtobufCBinaryData){5, bytes};
    say(p, p->frames[0]->ref, CORE__FRAME__BODY_PART_CHUNK, &chunk);
    while (!p->answered)
        turn(p);
    assert_int_equal(p->answer_err, ERR_PART);
    assert_int_not_equal(access(file, F_OK), 0);
    mem_free(file);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_said_until_the_welcome_comes),
        cmocka_unit_test(options_that_cannot_be_used_are_refused_with_a_sentence),
        cmocka_unit_test(a_publish_is_signed_and_chained_and_recorded),
        cmocka_unit_test(a_forgotten_publish_is_said_again_with_the_same_bytes),
        cmocka_unit_test(a_tail_that_was_forgotten_is_asked_again),
        cmocka_unit_test(what_is_behind_a_refusal_is_numbered_anew),
        cmocka_unit_test(another_process_of_the_seat_is_met_five_times),
        cmocka_unit_test(an_answer_meets_another_process_once),
        cmocka_unit_test(a_busy_broker_is_asked_again),
        cmocka_unit_test(a_full_log_is_waited_out_by_who_is_patient),
        cmocka_unit_test(a_full_log_is_refused_to_who_is_not_patient),
        cmocka_unit_test(a_stream_that_may_not_be_written_refuses_the_publish),
        cmocka_unit_test(what_is_given_up_is_unknown_and_not_refused),
        cmocka_unit_test(no_more_than_a_window_is_in_flight),
        cmocka_unit_test(what_exceeds_bounds_is_not_taken),
        cmocka_unit_test(too_much_unconfirmed_is_busy),
        cmocka_unit_test(a_client_may_be_closed_in_any_callback),
        cmocka_unit_test(a_reading_goes_on_and_hands_nothing_over_twice),
        cmocka_unit_test(a_held_reading_waits_with_what_came),
        cmocka_unit_test(credit_is_renewed_at_half),
        cmocka_unit_test(a_refused_reading_ends),
        cmocka_unit_test(a_reading_may_be_cancelled_in_its_callback),
        cmocka_unit_test(a_question_without_an_answer_times_out),
        cmocka_unit_test(a_forgotten_question_is_asked_again),
        cmocka_unit_test(an_answer_to_a_question_of_an_older_session_goes_nowhere),
        cmocka_unit_test(a_forgotten_part_is_sent_from_its_beginning),
        cmocka_unit_test(a_part_with_other_bytes_leaves_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
