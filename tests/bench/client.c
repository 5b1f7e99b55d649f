/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - a running broker as its clients see it
 *
 *   -m pub      publishers with -w events under way, -b to a frame, until -t or -n each
 *   -m read     reads all of the streams from the beginning to the head
 *   -m latency  -r events a second, from publishing to delivery
 *   -m ask      askers with -w questions under way, one answering client
 *   -m stall    -n readings of sessions that take nothing; waits until its input ends
 *   -m ready    the time until the broker says Welcome
 *
 * -d names the instance; -x its seats (publishers and askers have them in turn).  A publisher's
 * stream is -q, a point and its number.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>
#include <zmq.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "lib/settings.h"
#include "lib/sign.h"
#include "tests/bench/bench.h"

#define TYPE "chancery.bench.v1.Note"
enum { SEATS_MOST = 8, PATIENCE_US = 10000000, FRAME_BYTES = 1000000, EVENT_BYTES = 1024 };

struct world { /* what all threads know */
    struct settings settings;
    char *seats[SEATS_MOST];
    size_t n_seats;
    atomic_bool stopping;
};

static const char *seat_of(const struct bench_options *o, size_t i)
{
    const struct world *w = o->arg;

    return w->seats[i % w->n_seats];
}

static char *key_file_of(const struct bench_options *o, const char *seat)
{
    const struct world *w = o->arg;

    return mem_printf("%s/keys/%s.key", w->settings.dir, seat);
}

static struct chancery *client_open(const struct bench_options *o, uv_loop_t *loop, size_t seat)
{
    const struct world *w = o->arg;
    struct chancery *client = NULL;
    char *file = key_file_of(o, seat_of(o, seat)), why[256] = "";

    if (chancery_open(&client, loop,
                      &(struct chancery_options){.endpoint = w->settings.endpoint,
                                                 .server_key = w->settings.server_key,
                                                 .key_file = file,
                                                 .software = "bench"},
                      why) != 0)
        bench_fail("client", why);
    mem_free(file);
    return client;
}

