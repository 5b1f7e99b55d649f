/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/session.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>

#include "adapters/terminal/given.h"
#include "adapters/terminal/known.h"
#include "adapters/terminal/programs.h"
#include "adapters/terminal/text.h"
#include "lib/client_open.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/scan.h"

enum { SECOND = 1000000, TICK_MS = 100, ARENA = 64 << 20, EVENT_ARENA = 16 << 20 };
static const int64_t reach = 5 * SECOND, publish_for = 30 * SECOND, ask_for = 10 * SECOND,
                     ask_again = SECOND / 5, try_for = 2 * SECOND;

/* ---- opening, waiting, closing ---- */

static int64_t now(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

int session_fail(struct session *s, const char *format, ...)
{
    struct buf text = {0};
    va_list args;

    va_start(args, format);
    text_safe_args(&text, format, args);
    va_end(args);
    progress_end(&s->progress);
    complain("%s", buf_cstr(&text));
    buf_free(&text);
    return FAILED;
}

static void tell_waiting(struct session *s)
{
    bool waits = s->patient && s->gone && now() - s->gone > SECOND;

    if (waits && !s->told)
        complain("the broker does not answer; waiting for it");
    else if (s->told && !s->gone)
        complain("the broker is back");
    s->told = waits || (s->told && s->gone);
}

static void on_tick(uv_timer_t *timer)
{
    struct session *s = timer->data;

    progress_tick(&s->progress);
    if (chancery_current(s->client))
        s->gone = 0;
    else if (!s->gone)
        s->gone = now();
    tell_waiting(s);
    s->late = s->deadline && now() > s->deadline;
    if (s->endless && nobody_reads())
        s->interrupted = true;
}

int session_wait(struct session *s, const bool *done, int64_t patience)
{
    s->deadline = patience ? now() + patience : 0;
    s->late = false;
    while (!*done && !s->interrupted) {
        if (s->late || s->refused)
            return FAILED;
        if (s->gone && !s->patient && now() - s->gone > reach) {
            session_fail(s,
                         "the broker does not answer at %s; start it with `chancery up --dir %s`,"
                         " or it does not know the keys of %s",
                         s->settings.endpoint, s->settings.dir, s->settings.seat);
            return UNREACHABLE;
        }
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    return DONE;
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct session *s = signal->data;

    (void)number;
    s->interrupted = true;
}

void session_interruptible(struct session *s)
{
    static const int numbers[] = {SIGINT, SIGTERM};

    signal(SIGPIPE, SIG_IGN); /* a write tells */
    s->endless = true;
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
}

int settings_of_call(struct settings *s, const struct call *c)
{
    const char *seat = c->option[OPT_SEAT];
    struct buf why = {0};
    int rc = settings_read(s, programs_instance(c), "terminal", NULL, NULL, NULL, &why);

    if (rc < 0)
        complain("%s; name an instance with --dir or $CHANCERY_DIR, or make one with"
                 " `chancery init DIR`",
                 buf_cstr(&why));
    buf_free(&why);
    if (rc == 0 && seat && !identifier_valid(seat)) {
        settings_clear(s);
        return call_usage(c, "--seat %s: not an identifier, [A-Za-z0-9._-]{1,64}", seat);
    }
    if (rc == 0 && seat)
        settings_set_seat(s, seat);
    return rc ? FAILED : DONE;
}

static void on_session(void *arg, const struct chancery_session *session)
{
    bool *up = arg;

    (void)session;
    *up = true;
}

/* What waiting does not mend: a delegation that ended, say. */
static void on_refused(void *arg, const char *code, const char *text)
{
    struct session *s = arg;

    if (s->refused || err_of_code(code) == ERR_BUSY)
        return;
    s->refused = true;
    session_fail(s, "the broker refuses the session: %s: %s", code, text);
}

static void on_no_session(void *arg, const struct chancery_session *session)
{
    (void)arg;
    (void)session;
}

/* Another command of the seat may be publishing: it is waited for. */
static int client_open(struct session *s, struct seat_key *key, const char *keep_dir,
                       struct slice delegation)
{
    char why[256] = "";
    struct chancery_options options = {.endpoint = s->settings.endpoint,
                                       .server_key = s->settings.server_key,
                                       .log = s->settings.log,
                                       .keep_dir = keep_dir,
                                       .software = "chancery " CHANCERY_VERSION,
                                       .give_up = publish_for,
                                       .delegation = delegation.data,
                                       .delegation_size = delegation.size};
    int64_t until = now() + publish_for;
    int rc;

    while ((rc = client_open_key(&s->client, &s->loop, &options, key, why)) == ERR_OWNED &&
           now() < until) {
        progress_step(&s->progress, "waiting for another command of this seat", 0, 0);
        uv_sleep(TICK_MS);
    }
    if (rc == 0)
        return DONE;
    if (rc == ERR_OWNED)
        complain("another command publishes as %s; wait until it ends, or act as another seat"
                 " (--seat)",
                 s->settings.seat);
    else
        complain("%s", why);
    s->client = NULL;
    return FAILED;
}

/* With the key of the settings' file. */
static int key_open(struct session *s, const char *keep_dir, struct slice delegation)
{
    struct seat_key key = {0};
    struct buf why = {0};
    int err = seat_key_open(&key, s->settings.key_file, &why);

    if (err)
        complain("%s: %s", err_code(err), buf_cstr(&why));
    int rc = err ? FAILED : client_open(s, &key, keep_dir, delegation);
    seat_key_clear(&key);
    buf_free(&why);
    return rc;
}

struct opening {          /* how a session is opened */
    const char *key_file; /* NULL = that of the seat */
    bool publishes;
    int64_t patience; /* 0 = as long as the broker may be gone, and then it is said */
};

/* With the delegation that is named, if one is. */
static int open_client(struct session *s, const struct call *c, const struct opening *how)
{
    const char *file = c->option[OPT_DELEGATION];
    struct buf delegation = {0};
    int rc = file ? given_read(file, CHANCERY_DELEGATION_MOST, &delegation) : DONE;

    if (rc == DONE)
        rc = key_open(s, how->publishes ? s->settings.keep_dir : NULL, slice_buf(&delegation));
    buf_free(&delegation);
    return rc;
}

static int open_session(struct session *s, const struct call *c, const struct opening *how)
{
    bool up = false;

    *s = (struct session){.ask_for = ask_for};
    log_set_level(LOG_ERROR); /* what a person needs to know is complained about here */
    int rc = settings_of_call(&s->settings, c);
    if (rc != DONE)
        return rc;
    if (how->key_file) {
        mem_free(s->settings.key_file);
        s->settings.key_file = mem_str(how->key_file);
    }
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    s->arena = arena_new(ARENA);
    progress_begin(&s->progress, "connecting");
    rc = open_client(s, c, how);
    if (rc != DONE) {
        session_close(s);
        return rc;
    }
    uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
    chancery_on_session(s->client, on_session, &up);
    chancery_on_refusal(s->client, on_refused, s);
    s->gone = now();
    rc = session_wait(s, &up, how->patience);
    chancery_on_session(s->client, on_no_session, NULL);
    if (rc == FAILED && !s->refused)
        rc = UNREACHABLE;
    if (rc != DONE)
        session_close(s);
    return rc;
}

int session_open(struct session *s, const struct call *c)
{
    return open_session(s, c, &(struct opening){0});
}

int session_open_publishing(struct session *s, const struct call *c)
{
    return open_session(s, c, &(struct opening){.publishes = true});
}

int session_try(struct session *s, const struct call *c, const char *key_file)
{
    return open_session(
        s, c, &(struct opening){.key_file = key_file, .publishes = true, .patience = try_for});
}

int session_published(struct session *s, const struct call *c)
{
    session_close(s);
    return session_open(s, c);
}

static void on_closed(void *arg)
{
    struct session *s = arg;

    s->closed = true;
}

void session_close(struct session *s)
{
    if (!s->arena)
        return;
    progress_end(&s->progress);
    uv_close((uv_handle_t *)&s->timer, NULL); /* it looks at the client */
    for (size_t i = 0; s->endless && i < 2; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    if (s->client)
        chancery_close(s->client, on_closed, s);
    while (s->client && !s->closed)
        uv_run(&s->loop, UV_RUN_ONCE);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
    settings_clear(&s->settings);
    arena_free(s->arena);
    *s = (struct session){0};
}

/* ---- publishing ---- */

void published_take(struct published *p, const struct chancery_result *result, size_t i)
{
    bool recorded = result->outcome == CHANCERY_RECORDED;

    *p = (struct published){.outcome = result->outcome};
    if (recorded) {
        p->position = result->positions[i];
        p->received = result->received[i];
        return;
    }
    snprintf(p->code, sizeof p->code, "%s", result->code);
    snprintf(p->text, sizeof p->text, "%s", result->text);
    snprintf(p->field, sizeof p->field, "%s", result->field ? result->field : "");
}

static void on_published(void *arg, const struct chancery_result *result)
{
    struct session *s = arg;

    s->published_done = true;
    published_take(&s->published, result, 0);
}

static void not_answered(struct session *s)
{
    const struct chancery_result result = {
        .outcome = CHANCERY_UNKNOWN, .code = err_code(ERR_UNKNOWN), .text = err_text(ERR_UNKNOWN)};

    on_published(s, &result);
}

int session_publish_all(struct session *s, const struct chancery_event events[], size_t n,
                        int64_t patience)
{
    s->published_done = false;
    int rc = chancery_publish(s->client, events, n, on_published, s);

    if (rc < 0) {
        const struct chancery_result result = {
            .outcome = CHANCERY_REFUSED, .code = err_code(rc), .text = err_text(rc)};
        on_published(s, &result);
        return FAILED;
    }
    rc = session_wait(s, &s->published_done, patience);
    if (rc == FAILED)
        not_answered(s);
    if (rc != DONE)
        return rc;
    return s->published.outcome == CHANCERY_RECORDED ? DONE : FAILED;
}

int session_publish(struct session *s, const struct chancery_event *event)
{
    return session_publish_all(s, event, 1, 0);
}

int session_unpublished(struct session *s)
{
    const struct published *p = &s->published;

    if (p->outcome == CHANCERY_REFUSED)
        return session_fail(s, "refused, nothing was recorded: %s: %s%s%s", p->code, p->text,
                            p->field[0] ? ": " : "", p->field);
    return session_fail(s,
                        "it is not known whether this was recorded; this seat's next command that"
                        " publishes asks again; look with `chancery event ls`");
}

/* The payload is the caller's to free. */
static struct chancery_event event_of(const char *stream, const ProtobufCMessage *message,
                                      uint8_t **payload)
{
    size_t size = protobuf_c_message_get_packed_size(message);

    *payload = mem_new(size);
    protobuf_c_message_pack(message, *payload);
    return (struct chancery_event){.stream = stream,
                                   .type = message->descriptor->name,
                                   .payload = *payload,
                                   .payload_size = size};
}

int session_request(struct session *s, const char *stream, const ProtobufCMessage *message,
                    const struct chancery_part *part, uint64_t *position)
{
    uint8_t *payload;
    struct chancery_event event = event_of(stream, message, &payload);

    event.parts = part;
    event.n_parts = part ? 1 : 0;
    int rc = session_publish(s, &event);
    mem_free(payload);
    *position = s->published.position;
    return rc;
}

int session_request_all(struct session *s, const char *stream,
                        const ProtobufCMessage *const messages[], size_t n, int64_t patience,
                        uint64_t *position)
{
    struct chancery_event events[SESSION_MESSAGES] = {{0}};
    uint8_t *payloads[SESSION_MESSAGES];

    assert(n <= SESSION_MESSAGES);
    for (size_t i = 0; i < n; i++)
        events[i] = event_of(stream, messages[i], &payloads[i]);
    int rc = session_publish_all(s, events, n, patience);
    for (size_t i = 0; i < n; i++)
        mem_free(payloads[i]);
    *position = s->published.position;
    return rc;
}

/* ---- asking ---- */

struct asking {
    struct session *s;
    const ProtobufCMessageDescriptor *type;
    bool done, folding; /* the worker still reads the log */
    int status;
    const void *answer;
};

static const void *answer_unpack(struct asking *a, const char *type, struct slice bytes)
{
    char where[128];
    int err = 0;

    if (strcmp(type, a->type->name) != 0) {
        session_fail(a->s, "the answer is of another type: %s", type);
        return NULL;
    }
    const void *answer = scan_unpack(a->type, bytes, a->s->arena, &err, where);
    if (!answer)
        session_fail(a->s, "the answer cannot be read: %s: %s", where, err_text(err));
    return answer;
}

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct asking *a = arg;

    (void)as_of;
    a->done = true;
    a->folding = err == ERR_FOLDING;
    a->status = FAILED;
    if (err == 0) {
        a->answer = answer_unpack(a, type, slice_of(payload, size));
        a->status = a->answer ? DONE : FAILED;
    } else if (!a->folding) {
        session_fail(a->s, "%s: %s%s", code ? code : err_code(err), text ? text : err_text(err),
                     err == ERR_SERVICE ? " See `chancery status`" : "");
    }
}

static int ask(struct asking *a, const char *service, const ProtobufCMessage *question,
               int64_t patience)
{
    size_t size = protobuf_c_message_get_packed_size(question);
    uint8_t *payload = mem_new(size);

    a->done = a->folding = false;
    protobuf_c_message_pack(question, payload);
    int rc = chancery_ask(a->s->client, service, question->descriptor->name, payload, size, 0,
                          patience, on_answered, a);
    mem_free(payload);
    if (rc < 0)
        return session_fail(a->s, "cannot ask: %s", err_text(rc));
    rc = session_wait(a->s, &a->done, 0);
    return rc == DONE ? a->status : rc;
}

int session_ask(struct session *s, const char *service, const ProtobufCMessage *question,
                const ProtobufCMessageDescriptor *type, const void **answer)
{
    struct asking a = {.s = s, .type = type};
    int64_t until = now() + s->ask_for;
    bool never = false;
    int rc;

    if (!s->progress.of) /* else it goes on with the next page */
        progress_step(&s->progress, "waiting for an answer", 0, 0);
    while ((rc = ask(&a, service, question, until - now())) == FAILED && a.folding) {
        if (now() >= until)
            return session_fail(s, "%s: %s", err_code(ERR_FOLDING), err_text(ERR_FOLDING));
        if (session_wait(s, &never, ask_again) == UNREACHABLE)
            return UNREACHABLE;
    }
    *answer = a.answer;
    return rc;
}

/* ---- reading ---- */

struct looking {
    struct session *session;
    const struct look *look;
    struct arena *arena;
    bool done, ended;
    int status;
};

int seen_open(struct seen *seen, const struct chancery_record *r, struct arena *arena)
{
    char where[128];

    *seen = (struct seen){.position = r->position, .received = r->received};
    arena_reset(arena);
    int err = event_open(&seen->event, slice_of(r->event, r->event_size),
                         slice_of(r->payload, r->payload_size), arena, where);
    if (err < 0) {
        complain("position %llu cannot be read: %s: %s", (unsigned long long)r->position, where,
                 err_text(err));
        return FAILED;
    }
    seen->type = known_type(seen->event.envelope->type);
    if (seen->type)
        seen->body = scan_unpack(seen->type, seen->event.payload, arena, &err, where);
    return DONE;
}

static int on_record(void *arg, const struct chancery_record *r)
{
    struct looking *l = arg;
    struct seen seen;

    if (l->done)
        return 1;
    l->status = seen_open(&seen, r, l->arena);
    if (l->status != DONE || !l->look->each(l->look->arg, &seen))
        l->done = true;
    return 1;
}

static void on_caught_up(void *arg, uint64_t head)
{
    struct looking *l = arg;

    (void)head;
    if (!l->look->follow)
        l->done = true;
}

static void on_ended(void *arg, int err, const char *text)
{
    struct looking *l = arg;

    if (err < 0 && !l->done)
        l->status = session_fail(l->session, "cannot read: %s: %s", err_code(err),
                                 text ? text : err_text(err));
    l->done = l->ended = true;
}

static size_t count(const char *const *words, size_t most)
{
    size_t n = 0;

    while (n < most && words[n])
        n++;
    return n;
}

int session_look(struct session *s, const struct look *look)
{
    struct looking l = {.session = s, .look = look, .arena = arena_new(EVENT_ARENA)};
    struct chancery_reading *reading = NULL;
    struct chancery_read_options options = {
        .from = look->from,
        .until = look->until,
        .streams = count(look->streams, 4) ? look->streams : NULL,
        .types = count(look->types, 4) ? look->types : NULL,
        .seat = look->seat,
        .record = on_record,
        .caught_up = on_caught_up,
        .ended = on_ended,
        .arg = &l,
    };
    int rc = chancery_read(s->client, &options, &reading);

    if (rc < 0) {
        arena_free(l.arena);
        return session_fail(s, "cannot read: %s", err_text(rc));
    }
    int status = session_wait(s, &l.done, look->follow ? look->patience : 0);
    if (!l.ended)
        chancery_read_cancel(reading);
    arena_free(l.arena);
    return status == DONE ? l.status : status;
}
