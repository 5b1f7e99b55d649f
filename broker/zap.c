/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/zap.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

#define ZAP_ENDPOINT "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "chancery"
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN /* in the library, but hidden in zmq.h among the drafts */
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

/* Parts of a request: version, request id, domain, address, identity, mechanism, key. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, REQUEST_PARTS };
enum { ANSWER_PARTS = 6 }; /* version, request id, status, text, user id, metadata */

struct zap {
    struct zsock *socket;
    zap_admits *admits;
    void *arg;
};

/* ---- the handler ---- */

static bool part_is(zmq_msg_t *part, const char *s)
{
    return slice_is(slice_of(zmq_msg_data(part), zmq_msg_size(part)), s);
}

static bool admitted(struct zap *z, zmq_msg_t parts[], int n)
{
    return n == REQUEST_PARTS && part_is(&parts[VERSION], "1.0") &&
           part_is(&parts[DOMAIN], ZAP_DOMAIN) && part_is(&parts[MECHANISM], "CURVE") &&
           zmq_msg_size(&parts[KEY]) == KEY_SIZE && z->admits(z->arg, zmq_msg_data(&parts[KEY]));
}

static void part_set(zmq_msg_t *part, const void *data, size_t size)
{
    zmq_msg_init_size(part, size);
    if (size)
        memcpy(zmq_msg_data(part), data, size);
}

static void on_request(void *arg, zmq_msg_t parts[], int n)
{
    struct zap *z = arg;
    bool ok = admitted(z, parts, n);
    char user[2 * KEY_SIZE + 1] = "";
    const char *answer[ANSWER_PARTS] = {"1.0", NULL, ok ? "200" : "400", ok ? "" : "stranger",
                                        user,  ""};
    zmq_msg_t out[ANSWER_PARTS];

    if (ok)
        hex_encode(user, zmq_msg_data(&parts[KEY]), KEY_SIZE);
    for (int i = 0; i < ANSWER_PARTS; i++)
        if (answer[i])
            part_set(&out[i], answer[i], strlen(answer[i]));
        else if (n > REQUEST_ID)
            part_set(&out[i], zmq_msg_data(&parts[REQUEST_ID]), zmq_msg_size(&parts[REQUEST_ID]));
        else
            part_set(&out[i], NULL, 0);
    if (zsock_send(z->socket, out, ANSWER_PARTS) != 0)
        for (int i = 0; i < ANSWER_PARTS; i++)
            zmq_msg_close(&out[i]);
}

int zap_open(struct zap **out, uv_loop_t *loop, void *context, zap_admits *admits, void *arg,
             struct buf *why)
{
    void *socket = zmq_socket(context, ZMQ_REP);

    if (!socket || zmq_bind(socket, ZAP_ENDPOINT) != 0) {
        buf_printf(why, "zap: cannot bind %s: %s", ZAP_ENDPOINT, zmq_strerror(zmq_errno()));
        if (socket)
            zmq_close(socket);
        return ERR_IO;
    }
    struct zap *z = mem_new(sizeof *z);
    z->admits = admits;
    z->arg = arg;
    zsock_open(&z->socket, loop, socket, 64, on_request, z);
    *out = z;
    return 0;
}

static void on_closed(void *arg)
{
    mem_free(arg);
}

void zap_close(struct zap *z)
{
    zsock_close(z->socket, on_closed, z);
}

/* ---- the guarded socket ---- */

static const struct option {
    int name, value;
} options[] = {
    {ZMQ_CURVE_SERVER, 1},     {ZMQ_ZAP_ENFORCE_DOMAIN, 1}, {ZMQ_ROUTER_MANDATORY, 1},
    {ZMQ_ROUTER_HANDOVER, 0},  {ZMQ_HANDSHAKE_IVL, 3000},   {ZMQ_SNDHWM, 64},
    {ZMQ_RCVHWM, 64},          {ZMQ_HEARTBEAT_IVL, 2000},   {ZMQ_HEARTBEAT_TIMEOUT, 6000},
    {ZMQ_HEARTBEAT_TTL, 8000}, {ZMQ_TCP_KEEPALIVE, 1},      {ZMQ_LINGER, 200},
};

/* A ROUTER counts its routing ids up from what rand() gives, and libzmq aborts when it comes to one
 * that a peer chose for itself: where the count begins is nobody's to know. */
static void *socket_new(void *context)
{
    srand(randombytes_random());
    return zmq_socket(context, ZMQ_ROUTER);
}

void *zap_router(void *context, const struct seat_key *server, struct buf *why)
{
    int64_t most = FRAME_MOST + 4096;
    void *socket = socket_new(context);
    bool ok = socket != NULL;

    for (size_t i = 0; ok && i < sizeof options / sizeof *options; i++)
        ok = zmq_setsockopt(socket, options[i].name, &options[i].value, sizeof(int)) == 0;
    ok = ok && zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)) == 0 &&
         zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most) == 0 &&
         zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, server->curve_secret, KEY_SIZE) == 0;
    if (ok)
        return socket;
    buf_printf(why, "zap: cannot set up the socket: %s", zmq_strerror(zmq_errno()));
    if (socket)
        zmq_close(socket);
    return NULL;
}

