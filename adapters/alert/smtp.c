/* SPDX-License-Identifier: Apache-2.0 */
/* smtp.c - see smtp.h
 *
 * curl says which sockets it waits for and when it wants to be woken; the loop tells it what
 * happened. A finished transfer is looked for after each of these two.
 */
#include "adapters/alert/smtp.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { CONNECT_SECONDS = 30, TRANSFER_SECONDS = 600 };

struct watch { /* a socket of curl's */
    uv_poll_t poll;
    curl_socket_t socket;
    struct smtp *smtp;
};

struct smtp {
    uv_loop_t *loop;
    const struct smtp_options *options;
    CURLM *multi;
    CURL *easy;
    uv_timer_t timer;
    size_t handles; /* of the loop that are not closed yet */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;
    curl_socket_t connection; /* the newest; shut down before curl would wait for its farewell */
    /* the mail under way */
    bool busy;
    smtp_done *done;
    void *arg;
    struct buf mail;
    size_t sent;
    struct curl_slist *recipients;
    char answer[SMTP_ANSWER_SIZE]; /* the last one */
    char failure[CURL_ERROR_SIZE];
};

/* ---- the answer ---- */

static void answer_add(struct smtp *s, const char *text, size_t size)
{
    size_t n = strlen(s->answer);

    for (size_t i = 0; i < size && n + 1 < sizeof(s->answer); i++)
        s->answer[n++] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
    s->answer[n] = '\0';
}

/* A line of the server's.  The lines of one answer are joined; the answer to QUIT is not the
 * mail's. */
static size_t on_line(char *data, size_t size, size_t n, void *arg)
{
    struct smtp *s = arg;
    size_t length = size * n;

    while (length > 0 && (data[length - 1] == '\r' || data[length - 1] == '\n'))
        length--;
    if (length < 3 || strncmp(data, "221", 3) == 0)
        return size * n;
    bool goes_on = strncmp(s->answer, data, 3) == 0 && data[0] != '2' && data[0] != '3';
    if (!goes_on) {
        s->answer[0] = '\0';
        answer_add(s, data, length);
    } else if (length > 4) {
        answer_add(s, " ", 1);
        answer_add(s, data + 4, length - 4);
    }
    return size * n;
}

static size_t on_read(char *data, size_t size, size_t n, void *arg)
{
    struct smtp *s = arg;
    size_t left = s->mail.size - s->sent, room = size * n;

    room = room < left ? room : left;
    if (room > 0)
        memcpy(data, s->mail.data + s->sent, room);
    s->sent += room;
    return room;
}

/* Why no server took or refused the mail; else "mail.unreached". */
static const struct {
    CURLcode code;
    const char *name;
} causes[] = {
    {CURLE_LOGIN_DENIED, "mail.login"},           {CURLE_URL_MALFORMAT, "mail.url"},
    {CURLE_USE_SSL_FAILED, "mail.tls"},           {CURLE_SSL_CONNECT_ERROR, "mail.tls"},
    {CURLE_PEER_FAILED_VERIFICATION, "mail.tls"},
};

static struct smtp_result judge(struct smtp *s, CURLcode code)
{
    long answer = strtol(s->answer, NULL, 10);

    if (code == CURLE_OK)
        return (struct smtp_result){SMTP_TAKEN, "", true, s->answer};
    if (s->failure[0] == '\0')
        snprintf(s->failure, sizeof(s->failure), "%s", curl_easy_strerror(code));
    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
        if (code == causes[i].code)
            return (struct smtp_result){SMTP_LATER, causes[i].name, false,
                                        answer >= 400 ? s->answer : s->failure};
    if (answer >= 500 && answer < 600)
        return (struct smtp_result){SMTP_NEVER, "mail.rejected", true, s->answer};
    if (answer >= 400 && answer < 500)
        return (struct smtp_result){SMTP_LATER, "mail.deferred", true, s->answer};
    return (struct smtp_result){SMTP_LATER, "mail.unreached", false, s->failure};
}

static void mail_drop(struct smtp *s)
{
    curl_slist_free_all(s->recipients);
    s->recipients = NULL;
    buf_free(&s->mail);
    s->busy = false;
}

