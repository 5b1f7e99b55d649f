/* SPDX-License-Identifier: Apache-2.0 */
/* zsock.c - a ZeroMQ socket on a libuv loop
 *
 * Prepare runs after everything else in a turn and just before the loop sleeps: what it asks there
 * is true of all sends and receives of the turn, so no edge of ZMQ_FD is ever missed.
 */
#include "lib/zsock.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "lib/err.h"
#include "lib/mem.h"

struct zsock {
    void *socket;
    int budget;
    zsock_receive *receive;
    zsock_room *room;
    void *arg;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    int handles;       /* not closed yet */
    bool paused, full; /* `full`: a send found no room, and `room` is still to be told */
    zsock_closed *closed;
    void *closed_arg;
};

/* What is possible now, of that which somebody waits for. */
static int ready(const struct zsock *z)
{
    int events = 0;
    size_t size = sizeof events;
    int wanted = (z->paused ? 0 : ZMQ_POLLIN) | (z->full && z->room ? ZMQ_POLLOUT : 0);

    return zmq_getsockopt(z->socket, ZMQ_EVENTS, &events, &size) == 0 ? events & wanted : 0;
}

/* Makes the loop come round at once. */
static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
}

static void on_prepare(uv_prepare_t *handle)
{
    struct zsock *z = handle->data;

    if (ready(z))
        uv_idle_start(&z->idle, on_idle);
}

/* A whole message: the number of its parts, 0 when there is none, -1 when it had too many. */
static int take(struct zsock *z, zmq_msg_t parts[ZSOCK_PARTS])
{
    zmq_msg_t surplus;
    int n = 0;
    bool more = true, dropped = false;

    while (more) {
        zmq_msg_t *part = n < ZSOCK_PARTS ? &parts[n] : &surplus;

        zmq_msg_init(part);
        if (zmq_msg_recv(part, z->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(part);
            break;
        }
        more = zmq_msg_more(part);
        if (part == &surplus) {
            zmq_msg_close(part);
            dropped = true;
        } else {
            n++;
        }
    }
    if (!dropped)
        return n;
    while (n > 0)
        zmq_msg_close(&parts[--n]);
    return -1;
}

static void on_check(uv_check_t *handle)
{
    struct zsock *z = handle->data;
    zmq_msg_t parts[ZSOCK_PARTS];

    uv_idle_stop(&z->idle);
    if (z->full && (ready(z) & ZMQ_POLLOUT)) {
        z->full = false;
        z->room(z->arg);
    }
    for (int i = 0; i < z->budget && z->socket && !z->paused; i++) {
        int n = take(z, parts);

        if (n == 0)
            break;
        if (n > 0)
            z->receive(z->arg, parts, n);
        while (n > 0)
            zmq_msg_close(&parts[--n]);
    }
}

void zsock_open(struct zsock **out, uv_loop_t *loop, void *socket, int budget,
                zsock_receive *receive, void *arg)
{
    struct zsock *z = mem_new(sizeof *z);
    int fd = -1;
    size_t size = sizeof fd;

    assert(budget > 0);
    z->socket = socket;
    z->budget = budget;
    z->receive = receive;
    z->arg = arg;
    z->handles = 4;
    z->poll.data = z->prepare.data = z->check.data = z->idle.data = z;
    int rc = zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    assert(rc == 0);
    rc = uv_poll_init(loop, &z->poll, fd);
    assert(rc == 0);
    uv_prepare_init(loop, &z->prepare);
    uv_check_init(loop, &z->check);
    uv_idle_init(loop, &z->idle);
    uv_poll_start(&z->poll, UV_READABLE, on_poll);
    uv_prepare_start(&z->prepare, on_prepare);
    uv_check_start(&z->check, on_check);
    *out = z;
}

void *zsock_socket(struct zsock *z)
{
    return z->socket;
}

int zsock_send(struct zsock *z, zmq_msg_t parts[], int n)
{
    for (int i = 0; i < n; i++) {
        int more = i + 1 < n ? ZMQ_SNDMORE : 0;

        if (zmq_msg_send(&parts[i], z->socket, ZMQ_DONTWAIT | more) < 0) {
            z->full = i == 0 && errno == EAGAIN;
            return z->full ? ERR_BUSY : ERR_UNREACHABLE;
        }
    }
    return 0;
}

void zsock_on_room(struct zsock *z, zsock_room *room)
{
    z->room = room;
}

void zsock_pause(struct zsock *z, int paused)
{
    z->paused = paused != 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct zsock *z = handle->data;

    if (--z->handles > 0)
        return;
    if (z->closed)
        z->closed(z->closed_arg);
    mem_free(z);
}

void zsock_close(struct zsock *z, zsock_closed *closed, void *arg)
{
    z->closed = closed;
    z->closed_arg = arg;
    uv_close((uv_handle_t *)&z->poll, on_closed); /* no longer polled: before its FD goes */
    uv_close((uv_handle_t *)&z->prepare, on_closed);
    uv_close((uv_handle_t *)&z->check, on_closed);
    uv_close((uv_handle_t *)&z->idle, on_closed);
    zmq_close(z->socket);
    z->socket = NULL;
}
