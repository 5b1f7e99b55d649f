/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c - an instance's directory and the settings of its one file */
#include "lib/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

const char *const settings_sections[] = {"log",      "connection", "token",     "broker", "up",
                                         "terminal", "embargo",    "sanctions", "clock",  "alert",
                                         "rule *",   "metrics",    NULL};

static const struct conf_key process_keys[] = {
    {"process *", "program", CONF_STRING, offsetof(struct settings_process, program), "!", 0, 0,
     "The program of this name that `chancery up` starts: a path, relative to the instance's "
     "directory; it is run with --config DIR, and again when it dies"},
    {"process *", "seat", CONF_STRING, offsetof(struct settings_process, seat), NULL, 0, 0,
     "The seat that a worker acts as, with the keys in keys/SEAT.key"},
    {0},
};

struct stated { /* what settings_read takes from the file */
    struct settings s;
    char *endpoint;
};

static const struct conf_key common_keys[] = {
    {"log", "name", CONF_STRING, offsetof(struct stated, s.log), "!", 0, 0,
     "The log's name, the origin of its checkpoints, as its founding record has it"},
    {"connection", "endpoint", CONF_STRING, offsetof(struct stated, endpoint), "!", 0, 0,
     "Where the broker is reached: ipc://PATH, relative to the instance's directory, or "
     "tcp://HOST:PORT"},
    {"connection", "server-key", CONF_STRING, offsetof(struct stated, s.server_key), "!", 0, 0,
     "The broker's public key, 64 hexadecimal digits: nobody else is taken for the broker"},
    {"token", "state", CONF_STRING, offsetof(struct stated, s.token_state), NULL, 0, 0,
     "What the PKCS #11 module of a key on a token reads while it signs: a directory with all below "
     "it, or a file, that the processes' sandboxes leave readable; relative to the instance's "
     "directory.  Modules that hold a device open need none"},
    {0},
};

static struct conf_key seat_row(const char *section)
{
    return (struct conf_key){
        section, "seat", CONF_STRING, offsetof(struct stated, s.seat),
        "!",     0,      0,           "The seat that it acts as, with the keys in keys/SEAT.key"};
}

static const char ipc[] = "ipc://";
enum { IPC = sizeof ipc - 1 };

static int refuse(struct buf *why, const char *file, const char *text)
{
    buf_printf(why, "%s: %s", file, text);
    return ERR_CONFIG;
}

static int refuse_errno(struct buf *why, const char *path)
{
    buf_printf(why, "%s: %s", path, strerror(errno));
    return ERR_IO;
}

/* The configuration file that is meant; its directory becomes `s->dir`. */
static int find_file(struct settings *s, const char *given, char **file, struct buf *why)
{
    struct stat st;
    char *real = realpath(given, NULL);

    if (!real || stat(real, &st) != 0) {
        free(real);
        return refuse_errno(why, given);
    }
    if (S_ISDIR(st.st_mode)) {
        s->dir = mem_str(real);
        *file = mem_printf("%s/chancery.conf", real);
    } else {
        size_t parent = (size_t)(strrchr(real, '/') - real);
        s->dir = mem_strn(real, parent ? parent : 1);
        *file = mem_str(real);
    }
    free(real);
    return 0;
}

/* A socket's path that is too long goes by its directory's descriptor. */
static int shorten(struct settings *s, const char *path, struct buf *why)
{
    const char *slash = strrchr(path, '/');
    char *dir = mem_strn(path, (size_t)(slash - path));

    s->socket_dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int rc = s->socket_dir < 0 ? refuse_errno(why, dir) : 0;
    if (rc == 0)
        s->endpoint = mem_printf("%s/proc/self/fd/%d%s", ipc, s->socket_dir, slash);
    else
        s->socket_dir = 0;
    mem_free(dir);
    return rc;
}

static int make_endpoint(struct settings *s, const char *given, struct buf *why)
{
    const size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (strncmp(given, ipc, IPC) != 0) {
        s->endpoint = mem_str(given);
        return 0;
    }
    const char *path = given + IPC;
    char *whole = path[0] == '/' ? mem_str(path) : mem_printf("%s/%s", s->dir, path);
    int rc = 0;
    if (strlen(whole) > most)
        rc = shorten(s, whole, why);
    else
        s->endpoint = mem_printf("%s%s", ipc, whole);
    mem_free(whole);
    return rc;
}

