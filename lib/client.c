/* SPDX-License-Identifier: Apache-2.0 */
/* client.c - the session of a client: connect, Hello, Ping, begin again
 *
 *     greeting --Welcome--> session --Forgotten--> greeting
 *         ^                    |
 *         +--- silence of 10 s: another socket
 *
 * Hello is repeated until the Welcome to the last one comes.  When a session begins, everything
 * under way is said again; what was left of the old one is dropped.
 */
#include <assert.h>
#include <stdio.h>

#include "lib/client.h"
#include "lib/client_open.h"
#include "lib/delegation.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    PROTOCOL = 1,
    TICK = 250, /* ms */
    SILENT_MOST = 10000 / TICK,
    PING_IDLE = 2000,
    HELLO_WAIT = 250,
    HELLO_WAIT_MOST = 4000,
    RECEIVE_BUDGET = 64,
    ARENA_CAP = 4 * FRAME_MOST,
};

struct outgoing {
    struct outgoing *next;
    zmq_msg_t message;
};

/* ---- sending ---- */

uint64_t client_ref(struct chancery *c)
{
    return ++c->last_ref;
}

static void out_clear(struct chancery *c)
{
    while (c->out) {
        struct outgoing *o = c->out;
        c->out = o->next;
        zmq_msg_close(&o->message);
        mem_free(o);
    }
    c->out_end = &c->out;
}

static void on_room(void *arg)
{
    struct chancery *c = arg;

    while (c->out && zsock_send(c->socket, &c->out->message, 1) == 0) {
        struct outgoing *o = c->out;
        c->out = o->next;
        if (!c->out)
            c->out_end = &c->out;
        mem_free(o);
    }
    if (!c->out)
        client_soon(c);
}

/* Takes the message over: sent now, or when there is room. */
static void send_message(struct chancery *c, zmq_msg_t *message)
{
    if (!c->socket) {
        zmq_msg_close(message);
        return;
    }
    if (!c->out && zsock_send(c->socket, message, 1) == 0)
        return;
    struct outgoing *o = mem_new(sizeof *o);
    zmq_msg_init(&o->message);
    zmq_msg_move(&o->message, message);
    zmq_msg_close(message);
    *c->out_end = o;
    c->out_end = &o->next;
}

static void message_pack(zmq_msg_t *out, const Core__Frame *frame)
{
    zmq_msg_init_size(out, core__frame__get_packed_size(frame));
    core__frame__pack(frame, zmq_msg_data(out));
}

static void send_frame(struct chancery *c, const Core__Frame *frame)
{
    zmq_msg_t message;

    message_pack(&message, frame);
    send_message(c, &message);
}

void client_send(struct chancery *c, const Core__Frame *frame)
{
    if (c->welcome && !c->closing)
        send_frame(c, frame);
}

void client_send_packed(struct chancery *c, zmq_msg_t *frame)
{
    zmq_msg_t message;

    if (!c->welcome || c->closing)
        return;
    zmq_msg_init(&message);
    zmq_msg_copy(&message, frame);
    send_message(c, &message);
}

bool client_idle(const struct chancery *c)
{
    return c->welcome && !c->out;
}

/* ---- what is asked once and answered once ---- */

static void request_link(struct chancery *c, struct request *q)
{
    q->next = NULL;
    q->before = c->requests_last;
    if (q->before)
        q->before->next = q;
    else
        c->requests = q;
    c->requests_last = q;
}

static void request_unlink(struct chancery *c, struct request *q)
{
    if (q->before)
        q->before->next = q->next;
    else
        c->requests = q->next;
    if (q->next)
        q->next->before = q->before;
    else
        c->requests_last = q->before;
}

void request_start(struct chancery *c, struct request *q, Core__Frame *frame)
{
    q->ref = frame->ref = client_ref(c);
    zmq_msg_close(&q->frame); /* of an earlier start */
    message_pack(&q->frame, frame);
    request_link(c, q);
    client_send_packed(c, &q->frame);
}

void request_free(struct request *q)
{
    zmq_msg_close(&q->frame);
    mem_free(q);
}

static bool request_answered(struct chancery *c, const Core__Frame *f)
{
    struct request *q = c->requests;

    while (q && q->ref != f->ref)
        q = q->next;
    if (!q)
        return false;
    request_unlink(c, q);
    if (f->body_case == CORE__FRAME__BODY_REFUSED)
        q->done(c, q, NULL, err_of_code(f->refused->code), f->refused);
    else
        q->done(c, q, f, 0, NULL);
    return true;
}

