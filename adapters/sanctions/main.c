/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - chancery-sanctions: imports list files into their feeds
 *
 * It first folds its own feed and finds the last request answered there, then reads `sanctions.in`
 * from that one on (when it was answered in part) or behind it.  One request at a time: fetch its
 * part, parse it in a process of its own, publish the answers, go on.  An end at any moment is made
 * good by starting again: what was on its way is published first (keep/), answers have ids of their
 * request's position, and what is recorded of them is left out.
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "adapters/sanctions/child.h"
#include "adapters/sanctions/feed.h"
#include "adapters/sanctions/list.h"
#include "lib/client_open.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/program.h"
#include "lib/pulse.h"
#include "lib/sandbox.h"
#include "lib/scan.h"
#include "lib/settings.h"

enum {
    EVENT_ARENA = 8 * 1024 * 1024,
    ANSWERS_ARENA = 128 * 1024 * 1024,
    PARSER_MS = 60 * 1000,
    RETRY_MS = 1000,
};

static const char LIST[] = "un";
static const char FEED[] = "un.feed";
static const char REQUESTS[] = "sanctions.in";

struct adapter {
    struct settings settings;
    struct seat_key key; /* until the client has it */
    char *parser;
    uv_loop_t *loop;
    uv_signal_t signals[2];
    uv_timer_t retry;
    struct watchdog watchdog;
    struct pulse pulse;
    struct chancery *client;
    struct chancery_reading *own, *requests;
    struct arena *arena; /* of one event */
    struct feed *feed;
    struct answers answers;

    uint64_t cause; /* last request answered in the feed, and how far */
    size_t known, of;

    uint64_t position; /* of the request under way; 0 = none */
    struct feed_request request;
    char *list, *file_name, *part_file; /* of the request */
    struct feed_import *import;
    struct child *child;
    struct buf output; /* of the parser, not yet taken */
    int output_error;

    bool closing;
    int status;
};

static void adapter_end(struct adapter *a, int status)
{
    if (a->closing)
        return;
    a->closing = true;
    a->status = status;
    notify_say("STOPPING=1\nSTATUS=stopping");
    if (a->child)
        child_drop(a->child);
    chancery_close(a->client, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&a->signals[i], NULL);
    uv_close((uv_handle_t *)&a->retry, NULL);
    watchdog_stop(&a->watchdog);
}

static void on_signal(uv_signal_t *handle, int number)
{
    log_info("sanctions.ending", "signal=%d", number);
    adapter_end(handle->data, EXIT_SUCCESS);
}

/* ---- publishing ---- */

static void request_done(struct adapter *a)
{
    if (a->part_file)
        unlink(a->part_file);
    mem_free(a->part_file);
    mem_free(a->list);
    mem_free(a->file_name);
    a->part_file = a->list = a->file_name = NULL;
    a->position = 0;
}

static void fold_answers(struct adapter *a)
{
    for (size_t i = 0; i < a->answers.n; i++) {
        const struct answer_event *e = &a->answers.events[i];
        int err = 0;
        arena_reset(a->arena);
        const ProtobufCMessage *body = scan_unpack(e->type, e->payload, a->arena, &err, NULL);
        if (body)
            feed_fold(a->feed, e->type, body);
    }
}

static void on_published(void *arg, int err, const char *code, const char *text,
                         const uint64_t positions[], size_t n)
{
    struct adapter *a = arg;

    (void)positions, (void)n;
    if (a->closing)
        return;
    if (err != 0) {
        /* another instance answered, or a rule changed: begin again from the log */
        log_error("sanctions.refused", "answers are refused cause=%llu code=%s text=%s",
                  (unsigned long long)a->position, code, text);
        adapter_end(a, EXIT_FAILURE);
        return;
    }
    fold_answers(a);
    log_info("sanctions.answered", "cause=%llu events=%zu type=%s", (unsigned long long)a->position,
             a->answers.n, a->answers.events[a->answers.n - 1].type->name);
    request_done(a);
    chancery_read_more(a->requests);
}

static void publish(struct adapter *a)
{
    size_t first = a->position == a->cause ? a->known : 0;

    if (first > 0 && (a->answers.n != a->of || first >= a->of)) {
        log_error("sanctions.differs",
                  "the answers differ from those begun cause=%llu recorded=%zu of=%zu "
                  "now=%zu; this program decides otherwise than the one that began",
                  (unsigned long long)a->position, first, a->of, a->answers.n);
        adapter_end(a, EXIT_FAILURE);
        return;
    }
    answers_publish(&a->answers, a->client, first, on_published, a);
}

