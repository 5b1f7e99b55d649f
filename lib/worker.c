/* SPDX-License-Identifier: Apache-2.0 */
/* worker.c - the runtime: two readings joined, one input at a time decided and published
 *
 * Starting and running are the same thing.  Inputs and own events are read from the beginning and
 * go on being read; an input whose answers are in the log is folded with them, one without is
 * decided, and its answers are folded when they come back from the log.  Nothing is kept outside
 * the log but the count of deaths: answers follow from the log, so what a crash or a restored copy
 * lost of them is decided again, and receipts would say nothing new.
 */
#include "lib/worker.h"

#include <assert.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>

#include "lib/client_open.h"
#include "lib/deaths.h"
#include "lib/desk.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/notify.h"
#include "lib/pulse.h"
#include "lib/sandbox.h"
#include "lib/settings.h"

enum {
    ANSWERS_ARENA = 256 * 1024 * 1024, /* of one input */
    TICK = 500,                        /* ms */
};

struct runner {
    const struct worker *worker;
    struct settings settings;
    struct seat_key key; /* until the client has it */
    uv_loop_t *loop;
    uv_signal_t signals[2];
    uv_timer_t tick;
    struct watchdog watchdog;
    struct pulse pulse;
    struct chancery *client;
    struct chancery_reading *inputs, *own;
    bool inputs_caught_up, own_caught_up;
    bool started;    /* all was folded that there was */
    uint64_t folded; /* the last input */
    struct merge *merge;
    struct fold *fold;
    struct answers answers;
    bool publishing; /* answers are on their way; they come back through `own` */
    size_t recorded; /* of them */
    struct deaths *deaths;
    struct desk *desk;
    bool closing;
    bool serving;  /* folded, and offering: the service manager was told */
    uint64_t seen; /* folded at the watchdog's last look */
    int status;
};

static void go_on(struct runner *r);

/* ---- ending ---- */

static void runner_end(struct runner *r, int status)
{
    if (r->closing)
        return;
    r->closing = true;
    r->status = status;
    notify_say("STOPPING=1\nSTATUS=stopping");
    chancery_close(r->client, NULL, NULL);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&r->signals[i], NULL);
    uv_close((uv_handle_t *)&r->tick, NULL);
    watchdog_stop(&r->watchdog);
}

static void on_signal(uv_signal_t *handle, int number)
{
    log_info("worker.ending", "worker=%s signal=%d", ((struct runner *)handle->data)->worker->name,
             number);
    runner_end(handle->data, EXIT_SUCCESS);
}

/* ---- publishing ---- */

static void refused(struct runner *r, int err, const char *code, const char *text)
{
    unsigned long long cause = r->answers.cause;

    if (err == ERR_ID_REUSED || err == ERR_SEAT_ORDER)
        log_error(
            "worker.behind",
            "another instance of this worker is ahead and answered worker=%s cause=%llu code=%s; "
            "this one ends, and may start again from the log",
            r->worker->name, cause, code);
    else
        log_error("worker.refused", "answers are refused worker=%s cause=%llu code=%s text=%s",
                  r->worker->name, cause, code, text);
    runner_end(r, WORKER_AGAIN);
}

static void on_published(void *arg, int err, const char *code, const char *text,
                         const uint64_t positions[], size_t n)
{
    struct runner *r = arg;

    (void)positions;
    r->publishing = false;
    r->recorded += n;
    if (r->closing)
        return;
    if (err) {
        refused(r, err, code, text);
        return;
    }
    go_on(r); /* the answers may have come back before this: another one waits behind them */
}

static void publish(struct runner *r)
{
    r->publishing = true;
    answers_publish(&r->answers, r->client, r->recorded, on_published, r);
}

/* ---- deciding ---- */

/* The n answers that are recorded are the first of those decided. */
static bool as_decided(const struct runner *r, const struct item *const *own, size_t n)
{
    const char *field = NULL;
    size_t i = 0;

    while (i < n && !(field = i < r->answers.n ? answer_difference(&r->answers, i, own[i]) : "of"))
        i++;
    if (field)
        log_error("worker.differs",
                  "not what is recorded worker=%s input=%llu answer=%zu field=%s rules=%u",
                  r->worker->name, (unsigned long long)r->answers.cause, i, field,
                  r->worker->rules);
    return !field;
}

/* `own`: the n answers that are recorded already. */
static void decide_input(struct runner *r, const struct item *input, const struct item *const *own,
                         size_t n)
{
    uint64_t deaths = deaths_of(r->deaths, input->position);

    if (deaths >= DEATHS_MOST) {
        log_error("worker.set-aside", "worker=%s input=%llu type=%s deaths=%llu", r->worker->name,
                  (unsigned long long)input->position, input->envelope->type,
                  (unsigned long long)deaths);
        fold_failed(r->fold, input, (uint32_t)deaths, &r->answers);
    } else {
        deaths_expect(r->deaths, input->position);
        fold_input(r->fold, input, FOLD_DECIDE, &r->answers);
        deaths_forget(r->deaths, input->position);
    }
    if (as_decided(r, own, n)) {
        r->recorded = n;
        publish(r);
    } else {
        log_error("worker.rules",
                  "other rules began to answer: let the build that has them finish worker=%s",
                  r->worker->name);
        runner_end(r, EXIT_FAILURE);
    }
}

