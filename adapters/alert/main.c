/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-alert --config FILE_OR_DIR: tells people outside what the log says, by mail
 *
 * STARTING -> ADOPTING -> FOLDING -> LIVE.  It reads what it told (alert.out), records the terms of
 * rules that are new or changed, folds embargo.out from its beginning and then sends what was not
 * told yet.  Each mail's outcome is recorded before the next one goes; what was on its way to the
 * log when the process ended is published first (keep/).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "adapters/alert/digest.h"
#include "adapters/alert/outbox.h"
#include "adapters/alert/rule.h"
#include "adapters/alert/table.h"
#include "lib/client_open.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/pulse.h"
#include "lib/sandbox.h"
#include "lib/scan.h"
#include "lib/settings.h"

#define STREAM "alert.out"

enum stage { STARTING, ADOPTING, FOLDING, LIVE, ENDING };

enum { TELL_AGAIN_MS = 5000, ARENA_CAP = 16 * 1024 * 1024 };

struct alert {
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    uv_timer_t reminder, again;
    struct watchdog watchdog;
    struct pulse pulse;
    struct settings settings;
    struct seat_key key; /* until the client has it */
    struct alert_settings own;
    struct chancery *client;
    struct outbox *outbox;
    struct digest *digest;
    struct table *told; /* rule, recipient and key of what was sent or given up */
    struct arena *arena;
    char *log;
    enum stage stage;
    bool exercise;
    uint64_t head;   /* when the session began */
    size_t adopting; /* terms that are not recorded yet */
    int64_t latest;  /* receipt time last seen, and when by the loop's clock (ms) */
    uint64_t latest_seen;
    struct buf unrecorded; /* outcome of the last mail, until it is recorded */
    const char *unrecorded_type;
    int unrecorded_mode;
    char *unrecorded_key;
    int status;
};

static void alert_end(struct alert *a, int status);

/* ---- what was told ---- */

static char *told_key(const char *rule, const char *recipient, const char *key)
{
    return mem_printf("%s\n%s\n%s", rule, recipient, key);
}

/* A reminder tells what its first alert would have told. */
static void told_add(struct alert *a, const char *told)
{
    const char *reminder = strstr(told, " reminder ");
    char *first = reminder ? mem_strn(told, (size_t)(reminder - told)) : NULL;

    table_add(a->told, told, "");
    if (first)
        table_add(a->told, first, "");
    mem_free(first);
}

static bool still_named(const struct alert *a, const char *rule, const char *recipient)
{
    for (size_t i = 0; i < a->own.n_rules; i++)
        for (size_t k = 0;
             strcmp(a->own.rules[i].name, rule) == 0 && k < a->own.terms[i]->n_recipients; k++)
            if (strcmp(a->own.terms[i]->recipients[k], recipient) == 0)
                return true;
    return false;
}

/* Takes the item over. */
static void on_item(void *arg, struct item *item)
{
    struct alert *a = arg;
    const Alert__RuleAdopted *terms = item->terms;

    for (size_t i = 0; i < terms->n_recipients; i++) {
        char *told = told_key(terms->rule, terms->recipients[i], item->key);
        if (!table_find(a->told, told) && still_named(a, terms->rule, terms->recipients[i]))
            outbox_add(a->outbox, item, terms->recipients[i]);
        mem_free(told);
    }
    item_free(item);
}

/* ---- recording ---- */

static void publish_outcome(struct alert *a);

static void on_again(uv_timer_t *timer)
{
    publish_outcome(timer->data);
}

static void on_outcome_recorded(void *arg, const struct chancery_result *result)
{
    struct alert *a = arg;

    if (a->stage == ENDING)
        return;
    if (result->outcome == CHANCERY_UNKNOWN) {
        uv_timer_start(&a->again, on_again, TELL_AGAIN_MS, 0);
        return;
    }
    if (result->outcome == CHANCERY_REFUSED) {
        log_error("alert.unrecorded", "what was sent cannot be recorded code=%s text=%s",
                  result->code, result->text);
        alert_end(a, 1);
        return;
    }
    told_add(a, a->unrecorded_key);
    mem_free(a->unrecorded_key);
    a->unrecorded_key = NULL;
    outbox_go(a->outbox);
}

