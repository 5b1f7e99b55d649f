/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { PIECE = 65536 };

char *program_beside(const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0)
        return mem_str(name);
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    return mem_printf("%s/%s", self, name);
}

/* `output`: descriptor that it writes to; ours where it is -1. */
static int spawn(const char *const argv[], enum program_errors errors, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (errors == ERRORS_WITH_OUTPUT)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    else if (errors == ERRORS_NOWHERE)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawn(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

int program_start(const char *const argv[], enum program_errors errors, pid_t *pid, int *fd)
{
    int ends[2] = {-1, -1};

    if (fd && pipe2(ends, O_CLOEXEC) != 0)
        return ERR_IO;
    int rc = spawn(argv, errors, ends[1], pid);
    if (fd) {
        close(ends[1]);
        *fd = ends[0];
    }
    if (rc && fd)
        close(ends[0]);
    errno = rc;
    return rc ? ERR_IO : 0;
}

int program_wait(pid_t pid)
{
    int status = -1; /* whoever ignores its children's ends is not told: no success is made of it */

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

static void collect(int fd, struct buf *out)
{
    uint8_t piece[PIECE];
    ssize_t n;

    while ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            buf_add(out, piece, (size_t)n);
}

int program_run(const char *const argv[], enum program_errors errors, struct buf *out)
{
    pid_t pid;
    int fd;

    if (program_start(argv, errors, &pid, out ? &fd : NULL) != 0)
        return -1;
    if (out) {
        collect(fd, out);
        close(fd);
    }
    int status = program_wait(pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
