/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_files.c - does the configuration serve every process, and who can read the keys? */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "adapters/terminal/doctor.h"
#include "adapters/terminal/programs.h"
#include "lib/err.h"
#include "lib/sign.h"

/* ---- configuration ---- */

static void take_all(int fd, struct buf *out)
{
    ssize_t n;

    do {
        size_t before = out->size;
        uint8_t *room = buf_grow(out, 4096);
        n = read(fd, room, 4096);
        out->size = before + (n > 0 ? (size_t)n : 0);
    } while (n > 0 || (n < 0 && errno == EINTR));
}

/* Runs `PROGRAM --config DIR --check`: its exit status, and what it printed. */
static int ask_program(const char *program, const char *dir, struct buf *out, struct buf *err)
{
    const char *argv[] = {program, "--config", dir, "--check", NULL};
    char *const environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    int streams[2][2], status = 0;
    pid_t pid;

    if (pipe2(streams[0], O_CLOEXEC) != 0)
        return -1;
    if (pipe2(streams[1], O_CLOEXEC) != 0) {
        close(streams[0][0]);
        close(streams[0][1]);
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, streams[0][1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, streams[1][1], STDERR_FILENO);
    int rc = posix_spawn(&pid, program, &actions, NULL, (char **)(uintptr_t)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(streams[0][1]);
    close(streams[1][1]);
    take_all(streams[0][0], out); /* both are less than a pipe holds */
    take_all(streams[1][0], err);
    close(streams[0][0]);
    close(streams[1][0]);
    if (rc == 0)
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    return rc == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool check_program(struct doctor *d, const char *name)
{
    char *program = programs_find(&d->settings, name);
    struct buf out = {0}, err = {0};
    bool own = settings_process_find(&d->settings, name) != NULL, good = false;

    if (access(program, X_OK) != 0) {
        doctor_find(d, HEALTH_FAIL, "install it, or take its name out of [up] processes",
                    "%s cannot be run: %s", program, strerror(errno));
    } else if (own) {
        good = true; /* what it reads is its own */
    } else {
        good = ask_program(program, d->settings.dir, &out, &err) == 0;
        if (!good)
            doctor_find(d, HEALTH_FAIL, "mend what is named; chancery.conf(5) has every setting",
                        "%s: %.*s", name, (int)strcspn(buf_cstr(&err), "\n"), buf_cstr(&err));
    }
    buf_add(&d->stated, out.data, out.size);
    buf_free(&out);
    buf_free(&err);
    mem_free(program);
    return good;
}

static void check_programs(struct doctor *d, char *names)
{
    char *rest;
    int n = 0, good = 0;

    for (char *name = strtok_r(names, " ,", &rest); name; name = strtok_r(NULL, " ,", &rest)) {
        good += check_program(d, name);
        n++;
    }
    if (good == n)
        doctor_find(d, HEALTH_OK, "", "%s/chancery.conf serves all %d processes", d->settings.dir,
                    n);
}

void doctor_configuration(struct doctor *d)
{
    struct buf why = {0};
    char *names = NULL;

    int rc = programs_read(d->call, &d->settings, &names, &why);
    if (rc == 0)
        check_programs(d, names);
    else
        doctor_find(d, HEALTH_FAIL,
                    "name an instance with --dir, mend what is named, or make an instance with "
                    "`chancery init DIR`",
                    "%s", buf_cstr(&why));
    mem_free(names);
    buf_free(&why);
}

/* ---- keys ---- */

static void check_mode(struct doctor *d, const char *path, mode_t most)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        doctor_find(d, HEALTH_WARN, "run this as a user who may, for example root", "%s: %s", path,
                    strerror(errno));
        return;
    }
    if ((st.st_mode & 07777 & ~most) == 0)
        return;
    char *next = mem_printf("chmod %o %s", most, path);
    doctor_find(d, HEALTH_FAIL, next, "%s is open to others (mode %o)", path, st.st_mode & 07777);
    mem_free(next);
}

static size_t check_keys_in(struct doctor *d, const char *dir)
{
    DIR *keys = opendir(dir);
    size_t n = 0;

    if (!keys) {
        doctor_find(d, errno == ENOENT ? HEALTH_FAIL : HEALTH_WARN,
                    errno == ENOENT ? "bring the keys back from where they are kept safe"
                                    : "run this as a user who may, for example root",
                    "%s: %s", dir, strerror(errno));
        return 0;
    }
    for (const struct dirent *e; (e = readdir(keys));) {
        const char *dot = strrchr(e->d_name, '.');
        if (!dot || strcmp(dot, ".key") != 0)
            continue;
        char *path = mem_printf("%s/%s", dir, e->d_name);
        check_mode(d, path, 0600);
        mem_free(path);
        n++;
    }
    closedir(keys);
    return n;
}

/* The keys of every seat that a process acts as ("[terminal] seat = amina"). */
static void check_seats(struct doctor *d)
{
    const char *line = d->stated.size ? buf_cstr(&d->stated) : "";

    for (; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *at = strstr(line, "] seat = ");
        struct seat_key key;
        struct buf why = {0};
        if (!at || (size_t)(at - line) > strcspn(line, "\n"))
            continue;
        at += strlen("] seat = ");
        char *path = mem_printf("%s/keys/%.*s.key", d->settings.dir, (int)strcspn(at, "\n"), at);
        int rc = seat_key_read(&key, path, &why);
        if (rc == 0)
            seat_key_clear(&key);
        else if (rc != ERR_FILE_MODE) /* named already */
            doctor_find(d, HEALTH_FAIL,
                        "bring the key back, or make a new one with `chancery key new` and have an "
                        "administrator register it",
                        "%s", buf_cstr(&why));
        buf_free(&why);
        mem_free(path);
    }
}

void doctor_keys(struct doctor *d)
{
    char *dir = mem_printf("%s/keys", d->settings.dir);
    char *vkey = mem_printf("%s/log.vkey", d->settings.dir);
    size_t before = d->report.n, n = check_keys_in(d, dir);

    check_mode(d, dir, 0755); /* names of seats are no secret */
    check_seats(d);
    if (access(vkey, R_OK) != 0)
        doctor_find(d, HEALTH_FAIL, "restore it; `chancery log verify` needs it", "%s: %s", vkey,
                    strerror(errno));
    if (d->report.n == before)
        doctor_find(d, HEALTH_OK, "", "%zu keys, each readable by its owner alone", n);
    mem_free(dir);
    mem_free(vkey);
}
