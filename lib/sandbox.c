/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox.c - the profiles, and the order in which a process enters one */
#include "lib/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <link.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/sandbox_filter.h"
#include "lib/sandbox_inside.h"

enum part { /* of an instance */
            LOG = 1,
            PARTS = 2,
            RUN = 4,
            KEEP = 8,
            SIGNED = 16,
};

enum reach { /* of other machines */
             NOBODY,
             BROKER,  /* where the settings say */
             ANYBODY, /* whom it finds by name */
};

static const struct profile {
    const char *name;
    unsigned parts;
    enum reach reach;
} profiles[] = {
    [SANDBOX_BROKER] = {"broker", LOG | PARTS | RUN, BROKER},
    [SANDBOX_SIGNER] = {"signer", SIGNED, NOBODY},
    [SANDBOX_WORKER] = {"worker", RUN, BROKER},
    [SANDBOX_SENDER] = {"sender", KEEP, ANYBODY},
    [SANDBOX_METRICS] = {"metrics", 0, BROKER},
    [SANDBOX_LISTS] = {"lists", KEEP | RUN, BROKER},
};

/* ---- places ---- */

enum { PLACES_MOST = 32 };

struct places {
    struct place list[PLACES_MOST];
    size_t n;
    char *owned[PLACES_MOST];
    size_t n_owned;
};

static void place(struct places *p, const char *path, enum place_use use)
{
    assert(p->n < PLACES_MOST);
    if (path)
        p->list[p->n++] = (struct place){path, use};
}

static void place_owned(struct places *p, char *path, enum place_use use)
{
    p->owned[p->n_owned++] = path;
    place(p, path, use);
}

static void places_clear(struct places *p)
{
    while (p->n_owned > 0)
        mem_free(p->owned[--p->n_owned]);
}

static void place_all(struct places *p, const char *const paths[], enum place_use use)
{
    for (size_t i = 0; paths[i]; i++)
        place(p, paths[i], use);
}

/* A directory that is made at the first start, and whose parent is synced then. */
static void place_made(struct places *p, char *dir, const char *parent)
{
    if (file_make_dir(dir) != 0)
        log_debug("sandbox.unmade", "%s: %m", dir); /* whoever needs it says so */
    place_owned(p, dir, PLACE_WRITE);
    place(p, parent, PLACE_LIST);
}

static void place_parts(struct places *p, unsigned parts, const struct settings *s)
{
    if (parts & LOG)
        place_owned(p, mem_printf("%s/log", s->dir), PLACE_WRITE);
    if (parts & PARTS)
        place_made(p, mem_printf("%s/parts", s->dir), s->dir);
    if (parts & RUN)
        place(p, s->run_dir, PLACE_WRITE);
    if (parts & SIGNED)
        place_owned(p, mem_printf("%s/signer", s->dir), PLACE_WRITE);
    if (parts & KEEP)
        place_made(p, mem_str(s->keep_dir), s->keep);
}

/* A socket that is a file is made and removed in its directory. */
static void place_listen(struct places *p, const char *endpoint)
{
    const char *slash = strrchr(endpoint, '/');

    if (strncmp(endpoint, "ipc://", 6) == 0 && slash > endpoint + 6)
        place_owned(p, mem_strn(endpoint + 6, (size_t)(slash - endpoint - 6)), PLACE_WRITE);
}

/* What names of other machines are found by, and certificates. */
static void place_names(struct places *p)
{
    static const char *const paths[] = {"/etc",
                                        "/run/systemd/resolve",
                                        "/run/resolvconf",
                                        "/run/NetworkManager",
                                        "/usr/share/ca-certificates",
                                        "/usr/local/share/ca-certificates",
                                        NULL};

    place_all(p, paths, PLACE_READ);
}

static void place_libraries(struct places *p)
{
    static const char *const paths[] = {"/etc/ld.so.cache", "/lib",           "/lib64",
                                        "/usr/lib",         "/usr/local/lib", NULL};

    place_all(p, paths, PLACE_READ);
}

