/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/session.h"

#include <stdlib.h>

#include "chancery/alert/v1/alert.pb-c.h"
#include "chancery/clock/v1/clock.pb-c.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/err.h"
#include "lib/scan.h"
#include "lib/types.h"

enum { SECOND = 1000000, TICK_MS = 100, ARENA = 64 << 20, EVENT_ARENA = 16 << 20 };
static const int64_t reach = 5 * SECOND, publish_for = 30 * SECOND, ask_for = 30 * SECOND;

const ProtobufCMessageDescriptor *const known_types[] = {
    &core__log_founded__descriptor,
    &core__log_succeeded__descriptor,
    &core__return_ended__descriptor,
    &core__party_added__descriptor,
    &core__office_added__descriptor,
    &core__seat_admitted__descriptor,
    &core__key_added__descriptor,
    &core__key_revoked__descriptor,
    &core__access_rule__descriptor,
    &core__clock_accepted__descriptor,
    &core__clock_moved__descriptor,
    &core__refusals_counted__descriptor,
    &core__request_refused__descriptor,
    &core__rules_adopted__descriptor,
    &core__worker_failed__descriptor,
    &core__retry_input__descriptor,
    &sanctions__import_list__descriptor,
    &sanctions__party_published__descriptor,
    &sanctions__parties_gone__descriptor,
    &sanctions__snapshot_published__descriptor,
    &sanctions__imported__descriptor,
    &sanctions__unchanged__descriptor,
    &sanctions__import_refused__descriptor,
    &embargo__confirm_snapshot__descriptor,
    &embargo__reject_snapshot__descriptor,
    &embargo__baseline__descriptor,
    &embargo__notice__descriptor,
    &embargo__editorial_notice__descriptor,
    &embargo__editorial_detail__descriptor,
    &embargo__snapshot_taken__descriptor,
    &embargo__snapshot_set_aside__descriptor,
    &embargo__snapshot_confirmed__descriptor,
    &embargo__snapshot_rejected__descriptor,
    &clock__wake_at__descriptor,
    &clock__wake_cancel__descriptor,
    &clock__due__descriptor,
    &alert__sent__descriptor,
    &alert__failed__descriptor,
    &alert__rule_adopted__descriptor,
    NULL,
};

/* ---- opening, waiting, closing ---- */

