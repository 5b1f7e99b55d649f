/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - chancery-broker: settings, wiring, signals
 *
 * Exit codes: 0 stopped as asked, 1 refused to serve (with the reason), 2 usage, 70 stopped in
 * doubt, 78 refused to serve until a person mended settings or keys.
 */
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "broker/broker.h"
#include "broker/fence.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/settings.h"

enum {
    EXIT_REFUSED = 1,
    FILES = 8192,
};

struct stopper {
    uv_signal_t terminate, interrupt;
    struct broker *broker; /* NULL while it opens */
    bool asked;
};

static void unwatch_signals(struct stopper *s)
{
    uv_close((uv_handle_t *)&s->terminate, NULL);
    uv_close((uv_handle_t *)&s->interrupt, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct stopper *s = handle->data;

    (void)number;
    s->asked = true;
    unwatch_signals(s);
    if (s->broker)
        broker_stop(s->broker);
}

static void watch_signals(struct stopper *s, uv_loop_t *loop)
{
    uv_signal_init(loop, &s->terminate);
    uv_signal_init(loop, &s->interrupt);
    s->terminate.data = s->interrupt.data = s;
    uv_signal_start_oneshot(&s->terminate, on_signal, SIGTERM);
    uv_signal_start_oneshot(&s->interrupt, on_signal, SIGINT);
}

static void prepare_process(void)
{
    struct rlimit files;

    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    mallopt(M_ARENA_MAX, 2); /* threads that allocate little share */
    mem_for_rushes();        /* broker.c gives back what it held when the rush is over */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES) {
        files.rlim_cur = files.rlim_max < FILES ? files.rlim_max : FILES;
        if (setrlimit(RLIMIT_NOFILE, &files) != 0)
            log_warn("broker.files", "the limit of open files stays at %llu",
                     (unsigned long long)files.rlim_cur);
    }
}

static int serve(const char *config)
{
    uv_loop_t loop;
    struct stopper s = {0};
    struct buf why = {0};

    uv_loop_init(&loop);
    watch_signals(&s, &loop);
    int rc = broker_open(&s.broker, &loop, config, &why);
    if (rc)
        log_error("broker.refuses", "refusing to serve code=%s: %s", err_code(rc), buf_cstr(&why));
    if (rc && !s.asked)
        unwatch_signals(&s);
    else if (rc == 0 && s.asked)
        broker_stop(s.broker);
    uv_run(&loop, UV_RUN_DEFAULT);
    broker_free(s.broker);
    uv_loop_close(&loop);
    buf_free(&why);
    if (rc == ERR_CONFIG || rc == ERR_FILE_MODE)
        return EXIT_SETTINGS;
    return rc ? EXIT_REFUSED : 0;
}

int main(int argc, char **argv)
{
    int status;
    const char *file = settings_file(argc, argv, "broker", broker_keys, &status);

    if (!file)
        return status;
    prepare_process();
    fence_install();
    return serve(file);
}
