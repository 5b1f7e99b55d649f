/* SPDX-License-Identifier: Apache-2.0 */
/* up.c - `chancery up`: starts the processes of an instance, and again when one dies
 *
 * The broker first; the others once its socket takes connections.  A process that dies is started
 * again after a pause that doubles from 100 ms to 1 s, and is 100 ms again once the process lived
 * for 10 s.  All end with this one: by SIGTERM, the signer behind the broker, whose last checkpoint
 * it signs; or by the kernel when this one is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "adapters/terminal/child.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/programs.h"
#include "lib/envelope.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/settings.h"

enum {
    PAUSE_LEAST = 100, /* ms */
    PAUSE_MOST = 1000,
    STEADY = 10000,
    SOCKET_WAIT = 10000,
};

struct process {
    char name[65];
    char *program, *log;
    pid_t pid;
    int64_t started, again; /* ms; `again` 0 = runs */
    int64_t since;          /* when that was, microseconds UTC */
    int starts, pause;
};

struct up {
    struct settings settings;
    char *names; /* [up] processes */
    struct process processes[PROCESSES_MOST];
    int n, lock;
    bool verbose;
};

static const char SIGNER[] = "signer";
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

/* ---- what runs ---- */

/* DIR/run/up.json, as processes.h describes it. */
static void pids_write(const struct up *up)
{
    char *path = mem_printf("%s/up.json", up->settings.run_dir);
    char *part = mem_printf("%s.part", path);
    json_t *pids = json_object(), *since = json_object(), *restarts = json_object();

    for (int i = 0; i < up->n; i++) {
        const struct process *p = &up->processes[i];
        json_object_set_new(pids, p->name, json_integer(p->pid));
        json_object_set_new(since, p->name, json_integer(p->since));
        json_object_set_new(restarts, p->name, json_integer(p->starts ? p->starts - 1 : 0));
    }
    json_t *object = json_pack("{s:i, s:o, s:o, s:o}", "up", (int)getpid(), "processes", pids,
                               "since", since, "restarts", restarts);
    if (json_dump_file(object, part, JSON_COMPACT) != 0 || rename(part, path) != 0)
        log_warn("up.state", "cannot write %s: %s", path, strerror(errno));
    json_decref(object);
    mem_free(part);
    mem_free(path);
}

static void process_start(struct up *up, struct process *p)
{
    const char *argv[] = {p->program, "--config", up->settings.dir, NULL};

    p->pid = child_start(argv, up->verbose ? NULL : p->log, true);
    p->started = now_ms();
    p->since = time_now();
    p->again = 0;
    p->starts++;
    if (p->pid < 0) {
        p->pid = 0;
        p->again = p->started + PAUSE_MOST;
        log_error("up.start", "cannot start %s: %s", p->name, strerror(errno));
    } else {
        log_info("up.started", "%s pid=%d", p->name, (int)p->pid);
    }
}

static void process_ended(struct process *p, int status)
{
    int64_t now = now_ms();

    if (now - p->started >= STEADY)
        p->pause = PAUSE_LEAST;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        log_error(
            "up.forbidden",
            "%s asked the system for what it never needs and was ended, again in %d ms: it may "
            "have been taken over; the kernel's log says what it was (type=1326)",
            p->name, p->pause);
    else if (WIFSIGNALED(status))
        log_warn("up.ended", "%s was ended by signal %d (%s), again in %d ms", p->name,
                 WTERMSIG(status), strsignal(WTERMSIG(status)), p->pause);
    else
        log_warn("up.ended", "%s ended with status %d, again in %d ms; see %s", p->name,
                 WEXITSTATUS(status), p->pause, p->log);
    p->pid = 0;
    p->again = now + p->pause;
    p->pause = p->pause * 2 > PAUSE_MOST ? PAUSE_MOST : p->pause * 2;
}

static void look_after(struct up *up)
{
    bool changed = false;

    for (int i = 0; i < up->n; i++) {
        struct process *p = &up->processes[i];
        int status = 0;
        if (p->pid > 0 && child_ended(p->pid, &status)) {
            process_ended(p, status);
            changed = true;
        } else if (p->again && now_ms() >= p->again) {
            process_start(up, p);
            changed = true;
        }
    }
    if (changed)
        pids_write(up);
}