static void requests_resume(struct chancery *c)
{
    for (struct request *q = c->requests; q; q = q->next)
        client_send_packed(c, &q->frame);
}

/* A callback may end or start others: look again from the beginning after each. */
static void requests_expire(struct chancery *c)
{
    uint64_t now = uv_now(c->loop);
    struct request *q = c->requests;

    while (q && !c->closing) {
        if (!q->deadline || q->deadline > now) {
            q = q->next;
            continue;
        }
        request_unlink(c, q);
        q->done(c, q, NULL, ERR_TIMEOUT, NULL);
        q = c->requests;
    }
}

static void requests_close(struct chancery *c)
{
    while (c->requests) {
        struct request *q = c->requests;
        request_unlink(c, q);
        q->done(c, q, NULL, ERR_CANCELLED, NULL);
    }
}

/* ---- the session ---- */

static void say_hello(struct chancery *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Hello hello = CORE__HELLO__INIT;

    hello.version = PROTOCOL;
    hello.log = c->log ? c->log : "";
    hello.software = c->software;
    hello.delegation = (ProtobufCBinaryData){c->delegation_size, c->delegation};
    frame.ref = c->hello = client_ref(c);
    frame.body_case = CORE__FRAME__BODY_HELLO;
    frame.hello = &hello;
    c->hello_at = uv_now(c->loop);
    out_clear(c);
    send_frame(c, &frame);
}

static void greet(struct chancery *c)
{
    c->welcome = false;
    c->hello_wait = HELLO_WAIT;
    say_hello(c);
}

void client_tell_session(struct chancery *c)
{
    if (!c->welcome || c->told || !publishing_settled(c))
        return;
    c->told = true;
    if (c->on_session)
        c->on_session(c->on_session_arg, &c->session);
}

static void take_ancestors(struct chancery *c, const Core__Welcome *w)
{
    c->n_ancestors = w->n_predecessors;
    c->returning = w->returning;
    c->ancestors = mem_grow(c->ancestors, w->n_predecessors * sizeof *c->ancestors);
    for (size_t i = 0; i < w->n_predecessors; i++) {
        c->ancestors[i].position = w->predecessors[i]->position;
        snprintf(c->ancestors[i].log, sizeof c->ancestors[i].log, "%s", w->predecessors[i]->log);
    }
}

/* Up to where the log of the last session and that of this one are the same. */
static uint64_t common_with(const struct chancery *c, const Core__Welcome *w)
{
    uint64_t common = 0;

    if (c->session.number == 0)
        return UINT64_MAX;
    if (strcmp(c->session_log, w->log) == 0)
        return w->head;
    for (size_t i = 0; i < w->n_predecessors; i++)
        if (strcmp(c->session_log, w->predecessors[i]->log) == 0)
            common = w->predecessors[i]->position;
    return common;
}

static void take_session(struct chancery *c, const Core__Welcome *w)
{
    take_ancestors(c, w);
    snprintf(c->session_log, sizeof c->session_log, "%s", w->log);
    snprintf(c->session_seat, sizeof c->session_seat, "%s", w->seat);
    snprintf(c->session_office, sizeof c->session_office, "%s", w->office);
    c->session = (struct chancery_session){.log = c->session_log,
                                           .seat = c->session_seat,
                                           .office = c->session_office,
                                           .head = w->head,
                                           .mode = (int)w->mode,
                                           .number = c->session.number + 1,
                                           .now = w->now,
                                           .until = w->until};
}

static void on_welcome(struct chancery *c, const Core__Frame *f)
{
    const Core__Welcome *w = f->welcome;

    if (f->ref != c->hello || c->welcome)
        return;
    uint64_t common = common_with(c, w);
    bool same_log = strcmp(c->session_log, w->log) == 0;
    c->welcome = true;
    c->told = false;
    memset(c->receipt_key, 0, KEY_SIZE);
    if (w->receipt_key.len == KEY_SIZE)
        memcpy(c->receipt_key, w->receipt_key.data, KEY_SIZE);
    take_session(c, w);
    if (!same_log && c->session.number > 1)
        tails_forget(&c->publishing);
    publishing_resume(c);
    requests_resume(c);
    readings_resume(c, common, same_log);
    if (c->closing)
        return;
    asking_resume(c);
    parts_resume(c);
    client_tell_session(c);
}