static void client_end(uv_loop_t *loop, struct chancery *client)
{
    chancery_close(client, NULL, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
}

static void await_session(uv_loop_t *loop, struct chancery *client)
{
    while (!chancery_current(client))
        uv_run(loop, UV_RUN_ONCE);
}

/* ---- publishing ---- */

struct publisher {
    struct producer *producer;
    struct chancery *client;
    char stream[65];
    uint8_t *payload;
    uint64_t sent, answered; /* events */
};

struct flight { /* one frame under way */
    struct publisher *publisher;
    uint64_t sent_at;
};

static void on_published(void *arg, const struct chancery_result *result)
{
    struct flight *f = arg;
    struct publisher *p = f->publisher;

    if (result->outcome != CHANCERY_RECORDED)
        bench_fail(result->code, result->text);
    samples_add(&p->producer->latencies, bench_now_ns() - f->sent_at);
    p->answered += result->n;
    mem_free(f);
}

static void publish(struct publisher *p, size_t n)
{
    struct chancery_event events[BATCH_MOST] = {0};
    struct flight *f = mem_new(sizeof *f);

    for (size_t i = 0; i < n; i++)
        events[i] = (struct chancery_event){.stream = p->stream,
                                            .type = TYPE,
                                            .payload = p->payload,
                                            .payload_size = p->producer->options->size};
    *f = (struct flight){p, bench_now_ns()};
    int rc = chancery_publish(p->client, events, n, on_published, f);
    if (rc)
        bench_fail("publish", chancery_err_text(rc));
    p->sent += n;
}

/* Events to a frame: as asked for, as the window and as a frame's bytes allow. */
static size_t batch_of(const struct bench_options *o)
{
    size_t fit = FRAME_BYTES / (o->size + EVENT_BYTES), n = o->batch < fit ? o->batch : fit;

    return n < o->window ? n : o->window;
}

static void fill_window(struct publisher *p)
{
    const struct bench_options *o = p->producer->options;
    size_t batch = batch_of(o);

    for (;;) {
        size_t n = o->count && o->count - p->sent < batch ? o->count - p->sent : batch;
        if (n == 0 || p->sent - p->answered + n > o->window)
            return;
        publish(p, n);
    }
}

static bool is_over(const struct publisher *p)
{
    const struct bench_options *o = p->producer->options;

    return o->count ? p->sent == o->count : bench_now() - p->producer->begun >= o->seconds;
}

static void publisher_open(struct publisher *p, struct producer *producer, uv_loop_t *loop)
{
    const struct bench_options *o = producer->options;

    *p = (struct publisher){.producer = producer, .payload = bench_payload(o->size)};
    snprintf(p->stream, sizeof p->stream, "%s.%zu", o->queue, producer->index);
    p->client = client_open(o, loop, producer->index);
    await_session(loop, p->client);
}

static void publisher_run(struct producer *producer)
{
    struct publisher p;
    uv_loop_t loop;

    uv_loop_init(&loop);
    publisher_open(&p, producer, &loop);
    bench_ready(producer);
    while (!is_over(&p)) {
        fill_window(&p);
        uv_run(&loop, UV_RUN_ONCE);
    }
    while (p.answered < p.sent)
        uv_run(&loop, UV_RUN_ONCE);
    producer->ended = bench_now();
    producer->done = p.answered;
    client_end(&loop, p.client);
    uv_loop_close(&loop);
    mem_free(p.payload);
}

static void pub(struct bench_options *o)
{
    if (o->batch > BATCH_MOST)
        bench_fail("-b", "1 to 64");
    bench_producers(o, o->window > 1 ? "publish pipelined" : "publish one at a time",
                    publisher_run);
}

/* ---- reading ---- */

struct reader {
    struct arena *arena;
    uint64_t n, envelopes; /* records, and bytes of the envelopes of those looked into */
    bool ended;
};

enum { LOOKED_INTO = 100 };

static int on_record(void *arg, const struct chancery_record *record)
{
    struct reader *r = arg;
    struct event e;
    char where[128];

    if (r->n++ >= LOOKED_INTO)
        return 1;
    arena_reset(r->arena);
    if (event_open_head(&e, slice_of(record->event, record->event_size), r->arena, where) != 0)
        bench_fail("record", where);
    r->envelopes += e.signed_event->envelope.len;
    return 1;
}

static void on_ended(void *arg, int err, const char *text)
{
    struct reader *r = arg;

    if (err)
        bench_fail("read", text);
    r->ended = true;
}

static void read_all(struct bench_options *o)
{
    char *pattern = mem_printf("%s*", o->queue);
    const char *streams[] = {pattern, NULL};
    struct reader r = {.arena = arena_new(1 << 20)};
    uv_loop_t loop;

    uv_loop_init(&loop);
    struct chancery *client = client_open(o, &loop, 0);
    await_session(&loop, client);
    struct chancery_read_options options = {.until = chancery_current(client)->head,
                                            .streams = streams,
                                            .record = on_record,
                                            .ended = on_ended,
                                            .arg = &r};
    double begun = bench_now();
    if (chancery_read(client, &options, NULL) != 0)
        bench_fail("read", "not taken");
    while (!r.ended)
        uv_run(&loop, UV_RUN_ONCE);
    bench_report(o, "read a full log", r.n, bench_now() - begun, NULL);
    uint64_t looked_into = r.n < LOOKED_INTO ? r.n : LOOKED_INTO;
    printf("note: an envelope has %.0f bytes\n",
           looked_into ? (double)r.envelopes / (double)looked_into : 0);
    client_end(&loop, client);
    uv_loop_close(&loop);
    arena_free(r.arena);
    mem_free(pattern);
}

/* ---- from publishing to delivery ---- */

struct delivery {
    struct publisher publisher;
    struct samples latencies;
    uint64_t most; /* deliveries */
    bool reading;
};

static int on_delivered(void *arg, const struct chancery_record *record)
{
    struct delivery *d = arg;
    uint64_t sent_at;

    memcpy(&sent_at, record->payload, sizeof sent_at);
    samples_add(&d->latencies, bench_now_ns() - sent_at);
    return 1;
}

static void on_caught_up(void *arg, uint64_t head)
{
    struct delivery *d = arg;

    (void)head;
    d->reading = true;
}

static void on_rate(uv_timer_t *timer)
{
    struct delivery *d = timer->data;
    uint64_t now = bench_now_ns();

    if (d->publisher.sent == d->most)
        return;
    memcpy(d->publisher.payload, &now, sizeof now);
    publish(&d->publisher, 1);
}

static void latency(struct bench_options *o)
{
    struct producer producer = {.options = o};
    struct delivery d = {.most = (uint64_t)(o->seconds * (double)o->rate)};
    uv_loop_t loop;
    uv_timer_t timer;

    if (o->size < sizeof(uint64_t))
        bench_fail("-s", "at least 8");
    uv_loop_init(&loop);
    publisher_open(&d.publisher, &producer, &loop);
    struct chancery *client = client_open(o, &loop, 1);
    await_session(&loop, client);
    const char *streams[] = {d.publisher.stream, NULL};
    if (chancery_read(client,
                      &(struct chancery_read_options){.from = chancery_current(client)->head + 1,
                                                      .streams = streams,
                                                      .record = on_delivered,
                                                      .caught_up = on_caught_up,
                                                      .arg = &d},
                      NULL) != 0)
        bench_fail("read", "not taken");
    while (!d.reading)
        uv_run(&loop, UV_RUN_ONCE);
    uv_timer_init(&loop, &timer);
    timer.data = &d;
    double begun = bench_now();
    uv_timer_start(&timer, on_rate, 0, 1000 / o->rate);
    while (d.latencies.n < d.most || d.publisher.answered < d.publisher.sent)
        uv_run(&loop, UV_RUN_ONCE);
    o->window = 1;
    bench_report(o, "publish to delivery", d.latencies.n, bench_now() - begun, &d.latencies);
    uv_close((uv_handle_t *)&timer, NULL);
    chancery_close(client, NULL, NULL);
    client_end(&loop, d.publisher.client);
    uv_loop_close(&loop);
    samples_free(&producer.latencies);
    samples_free(&d.latencies);
    mem_free(d.publisher.payload);
}

/* ---- asking ---- */

struct answering {
    const struct bench_options *options;
    struct chancery *client;
};

static void on_question(void *arg, const struct chancery_question *q)
{
    struct answering *a = arg;

    chancery_answer(a->client, q->token, q->type, q->payload, q->size, 0, 0);
}

static void on_offer_time(uv_timer_t *timer)
{
    (void)timer; /* comes round to see whether it is time to stop */
}

static void *answering_run(void *arg)
{
    struct answering a = {.options = arg};
    const struct world *w = a.options->arg;
    uv_loop_t loop;
    uv_timer_t timer;

    uv_loop_init(&loop);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_offer_time, 50, 50);
    a.client = client_open(a.options, &loop, w->n_seats - 1);
    chancery_offer(a.client, a.options->queue, on_question, &a);
    while (!w->stopping)
        uv_run(&loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    client_end(&loop, a.client);
    uv_loop_close(&loop);
    return NULL;
}

struct asker {
    struct producer *producer;
    struct chancery *client;
    uint8_t *payload;
    uint64_t sent, answered;
};

struct asked {
    struct asker *asker;
    uint64_t sent_at;
};

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct asked *q = arg;
    struct asker *a = q->asker;

    (void)type, (void)payload, (void)size, (void)as_of;
    if (err)
        bench_fail(code ? code : "ask", text ? text : "");
    samples_add(&a->producer->latencies, bench_now_ns() - q->sent_at);
    a->answered++;
    mem_free(q);
}

