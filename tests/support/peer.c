/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

void say(struct peer *p, uint64_t ref, Core__Frame__BodyCase body, void *message)
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

void say_forgotten(struct peer *p)
{
    Core__Forgotten forgotten = CORE__FORGOTTEN__INIT;

    say(p, 0, CORE__FRAME__BODY_FORGOTTEN, &forgotten);
}

static void say_welcome(struct peer *p, uint64_t ref)
{
    static char log[] = "test.example/log", seat[] = "alice", office[] = "QMB/npc";
    Core__Welcome w = CORE__WELCOME__INIT;
    Core__Predecessor before[4], *list[4];

    for (size_t i = 0; i < p->n_predecessors; i++) {
        core__predecessor__init(&before[i]);
        before[i].log = p->predecessors[i].log;
        before[i].position = p->predecessors[i].position;
        list[i] = &before[i];
    }
    w.n_predecessors = p->n_predecessors;
    w.predecessors = list;
    w.returning = p->returning;
    w.version = 1;
    w.log = p->log ? p->log : log;
    w.seat = seat;
    w.office = office;
    w.mode = CORE__MODE__MODE_ACTUAL;
    w.head = p->log_head;
    say(p, ref, CORE__FRAME__BODY_WELCOME, &w);
}

static void say_tail(struct peer *p, uint64_t ref)
{
    Core__Tail tail = CORE__TAIL__INIT;

    tail.seat_seq = p->tail_seq;
    tail.envelope_hash = (ProtobufCBinaryData){p->tail_seq ? HASH_SIZE : 0, p->tail_hash.bytes};
    say(p, ref, CORE__FRAME__BODY_TAIL, &tail);
}

static void refuse(struct peer *p, uint64_t ref, const char *code, uint64_t expected)
{
    Core__Refused refused = CORE__REFUSED__INIT;

    refused.code = code;
    refused.text = "because the test says so";
    refused.expected = expected;
    say(p, ref, CORE__FRAME__BODY_REFUSED, &refused);
}

void say_refused(struct peer *p, uint64_t ref, const char *code)
{
    refuse(p, ref, code, 0);
}

void say_order(struct peer *p, uint64_t ref, uint64_t expected)
{
    refuse(p, ref, "seat.order", expected);
}

void say_recorded(struct peer *p, const Core__Frame *f, uint64_t first)
{
    Core__Recorded r = CORE__RECORDED__INIT;
    uint64_t positions[BATCH_MOST];
    int64_t received[BATCH_MOST];

    r.n_positions = r.n_received = f->publish->n_events;
    for (size_t i = 0; i < r.n_positions; i++) {
        positions[i] = first + i;
        received[i] = 1000;
        p->log_head = positions[i] > p->log_head ? positions[i] : p->log_head;
    }
    r.positions = positions;
    r.received = received;
    say(p, f->ref, CORE__FRAME__BODY_RECORDED, &r);
}

void say_deliver(struct peer *p, uint64_t ref, const uint64_t positions[], size_t n)
{
    Core__Deliver deliver = CORE__DELIVER__INIT;
    Core__Record records[16], *list[16];
    uint8_t byte = 1;

    for (size_t i = 0; i < n; i++) {
        core__record__init(&records[i]);
        records[i].position = positions[i];
        p->log_head = positions[i] > p->log_head ? positions[i] : p->log_head;
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
        buf_reset(&p->shown);
        buf_add(&p->shown, f->hello->delegation.data, f->hello->delegation.len);
        if (p->hellos++ >= p->hellos_ignored && p->refuses)
            say_refused(p, f->ref, p->refuses);
        else if (p->hellos > p->hellos_ignored)
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

char *path_in(const struct peer *p, const char *name)
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

void client_open_in(struct peer *p, int64_t give_up, const char *keep)
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
        .delegation = p->delegation.data,
        .delegation_size = p->delegation.size,
    };

    p->client_closed = false;
    int rc = chancery_open(&p->client, &p->loop, &options, why);
    if (rc)
        fail_msg("%s", why);
    mem_free(endpoint);
    mem_free(key_file);
    mem_free(keep_dir);
}

void client_open(struct peer *p, int64_t give_up, bool keep)
{
    client_open_in(p, give_up, keep ? "keep" : NULL);
}

