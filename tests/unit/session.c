/* SPDX-License-Identifier: Apache-2.0 */
/* The client and the real broker, founded by chancery-init in a directory of its own. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "broker/succession.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/settings.h"
#include "tests/support/test.h"

enum { LIMIT = 60000 /* ms */, STILL = 12000, EVENTS = 400 };

struct world {
    uv_loop_t loop;
    uv_timer_t limit;
    bool late;
    char dir[64];
    struct settings settings;
    pid_t broker;
    unsigned open; /* clients */

    size_t recorded, failed;
    uint64_t position; /* of the last one recorded */
    size_t read;
    uint64_t last_read;
    uint64_t numbers[4 * EVENTS]; /* payloads in the order read */
    size_t hold_at;
    unsigned done;
    int err;
    struct buf answer;
    struct chancery *offering;
};

static void on_limit(uv_timer_t *timer)
{
    ((struct world *)timer->data)->late = true;
}

static void turn(struct world *w)
{
    uv_run(&w->loop, UV_RUN_ONCE);
    if (w->late)
        fail_msg("it took too long: recorded=%zu failed=%zu read=%zu", w->recorded, w->failed,
                 w->read);
}

static pid_t start(const char *program, const char *first, const char *second)
{
    char *path = mem_printf("%s/bin/%s", BUILD_DIR, program);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
            _exit(126);
        execl(path, program, first, second, NULL);
        _exit(127);
    }
    mem_free(path);
    return pid;
}

static void broker_start(struct world *w)
{
    w->broker = start("chancery-broker", "--config", w->dir);
}

static void broker_kill(struct world *w, int number)
{
    kill(w->broker, number);
    waitpid(w->broker, NULL, 0);
}

static struct world *world_new(void)
{
    struct world *w = mem_new(sizeof *w);
    struct buf why = {0};
    int status;

    log_set_level(LOG_ERROR);
    strcpy(w->dir, "/tmp/session-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    pid_t init = start("chancery-init", w->dir, NULL);
    waitpid(init, &status, 0);
    assert_int_equal(status, 0);
    if (settings_read(&w->settings, w->dir, NULL, NULL, NULL, NULL, &why) != 0)
        fail_msg("%s", buf_cstr(&why));
    uv_loop_init(&w->loop);
    uv_timer_init(&w->loop, &w->limit);
    w->limit.data = w;
    uv_timer_start(&w->limit, on_limit, LIMIT, 0);
    broker_start(w);
    return w;
}

static void on_closed(void *arg)
{
    ((struct world *)arg)->open--;
}

/* `keep_bytes` 0: nothing is kept. */
static struct chancery *client_keeping(struct world *w, const char *seat, uint64_t keep_bytes)
{
    char *key = mem_printf("%s/keys/%s.key", w->dir, seat), why[256];
    char *keep = mem_printf("%s/%s.keep", w->dir, seat);
    struct chancery *c;
    struct chancery_options options = {.endpoint = w->settings.endpoint,
                                       .server_key = w->settings.server_key,
                                       .key_file = key,
                                       .log = w->settings.log,
                                       .keep_dir = keep_bytes ? keep : NULL,
                                       .keep_bytes = keep_bytes,
                                       .software = "test"};

