/* SPDX-License-Identifier: Apache-2.0 */
/* zsock.h - a ZeroMQ socket on a libuv loop; the only file that knows ZMQ_FD
 *
 * ZMQ_FD is edge-triggered and speaks of the socket's mailbox, not of messages; so: prepare asks
 * ZMQ_EVENTS and starts an idle handle if input is left, check drains a bounded number of messages,
 * the poll callback only wakes the loop, and ZMQ_EVENTS is read again after every send.
 */
#pragma once

#include <uv.h>
#include <zmq.h>

struct zsock;

/* One multipart message: `parts` of it, valid and owned by zsock during the call; the callee may
 * move a part out with zmq_msg_move.  Called for at most `budget` messages a turn of the loop. */
typedef void zsock_receive(void *arg, zmq_msg_t parts[], int n);

enum { ZSOCK_PARTS = 8 }; /* a message of more parts is dropped */

/* Takes the socket over: zsock_close closes it. */
void zsock_open(struct zsock **out, uv_loop_t *loop, void *socket, int budget,
                zsock_receive *receive, void *arg);
void *zsock_socket(struct zsock *z);

/* Sends all parts or none, without blocking: 0, ERR_BUSY (its high-water mark is reached; try again
 * later) or ERR_UNREACHABLE (no such peer).  Parts are taken over on 0. */
int zsock_send(struct zsock *z, zmq_msg_t parts[], int n);

/* `room` is called from the loop, once, when a send may succeed again after ERR_BUSY. */
typedef void zsock_room(void *arg);
void zsock_on_room(struct zsock *z, zsock_room *room); /* with the `arg` of zsock_open */

/* Stops receiving for now (backpressure) or goes on. */
void zsock_pause(struct zsock *z, int paused);

typedef void zsock_closed(void *arg);
/* `closed` (may be NULL) is called from the loop once the handles are gone. */
void zsock_close(struct zsock *z, zsock_closed *closed, void *arg);
