/* SPDX-License-Identifier: Apache-2.0 */
/* What the parser's sandbox lets through, and what ends the process: each tried in a child. */
#include "lib/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/slice.h"
#include "lib/tree.h"
#include "tests/support/test.h"

static const char file[] = "/proc/self/exe";

/* What a child tries; `fd` is the file that it may read.  0 where it did what was meant. */
typedef int attempt(int fd);

static int (*outer)(void); /* what the child does before, if anything */

/* The child's status as wait has it. */
static int confined(attempt *try)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int fd = open(file, O_RDONLY | O_CLOEXEC);
        signal(SIGABRT, SIG_DFL); /* not cmocka's */
        if (fd < 0 || (outer && outer() != 0) || sandbox_parser(fd) != 0)
            _exit(99);
        _exit(try(fd));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* ---- what is let through ---- */

static int reads_its_file(int fd)
{
    char bytes[4];

    return read(fd, bytes, sizeof bytes) != sizeof bytes || memcmp(bytes, "\177ELF", 4) != 0;
}

static int says(int fd)
{
    (void)fd;
    return write(STDOUT_FILENO, "", 0) != 0 || fputs("", stderr) < 0;
}

static int by_size(const void *a, const void *b)
{
    return memcmp(a, b, 64);
}

/* Memory that grows, is given back, and is sorted. */
static int computes(int fd)
{
    char *bytes = NULL, *grown;
    struct hash hash;
    size_t size = 0;

    (void)fd;
    for (size_t more = 1024; more <= (size_t)32 * 1024 * 1024; more *= 2, bytes = grown) {
        grown = realloc(bytes, more);
        if (!grown)
            return 1;
        memset(grown + size, (int)more, more - size);
        size = more;
    }
    qsort(bytes, 4096, 64, by_size);
    hash_sha256(&hash, slice_of(bytes, size));
    free(bytes);
    return 0;
}

static int reckons_a_time(int fd)
{
    struct tm day = {.tm_year = 126, .tm_mday = 1};

    (void)fd;
    return timegm(&day) != 1767225600;
}

static void what_a_parser_needs_is_let_through(void **unused)
{
    static attempt *const attempts[] = {reads_its_file, says, computes, reckons_a_time};

    (void)unused;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        assert_int_equal(confined(attempts[i]), 0);
}

static int gives_up(int fd)
{
    (void)fd;
    abort();
}

static void a_parser_that_gives_up_ends_as_elsewhere(void **unused)
{
    (void)unused;
    int status = confined(gives_up);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

extern __attribute__((weak)) void __asan_init(void), __tsan_init(void);

static int takes_too_much_memory(int fd)
{
    (void)fd;
    return mmap(NULL, (size_t)600 * 1024 * 1024, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
           MAP_FAILED;
}

static void memory_beyond_the_bound_is_not_there(void **unused)
{
    (void)unused;
    if (__asan_init || __tsan_init) {
        print_message("skipped: memory_beyond_...: a sanitizer's memory has no bound\n");
        skip();
    }
    assert_int_equal(confined(takes_too_much_memory), 0);
}

/* ---- what is not ---- */

static int opens_a_file(int fd)
{
    (void)fd;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0;
}

static int makes_a_file(int fd)
{
    (void)fd;
    return creat("/var/tmp/chancery-test-sandbox", 0600) < 0;
}

static int removes_a_file(int fd)
{
    (void)fd;
    return unlink("/var/tmp/chancery-test-sandbox");
}

static int looks_at_a_file(int fd)
{
    struct stat st;

    (void)fd;
    return stat("/etc/passwd", &st);
}

static int reads_another_descriptor(int fd)
{
    char byte;

    return read(fd + 1, &byte, 1) < 0;
}

static int writes_another_descriptor(int fd)
{
    return write(fd, "x", 1) < 0;
}

static int makes_a_socket(int fd)
{
    (void)fd;
    return socket(AF_INET, SOCK_STREAM, 0) < 0;
}

static int makes_a_local_socket(int fd)
{
    int ends[2];

    (void)fd;
    return socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
}

static int forks(int fd)
{
    (void)fd;
    return (int)syscall(SYS_fork) < 0;
}

static int clones(int fd)
{
    (void)fd;
    return (int)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL) < 0;
}

static int runs_a_program(int fd)
{
    char *const argv[] = {NULL};

    (void)fd;
    return execve("/bin/true", argv, argv);
}

static int runs_what_it_reads(int fd)
{
    char *const argv[] = {NULL};

    return fexecve(fd, argv, argv);
}

static int makes_memory_executable(int fd)
{
    (void)fd;
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
           MAP_FAILED;
}

static int turns_memory_executable(int fd)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)fd;
    return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC);
}

