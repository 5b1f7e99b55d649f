/* SPDX-License-Identifier: Apache-2.0 */
/* What the client keeps: said again after a restart, told once it is on disk. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "tests/support/peer.h"

static off_t size_of(const struct peer *p, const char *name)
{
    char *path = path_in(p, name);
    struct stat st = {0};

    stat(path, &st);
    mem_free(path);
    return st.st_size;
}

static void what_was_unconfirmed_is_said_first_after_a_restart(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    assert_int_equal(p->results[0].outcome, CHANCERY_UNKNOWN);
    client_open(p, 0, true);
    publish(p, 2);
    until_frames(p, 5);
    assert_true(same_events(p->frames[0], p->frames[2]));
    assert_true(same_events(p->frames[1], p->frames[3]));
    assert_int_equal(seat_seq_of(p->frames[4]), 3);
    for (size_t i = 2; i < 5; i++)
        say_recorded(p, p->frames[i], i);
    until_results(p, 3);
    read_receipts(p, "keep");
    assert_int_equal(p->n_positions, 3);
    client_close(p);
    client_open(p, 0, true);
    while (!chancery_current(p->client))
        turn(p);
    for (int i = 0; i < 5; i++)
        uv_run(&p->loop, UV_RUN_NOWAIT);
    assert_int_equal(p->n, 5);
    peer_free(p);
}

static void what_is_told_is_on_disk_before(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    publish(p, 2);
    until_frames(p, 3);
    say_recorded(p, p->frames[0], 7);
    say_refused(p, p->frames[1]->ref, "field.invalid");
    until_results(p, 2);
    copy_keep(p);
    assert_string_equal(p->results[1].code, "field.invalid");
    read_receipts(p, "copy");
    assert_int_equal(p->n_positions, 1);
    assert_int_equal(p->positions[0], 7);
    client_close(p);
    client_open_in(p, 0, "copy");
    until_frames(p, 4); /* the third alone */
    assert_true(same_events(p->frames[2], p->frames[3]));
    publish(p, 3);
    until_frames(p, 5);
    assert_int_equal(seat_seq_of(p->frames[4]), 4);
    peer_free(p);
}

static void what_was_refused_because_of_others_is_kept_in_its_new_form(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    until_frames(p, 1);
    p->tail_seq = 4;
    say_refused(p, p->frames[0]->ref, "seat.order");
    until_frames(p, 2);
    copy_keep(p);
    client_close(p);
    client_open_in(p, 0, "copy");
    until_frames(p, 3);
    assert_true(same_events(p->frames[1], p->frames[2]));
    say_recorded(p, p->frames[2], 9);
    publish(p, 1);
    until_frames(p, 4);
    say_recorded(p, p->frames[3], 10);
    while (p->results[p->n_results - 1].position != 10)
        turn(p);
    read_receipts(p, "copy");
    assert_int_equal(p->n_positions, 2);
    assert_int_equal(p->positions[0], 9);
    peer_free(p);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_cannot_be_kept_is_refused_and_not_sent(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    log_set_level(LOG_ERROR);
    client_open(p, 0, true);
    publish(p, 0);
    until_frames(p, 1);
    limit_files(1024);
    publish(p, 1);
    publish(p, 2);
    until_results(p, 2);
    limit_files(0);
    assert_int_equal(p->results[1].outcome, CHANCERY_REFUSED);
    assert_string_equal(p->results[1].code, "io.failed");
    say_recorded(p, p->frames[0], 1);
    publish(p, 3);
    until_frames(p, 2); /* once the first is answered: those refused were numbered */
    assert_int_equal(seat_seq_of(p->frames[1]), 1);
    peer_free(p);
}

static void on_session(void *arg, const struct chancery_session *s)
{
    struct peer *p = arg;

    p->sessions++;
    p->head = s->head;
}

static void a_session_is_told_once_what_was_left_is_answered(void **unused)
{
    struct peer *p = peer_new();

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    client_open(p, 0, true);
    chancery_on_session(p->client, on_session, p);
    until_frames(p, 4);
    say_recorded(p, p->frames[2], 8);
    say_forgotten(p);
    until_frames(p, 5);
    assert_int_equal(p->sessions, 0);
    say_recorded(p, p->frames[4], 9);
    while (p->sessions == 0)
        turn(p);
    assert_int_equal(p->head, 9);
    say_forgotten(p);
    while (p->sessions == 1)
        turn(p);
    assert_int_equal(p->n, 5);
    peer_free(p);
}

static void a_torn_entry_is_dropped(void **unused)
{
    struct peer *p = peer_new();
    char *path = path_in(p, "keep/unconfirmed");

    (void)unused;
    client_open(p, 0, true);
    publish(p, 0);
    publish(p, 1);
    until_frames(p, 2);
    client_close(p);
    assert_int_equal(truncate(path, size_of(p, "keep/unconfirmed") - 3), 0);
    client_open(p, 0, true);
    until_frames(p, 3);
    assert_true(same_events(p->frames[0], p->frames[2]));
    mem_free(path);
    peer_free(p);
}

static void a_directory_is_kept_by_one_process(void **unused)
{
    struct peer *p = peer_new();
    char *file = path_in(p, "alice.key"), *keep = path_in(p, "keep"), why[256];
    struct chancery *second;
    struct chancery_options options = {.endpoint = "ipc:///tmp/none",
                                       .server_key = p->public_key,
                                       .key_file = file,
                                       .keep_dir = keep};

    (void)unused;
    client_open(p, 0, true);
    assert_int_equal(chancery_open(&second, &p->loop, &options, why), ERR_OWNED);
    mem_free(file);
    mem_free(keep);
    peer_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_unconfirmed_is_said_first_after_a_restart),
        cmocka_unit_test(what_is_told_is_on_disk_before),
        cmocka_unit_test(what_was_refused_because_of_others_is_kept_in_its_new_form),
        cmocka_unit_test(what_cannot_be_kept_is_refused_and_not_sent),
        cmocka_unit_test(a_session_is_told_once_what_was_left_is_answered),
        cmocka_unit_test(a_torn_entry_is_dropped),
        cmocka_unit_test(a_directory_is_kept_by_one_process),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