struct peer *peer_new(void)
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

void on_client_closed(void *arg)
{
    ((struct peer *)arg)->client_closed = true;
}

void turn(struct peer *p)
{
    uv_run(&p->loop, UV_RUN_ONCE);
    if (p->late)
        fail_msg("it took too long: frames=%zu results=%zu hellos=%u", p->n, p->n_results,
                 p->hellos);
}

void client_close(struct peer *p)
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

void peer_free(struct peer *p)
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
    buf_free(&p->delegation);
    buf_free(&p->shown);
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

void publish_event(struct peer *p, int number, struct chancery_event e)
{
    struct call *call = mem_new(sizeof *call);

    e.type = "chancery.test.v1.Note";
    e.payload = "payload";
    e.payload_size = 7;
    *call = (struct call){p, number};
    assert_int_equal(chancery_publish(p->client, &e, 1, on_published, call), 0);
}

void publish(struct peer *p, int number)
{
    publish_event(p, number, (struct chancery_event){.stream = "test.in"});
}

int publish_signed(struct peer *p, int number, const Core__Frame *f)
{
    struct chancery_signed events[BATCH_MOST];
    struct call *call = mem_new(sizeof *call);

    for (size_t i = 0; i < f->publish->n_events; i++) {
        const Core__SignedBytes *b = f->publish->events[i];
        events[i] =
            (struct chancery_signed){b->event.data, b->event.len, b->payload.data, b->payload.len};
    }
    *call = (struct call){p, number};
    int rc = chancery_publish_signed(p->client, events, f->publish->n_events, on_published, call);
    if (rc)
        mem_free(call);
    return rc;
}

void until_frames(struct peer *p, size_t n)
{
    while (p->n < n)
        turn(p);
    assert_int_equal(p->n, n);
}

void until_results(struct peer *p, size_t n)
{
    while (p->n_results < n)
        turn(p);
    assert_int_equal(p->n_results, n);
}

Core__Envelope *envelope_of(const Core__Frame *f, size_t i)
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

uint64_t seat_seq_of(const Core__Frame *f)
{
    Core__Envelope *e = envelope_of(f, 0);
    uint64_t seq = e->seat_seq;

    core__envelope__free_unpacked(e, NULL);
    return seq;
}

void assert_same_id(const Core__Frame *a, const Core__Frame *b)
{
    Core__Envelope *x = envelope_of(a, 0), *y = envelope_of(b, 0);

    assert_int_equal(x->id.len, ID_SIZE);
    assert_memory_equal(x->id.data, y->id.data, ID_SIZE);
    core__envelope__free_unpacked(x, NULL);
    core__envelope__free_unpacked(y, NULL);
}

void assert_same_frame(const struct peer *p, size_t a, size_t b)
{
    assert_true(slice_equal(slice_buf(&p->raw[a]), slice_buf(&p->raw[b])));
}

bool same_events(const Core__Frame *a, const Core__Frame *b)
{
    const ProtobufCBinaryData *x = &a->publish->events[0]->event,
                              *y = &b->publish->events[0]->event;

    return slice_equal(slice_of(x->data, x->len), slice_of(y->data, y->len));
}

void copy_keep(const struct peer *p)
{
    char *command = mem_printf("cp -r %s/keep %s/copy", p->dir, p->dir);

    assert_int_equal(system(command), 0);
    mem_free(command);
}

static int count_receipt(void *arg, const struct receipt *receipt)
{
    struct peer *p = arg;

    assert_int_equal(strncmp(receipt->log, "test.example/log", 16), 0);
    p->positions[p->n_positions++] = receipt->record->position;
    return 0;
}

static void no_damage(void *arg, const char *file, uint64_t offset, uint64_t bytes)
{
    (void)arg;
    fail_msg("%s: %llu bytes are damaged at %llu", file, (unsigned long long)bytes,
             (unsigned long long)offset);
}

void read_receipts(struct peer *p, const char *keep)
{
    char *dir = mem_printf("%s/%s/receipts", p->dir, keep);

    p->n_positions = 0;
    assert_int_equal(receipts_each(dir, count_receipt, no_damage, p), 0);
    mem_free(dir);
}
