/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_files.c - does the configuration serve every process, and who can read the keys? */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/doctor.h"
#include "adapters/terminal/programs.h"
#include "lib/err.h"
#include "lib/program.h"
#include "lib/sign.h"

/* ---- configuration ---- */

static bool check_program(struct doctor *d, const char *name)
{
    char *program = programs_find(&d->settings, name);
    const char *argv[] = {program, "--config", d->settings.dir, "--check", NULL};
    struct buf out = {0};
    bool own = settings_process_find(&d->settings, name) != NULL, good = false;

    if (access(program, X_OK) != 0) {
        doctor_find(d, HEALTH_FAIL, "install it, or take its name out of [up] processes",
                    "%s cannot be run: %s", program, strerror(errno));
    } else if (own) {
        good = true; /* what it reads is its own */
    } else {
        good = program_run(argv, ERRORS_WITH_OUTPUT, &out) == 0;
        if (good)
            buf_add(&d->stated, out.data, out.size);
        else
            doctor_find(d, HEALTH_FAIL, "mend what is named; chancery.conf(5) has every setting",
                        "%s: %.*s", name, (int)strcspn(buf_cstr(&out), "\n"), buf_cstr(&out));
    }
    buf_free(&out);
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

/* Of a rotation that did not come to its end: whose it is says which of the two keys is taken. */
static void check_rotation(struct doctor *d, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash + 1;
    char *next = mem_printf("finish it: chancery seat rotate --seat %.*s",
                            (int)(strlen(name) - strlen(".key.new")), name);

    doctor_find(d, HEALTH_WARN, next, "%s is left by a rotation of keys that was interrupted",
                path);
    mem_free(next);
}

static bool ends(const char *name, const char *with)
{
    size_t n = strlen(name), m = strlen(with);

    return n > m && strcmp(name + n - m, with) == 0;
}

/* SEAT.key, .key.new of a rotation under way, .key.old and .key.old.ID of those before: secret all
 * of them, for an old key opens what was sealed for it. */
static bool check_key_file(struct doctor *d, const char *dir, const char *name)
{
    bool in_use = ends(name, ".key"), new = ends(name, ".key.new");

    if (!in_use && !new && !ends(name, ".key.old") && !strstr(name, ".key.old."))
        return false;
    char *path = mem_printf("%s/%s", dir, name);
    check_mode(d, path, 0600);
    if (new)
        check_rotation(d, path);
    mem_free(path);
    return in_use;
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
    for (const struct dirent *e; (e = readdir(keys));)
        n += check_key_file(d, dir, e->d_name);
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