static void refuse(struct adapter *a, const char *code, const char *text)
{
    feed_refuse(&a->request, code, text, &a->answers);
    publish(a);
}

/* ---- parsing ---- */

static void on_output(void *arg, struct slice bytes)
{
    struct adapter *a = arg;
    struct pipe_message m;
    size_t at = 0, used = 0;

    buf_add(&a->output, bytes.data, bytes.size);
    while (a->output_error == 0) {
        struct slice rest = {a->output.data + at, a->output.size - at};
        int rc = pipe_next(rest, &m, &used);
        if (rc == 0)
            break;
        a->output_error = rc == 1 ? feed_import_take(a->import, &m) : rc;
        at += used;
    }
    memmove(a->output.data, a->output.data + at, a->output.size - at);
    a->output.size = a->output_error ? 0 : a->output.size - at;
}

static void on_parsed(void *arg, int64_t status, int sig, bool late)
{
    struct adapter *a = arg;
    bool complete = status == 0 && sig == 0 && a->output_error == 0 && a->output.size == 0 &&
                    feed_import_done(a->import);

    a->child = NULL;
    feed_import_free(a->import);
    a->import = NULL;
    if (complete)
        publish(a);
    else if (late)
        refuse(a, "list.limit",
               "reading the file took longer than allowed: this is not the list; look at it");
    else if (a->output_error == ERR_BOUNDS)
        refuse(a, "list.limit", "the list is larger than one import may be");
    else
        refuse(a, pipe_death_of(sig)->code, pipe_death_of(sig)->text);
}

static void parse(struct adapter *a)
{
    const char *argv[] = {a->parser, "--list", LIST, a->part_file, NULL};
    const char *why = "";

    buf_reset(&a->output);
    a->output_error = 0;
    a->import = feed_import_new(a->feed, &a->request, &a->answers);
    if (child_start(&a->child, a->loop, argv, PARSER_MS, on_output, on_parsed, a, &why) != 0) {
        feed_import_free(a->import);
        a->import = NULL;
        log_error("sanctions.parser", "cannot start %s: %s", a->parser, why);
        adapter_end(a, EXIT_FAILURE);
    }
}

/* ---- fetching ---- */

static void fetch(struct adapter *a);

static void on_retry(uv_timer_t *timer)
{
    fetch(timer->data);
}

static bool passes(int err)
{
    return err == ERR_UNREACHABLE || err == ERR_TIMEOUT || err == ERR_BUSY || err == ERR_QUOTA ||
           err == ERR_CANCELLED || err == ERR_UNKNOWN;
}

static void on_part(void *arg, int err, const char *text)
{
    struct adapter *a = arg;
    char why[320];

    if (a->closing)
        return;
    if (err == 0) {
        parse(a);
    } else if (passes(err)) {
        uv_timer_start(&a->retry, on_retry, RETRY_MS, 0);
    } else {
        snprintf(why, sizeof why, "the file cannot be had (%s: %s); import it again", err_code(err),
                 text ? text : err_text(err));
        refuse(a, "list.part", why);
    }
}

static void fetch(struct adapter *a)
{
    unlink(a->part_file);
    int rc =
        chancery_get_part(a->client, a->position, a->request.file.bytes, a->part_file, on_part, a);
    if (rc != 0)
        on_part(a, rc, NULL);
}

/* ---- requests ---- */

/* What is wrong with the request, or NULL. */
static const char *check_request(const struct adapter *a, const Core__Envelope *e,
                                 const char **text)
{
    *text = "the request names no file; `chancery list import FILE` sends it along";
    if (e->n_parts != 1)
        return "list.part";
    *text = "the file is sealed; a public list is sent clear";
    if (e->parts[0]->sealed)
        return "list.part";
    *text = "the file is larger than 256 MiB: this is not the list";
    if (e->parts[0]->size > LIST_FILE)
        return "list.limit";
    *text = "no such list; \"un\" is the one that is read here";
    return strcmp(a->list, LIST) == 0 ? NULL : "list.unknown";
}

static char *cut_text(const char *text, size_t most)
{
    size_t n = strnlen(text, most + 1);

    while (n > most || (n > 0 && n == most && ((uint8_t)text[n] & 0xC0) == 0x80))
        n--;
    return mem_strn(text, n);
}

