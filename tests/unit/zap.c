/* SPDX-License-Identifier: Apache-2.0 */
/* The door: its settings as libzmq has them, each way of leaving it open, and who takes whose name.
 *
 * The linker sends zmq_setsockopt here (--wrap), so that a setting can be left out. */
#include "broker/zap.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "tests/support/test.h"

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

enum { PATIENCE = 10000, SHORT = 500 }; /* milliseconds */
enum handler { NONE, HONEST, LAX };

struct door { /* how far it is shut */
    const char *name;
    bool domain, enforced;
    enum handler handler;
};

static const struct door shut = {"shut", true, true, HONEST};
static const struct door *door = &shut;

int __real_zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t size);
int __wrap_zmq_setsockopt(void *socket, int option, const void *value, size_t size)
{
    if ((option == ZMQ_ZAP_DOMAIN && !door->domain) ||
        (option == ZMQ_ZAP_ENFORCE_DOMAIN && !door->enforced))
        return 0;
    return __real_zmq_setsockopt(socket, option, value, size);
}

struct house {
    uv_loop_t loop;
    void *context, *router;
    struct zap *zap;
    struct seat_key server, known, other;
    char endpoint[256];
    struct buf why;
};

static bool is(const struct seat_key *seat, const uint8_t key[KEY_SIZE])
{
    return memcmp(seat->curve_public, key, KEY_SIZE) == 0;
}

static bool on_admits(void *arg, const uint8_t key[KEY_SIZE])
{
    const struct house *h = arg;

    return door->handler == LAX || is(&h->server, key) || is(&h->known, key) || is(&h->other, key);
}

static void house_open(struct house *h, const struct door *how)
{
    size_t size = sizeof h->endpoint;

    *h = (struct house){0};
    door = how;
    uv_loop_init(&h->loop);
    seat_key_make(&h->server, "broker", "QMA/chancery");
    seat_key_make(&h->known, "alice", "QMB/npc");
    seat_key_make(&h->other, "bob", "QMC/npc");
    h->context = zmq_ctx_new();
    if (door->handler != NONE)
        assert_int_equal(zap_open(&h->zap, &h->loop, h->context, on_admits, h, &h->why), 0);
    h->router = zap_router(h->context, &h->server, &h->why);
    assert_non_null(h->router);
    assert_int_equal(zmq_bind(h->router, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(h->router, ZMQ_LAST_ENDPOINT, h->endpoint, &size), 0);
}

static void house_close(struct house *h)
{
    if (h->zap)
        zap_close(h->zap);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&h->loop), 0);
    zmq_close(h->router);
    zmq_ctx_term(h->context);
    buf_free(&h->why);
    door = &shut;
}

static int self_test(struct house *h)
{
    return zap_self_test(&h->loop, h->context, h->endpoint, h->server.curve_public, &h->server,
                         &h->why);
}

static void a_door_that_is_shut_passes_the_self_test(void **unused)
{
    struct house h;

    (void)unused;
    house_open(&h, &shut);
    assert_int_equal(self_test(&h), 0);
    assert_int_equal(h.why.size, 0);
    house_close(&h);
}

static void each_way_of_leaving_it_open_is_found(void **unused)
{
    static const struct door open[] = {
        {"no domain, not enforced, no handler", false, false, NONE},
        {"a domain, not enforced, no handler", true, false, NONE},
        {"no domain, enforced, no handler", false, true, NONE},
        {"no domain, enforced, a handler that is honest", false, true, HONEST},
        {"all of it, and a handler that answers 200", true, true, LAX},
    };
    struct house h;

    (void)unused;
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) {
        house_open(&h, &open[i]);
        int rc = self_test(&h);
        if (rc != ERR_DENIED || !strstr(buf_cstr(&h.why), "let a stranger in"))
            fail_msg("%s: %d %s", open[i].name, rc, buf_cstr(&h.why));
        house_close(&h);
    }
}

