/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/child.h"

#include <signal.h>

#include "lib/err.h"
#include "lib/mem.h"

struct child {
    uv_process_t process;
    uv_pipe_t pipe;
    uv_timer_t timer;
    int handles; /* not yet closed */
    bool exited, output_ended, late;
    int64_t status;
    int signal;
    child_output *output; /* NULL once dropped */
    child_ended *ended;
    void *arg;
    char room[64 * 1024];
};

static void on_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;

    if (--c->handles == 0)
        mem_free(c);
}

static void close_handle(struct child *c, void *handle)
{
    uv_handle_t *h = handle;

    h->data = c;
    if (!uv_is_closing(h))
        uv_close(h, on_closed);
}

static void close_all(struct child *c)
{
    close_handle(c, &c->process);
    close_handle(c, &c->pipe);
    close_handle(c, &c->timer);
}

static void check_end(struct child *c)
{
    if (!c->exited || !c->output_ended)
        return;
    if (c->ended)
        c->ended(c->arg, c->status, c->signal, c->late);
    close_all(c);
}

static void on_exit_(uv_process_t *process, int64_t status, int signal)
{
    struct child *c = process->data;

    c->exited = true;
    c->status = status;
    c->signal = signal;
    check_end(c);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct child *c = handle->data;

    (void)suggested;
    *out = uv_buf_init(c->room, sizeof c->room);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct child *c = stream->data;

    if (n > 0 && c->output)
        c->output(c->arg, slice_of(buffer->base, (size_t)n));
    if (n < 0) {
        uv_read_stop(stream);
        c->output_ended = true;
        check_end(c);
    }
}

static void on_late(uv_timer_t *timer)
{
    struct child *c = timer->data;

    c->late = true;
    if (!c->exited)
        uv_process_kill(&c->process, SIGKILL);
}

int child_start(struct child **out, uv_loop_t *loop, const char *const argv[],
                uint64_t milliseconds, child_output *output, child_ended *ended, void *arg,
                const char **why)
{
    static char *no_environment[] = {NULL};
    struct child *c = mem_new(sizeof *c);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->pipe},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_,
        .file = argv[0],
        .args = (char **)(uintptr_t)argv,
        .env = no_environment,
        .stdio_count = 3,
        .stdio = stdio,
    };

    *c = (struct child){.handles = 3, .output = output, .ended = ended, .arg = arg};
    uv_pipe_init(loop, &c->pipe, 0);
    uv_timer_init(loop, &c->timer);
    int rc = uv_spawn(loop, &c->process, &options);
    c->process.data = c->pipe.data = c->timer.data = c;
    if (rc != 0) {
        *why = uv_strerror(rc);
        close_all(c);
        return ERR_IO;
    }
    uv_timer_start(&c->timer, on_late, milliseconds, 0);
    uv_read_start((uv_stream_t *)&c->pipe, on_room, on_read);
    *out = c;
    return 0;
}

void child_drop(struct child *c)
{
    c->output = NULL;
    c->ended = NULL;
    if (!c->exited)
        uv_process_kill(&c->process, SIGKILL);
    close_all(c);
}
