/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - a publisher or a reader that writes its history, a JSON object a line, as it happens
 *
 *   load publish CONF SEAT STREAM COUNT WINDOW HISTORY [PAUSE [PARTS]]
 *       publishes COUNT requests, one event a batch, WINDOW at a time; then it waits PAUSE ms. With
 *       a directory PARTS every fourth event names a part of its own, made there and put first
 *   load keep ...
 *       the same, and keeps its receipts in DIR/keep/SEAT
 *   load read CONF SEAT STREAM COUNT HISTORY [PAUSE]
 *       reads STREAM until it has seen COUNT events; holds each of them for PAUSE ms
 *   load skim CONF SEAT STREAM EVERY HISTORY
 *       reads STREAM, cancels after EVERY events and reads on from there, until SIGTERM
 *
 * COUNT 0: until SIGTERM; what is under way is still finished.  Lines: {"ev":"send"|"ack"|"nack"|
 * "recv", ...} with CLOCK_MONOTONIC nanoseconds.  Requests are RetryInput of an input that never
 * failed: real requests of the embargo worker, each answered by a refusal.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "lib/settings.h"

enum { PART_EVERY = 4, PART_BYTES = 9000 };

struct load {
    struct settings settings;
    uv_loop_t *loop;
    uv_timer_t pause;
    uv_signal_t terminate;
    struct chancery *client;
    struct chancery_reading *current;
    FILE *history;
    const char *seat, *stream, *parts;
    uint64_t count, window, wait, every, begun, sent, done;
    bool reading, keeping, closed;
};

struct request { /* one event under way */
    struct load *load;
    uint8_t id[ID_SIZE];
    struct chancery_part part; /* size 0: none */
};

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void end(struct load *l)
{
    if (l->closed)
        return;
    l->closed = true;
    chancery_close(l->client, NULL, NULL);
    uv_close((uv_handle_t *)&l->pause, NULL);
    uv_close((uv_handle_t *)&l->terminate, NULL);
}

static void on_terminate(uv_signal_t *handle, int number)
{
    struct load *l = handle->data;

    (void)number;
    l->count = l->reading ? l->done : l->begun;
    if (l->done == l->count)
        end(l);
}

/* ---- publishing ---- */

static void begin_more(struct load *l);

static void on_pause(uv_timer_t *timer)
{
    begin_more(timer->data);
}

static void request_done(struct request *q)
{
    struct load *l = q->load;

    mem_free(q);
    l->done++;
    if (l->count && l->done == l->count)
        end(l);
    else if (!l->wait)
        begin_more(l);
    else if (l->done == l->begun)
        uv_timer_start(&l->pause, on_pause, l->wait, 0);
}

static void on_published(void *arg, const struct chancery_result *result)
{
    struct request *q = arg;
    FILE *history = q->load->history;
    char id[37];

    id_text(id, q->id);
    if (result->outcome == CHANCERY_RECORDED)
        fprintf(history, "{\"ev\":\"ack\",\"t\":%" PRIu64 ",\"id\":\"%s\",\"seq\":%" PRIu64 "}\n",
                now(), id, result->positions[0]);
    else if (result->outcome == CHANCERY_REFUSED)
        fprintf(history, "{\"ev\":\"nack\",\"t\":%" PRIu64 ",\"id\":\"%s\",\"code\":\"%s\"}\n",
                now(), id, result->code);
    fflush(history);
    request_done(q);
}

static void request_publish(struct request *q)
{
    Core__RetryInput retry = CORE__RETRY_INPUT__INIT;
    struct load *l = q->load;
    uint8_t payload[32];
    struct hash hash;
    char id[37], hex[65];

    retry.input = (UINT64_C(1) << 40) + l->sent;
    size_t size = core__retry_input__pack(&retry, payload);
    hash_sha256(&hash, slice_of(payload, size));
    hex_encode(hex, hash.bytes, HASH_SIZE);
    id_v7(q->id, time_now());
    id_text(id, q->id);
    struct chancery_event event = {
        .stream = l->stream,
        .type = core__retry_input__descriptor.name,
        .payload = payload,
        .payload_size = size,
        .parts = &q->part,
        .n_parts = q->part.size ? 1 : 0,
    };
    memcpy(event.id, q->id, ID_SIZE);
    fprintf(l->history,
            "{\"ev\":\"send\",\"t\":%" PRIu64
            ",\"pub\":\"%s\",\"topic\":\"%s\",\"id\":\"%s\",\"n\":%" PRIu64 ",\"h\":\"%s\"}\n",
            now(), l->seat, l->stream, id, l->sent, hex);
    fflush(l->history);
    l->sent++;
    if (chancery_publish(l->client, &event, 1, on_published, q) != 0) {
        fputs("load: cannot publish\n", stderr);
        exit(EXIT_FAILURE);
    }
}

/* An event whose part is refused is not sent. */
static void on_put(void *arg, int err, const char *text)
{
    (void)text;
    if (err)
        request_done(arg);
    else
        request_publish(arg);
}

static void part_put(struct request *q)
{
    struct load *l = q->load;
    char *path = mem_printf("%s/%s-%" PRIu64, l->parts, l->seat, l->begun);
    FILE *f = fopen(path, "w");

    for (int i = 0; f && i < PART_BYTES; i += 9)
        fprintf(f, "%8" PRIu64 "\n", l->begun);
    if (!f || fclose(f) != 0 || chancery_put_part(l->client, path, &q->part, on_put, q) != 0) {
        fprintf(stderr, "load: cannot put %s\n", path);
        exit(EXIT_FAILURE);
    }
    q->part.media_type = "text/plain";
    q->part.name = "part";
    unlink(path); /* the client holds it open */
    mem_free(path);
}

