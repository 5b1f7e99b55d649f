/* SPDX-License-Identifier: Apache-2.0 */
/* service.c - how the service fares, and which worker failed on what */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(30) * 1000000, glance = INT64_C(2) * 1000000;

/* ---- status ---- */

struct fetching {
    struct session *s;
    bool done;
    const Core__Status *answer;
};

static void on_status(void *arg, int err, const char *text, const void *status, size_t size)
{
    struct fetching *f = arg;

    f->done = true;
    if (err == 0)
        f->answer =
            core__status__unpack(arena_allocator(f->s->arena), size, (const uint8_t *)status);
    if (!f->answer)
        session_fail(f->s, "%s: %s", err_code(err ? err : ERR_MALFORMED),
                     text ? text : err_text(err));
}

static int status_fetch(struct session *s, const Core__Status **out)
{
    struct fetching f = {.s = s};
    int rc = chancery_status(s->client, on_status, &f);

    if (rc < 0) {
        session_fail(s, "cannot ask for the status: %s", err_text(rc));
        return FAILED;
    }
    rc = session_wait(s, &f.done, answer_for);
    if (rc == FAILED)
        session_fail(s, "the broker does not tell its status");
    *out = f.answer;
    return rc == DONE && !f.answer ? FAILED : rc;
}

struct failure { /* an input that a worker failed on and that was not tried again */
    uint64_t input;
    char stream[65], type[129];
    uint32_t deaths;
};

struct failures {
    struct failure *list;
    size_t n;
};

/* "embargo" of "embargo.out". */
static int domain_size(const char *stream)
{
    const char *dot = strrchr(stream, '.');

    return dot ? (int)(dot - stream) : (int)strlen(stream);
}

static void failures_drop(struct failures *f, const char *stream, uint64_t input)
{
    int size = domain_size(stream);
    size_t kept = 0;

    for (size_t i = 0; i < f->n; i++) {
        const struct failure *at = &f->list[i];
        if (at->input != input || domain_size(at->stream) != size ||
            strncmp(at->stream, stream, (size_t)size) != 0)
            f->list[kept++] = *at;
    }
    f->n = kept;
}

static void failures_add(struct failures *f, const char *stream, const Core__WorkerFailed *w)
{
    failures_drop(f, stream, w->input); /* asked for twice, it fails twice */
    f->list = mem_grow(f->list, (f->n + 1) * sizeof *f->list);
    struct failure *added = &f->list[f->n++];
    *added = (struct failure){.input = w->input, .deaths = w->deaths};
    snprintf(added->stream, sizeof added->stream, "%s", stream);
    snprintf(added->type, sizeof added->type, "%s", w->type);
}

/* A retry that fails again has a WorkerFailed of its own, which names the same input. */
static bool failures_gather(void *arg, const struct seen *seen)
{
    const char *stream = seen->event.envelope->stream;
    const void *body = seen->body;

    if (seen->type == &core__worker_failed__descriptor && body)
        failures_add(arg, stream, body);
    else if (seen->type == &core__retry_input__descriptor && body)
        failures_drop(arg, stream, ((const Core__RetryInput *)body)->input);
    return true;
}

static int failures_find(struct session *s, struct failures *f)
{
    struct look look = {
        .types = {core__worker_failed__descriptor.name, core__retry_input__descriptor.name},
        .each = failures_gather,
        .arg = f,
    };

    *f = (struct failures){0};
    return session_look(s, &look);
}

static void show_failures(const struct failures *f)
{
    for (size_t i = 0; i < f->n; i++)
        show_line("failed", "%s: input %llu (%s), %u deaths; chancery worker retry %llu",
                  f->list[i].stream, (unsigned long long)f->list[i].input, f->list[i].type,
                  f->list[i].deaths, (unsigned long long)f->list[i].input);
}

static json_t *failures_json(const struct failures *f)
{
    json_t *array = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(array,
                              json_pack("{s:I, s:s, s:s, s:i}", "input",
                                        (json_int_t)f->list[i].input, "stream", f->list[i].stream,
                                        "type", f->list[i].type, "deaths", (int)f->list[i].deaths));
    return array;
}

static void show_status(const Core__Status *st)
{
    struct buf disk = {0};
    char *started = time_of(st->started, true);

    text_size(&disk, st->disk_free);
    show_line("log", "%s, head %llu", st->log, (unsigned long long)st->head);
    show_line("broker", "version %s, since %s", st->version, started);
    show_line("publishing", "%s%s", st->publishing ? "yes" : "no: ", st->halted);
    show_line("commits", "%llu, refusals %llu", (unsigned long long)st->commits,
              (unsigned long long)st->refusals);
    show_line("disk free", "%s", buf_cstr(&disk));
    mem_free(started);
    buf_free(&disk);
}

static void show_seats(const Core__Status *st, bool workers)
{
    static const char *const head[] = {"SEAT",     "OFFICE",   "SOFTWARE", "SESSIONS",
                                       "READINGS", "SERVICES", "EVENTS",   NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < st->n_seats; i++) {
        const Core__SeatStatus *seat = st->seats[i];
        if (workers && !seat->services[0])
            continue;
        table_cell(t, "%s", seat->seat);
        table_cell(t, "%s", seat->office);
        table_cell(t, "%s", seat->software);
        table_cell(t, "%u", seat->sessions);
        table_cell(t, "%u", seat->readings);
        table_cell(t, "%s", seat->services);
        table_cell(t, "%llu", (unsigned long long)seat->events);
    }
    table_print(t, stdout);
    table_free(t);
}