static void publish_outcome(struct alert *a)
{
    struct chancery_event event = {.stream = STREAM,
                                   .type = a->unrecorded_type,
                                   .payload = a->unrecorded.data,
                                   .payload_size = a->unrecorded.size,
                                   .mode = a->unrecorded_mode,
                                   .personal_data = true};

    if (chancery_publish(a->client, &event, 1, on_outcome_recorded, a) != 0)
        uv_timer_start(&a->again, on_again, TELL_AGAIN_MS, 0);
}

static void pack(struct buf *out, const ProtobufCMessage *message)
{
    buf_reset(out);
    protobuf_c_message_pack(message, buf_grow(out, protobuf_c_message_get_packed_size(message)));
}

/* A server's answer cut to what the contract allows. */
static char *answer_cut(const char *text)
{
    size_t n = strlen(text);

    return mem_strn(text, n < 255 ? n : 255);
}

static void pack_outcome(struct alert *a, const struct outbox_report *r, uint64_t *causes, size_t n)
{
    char *answer = answer_cut(r->text);

    if (r->taken) {
        Alert__Sent m = ALERT__SENT__INIT;
        m.channel = ALERT__CHANNEL__CHANNEL_MAIL;
        m.rule = r->item->terms->rule;
        m.message_id = r->message_id;
        m.recipient = r->recipient;
        m.subject = r->subject;
        m.causes = causes;
        m.n_causes = n;
        m.answer = answer;
        m.tries = r->tries;
        m.key = r->item->key;
        pack(&a->unrecorded, &m.base);
    } else {
        Alert__Failed m = ALERT__FAILED__INIT;
        m.channel = ALERT__CHANNEL__CHANNEL_MAIL;
        m.rule = r->item->terms->rule;
        m.message_id = r->message_id;
        m.recipient = r->recipient;
        m.subject = r->subject;
        m.causes = causes;
        m.n_causes = n;
        m.code = r->code;
        m.text = answer;
        m.tries = r->tries;
        m.key = r->item->key;
        pack(&a->unrecorded, &m.base);
    }
    a->unrecorded_type = r->taken ? alert__sent__descriptor.name : alert__failed__descriptor.name;
    mem_free(answer);
}

static void on_mail_done(void *arg, const struct outbox_report *r)
{
    enum { CAUSES_MOST = 4000 }; /* with the other fields within the bound of an event */
    struct alert *a = arg;
    size_t n = r->item->n < CAUSES_MOST ? r->item->n : CAUSES_MOST;
    uint64_t *causes = mem_new(n * sizeof(*causes));

    for (size_t i = 0; i < n; i++)
        causes[i] = r->item->events[i]->position;
    if (r->taken)
        log_info("alert.sent", "rule=%s key=\"%s\" tries=%u", r->item->terms->rule, r->item->key,
                 r->tries);
    else
        log_error("alert.failed", "given up rule=%s key=\"%s\" code=%s tries=%u answer=\"%s\"",
                  r->item->terms->rule, r->item->key, r->code, r->tries, r->text);
    pack_outcome(a, r, causes, n);
    a->unrecorded_mode = r->item->events[0]->mode;
    a->unrecorded_key = told_key(r->item->terms->rule, r->recipient, r->item->key);
    mem_free(causes);
    publish_outcome(a);
}

/* ---- reminders ---- */

/* The log's time: its clock is ours, but that of an exercise moves with its events. */
static int64_t now(const struct alert *a)
{
    if (!a->exercise)
        return time_now();
    return a->latest + (int64_t)(uv_now(&a->loop) - a->latest_seen) * 1000;
}

static void remind(struct alert *a);

static void on_reminder(uv_timer_t *timer)
{
    remind(timer->data);
}

static void remind(struct alert *a)
{
    if (a->stage != LIVE)
        return;
    digest_remind(a->digest, now(a), a->own.remind);
    int64_t next = digest_next(a->digest, a->own.remind);
    if (next > 0) {
        int64_t wait = (next - now(a)) / 1000 + 1;
        uv_timer_start(&a->reminder, on_reminder, wait > 0 ? (uint64_t)wait : 1, 0);
    } else {
        uv_timer_stop(&a->reminder);
    }
}

