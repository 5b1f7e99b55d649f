/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { STOP_MS = 5000, STEP_MS = 20 };

void sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

__attribute__((noreturn)) static void become(const char *const argv[], const char *log, bool quiet,
                                             pid_t parent)
{
    sigset_t none;
    int fd;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above */
        _exit(1);
    if (log && (fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) >= 0) {
        dup2(fd, STDERR_FILENO);
        if (quiet)
            dup2(fd, STDOUT_FILENO);
    }
    if ((fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
        dup2(fd, STDIN_FILENO);
    execv(argv[0], (char *const *)(uintptr_t)argv);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t child_start(const char *const argv[], const char *log, bool quiet)
{
    pid_t parent = getpid(), pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0)
        become(argv, log, quiet, parent);
    return pid;
}

bool child_ended(pid_t pid, int *status)
{
    return waitpid(pid, status, WNOHANG) != 0;
}

static bool reap(pid_t pids[], int n)
{
    bool left = false;
    int status;

    for (int i = 0; i < n; i++) {
        if (pids[i] > 0 && child_ended(pids[i], &status))
            pids[i] = 0;
        left = left || pids[i] > 0;
    }
    return left;
}

void child_stop_all(pid_t pids[], int n)
{
    static const int signals[] = {SIGTERM, SIGKILL};

    for (int s = 0; s < 2; s++) {
        for (int i = 0; i < n; i++)
            if (pids[i] > 0)
                kill(pids[i], signals[s]);
        for (int ms = 0; reap(pids, n) && ms < STOP_MS; ms += STEP_MS)
            sleep_ms(STEP_MS);
    }
}
