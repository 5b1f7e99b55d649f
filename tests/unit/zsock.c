/* SPDX-License-Identifier: Apache-2.0 */
/* A socket on a loop: bursts, bounded turns, a full queue, closing from within. */
#include <stdbool.h>
#include <stdlib.h>
#include <uv.h>
#include <zmq.h>

#include "lib/err.h"
#include "lib/zsock.h"
#include "tests/support/test.h"

enum { BURST = 200, HIGH_WATER = 4 };

struct pair { /* `left` is a plain socket, `right` is on the loop */
    uv_loop_t loop;
    uv_timer_t limit;
    void *context, *left;
    struct zsock *right;
    int received, rooms, closes;
    int close_at;
    bool late;
};

static void on_limit(uv_timer_t *timer)
{
    ((struct pair *)timer->data)->late = true;
}

static void on_closed(void *arg)
{
    ((struct pair *)arg)->closes++;
}

static void on_receive(void *arg, zmq_msg_t parts[], int n)
{
    struct pair *p = arg;

    (void)parts;
    assert_int_equal(n, 1);
    p->received++;
    if (p->received == p->close_at)
        zsock_close(p->right, on_closed, p);
}

static void on_room(void *arg)
{
    ((struct pair *)arg)->rooms++;
}

static void pair_open(struct pair *p)
{
    int high = HIGH_WATER;

    *p = (struct pair){0};
    uv_loop_init(&p->loop);
    uv_timer_init(&p->loop, &p->limit);
    p->limit.data = p;
    uv_timer_start(&p->limit, on_limit, 20000, 0);
    p->context = zmq_ctx_new();
    p->left = zmq_socket(p->context, ZMQ_PAIR);
    void *right = zmq_socket(p->context, ZMQ_PAIR);
    zmq_setsockopt(right, ZMQ_SNDHWM, &high, sizeof high);
    zmq_setsockopt(p->left, ZMQ_RCVHWM, &high, sizeof high);
    assert_int_equal(zmq_bind(p->left, "inproc://pair"), 0);
    assert_int_equal(zmq_connect(right, "inproc://pair"), 0);
    zsock_open(&p->right, &p->loop, right, 8, on_receive, p);
    zsock_on_room(p->right, on_room);
}

static void pair_close(struct pair *p)
{
    if (p->close_at == 0 || p->received < p->close_at)
        zsock_close(p->right, on_closed, p);
    uv_close((uv_handle_t *)&p->limit, NULL);
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(p->closes, 1);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    zmq_close(p->left);
    zmq_ctx_term(p->context);
}

static void turns_until(struct pair *p, const int *count, int wanted)
{
    while (*count < wanted && !p->late)
        uv_run(&p->loop, UV_RUN_ONCE);
    assert_int_equal(*count, wanted);
}

static void all_of_a_burst_are_received(void **unused)
{
    struct pair p;

    (void)unused;
    pair_open(&p);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(zmq_send(p.left, "x", 1, 0), 1);
    turns_until(&p, &p.received, BURST);
    pair_close(&p);
}

static void a_paused_socket_receives_once_it_goes_on(void **unused)
{
    struct pair p;

    (void)unused;
    pair_open(&p);
    zsock_pause(p.right, 1);
    for (int i = 0; i < BURST; i++)
        assert_int_equal(zmq_send(p.left, "x", 1, 0), 1);
    for (int i = 0; i < 10; i++)
        uv_run(&p.loop, UV_RUN_NOWAIT);
    assert_int_equal(p.received, 0);
    zsock_pause(p.right, 0);
    turns_until(&p, &p.received, BURST);
    pair_close(&p);
}

static int send_one(struct pair *p)
{
    zmq_msg_t message;

    zmq_msg_init_size(&message, 1);
    int rc = zsock_send(p->right, &message, 1);
    zmq_msg_close(&message);
    return rc;
}

static void a_full_socket_is_busy_and_tells_of_room_once(void **unused)
{
    struct pair p;
    char byte;
    int sent = 0;

    (void)unused;
    pair_open(&p);
    while (send_one(&p) == 0)
        sent++;
    assert_true(sent >= HIGH_WATER);
    assert_int_equal(send_one(&p), ERR_BUSY);
    uv_run(&p.loop, UV_RUN_NOWAIT);
    assert_int_equal(p.rooms, 0);
    while (sent-- > 0)
        assert_int_equal(zmq_recv(p.left, &byte, 1, 0), 1);
    turns_until(&p, &p.rooms, 1);
    assert_int_equal(send_one(&p), 0);
    for (int i = 0; i < 10; i++)
        uv_run(&p.loop, UV_RUN_NOWAIT);
    assert_int_equal(p.rooms, 1);
    pair_close(&p);
}

static void a_socket_may_be_closed_while_it_receives(void **unused)
{
    struct pair p;

    (void)unused;
    pair_open(&p);
    p.close_at = 3;
    for (int i = 0; i < BURST; i++)
        assert_int_equal(zmq_send(p.left, "x", 1, 0), 1);
    turns_until(&p, &p.received, 3);
    uv_run(&p.loop, UV_RUN_NOWAIT);
    assert_int_equal(p.received, 3);
    pair_close(&p);
}

static void a_message_of_too_many_parts_is_dropped(void **unused)
{
    struct pair p;

    (void)unused;
    pair_open(&p);
    for (int i = 0; i < ZSOCK_PARTS; i++)
        zmq_send(p.left, "x", 1, ZMQ_SNDMORE);
    zmq_send(p.left, "x", 1, 0);
    zmq_send(p.left, "x", 1, 0);
    turns_until(&p, &p.received, 1);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_burst_are_received),
        cmocka_unit_test(a_paused_socket_receives_once_it_goes_on),
        cmocka_unit_test(a_full_socket_is_busy_and_tells_of_room_once),
        cmocka_unit_test(a_socket_may_be_closed_while_it_receives),
        cmocka_unit_test(a_message_of_too_many_parts_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
