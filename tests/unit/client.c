/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a peer that speaks frames and misbehaves on purpose: it forgets sessions,
 * loses and repeats answers, refuses in the middle of a window.  (tests/unit/session.c has the real
 * broker.) */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/receipts.h"
#include "lib/sign.h"
#include "lib/zsock.h"
#include "tests/support/test.h"

enum { FRAMES = 4096, RESULTS = 256, LIMIT = 30000 /* ms */ };

struct peer { /* the other side, and what it has seen */
    uv_loop_t loop;
    uv_timer_t limit;
    bool late;
    char dir[64];
    void *context;
    struct zsock *router;
    uint8_t id[64];
    size_t id_size;
    char public_key[65];
    struct chancery *client;
    bool client_closed;

    Core__Frame *frames[FRAMES]; /* all but Hello, Ping and GetTail where those are answered */
    struct buf raw[FRAMES];
    size_t n;
    unsigned hellos, tails, hellos_ignored;
    bool mute_tails, forget; /* `forget`: the next frame but Hello is answered by Forgotten */
    bool patient;            /* of the client that is opened */
    uint64_t tail_seq;
    struct hash tail_hash;

    struct {
        enum chancery_outcome outcome;
        char code[64];
        uint64_t position;
        int number;
    } results[RESULTS];
    size_t n_results;
    uint64_t positions[RESULTS]; /* records handed over */
    size_t n_positions;
    size_t hold_at; /* records after which the reading is held; 0 = never */
    unsigned caught_up, sessions;
    uint64_t head; /* that the last session was told with */
    int answered;
    int answer_err;
    uint64_t token;
};

/* ---- the peer ---- */

static void say(struct peer *p, uint64_t ref, Core__Frame__BodyCase body, void *message)
{
    Core__Frame frame = CORE__FRAME__INIT;
    zmq_msg_t parts[2];

    frame.ref = ref;
    frame.body_case = body;
    frame.hello = message; /* all of the union are pointers */
    zmq_msg_init_size(&parts[0], p->id_size);
    memcpy(zmq_msg_data(&parts[0]), p->id, p->id_size);
    zmq_msg_init_size(&parts[1], core__frame__get_packed_size(&frame));
    core__frame__pack(&frame, zmq_msg_data(&parts[1]));
    int rc = zsock_send(p->router, parts, 2);
    if (rc == ERR_UNREACHABLE) { /* the client connected anew, and will say Hello */
        zmq_msg_close(&parts[0]);
        zmq_msg_close(&parts[1]);
        return;
    }
    assert_int_equal(rc, 0);
}

static void say_forgotten(struct peer *p)
{
    Core__Forgotten forgotten = CORE__FORGOTTEN__INIT;

    say(p, 0, CORE__FRAME__BODY_FORGOTTEN, &forgotten);
}

static void say_welcome(struct peer *p, uint64_t ref)
{
    static char log[] = "test.example/log", seat[] = "alice", office[] = "QMB/npc";
    Core__Welcome w = CORE__WELCOME__INIT;

    w.version = 1;
    w.log = log;
    w.seat = seat;
    w.office = office;
    w.mode = CORE__MODE__MODE_ACTUAL;
    say(p, ref, CORE__FRAME__BODY_WELCOME, &w);
}

static void say_tail(struct peer *p, uint64_t ref)
{
    Core__Tail tail = CORE__TAIL__INIT;

    tail.seat_seq = p->tail_seq;
    tail.envelope_hash = (ProtobufCBinaryData){p->tail_seq ? HASH_SIZE : 0, p->tail_hash.bytes};
    say(p, ref, CORE__FRAME__BODY_TAIL, &tail);
}

static void say_refused(struct peer *p, uint64_t ref, const char *code)
{
    Core__Refused refused = CORE__REFUSED__INIT;

    refused.code = code;
    refused.text = "because the test says so";
    say(p, ref, CORE__FRAME__BODY_REFUSED, &refused);
}