static void follow(struct adapter *a, const Core__Envelope *e, const Sanctions__ImportList *import)
{
    const char *text;

    a->list = cut_text(import ? import->list : "", 64);
    a->file_name = cut_text(import ? import->file_name : "", 255);
    a->request = (struct feed_request){
        .list = a->list, .file_name = a->file_name, .fetched = import ? import->fetched : 0};
    if (e->n_parts == 1)
        memcpy(a->request.file.bytes, e->parts[0]->sha256.data, HASH_SIZE);
    if (!import) {
        refuse(a, "list.request", "this is no ImportList that can be read");
        return;
    }
    const char *code = check_request(a, e, &text);
    if (code) {
        refuse(a, code, text);
    } else if (feed_answer_same(a->feed, &a->request, &a->answers)) {
        publish(a);
    } else {
        a->part_file = mem_printf("%s/sanctions-%llu.part", a->settings.run_dir,
                                  (unsigned long long)a->position);
        fetch(a);
    }
}

static struct slice event_of(const struct chancery_record *r)
{
    return slice_of(r->event, r->event_size);
}

static struct slice payload_of(const struct chancery_record *r)
{
    return slice_of(r->payload, r->payload_size);
}

static int on_request(void *arg, const struct chancery_record *record)
{
    struct adapter *a = arg;
    struct event event;
    char where[128];
    const ProtobufCMessage *body = NULL;
    int err = 0;

    arena_reset(a->arena);
    if (event_open(&event, event_of(record), payload_of(record), a->arena, where) != 0) {
        log_warn("sanctions.unreadable", "an event cannot be read position=%llu field=%s",
                 (unsigned long long)record->position, where);
        return 1;
    }
    if (strcmp(event.envelope->type, sanctions__import_list__descriptor.name) == 0)
        body =
            scan_unpack(&sanctions__import_list__descriptor, event.payload, a->arena, &err, NULL);
    a->position = record->position;
    answers_begin(&a->answers, record->position, record->received, event.envelope);
    follow(a, event.envelope, (const void *)body);
    return 0;
}

static void on_ended(void *arg, int err, const char *text)
{
    log_error("sanctions.reading", "reading is refused code=%s text=%s", err_code(err),
              text ? text : "");
    adapter_end(arg, EXIT_FAILURE);
}

static void read_requests(struct adapter *a)
{
    static const char *const streams[] = {REQUESTS, NULL};
    const struct chancery_read_options options = {
        .from = a->known < a->of ? a->cause : a->cause + 1,
        .streams = streams,
        .record = on_request,
        .ended = on_ended,
        .arg = a,
    };

    log_info("sanctions.reads", "requests from=%llu", (unsigned long long)options.from);
    int rc = chancery_read(a->client, &options, &a->requests);
    if (rc != 0)
        on_ended(a, rc, NULL);
    else
        notify_say("READY=1\nSTATUS=waiting for requests");
}

/* ---- the own feed ---- */

static const ProtobufCMessageDescriptor *const feed_types[] = {
    &sanctions__party_published__descriptor,    &sanctions__parties_gone__descriptor,
    &sanctions__snapshot_published__descriptor, &sanctions__imported__descriptor,
    &sanctions__unchanged__descriptor,          &sanctions__import_refused__descriptor,
};

static void fold_record(struct adapter *a, const struct event *event)
{
    for (size_t i = 0; i < sizeof feed_types / sizeof *feed_types; i++) {
        int err = 0;
        if (strcmp(feed_types[i]->name, event->envelope->type) != 0)
            continue;
        const ProtobufCMessage *body =
            scan_unpack(feed_types[i], event->payload, a->arena, &err, NULL);
        if (body)
            feed_fold(a->feed, feed_types[i], body);
    }
}

static int on_own(void *arg, const struct chancery_record *record)
{
    struct adapter *a = arg;
    struct event event;
    char where[128];

    arena_reset(a->arena);
    if (event_open(&event, event_of(record), payload_of(record), a->arena, where) != 0) {
        log_warn("sanctions.unreadable", "an event cannot be read position=%llu field=%s",
                 (unsigned long long)record->position, where);
        return 1;
    }
    if (event.envelope->cause == 0)
        return 1;
    a->cause = event.envelope->cause;
    a->known = (size_t)event.envelope->ordinal + 1;
    a->of = event.envelope->of;
    fold_record(a, &event);
    return 1;
}