static void on_forgotten(struct chancery *c, const Core__Frame *f)
{
    (void)f;
    if (c->welcome)
        greet(c);
}

static void on_pong(struct chancery *c, const Core__Frame *f)
{
    parts_pong(c, f);
}

static void on_recorded(struct chancery *c, const Core__Frame *f)
{
    publishing_recorded(c, f);
}

static void on_refused(struct chancery *c, const Core__Frame *f)
{
    if (f->ref == c->hello && !c->welcome) {
        log_error("client.session", "the broker refuses the session code=%s text=%s",
                  f->refused->code, f->refused->text);
        c->hello_wait = HELLO_WAIT_MOST;
        if (c->on_refusal)
            c->on_refusal(c->on_refusal_arg, f->refused->code, f->refused->text);
        return;
    }
    if (!publishing_refused(c, f) && !request_answered(c, f) && !readings_refused(c, f) &&
        !parts_refused(c, f) && !asking_refused(c, f))
        log_debug("client.refused", "code=%s text=%s", f->refused->code, f->refused->text);
}

static void on_answer(struct chancery *c, const Core__Frame *f)
{
    request_answered(c, f);
}

static void on_part_stored(struct chancery *c, const Core__Frame *f)
{
    parts_stored(c, f);
}

static const struct frame_row {
    Core__Frame__BodyCase body;
    void (*handle)(struct chancery *c, const Core__Frame *f);
} rows[] = {
    {CORE__FRAME__BODY_WELCOME, on_welcome},
    {CORE__FRAME__BODY_FORGOTTEN, on_forgotten},
    {CORE__FRAME__BODY_PONG, on_pong},
    {CORE__FRAME__BODY_RECORDED, on_recorded},
    {CORE__FRAME__BODY_REFUSED, on_refused},
    {CORE__FRAME__BODY_TAIL, on_answer},
    {CORE__FRAME__BODY_DELIVER, readings_deliver},
    {CORE__FRAME__BODY_CAUGHT_UP, readings_caught_up},
    {CORE__FRAME__BODY_OFFERED, asking_offered},
    {CORE__FRAME__BODY_QUESTION, asking_question},
    {CORE__FRAME__BODY_ANSWER, on_answer},
    {CORE__FRAME__BODY_HEAD, on_answer},
    {CORE__FRAME__BODY_PART_STORED, on_part_stored},
    {CORE__FRAME__BODY_PART_CHUNK, on_answer},
    {CORE__FRAME__BODY_STATUS, on_answer},
    {CORE__FRAME__BODY_ACCESS, on_answer},
    {CORE__FRAME__BODY_REGISTRY, on_answer},
    {CORE__FRAME__BODY_PROOF, on_answer},
};

static void on_receive(void *arg, zmq_msg_t parts[], int n)
{
    struct chancery *c = arg;
    char where[128];
    int err = 0;

    if (n != 1 || c->closing)
        return;
    arena_reset(c->arena);
    const Core__Frame *f = (const Core__Frame *)scan_unpack_lent(
        &core__frame__descriptor, slice_of(zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0])),
        c->arena, &err, where);
    if (!f) {
        log_warn("client.frame", "a frame cannot be read code=%s field=%s", err_code(err), where);
        return;
    }
    c->silent = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].body == f->body_case) {
            rows[i].handle(c, f);
            return;
        }
}

/* ---- the socket ---- */

static int set_number(void *socket, int option, int value)
{
    return zmq_setsockopt(socket, option, &value, sizeof value);
}

/* What comes is what was asked for, as far as credit goes, so no bound of messages is set: libzmq
 * 4.3.4 ends the process when heartbeats of a connection whose queue is full go unanswered (its
 * issues 3937 and 4364), as they do when the caller's loop stands still. */
static int set_options(const struct chancery *c, void *socket)
{
    static const struct {
        int option, value;
    } numbers[] = {
        {ZMQ_LINGER, 0},
        {ZMQ_SNDHWM, 64},
        {ZMQ_RCVHWM, 0},
        {ZMQ_RECONNECT_IVL, 50},
        {ZMQ_RECONNECT_IVL_MAX, 1000},
        {ZMQ_HANDSHAKE_IVL, 3000},
        {ZMQ_HEARTBEAT_IVL, 2000},
        {ZMQ_HEARTBEAT_TIMEOUT, 6000},
        {ZMQ_HEARTBEAT_TTL, 8000},
    };
    int64_t most = FRAME_MOST;
    int rc = zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        rc |= set_number(socket, numbers[i].option, numbers[i].value);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, c->server_key, KEY_SIZE);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, c->key.curve_public, KEY_SIZE);
    rc |= zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, c->key.curve_secret, KEY_SIZE);
    return rc;
}