static void say_recorded(struct peer *p, const Core__Frame *f, uint64_t first)
{
    Core__Recorded r = CORE__RECORDED__INIT;
    uint64_t positions[BATCH_MOST];
    int64_t received[BATCH_MOST];

    r.n_positions = r.n_received = f->publish->n_events;
    for (size_t i = 0; i < r.n_positions; i++) {
        positions[i] = first + i;
        received[i] = 1000;
    }
    r.positions = positions;
    r.received = received;
    say(p, f->ref, CORE__FRAME__BODY_RECORDED, &r);
}

static void say_deliver(struct peer *p, uint64_t ref, const uint64_t positions[], size_t n)
{
    Core__Deliver deliver = CORE__DELIVER__INIT;
    Core__Record records[16], *list[16];
    uint8_t byte = 1;

    for (size_t i = 0; i < n; i++) {
        core__record__init(&records[i]);
        records[i].position = positions[i];
        records[i].event = (ProtobufCBinaryData){1, &byte};
        list[i] = &records[i];
    }
    deliver.n_records = n;
    deliver.records = list;
    say(p, ref, CORE__FRAME__BODY_DELIVER, &deliver);
}

static void keep_frame(struct peer *p, Core__Frame *f, zmq_msg_t *raw)
{
    assert_true(p->n < FRAMES);
    buf_add(&p->raw[p->n], zmq_msg_data(raw), zmq_msg_size(raw));
    p->frames[p->n++] = f;
}

static void on_receive(void *arg, zmq_msg_t parts[], int n)
{
    struct peer *p = arg;

    assert_int_equal(n, 2);
    p->id_size = zmq_msg_size(&parts[0]);
    memcpy(p->id, zmq_msg_data(&parts[0]), p->id_size);
    Core__Frame *f = core__frame__unpack(NULL, zmq_msg_size(&parts[1]), zmq_msg_data(&parts[1]));
    assert_non_null(f);
    if (f->body_case == CORE__FRAME__BODY_HELLO) {
        if (p->hellos++ >= p->hellos_ignored)
            say_welcome(p, f->ref);
    } else if (p->forget && f->body_case != CORE__FRAME__BODY_PING) {
        p->forget = false;
        keep_frame(p, f, &parts[1]);
        say_forgotten(p);
        return;
    } else if (f->body_case == CORE__FRAME__BODY_PING) {
        Core__Pong pong = CORE__PONG__INIT;
        say(p, f->ref, CORE__FRAME__BODY_PONG, &pong);
    } else if (f->body_case == CORE__FRAME__BODY_GET_TAIL && !p->mute_tails) {
        p->tails++;
        say_tail(p, f->ref);
    } else {
        keep_frame(p, f, &parts[1]);
        return;
    }
    core__frame__free_unpacked(f, NULL);
}

static void on_limit(uv_timer_t *timer)
{
    ((struct peer *)timer->data)->late = true;
}

static char *path_in(const struct peer *p, const char *name)
{
    return mem_printf("%s/%s", p->dir, name);
}

static void *router_of(struct peer *p)
{
    struct seat_key server;
    int on = 1;
    void *router = zmq_socket(p->context, ZMQ_ROUTER);
    char *endpoint = mem_printf("ipc://%s/peer.sock", p->dir);

    seat_key_make(&server, "peer", "QMA/chancery");
    hex_encode(p->public_key, server.curve_public, KEY_SIZE);
    zmq_setsockopt(router, ZMQ_CURVE_SERVER, &on, sizeof on);
    zmq_setsockopt(router, ZMQ_CURVE_SECRETKEY, server.curve_secret, KEY_SIZE);
    zmq_setsockopt(router, ZMQ_ROUTER_MANDATORY, &on, sizeof on);
    assert_int_equal(zmq_bind(router, endpoint), 0);
    mem_free(endpoint);
    return router;
}

/* `keep`: the name of its directory, or NULL. */
static void client_open_in(struct peer *p, int64_t give_up, const char *keep)
{
    char *endpoint = mem_printf("ipc://%s/peer.sock", p->dir);
    char *key_file = path_in(p, "alice.key"), *keep_dir = path_in(p, keep ? keep : "");
    char why[256];
    struct chancery_options options = {
        .endpoint = endpoint,
        .server_key = p->public_key,
        .key_file = key_file,
        .keep_dir = keep ? keep_dir : NULL,
        .give_up = give_up,
        .patient = p->patient,
    };

    p->client_closed = false;
    int rc = chancery_open(&p->client, &p->loop, &options, why);
    if (rc)
        fail_msg("%s", why);
    mem_free(endpoint);
    mem_free(key_file);
    mem_free(keep_dir);
}

