/* SPDX-License-Identifier: Apache-2.0 */
/* demo.c - `chancery demo`: two real lists on the whole way, in a directory of its own
 *
 * It runs the commands that it shows, so what works here works for a user.  Every process is a
 * child and ends with this one; nothing outside the directory is written.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <lzma.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/child.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/letter.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/told.h"
#include "lib/file.h"
#include "lib/program.h"

enum { LISTS = 2, WORDS_MOST = 16, LIST_MOST = 64 << 20, READY_MS = 30000, MAIL_MS = 30000 };

struct demo {
    char *dir, *self;
    pid_t children[2];  /* up, sink */
    char *lists[LISTS]; /* unpacked */
    char port[16];
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static int64_t now_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static void headline(const char *text)
{
    printf("\n== %s\n", text);
    fflush(stdout);
}

/* ---- running commands ---- */

/* Shows the command as a user types it, and runs it. */
static int step(struct demo *d, const char *const words[])
{
    const char *argv[WORDS_MOST + 1] = {d->self};

    fputs("$ chancery", stdout);
    for (size_t i = 0; words[i] && i + 1 < WORDS_MOST; i++) {
        argv[i + 1] = words[i];
        printf(strchr(words[i], ' ') ? " '%s'" : " %s", words[i]);
    }
    putchar('\n');
    fflush(stdout);
    return interrupted ? FAILED : program_run(argv, ERRORS_OURS, NULL);
}

#define STEP(d, ...) step(d, (const char *const[]){__VA_ARGS__, NULL})

static int quiet(struct demo *d, struct buf *out, const char *const words[])
{
    const char *argv[WORDS_MOST + 1] = {d->self};

    for (size_t i = 0; words[i] && i + 1 < WORDS_MOST; i++)
        argv[i + 1] = words[i];
    buf_reset(out);
    return program_run(argv, ERRORS_NOWHERE, out);
}

#define QUIET(d, out, ...) quiet(d, out, (const char *const[]){__VA_ARGS__, NULL})

/* ---- files ---- */

static bool file_write(const char *path, struct slice bytes)
{
    FILE *f = fopen(path, "wbx");
    bool ok = f && fwrite(bytes.data, 1, bytes.size, f) == bytes.size;

    if (f && fclose(f) != 0)
        ok = false;
    return ok;
}

/* The directory of the lists: in the source tree, or where it is installed. */
static char *lists_dir(void)
{
    static const char *const places[] = {"../../../tests/data/un", "../share/chancery/un"};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *dir = program_beside(places[i]);
        if (access(dir, R_OK) == 0)
            return dir;
        mem_free(dir);
    }
    return NULL;
}

static int is_list(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > 7 && strcmp(e->d_name + n - 7, ".xml.xz") == 0;
}

static bool unpack(const char *from, const char *to)
{
    struct buf packed = {0};
    uint8_t *plain = mem_new(LIST_MOST);
    size_t in = 0, size = 0;
    uint64_t memory = UINT64_C(128) << 20;
    bool ok = file_read(from, &packed) == 0 &&
              lzma_stream_buffer_decode(&memory, 0, NULL, packed.data, &in, packed.size, plain,
                                        &size, LIST_MOST) == LZMA_OK &&
              file_write(to, slice_of(plain, size));

    if (!ok)
        complain("cannot unpack %s to %s", from, to);
    buf_free(&packed);
    mem_free(plain);
    return ok;
}

/* The oldest and the newest of the lists that are shipped. */
static int lists_unpack(struct demo *d)
{
    struct dirent **found = NULL;
    char *dir = lists_dir();
    int n = dir ? scandir(dir, &found, is_list, alphasort) : 0, rc = DONE;

    if (n < LISTS) {
        complain("the two lists of the demonstration are not there (tests/data/un/*.xml.xz)");
        rc = FAILED;
    }
    for (int i = 0; i < LISTS && rc == DONE; i++) {
        const char *name = found[i ? n - 1 : 0]->d_name;
        char *from = mem_printf("%s/%s", dir, name);
        d->lists[i] = mem_printf("%s/%.*s", d->dir, (int)strlen(name) - 3, name);
        rc = unpack(from, d->lists[i]) ? DONE : FAILED;
        mem_free(from);
    }
    for (int i = 0; i < n; i++)
        free(found[i]);
    free(found);
    mem_free(dir);
    return rc;
}