static int connect_socket(struct chancery *c)
{
    void *socket = zmq_socket(c->context, ZMQ_DEALER);

    if (!socket)
        return ERR_IO;
    if (set_options(c, socket) != 0 || zmq_connect(socket, c->endpoint) != 0) {
        zmq_close(socket);
        return ERR_CONFIG;
    }
    zsock_open(&c->socket, c->loop, socket, RECEIVE_BUDGET, on_receive, c);
    zsock_on_room(c->socket, on_room);
    c->silent = 0;
    greet(c);
    return 0;
}

static void client_free(struct chancery *c);

static void one_closed(struct chancery *c)
{
    if (--c->closings > 0 || !c->closing)
        return;
    publishing_close(c);
    requests_close(c);
    readings_close(c);
    asking_close(c);
    parts_close(c);
    void (*closed)(void *) = c->closed;
    void *arg = c->closed_arg;
    client_free(c);
    if (closed)
        closed(arg);
}

static void on_socket_closed(void *arg)
{
    one_closed(arg);
}

static void drop_socket(struct chancery *c)
{
    out_clear(c);
    c->welcome = false;
    c->closings++;
    zsock_close(c->socket, on_socket_closed, c);
    c->socket = NULL;
}

/* ---- the loop ---- */

static void on_soon(uv_idle_t *idle)
{
    struct chancery *c = idle->data;

    uv_idle_stop(idle);
    readings_turn(c);
    if (!c->closing)
        publishing_turn(c);
    if (!c->closing)
        client_tell_session(c);
    if (!c->closing)
        parts_turn(c);
}

void client_soon(struct chancery *c)
{
    if (!c->closing)
        uv_idle_start(&c->soon, on_soon);
}

static bool outstanding(const struct chancery *c)
{
    return c->requests || c->publishing.flight.first || c->puts;
}

static void say_ping(struct chancery *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Ping ping = CORE__PING__INIT;

    frame.ref = client_ref(c);
    frame.body_case = CORE__FRAME__BODY_PING;
    frame.ping = &ping;
    client_send(c, &frame);
    c->ping_at = uv_now(c->loop);
}

/* Silence is counted in ticks and not by the clock: a loop that was kept busy has not listened. */
static void on_tick(uv_timer_t *timer)
{
    struct chancery *c = timer->data;
    uint64_t now = uv_now(c->loop);

    requests_expire(c);
    if (!c->closing)
        publishing_tick(c);
    if (c->closing)
        return;
    checkpoint_tick(c);
    if (++c->silent > SILENT_MOST) {
        log_warn("client.silence", "connecting again endpoint=%s", c->endpoint);
        c->silent = 0;
        if (c->socket)
            drop_socket(c);
        if (connect_socket(c) != 0)
            log_error("client.connect", "cannot connect endpoint=%s", c->endpoint);
    } else if (!c->welcome && now - c->hello_at >= c->hello_wait) {
        c->hello_wait = c->hello_wait < HELLO_WAIT_MOST ? 2 * c->hello_wait : HELLO_WAIT_MOST;
        say_hello(c);
    } else if (c->welcome && !c->out && (outstanding(c) || now - c->ping_at >= PING_IDLE)) {
        say_ping(c);
    }
}

/* ---- open and close ---- */

static int take_delegation(struct chancery *c, const struct chancery_options *o, struct buf *why)
{
    struct delegation_shown shown;
    char where[128] = "";
    int rc = o->delegation
                 ? delegation_read(&shown, slice_of(o->delegation, o->delegation_size), where)
                 : 0;

    if (rc) {
        buf_printf(why, "not a delegation: %s%s%s", where, where[0] ? ": " : "", err_text(rc));
        return rc;
    }
    if (!o->delegation)
        return 0;
    if (o->keep_dir) {
        buf_add_str(why, "in a delegated session nothing is signed, so nothing is kept");
        return ERR_CONFIG;
    }
    memcpy(c->delegation, o->delegation, o->delegation_size);
    c->delegation_size = o->delegation_size;
    return 0;
}