static void on_own_ended(void *arg, int err, const char *text)
{
    struct adapter *a = arg;

    a->own = NULL;
    if (err != 0)
        on_ended(a, err, text);
    else
        read_requests(a);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    static const char *const streams[] = {FEED, NULL};
    struct adapter *a = arg;

    log_info("sanctions.session", "seat=%s head=%llu", s->seat, (unsigned long long)s->head);
    if (a->own || a->requests)
        return; /* readings go on by themselves */
    const struct chancery_read_options options = {
        .until = s->head,
        .streams = streams,
        .seat = s->seat,
        .record = on_own,
        .ended = on_own_ended,
        .arg = a,
    };
    int rc = chancery_read(a->client, &options, &a->own);
    if (rc != 0)
        on_ended(a, rc, NULL);
}

/* ---- starting ---- */

/* Beside this program unless the settings name it. */
static char *parser_path(const char *stated, const char *dir)
{
    if (!stated)
        return program_beside("chancery-list-parse");
    return *stated == '/' ? mem_str(stated) : mem_printf("%s/%s", dir, stated);
}

/* What a request waits for has a limit of its own: the parser by its time, the broker by the pulse.
 */
static bool on_watchdog(void *arg, struct buf *status)
{
    struct adapter *a = arg;

    if (!chancery_current(a->client))
        buf_add_str(status, "waiting for the broker");
    else if (a->position)
        buf_printf(status, "at request %llu", (unsigned long long)a->position);
    else
        buf_add_str(status, a->requests ? "waiting for requests" : "folding the feed");
    return pulse_beats(&a->pulse);
}

static void handles_start(struct adapter *a)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(a->loop, &a->signals[i]);
        a->signals[i].data = a;
        uv_signal_start(&a->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(a->loop, &a->retry);
    a->retry.data = a;
    a->pulse.client = a->client;
    watchdog_start(&a->watchdog, a->loop, on_watchdog, a);
}

static int adapter_run(struct adapter *a)
{
    char why[256];
    const struct chancery_options options = {
        .endpoint = a->settings.endpoint,
        .server_key = a->settings.server_key,
        .log = a->settings.log,
        .keep_dir = a->settings.keep_dir,
        .software = "sanctions",
        .patient = true,
    };

    a->loop = uv_default_loop();
    if (client_open_key(&a->client, a->loop, &options, &a->key, why) != 0) {
        log_error("sanctions.start", "%s", why);
        return EXIT_SETTINGS;
    }
    a->arena = arena_new(EVENT_ARENA);
    a->feed = feed_new(LIST);
    answers_init(&a->answers, ANSWERS_ARENA, FEED);
    chancery_on_session(a->client, on_session, a);
    handles_start(a);
    uv_run(a->loop, UV_RUN_DEFAULT);
    uv_loop_close(a->loop);
    request_done(a);
    feed_import_free(a->import);
    feed_free(a->feed);
    answers_clear(&a->answers);
    arena_free(a->arena);
    buf_free(&a->output);
    return a->status;
}

struct own_settings {
    char *parser;
};

static const struct conf_key keys[] = {
    {"sanctions", "parser", CONF_STRING, offsetof(struct own_settings, parser), NULL, 0, PATH_MAX,
     "Program that reads list files, instead of chancery-list-parse beside chancery-sanctions; it "
     "may start no other, so it is no script"},
    {0},
};

static int configure(struct adapter *a, const char *file, struct own_settings *own)
{
    struct buf why = {0};
    int rc = settings_read(&a->settings, file, "sanctions", keys, own, NULL, &why);

    if (rc == 0)
        rc = seat_key_open(&a->key, a->settings.key_file, &why);
    if (rc == 0) {
        a->parser = parser_path(own->parser, a->settings.dir);
        rc = sandbox_enter(&(struct sandbox){.profile = SANDBOX_LISTS,
                                             .settings = &a->settings,
                                             .program = a->parser},
                           &why);
    }
    if (rc)
        log_error("sanctions.start", "%s", buf_cstr(&why));
    buf_free(&why);
    return rc;
}

int main(int argc, char **argv)
{
    struct adapter a = {.status = EXIT_SETTINGS};
    struct own_settings own = {NULL};
    const char *file = settings_file(argc, argv, "sanctions", keys, &a.status);

    if (!file)
        return a.status;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    if (configure(&a, file, &own) == 0)
        a.status = adapter_run(&a);
    mem_free(a.parser);
    conf_clear(keys, "sanctions", &own);
    seat_key_clear(&a.key);
    settings_clear(&a.settings);
    return a.status;
}