static void a_door_that_lets_nobody_in_is_not_served(void **unused)
{
    static const struct door closed = {"no domain, not enforced, honest", false, false, HONEST};
    struct house h;

    (void)unused;
    house_open(&h, &closed); /* the handler is asked, and about a domain that is not its own */
    assert_int_equal(self_test(&h), ERR_DENIED);
    assert_non_null(strstr(buf_cstr(&h.why), "refused the broker's own key"));
    house_close(&h);
}

/* ---- settings, as libzmq says they are ---- */

static int option_of(void *socket, int option)
{
    int value = -1;
    size_t size = sizeof value;

    assert_int_equal(zmq_getsockopt(socket, option, &value, &size), 0);
    return value;
}

static void the_settings_are_those_that_the_threats_ask_for(void **unused)
{
    static const struct {
        int option, value;
    } rows[] = {
        {ZMQ_MECHANISM, ZMQ_CURVE},    {ZMQ_CURVE_SERVER, 1},     {ZMQ_ZAP_ENFORCE_DOMAIN, 1},
        {ZMQ_HANDSHAKE_IVL, 3000},     {ZMQ_SNDHWM, 64},          {ZMQ_RCVHWM, 64},
        {ZMQ_HEARTBEAT_IVL, 2000},     {ZMQ_HEARTBEAT_TTL, 8000}, {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_HEARTBEAT_TIMEOUT, 6000}, {ZMQ_TYPE, ZMQ_ROUTER},    {ZMQ_LINGER, 200},
    };
    struct house h;
    int64_t most;
    char domain[64];
    size_t size = sizeof most, domain_size = sizeof domain;

    (void)unused;
    house_open(&h, &shut);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (option_of(h.router, rows[i].option) != rows[i].value)
            fail_msg("option %d is %d", rows[i].option, option_of(h.router, rows[i].option));
    assert_int_equal(zmq_getsockopt(h.router, ZMQ_MAXMSGSIZE, &most, &size), 0);
    assert_in_range(most, FRAME_MOST, FRAME_MOST + 4096);
    assert_int_equal(zmq_getsockopt(h.router, ZMQ_ZAP_DOMAIN, domain, &domain_size), 0);
    assert_string_equal(domain, "chancery");
    /* ROUTER_MANDATORY and ROUTER_HANDOVER cannot be read back: what they do, below */
    house_close(&h);
}

static void what_goes_to_nobody_is_told(void **unused)
{
    struct house h;

    (void)unused;
    house_open(&h, &shut);
    assert_int_equal(zmq_send(h.router, "\0none", 5, ZMQ_SNDMORE), -1);
    assert_int_equal(zmq_errno(), EHOSTUNREACH);
    house_close(&h);
}

/* ---- routing ids ---- */

struct caller {
    void *socket;
    char id[8]; /* its routing id, as the router says */
    int id_size;
};

