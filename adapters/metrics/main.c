/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-metrics --config FILE_OR_DIR: how the service fares, for Prometheus to fetch
 *
 * A scrape asks the broker for its status; who scrapes while a question is under way shares its
 * answer.  One that does not come in time, and a broker that is not there, is told as chancery_up
 * 0: within 2 s in any case.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapters/metrics/http.h"
#include "adapters/metrics/text.h"
#include "lib/client_open.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/pulse.h"
#include "lib/sandbox.h"
#include "lib/settings.h"

enum { PATIENCE_MS = 1500, WAITING_MOST = 64 };

struct metrics_settings {
    struct sockaddr_storage listen;
};

struct metrics {
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t patience; /* of those that wait */
    struct watchdog watchdog;
    struct pulse pulse;
    struct settings settings;
    struct seat_key key; /* until the client has it */
    struct metrics_settings own;
    struct chancery *client;
    struct http *http;
    struct http_request *waiting[WAITING_MOST];
    size_t n_waiting;
    Core__Status *st; /* what the broker said last */
    int64_t answered; /* when */
    uint64_t scrapes;
    bool asking, ending;
    int status;
};

static const struct conf_key keys[] = {
    {"metrics", "listen", CONF_LOOPBACK, offsetof(struct metrics_settings, listen),
     "127.0.0.1:9464", 0, 0,
     "Where GET /metrics and GET /health are answered: an address that no other machine reaches"},
    {0},
};

/* ---- a scrape ---- */

static void answer(struct metrics *m, struct http_request *r, bool up)
{
    const struct facts facts = {up, m->st, m->answered, m->scrapes};
    struct buf text = {0};

    metrics_text(&text, &facts);
    http_answer(r, 200, "text/plain; version=0.0.4; charset=utf-8", slice_buf(&text));
    buf_free(&text);
}

static void answer_all(struct metrics *m, bool up)
{
    uv_timer_stop(&m->patience);
    while (m->n_waiting)
        answer(m, m->waiting[--m->n_waiting], up);
}

static void on_late(uv_timer_t *timer)
{
    answer_all(timer->data, false);
}

static void on_status(void *arg, int err, const char *text, const void *status, size_t size)
{
    struct metrics *m = arg;
    Core__Status *st = err ? NULL : core__status__unpack(NULL, size, status);

    m->asking = false;
    if (st) {
        core__status__free_unpacked(m->st, NULL);
        m->st = st;
        m->answered = time_now();
    } else {
        log_warn("metrics.status", "the broker does not tell its status code=%s: %s",
                 err_code(err ? err : ERR_MALFORMED), text);
    }
    answer_all(m, st != NULL);
}

static void scrape(struct metrics *m, struct http_request *r)
{
    m->scrapes++;
    if (!chancery_current(m->client) || m->n_waiting == WAITING_MOST) {
        answer(m, r, false);
        return;
    }
    if (m->n_waiting == 0)
        uv_timer_start(&m->patience, on_late, PATIENCE_MS, 0);
    m->waiting[m->n_waiting++] = r;
    if (!m->asking)
        m->asking = chancery_status(m->client, on_status, m) == 0;
}

static void on_get(void *arg, struct http_request *r, const char *path)
{
    struct metrics *m = arg;
    static const char type[] = "text/plain; charset=utf-8";
    bool connected = chancery_current(m->client) != NULL;

    if (strcmp(path, "/metrics") == 0)
        scrape(m, r);
    else if (strcmp(path, "/health") == 0)
        http_answer(r, connected ? 200 : 503, type,
                    slice_str(connected ? "ok\n" : "the broker does not answer\n"));
    else
        http_answer(r, 404, type, slice_str("there are /metrics and /health\n"));
}

/* ---- beginning and end ---- */

static void on_session(void *arg, const struct chancery_session *s)
{
    (void)arg;
    log_info("metrics.session", "log=%s seat=%s", s->log, s->seat);
}