static bool is_decided(const struct runner *r, const struct item *input)
{
    return r->answers.cause == input->position;
}

static void fold_answered(struct runner *r, const struct item *input, const struct item *const *own,
                          size_t n)
{
    if (is_decided(r, input) && !as_decided(r, own, n)) {
        runner_end(r, WORKER_AGAIN); /* another instance with other rules was first */
        return;
    }
    if (!is_decided(r, input) && fold_is_failed(own, n))
        fold_failed(r->fold, input, DEATHS_MOST, NULL);
    else if (!is_decided(r, input))
        fold_input(r->fold, input, FOLD_APPLY, NULL);
    for (size_t i = 0; i < n; i++)
        fold_own(r->fold, own[i]);
    deaths_forget(r->deaths, input->position);
}

/* One input: true when there may be more to do now. */
static bool step(struct runner *r)
{
    const struct item *input, *const *own;
    size_t n;

    switch (merge_peek(r->merge, &input, &own, &n)) {
    case MERGE_PLAIN:
        fold_input(r->fold, input, FOLD_APPLY, NULL);
        break;
    case MERGE_ANSWERED:
        fold_answered(r, input, own, n);
        break;
    case MERGE_PART:
        if (r->own_caught_up && !r->publishing && !is_decided(r, input))
            decide_input(r, input, own, n);
        return false;
    case MERGE_SKIPPED:
    case MERGE_ORPHAN:
        log_error("worker.log",
                  "the log does not fit its inputs worker=%s position=%llu cause=%llu; see "
                  "`chancery audit`",
                  r->worker->name, (unsigned long long)(n ? own[0]->position : 0),
                  (unsigned long long)(n ? own[0]->envelope->cause : input->position));
        runner_end(r, EXIT_FAILURE);
        return false;
    case MERGE_NOTHING:
    default:
        return false;
    }
    r->folded = input->position;
    merge_pop(r->merge);
    return true;
}

/* The broker answers in order: it has taken the offer. */
static void on_offered(void *arg, int err, uint64_t head, const char *checkpoint)
{
    struct runner *r = arg;

    (void)err, (void)head, (void)checkpoint;
    notify_say("READY=1\nSTATUS=serving, folded to %llu", (unsigned long long)r->folded);
}

/* An input that is not folded with its answers: the state has a part of it, or nothing yet. */
static enum desk_state desk_state(const struct runner *r)
{
    if (!r->started)
        return DESK_FOLDING;
    return merge_input_waits(r->merge) ? DESK_WAITS : DESK_OPEN;
}

static void go_on(struct runner *r)
{
    while (!r->closing && step(r))
        continue;
    if (r->closing)
        return;
    if (r->inputs_caught_up && r->own_caught_up && !merge_input_waits(r->merge))
        r->started = true;
    if (merge_wants_input(r->merge))
        chancery_read_more(r->inputs);
    if (merge_wants_own(r->merge))
        chancery_read_more(r->own);
    desk_turn(r->desk, desk_state(r));
    if (r->started && !r->serving)
        r->serving = chancery_head(r->client, on_offered, r) == 0;
}

/* ---- readings ---- */

static struct item *item_of_record(const struct chancery_record *record)
{
    return item_new(record->position, record->received, slice_of(record->event, record->event_size),
                    slice_of(record->payload, record->payload_size));
}

static int on_input(void *arg, const struct chancery_record *record)
{
    struct runner *r = arg;
    struct item *item = item_of_record(record);

    desk_came(r->desk, record->position);
    if (!item) {
        log_warn("worker.unreadable", "an event cannot be read worker=%s position=%llu",
                 r->worker->name, (unsigned long long)record->position);
        return 1;
    }
    bool answered = fold_answers(r->fold, item->envelope->stream, item->envelope->type);
    merge_input(r->merge, &item, answered);
    go_on(r);
    return merge_wants_input(r->merge);
}

static int on_own(void *arg, const struct chancery_record *record)
{
    struct runner *r = arg;
    struct item *item = item_of_record(record);

    if (item)
        merge_own(r->merge, &item);
    go_on(r);
    return merge_wants_own(r->merge);
}

static void on_inputs_caught_up(void *arg, uint64_t head)
{
    struct runner *r = arg;

    desk_came(r->desk, head);
    r->inputs_caught_up = true;
    go_on(r);
}

static void on_own_caught_up(void *arg, uint64_t head)
{
    struct runner *r = arg;

    (void)head;
    r->own_caught_up = true;
    go_on(r);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct runner *r = arg;

    log_error("worker.reading", "reading is refused worker=%s code=%s text=%s", r->worker->name,
              err_code(err), text);
    runner_end(r, EXIT_FAILURE);
}

