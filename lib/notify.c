/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - see notify.h
 *
 * Not libsystemd's sd_notify: it would bring six more libraries into every process, the one with
 * the log's key among them, for one datagram.
 */
#include "lib/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"

enum { SAID_MOST = 512, STATUS_MS = 5000, LOOKS = 4 /* in the manager's patience */ };

/* The manager's address: a path, or an abstract name written with '@'. */
static bool manager_find(struct sockaddr_un *to, socklen_t *size)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t n = name ? strlen(name) : 0;

    *to = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (n < 2 || n >= sizeof to->sun_path || (name[0] != '/' && name[0] != '@'))
        return false;
    memcpy(to->sun_path, name, n);
    if (name[0] == '@')
        to->sun_path[0] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    return true;
}

void notify_say(const char *format, ...)
{
    struct sockaddr_un to;
    socklen_t size;
    char text[SAID_MOST];
    va_list args;

    if (!manager_find(&to, &size))
        return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t said = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (sendto(fd, text, said, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&to, size) < 0)
        log_debug("notify.failed", "not sent: %m");
    close(fd);
}

/* The manager's patience in microseconds; 0 = it does not wait for this process. */
static uint64_t patience(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(usec, NULL, 10);
}

static void on_look(uv_timer_t *timer)
{
    struct watchdog *w = timer->data;
    struct buf status = {0};
    bool alive = w->look(w->arg, &status);

    notify_say("%sSTATUS=%s", alive && w->feeds ? "WATCHDOG=1\n" : "", buf_cstr(&status));
    buf_free(&status);
}

void watchdog_start(struct watchdog *w, uv_loop_t *loop, watchdog_look *look, void *arg)
{
    uint64_t wait = patience() / 1000 / LOOKS;

    *w = (struct watchdog){.look = look, .arg = arg, .feeds = wait > 0};
    uv_timer_init(loop, &w->timer);
    w->timer.data = w;
    if (!getenv("NOTIFY_SOCKET"))
        return;
    wait = wait ? wait : STATUS_MS;
    uv_timer_start(&w->timer, on_look, wait, wait);
}

void watchdog_stop(struct watchdog *w)
{
    uv_close((uv_handle_t *)&w->timer, NULL);
}