/* ---- reading embargo.out ---- */

static int on_embargo(void *arg, const struct chancery_record *r)
{
    struct alert *a = arg;
    struct event event;
    char where[128];

    arena_reset(a->arena);
    int rc = event_open(&event, slice_of(r->event, r->event_size),
                        slice_of(r->payload, r->payload_size), a->arena, where);
    if (rc == 0) {
        a->latest = r->received;
        a->latest_seen = uv_now(&a->loop);
        rc = digest_event(a->digest, r->position, r->received, event.envelope, event.payload);
    }
    if (rc != 0)
        log_warn("alert.unreadable", "an event is not understood position=%" PRIu64 " code=%s",
                 r->position, err_code(rc));
    remind(a);
    return 1;
}

static void on_embargo_caught_up(void *arg, uint64_t head)
{
    struct alert *a = arg;

    if (a->stage != FOLDING)
        return;
    log_info("alert.caught-up", "head=%" PRIu64 " waiting=%zu", head, outbox_waiting(a->outbox));
    a->stage = LIVE;
    notify_say("READY=1\nSTATUS=mails waiting: %zu", outbox_waiting(a->outbox));
    remind(a);
    outbox_go(a->outbox);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct alert *a = arg;

    if (a->stage == ENDING)
        return;
    log_error("alert.reading", "reading is refused code=%s text=%s", err_code(err),
              text ? text : "");
    alert_end(a, 1);
}

static void read_stream(struct alert *a, const char *stream,
                        int (*record)(void *arg, const struct chancery_record *record),
                        void (*caught_up)(void *arg, uint64_t head))
{
    const char *const streams[] = {stream, NULL};
    const struct chancery_read_options options = {
        .from = 1,
        .streams = streams,
        .record = record,
        .caught_up = caught_up,
        .ended = on_ended,
        .arg = a,
    };
    struct chancery_reading *reading;
    int rc = chancery_read(a->client, &options, &reading);

    if (rc != 0) {
        log_error("alert.reading", "cannot read stream=%s: %s", stream, err_text(rc));
        alert_end(a, 1);
    }
}

static void fold_when_adopted(struct alert *a)
{
    if (a->adopting > 0 || a->stage != ADOPTING)
        return;
    a->stage = FOLDING;
    read_stream(a, "embargo.out", on_embargo, on_embargo_caught_up);
}

/* ---- terms of rules ---- */

static void on_adopted(void *arg, const struct chancery_result *result)
{
    struct alert *a = arg;

    if (a->stage == ENDING)
        return;
    if (result->outcome != CHANCERY_RECORDED) {
        log_error("alert.terms", "a rule's terms are not recorded code=%s text=%s", result->code,
                  result->text);
        alert_end(a, 1);
    }
}

static void adopt(struct alert *a, const Alert__RuleAdopted *wanted)
{
    Alert__RuleAdopted terms = *wanted;
    struct buf payload = {0};

    terms.position = a->head;
    pack(&payload, &terms.base);
    struct chancery_event event = {.stream = STREAM,
                                   .type = alert__rule_adopted__descriptor.name,
                                   .payload = payload.data,
                                   .payload_size = payload.size,
                                   .personal_data = true};
    a->adopting++;
    int rc = chancery_publish(a->client, &event, 1, on_adopted, a);
    buf_free(&payload);
    if (rc != 0) {
        log_error("alert.terms", "a rule's terms cannot be recorded: %s", err_text(rc));
        alert_end(a, 1);
        return;
    }
    log_info("alert.rule", "adopted rule=%s recipients=%zu position=%" PRIu64, terms.rule,
             terms.n_recipients, terms.position);
}

static void end_missing(void *arg, const Alert__RuleAdopted *terms)
{
    struct alert *a = arg;
    Alert__RuleAdopted ended = ALERT__RULE_ADOPTED__INIT;

    for (size_t i = 0; i < a->own.n_rules; i++)
        if (strcmp(a->own.rules[i].name, terms->rule) == 0)
            return;
    if (terms->n_recipients == 0)
        return;
    ended.rule = terms->rule;
    adopt(a, &ended);
}