static void readings_open(struct runner *r, const char *seat)
{
    const char *own[] = {r->worker->out, r->worker->wake, NULL};
    struct chancery_read_options inputs = {
        .streams = r->worker->reads,
        .record = on_input,
        .caught_up = on_inputs_caught_up,
        .ended = on_ended,
        .arg = r,
    };
    struct chancery_read_options answers = {
        .streams = own,
        .seat = seat,
        .record = on_own,
        .caught_up = on_own_caught_up,
        .ended = on_ended,
        .arg = r,
    };
    int rc = chancery_read(r->client, &inputs, &r->inputs);
    assert(rc == 0);
    rc = chancery_read(r->client, &answers, &r->own);
    assert(rc == 0);
    (void)rc;
    r->desk = desk_new(r->worker, r->fold, r->client, r->loop);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct runner *r = arg;

    log_info("worker.session", "worker=%s seat=%s head=%llu", r->worker->name, s->seat,
             (unsigned long long)s->head);
    if (!r->inputs) /* those that are there go on by themselves */
        readings_open(r, s->seat);
}

/* ---- starting ---- */

static int deaths_find(struct runner *r)
{
    char *file = mem_printf("%s/%s.deaths", r->settings.run_dir, r->worker->name);
    int rc = deaths_open(&r->deaths, file);

    if (rc)
        log_error("worker.keep", "worker=%s cannot keep %s: %m", r->worker->name, file);
    mem_free(file);
    return rc;
}

/* Work goes on when an input was folded since the last look, when none waits, or when the broker
 * has answers to record or is gone. */
static bool on_watchdog(void *arg, struct buf *status)
{
    struct runner *r = arg;
    bool broker = chancery_current(r->client) != NULL;
    bool moved = !broker || r->folded != r->seen || r->publishing || merge_empty(r->merge);

    r->seen = r->folded;
    buf_printf(status, "%s, folded to %llu", r->started ? "serving" : "folding the log",
               (unsigned long long)r->folded);
    if (!broker)
        buf_add_str(status, "; waiting for the broker");
    return pulse_beats(&r->pulse) && moved;
}

static void on_tick(uv_timer_t *timer)
{
    struct runner *r = timer->data;

    if (r->desk)
        desk_tick(r->desk);
}

static void handles_start(struct runner *r)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(r->loop, &r->signals[i]);
        r->signals[i].data = r;
        uv_signal_start(&r->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(r->loop, &r->tick);
    r->tick.data = r;
    uv_timer_start(&r->tick, on_tick, TICK, TICK);
    r->pulse.client = r->client;
    watchdog_start(&r->watchdog, r->loop, on_watchdog, r);
}

static int runner_run(struct runner *r)
{
    char why[256];
    struct chancery_options options = {
        .endpoint = r->settings.endpoint,
        .server_key = r->settings.server_key,
        .log = r->settings.log,
        .software = r->worker->name,
        .patient = true,
    };

    r->loop = uv_default_loop();
    if (deaths_find(r) != 0)
        return EXIT_FAILURE;
    if (client_open_key(&r->client, r->loop, &options, &r->key, why) != 0) {
        log_error("worker.start", "worker=%s: %s", r->worker->name, why);
        deaths_close(r->deaths);
        return EXIT_SETTINGS;
    }
    r->merge = merge_new();
    r->fold = fold_new(r->worker);
    answers_init(&r->answers, ANSWERS_ARENA, r->worker->out);
    chancery_on_session(r->client, on_session, r);
    handles_start(r);
    uv_run(r->loop, UV_RUN_DEFAULT);
    uv_loop_close(r->loop);
    desk_free(r->desk);
    merge_free(r->merge);
    fold_free(r->fold);
    answers_clear(&r->answers);
    deaths_close(r->deaths);
    return r->status;
}

static int prepare(struct runner *r, const char *file, struct buf *why)
{
    int rc = settings_read(&r->settings, file, r->worker->name, NULL, NULL, NULL, why);

    if (rc == 0)
        rc = seat_key_open(&r->key, r->settings.key_file, why);
    if (rc == 0)
        rc = sandbox_enter(&(struct sandbox){.profile = SANDBOX_WORKER, .settings = &r->settings},
                           why);
    return rc;
}

int worker_main(const struct worker *w, int argc, char **argv)
{
    struct runner r = {.worker = w};
    struct buf why = {0};
    int status = EXIT_SETTINGS;
    const char *file = settings_file(argc, argv, w->name, NULL, &status);

    if (!file)
        return status;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    mem_for_rushes();
    if (prepare(&r, file, &why) == 0)
        status = runner_run(&r);
    else
        log_error("worker.start", "worker=%s: %s", w->name, buf_cstr(&why));
    seat_key_clear(&r.key);
    settings_clear(&r.settings);
    buf_free(&why);
    return status;
}
