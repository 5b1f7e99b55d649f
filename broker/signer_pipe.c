/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/signer_pipe.h"

#include <assert.h>
#include <fcntl.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    LENGTH = 4,
    FRAME_LENGTH_MOST = 8192,
    UNPACKED_MOST = 64 * 1024,
};

struct signer_pipe {
    uv_pipe_t pipe;
    uv_write_t write;
    struct signer_pipe_of of;
    struct buf out;
    uint8_t in[LENGTH + FRAME_LENGTH_MOST];
    size_t have; /* bytes of `in` */
    struct arena *arena;
    bool writing, closed, told;
};

char *signer_socket(const char *dir, int *place)
{
    const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;
    char *path = mem_printf("%s/run/signer.sock", dir), *run = mem_printf("%s/run", dir);

    *place = strlen(path) > most ? open(run, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (*place >= 0) {
        mem_free(path);
        path = mem_printf("/proc/self/fd/%d/signer.sock", *place);
    }
    mem_free(run);
    return path;
}

struct signer_pipe *signer_pipe_new(const struct signer_pipe_of *of)
{
    struct signer_pipe *p = mem_new(sizeof *p);

    p->of = *of;
    p->arena = arena_new_for(FRAME_LENGTH_MOST, UNPACKED_MOST);
    uv_pipe_init(of->loop, &p->pipe, 0);
    p->pipe.data = p->write.data = p;
    return p;
}

uv_pipe_t *signer_pipe_handle(struct signer_pipe *p)
{
    return &p->pipe;
}

static void tell_gone(struct signer_pipe *p, const char *why)
{
    if (p->told || p->closed)
        return;
    uv_read_stop((uv_stream_t *)&p->pipe);
    p->told = true;
    p->of.gone(p->of.arg, why);
}

/* ---- in ---- */

static size_t length_of(const uint8_t in[LENGTH])
{
    return (size_t)in[0] << 24 | (size_t)in[1] << 16 | (size_t)in[2] << 8 | in[3];
}

static void take_frame(struct signer_pipe *p, size_t size)
{
    int err;
    char where[128];
    ProtobufCMessage *m = scan_unpack(&core__signer_frame__descriptor,
                                      slice_of(p->in + LENGTH, size), p->arena, &err, where);

    if (m)
        p->of.take(p->of.arg, (const Core__SignerFrame *)m);
    else
        tell_gone(p, err_text(err));
    arena_reset(p->arena);
}

static bool is_open(const struct signer_pipe *p)
{
    return !p->writing && !p->closed && !p->told;
}

/* What came whole, one frame for each that the other side takes. */
static void take_frames(struct signer_pipe *p)
{
    while (is_open(p) && p->have >= LENGTH) {
        size_t size = length_of(p->in);
        if (size == 0 || size > FRAME_LENGTH_MOST) {
            tell_gone(p, "a message of no lawful length");
            return;
        }
        if (p->have < LENGTH + size)
            return;
        take_frame(p, size);
        p->have -= LENGTH + size;
        memmove(p->in, p->in + LENGTH + size, p->have);
    }
}

/* A frame has its room: what is whole was taken, or nothing is read. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *room)
{
    struct signer_pipe *p = handle->data;

    (void)suggested;
    assert(p->have < sizeof p->in);
    *room = uv_buf_init((char *)p->in + p->have, (unsigned)(sizeof p->in - p->have));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *room)
{
    struct signer_pipe *p = stream->data;

    (void)room;
    if (n < 0)
        tell_gone(p, uv_strerror((int)n));
    if (n <= 0)
        return;
    p->have += (size_t)n;
    take_frames(p);
}

void signer_pipe_read(struct signer_pipe *p)
{
    uv_read_start((uv_stream_t *)&p->pipe, on_room, on_read);
}

/* ---- out ---- */

static void on_written(uv_write_t *write, int status)
{
    struct signer_pipe *p = write->data;

    p->writing = false;
    if (status < 0)
        tell_gone(p, uv_strerror(status));
    take_frames(p);
    if (is_open(p))
        signer_pipe_read(p);
}

void signer_pipe_say(struct signer_pipe *p, const Core__SignerFrame *f)
{
    size_t size = core__signer_frame__get_packed_size(f);

    assert(!p->writing && size <= FRAME_LENGTH_MOST);
    if (p->closed || p->told)
        return;
    buf_reset(&p->out);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_byte(&p->out, (uint8_t)(size >> shift));
    core__signer_frame__pack(f, buf_grow(&p->out, size));
    uv_read_stop((uv_stream_t *)&p->pipe);
    uv_buf_t bytes = uv_buf_init((char *)p->out.data, (unsigned)p->out.size);
    p->writing = true;
    int rc = uv_write(&p->write, (uv_stream_t *)&p->pipe, &bytes, 1, on_written);
    if (rc < 0) {
        p->writing = false;
        tell_gone(p, uv_strerror(rc));
    }
}

/* ---- end ---- */

static void on_closed(uv_handle_t *handle)
{
    struct signer_pipe *p = handle->data;

    buf_free(&p->out);
    arena_free(p->arena);
    mem_free(p);
}

void signer_pipe_close(struct signer_pipe *p)
{
    if (p->closed)
        return;
    p->closed = true;
    uv_close((uv_handle_t *)&p->pipe, on_closed);
}