static void client_open(struct peer *p, int64_t give_up, bool keep)
{
    client_open_in(p, give_up, keep ? "keep" : NULL);
}

static struct peer *peer_new(void)
{
    struct peer *p = mem_new(sizeof *p);
    struct seat_key key;

    log_set_level(LOG_ERROR);
    strcpy(p->dir, "/tmp/client-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    char *key_file = path_in(p, "alice.key");
    seat_key_make(&key, "alice", "QMB/npc");
    assert_int_equal(seat_key_write(&key, key_file), 0);
    mem_free(key_file);
    uv_loop_init(&p->loop);
    uv_timer_init(&p->loop, &p->limit);
    p->limit.data = p;
    uv_timer_start(&p->limit, on_limit, LIMIT, 0);
    p->context = zmq_ctx_new();
    zsock_open(&p->router, &p->loop, router_of(p), 64, on_receive, p);
    return p;
}

static void on_client_closed(void *arg)
{
    ((struct peer *)arg)->client_closed = true;
}

static void turn(struct peer *p)
{
    uv_run(&p->loop, UV_RUN_ONCE);
    if (p->late)
        fail_msg("it took too long: frames=%zu results=%zu hellos=%u", p->n, p->n_results,
                 p->hellos);
}

static void client_close(struct peer *p)
{
    chancery_close(p->client, on_client_closed, p);
    while (!p->client_closed)
        turn(p);
    p->client = NULL;
}

static void frames_free(struct peer *p)
{
    while (p->n > 0) {
        core__frame__free_unpacked(p->frames[--p->n], NULL);
        buf_free(&p->raw[p->n]);
    }
}

static void peer_free(struct peer *p)
{
    char *command = mem_printf("rm -r %s", p->dir);

    if (p->client)
        client_close(p);
    zsock_close(p->router, NULL, NULL);
    uv_close((uv_handle_t *)&p->limit, NULL);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    zmq_ctx_term(p->context);
    frames_free(p);
    assert_int_equal(system(command), 0);
    mem_free(command);
    mem_free(p);
}

/* ---- what the caller does and sees ---- */

struct call {
    struct peer *peer;
    int number;
};

static void on_published(void *arg, const struct chancery_result *r)
{
    struct call *call = arg;
    struct peer *p = call->peer;

    assert_true(p->n_results < RESULTS);
    p->results[p->n_results].outcome = r->outcome;
    p->results[p->n_results].number = call->number;
    p->results[p->n_results].position = r->outcome == CHANCERY_RECORDED ? r->positions[0] : 0;
    snprintf(p->results[p->n_results].code, sizeof p->results[0].code, "%s", r->code);
    p->n_results++;
    mem_free(call);
}

static void publish_event(struct peer *p, int number, struct chancery_event e)
{
    struct call *call = mem_new(sizeof *call);

    e.type = "chancery.test.v1.Note";
    e.payload = "payload";
    e.payload_size = 7;
    *call = (struct call){p, number};
    assert_int_equal(chancery_publish(p->client, &e, 1, on_published, call), 0);
}

static void publish(struct peer *p, int number)
{
    publish_event(p, number, (struct chancery_event){.stream = "test.in"});
}

static void until_frames(struct peer *p, size_t n)
{
    while (p->n < n)
        turn(p);
    assert_int_equal(p->n, n);
}

static void until_results(struct peer *p, size_t n)
{
    while (p->n_results < n)
        turn(p);
    assert_int_equal(p->n_results, n);
}

/* The envelope of event i of the frame; free it. */
static Core__Envelope *envelope_of(const Core__Frame *f, size_t i)
{
    assert_int_equal(f->body_case, CORE__FRAME__BODY_PUBLISH);
    const ProtobufCBinaryData *bytes = &f->publish->events[i]->event;
    Core__SignedEvent *s = core__signed_event__unpack(NULL, bytes->len, bytes->data);
    assert_non_null(s);
    Core__Envelope *e = core__envelope__unpack(NULL, s->envelope.len, s->envelope.data);
    assert_non_null(e);
    core__signed_event__free_unpacked(s, NULL);
    return e;
}

static uint64_t seat_seq_of(const Core__Frame *f)
{
    Core__Envelope *e = envelope_of(f, 0);
    uint64_t seq = e->seat_seq;

    core__envelope__free_unpacked(e, NULL);
    return seq;
}

static void assert_same_id(const Core__Frame *a, const Core__Frame *b)
{
    Core__Envelope *x = envelope_of(a, 0), *y = envelope_of(b, 0);

    assert_int_equal(x->id.len, ID_SIZE);
    assert_memory_equal(x->id.data, y->id.data, ID_SIZE);
    core__envelope__free_unpacked(x, NULL);
    core__envelope__free_unpacked(y, NULL);
}

static void assert_same_frame(const struct peer *p, size_t a, size_t b)
{
    assert_true(slice_equal(slice_buf(&p->raw[a]), slice_buf(&p->raw[b])));
}

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

/* ---- what is kept ---- */

static off_t size_of(const struct peer *p, const char *name)
{
    char *path = path_in(p, name);
    struct stat st = {0};

    stat(path, &st);
    mem_free(path);
    return st.st_size;
}

static bool same_events(const Core__Frame *a, const Core__Frame *b)
{
    const ProtobufCBinaryData *x = &a->publish->events[0]->event,
                              *y = &b->publish->events[0]->event;

    return slice_equal(slice_of(x->data, x->len), slice_of(y->data, y->len));
}

/* What a power cut would leave at this moment, were nothing on its way to the disk. */
static void copy_keep(const struct peer *p)
{
    char *command = mem_printf("cp -r %s/keep %s/copy", p->dir, p->dir);

    assert_int_equal(system(command), 0);
    mem_free(command);
}

static int count_receipt(void *arg, const struct receipt *receipt)
{
    struct peer *p = arg;

    assert_string_equal(receipt->log, "test.example/log");
    p->positions[p->n_positions++] = receipt->record->position;
    return 0;
}

static void no_damage(void *arg, const char *file, uint64_t offset, uint64_t bytes)
{
    (void)arg;
    fail_msg("%s: %llu bytes are damaged at %llu", file, (unsigned long long)bytes,
             (unsigned long long)offset);
}

static void read_receipts(struct peer *p, const char *keep)
{
    char *dir = mem_printf("%s/%s/receipts", p->dir, keep);

    p->n_positions = 0;
    assert_int_equal(receipts_each(dir, count_receipt, no_damage, p), 0);
    mem_free(dir);
}

static void what_was_unconfirmed_is_said_first_after_a_restart(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    assert_int_equal(p->results[0].outcome, CHANCERY_UNKNOWN);
    client_open(p, 0, true);
    publish(p, 2);
    until_frames(p, 5);
    assert_true(same_events(p->frames[0], p->frames[2]));
    assert_true(same_events(p->frames[1], p->frames[3]));
    assert_int_equal(seat_seq_of(p->frames[4]), 3);
    for (size_t i = 2; i < 5; i++)
        say_recorded(p, p->frames[i], i);
    until_results(p, 3);
    read_receipts(p, "keep");
    assert_int_equal(p->n_positions, 3);
    client_close(p);
    client_open(p, 0, true);
    while (!chancery_current(p->client))
        turn(p);
    for (int i = 0; i < 5; i++)
        uv_run(&p->loop, UV_RUN_NOWAIT);
    assert_int_equal(p->n, 5);
    peer_free(p);
}

static void what_is_told_is_on_disk_before(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    publish(p, 2);
    until_frames(p, 3);
    say_recorded(p, p->frames[0], 7);
    say_refused(p, p->frames[1]->ref, "field.invalid");
    until_results(p, 2);
    copy_keep(p);
    assert_string_equal(p->results[1].code, "field.invalid");
    read_receipts(p, "copy");
    assert_int_equal(p->n_positions, 1);
    assert_int_equal(p->positions[0], 7);
    client_close(p);
    client_open_in(p, 0, "copy");
    until_frames(p, 4); /* the third alone */
    assert_true(same_events(p->frames[2], p->frames[3]));
    publish(p, 3);
    until_frames(p, 5);
    assert_int_equal(seat_seq_of(p->frames[4]), 4);
    peer_free(p);
}

static void what_was_refused_because_of_others_is_kept_in_its_new_form(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    until_frames(p, 1);
    p->tail_seq = 4;
    say_refused(p, p->frames[0]->ref, "seat.order");
    until_frames(p, 2);
    copy_keep(p);
    client_close(p);
    client_open_in(p, 0, "copy");
    until_frames(p, 3);
    assert_true(same_events(p->frames[1], p->frames[2]));
    say_recorded(p, p->frames[2], 9);
    publish(p, 1);
    until_frames(p, 4);
    say_recorded(p, p->frames[3], 10);
    while (p->results[p->n_results - 1].position != 10)
        turn(p);
    read_receipts(p, "copy");
    assert_int_equal(p->n_positions, 2);
    assert_int_equal(p->positions[0], 9);
    peer_free(p);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_kept_is_refused_and_not_sent(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    log_set_level(LOG_ERROR);
    client_open(p, 0, true);
    publish(p, 0);
    until_frames(p, 1);
    limit_files(1024);
    publish(p, 1);
    publish(p, 2);
    until_results(p, 2);
    limit_files(0);
    assert_int_equal(p->results[1].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[1].code, "io.failed");
    say_recorded(p, p->frames[0], 1);
    publish(p, 3);
    until_frames(p, 2); /* once the first is answered: those refused were numbered */
    assert_int_equal(seat_seq_of(p->frames[1]), 1);
    peer_free(p);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct peer *p = arg;

    p->sessions++;
    p->head = s->head;
}

static void a_session_is_told_once_what_was_left_is_answered(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    client_open(p, 0, true);
    chancery_on_session(p->client, on_session, p);
    until_frames(p, 4);
    say_recorded(p, p->frames[2], 8);
    say_forgotten(p);
    until_frames(p, 5);
    assert_int_equal(p->sessions, 0);
    say_recorded(p, p->frames[4], 9);
    while (p->sessions == 0)
        turn(p);
    assert_int_equal(p->head, 9);
    say_forgotten(p);
    while (p->sessions == 1)
        turn(p);
    assert_int_equal(p->n, 5);
    peer_free(p);
}

static void a_torn_entry_is_dropped(void **unused)
{
    struct peer *p = peer_new();
    char *path = path_in(p, "keep/unconfirmed");

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    assert_int_equal(truncate(path, size_of(p, "keep/unconfirmed") - 3), 0);
    client_open(p, 0, true);
    until_frames(p, 3);
    assert_true(same_events(p->frames[0], p->frames[2]));
    mem_free(path);
    peer_free(p);
}

static void a_directory_is_kept_by_one_process(void **unused)
{
    struct peer *p = peer_new();
    char *file = path_in(p, "alice.key"), *keep = path_in(p, "keep"), why[256];
    struct chancery *second;
    struct chancery_options options = {.endpoint = "ipc:///tmp/none",
                                       .server_key = p->public_key,
                                       .key_file = file,
                                       .keep_dir = keep};

    (void)unused;
    client_open(p, 0, true);
    assert_int_equal(chancery_open(&second, &p->loop, &options, why), ERR_OWNED);
    mem_free(file);
    mem_free(keep);
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
        cmocka_unit_test(what_was_unconfirmed_is_said_first_after_a_restart),
        cmocka_unit_test(what_is_told_is_on_disk_before),
        cmocka_unit_test(what_was_refused_because_of_others_is_kept_in_its_new_form),
        cmocka_unit_test(what_cannot_be_kept_is_refused_and_not_sent),
        cmocka_unit_test(a_session_is_told_once_what_was_left_is_answered),
        cmocka_unit_test(a_torn_entry_is_dropped),
        cmocka_unit_test(a_directory_is_kept_by_one_process),
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
