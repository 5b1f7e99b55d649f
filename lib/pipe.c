/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pipe.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "lib/err.h"

void pipe_head(uint8_t head[PIPE_HEAD], int kind, size_t size)
{
    head[0] = (uint8_t)kind;
    for (int i = 0; i < 4; i++)
        head[1 + i] = (uint8_t)(size >> (24 - 8 * i));
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        data += n;
        size -= (size_t)n;
    }
    return 0;
}

int pipe_write(int fd, int kind, struct slice bytes)
{
    uint8_t head[PIPE_HEAD];

    if (bytes.size > PIPE_MESSAGE)
        return ERR_BOUNDS;
    pipe_head(head, kind, bytes.size);
    int rc = write_all(fd, head, sizeof head);
    return rc == 0 ? write_all(fd, bytes.data, bytes.size) : rc;
}

/* Fills `room` up to `size`; less where the pipe ends before. */
static int read_all(int fd, struct buf *room, size_t size)
{
    while (room->size < size) {
        size_t had = room->size;
        uint8_t *at = buf_grow(room, size - had);
        ssize_t n = read(fd, at, size - had);
        room->size = had + (n > 0 ? (size_t)n : 0);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n == 0)
            return 0;
    }
    return 0;
}

static int head_check(const uint8_t *head, size_t *size)
{
    if (head[0] != PIPE_PARTY && head[0] != PIPE_SNAPSHOT && head[0] != PIPE_REFUSED)
        return ERR_MALFORMED;
    *size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    return *size > PIPE_MESSAGE ? ERR_BOUNDS : 0;
}

int pipe_read(int fd, struct buf *room, struct pipe_message *out)
{
    size_t size = 0;

    buf_reset(room);
    int rc = read_all(fd, room, PIPE_HEAD);
    if (rc != 0 || room->size == 0)
        return rc;
    rc = room->size == PIPE_HEAD ? head_check(room->data, &size) : ERR_MALFORMED;
    if (rc == 0)
        rc = read_all(fd, room, PIPE_HEAD + size);
    if (rc == 0 && room->size < PIPE_HEAD + size)
        rc = ERR_MALFORMED;
    if (rc != 0)
        return rc;
    *out = (struct pipe_message){room->data[0], {room->data + PIPE_HEAD, size}};
    return 1;
}

int pipe_next(struct slice collected, struct pipe_message *out, size_t *used)
{
    size_t size;

    if (collected.size < PIPE_HEAD)
        return 0;
    int rc = head_check(collected.data, &size);
    if (rc != 0)
        return rc;
    if (collected.size - PIPE_HEAD < size)
        return 0;
    *out = (struct pipe_message){collected.data[0], {collected.data + PIPE_HEAD, size}};
    *used = PIPE_HEAD + size;
    return 1;
}

static const struct pipe_death deaths[] = {
    {SIGSYS, "list.forbidden",
     "the parser asked for something that it may not do, and its sandbox ended it (SIGSYS): take "
     "the file for an attack, keep it and report it"},
    {SIGXCPU, "list.limit",
     "reading the file took more processor time than allowed (SIGXCPU): this is not the list; "
     "look at it"},
    {SIGKILL, "list.limit",
     "the parser was killed (SIGKILL) for its time or for want of memory; look at the file"},
    {SIGABRT, "list.parser_died",
     "the parser gave up (SIGABRT): the file asks for more memory than allowed, or the parser has "
     "a fault; look at the file and report it"},
    {SIGSEGV, "list.parser_died",
     "the parser died of a fault in itself (SIGSEGV); report it with the file"},
    {0, "list.parser_died",
     "the parser ended before the file did; report it with the file and the lines of the log"},
};

const struct pipe_death *pipe_death_of(int signal)
{
    const struct pipe_death *d = deaths;

    while (d->signal && d->signal != signal)
        d++;
    return d;
}