bool settings_endpoint_valid(const char *s)
{
    return (strncmp(s, ipc, IPC) == 0 && s[IPC] != '\0' && s[IPC] != '@') ||
           (strncmp(s, "tcp://", 6) == 0 && strchr(s + 6, ':'));
}

static int check(const struct settings *s, const char *file, const char *endpoint, struct buf *why)
{
    uint8_t key[32];

    if (!log_name_valid(s->log))
        return refuse(why, file,
                      "[log] name: must be words of [a-z0-9.-]{1,64} with '/' between them");
    if (!settings_endpoint_valid(endpoint))
        return refuse(why, file, "[connection] endpoint: must be ipc://PATH or tcp://HOST:PORT");
    if (!hex_decode(key, sizeof key, s->server_key))
        return refuse(why, file, "[connection] server-key: must be 64 hexadecimal digits");
    if (s->seat && !identifier_valid(s->seat))
        return refuse(why, file, "seat: must be an identifier, [A-Za-z0-9._-]{1,64}");
    return 0;
}

static void *process_section(void *target, const char *section, const char *name)
{
    struct settings *s = target;

    (void)section;
    if (s->n_processes == PROCESSES_MOST)
        return NULL;
    struct settings_process *p = &s->processes[s->n_processes++];
    p->name = mem_str(name);
    return p;
}

const struct settings_process *settings_process_find(const struct settings *s, const char *name)
{
    for (size_t i = 0; i < s->n_processes; i++)
        if (strcmp(s->processes[i].name, name) == 0)
            return &s->processes[i];
    return NULL;
}

static void processes_locate(struct settings *s)
{
    for (size_t i = 0; i < s->n_processes; i++) {
        char *given = s->processes[i].program;
        if (given[0] == '/')
            continue;
        s->processes[i].program = mem_printf("%s/%s", s->dir, given);
        mem_free(given);
    }
}

static void token_locate(struct settings *s)
{
    char *given = s->token_state;

    if (!given || given[0] == '/')
        return;
    s->token_state = mem_printf("%s/%s", s->dir, given);
    mem_free(given);
}

static bool section_exists(const char *section)
{
    for (size_t i = 0; settings_sections[i]; i++)
        if (strcmp(settings_sections[i], section) == 0)
            return true;
    return false;
}

static int take_process_seat(struct settings *s, const char *file, const char *name,
                             struct buf *why)
{
    const struct settings_process *p = settings_process_find(s, name);

    if (!p || !p->seat) {
        buf_printf(why, "%s: [process %s] must state \"seat\"", file, name);
        return ERR_CONFIG;
    }
    s->seat = mem_str(p->seat);
    return 0;
}

void settings_set_seat(struct settings *s, const char *seat)
{
    char *const owned[] = {s->seat, s->key_file, s->keep_dir};

    s->seat = mem_str(seat);
    s->key_file = mem_printf("%s/keys/%s.key", s->dir, seat);
    s->keep_dir = mem_printf("%s/%s", s->keep, seat);
    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        mem_free(owned[i]);
}

static int make_dir(const char *path, struct buf *why)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : refuse_errno(why, path);
}

/* What only the directory tells. */
static int complete(struct settings *s, const char *endpoint, struct buf *why)
{
    const char *given = getenv("CHANCERY_RUN");
    bool apart = given && given[0];
    s->run_dir = apart ? mem_str(given) : mem_printf("%s/run", s->dir);
    s->keep = mem_printf("%s/keep", apart ? given : s->dir);
    int rc = make_dir(s->run_dir, why);

    processes_locate(s);
    token_locate(s);
    if (rc == 0 && s->seat) {
        settings_set_seat(s, s->seat);
        rc = make_dir(s->keep, why);
    }
    return rc ? rc : make_endpoint(s, endpoint, why);
}

