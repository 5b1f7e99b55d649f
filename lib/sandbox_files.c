/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_files.c - which files a process reaches, by Landlock (landlock(7))
 *
 * Looking at a file's owner, size and times is not held, nor is connecting to a socket that is a
 * file: who may do that is said by the modes of files.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/sandbox_inside.h"

/* What Debian 12's header does not know yet, from that of Linux 6.12. */
enum {
    VERSION_LEAST = 2, /* 1 cannot let a file be moved into another directory */
    VERSION_TRUNCATE = 3,
    VERSION_PORTS = 4,
    VERSION_DEVICES = 5,
    VERSION_SIGNALS = 6,
    RULE_PORT = 2,
};
enum { DOMAIN = 53 };
#define TRUNCATE (UINT64_C(1) << 14)
#define DEVICES (UINT64_C(1) << 15)
#define BIND (UINT64_C(1) << 0)
#define CONNECT (UINT64_C(1) << 1)
#define SIGNALS (UINT64_C(1) << 1)

struct held { /* landlock_ruleset_attr */
    uint64_t files, ports, scoped;
};

struct port_rule { /* landlock_net_port_attr */
    uint64_t allowed, port;
};

/* Of a file; the others are of what is in a directory. */
#define OF_FILE                                                                                  \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
     TRUNCATE | DEVICES)
#define READING (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING                                                                                   \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                              \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REFER | TRUNCATE)

static uint64_t rights_of(enum place_use use)
{
    switch (use) {
    case PLACE_LIST:
        return LANDLOCK_ACCESS_FS_READ_DIR;
    case PLACE_WRITE:
        return READING | WRITING;
    case PLACE_RUN:
        return LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE;
    case PLACE_READ:
    default:
        return READING;
    }
}

static struct held held_by(int version)
{
    struct held held = {.files = READING | WRITING | LANDLOCK_ACCESS_FS_EXECUTE |
                                 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |
                                 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM};

    if (version < VERSION_TRUNCATE)
        held.files &= ~TRUNCATE;
    if (version >= VERSION_PORTS)
        held.ports = BIND | CONNECT;
    if (version >= VERSION_DEVICES)
        held.files |= DEVICES;
    if (version >= VERSION_SIGNALS)
        held.scoped = SIGNALS;
    return held;
}

static int refuse(struct buf *why, const char *what)
{
    buf_printf(why, "files cannot be kept away: %s: %s", what, strerror(errno));
    return ERR_IO;
}

static int add_place(int rules, const struct place *p, uint64_t held, struct buf *why)
{
    struct stat st;
    int fd = open(p->path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : refuse(why, p->path);
    struct landlock_path_beneath_attr rule = {.allowed_access = rights_of(p->use) & held,
                                              .parent_fd = fd};
    int rc = fstat(fd, &st);
    if (rc == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_FILE;
    if (rc == 0 && rule.allowed_access) /* a file that should be a directory has none */
        rc = (int)syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    if (rc != 0)
        rc = refuse(why, p->path);
    close(fd);
    return rc;
}

static int add_port(int rules, uint64_t allowed, uint16_t port, struct buf *why)
{
    const struct port_rule rule = {allowed, port};

    if (port == 0 || syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) == 0)
        return 0;
    return refuse(why, "a port");
}

static int add_ports(int rules, const struct ports *p, struct buf *why)
{
    int rc = add_port(rules, BIND, p->listen, why);

    if (rc == 0 && !p->connect_any)
        rc = add_port(rules, CONNECT, p->connect, why);
    if (rc == 0 && !p->connect_any && p->names)
        rc = add_port(rules, CONNECT, DOMAIN, why);
    return rc;
}

static int obey(int rules, struct buf *why)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
        syscall(SYS_landlock_restrict_self, rules, 0) == 0)
        return 0;
    return refuse(why, "landlock_restrict_self");
}

/* 0 where the kernel has no Landlock, it is switched off, a service manager keeps it away, or it is
 * too old. */
static int version_known(void)
{
    long v = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return v < VERSION_LEAST ? 0 : (int)v;
}

int files_hold(const struct place places[], size_t n, const struct ports *ports, int *version,
               struct buf *why)
{
    *version = version_known();
    struct held held = held_by(*version);

    if (*version == 0)
        return 0;
    if (ports->connect_any)
        held.ports &= ~CONNECT;
    /* as much of it as the kernel knows: what follows must be 0 */
    int rules = (int)syscall(SYS_landlock_create_ruleset, &held, sizeof held, 0);
    int rc = rules < 0 ? refuse(why, "landlock_create_ruleset") : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add_place(rules, &places[i], held.files, why);
    if (rc == 0 && held.ports)
        rc = add_ports(rules, ports, why);
    if (rc == 0)
        rc = obey(rules, why);
    if (rules >= 0)
        close(rules);
    return rc;
}