static int64_t now(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

static void on_tick(uv_timer_t *timer)
{
    struct session *s = timer->data;

    progress_tick(&s->progress);
    if (chancery_current(s->client))
        s->gone = 0;
    else if (!s->gone)
        s->gone = now();
    s->late = s->deadline && now() > s->deadline;
}

int session_wait(struct session *s, const bool *done, int64_t patience)
{
    s->deadline = patience ? now() + patience : 0;
    s->late = false;
    while (!*done) {
        if (s->late)
            return FAILED;
        if (s->gone && !s->patient && now() - s->gone > reach) {
            complain("the broker does not answer at %s; start it with `chancery up --dir %s`",
                     s->settings.endpoint, s->settings.dir);
            return UNREACHABLE;
        }
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    return DONE;
}

int settings_of_call(struct settings *s, const struct call *c)
{
    const char *dir = getenv("CHANCERY_DIR"), *seat = c->option[OPT_SEAT];
    struct buf why = {0};

    if (c->option[OPT_CONFIG] || c->option[OPT_DIR])
        dir = c->option[OPT_CONFIG] ? c->option[OPT_CONFIG] : c->option[OPT_DIR];
    int rc = settings_read(s, dir && dir[0] ? dir : ".", "terminal", NULL, NULL, NULL, &why);
    if (rc < 0)
        complain("%s; name an instance with --dir or $CHANCERY_DIR, or make one with"
                 " `chancery init DIR`",
                 buf_cstr(&why));
    buf_free(&why);
    if (rc == 0 && seat && !identifier_valid(seat)) {
        complain("--seat %s: not an identifier, [A-Za-z0-9._-]{1,64}", seat);
        settings_clear(s);
        return USAGE;
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

static void on_no_session(void *arg, const struct chancery_session *session)
{
    (void)arg;
    (void)session;
}

/* Another command of the seat may be publishing: it is waited for. */
static int client_open(struct session *s, const char *keep_dir)
{
    char why[256] = "";
    struct chancery_options options = {.endpoint = s->settings.endpoint,
                                       .server_key = s->settings.server_key,
                                       .key_file = s->settings.key_file,
                                       .log = s->settings.log,
                                       .keep_dir = keep_dir,
                                       .software = "chancery " CHANCERY_VERSION,
                                       .give_up = publish_for};
    int64_t until = now() + publish_for;
    int rc;

    while ((rc = chancery_open(&s->client, &s->loop, &options, why)) == ERR_OWNED &&
           now() < until) {
        progress_step(&s->progress, "waiting for another command of this seat", 0, 0);
        uv_sleep(TICK_MS);
    }
    if (rc == 0)
        return DONE;
    complain("%s", why);
    s->client = NULL;
    return FAILED;
}

static int open_session(struct session *s, const struct call *c, bool publishes)
{
    bool up = false;

    *s = (struct session){0};
    int rc = settings_of_call(&s->settings, c);
    if (rc != DONE)
        return rc;
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    s->arena = arena_new(ARENA);
    progress_begin(&s->progress, "connecting");
    rc = client_open(s, publishes ? s->settings.keep_dir : NULL);
    if (rc != DONE) {
        session_close(s);
        return rc;
    }
    uv_timer_start(&s->timer, on_tick, TICK_MS, TICK_MS);
    chancery_on_session(s->client, on_session, &up);
    s->gone = now();
    rc = session_wait(s, &up, 0);
    chancery_on_session(s->client, on_no_session, NULL);
    if (rc != DONE)
        session_close(s);
    return rc;
}

int session_open(struct session *s, const struct call *c)
{
    return open_session(s, c, false);
}

int session_open_publishing(struct session *s, const struct call *c)
{
    return open_session(s, c, true);
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

struct publishing {
    struct session *session;
    bool done;
    int status;
    uint64_t position;
};

static void on_published(void *arg, const struct chancery_result *result)
{
    struct publishing *p = arg;

    p->done = true;
    p->status = result->outcome == CHANCERY_RECORDED ? DONE : FAILED;
    p->session->part_missing = result->outcome == CHANCERY_REFUSED &&
                               strcmp(result->code, err_code(ERR_PART_MISSING)) == 0;
    if (result->outcome == CHANCERY_RECORDED)
        p->position = result->positions[0];
    else if (result->outcome == CHANCERY_REFUSED)
        complain("refused, nothing was recorded: %s: %s%s%s", result->code, result->text,
                 result->field && result->field[0] ? ": " : "", result->field ? result->field : "");
    else
        complain(
            "it is not known whether this was recorded; this seat's next command that publishes"
            " asks again; look with `chancery event ls`");
}

int session_publish(struct session *s, const struct chancery_event *event, uint64_t *position)
{
    struct publishing p = {.session = s};
    int rc = chancery_publish(s->client, event, 1, on_published, &p);

    if (rc < 0) {
        complain("cannot publish: %s", err_text(rc));
        return FAILED;
    }
    int status = session_wait(s, &p.done, publish_for + reach);
    if (status != DONE) {
        if (status == FAILED)
            complain("the broker does not confirm; look with `chancery event ls`");
        return status;
    }
    *position = p.position;
    return p.status;
}

int session_request(struct session *s, const char *stream, const ProtobufCMessage *message,
                    const struct chancery_part *part, uint64_t *position)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *payload = mem_new(size);
    struct chancery_event event = {
        .stream = stream,
        .type = message->descriptor->name,
        .payload = payload,
        .payload_size = size,
        .parts = part,
        .n_parts = part ? 1 : 0,
    };

    protobuf_c_message_pack(message, payload);
    int rc = session_publish(s, &event, position);
    mem_free(payload);
    return rc;
}

/* ---- asking ---- */

struct asking {
    struct session *s;
    const ProtobufCMessageDescriptor *type;
    bool done;
    int status;
    const void *answer;
};

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct asking *a = arg;
    struct slice bytes = slice_of(payload, size);
    char where[128];

    (void)as_of;
    a->done = true;
    a->status = FAILED;
    if (err < 0) {
        complain("%s: %s", code ? code : err_code(err), text ? text : err_text(err));
    } else if (strcmp(type, core__request_refused__descriptor.name) == 0) {
        const Core__RequestRefused *refused = (const Core__RequestRefused *)scan_unpack(
            &core__request_refused__descriptor, bytes, a->s->arena, &err, where);
        complain("%s: %s", refused ? refused->code : "refused", refused ? refused->text : "");
    } else if (strcmp(type, a->type->name) != 0) {
        complain("the answer is of another type: %s", type);
    } else {
        a->answer = scan_unpack(a->type, bytes, a->s->arena, &err, where);
        a->status = a->answer ? DONE : FAILED;
        if (!a->answer)
            complain("the answer cannot be read: %s: %s", where, err_text(err));
    }
}

int session_ask(struct session *s, const char *service, const ProtobufCMessage *question,
                const ProtobufCMessageDescriptor *type, const void **answer)
{
    struct asking a = {.s = s, .type = type};
    size_t size = protobuf_c_message_get_packed_size(question);
    uint8_t *payload = mem_new(size);

    protobuf_c_message_pack(question, payload);
    int rc = chancery_ask(s->client, service, question->descriptor->name, payload, size, 0, ask_for,
                          on_answered, &a);
    mem_free(payload);
    if (rc < 0) {
        complain("cannot ask: %s", err_text(rc));
        return FAILED;
    }
    int status = session_wait(s, &a.done, ask_for + reach);
    if (status != DONE)
        return status;
    *answer = a.answer;
    return a.status;
}

/* ---- reading ---- */

struct looking {
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
    seen->type = type_find(known_types, seen->event.envelope->type);
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

    if (err < 0 && !l->done) {
        complain("cannot read: %s: %s", err_code(err), text ? text : err_text(err));
        l->status = FAILED;
    }
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
    struct looking l = {.look = look, .arena = arena_new(EVENT_ARENA)};
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
        complain("cannot read: %s", err_text(rc));
        arena_free(l.arena);
        return FAILED;
    }
    int status = session_wait(s, &l.done, look->follow ? look->patience : 0);
    if (!l.ended)
        chancery_read_cancel(reading);
    arena_free(l.arena);
    return status == DONE ? l.status : status;
}