static void on_told_caught_up(void *arg, uint64_t head)
{
    struct alert *a = arg;

    (void)head;
    if (a->stage != STARTING)
        return;
    a->stage = ADOPTING;
    digest_each_terms(a->digest, end_missing, a);
    for (size_t i = 0; i < a->own.n_rules; i++) {
        const Alert__RuleAdopted *known = digest_terms(a->digest, a->own.rules[i].name);
        if (!known || !terms_equal(known, a->own.terms[i]))
            adopt(a, a->own.terms[i]);
    }
    fold_when_adopted(a);
}

/* ---- reading alert.out ---- */

static void fold_sent(struct alert *a, const ProtobufCMessage *body)
{
    const Alert__Sent *m = (const Alert__Sent *)body;
    char *told = told_key(m->rule, m->recipient, m->key);

    told_add(a, told);
    mem_free(told);
}

static void fold_failed(struct alert *a, const ProtobufCMessage *body)
{
    const Alert__Failed *m = (const Alert__Failed *)body;
    char *told = told_key(m->rule, m->recipient, m->key);

    told_add(a, told);
    mem_free(told);
}

/* Also the ones recorded just now: embargo.out is not read before all of them have come back. */
static void fold_adopted(struct alert *a, const ProtobufCMessage *body)
{
    digest_adopt(a->digest, (const Alert__RuleAdopted *)body);
    if (a->stage == ADOPTING && a->adopting > 0) {
        a->adopting--;
        fold_when_adopted(a);
    }
}

static const struct told_row {
    const ProtobufCMessageDescriptor *type;
    void (*fold)(struct alert *a, const ProtobufCMessage *body);
} told_rows[] = {
    {&alert__sent__descriptor, fold_sent},
    {&alert__failed__descriptor, fold_failed},
    {&alert__rule_adopted__descriptor, fold_adopted},
};

static int on_told(void *arg, const struct chancery_record *r)
{
    struct alert *a = arg;
    struct event event;
    char where[128];

    arena_reset(a->arena);
    int rc = event_open(&event, slice_of(r->event, r->event_size),
                        slice_of(r->payload, r->payload_size), a->arena, where);
    for (size_t i = 0; rc == 0 && i < sizeof(told_rows) / sizeof(told_rows[0]); i++) {
        const struct told_row *row = &told_rows[i];
        if (strcmp(row->type->name, event.envelope->type) != 0)
            continue;
        const ProtobufCMessage *body = scan_unpack(row->type, event.payload, a->arena, &rc, where);
        if (body)
            row->fold(a, body);
    }
    if (rc != 0)
        log_warn("alert.unreadable",
                 "an event of its own is not understood position=%" PRIu64 " code=%s", r->position,
                 err_code(rc));
    return 1;
}

/* ---- beginning and end ---- */

static int outbox_begin(struct alert *a, const char *log)
{
    a->log = mem_str(log);
    int rc = outbox_open(&a->outbox, &a->loop, &a->own, a->log, on_mail_done, a);
    if (rc != 0) {
        log_error("alert.start", "libcurl cannot be used");
        alert_end(a, 1);
    }
    return rc;
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct alert *a = arg;

    log_info("alert.session", "log=%s seat=%s head=%" PRIu64, s->log, s->seat, s->head);
    if (a->outbox || a->stage != STARTING || outbox_begin(a, s->log) != 0)
        return;
    a->exercise = s->mode == CORE__MODE__MODE_EXERCISE;
    a->head = s->head;
    read_stream(a, STREAM, on_told, on_told_caught_up);
}

static void alert_end(struct alert *a, int status)
{
    if (a->stage == ENDING)
        return;
    a->stage = ENDING;
    a->status = status;
    notify_say("STOPPING=1\nSTATUS=stopping");
    uv_close((uv_handle_t *)&a->term, NULL);
    uv_close((uv_handle_t *)&a->interrupt, NULL);
    uv_close((uv_handle_t *)&a->reminder, NULL);
    uv_close((uv_handle_t *)&a->again, NULL);
    watchdog_stop(&a->watchdog);
    if (a->outbox)
        outbox_close(a->outbox, NULL, NULL);
    if (a->client)
        chancery_close(a->client, NULL, NULL);
}