/* ---- the self-test ---- */

enum { PROBE_STRANGER, PROBE_KNOWN, PROBES };
enum { TEST_PATIENCE = 10000 }; /* milliseconds */

struct probe {
    struct test *test;
    void *dealer;
    struct zsock *monitor;
    bool done, admitted;
};

struct test {
    uv_timer_t timer;
    struct probe probes[PROBES];
    int open; /* handles that must close before the test's memory goes */
    bool late;
};

static void on_event(void *arg, zmq_msg_t parts[], int n)
{
    struct probe *p = arg;
    uint16_t event;

    (void)n;
    memcpy(&event, zmq_msg_data(&parts[0]), sizeof event);
    p->done = true;
    p->admitted = event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
}

static bool probe_open(struct probe *p, uv_loop_t *loop, void *context, const char *endpoint,
                       const uint8_t server_key[KEY_SIZE], const struct seat_key *key)
{
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    int no_linger = 0, no_reconnect = -1;
    char name[64];

    snprintf(name, sizeof name, "inproc://zap-self-test-%p", (void *)p);
    p->dealer = zmq_socket(context, ZMQ_DEALER);
    void *pair = zmq_socket(context, ZMQ_PAIR);
    bool ok =
        p->dealer && pair &&
        zmq_setsockopt(p->dealer, ZMQ_LINGER, &no_linger, sizeof no_linger) == 0 &&
        zmq_setsockopt(p->dealer, ZMQ_RECONNECT_IVL, &no_reconnect, sizeof no_reconnect) == 0 &&
        zmq_setsockopt(p->dealer, ZMQ_CURVE_SERVERKEY, server_key, KEY_SIZE) == 0 &&
        zmq_setsockopt(p->dealer, ZMQ_CURVE_PUBLICKEY, key->curve_public, KEY_SIZE) == 0 &&
        zmq_setsockopt(p->dealer, ZMQ_CURVE_SECRETKEY, key->curve_secret, KEY_SIZE) == 0 &&
        zmq_socket_monitor(p->dealer, name, events) == 0 && zmq_connect(pair, name) == 0 &&
        zmq_connect(p->dealer, endpoint) == 0;
    if (ok)
        zsock_open(&p->monitor, loop, pair, 8, on_event, p);
    else if (pair)
        zmq_close(pair);
    return ok;
}

static void on_monitor_closed(void *arg)
{
    struct probe *p = arg;

    zmq_close(p->dealer);
    p->test->open--;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct test *t = handle->data;

    t->open--;
}

static void on_late(uv_timer_t *timer)
{
    struct test *t = timer->data;

    t->late = true;
}

static void test_end(struct test *t, uv_loop_t *loop)
{
    for (int i = 0; i < PROBES; i++) {
        if (t->probes[i].monitor)
            zsock_close(t->probes[i].monitor, on_monitor_closed, &t->probes[i]);
        else if (t->probes[i].dealer)
            zmq_close(t->probes[i].dealer);
    }
    uv_close((uv_handle_t *)&t->timer, on_timer_closed);
    while (t->open)
        uv_run(loop, UV_RUN_ONCE);
}

static int verdict(const struct test *t, const char *endpoint, struct buf *why)
{
    const struct probe *stranger = &t->probes[PROBE_STRANGER], *known = &t->probes[PROBE_KNOWN];

    if (stranger->admitted)
        buf_printf(why, "zap: self-test: %s let a stranger in; refusing to serve", endpoint);
    else if (known->done && !known->admitted)
        buf_printf(why, "zap: self-test: %s refused the broker's own key; is it registered?",
                   endpoint);
    else if (!stranger->done || !known->done)
        buf_printf(why, "zap: self-test: %s did not answer in %d s", endpoint,
                   TEST_PATIENCE / 1000);
    return !stranger->admitted && stranger->done && known->admitted ? 0 : ERR_DENIED;
}

int zap_self_test(uv_loop_t *loop, void *context, const char *endpoint,
                  const uint8_t server_key[KEY_SIZE], const struct seat_key *known, struct buf *why)
{
    struct test t = {.open = 1};
    struct seat_key stranger;

    seat_key_make(&stranger, "stranger", "stranger/stranger");
    const struct seat_key *keys[PROBES] = {&stranger, known};
    uv_timer_init(loop, &t.timer);
    t.timer.data = &t;
    uv_timer_start(&t.timer, on_late, TEST_PATIENCE, 0);
    for (int i = 0; i < PROBES; i++) {
        t.probes[i].test = &t;
        if (probe_open(&t.probes[i], loop, context, endpoint, server_key, keys[i]))
            t.open++;
    }
    while (!t.late && !(t.probes[PROBE_STRANGER].done && t.probes[PROBE_KNOWN].done))
        uv_run(loop, UV_RUN_ONCE);
    test_end(&t, loop);
    seat_key_clear(&stranger);
    return verdict(&t, endpoint, why);
}