static void ask(struct asker *a)
{
    const struct bench_options *o = a->producer->options;
    struct asked *q = mem_new(sizeof *q);

    *q = (struct asked){a, bench_now_ns()};
    if (chancery_ask(a->client, o->queue, TYPE, a->payload, o->size, 0, PATIENCE_US, on_answered,
                     q) != 0)
        bench_fail("ask", "not taken");
    a->sent++;
}

/* The first question waits until somebody offers the service, outside of the clock. */
static void ask_first(struct asker *a, uv_loop_t *loop)
{
    ask(a);
    while (a->answered < a->sent)
        uv_run(loop, UV_RUN_ONCE);
    a->sent = a->answered = 0;
    samples_free(&a->producer->latencies);
}

static void asker_run(struct producer *producer)
{
    const struct bench_options *o = producer->options;
    struct asker a = {.producer = producer, .payload = bench_payload(o->size)};
    uv_loop_t loop;

    uv_loop_init(&loop);
    a.client = client_open(o, &loop, producer->index);
    await_session(&loop, a.client);
    ask_first(&a, &loop);
    bench_ready(producer);
    while (bench_now() - producer->begun < o->seconds) {
        while (a.sent - a.answered < o->window)
            ask(&a);
        uv_run(&loop, UV_RUN_ONCE);
    }
    while (a.answered < a.sent)
        uv_run(&loop, UV_RUN_ONCE);
    producer->ended = bench_now();
    producer->done = a.answered;
    client_end(&loop, a.client);
    uv_loop_close(&loop);
    mem_free(a.payload);
}

static void ask_and_answer(struct bench_options *o)
{
    struct world *w = o->arg;
    pthread_t thread;

    if (pthread_create(&thread, NULL, answering_run, o) != 0)
        bench_fail("thread", "cannot be made");
    bench_producers(o, "ask and answer", asker_run);
    w->stopping = true;
    pthread_join(thread, NULL);
}

/* ---- readers that take nothing ---- */

static void send_frame(void *socket, Core__Frame *frame)
{
    struct buf b = {0};
    size_t size = core__frame__get_packed_size(frame);

    core__frame__pack(frame, buf_grow(&b, size));
    if (zmq_send(socket, b.data, size, 0) < 0)
        bench_fail("send", zmq_strerror(zmq_errno()));
    buf_free(&b);
}