/* A mail on its way, its outcome and its next try have limits of their own. */
static bool on_watchdog(void *arg, struct buf *status)
{
    struct alert *a = arg;

    if (!chancery_current(a->client))
        buf_add_str(status, "waiting for the broker");
    else if (a->stage == LIVE)
        buf_printf(status, "mails waiting: %zu", outbox_waiting(a->outbox));
    else
        buf_add_str(status, "folding the log");
    return pulse_beats(&a->pulse);
}

static void on_signal(uv_signal_t *signal, int number)
{
    log_info("alert.ending", "signal=%d", number);
    alert_end(signal->data, 0);
}

static void alert_clear(struct alert *a)
{
    digest_free(a->digest);
    table_free(a->told);
    arena_free(a->arena);
    buf_free(&a->unrecorded);
    mem_free(a->unrecorded_key);
    mem_free(a->log);
    alert_settings_clear(&a->own);
    seat_key_clear(&a->key);
    settings_clear(&a->settings);
    mem_free(a);
}

/* Paths in the configuration are relative to the instance's directory. */
static void password_path(struct alert *a)
{
    char *file = a->own.password_file;

    if (!file || file[0] == '/')
        return;
    a->own.password_file = mem_printf("%s/%s", a->settings.dir, file);
    mem_free(file);
}

static int configure(struct alert *a, const char *config)
{
    struct buf why = {0};
    int rc =
        settings_read(&a->settings, config, "alert", alert_keys, &a->own, alert_rule_section, &why);

    if (rc == 0) {
        password_path(a);
        rc = alert_settings_check(&a->own, &why);
    }
    if (rc == 0)
        rc = seat_key_open(&a->key, a->settings.key_file, &why);
    if (rc == 0)
        rc = sandbox_enter(&(struct sandbox){.profile = SANDBOX_SENDER, .settings = &a->settings},
                           &why);
    if (rc != 0)
        log_error("alert.start", "code=%s: %s", err_code(rc), buf_cstr(&why));
    buf_free(&why);
    return rc;
}

static int connect_broker(struct alert *a)
{
    const struct chancery_options options = {.endpoint = a->settings.endpoint,
                                             .server_key = a->settings.server_key,
                                             .log = a->settings.log,
                                             .keep_dir = a->settings.keep_dir,
                                             .software = "chancery-alert " CHANCERY_VERSION,
                                             .patient = true};
    char why[256];
    int rc = client_open_key(&a->client, &a->loop, &options, &a->key, why);

    if (rc != 0)
        log_error("alert.start", "code=%s: %s", err_code(rc), why);
    else
        chancery_on_session(a->client, on_session, a);
    return rc;
}

static int run(struct alert *a)
{
    uv_loop_init(&a->loop);
    uv_signal_init(&a->loop, &a->term);
    uv_signal_init(&a->loop, &a->interrupt);
    uv_timer_init(&a->loop, &a->reminder);
    uv_timer_init(&a->loop, &a->again);
    a->term.data = a->interrupt.data = a->reminder.data = a->again.data = a;
    a->digest = digest_new(on_item, a);
    a->told = table_new();
    a->arena = arena_new(ARENA_CAP);
    uv_signal_start(&a->term, on_signal, SIGTERM);
    uv_signal_start(&a->interrupt, on_signal, SIGINT);
    watchdog_start(&a->watchdog, &a->loop, on_watchdog, a);
    if (connect_broker(a) != 0)
        alert_end(a, EXIT_SETTINGS);
    a->pulse.client = a->client;
    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_loop_close(&a->loop);
    return a->status;
}

int main(int argc, char **argv)
{
    int status = EXIT_SETTINGS;
    const char *file = settings_file(argc, argv, "alert", alert_keys, &status);

    if (!file)
        return status;
    struct alert *a = mem_new(sizeof(*a));
    if (configure(a, file) == 0)
        status = run(a);
    alert_clear(a);
    return status;
}