static int first_object(struct dl_phdr_info *object, size_t size, void *loader)
{
    (void)size;
    for (int i = 0; i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_INTERP)
            *(const char **)loader =
                (const char *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    return 1;
}

/* A program, what loads it (as this one), and what it begins with. */
static void place_program(struct places *p, const char *program)
{
    const char *loader = NULL;

    dl_iterate_phdr(first_object, &loader);
    place(p, program, PLACE_RUN);
    place(p, loader, PLACE_RUN);
    place(p, "/dev/null", PLACE_READ);
    place(p, "/etc/localtime", PLACE_READ);
    place(p, "/usr/share/zoneinfo", PLACE_READ);
}

/* Sanitizers read of themselves to tell where an error is; gcov writes what was executed. */
static void place_tools(struct places *p)
{
#ifdef SANITIZED
    static const char *const paths[] = {"/proc", "/etc/localtime", NULL};

    place_all(p, paths, PLACE_READ);
    place_libraries(p);
    place_owned(p, realpath("/proc/self/exe", NULL), PLACE_READ);
#endif
#ifdef SANDBOX_COVERAGE
    place(p, SANDBOX_COVERAGE, PLACE_WRITE);
#endif
    (void)p;
}

/* ---- network ---- */

static bool is_tcp(const char *endpoint)
{
    return endpoint && strncmp(endpoint, "tcp://", 6) == 0;
}

/* tcp://HOST:PORT; 0 where it is no number. */
static uint16_t port_of(const char *endpoint)
{
    const char *colon = is_tcp(endpoint) ? strrchr(endpoint, ':') : NULL;
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* The broker goes to its own door, to see that strangers find it shut. */
static struct ports ports_of(const struct sandbox *s, bool names)
{
    const enum reach reach = profiles[s->profile].reach;
    const char *connects = s->listen ? s->listen : s->settings->endpoint;

    return (struct ports){
        .listen = s->port ? s->port : port_of(s->listen),
        .connect = reach == NOBODY ? 0 : port_of(connects),
        .names = names,
        .connect_any = reach == ANYBODY,
    };
}

/* ---- entering ---- */

/* Libraries read their settings, and the zone's file, at their first use: that is now. */
static void wake_libraries(void)
{
    tzset();
    OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL);
}

static int give_up_memory(struct buf *why)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
        return 0;
    buf_printf(why, "its memory cannot be kept from others: %s", strerror(errno));
    return ERR_IO;
}

static void find_places(struct places *p, const struct sandbox *s, bool names)
{
    place_parts(p, profiles[s->profile].parts, s->settings);
    if (s->listen)
        place_listen(p, s->listen);
    place(p, s->settings->token_state, PLACE_READ);
    if (names)
        place_names(p);
    if (names || s->program)
        place_libraries(p);
    if (s->program)
        place_program(p, s->program);
    place(p, "/sys/devices/system/cpu", PLACE_READ); /* glibc: how many there are */
    place_tools(p);
}

int sandbox_enter(const struct sandbox *s, struct buf *why)
{
    const struct profile *profile = &profiles[s->profile];
    bool names = profile->reach == ANYBODY ||
                 (profile->reach == BROKER && !s->listen && is_tcp(s->settings->endpoint));
    const struct ports ports = ports_of(s, names);
    const struct calls calls = {
        .internet = names || ports.listen, .library = names || s->program, .program = s->program};
    struct places places = {.n = 0};
    int landlock = 0;

    wake_libraries();
    find_places(&places, s, names);
    int rc = give_up_memory(why);
    if (rc == 0)
        rc = files_hold(places.list, places.n, &ports, &landlock, why);
    if (rc == 0)
        rc = calls_hold(&calls, why);
    if (rc == 0)
        log_info("sandbox.entered", "profile=%s calls=filtered files=%s landlock=%d network=%s",
                 profile->name, landlock ? "held" : "by-owner", landlock,
                 calls.internet ? "internet" : "unix");
    places_clear(&places);
    return rc;
}
