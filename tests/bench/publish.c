/* SPDX-License-Identifier: Apache-2.0 */
/* publish.c - how fast events get recorded by a running broker, each publisher with a window
 *
 *   bench_publish CONF EVENTS SIZE BATCH WINDOW SEAT:STREAM...
 *
 * EVENTS of SIZE bytes by each SEAT, BATCH to a frame and WINDOW frames under way.  Prints events
 * per second over all, and the median and 99th percentile of the time from publish to
 * acknowledgement.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "lib/chancery.h"
#include "lib/mem.h"
#include "lib/settings.h"

enum { BATCH = 64 };

struct bench {
    uv_loop_t *loop;
    size_t events, size, batch, window; /* for each publisher */
    uint8_t *payload;
    size_t running;          /* publishers that are not done */
    uint64_t started, ended; /* ns */
    uint64_t *latencies;     /* n of them, us */
    size_t n;
};

struct publisher {
    struct bench *bench;
    struct settings settings;
    struct chancery *client;
    const char *stream;
    size_t sent, done;
};

struct flight { /* one frame under way */
    struct publisher *publisher;
    uint64_t sent;
};

static void fill(struct publisher *p);

static void on_published(void *arg, const struct chancery_result *result)
{
    struct flight *f = arg;
    struct publisher *p = f->publisher;
    struct bench *b = p->bench;

    if (result->outcome != CHANCERY_RECORDED) {
        fprintf(stderr, "publish: %s: %s %s\n", result->code, result->field, result->text);
        exit(EXIT_FAILURE);
    }
    b->latencies[b->n++] = (uv_hrtime() - f->sent) / 1000;
    p->done += result->n;
    mem_free(f);
    if (p->done < b->events) {
        fill(p);
        return;
    }
    b->ended = uv_hrtime();
    chancery_close(p->client, NULL, NULL);
}

static void publish_one(struct publisher *p)
{
    struct chancery_event events[BATCH] = {0};
    struct bench *b = p->bench;
    size_t n = b->events - p->sent < b->batch ? b->events - p->sent : b->batch;
    struct flight *f = mem_new(sizeof *f);

    for (size_t i = 0; i < n; i++)
        events[i] = (struct chancery_event){.stream = p->stream,
                                            .type = "chancery.test.v1.Note",
                                            .payload = b->payload,
                                            .payload_size = b->size};
    *f = (struct flight){p, uv_hrtime()};
    int rc = chancery_publish(p->client, events, n, on_published, f);
    if (rc) {
        fprintf(stderr, "publish: %s\n", chancery_err_text(rc));
        exit(EXIT_FAILURE);
    }
    p->sent += n;
}

static void fill(struct publisher *p)
{
    struct bench *b = p->bench;

    while (p->sent < b->events && p->sent - p->done < b->window * b->batch)
        publish_one(p);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct publisher *p = arg;

    if (s->number > 1)
        return;
    if (p->bench->started == 0)
        p->bench->started = uv_hrtime();
    fill(p);
}

static void publisher_open(struct publisher *p, const char *config, const char *who)
{
    struct buf why = {0};
    char text[256];
    const char *colon = strchr(who, ':');
    int rc = colon ? settings_read(&p->settings, config, NULL, NULL, NULL, NULL, &why) : -1;

    if (rc) {
        fprintf(stderr, "publish: %s\n", colon ? buf_cstr(&why) : "SEAT:STREAM is needed");
        exit(EXIT_FAILURE);
    }
    p->stream = colon + 1;
    char *file = mem_printf("%s/keys/%.*s.key", p->settings.dir, (int)(colon - who), who);
    struct chancery_options options = {.endpoint = p->settings.endpoint,
                                       .server_key = p->settings.server_key,
                                       .key_file = file,
                                       .software = "bench"};
    if (chancery_open(&p->client, p->bench->loop, &options, text) != 0) {
        fprintf(stderr, "publish: %s\n", text);
        exit(EXIT_FAILURE);
    }
    chancery_on_session(p->client, on_session, p);
    mem_free(file);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    if (argc < 7) {
        fputs("usage: bench_publish CONF EVENTS SIZE BATCH WINDOW SEAT:STREAM...\n", stderr);
        return 2;
    }
    size_t n = (size_t)argc - 6;
    struct bench b = {.loop = uv_default_loop(),
                      .events = strtoul(argv[2], NULL, 10),
                      .size = strtoul(argv[3], NULL, 10),
                      .batch = strtoul(argv[4], NULL, 10),
                      .window = strtoul(argv[5], NULL, 10)};
    if (b.batch < 1 || b.batch > BATCH || b.window < 1 || b.events < 1) {
        fputs("bench_publish: BATCH is 1 to 64, WINDOW and EVENTS at least 1\n", stderr);
        return 2;
    }
    struct publisher *publishers = mem_new(n * sizeof *publishers);
    b.payload = mem_new(b.size);
    b.latencies = mem_new(n * b.events * sizeof *b.latencies);
    for (size_t i = 0; i < n; i++) {
        publishers[i].bench = &b;
        publisher_open(&publishers[i], argv[1], argv[6 + i]);
    }
    uv_run(b.loop, UV_RUN_DEFAULT);
    double seconds = (double)(b.ended - b.started) / 1e9;
    qsort(b.latencies, b.n, sizeof *b.latencies, ascending);
    printf("publishers=%zu batch=%zu window=%zu size=%zu events_per_second=%.0f p50_us=%" PRIu64
           " p99_us=%" PRIu64 "\n",
           n, b.batch, b.window, b.size, (double)(n * b.events) / seconds, b.latencies[b.n / 2],
           b.latencies[b.n - 1 - b.n / 100]);
    for (size_t i = 0; i < n; i++)
        settings_clear(&publishers[i].settings);
    uv_loop_close(b.loop);
    mem_free(publishers);
    mem_free(b.payload);
    mem_free(b.latencies);
    return 0;
}
