/* SPDX-License-Identifier: Apache-2.0 */
/* notify.h - how this process fares, told to the service manager
 *
 * Datagrams to $NOTIFY_SOCKET, as sd_notify(3) describes them; without one nothing is sent. Nothing
 * waits: what a manager does not read is lost.
 *
 * The watchdog is not fed because time passed.  At each look the process says whether its work went
 * on since the last one, and only then the manager hears of it; one that hears nothing for
 * $WATCHDOG_USEC ends the process and starts it again.
 */
#pragma once

#include <uv.h>

#include "lib/slice.h"

/* Lines "VARIABLE=value", e.g. "READY=1\nSTATUS=serving"; at most 512 bytes. */
void notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* On the loop: true when the work went on or there is none.  Adds how things stand, one line. */
typedef bool watchdog_look(void *arg, struct buf *status);

struct watchdog {
    uv_timer_t timer;
    watchdog_look *look;
    void *arg;
    bool feeds; /* the manager waits for it */
};

/* Looks four times in $WATCHDOG_USEC, and each 5 s where the manager wants no more than a status.
 */
void watchdog_start(struct watchdog *w, uv_loop_t *loop, watchdog_look *look, void *arg);
/* Closes the timer. */
void watchdog_stop(struct watchdog *w);