static void call(struct caller *c, struct house *h, const struct seat_key *key, const char *id,
                 int size)
{
    int none = 0, patience = SHORT;

    *c = (struct caller){.socket = zmq_socket(h->context, ZMQ_DEALER)};
    zmq_setsockopt(c->socket, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(c->socket, ZMQ_RCVTIMEO, &patience, sizeof patience);
    if (size)
        assert_int_equal(zmq_setsockopt(c->socket, ZMQ_ROUTING_ID, id, (size_t)size), 0);
    zmq_setsockopt(c->socket, ZMQ_CURVE_SERVERKEY, h->server.curve_public, KEY_SIZE);
    zmq_setsockopt(c->socket, ZMQ_CURVE_PUBLICKEY, key->curve_public, KEY_SIZE);
    zmq_setsockopt(c->socket, ZMQ_CURVE_SECRETKEY, key->curve_secret, KEY_SIZE);
    assert_int_equal(zmq_connect(c->socket, h->endpoint), 0);
}

/* What the router receives next while the handler answers; its size, or -1 after `patience`. */
static int take(struct house *h, struct caller *from, int patience)
{
    zmq_pollitem_t item = {h->router, 0, ZMQ_POLLIN, 0};
    char byte;

    while (patience > 0 && zmq_poll(&item, 1, 10) == 0) {
        uv_run(&h->loop, UV_RUN_NOWAIT);
        patience -= 10;
    }
    if (!(item.revents & ZMQ_POLLIN))
        return -1;
    from->id_size = zmq_recv(h->router, from->id, sizeof from->id, 0);
    return zmq_recv(h->router, &byte, 1, 0);
}

static void answer(struct house *h, const struct caller *to)
{
    assert_int_equal(zmq_send(h->router, to->id, (size_t)to->id_size, ZMQ_SNDMORE), to->id_size);
    assert_int_equal(zmq_send(h->router, "y", 1, 0), 1);
}

static void no_answer_of_a_victim_reaches(const struct seat_key *key)
{
    struct house h;
    struct caller victim, squatter, from;
    char byte;

    house_open(&h, &shut);
    call(&victim, &h, &h.known, NULL, 0);
    assert_int_equal(zmq_send(victim.socket, "x", 1, 0), 1);
    assert_int_equal(take(&h, &victim, PATIENCE), 1);
    assert_int_equal(victim.id_size, 5);
    call(&squatter, &h, key ? key : &h.other, victim.id, victim.id_size);
    assert_int_equal(zmq_send(squatter.socket, "x", 1, 0), 1);
    assert_int_equal(take(&h, &from, SHORT), -1); /* it is not heard */
    answer(&h, &victim);
    assert_int_equal(zmq_recv(squatter.socket, &byte, 1, 0), -1); /* and hears nothing */
    assert_int_equal(zmq_recv(victim.socket, &byte, 1, 0), 1);
    assert_int_equal(zmq_send(victim.socket, "x", 1, 0), 1);
    assert_int_equal(take(&h, &from, PATIENCE), 1);
    assert_memory_equal(from.id, victim.id, 5);
    zmq_close(victim.socket);
    zmq_close(squatter.socket);
    house_close(&h);
}

static void another_seat_cannot_take_a_routing_id(void **unused)
{
    (void)unused;
    no_answer_of_a_victim_reaches(NULL);
}

static void a_stranger_cannot_take_a_routing_id(void **unused)
{
    struct seat_key stranger;

    (void)unused;
    seat_key_make(&stranger, "mallory", "QMZ/npc");
    no_answer_of_a_victim_reaches(&stranger);
}

/* libzmq aborts when its count of ids comes to one that a peer has chosen. */
static void where_routing_ids_begin_is_nobody_s_to_know(void **unused)
{
    struct house h;
    struct caller c;
    char first[8];

    (void)unused;
    for (int i = 0; i < 2; i++) {
        srand(1); /* as in every process that has just begun */
        house_open(&h, &shut);
        call(&c, &h, &h.known, NULL, 0);
        assert_int_equal(zmq_send(c.socket, "x", 1, 0), 1);
        assert_int_equal(take(&h, &c, PATIENCE), 1);
        zmq_close(c.socket);
        if (i)
            assert_memory_not_equal(c.id, first, 5);
        memcpy(first, c.id, sizeof first);
        house_close(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_door_that_is_shut_passes_the_self_test),
        cmocka_unit_test(each_way_of_leaving_it_open_is_found),
        cmocka_unit_test(a_door_that_lets_nobody_in_is_not_served),
        cmocka_unit_test(the_settings_are_those_that_the_threats_ask_for),
        cmocka_unit_test(what_goes_to_nobody_is_told),
        cmocka_unit_test(another_seat_cannot_take_a_routing_id),
        cmocka_unit_test(a_stranger_cannot_take_a_routing_id),
        cmocka_unit_test(where_routing_ids_begin_is_nobody_s_to_know),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
