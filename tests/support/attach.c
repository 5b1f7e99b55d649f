/* SPDX-License-Identifier: Apache-2.0 */
/* attach.c - publishes an event with a file as its part, as it is, whatever is said of it
 *
 *   attach CONF SEAT FILE clear|sealed LABEL PARTY
 *
 * LABEL is a number of envelope.proto.  Prints the position, or the refusal's code.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/chancery.h"
#include "lib/settings.h"

struct attaching {
    struct chancery *client;
    const char *file;
    struct chancery_event event;
    struct chancery_recipient recipient;
    struct chancery_part part;
    int status;
};

static void end(struct attaching *a, bool good)
{
    a->status = good ? EXIT_SUCCESS : EXIT_FAILURE;
    chancery_close(a->client, NULL, NULL);
}

static void on_published(void *arg, const struct chancery_result *result)
{
    bool good = result->outcome == CHANCERY_RECORDED;

    if (good)
        printf("%" PRIu64 "\n", result->positions[0]);
    else
        printf("%s\n", result->code);
    end(arg, good);
}

static void on_put(void *arg, int err, const char *text)
{
    struct attaching *a = arg;

    if (err == 0)
        err = chancery_publish(a->client, &a->event, 1, on_published, a);
    if (err == 0)
        return;
    fprintf(stderr, "attach: %s: %s\n", chancery_err_code(err), text ? text : "");
    end(a, false);
}

static void on_session(void *arg, const struct chancery_session *session)
{
    struct attaching *a = arg;

    if (session->number == 1 && chancery_put_part(a->client, a->file, &a->part, on_put, a) != 0)
        end(a, false);
}

int main(int argc, char **argv)
{
    struct attaching a = {.status = EXIT_FAILURE};
    struct settings settings;
    struct buf why = {0};
    uv_loop_t loop;

    if (argc != 7 || settings_read(&settings, argv[1], "terminal", NULL, NULL, NULL, &why) != 0)
        return 2;
    settings_set_seat(&settings, argv[2]);
    const struct chancery_options options = {.endpoint = settings.endpoint,
                                             .server_key = settings.server_key,
                                             .key_file = settings.key_file,
                                             .log = settings.log};
    const char *slash = strrchr(argv[3], '/');
    a.file = argv[3];
    a.part = (struct chancery_part){.media_type = "application/octet-stream",
                                    .name = slash ? slash + 1 : argv[3],
                                    .sealed = strcmp(argv[4], "sealed") == 0};
    a.recipient = (struct chancery_recipient){CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY, argv[6]};
    a.event = (struct chancery_event){.stream = "embargo.in",
                                      .type = "chancery.embargo.v1.ConfirmSnapshot",
                                      .label = atoi(argv[5]),
                                      .recipients = &a.recipient,
                                      .n_recipients = 1,
                                      .parts = &a.part,
                                      .n_parts = 1};
    uv_loop_init(&loop);
    char text[256] = "";
    if (chancery_open(&a.client, &loop, &options, text) == 0) {
        chancery_on_session(a.client, on_session, &a);
        uv_run(&loop, UV_RUN_DEFAULT);
    } else {
        fprintf(stderr, "attach: %s\n", text);
    }
    uv_loop_close(&loop);
    settings_clear(&settings);
    buf_free(&why);
    return a.status;
}