static void look_for_end(struct smtp *s)
{
    const CURLMsg *message;
    int left;

    while ((message = curl_multi_info_read(s->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        struct smtp_result result = judge(s, message->data.result);
        curl_multi_remove_handle(s->multi, s->easy);
        mail_drop(s);
        s->done(s->arg, &result);
    }
}

/* ---- the loop ---- */

static void smtp_gone(struct smtp *s)
{
    if (!s->closing || s->handles > 0)
        return;
    curl_easy_cleanup(s->easy);
    if (s->closed)
        s->closed(s->closed_arg);
    mem_free(s);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    struct smtp *s = w->smtp;

    mem_free(w);
    s->handles--;
    smtp_gone(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct smtp *s = handle->data;

    s->handles--;
    smtp_gone(s);
}

static void on_timeout(uv_timer_t *timer)
{
    struct smtp *s = timer->data;
    int running;

    curl_multi_socket_action(s->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    look_for_end(s);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    struct smtp *s = w->smtp;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0, running;

    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(s->multi, w->socket, flags, &running);
    look_for_end(s);
}

static int on_timer_wish(CURLM *multi, long ms, void *arg)
{
    struct smtp *s = arg;

    (void)multi;
    if (s->closing || ms < 0)
        uv_timer_stop(&s->timer);
    else
        uv_timer_start(&s->timer, on_timeout, (uint64_t)ms, 0);
    return 0;
}

static struct watch *watch_new(struct smtp *s, curl_socket_t socket)
{
    struct watch *w = mem_new(sizeof(*w));

    *w = (struct watch){.socket = socket, .smtp = s};
    if (uv_poll_init_socket(s->loop, &w->poll, socket) != 0) {
        mem_free(w);
        return NULL;
    }
    w->poll.data = w;
    s->handles++;
    curl_multi_assign(s->multi, socket, w);
    return w;
}

static int on_socket_wish(CURL *easy, curl_socket_t socket, int what, void *arg, void *known)
{
    struct smtp *s = arg;
    struct watch *w = known;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            uv_poll_stop(&w->poll);
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            curl_multi_assign(s->multi, socket, NULL);
        }
        return 0;
    }
    if (!w && !(w = watch_new(s, socket)))
        return -1;
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&w->poll, events, on_ready) == 0 ? 0 : -1;
}

static curl_socket_t on_socket_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct smtp *s = arg;

    (void)purpose;
    s->connection = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    return s->connection;
}

static int on_socket_close(void *arg, curl_socket_t socket)
{
    struct smtp *s = arg;

    if (socket == s->connection)
        s->connection = CURL_SOCKET_BAD;
    return close(socket);
}

/* ---- opening, sending, closing ---- */

static void set_options(struct smtp *s)
{
    const struct smtp_options *o = s->options;
    CURL *e = s->easy;

    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_URL, o->url);
    curl_easy_setopt(e, CURLOPT_MAIL_FROM, o->from);
    if (o->user) {
        curl_easy_setopt(e, CURLOPT_USERNAME, o->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, o->password);
    }
    curl_easy_setopt(e, CURLOPT_USE_SSL,
                     (long)(o->tls_required ? CURLUSESSL_ALL
                            : o->tls_wanted ? CURLUSESSL_TRY
                                            : CURLUSESSL_NONE));
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(e, CURLOPT_SERVER_RESPONSE_TIMEOUT, o->patience);
    curl_easy_setopt(e, CURLOPT_TIMEOUT, (long)TRANSFER_SECONDS);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(e, CURLOPT_READDATA, s);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_line);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_socket_open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_socket_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, s);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->failure);
}

int smtp_open(struct smtp **out, uv_loop_t *loop, const struct smtp_options *options)
{
    struct smtp *s = mem_new(sizeof(*s));

    s->loop = loop;
    s->options = options;
    s->connection = CURL_SOCKET_BAD;
    s->multi = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? curl_multi_init() : NULL;
    s->easy = s->multi ? curl_easy_init() : NULL;
    if (!s->easy) {
        curl_multi_cleanup(s->multi);
        mem_free(s);
        return ERR_IO;
    }
    uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    s->handles = 1;
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wish);
    curl_multi_setopt(s->multi, CURLMOPT_SOCKETDATA, s);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(s->multi, CURLMOPT_TIMERDATA, s);
    set_options(s);
    *out = s;
    return 0;
}

bool smtp_busy(const struct smtp *s)
{
    return s->busy;
}

void smtp_send(struct smtp *s, const char *recipient, struct buf *mail, smtp_done *done, void *arg)
{
    s->busy = true;
    s->done = done;
    s->arg = arg;
    s->mail = *mail;
    *mail = (struct buf){0};
    s->sent = 0;
    s->answer[0] = '\0';
    s->failure[0] = '\0';
    s->recipients = curl_slist_append(NULL, recipient);
    curl_easy_setopt(s->easy, CURLOPT_MAIL_RCPT, s->recipients);
    curl_easy_setopt(s->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)s->mail.size);
    curl_multi_add_handle(s->multi, s->easy);
}

/* curl says QUIT and waits for the answer when it gives a connection up: a server that hangs would
 * hold the process for minutes, so the connection is shut down before. */
void smtp_close(struct smtp *s, void (*closed)(void *arg), void *arg)
{
    s->closing = true;
    s->closed = closed;
    s->closed_arg = arg;
    if (s->connection != CURL_SOCKET_BAD)
        shutdown(s->connection, SHUT_RDWR);
    if (s->busy)
        curl_multi_remove_handle(s->multi, s->easy);
    mail_drop(s);
    curl_multi_cleanup(s->multi);
    uv_timer_stop(&s->timer);
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}