static int maps_a_file(int fd)
{
    return mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED;
}

static int signals_another(int fd)
{
    (void)fd;
    return kill(getppid(), 0);
}

static int signals_itself_otherwise(int fd)
{
    (void)fd;
    return raise(SIGTERM);
}

static int traces(int fd)
{
    (void)fd;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
}

static int leaves_its_namespace(int fd)
{
    (void)fd;
    return unshare(CLONE_NEWUSER);
}

static int widens_its_limits(int fd)
{
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    (void)fd;
    return setrlimit(RLIMIT_NOFILE, &limit);
}

static void whatever_else_it_asks_for_ends_it(void **unused)
{
    static const struct {
        const char *what;
        attempt *try;
    } attempts[] = {
        {"open", opens_a_file},
        {"creat", makes_a_file},
        {"unlink", removes_a_file},
        {"stat", looks_at_a_file},
        {"read another", reads_another_descriptor},
        {"write another", writes_another_descriptor},
        {"socket", makes_a_socket},
        {"socketpair", makes_a_local_socket},
        {"fork", forks},
        {"clone", clones},
        {"execve", runs_a_program},
        {"fexecve", runs_what_it_reads},
        {"mmap executable", makes_memory_executable},
        {"mprotect executable", turns_memory_executable},
        {"mmap a file", maps_a_file},
        {"kill another", signals_another},
        {"raise", signals_itself_otherwise},
        {"ptrace", traces},
        {"unshare", leaves_its_namespace},
        {"setrlimit", widens_its_limits},
    };

    (void)unused;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        int status = confined(attempts[i].try);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("%s: status %x", attempts[i].what, (unsigned)status);
    }
}

/* ---- within another sandbox ---- */

/* As a service manager does that refuses seccomp(2) to its services. */
static int keep_seccomp(void)
{
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog all = {sizeof program / sizeof *program, program};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0);
}

static void it_is_as_tight_where_seccomp_is_kept_from_it(void **unused)
{
    (void)unused;
    outer = keep_seccomp;
    int good = confined(computes), bad = confined(opens_a_file);
    outer = NULL;
    assert_int_equal(good, 0);
    assert_true(WIFSIGNALED(bad));
    assert_int_equal(WTERMSIG(bad), SIGSYS);
}

/* ---- what the kernel says of it ---- */

static int waits(int fd)
{
    char byte;

    return (int)write(STDOUT_FILENO, "!", 1) - (int)read(fd, &byte, 1);
}

static void expect_line(const char *path, const char *line)
{
    char text[4096] = "", *at;
    FILE *f = fopen(path, "re");

    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    fclose(f);
    at = strstr(text, line);
    if (!at)
        fail_msg("%s has no \"%s\":\n%s", path, line, text);
}

/* A child that waits for its file, a pipe, is looked at from outside. */
static void its_bounds_are_those_of_the_kernel(void **unused)
{
    static const char *const limits[] = {
        "Max cpu time              20                   21                   seconds",
        "Max file size             0                    0                    bytes",
        "Max core file size        0                    0                    bytes",
        "Max open files            0                    0                    files",
    };
    int in[2], out[2], status;
    char byte, path[64];

    (void)unused;
    assert_int_equal(pipe(in) | pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        close(in[1]);
        if (dup2(out[1], STDOUT_FILENO) < 0 || sandbox_parser(in[0]) != 0)
            _exit(99);
        _exit(waits(in[0]));
    }
    close(out[1]);
    assert_int_equal(read(out[0], &byte, 1), 1);
    snprintf(path, sizeof path, "/proc/%d/status", (int)child);
    expect_line(path, "NoNewPrivs:\t1\n");
    expect_line(path, "Seccomp:\t2\n");
    snprintf(path, sizeof path, "/proc/%d/limits", (int)child);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        expect_line(path, limits[i]);
    assert_int_equal(write(in[1], "?", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    close(in[0]);
    close(in[1]);
    close(out[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_parser_needs_is_let_through),
        cmocka_unit_test(a_parser_that_gives_up_ends_as_elsewhere),
        cmocka_unit_test(memory_beyond_the_bound_is_not_there),
        cmocka_unit_test(whatever_else_it_asks_for_ends_it),
        cmocka_unit_test(it_is_as_tight_where_seccomp_is_kept_from_it),
        cmocka_unit_test(its_bounds_are_those_of_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