static int check_options(struct chancery *c, const struct chancery_options *o, struct buf *why)
{
    if (!o->endpoint) {
        buf_add_str(why, "an endpoint is needed");
        return ERR_CONFIG;
    }
    if (!o->server_key || !hex_decode(c->server_key, KEY_SIZE, o->server_key)) {
        buf_add_str(why, "the server key has 64 hexadecimal digits");
        return ERR_CONFIG;
    }
    if (o->software && strlen(o->software) > 64) {
        buf_add_str(why, "the name of the software has at most 64 bytes");
        return ERR_BOUNDS;
    }
    return take_delegation(c, o, why);
}

static int open_key(struct seat_key *key, const char *file, struct buf *why)
{
    if (file)
        return seat_key_open(key, file, why);
    buf_add_str(why, "a key file is needed");
    return ERR_CONFIG;
}

static void start_handles(struct chancery *c)
{
    uv_timer_init(c->loop, &c->tick);
    uv_idle_init(c->loop, &c->soon);
    c->tick.data = c->soon.data = c;
    uv_timer_start(&c->tick, on_tick, TICK, TICK);
}

static void client_free(struct chancery *c)
{
    if (c->context)
        zmq_ctx_term(c->context);
    out_clear(c);
    keep_close(c->publishing.keep);
    arena_free(c->arena);
    seat_key_clear(&c->key);
    mem_free(c->endpoint);
    mem_free(c->log);
    mem_free(c->software);
    mem_free(c->ancestors);
    mem_free(c);
}

int client_open_key(struct chancery **out, struct uv_loop_s *loop,
                    const struct chancery_options *options, struct seat_key *key, char why[256])
{
    struct chancery *c = mem_new(sizeof *c);
    struct buf text = {0};

    c->key = *key;
    c->loop = loop;
    c->out_end = &c->out;
    int rc = check_options(c, options, &text);
    c->endpoint = mem_str(options->endpoint);
    c->log = mem_str(options->log);
    c->software = mem_str(options->software ? options->software : "");
    c->give_up = options->give_up > 0 ? (uint64_t)(options->give_up + 999) / 1000 : 0;
    c->patient = options->patient;
    c->arena = arena_new(ARENA_CAP);
    if (rc == 0)
        rc = publishing_open(c, options, &text);
    if (rc == 0) {
        c->context = zmq_ctx_new();
        rc = c->context ? connect_socket(c) : ERR_IO;
        if (rc)
            buf_printf(&text, "cannot connect to %s: %s", c->endpoint, zmq_strerror(zmq_errno()));
    }
    if (why)
        snprintf(why, 256, "%s", buf_cstr(&text));
    buf_free(&text);
    if (rc) {
        publishing_close(c);
        explicit_bzero(&c->key, sizeof c->key);
        client_free(c);
        *out = NULL;
        return rc;
    }
    explicit_bzero(key, sizeof *key);
    start_handles(c);
    *out = c;
    return 0;
}

int chancery_open(struct chancery **out, struct uv_loop_s *loop,
                  const struct chancery_options *options, char why[256])
{
    struct seat_key key = {0};
    struct buf text = {0};
    int rc = open_key(&key, options->key_file, &text);

    if (rc == 0)
        rc = client_open_key(out, loop, options, &key, why);
    else if (why)
        snprintf(why, 256, "%s", buf_cstr(&text));
    if (rc)
        *out = NULL;
    seat_key_clear(&key);
    buf_free(&text);
    return rc;
}

static void on_closed(uv_handle_t *handle)
{
    one_closed(handle->data);
}

void chancery_close(struct chancery *c, void (*closed)(void *arg), void *arg)
{
    if (!c || c->closing)
        return;
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    c->closings += 2;
    uv_close((uv_handle_t *)&c->tick, on_closed);
    uv_close((uv_handle_t *)&c->soon, on_closed);
    if (c->socket)
        drop_socket(c);
}

void chancery_on_session(struct chancery *c,
                         void (*session)(void *arg, const struct chancery_session *s), void *arg)
{
    c->on_session = session;
    c->on_session_arg = arg;
}

void chancery_on_refusal(struct chancery *c,
                         void (*refused)(void *arg, const char *code, const char *text), void *arg)
{
    c->on_refusal = refused;
    c->on_refusal_arg = arg;
}

const struct chancery_session *chancery_current(const struct chancery *c)
{
    return c->welcome ? &c->session : NULL;
}

const char *chancery_err_code(int err)
{
    return err_code(err);
}

const char *chancery_err_text(int err)
{
    return err_text(err);
}