static bool offered(const Core__Status *st, const char *service)
{
    for (size_t i = 0; i < st->n_seats; i++)
        if (strstr(st->seats[i]->services, service))
            return true;
    return false;
}

static void show_lists(struct session *s, json_t *object)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;

    if (session_ask(s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer) !=
        DONE)
        return;
    const Embargo__ListStatuses *statuses = answer;
    if (object)
        json_object_set_new(object, "embargo", json_of_message(&statuses->base));
    for (size_t i = 0; !object && i < statuses->n_lists; i++)
        show_list_status(statuses->lists[i]);
}

static int status_show(struct session *s, bool json)
{
    const Core__Status *st = NULL;
    struct failures failures = {0};
    int rc = status_fetch(s, &st);

    if (rc == DONE)
        rc = failures_find(s, &failures);
    if (rc == DONE) {
        json_t *object = json ? json_object() : NULL;
        progress_end(&s->progress);
        if (json) {
            json_object_set_new(object, "broker", json_of_message(&st->base));
            json_object_set_new(object, "failed", failures_json(&failures));
        } else {
            show_status(st);
            show_failures(&failures);
        }
        if (offered(st, "embargo"))
            show_lists(s, object);
        else if (!json)
            puts("embargo         no worker offers this service now");
        if (json) {
            show_json(object);
        } else {
            putchar('\n');
            show_seats(st, false);
        }
    }
    mem_free(failures.list);
    return rc;
}

int status_run(const struct call *c)
{
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    s.ask_for = glance;
    rc = status_show(&s, c->option[OPT_JSON] != NULL);
    session_close(&s);
    return rc;
}

/* ---- workers ---- */

int worker_ls_run(const struct call *c)
{
    const Core__Status *st = NULL;
    struct failures failures = {0};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = status_fetch(&s, &st);
    if (rc == DONE)
        rc = failures_find(&s, &failures);
    progress_end(&s.progress);
    if (rc == DONE && c->option[OPT_JSON]) {
        json_t *workers = json_array();
        for (size_t i = 0; i < st->n_seats; i++)
            if (st->seats[i]->services[0])
                json_array_append_new(workers, json_of_message(&st->seats[i]->base));
        show_json(json_pack("{s:o, s:o}", "workers", workers, "failed", failures_json(&failures)));
    } else if (rc == DONE) {
        show_seats(st, true);
        show_failures(&failures);
    }
    mem_free(failures.list);
    session_close(&s);
    return rc;
}

struct retrying {
    uint64_t request;
    const ProtobufCMessageDescriptor *type; /* of the last answer; NULL = none yet, or unknown */
    bool answered;
    char code[128];
};

static bool retry_answered(void *arg, const struct seen *seen)
{
    struct retrying *r = arg;

    if (seen->event.envelope->cause != r->request)
        return true;
    r->answered = true;
    r->type = seen->type;
    if (seen->type == &core__request_refused__descriptor && seen->body)
        snprintf(r->code, sizeof r->code, "%s",
                 ((const Core__RequestRefused *)(const void *)seen->body)->code);
    return seen->event.envelope->ordinal + 1 < seen->event.envelope->of;
}

static int retry_tell(const struct retrying *r, uint64_t input, bool json)
{
    bool fatal = r->type == &core__worker_failed__descriptor;
    const char *outcome = fatal ? "failed" : r->code[0] ? "refused" : "decided";

    if (json)
        show_json(json_pack("{s:I, s:I, s:s, s:s}", "input", (json_int_t)input, "request",
                            (json_int_t)r->request, "outcome", outcome, "code", r->code));
    else
        printf("input %llu was %s, asked at position %llu%s%s\n", (unsigned long long)input,
               fatal ? "fatal to the worker again" : outcome, (unsigned long long)r->request,
               r->code[0] ? ": " : "", r->code);
    return fatal ? FAILED : DONE;
}

static int retry(struct session *s, const struct failure *f, bool json)
{
    Core__RetryInput request = CORE__RETRY_INPUT__INIT;
    struct retrying r = {0};
    char in[80];

    request.input = f->input;
    snprintf(in, sizeof in, "%.*s.in", domain_size(f->stream), f->stream);
    int rc = session_request(s, in, &request.base, NULL, &r.request);
    if (rc != DONE)
        return rc == FAILED ? session_unpublished(s) : rc;
    struct look look = {.streams = {f->stream},
                        .from = r.request + 1,
                        .follow = true,
                        .patience = answer_for,
                        .each = retry_answered,
                        .arg = &r};
    rc = session_look(s, &look);
    if (rc == FAILED && !r.answered)
        session_fail(s, "no answer yet; the request is recorded at position %llu",
                     (unsigned long long)r.request);
    progress_end(&s->progress);
    return rc == DONE ? retry_tell(&r, f->input, json) : rc;
}

int worker_retry_run(const struct call *c)
{
    struct failures failures = {0};
    const struct failure *found = NULL;
    struct session s;
    uint64_t input;

    if (!call_position(c, c->argument[0], &input))
        return USAGE;
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = failures_find(&s, &failures);
    for (size_t i = 0; i < failures.n; i++)
        if (failures.list[i].input == input)
            found = &failures.list[i];
    if (rc == DONE && found)
        rc = retry(&s, found, c->option[OPT_JSON] != NULL);
    else if (rc == DONE)
        rc = session_fail(
            &s, "no worker failed on position %llu; `chancery worker ls` shows those that did",
            (unsigned long long)input);
    mem_free(failures.list);
    session_close(&s);
    return rc;
}