static void metrics_end(struct metrics *m, int status)
{
    if (m->ending)
        return;
    m->ending = true;
    m->status = status;
    notify_say("STOPPING=1\nSTATUS=stopping");
    m->n_waiting = 0;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&m->signals[i], NULL);
    uv_close((uv_handle_t *)&m->patience, NULL);
    watchdog_stop(&m->watchdog);
    if (m->http)
        http_close(m->http);
    if (m->client)
        chancery_close(m->client, NULL, NULL);
}

static void on_signal(uv_signal_t *signal, int number)
{
    log_info("metrics.ending", "signal=%d", number);
    metrics_end(signal->data, 0);
}

static bool on_watchdog(void *arg, struct buf *status)
{
    struct metrics *m = arg;

    if (chancery_current(m->client))
        buf_printf(status, "scrapes answered: %llu", (unsigned long long)m->scrapes);
    else
        buf_add_str(status, "waiting for the broker");
    return pulse_beats(&m->pulse);
}

static int connect_broker(struct metrics *m)
{
    const struct chancery_options options = {.endpoint = m->settings.endpoint,
                                             .server_key = m->settings.server_key,
                                             .log = m->settings.log,
                                             .software = "chancery-metrics " CHANCERY_VERSION};
    char why[256];
    int rc = client_open_key(&m->client, &m->loop, &options, &m->key, why);

    if (rc)
        log_error("metrics.start", "code=%s: %s", err_code(rc), why);
    else
        chancery_on_session(m->client, on_session, m);
    return rc;
}

static int serve(struct metrics *m)
{
    struct buf why = {0};
    int rc = http_open(&m->http, &m->loop, &m->own.listen, on_get, m, &why);

    if (rc)
        log_error("metrics.start", "code=%s: [metrics] listen: %s", err_code(rc), buf_cstr(&why));
    else
        notify_say("READY=1\nSTATUS=serving");
    buf_free(&why);
    return rc;
}

static int run(struct metrics *m)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    uv_loop_init(&m->loop);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&m->loop, &m->signals[i]);
        m->signals[i].data = m;
        uv_signal_start(&m->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&m->loop, &m->patience);
    m->patience.data = m;
    watchdog_start(&m->watchdog, &m->loop, on_watchdog, m);
    if (connect_broker(m) != 0)
        metrics_end(m, EXIT_SETTINGS);
    else if (serve(m) != 0)
        metrics_end(m, EXIT_FAILURE);
    m->pulse.client = m->client;
    uv_run(&m->loop, UV_RUN_DEFAULT);
    uv_loop_close(&m->loop);
    return m->status;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    return ntohs(address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)address)->sin6_port
                                                : ((const struct sockaddr_in *)address)->sin_port);
}

static int configure(struct metrics *m, const char *file)
{
    struct buf why = {0};
    int rc = settings_read(&m->settings, file, "metrics", keys, &m->own, NULL, &why);

    if (rc == 0)
        rc = seat_key_open(&m->key, m->settings.key_file, &why);
    if (rc == 0)
        rc = sandbox_enter(&(struct sandbox){.profile = SANDBOX_METRICS,
                                             .settings = &m->settings,
                                             .port = port_of(&m->own.listen)},
                           &why);
    if (rc)
        log_error("metrics.start", "code=%s: %s", err_code(rc), buf_cstr(&why));
    buf_free(&why);
    return rc;
}

int main(int argc, char **argv)
{
    int status = EXIT_SETTINGS;
    const char *file = settings_file(argc, argv, "metrics", keys, &status);

    if (!file)
        return status;
    signal(SIGPIPE, SIG_IGN); /* who scrapes may be gone */
    struct metrics *m = mem_new(sizeof *m);
    if (configure(m, file) == 0)
        status = run(m);
    core__status__free_unpacked(m->st, NULL);
    seat_key_clear(&m->key);
    settings_clear(&m->settings);
    mem_free(m);
    return status;
}