    if (chancery_open(&c, &w->loop, &options, why) != 0)
        fail_msg("%s", why);
    w->open++;
    mem_free(key);
    mem_free(keep);
    return c;
}

static struct chancery *client_new(struct world *w, const char *seat)
{
    return client_keeping(w, seat, 0);
}

static void client_free(struct world *w, struct chancery *c)
{
    unsigned before = w->open;

    chancery_close(c, on_closed, w);
    while (w->open == before)
        turn(w);
}

static void world_free(struct world *w)
{
    char *command = mem_printf("rm -r %s", w->dir);

    broker_kill(w, SIGTERM);
    uv_close((uv_handle_t *)&w->limit, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    assert_int_equal(system(command), 0);
    mem_free(command);
    settings_clear(&w->settings);
    buf_free(&w->answer);
    mem_free(w);
}

static void on_published(void *arg, const struct chancery_result *r)
{
    struct world *w = arg;

    if (r->outcome == CHANCERY_RECORDED) {
        w->recorded += r->n;
        w->position = r->positions[r->n - 1];
    } else {
        w->failed++;
    }
}

static void publish_part(struct world *w, struct chancery *c, uint64_t number,
                         const struct chancery_part *part)
{
    struct chancery_event e = {.stream = "sanctions.in",
                               .type = "chancery.test.v1.Note",
                               .payload = &number,
                               .payload_size = sizeof number,
                               .parts = part,
                               .n_parts = part ? 1 : 0};

    assert_int_equal(chancery_publish(c, &e, 1, on_published, w), 0);
}

static void until_recorded(struct world *w, size_t n)
{
    while (w->recorded < n && w->failed == 0)
        turn(w);
    assert_int_equal(w->failed, 0);
    assert_int_equal(w->recorded, n);
}

static int on_record(void *arg, const struct chancery_record *record)
{
    struct world *w = arg;

    assert_true(record->position > w->last_read);
    assert_int_equal(record->payload_size, sizeof w->numbers[0]);
    assert_true(w->read < sizeof w->numbers / sizeof *w->numbers);
    memcpy(&w->numbers[w->read++], record->payload, record->payload_size);
    w->last_read = record->position;
    return w->hold_at == 0 || w->read % w->hold_at != 0;
}

static struct chancery_reading *read_all(struct world *w, struct chancery *c, const char *seat)
{
    static const char *const streams[] = {"sanctions.in", NULL};
    struct chancery_reading *r;
    struct chancery_read_options options = {
        .streams = streams, .seat = seat, .record = on_record, .arg = w};

    assert_int_equal(chancery_read(c, &options, &r), 0);
    return r;
}

static void assert_in_order(const struct world *w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(w->numbers[i], i);
}

static void what_is_published_is_read_in_order(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");

    (void)unused;
    read_all(w, c, "officer");
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    until_recorded(w, EVENTS);
    while (w->read < EVENTS)
        turn(w);
    assert_in_order(w, EVENTS);
    client_free(w, c);
    world_free(w);
}

static void a_held_reading_comes_to_the_end_too(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");

    (void)unused;
    w->hold_at = 7;
    struct chancery_reading *reading = read_all(w, c, NULL);
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    while (w->read < EVENTS) {
        turn(w);
        chancery_read_more(reading);
    }
    assert_in_order(w, EVENTS);
    client_free(w, c);
    world_free(w);
}

static void a_broker_killed_again_and_again_loses_and_repeats_nothing(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");

    (void)unused;
    read_all(w, c, NULL);
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    for (size_t at = 20; at < EVENTS; at += 100) {
        while (w->recorded < at)
            turn(w);
        broker_kill(w, SIGKILL);
        broker_start(w);
    }
    until_recorded(w, EVENTS);
    while (w->read < EVENTS)
        turn(w);
    assert_in_order(w, EVENTS);
    client_free(w, c);
    world_free(w);
}

/* The publisher's loop turns, the reader's does not: more messages come than a socket takes by
 * default, and its connection's heartbeats go unanswered for longer than anybody waits. */
static void a_loop_that_stands_still_gets_all_when_it_goes_on(void **unused)
{
    struct world *w = world_new(), other = {.settings = w->settings};
    struct chancery *reader = client_new(w, "officer");

    (void)unused;
    strcpy(other.dir, w->dir);
    uv_loop_init(&other.loop);
    uv_timer_init(&other.loop, &other.limit);
    other.limit.data = &other;
    struct chancery *publisher = client_new(&other, "officer");
    read_all(w, reader, NULL);
    publish_part(&other, publisher, 0, NULL);
    until_recorded(&other, 1);
    while (w->read < 1)
        turn(w);
    for (uint64_t i = 1; i < EVENTS; i++) {
        publish_part(&other, publisher, i, NULL);
        until_recorded(&other, i + 1);
    }
    uv_timer_start(&other.limit, on_limit, STILL, 0);
    while (!other.late)
        uv_run(&other.loop, UV_RUN_ONCE);
    while (w->read < EVENTS)
        turn(w);
    assert_in_order(w, EVENTS);
    other.late = false;
    client_free(&other, publisher);
    uv_close((uv_handle_t *)&other.limit, NULL);
    uv_run(&other.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    client_free(w, reader);
    world_free(w);
}

static void two_processes_of_a_seat_get_all_their_events_recorded(void **unused)
{
    struct world *w = world_new();
    struct chancery *a = client_new(w, "officer"), *b = client_new(w, "officer");

    (void)unused;
    for (uint64_t i = 0; i < 20; i++) {
        publish_part(w, a, i, NULL);
        until_recorded(w, 2 * i + 1);
        publish_part(w, b, i, NULL);
        until_recorded(w, 2 * i + 2);
    }
    client_free(w, a);
    client_free(w, b);
    world_free(w);
}

static void what_no_rule_allows_is_refused(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");
    struct chancery_event e = {.stream = "registry", .type = "chancery.test.v1.Note"};

    (void)unused;
    assert_int_equal(chancery_publish(c, &e, 1, on_published, w), 0);
    while (w->failed == 0)
        turn(w);
    assert_int_equal(w->recorded, 0);
    client_free(w, c);
    world_free(w);
}

/* ---- receipts ---- */

struct receipts_seen {
    uint64_t first, last;
    size_t n;
};

static int on_receipt(void *arg, const struct chancery_receipt *receipt)
{
    struct receipts_seen *seen = arg;

    seen->first = seen->n ? seen->first : receipt->record.position;
    assert_true(receipt->record.position > seen->last);
    seen->last = receipt->record.position;
    seen->n++;
    return 0;
}

static struct receipts_seen receipts_of(struct world *w, const char *seat)
{
    struct receipts_seen seen = {0};
    char *keep = mem_printf("%s/%s.keep", w->dir, seat), why[256];

    if (chancery_receipts_each(keep, on_receipt, &seen, why) != 0)
        fail_msg("%s", why);
    mem_free(keep);
    return seen;
}

static void each_event_recorded_has_its_receipt(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_keeping(w, "officer", 1 << 30);

    (void)unused;
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    for (size_t at = 20; at < EVENTS; at += 100) {
        while (w->recorded < at)
            turn(w);
        assert_true(receipts_of(w, "officer").n >= w->recorded);
        broker_kill(w, SIGKILL);
        broker_start(w);
    }
    until_recorded(w, EVENTS);
    struct receipts_seen seen = receipts_of(w, "officer");
    assert_int_equal(seen.n, EVENTS);
    assert_int_equal(seen.last, w->position);
    client_free(w, c);
    world_free(w);
}

static void old_receipts_go_once_a_checkpoint_covers_them(void **unused)
{
    struct world *w = world_new();
    pid_t signer = start("chancery-signer", "--config", w->dir);
    struct chancery *c = client_keeping(w, "officer", 64 * 1024);

    (void)unused;
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    until_recorded(w, EVENTS);
    struct receipts_seen seen = receipts_of(w, "officer");
    assert_int_equal(seen.last, w->position);
    while (receipts_of(w, "officer").n >= EVENTS / 2) /* some 500 bytes each: half is too much */
        turn(w);
    seen = receipts_of(w, "officer");
    assert_true(seen.n > EVENTS / 8);
    assert_int_equal(seen.last, w->position);
    kill(signer, SIGTERM);
    waitpid(signer, NULL, 0);
    client_free(w, c);
    world_free(w);
}

static void run(const struct world *w, const char *format)
{
    char *command = mem_printf("cd %s && %s", w->dir, format);

    assert_int_equal(system(command), 0);
    mem_free(command);
}

/* What `chancery log restore` does to an instance whose log is a copy. */
static void succeed(struct world *w, const char *name)
{
    char *file = mem_printf("%s/keys/log.key", w->dir);
    char *administrator = mem_printf("%s/keys/administrator.key", w->dir);
    char *conf = mem_printf("sed -i 's,^name = .*,name = %s,' chancery.conf", name);
    struct log_key key;
    struct seat_key signer;
    struct journal *j;
    struct buf why = {0};

    log_key_make(&key, name);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(log_key_write(&key, file), 0);
    assert_int_equal(seat_key_read(&signer, administrator, &why), 0);
    assert_int_equal(journal_open(&j, w->dir, false, &why), 0);
    struct succession s = {.key = &key, .administrator = &signer, .now = time_now()};
    assert_int_equal(succession_found(j, w->dir, &s, &why), 0);
    journal_close(j);
    run(w, conf);
    mem_free(file);
    mem_free(administrator);
    mem_free(conf);
    buf_free(&why);
}

static void until_done(struct world *w, unsigned n)
{
    while (w->done < n)
        turn(w);
    assert_int_equal(w->err, 0);
}

static void copy_log(struct world *w)
{
    broker_kill(w, SIGTERM);
    run(w, "cp -a log copy");
    broker_start(w);
}

static void restore_log(struct world *w)
{
    broker_kill(w, SIGKILL);
    run(w, "rm -r log && mv copy log");
    succeed(w, "chancery.example/second");
    broker_start(w);
}

/* All of them once, in the order in which they were published. */
static void assert_all_there(struct world *w, size_t n)
{
    struct chancery *c = client_new(w, "officer");

    read_all(w, c, "officer");
    while (w->read < n)
        turn(w);
    assert_in_order(w, n);
    client_free(w, c);
    assert_int_equal(w->read, n);
}

static void what_a_restored_log_lost_comes_back_from_who_goes_on(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_keeping(w, "officer", 1 << 30);

    (void)unused;
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    while (w->recorded < EVENTS / 4)
        turn(w);
    copy_log(w);
    while (w->recorded < EVENTS * 3 / 4)
        turn(w);
    restore_log(w);
    until_recorded(w, EVENTS);
    assert_string_equal(chancery_current(c)->log, "chancery.example/second");
    assert_all_there(w, EVENTS);
    client_free(w, c);
    world_free(w);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct world *w = arg;

    w->done++;
    w->position = s->head;
}

static void what_a_restored_log_lost_comes_back_from_the_next_process(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_keeping(w, "officer", 1 << 30);

    (void)unused;
    for (uint64_t i = 0; i < EVENTS; i++)
        publish_part(w, c, i, NULL);
    while (w->recorded < EVENTS / 4)
        turn(w);
    copy_log(w);
    until_recorded(w, EVENTS);
    client_free(w, c);
    restore_log(w);
    c = client_keeping(w, "officer", 1 << 30);
    chancery_on_session(c, on_session, w);
    until_done(w, 1);
    assert_true(w->position > EVENTS);
    assert_all_there(w, EVENTS);
    client_free(w, c);
    world_free(w);
}

/* ---- questions ---- */

static void on_question(void *arg, const struct chancery_question *q)
{
    struct world *w = arg;

    assert_string_equal(q->seat, "officer");
    chancery_answer(w->offering, q->token, "chancery.test.v1.Reply", q->payload, q->size, 1, 0);
}

static void on_answered(void *arg, int err, const char *code, const char *text, const char *type,
                        const void *payload, size_t size, uint64_t as_of)
{
    struct world *w = arg;

    (void)code, (void)text, (void)type, (void)as_of;
    w->err = err;
    w->done++;
    buf_reset(&w->answer);
    buf_add(&w->answer, payload, size);
}

static void ask(struct world *w, struct chancery *c, int64_t patience)
{
    unsigned before = w->done;

    assert_int_equal(chancery_ask(c, "embargo", "chancery.test.v1.Question", "why?", 4, 0, patience,
                                  on_answered, w),
                     0);
    while (w->done == before)
        turn(w);
}

static void a_question_is_answered_by_whoever_offers_the_service(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");

    (void)unused;
    ask(w, c, 1000);
    assert_int_equal(w->err, ERR_SERVICE);
    w->offering = client_new(w, "embargo");
    assert_int_equal(chancery_offer(w->offering, "embargo", on_question, w), 0);
    ask(w, c, 60000000);
    assert_int_equal(w->err, 0);
    assert_true(slice_is(slice_buf(&w->answer), "why?"));
    broker_kill(w, SIGKILL);
    broker_start(w);
    ask(w, c, 60000000);
    assert_int_equal(w->err, 0);
    client_free(w, w->offering);
    client_free(w, c);
    world_free(w);
}

/* ---- parts, head, status ---- */

static void on_done(void *arg, int err, const char *text)
{
    struct world *w = arg;

    (void)text;
    w->err = err;
    w->done++;
}

static void a_part_goes_there_and_back(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");
    char *file = mem_printf("%s/part", w->dir), *got = mem_printf("%s/got", w->dir);
    char *compare = mem_printf("cmp %s %s", file, got);
    struct chancery_part part = {.media_type = "application/octet-stream", .name = "part"};
    FILE *out = fopen(file, "w");

    (void)unused;
    for (int i = 0; i < 5000000; i++)
        fputc(i % 251, out);
    fclose(out);
    assert_int_equal(chancery_put_part(c, file, &part, on_done, w), 0);
    until_done(w, 1);
    publish_part(w, c, 0, &part);
    until_recorded(w, 1);
    assert_int_equal(chancery_get_part(c, w->position, part.sha256, got, on_done, w), 0);
    until_done(w, 2);
    assert_int_equal(system(compare), 0);
    assert_int_equal(chancery_put_part(c, file, &part, on_done, w), 0); /* it is there already */
    until_done(w, 3);
    mem_free(file);
    mem_free(got);
    mem_free(compare);
    client_free(w, c);
    world_free(w);
}

static void on_head(void *arg, int err, uint64_t head, const char *checkpoint)
{
    struct world *w = arg;

    w->err = err;
    w->position = head;
    buf_add_str(&w->answer, checkpoint);
    w->done++;
}

static void on_status(void *arg, int err, const char *text, const void *status, size_t size)
{
    struct world *w = arg;

    (void)text;
    Core__Status *s = core__status__unpack(NULL, size, status);
    assert_non_null(s);
    assert_string_equal(s->log, w->settings.log);
    core__status__free_unpacked(s, NULL);
    w->err = err;
    w->done++;
}

static void on_tail(void *arg, int err, uint64_t seat_seq, uint64_t position)
{
    struct world *w = arg;

    w->err = err;
    assert_int_equal(seat_seq, 1);
    assert_int_equal(position, w->position);
    w->done++;
}

static void head_status_and_tail_are_told(void **unused)
{
    struct world *w = world_new();
    struct chancery *c = client_new(w, "officer");

    (void)unused;
    publish_part(w, c, 0, NULL);
    until_recorded(w, 1);
    assert_int_equal(chancery_tail(c, "sanctions.in", on_tail, w), 0);
    until_done(w, 1);
    assert_int_equal(chancery_head(c, on_head, w), 0);
    until_done(w, 2);
    assert_true(w->position > 1);
    assert_int_equal(strncmp(buf_cstr(&w->answer), w->settings.log, strlen(w->settings.log)), 0);
    assert_int_equal(chancery_status(c, on_status, w), 0);
    until_done(w, 3);
    client_free(w, c);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_published_is_read_in_order),
        cmocka_unit_test(a_held_reading_comes_to_the_end_too),
        cmocka_unit_test(a_broker_killed_again_and_again_loses_and_repeats_nothing),
        cmocka_unit_test(a_loop_that_stands_still_gets_all_when_it_goes_on),
        cmocka_unit_test(two_processes_of_a_seat_get_all_their_events_recorded),
        cmocka_unit_test(what_no_rule_allows_is_refused),
        cmocka_unit_test(each_event_recorded_has_its_receipt),
        cmocka_unit_test(old_receipts_go_once_a_checkpoint_covers_them),
        cmocka_unit_test(what_a_restored_log_lost_comes_back_from_who_goes_on),
        cmocka_unit_test(what_a_restored_log_lost_comes_back_from_the_next_process),
        cmocka_unit_test(a_question_is_answered_by_whoever_offers_the_service),
        cmocka_unit_test(a_part_goes_there_and_back),
        cmocka_unit_test(head_status_and_tail_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
