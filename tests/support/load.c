/* SPDX-License-Identifier: Apache-2.0 */
/* load.c - a publisher or a reader that writes its history, a JSON object a line, as it happens
 *
 *   load publish CONF SEAT STREAM COUNT WINDOW HISTORY   publishes COUNT requests one event a batch
 *   load read CONF SEAT STREAM UNTIL HISTORY             reads STREAM until it has seen UNTIL
 * events
 *
 * Lines: {"ev":"send"|"ack"|"nack"|"recv", ...} with CLOCK_MONOTONIC nanoseconds.  Requests are
 * RetryInput of an input that never failed: real requests of the embargo worker, each answered by a
 * refusal.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "lib/settings.h"

struct load {
    struct settings settings;
    uv_loop_t *loop;
    struct chancery *client;
    FILE *history;
    const char *seat, *stream;
    uint64_t count, window, sent, done;
    bool reading;
};

struct request { /* one event under way */
    struct load *load;
    uint8_t id[ID_SIZE];
};

static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void publish_more(struct load *l);

static void on_published(void *arg, const struct chancery_result *result)
{
    struct request *q = arg;
    struct load *l = q->load;
    char id[37];

    id_text(id, q->id);
    if (result->outcome == CHANCERY_RECORDED)
        fprintf(l->history,
                "{\"ev\":\"ack\",\"t\":%" PRIu64 ",\"id\":\"%s\",\"seq\":%" PRIu64 "}\n", now(), id,
                result->positions[0]);
    else if (result->outcome == CHANCERY_REFUSED) {
        fprintf(l->history, "{\"ev\":\"nack\",\"t\":%" PRIu64 ",\"id\":\"%s\"}\n", now(), id);
        fprintf(stderr, "load: refused %s: %s\n", result->code, result->text);
    }
    fflush(l->history);
    mem_free(q);
    l->done++;
    if (l->done == l->count)
        chancery_close(l->client, NULL, NULL);
    else
        publish_more(l);
}

static void publish_one(struct load *l)
{
    Core__RetryInput retry = CORE__RETRY_INPUT__INIT;
    uint8_t payload[32];
    struct hash hash;
    char id[37], hex[65];
    struct request *q = mem_new(sizeof *q);

    retry.input = UINT64_C(1) << 40;
    retry.input += l->sent;
    size_t size = core__retry_input__pack(&retry, payload);
    hash_sha256(&hash, slice_of(payload, size));
    hex_encode(hex, hash.bytes, HASH_SIZE);
    q->load = l;
    id_v7(q->id, time_now());
    id_text(id, q->id);
    struct chancery_event event = {
        .stream = l->stream,
        .type = core__retry_input__descriptor.name,
        .payload = payload,
        .payload_size = size,
    };
    memcpy(event.id, q->id, ID_SIZE);
    fprintf(l->history,
            "{\"ev\":\"send\",\"t\":%" PRIu64
            ",\"pub\":\"%s\",\"topic\":\"%s\",\"id\":\"%s\",\"n\":%" PRIu64 ",\"h\":\"%s\"}\n",
            now(), l->seat, l->stream, id, l->sent, hex);
    fflush(l->history);
    if (chancery_publish(l->client, &event, 1, on_published, q) != 0) {
        fputs("load: cannot publish\n", stderr);
        exit(EXIT_FAILURE);
    }
    l->sent++;
}

static void publish_more(struct load *l)
{
    while (l->sent < l->count && l->sent - l->done < l->window)
        publish_one(l);
}

static int on_record(void *arg, const struct chancery_record *record)
{
    struct load *l = arg;
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
    if (++l->done == l->count)
        chancery_close(l->client, NULL, NULL);
    return 1;
}

static void on_session(void *arg, const struct chancery_session *session)
{
    struct load *l = arg;
    const char *streams[] = {l->stream, NULL};
    struct chancery_read_options options = {.streams = streams, .record = on_record, .arg = l};
    struct chancery_reading *reading;

    if (session->number > 1)
        return;
    if (l->reading)
        chancery_read(l->client, &options, &reading);
    else
        publish_more(l);
}

static int run(struct load *l)
{
    char why[256];
    char *key_file = mem_printf("%s/keys/%s.key", l->settings.dir, l->seat);
    struct chancery_options options = {
        .endpoint = l->settings.endpoint,
        .server_key = l->settings.server_key,
        .key_file = key_file,
        .log = l->settings.log,
        .software = "load",
    };

    l->loop = uv_default_loop();
    if (chancery_open(&l->client, l->loop, &options, why) != 0) {
        fprintf(stderr, "load: %s\n", why);
        mem_free(key_file);
        return EXIT_FAILURE;
    }
    chancery_on_session(l->client, on_session, l);
    uv_run(l->loop, UV_RUN_DEFAULT);
    uv_loop_close(l->loop);
    mem_free(key_file);
    return l->done == l->count ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct conf_key none[] = {{0}};
    struct load l = {0};
    struct buf why = {0};

    l.reading = argc > 1 && strcmp(argv[1], "read") == 0;
    if (argc != (l.reading ? 7 : 8)) {
        fputs("usage: load publish CONF SEAT STREAM COUNT WINDOW HISTORY\n"
              "       load read CONF SEAT STREAM UNTIL HISTORY\n",
              stderr);
        return 2;
    }
    l.seat = argv[3];
    l.stream = argv[4];
    l.count = strtoull(argv[5], NULL, 10);
    l.window = l.reading ? 0 : strtoull(argv[6], NULL, 10);
    l.history = fopen(argv[argc - 1], "a");
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
