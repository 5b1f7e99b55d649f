/* SPDX-License-Identifier: Apache-2.0 */
/* Faults within a fence are errors, and those outside of one are what they were. */
#include "broker/fence.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/test.h"

enum { PAGE = 4096, FAULT = -7, ROUNDS = 1000 };

static int reads(void *arg)
{
    return *(const volatile char *)arg;
}

/* A page that nobody may read: SIGSEGV. */
static void *forbidden_page(void)
{
    void *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(page != MAP_FAILED);
    return page;
}

/* A page behind the end of its file: SIGBUS. */
static void *cut_page(void)
{
    char name[] = "/var/tmp/chancery-test.XXXXXX";
    int fd = mkstemp(name);
    void *page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);

    assert_true(fd >= 0 && page != MAP_FAILED);
    unlink(name);
    close(fd);
    return page;
}

static void a_fault_ends_the_call_and_the_next_one_runs(void **unused)
{
    (void)unused;
    fence_install(); /* in the place of cmocka's */
    char good = 5;
    void *pages[] = {forbidden_page(), cut_page()};
    for (int round = 0; round < 3; round++)
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(fence_run(reads, pages[i], FAULT), FAULT);
            assert_int_equal(fence_run(reads, &good, FAULT), 5);
        }
    munmap(pages[0], PAGE);
    munmap(pages[1], PAGE);
}

static int fences_in(void *arg)
{
    return fence_run(reads, arg, 3) + fence_run(reads, arg, 4);
}

static int faults_behind(void *arg)
{
    int inner = fence_run(reads, arg, 3);

    assert_int_equal(inner, 3);
    return reads(arg);
}

static void fences_are_nested(void **unused)
{
    (void)unused;
    fence_install(); /* in the place of cmocka's */
    void *page = forbidden_page();
    assert_int_equal(fence_run(fences_in, page, FAULT), 7);
    assert_int_equal(fence_run(faults_behind, page, FAULT), FAULT);
    munmap(page, PAGE);
}

static int breaks(void *arg)
{
    (void)arg;
    fence_break();
    return 0;
}

static void an_assertion_breaks_out_of_the_fence_alone(void **unused)
{
    (void)unused;
    fence_install(); /* in the place of cmocka's */
    assert_int_equal(fence_run(breaks, NULL, FAULT), FAULT);
    fence_break(); /* nothing: there is none */
}

static void *fault_often(void *page)
{
    size_t faults = 0;

    for (int i = 0; i < ROUNDS; i++)
        faults += fence_run(reads, page, FAULT) == FAULT;
    return (void *)faults;
}

static void each_thread_has_its_own_fences(void **unused)
{
    (void)unused;
    fence_install(); /* in the place of cmocka's */
    void *page = forbidden_page(), *faults;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, fault_often, page), 0);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], &faults);
        assert_int_equal((size_t)faults, ROUNDS);
    }
    munmap(page, PAGE);
}

static void a_fault_without_a_fence_is_told_and_deadly(void **unused)
{
    (void)unused;
    void *page = forbidden_page();
    int out[2], status;
    char said[256] = "";
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        signal(SIGSEGV, SIG_DFL); /* not cmocka's */
        fence_install();
        _exit(reads(page));
    }
    close(out[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(out[0], said, sizeof said - 1) > 0);
    assert_non_null(strstr(said, "not in the log"));
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    close(out[0]);
    munmap(page, PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fault_ends_the_call_and_the_next_one_runs),
        cmocka_unit_test(fences_are_nested),
        cmocka_unit_test(an_assertion_breaks_out_of_the_fence_alone),
        cmocka_unit_test(each_thread_has_its_own_fences),
        cmocka_unit_test(a_fault_without_a_fence_is_told_and_deadly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
