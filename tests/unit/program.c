/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/program.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

static int run(const char *script, enum program_errors errors, struct buf *out)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};

    buf_reset(out);
    return program_run(argv, errors, out);
}

static void what_it_prints_is_collected_with_its_status(void **state)
{
    struct buf out = {0};

    (void)state;
    assert_int_equal(run("echo said; echo wrong >&2; exit 3", ERRORS_NOWHERE, &out), 3);
    assert_string_equal(buf_cstr(&out), "said\n");
    assert_int_equal(run("echo said; echo wrong >&2", ERRORS_WITH_OUTPUT, &out), 0);
    assert_string_equal(buf_cstr(&out), "said\nwrong\n");
    assert_int_equal(run("head -c 300000 /dev/zero", ERRORS_OURS, &out), 0); /* more than a pipe */
    assert_int_equal(out.size, 300000);
    buf_free(&out);
}

static void who_was_killed_or_is_not_there_has_no_status(void **state)
{
    const char *nobody[] = {"/nowhere/at/all", NULL};
    struct buf out = {0};
    pid_t pid;
    int fd;

    (void)state;
    assert_int_equal(run("kill -9 $$", ERRORS_OURS, &out), -1);
    assert_int_equal(program_run(nobody, ERRORS_OURS, &out), -1);
    assert_int_equal(program_start(nobody, ERRORS_OURS, &pid, &fd), ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(out.size, 0);
    buf_free(&out);
}

/* As a parent leaves it that wants to hear of no child. */
static void whose_end_is_not_told_was_no_success(void **state)
{
    struct buf out = {0};

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(run("exit 0", ERRORS_OURS, &out), -1);
    assert_int_equal(run("exit 3", ERRORS_OURS, &out), -1);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(run("exit 3", ERRORS_OURS, &out), 3);
    buf_free(&out);
}

static void what_was_started_is_read_while_it_runs(void **state)
{
    const char *argv[] = {"/bin/cat", "/dev/zero", NULL};
    char piece[16];
    pid_t pid;
    int fd;

    (void)state;
    assert_int_equal(program_start(argv, ERRORS_NOWHERE, &pid, &fd), 0);
    assert_int_equal(read(fd, piece, sizeof piece), sizeof piece);
    close(fd);
    int status = program_wait(pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status)); /* nobody reads it any more */
}

static void a_program_beside_lies_in_this_one_s_directory(void **state)
{
    char *self = program_beside("test_program"), *other = program_beside("nobody");

    (void)state;
    assert_int_equal(access(self, X_OK), 0);
    assert_int_equal(access(other, X_OK), -1);
    mem_free(self);
    mem_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_prints_is_collected_with_its_status),
        cmocka_unit_test(who_was_killed_or_is_not_there_has_no_status),
        cmocka_unit_test(whose_end_is_not_told_was_no_success),
        cmocka_unit_test(what_was_started_is_read_while_it_runs),
        cmocka_unit_test(a_program_beside_lies_in_this_one_s_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