/* ---- the broker's socket ---- */

static bool socket_answers(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strncmp(endpoint, "ipc://", 6) != 0)
        return true; /* the clients of a TCP endpoint connect until they succeed */
    snprintf(address.sun_path, sizeof address.sun_path, "%s", endpoint + 6);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void broker_await(struct up *up)
{
    for (int64_t began = now_ms(); !stopping && now_ms() - began < SOCKET_WAIT; sleep_ms(20)) {
        if (socket_answers(up->settings.endpoint))
            return;
        look_after(up);
    }
}

/* ---- settings ---- */

static int process_add(struct up *up, const char *name)
{
    if (up->n == PROCESSES_MOST || !identifier_valid(name)) {
        complain("[up] processes: '%s' is no name of a process, or there are more than %d", name,
                 PROCESSES_MOST);
        return FAILED;
    }
    struct process *p = &up->processes[up->n++];
    snprintf(p->name, sizeof p->name, "%s", name);
    p->program = programs_find(&up->settings, name);
    p->log = mem_printf("%s/%s.log", up->settings.run_dir, name);
    p->pause = PAUSE_LEAST;
    if (access(p->program, X_OK) != 0) {
        complain("[up] processes: cannot run %s: %s", p->program, strerror(errno));
        return FAILED;
    }
    return DONE;
}

static int processes_read(struct up *up)
{
    char *rest, *names = mem_str(up->names);
    int rc = DONE;

    for (char *name = strtok_r(names, " ,", &rest); name && rc == DONE;
         name = strtok_r(NULL, " ,", &rest))
        rc = process_add(up, name);
    mem_free(names);
    return rc;
}

/* One supervisor an instance. */
static int lock_take(struct up *up)
{
    char *path = mem_printf("%s/up.lock", up->settings.run_dir);

    up->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int rc = up->lock >= 0 && flock(up->lock, LOCK_EX | LOCK_NB) == 0 ? DONE : FAILED;
    if (rc != DONE)
        complain("%s: %s", path,
                 errno == EWOULDBLOCK ? "this instance is up already" : strerror(errno));
    mem_free(path);
    return rc;
}

static int settings_find(struct up *up, const struct call *c)
{
    struct buf why = {0};
    int rc = programs_read(c, &up->settings, &up->names, &why);

    if (rc < 0)
        complain("%s; name an instance with --dir, or make one with `chancery init DIR`",
                 buf_cstr(&why));
    buf_free(&why);
    return rc < 0 ? FAILED : DONE;
}

static void signals_take(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

/* Those that are left. */
static void stop_all_but(struct up *up, const char *name)
{
    pid_t pids[PROCESSES_MOST];
    int n = 0;

    for (int i = up->n - 1; i >= 0; i--) {
        struct process *p = &up->processes[i];
        if (name && strcmp(p->name, name) == 0)
            continue;
        pids[n++] = p->pid;
        p->pid = 0;
    }
    child_stop_all(pids, n);
}

static void serve(struct up *up)
{
    for (int i = 0; i < up->n && !stopping; i++) {
        process_start(up, &up->processes[i]);
        if (i == 0)
            broker_await(up);
    }
    pids_write(up);
    if (!stopping)
        log_info("up.ready", "%d processes run in %s; Ctrl-C or SIGTERM stops them", up->n,
                 up->settings.dir);
    while (!stopping) {
        look_after(up);
        sleep_ms(50);
    }
    log_info("up.stopping", "ending what was started");
    stop_all_but(up, SIGNER);
    stop_all_but(up, NULL);
}

int up_run(const struct call *c)
{
    struct up up = {.lock = -1, .verbose = c->option[OPT_VERBOSE] != NULL};
    int rc = settings_find(&up, c);

    if (rc == DONE)
        rc = processes_read(&up);
    if (rc == DONE)
        rc = lock_take(&up);
    if (rc == DONE) {
        signals_take();
        serve(&up);
        char *path = mem_printf("%s/up.json", up.settings.run_dir);
        unlink(path);
        mem_free(path);
    }
    if (up.lock >= 0)
        close(up.lock);
    for (int i = 0; i < up.n; i++) {
        mem_free(up.processes[i].program);
        mem_free(up.processes[i].log);
    }
    mem_free(up.names);
    settings_clear(&up.settings);
    return rc;
}