static void await_frame(void *socket, Core__Frame__BodyCase body)
{
    zmq_msg_t m;
    Core__Frame *f;

    zmq_msg_init(&m);
    if (zmq_msg_recv(&m, socket, 0) < 0)
        bench_fail("receive", zmq_strerror(zmq_errno()));
    f = core__frame__unpack(NULL, zmq_msg_size(&m), zmq_msg_data(&m));
    if (!f || f->body_case != body)
        bench_fail("receive", "another frame than expected");
    core__frame__free_unpacked(f, NULL);
    zmq_msg_close(&m);
}

static void *stalled_open(const struct bench_options *o, void *context, size_t i)
{
    const struct world *w = o->arg;
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Hello hello = CORE__HELLO__INIT;
    Core__Read read = CORE__READ__INIT;
    uint8_t server_key[KEY_SIZE];
    struct seat_key key;
    struct buf why = {0};
    int none = 0, few = 1;
    char *file = key_file_of(o, seat_of(o, i));
    void *s = zmq_socket(context, ZMQ_DEALER);

    if (seat_key_read(&key, file, &why) != 0 ||
        !hex_decode(server_key, KEY_SIZE, w->settings.server_key))
        bench_fail(file, buf_cstr(&why));
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(s, ZMQ_RCVHWM, &few, sizeof few);
    zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server_key, KEY_SIZE);
    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key.curve_public, KEY_SIZE);
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key.curve_secret, KEY_SIZE);
    zmq_connect(s, w->settings.endpoint);
    frame.ref = 1;
    frame.body_case = CORE__FRAME__BODY_HELLO;
    hello.version = 1;
    frame.hello = &hello;
    send_frame(s, &frame);
    await_frame(s, CORE__FRAME__BODY_WELCOME);
    frame.ref = 2;
    frame.body_case = CORE__FRAME__BODY_READ;
    frame.read = &read;
    read.credit_events = 1024;
    read.credit_bytes = 1024 * 1024;
    send_frame(s, &frame);
    await_frame(s, CORE__FRAME__BODY_DELIVER); /* the first, and then no more */
    seat_key_clear(&key);
    mem_free(file);
    return s;
}

static void stall(struct bench_options *o)
{
    void *context = zmq_ctx_new(), **sockets = mem_new(o->count * sizeof *sockets);
    char byte;

    for (size_t i = 0; i < o->count; i++)
        sockets[i] = stalled_open(o, context, i);
    printf("stalled\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    for (size_t i = 0; i < o->count; i++)
        zmq_close(sockets[i]);
    zmq_ctx_term(context);
    mem_free(sockets);
}

/* ---- the first Welcome ---- */

static void ready(struct bench_options *o)
{
    uv_loop_t loop;
    double begun = bench_now();

    uv_loop_init(&loop);
    struct chancery *client = client_open(o, &loop, 0);
    await_session(&loop, client);
    bench_report(o, "Welcome", 1, bench_now() - begun, NULL);
    client_end(&loop, client);
    uv_loop_close(&loop);
}

/* ---- */

static void world_open(struct world *w, struct bench_options *o)
{
    struct buf why = {0};
    char *rest, *names = mem_str(o->extra[0] ? o->extra : "officer");

    *w = (struct world){.n_seats = 0};
    if (settings_read(&w->settings, o->dir, NULL, NULL, NULL, NULL, &why) != 0)
        bench_fail(o->dir, buf_cstr(&why));
    for (char *name = strtok_r(names, ",", &rest); name && w->n_seats < SEATS_MOST;
         name = strtok_r(NULL, ",", &rest))
        w->seats[w->n_seats++] = mem_str(name);
    mem_free(names);
    buf_free(&why);
    o->arg = w;
}

static void world_close(struct world *w)
{
    for (size_t i = 0; i < w->n_seats; i++)
        mem_free(w->seats[i]);
    settings_clear(&w->settings);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *mode;
        void (*run)(struct bench_options *o);
    } modes[] = {{"pub", pub},         {"read", read_all},
                 {"latency", latency}, {"ask", ask_and_answer},
                 {"stall", stall},     {"ready", ready}};
    struct bench_options o;
    struct world w;

    mem_for_rushes();
    bench_options(&o, argc, argv, "chancery");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(o.mode, modes[i].mode) == 0) {
            world_open(&w, &o);
            modes[i].run(&o);
            world_close(&w);
            return 0;
        }
    bench_fail("-m", "pub, read, latency, ask, stall or ready");
}
