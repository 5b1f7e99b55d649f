/* SPDX-License-Identifier: Apache-2.0 */
/* sink.c - see sink.h
 *
 * A session: GREETED -> (MAIL -> RCPT -> DATA -> mail kept)*.  Commands are lines of at most 1000
 * bytes; a mail is at most 32 MiB.
 */
#include "adapters/alert/sink.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/slice.h"

enum { LINE_MOST = 1000, MAIL_MOST = 32 * 1024 * 1024, SESSIONS_MOST = 64 };

struct session {
    uv_tcp_t tcp;
    struct sink *sink;
    struct session *next;
    bool from, to, data, ending;
    struct buf line, mail;
};

struct sink {
    uv_tcp_t tcp;
    char *dir;
    unsigned number; /* of the last mail */
    struct session *sessions;
    unsigned n_sessions;
    bool closed;
};

struct reply {
    uv_write_t write;
    bool last;
};

static void sink_gone(struct sink *s)
{
    if (!s->closed || s->n_sessions > 0)
        return;
    mem_free(s->dir);
    mem_free(s);
}

static void on_session_closed(uv_handle_t *handle)
{
    struct session *c = handle->data;
    struct sink *s = c->sink;
    struct session **at = &s->sessions;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    s->n_sessions--;
    buf_free(&c->line);
    buf_free(&c->mail);
    mem_free(c);
    sink_gone(s);
}

static void session_end(struct session *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_session_closed);
}

static void on_replied(uv_write_t *write, int status)
{
    struct reply *r = write->data;
    struct session *c = write->handle->data;

    if (status < 0 || r->last)
        session_end(c);
    mem_free(r);
}

/* `text` has static storage. */
static void reply(struct session *c, const char *text, bool last)
{
    struct reply *r = mem_new(sizeof(*r));
    uv_buf_t buf = {.base = NULL, .len = strlen(text)};

    memcpy(&buf.base, &text, sizeof(text)); /* libuv does not write into it */
    r->write.data = r;
    r->last = last;
    c->ending = last;
    if (uv_write(&r->write, (uv_stream_t *)&c->tcp, &buf, 1, on_replied) != 0) {
        mem_free(r);
        session_end(c);
    }
}

/* ---- commands ---- */

/* Returns false when the file could not be written whole. */
static bool file_write(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0;

    for (size_t done = 0; good && done < bytes.size;) {
        ssize_t n = write(fd, bytes.data + done, bytes.size - done);
        good = n > 0;
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0 && close(fd) != 0)
        good = false;
    return good;
}

static bool mail_keep(struct sink *s, struct slice mail)
{
    unsigned number = s->number + 1;
    char *name = mem_printf("%s/%04u.eml", s->dir, number);
    char *part = mem_printf("%s/.%04u.part", s->dir, number);
    bool good = file_write(part, mail) && rename(part, name) == 0;

    if (good)
        s->number = number;
    mem_free(name);
    mem_free(part);
    return good;
}

static void on_hello(struct session *c)
{
    reply(c, "250-localhost\r\n250-8BITMIME\r\n250 SIZE 33554432\r\n", false);
}

static void on_from(struct session *c)
{
    c->from = true;
    c->to = false;
    reply(c, "250 2.1.0 sender ok\r\n", false);
}

static void on_to(struct session *c)
{
    c->to = c->from;
    reply(c, c->from ? "250 2.1.5 recipient ok\r\n" : "503 5.5.1 MAIL first\r\n", false);
}

static void on_data(struct session *c)
{
    c->data = c->to;
    reply(c, c->to ? "354 end with a full stop alone\r\n" : "503 5.5.1 RCPT first\r\n", false);
}

static void on_reset(struct session *c)
{
    c->from = c->to = false;
    reply(c, "250 2.0.0 ok\r\n", false);
}

static void on_nothing(struct session *c)
{
    reply(c, "250 2.0.0 ok\r\n", false);
}

static void on_quit(struct session *c)
{
    reply(c, "221 2.0.0 bye\r\n", true);
}