/* ---- the instance ---- */

static int dir_make(struct demo *d, const char *given)
{
    const char *tmp = getenv("TMPDIR");

    if (given) {
        if (mkdir(given, 0700) != 0) {
            complain("%s: %s; name a directory that does not exist yet", given, strerror(errno));
            return FAILED;
        }
        d->dir = realpath(given, NULL);
    } else {
        d->dir = mem_printf("%s/chancery-demo-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
        if (!mkdtemp(d->dir)) {
            complain("%s: %s", d->dir, strerror(errno));
            return FAILED;
        }
    }
    return DONE;
}

static int sink_start(struct demo *d)
{
    char *program = program_beside("chancery-mail-sink"), *mail = mem_printf("%s/mail", d->dir),
         *port_file = mem_printf("%s/mail.port", d->dir), *log = mem_printf("%s/mail.log", d->dir);
    const char *argv[] = {program, "--dir", mail, "--port-file", port_file, NULL};
    struct buf port = {0};
    int status;

    d->children[1] = child_start(argv, log, true);
    for (int ms = 0; ms < READY_MS && !interrupted && port.size == 0; ms += 20) {
        if (d->children[1] > 0 && child_ended(d->children[1], &status))
            d->children[1] = -1;
        if (d->children[1] <= 0)
            break;
        sleep_ms(20);
        file_read(port_file, &port);
    }
    snprintf(d->port, sizeof d->port, "%ld", strtol(buf_cstr(&port), NULL, 10));
    if (port.size == 0)
        complain("the mail server of the demonstration does not start; see %s", log);
    bool ok = port.size > 0;
    buf_free(&port);
    mem_free(program);
    mem_free(mail);
    mem_free(port_file);
    mem_free(log);
    return ok ? DONE : FAILED;
}

static int instance_found(struct demo *d)
{
    char smtp[48];

    snprintf(smtp, sizeof smtp, "smtp://127.0.0.1:%s", d->port);
    char *home = mem_printf("%s/instance", d->dir);
    setenv("CHANCERY_DIR", home, 1);
    int rc = STEP(d, "init", home, "--log", "demo.chancery.example/un", "--party", "QMA", "--seat",
                  "amina", "--exercise", "--smtp", smtp, "--mail-from",
                  "chancery@demo.chancery.example", "--mail-to", "watch@qma.example");
    mem_free(home);
    return rc;
}

static const char *home(void)
{
    const char *dir = getenv("CHANCERY_DIR");

    return dir ? dir : "";
}

/* The worker answers, and the alert adapter tells of what is recorded from now on. */
static bool instance_ready(struct demo *d, struct buf *out)
{
    return QUIET(d, out, "list", "status", "--json") == DONE &&
           QUIET(d, out, "event", "ls", "--type", "alert.RuleAdopted", "--json") == DONE &&
           out->size > 0;
}

static int instance_start(struct demo *d)
{
    char *log = mem_printf("%s/up.log", d->dir);
    const char *argv[] = {d->self, "up", "--dir", home(), NULL};
    struct buf out = {0};
    bool ready = false;
    int status;

    printf("$ chancery up --dir %s &\n", home());
    d->children[0] = child_start(argv, log, true);
    for (int64_t began = now_ms(); !ready && !interrupted && now_ms() - began < READY_MS;) {
        ready = instance_ready(d, &out);
        if (d->children[0] > 0 && child_ended(d->children[0], &status))
            d->children[0] = 0;
        if (!ready && d->children[0] <= 0)
            break;
        if (!ready)
            sleep_ms(50);
    }
    if (!ready && !interrupted)
        complain("the processes do not answer; see %s and %s/run/*.log", log, home());
    buf_free(&out);
    mem_free(log);
    return ready ? DONE : FAILED;
}

static void instance_stop(struct demo *d)
{
    child_stop_all(&d->children[0], 1);
}

/* ---- what is shown ---- */

static json_t *json_get(const struct buf *text)
{
    return json_loadb((const char *)text->data, text->size, 0, NULL);
}

/* The hash of the snapshot that waits, in hexadecimal; "" when none does. */
static void snapshot_waiting(struct demo *d, char hex[65])
{
    struct buf out = {0}, hash = {0};

    hex[0] = '\0';
    if (QUIET(d, &out, "list", "status", "--json") == DONE) {
        json_t *status = json_get(&out);
        json_t *list = json_array_get(json_object_get(status, "lists"), 0);
        const char *text =
            json_string_value(json_object_get(json_object_get(list, "setAside"), "snapshot"));
        if (text && base64_decode(&hash, slice_str(text)) == 0 && hash.size == 32)
            hex_encode(hex, hash.data, 32);
        json_decref(status);
    }
    buf_free(&out);
    buf_free(&hash);
}

static int import_both(struct demo *d)
{
    char hex[65], prefix[13];

    headline("the older list: a baseline, everything in it is in force");
    int rc = STEP(d, "list", "import", "--list", "un", d->lists[0]);
    if (rc != DONE)
        return rc;
    headline("the newer list: what changed becomes notices");
    rc = STEP(d, "list", "import", "--list", "un", d->lists[1]);
    if (rc != DONE && rc != SET_ASIDE)
        return rc;
    snapshot_waiting(d, hex);
    if (hex[0]) {
        headline("that removes too much to be taken unseen: a person looks, and decides");
        snprintf(prefix, sizeof prefix, "%.12s", hex);
        rc = STEP(d, "list", "status");
        if (rc == DONE)
            rc = STEP(d, "list", "confirm", prefix, "--reason", "checked against the publisher");
    }
    if (rc != DONE)
        return rc;
    headline("the same list again");
    return STEP(d, "list", "import", "--list", "un", d->lists[1]);
}

struct tally {
    char type[160];
    unsigned n;
};

/* How many events of which type the log has: counted from what it gives. */
static int counts_show(struct demo *d)
{
    static const char *const head[] = {"EVENTS", "TYPE", NULL};
    struct tally tallies[64] = {0};
    struct buf out = {0};
    size_t n = 0;
    char *line, *rest;

    headline("what the log holds now");
    int rc = QUIET(d, &out, "event", "ls", "--json");
    buf_cstr(&out);
    for (line = strtok_r((char *)out.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        json_t *event = json_loads(line, 0, NULL);
        const char *type =
            json_string_value(json_object_get(json_object_get(event, "envelope"), "type"));
        size_t i = 0;
        while (type && i < n && strcmp(tallies[i].type, type) != 0)
            i++;
        if (type && i < sizeof tallies / sizeof *tallies) {
            snprintf(tallies[i].type, sizeof tallies[i].type, "%s", type);
            tallies[i].n++;
            n = i == n ? n + 1 : n;
        }
        json_decref(event);
    }
    struct table *t = table_new(head);
    for (size_t i = 0; i < n; i++) {
        table_cell(t, "%6u", tallies[i].n);
        table_cell(t, "%s", tallies[i].type);
    }
    table_print(t, stdout);
    table_free(t);
    buf_free(&out);
    return rc;
}

static int is_mail(const struct dirent *e)
{
    size_t n = strlen(e->d_name);

    return n > 4 && strcmp(e->d_name + n - 4, ".eml") == 0;
}

/* How many there are, and the newest. */
static int mails(const char *dir, char newest[256])
{
    struct dirent **found = NULL;
    int n = scandir(dir, &found, is_mail, alphasort);

    if (n > 0)
        snprintf(newest, 256, "%s", found[n - 1]->d_name);
    for (int i = 0; i < n; i++)
        free(found[i]);
    free(found);
    return n;
}

/* The log tells which notices a mail told of. */
static bool all_mails_sent(struct demo *d)
{
    struct buf alerts = {0}, notices = {0};
    bool all = QUIET(d, &notices, "event", "ls", "--type", "embargo.Notice", "--json") == DONE &&
               QUIET(d, &alerts, "event", "ls", "--stream", "alert.out", "--json") == DONE &&
               told_all(slice_buf(&alerts), slice_buf(&notices));

    buf_free(&alerts);
    buf_free(&notices);
    return all;
}

static int mail_show(struct demo *d)
{
    char *dir = mem_printf("%s/mail", d->dir), name[256] = "";
    struct buf mail = {0}, text = {0};
    bool all = false;

    headline("a mail, as the receiving server got it");
    for (int64_t began = now_ms(); !interrupted && now_ms() - began < MAIL_MS; sleep_ms(50))
        if ((all = all_mails_sent(d)))
            break;
    int n = mails(dir, name);
    char *path = mem_printf("%s/%s", dir, name);
    if (all && n > 0 && file_read(path, &mail) == 0) {
        letter_show(&text, slice_buf(&mail));
        printf("(%s, the newest of %d)\n%s", path, n, buf_cstr(&text));
    } else {
        all = false;
        complain("not all mails came within %d s; see %s/run/alert.log", MAIL_MS / 1000, home());
    }
    mem_free(path);
    mem_free(dir);
    buf_free(&mail);
    buf_free(&text);
    return all ? DONE : FAILED;
}

/* Resident memory of its own, in KiB. */
static long memory_of(pid_t pid)
{
    char path[64], line[256];
    long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static void processes_show(struct demo *d)
{
    static const char *const head[] = {"PID", "PROCESS", "OWN MEMORY", NULL};
    char *path = mem_printf("%s/run/up.json", home());
    json_t *up = json_load_file(path, 0, NULL), *pid;
    struct table *t = table_new(head);
    const char *name;

    headline("its processes, each with one duty");
    table_cell(t, "%d", (int)d->children[0]);
    table_cell(t, "chancery up");
    table_cell(t, "%ld KiB", memory_of(d->children[0]));
    json_object_foreach(json_object_get(up, "processes"), name, pid)
    {
        table_cell(t, "%d", (int)json_integer_value(pid));
        table_cell(t, "chancery-%s", name);
        table_cell(t, "%ld KiB", memory_of((pid_t)json_integer_value(pid)));
    }
    table_print(t, stdout);
    table_free(t);
    json_decref(up);
    mem_free(path);
}

static int prove(struct demo *d)
{
    headline("stopped, and every byte of the log checked without a broker");
    instance_stop(d);
    int rc = STEP(d, "log", "verify", home());
    if (rc != DONE)
        return rc;
    headline("every decision made again, and compared with the recorded one");
    return STEP(d, "audit", home());
}

static void hints(bool running)
{
    printf("\nWhat to try next%s:\n"
           "  export CHANCERY_DIR=%s\n%s"
           "  chancery list ls --committee Al-Qaida\n"
           "  chancery list show QDi.001        chancery list history QDi.001\n"
           "  chancery event ls --type embargo.Notice\n"
           "  chancery watch                    and kill -9 any process beside it\n"
           "  chancery help\n",
           running ? " (in another terminal; Ctrl-C here ends all)" : "", home(),
           running ? "" : "  chancery up &\n");
    fflush(stdout);
}

static int show(struct demo *d, bool once)
{
    int (*const steps[])(struct demo *) = {lists_unpack, sink_start, instance_found, instance_start,
                                           import_both};
    int rc = DONE;

    for (size_t i = 0; i < sizeof steps / sizeof *steps && rc == DONE; i++)
        rc = interrupted ? FAILED : steps[i](d);
    if (rc == DONE)
        rc = mail_show(d);
    if (rc == DONE)
        rc = counts_show(d);
    if (rc == DONE)
        processes_show(d);
    if (rc == DONE)
        rc = prove(d);
    if (rc == DONE && !once)
        rc = instance_start(d);
    if (rc == DONE)
        hints(!once);
    return rc;
}

int demo_run(const struct call *c)
{
    struct demo d = {.self = program_beside("chancery")};
    struct sigaction action = {.sa_handler = on_signal};
    bool once = c->option[OPT_ONCE] != NULL;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    int rc = dir_make(&d, c->option[OPT_DEMO_DIR]);
    if (rc == DONE) {
        printf("Chancery, demonstrated in %s\n\n", d.dir);
        rc = show(&d, once);
    }
    while (rc == DONE && !once && !interrupted)
        sleep_ms(200);
    child_stop_all(d.children, 2);
    if (rc != DONE && d.dir)
        complain("%s; what was written is in %s", interrupted ? "interrupted" : "the demo failed",
                 d.dir);
    for (size_t i = 0; i < LISTS; i++)
        mem_free(d.lists[i]);
    mem_free(d.self);
    free(d.dir);
    return rc == SET_ASIDE || rc == UNREACHABLE ? FAILED : rc;
}
