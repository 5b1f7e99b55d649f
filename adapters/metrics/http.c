/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd has an epoll descriptor of its own: when it is readable, or the time that it asked
 * for is over, it runs.  A request that is not answered at once is suspended, and no timeout ends
 * it meanwhile.
 */
#include "adapters/metrics/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { CONNECTIONS = 64, TIMEOUT = 5, REQUEST_BYTES = 16 * 1024, BACKLOG = 64 };

struct http_request {
    struct http *http;
    struct http_request *next; /* of those that wait */
    struct MHD_Connection *connection;
    struct MHD_Response *response; /* NULL = not answered yet */
    unsigned status;
    bool body, suspended;
};

struct http {
    uv_poll_t poll;
    uv_timer_t timer;
    int open; /* handles */
    struct MHD_Daemon *daemon;
    struct http_request *waiting;
    http_get *get;
    void *arg;
};

/* ---- the loop ---- */

static void run(struct http *h);

static void on_timer(uv_timer_t *timer)
{
    run(timer->data);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run(poll->data);
}

static void run(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG wait;

    MHD_run(h->daemon);
    if (MHD_get_timeout(h->daemon, &wait) == MHD_YES)
        uv_timer_start(&h->timer, on_timer, wait, 0);
    else
        uv_timer_stop(&h->timer);
}

/* ---- a request ---- */

void http_answer(struct http_request *r, unsigned status, const char *type, struct slice body)
{
    r->status = status;
    r->response = MHD_create_response_from_buffer(body.size, (void *)(uintptr_t)body.data,
                                                  MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    if (!r->suspended)
        return;
    for (struct http_request **at = &r->http->waiting; *at; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    r->suspended = false;
    MHD_resume_connection(r->connection);
    uv_timer_start(&r->http->timer, on_timer, 0, 0); /* the descriptor does not tell */
}

static void answer_text(struct http_request *r, unsigned status, const char *text)
{
    http_answer(r, status, "text/plain; charset=utf-8", slice_str(text));
}

static void ask(struct http_request *r, const char *method, const char *path)
{
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        answer_text(r, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET\n");
    else if (r->body)
        answer_text(r, MHD_HTTP_BAD_REQUEST, "a GET has no body\n");
    else
        r->http->get(r->http->arg, r, path);
    if (r->response)
        return;
    r->suspended = true;
    r->next = r->http->waiting;
    r->http->waiting = r;
    MHD_suspend_connection(r->connection);
}

/* Called at the head, for each piece of a body, behind it, and again once it was suspended. */
static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_size, void **state)
{
    struct http_request *r = *state;

    (void)version;
    (void)body;
    if (!r) {
        *state = r = mem_new(sizeof *r);
        r->http = arg;
        r->connection = connection;
        return MHD_YES;
    }
    if (*body_size) {
        r->body = true;
        *body_size = 0;
        return MHD_YES;
    }
    if (!r->response)
        ask(r, method, path);
    return r->response ? MHD_queue_response(connection, r->status, r->response) : MHD_YES;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct http_request *r = *state;

    (void)arg;
    (void)connection;
    (void)why;
    if (r && r->response)
        MHD_destroy_response(r->response);
    mem_free(r);
    *state = NULL;
}

/* ---- life ---- */

static int listen_on(const struct sockaddr_storage *address, int *out, struct buf *why)
{
    const int yes = 1;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, (const struct sockaddr *)address, sizeof *address) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *out = fd;
        return 0;
    }
    buf_printf(why, "cannot listen: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return ERR_IO;
}

static int start(struct http *h, int fd, struct buf *why)
{
    h->daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, h,
                         MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)TIMEOUT,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES, MHD_OPTION_END);
    if (h->daemon)
        return 0;
    close(fd);
    buf_add_str(why, "libmicrohttpd cannot be used");
    return ERR_IO;
}

int http_open(struct http **out, uv_loop_t *loop, const struct sockaddr_storage *address,
              http_get *get, void *arg, struct buf *why)
{
    struct http *h = mem_new(sizeof *h);
    int fd, rc = listen_on(address, &fd, why);

    h->get = get;
    h->arg = arg;
    if (rc == 0)
        rc = start(h, fd, why);
    if (rc) {
        mem_free(h);
        return rc;
    }
    int epoll = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    uv_poll_init(loop, &h->poll, epoll);
    uv_timer_init(loop, &h->timer);
    h->poll.data = h->timer.data = h;
    h->open = 2;
    uv_poll_start(&h->poll, UV_READABLE, on_poll);
    *out = h;
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct http *h = handle->data;

    if (--h->open == 0)
        mem_free(h);
}

void http_close(struct http *h)
{
    while (h->waiting)
        answer_text(h->waiting, MHD_HTTP_SERVICE_UNAVAILABLE, "ending\n");
    MHD_stop_daemon(h->daemon);
    uv_close((uv_handle_t *)&h->poll, on_closed);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}
