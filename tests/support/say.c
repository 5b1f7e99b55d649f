/* SPDX-License-Identifier: Apache-2.0 */
/* say.c - publishes one event, with whatever cause, or asks, as any seat whose key is at hand
 *
 *   say CONF SEAT STREAM TYPE CAUSE ORDINAL OF RECEIVED <payload.json
 *   say CONF SEAT SERVICE TYPE AT_LEAST <payload.json
 *
 * CAUSE 0: an ordinary event.  Prints the position, or the answer's `as_of` and payload as JSON, or
 * the refusal's code.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/scan.h"
#include "lib/settings.h"
#include "lib/types.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &core__retry_input__descriptor,
    &core__rules_adopted__descriptor,
    &embargo__baseline__descriptor,
    &embargo__notice__descriptor,
    &embargo__confirm_snapshot__descriptor,
    &sanctions__import_list__descriptor,
    &core__party_added__descriptor,
    &core__office_added__descriptor,
    &core__worker_failed__descriptor,
    &embargo__editorial_notice__descriptor,
    &embargo__snapshot_set_aside__descriptor,
    &embargo__snapshot_rejected__descriptor,
    NULL,
};

struct say {
    struct chancery *client;
    struct chancery_event event;
    const char *service; /* asked, or NULL: the event is published */
    uint64_t at_least;
    int status;
};

static void on_published(void *arg, const struct chancery_result *result)
{
    struct say *s = arg;

    s->status = result->outcome == CHANCERY_RECORDED ? EXIT_SUCCESS : EXIT_FAILURE;
    if (s->status == EXIT_SUCCESS)
        printf("%" PRIu64 "\n", result->positions[0]);
    else
        printf("%s\n", result->code);
    chancery_close(s->client, NULL, NULL);
}

static void print_answer(const char *type, struct slice payload, uint64_t as_of)
{
    struct arena *arena = arena_new((size_t)8 * 1024 * 1024);
    const ProtobufCMessageDescriptor *descriptor = type_find(types, type);
    char where[128];
    int err = 0;
    const ProtobufCMessage *message =
        descriptor ? scan_unpack(descriptor, payload, arena, &err, where) : NULL;
    json_t *object = message ? json_of_message(message) : json_null();
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);

    printf("%" PRIu64 " %s\n", as_of, text);
    free(text);
    json_decref(object);
    arena_free(arena);
}

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct say *s = arg;

    (void)text;
    s->status = err ? EXIT_FAILURE : EXIT_SUCCESS;
    if (err)
        printf("%s\n", code ? code : err_code(err));
    else
        print_answer(type, slice_of(payload, size), as_of);
    chancery_close(s->client, NULL, NULL);
}

static void on_session(void *arg, const struct chancery_session *session)
{
    struct say *s = arg;
    int rc = 0;

    if (session->number == 1)
        rc = s->service ? chancery_ask(s->client, s->service, s->event.type, s->event.payload,
                                       s->event.payload_size, s->at_least, 30000000, on_answered, s)
                        : chancery_publish(s->client, &s->event, 1, on_published, s);
    if (rc)
        exit(EXIT_FAILURE);
}

static void payload_read(struct say *s, const char *type, struct buf *packed)
{
    struct arena *arena = arena_new((size_t)8 * 1024 * 1024);
    struct buf text = {0}, why = {0};
    int c;

    while ((c = getchar()) != EOF)
        buf_add_byte(&text, (uint8_t)c);
    const ProtobufCMessageDescriptor *descriptor = type_find(types, type);
    const ProtobufCMessage *message =
        descriptor ? json_to_message(descriptor, slice_buf(&text), arena, &why) : NULL;
    if (!message) {
        fprintf(stderr, "say: %s: %s\n", type, buf_cstr(&why));
        exit(2);
    }
    protobuf_c_message_pack(message, buf_grow(packed, protobuf_c_message_get_packed_size(message)));
    s->event.type = descriptor->name;
    s->event.payload = packed->data;
    s->event.payload_size = packed->size;
    buf_free(&text);
    buf_free(&why);
    arena_free(arena);
}

static int say_run(struct say *s, const struct settings *settings, const char *seat)
{
    char *key_file = mem_printf("%s/keys/%s.key", settings->dir, seat);
    char why[256];
    uv_loop_t *loop = uv_default_loop();
    struct chancery_options options = {.endpoint = settings->endpoint,
                                       .server_key = settings->server_key,
                                       .key_file = key_file,
                                       .software = "say"};

    if (chancery_open(&s->client, loop, &options, why) == 0) {
        chancery_on_session(s->client, on_session, s);
        uv_run(loop, UV_RUN_DEFAULT);
        uv_loop_close(loop);
    } else {
        fprintf(stderr, "say: %s\n", why);
    }
    mem_free(key_file);
    return s->status;
}

int main(int argc, char **argv)
{
    static const struct conf_key none[] = {{0}};
    struct say s = {.status = EXIT_FAILURE};
    struct settings settings = {0};
    struct buf packed = {0}, why = {0};

    if (argc == 9) {
        s.event.stream = argv[3];
        s.event.cause = strtoull(argv[5], NULL, 10);
        s.event.ordinal = (uint32_t)strtoul(argv[6], NULL, 10);
        s.event.of = (uint32_t)strtoul(argv[7], NULL, 10);
        s.event.created = strtoll(argv[8], NULL, 10);
        if (s.event.cause)
            id_v8(s.event.id, s.event.cause, s.event.ordinal);
    } else if (argc == 6) {
        s.service = argv[3];
        s.at_least = strtoull(argv[5], NULL, 10);
    } else {
        fputs("usage: say CONF SEAT STREAM TYPE CAUSE ORDINAL OF RECEIVED <payload.json\n"
              "       say CONF SEAT SERVICE TYPE AT_LEAST <payload.json\n",
              stderr);
        return 2;
    }
    payload_read(&s, argv[4], &packed);
    if (settings_read(&settings, argv[1], "terminal", none, NULL, NULL, &why) == 0)
        say_run(&s, &settings, argv[2]);
    else
        fprintf(stderr, "say: %s\n", buf_cstr(&why));
    settings_clear(&settings);
    buf_free(&packed);
    buf_free(&why);
    return s.status;
}