int settings_read(struct settings *s, const char *file, const char *section,
                  const struct conf_key keys[], void *target, conf_family *family, struct buf *why)
{
    static const struct conf_key none[] = {{0}};
    struct stated own = {0};
    bool known = section && section_exists(section);
    const struct conf_key seat[] = {known ? seat_row(section) : none[0], {0}};
    const struct conf_table tables[] = {{seat, &own, NULL},
                                        {common_keys, &own, NULL},
                                        {process_keys, &own.s, process_section},
                                        {keys ? keys : none, target, family}};
    struct buf text = {0};
    char *path = NULL;
    int rc = find_file(&own.s, file, &path, why);

    if (rc == 0)
        rc = conf_load(path, &text, why);
    if (rc == 0)
        rc = conf_parse_tables(path, slice_buf(&text), tables, 4, settings_sections, why);
    if (rc == 0 && section && !known)
        rc = take_process_seat(&own.s, path, section, why);
    if (rc == 0)
        rc = check(&own.s, path, own.endpoint, why);
    if (rc == 0)
        rc = complete(&own.s, own.endpoint, why);
    if (rc == 0)
        *s = own.s;
    else
        settings_clear(&own.s);
    mem_free(own.endpoint);
    mem_free(path);
    buf_free(&text);
    return rc;
}

void settings_clear(struct settings *s)
{
    char *const owned[] = {s->dir,      s->log,  s->endpoint, s->server_key, s->seat,
                           s->key_file, s->keep, s->keep_dir, s->run_dir,    s->token_state};

    for (size_t i = 0; i < sizeof owned / sizeof owned[0]; i++)
        mem_free(owned[i]);
    for (size_t i = 0; i < s->n_processes; i++) {
        mem_free(s->processes[i].name);
        conf_clear(process_keys, "process *", &s->processes[i]);
    }
    if (s->socket_dir > 0)
        close(s->socket_dir);
    *s = (struct settings){0};
}

/* ---- the command line ---- */

void settings_man(const char *section, const struct conf_key keys[], FILE *out)
{
    const struct conf_key seat[] = {seat_row(section), {0}};

    conf_man(section ? seat : common_keys, NULL, out);
    if (!section)
        conf_man(process_keys, NULL, out);
    if (keys)
        conf_man(keys, section, out);
}

struct checking {
    void **families; /* one a section of a family */
    size_t n, size;
    max_align_t own[]; /* what the table's settings are read into */
};

static void *check_family(void *target, const char *section, const char *name)
{
    struct checking *c = (void *)((char *)target - offsetof(struct checking, own));

    (void)section, (void)name;
    c->families = mem_grow(c->families, (c->n + 1) * sizeof *c->families);
    return c->families[c->n++] = mem_new(c->size);
}

static void check_free(struct checking *c, const struct conf_key keys[])
{
    for (const struct conf_key *k = keys; k && k->name; k++) {
        bool family = strchr(k->section, '*') != NULL;
        for (size_t i = 0; i < (family ? c->n : 1); i++)
            conf_clear(keys, k->section, family ? c->families[i] : c->own);
    }
    for (size_t i = 0; i < c->n; i++)
        mem_free(c->families[i]);
    mem_free(c->families);
    mem_free(c);
}

/* Reads the settings as the program would, and prints them. */
static int check_settings(const char *file, const char *section, const struct conf_key keys[])
{
    size_t size = keys ? conf_size(keys) : 0;
    struct checking *c = mem_new(sizeof *c + size);
    struct buf why = {0};
    struct settings s = {0};

    c->size = size;
    int rc = settings_read(&s, file, section, keys, c->own, check_family, &why);
    if (rc == 0) {
        printf("[log] name = %s\n[connection] endpoint = %s\n[token] state = %s\n", s.log,
               s.endpoint, s.token_state ? s.token_state : "");
        if (s.seat)
            printf("[%s] seat = %s\n", section, s.seat);
        if (keys)
            conf_print(keys, c->own, stdout);
    } else {
        fprintf(stderr, "%s\n", buf_cstr(&why));
    }
    settings_clear(&s);
    check_free(c, keys);
    buf_free(&why);
    return rc ? EXIT_SETTINGS : EXIT_SUCCESS;
}

const char *settings_file(int argc, char **argv, const char *section, const struct conf_key keys[],
                          int *status)
{
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];

    if (argc == 3 && strcmp(argv[1], "--config") == 0)
        return argv[2];
    *status = EXIT_SUCCESS;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", name, CHANCERY_VERSION);
    } else if (argc == 2 && strcmp(argv[1], "--settings") == 0) {
        settings_man(section, keys, stdout);
    } else if (argc == 4 && strcmp(argv[1], "--config") == 0 && strcmp(argv[3], "--check") == 0) {
        *status = check_settings(argv[2], section, keys);
    } else {
        fprintf(stderr, "usage: %s --config FILE_OR_DIR [--check]\n", name);
        *status = 2;
    }
    return NULL;
}