static void begin_more(struct load *l)
{
    while ((!l->count || l->begun < l->count) && l->begun - l->done < l->window) {
        struct request *q = mem_new(sizeof *q);
        q->load = l;
        l->begun++;
        if (l->parts && l->begun % PART_EVERY == 0)
            part_put(q);
        else
            request_publish(q);
    }
}

/* ---- reading ---- */

static void read_from(struct load *l, uint64_t from);

static void on_held(uv_timer_t *timer)
{
    struct load *l = timer->data;

    chancery_read_more(l->current);
}

static void note_record(struct load *l, const struct chancery_record *record)
{
    struct arena *arena = arena_new(1024 * 1024);
    struct event event;
    char where[128], id[37], hex[65];

    if (event_open_head(&event, slice_of(record->event, record->event_size), arena, where) == 0) {
        id_text(id, event.envelope->id.data);
        hex_encode(hex, event.envelope->payload_hash.data, HASH_SIZE);
        fprintf(l->history,
                "{\"ev\":\"recv\",\"t\":%" PRIu64 ",\"sub\":\"%s\",\"seq\":%" PRIu64
                ",\"id\":\"%s\",\"topic\":\"%s\",\"h\":\"%s\"}\n",
                now(), l->seat, record->position, id, event.envelope->stream, hex);
        fflush(l->history);
    }
    arena_free(arena);
}

static int on_record(void *arg, const struct chancery_record *record)
{
    struct load *l = arg;

    note_record(l, record);
    if (++l->done == l->count) {
        end(l);
    } else if (l->every && l->done % l->every == 0) {
        chancery_read_cancel(l->current);
        read_from(l, record->position + 1);
    } else if (l->wait) {
        uv_timer_start(&l->pause, on_held, l->wait, 0);
        return 0;
    }
    return 1;
}

static void read_from(struct load *l, uint64_t from)
{
    const char *streams[] = {l->stream, NULL};
    struct chancery_read_options options = {
        .from = from, .streams = streams, .record = on_record, .arg = l};

    if (chancery_read(l->client, &options, &l->current) != 0) {
        fputs("load: cannot read\n", stderr);
        exit(EXIT_FAILURE);
    }
}

static void on_session(void *arg, const struct chancery_session *session)
{
    struct load *l = arg;

    if (session->number > 1)
        return;
    if (l->reading)
        read_from(l, 1);
    else
        begin_more(l);
}

/* ---- */

static int run(struct load *l)
{
    char why[256];
    char *key_file = mem_printf("%s/keys/%s.key", l->settings.dir, l->seat);
    char *keep_dir = l->keeping ? mem_printf("%s/keep/%s", l->settings.dir, l->seat) : NULL;
    struct chancery_options options = {
        .endpoint = l->settings.endpoint,
        .server_key = l->settings.server_key,
        .key_file = key_file,
        .log = l->settings.log,
        .keep_dir = keep_dir,
        .software = "load",
    };

    l->loop = uv_default_loop();
    if (chancery_open(&l->client, l->loop, &options, why) != 0) {
        fprintf(stderr, "load: %s\n", why);
        mem_free(key_file);
        mem_free(keep_dir);
        return EXIT_FAILURE;
    }
    uv_timer_init(l->loop, &l->pause);
    uv_signal_init(l->loop, &l->terminate);
    l->pause.data = l->terminate.data = l;
    uv_signal_start_oneshot(&l->terminate, on_terminate, SIGTERM);
    uv_unref((uv_handle_t *)&l->terminate);
    chancery_on_session(l->client, on_session, l);
    uv_run(l->loop, UV_RUN_DEFAULT);
    uv_loop_close(l->loop);
    mem_free(key_file);
    mem_free(keep_dir);
    return l->done == l->count ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct conf_key none[] = {{0}};
    struct load l = {0};
    struct buf why = {0};

    bool skimming = argc > 1 && strcmp(argv[1], "skim") == 0;
    l.reading = skimming || (argc > 1 && strcmp(argv[1], "read") == 0);
    l.keeping = argc > 1 && strcmp(argv[1], "keep") == 0;
    if (l.reading ? argc != 7 && (skimming || argc != 8) : argc < 8 || argc > 10) {
        fputs("usage: load publish|keep CONF SEAT STREAM COUNT WINDOW HISTORY [PAUSE [PARTS]]\n"
              "       load read CONF SEAT STREAM COUNT HISTORY [PAUSE]\n"
              "       load skim CONF SEAT STREAM EVERY HISTORY\n",
              stderr);
        return 2;
    }
    l.seat = argv[3];
    l.stream = argv[4];
    l.count = skimming ? 0 : strtoull(argv[5], NULL, 10);
    l.every = skimming ? strtoull(argv[5], NULL, 10) : 0;
    l.window = l.reading ? 0 : strtoull(argv[6], NULL, 10);
    if (argc > (l.reading ? 7 : 8))
        l.wait = strtoull(argv[l.reading ? 7 : 8], NULL, 10);
    l.parts = argc > 9 ? argv[9] : NULL;
    l.history = fopen(argv[l.reading ? 6 : 7], "a");
    if (!l.history || settings_read(&l.settings, argv[2], "terminal", none, NULL, NULL, &why)) {
        fprintf(stderr, "load: %s\n", buf_cstr(&why));
        return EXIT_FAILURE;
    }
    int status = run(&l);
    fclose(l.history);
    settings_clear(&l.settings);
    buf_free(&why);
    return status;
}
