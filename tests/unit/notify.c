/* SPDX-License-Identifier: Apache-2.0 */
/* notify.c - datagrams to a manager of the test's own */
#include "lib/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/test.h"

/* A socket with an abstract name of its own, and that name in $NOTIFY_SOCKET. */
static int manager(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char name[64];
    int n = snprintf(name, sizeof name, "@chancery-test-notify-%d", getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(at.sun_path + 1, name + 1, (size_t)n - 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

/* What came next, or "" when nothing did. */
static const char *heard(int fd, char text[600])
{
    ssize_t n = recv(fd, text, 599, MSG_DONTWAIT);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void what_is_said_arrives_and_is_bounded(void **unused)
{
    (void)unused;
    int fd = manager();
    char text[600], longer[700] = {0};

    notify_say("READY=1\nSTATUS=%d", 7);
    assert_string_equal(heard(fd, text), "READY=1\nSTATUS=7");
    memset(longer, 'x', sizeof longer - 1);
    notify_say("STATUS=%s", longer);
    assert_int_equal(strlen(heard(fd, text)), 511);
    close(fd);
}

static void nothing_is_said_to_nobody(void **unused)
{
    (void)unused;
    int fd = manager();
    char text[600];
    static const char *const nobody[] = {"", "@", "relative", "vsock:1:2"};

    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        setenv("NOTIFY_SOCKET", nobody[i], 1);
        notify_say("READY=1");
    }
    unsetenv("NOTIFY_SOCKET");
    notify_say("READY=1");
    assert_string_equal(heard(fd, text), "");
    close(fd);
}

struct life {
    struct watchdog watchdog;
    const bool *alive; /* at each look */
    size_t looks, most;
};

static bool look(void *arg, struct buf *status)
{
    struct life *l = arg;
    bool alive = l->alive[l->looks++];

    buf_add_str(status, alive ? "well" : "stuck");
    if (l->looks == l->most)
        watchdog_stop(&l->watchdog);
    return alive;
}

/* Runs until there were as many looks as `alive` has. */
static void live(const bool alive[], size_t n)
{
    uv_loop_t loop;
    struct life l = {.alive = alive, .most = n};

    uv_loop_init(&loop);
    watchdog_start(&l.watchdog, &loop, look, &l);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(l.looks, n);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void only_a_look_that_finds_life_feeds_the_watchdog(void **unused)
{
    (void)unused;
    int fd = manager();
    char text[600];

    setenv("WATCHDOG_USEC", "40000", 1);
    live((const bool[]){true, false, true}, 3);
    assert_string_equal(heard(fd, text), "WATCHDOG=1\nSTATUS=well");
    assert_string_equal(heard(fd, text), "STATUS=stuck");
    assert_string_equal(heard(fd, text), "WATCHDOG=1\nSTATUS=well");
    close(fd);
}

static void the_watchdog_of_another_process_is_not_fed(void **unused)
{
    (void)unused;
    char pid[32];

    setenv("WATCHDOG_USEC", "40000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    int fd = manager();
    uv_loop_t loop;
    struct life l = {.most = 1};
    uv_loop_init(&loop);
    watchdog_start(&l.watchdog, &loop, look, &l);
    assert_false(l.watchdog.feeds);
    watchdog_stop(&l.watchdog);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WATCHDOG_PID", pid, 1);
    live((const bool[]){true}, 1);
    char text[600];
    assert_string_equal(heard(fd, text), "WATCHDOG=1\nSTATUS=well");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_said_arrives_and_is_bounded),
        cmocka_unit_test(nothing_is_said_to_nobody),
        cmocka_unit_test(only_a_look_that_finds_life_feeds_the_watchdog),
        cmocka_unit_test(the_watchdog_of_another_process_is_not_fed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
