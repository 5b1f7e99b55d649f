/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-mail-sink --dir DIR --port-file FILE: keeps each mail as a file, until SIGTERM or SIGINT
 *
 * FILE comes into being, with the port in it, once connections are taken.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "adapters/alert/sink.h"
#include "lib/log.h"
#include "lib/mem.h"

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

static void on_walk(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (handle->type == UV_SIGNAL && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

static int port_write(const char *path, int port)
{
    char *part = mem_printf("%s.part", path);
    FILE *f = fopen(part, "we");
    int rc = f && fprintf(f, "%d\n", port) > 0 ? 0 : -1;

    if (f && fclose(f) != 0)
        rc = -1;
    if (rc == 0)
        rc = rename(part, path);
    mem_free(part);
    return rc;
}

static int run(const char *dir, const char *port_file)
{
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    struct sink *sink;
    int port, status = 1;

    uv_loop_init(&loop);
    uv_signal_init(&loop, &term);
    uv_signal_init(&loop, &interrupt);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_signal_start(&interrupt, on_signal, SIGINT);
    if (sink_open(&sink, &loop, dir, &port) == 0) {
        if (port_write(port_file, port) == 0) {
            log_info("sink.ready", "port=%d dir=%s", port, dir);
            uv_run(&loop, UV_RUN_DEFAULT);
            status = 0;
        } else {
            log_error("sink.start", "cannot write %s: %s", port_file, strerror(errno));
        }
        sink_close(sink);
    }
    uv_walk(&loop, on_walk, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"dir", required_argument, NULL, 'd'},
                                            {"port-file", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    const char *dir = NULL, *port_file = NULL;

    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (o == 'd')
            dir = optarg;
        else if (o == 'p')
            port_file = optarg;
        else
            return 2;
    }
    if (!dir || !port_file || optind < argc) {
        fprintf(stderr, "usage: chancery-mail-sink --dir DIR --port-file FILE\n");
        return 2;
    }
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        log_error("sink.start", "cannot make %s: %s", dir, strerror(errno));
        return 1;
    }
    return run(dir, port_file);
}
