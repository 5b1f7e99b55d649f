/* SPDX-License-Identifier: Apache-2.0 */
/* progress - how far long work is: a bar on a terminal, a line each 10 s elsewhere */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/test.h"

#include "adapters/terminal/progress.h"
#include "lib/slice.h"

struct screen { /* what standard error shows meanwhile */
    int read, error;
    struct buf seen;
};

static void redirect(struct screen *s, int read_end, int write_end)
{
    *s = (struct screen){.read = read_end, .error = dup(STDERR_FILENO)};
    dup2(write_end, STDERR_FILENO);
    close(write_end);
}

static void terminal_open(struct screen *s)
{
    int parent = posix_openpt(O_RDWR | O_NOCTTY);

    assert_int_equal(grantpt(parent), 0);
    assert_int_equal(unlockpt(parent), 0);
    redirect(s, parent, open(ptsname(parent), O_RDWR | O_NOCTTY));
}

static void pipe_open(struct screen *s)
{
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    redirect(s, ends[0], ends[1]);
}

static void screen_close(struct screen *s)
{
    dup2(s->error, STDERR_FILENO);
    close(s->error);
    close(s->read);
    buf_free(&s->seen);
}

/* True when there was something within that time. */
static bool screen_read(struct screen *s, int ms)
{
    struct pollfd fd = {.fd = s->read, .events = POLLIN};
    char piece[256];

    if (poll(&fd, 1, ms) != 1)
        return false;
    buf_add(&s->seen, piece, (size_t)read(s->read, piece, sizeof piece));
    return true;
}

static void a_bar_is_drawn_on_a_terminal_and_cleared(void **unused)
{
    struct progress p;
    struct screen s;

    (void)unused;
    terminal_open(&s);
    progress_begin(&p, "counting");
    do
        progress_step(&p, "counting", 50, 100);
    while (!screen_read(&s, 10));
    assert_string_equal(buf_cstr(&s.seen), "\r[############            ]  50 %  counting\033[K");
    buf_reset(&s.seen);
    do
        progress_step(&p, "counting", 300, 100);
    while (!screen_read(&s, 10));
    assert_string_equal(buf_cstr(&s.seen), "\r[########################] 100 %  counting\033[K");
    buf_reset(&s.seen);
    progress_end(&p);
    assert_true(screen_read(&s, 1000));
    assert_string_equal(buf_cstr(&s.seen), "\r\033[K");
    screen_close(&s);
}

static void what_nobody_knows_the_amount_of_turns(void **unused)
{
    struct progress p;
    struct screen s;

    (void)unused;
    terminal_open(&s);
    progress_begin(&p, "waiting");
    do
        progress_tick(&p);
    while (!screen_read(&s, 10));
    assert_non_null(strchr("-\\|/", buf_cstr(&s.seen)[1]));
    assert_string_equal(buf_cstr(&s.seen) + 2, " waiting\033[K");
    progress_end(&p);
    screen_close(&s);
}

static void what_is_over_soon_shows_nothing(void **unused)
{
    struct progress p;
    struct screen s;

    (void)unused;
    terminal_open(&s);
    progress_begin(&p, "short");
    progress_step(&p, "short", 1, 2);
    progress_end(&p);
    progress_tick(&p); /* ended */
    assert_false(screen_read(&s, 0));
    screen_close(&s);
}

static void elsewhere_it_is_a_line_each_ten_seconds(void **unused)
{
    struct progress p;
    struct screen s;

    (void)unused;
    pipe_open(&s);
    progress_begin(&p, "counting");
    do
        progress_step(&p, "counting", 7, 9);
    while (!screen_read(&s, 10));
    assert_string_equal(buf_cstr(&s.seen), "counting: 7 of 9, 10 s\n");
    progress_end(&p);
    assert_false(screen_read(&s, 0));
    screen_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bar_is_drawn_on_a_terminal_and_cleared),
        cmocka_unit_test(what_nobody_knows_the_amount_of_turns),
        cmocka_unit_test(what_is_over_soon_shows_nothing),
        cmocka_unit_test(elsewhere_it_is_a_line_each_ten_seconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