static const struct command {
    const char *word;
    void (*run)(struct session *c);
} commands[] = {
    {"EHLO", on_hello}, {"HELO", on_hello}, {"MAIL", on_from},    {"RCPT", on_to},
    {"DATA", on_data},  {"RSET", on_reset}, {"NOOP", on_nothing}, {"QUIT", on_quit},
};

static void on_command(struct session *c, const char *line)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strncasecmp(line, commands[i].word, 4) == 0) {
            commands[i].run(c);
            return;
        }
    reply(c, "500 5.5.2 unknown command\r\n", false);
}

/* A line of the mail, with its CRLF; a full stop at its start was doubled (RFC 5321 4.5.2). */
static void on_mail_line(struct session *c, struct slice line)
{
    if (line.size != 3 || line.data[0] != '.') {
        size_t stop = line.data[0] == '.';
        if (c->mail.size <= MAIL_MOST)
            buf_add(&c->mail, line.data + stop, line.size - stop);
        return;
    }
    c->data = c->from = c->to = false;
    if (c->mail.size > MAIL_MOST)
        reply(c, "552 5.3.4 too large\r\n", false);
    else if (mail_keep(c->sink, slice_buf(&c->mail)))
        reply(c, "250 2.0.0 kept\r\n", false);
    else
        reply(c, "451 4.3.0 could not be kept\r\n", false);
    buf_free(&c->mail);
}

static void on_bytes(struct session *c, const char *data, size_t size)
{
    for (size_t i = 0; i < size && !c->ending; i++) {
        buf_add_byte(&c->line, (uint8_t)data[i]);
        size_t n = c->line.size;
        if (n < 2 || data[i] != '\n' || c->line.data[n - 2] != '\r') {
            if (n > LINE_MOST)
                reply(c, "500 5.5.2 line too long\r\n", true);
            continue;
        }
        if (c->data) {
            on_mail_line(c, slice_buf(&c->line));
        } else {
            c->line.size -= 2;
            on_command(c, buf_cstr(&c->line));
        }
        buf_reset(&c->line);
    }
}

/* ---- sockets ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(mem_new(16384), 16384);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct session *c = stream->data;

    if (n > 0)
        on_bytes(c, buf->base, (size_t)n);
    else if (n < 0)
        session_end(c);
    mem_free(buf->base);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct sink *s = server->data;

    if (status < 0)
        return;
    struct session *c = mem_new(sizeof(*c));
    uv_tcp_init(server->loop, &c->tcp);
    c->tcp.data = c;
    c->sink = s;
    c->next = s->sessions;
    s->sessions = c;
    s->n_sessions++;
    if (uv_accept(server, (uv_stream_t *)&c->tcp) != 0 ||
        uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) != 0)
        session_end(c);
    else if (s->n_sessions > SESSIONS_MOST)
        reply(c, "421 4.3.2 too many sessions\r\n", true);
    else
        reply(c, "220 localhost keeps all mail\r\n", false);
}

static void on_sink_closed(uv_handle_t *handle)
{
    struct sink *s = handle->data;

    s->closed = true;
    sink_gone(s);
}

int sink_open(struct sink **out, uv_loop_t *loop, const char *dir, int *port)
{
    struct sink *s = mem_new(sizeof(*s));
    struct sockaddr_in address;
    int size = (int)sizeof(address);

    s->dir = mem_str(dir);
    uv_tcp_init(loop, &s->tcp);
    s->tcp.data = s;
    uv_ip4_addr("127.0.0.1", 0, &address);
    int rc = uv_tcp_bind(&s->tcp, (const struct sockaddr *)&address, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->tcp, 16, on_connection);
    if (rc == 0)
        rc = uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&address, &size);
    if (rc != 0) {
        log_error("sink.start", "cannot listen on the loopback interface: %s", uv_strerror(rc));
        sink_close(s);
        return ERR_IO;
    }
    *port = ntohs(address.sin_port);
    *out = s;
    return 0;
}

void sink_close(struct sink *s)
{
    for (struct session *c = s->sessions; c; c = c->next)
        session_end(c);
    uv_close((uv_handle_t *)&s->tcp, on_sink_closed);
}
