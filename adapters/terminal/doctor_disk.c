/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_disk.c - does the disk keep what it says, is it the right kind, is there room, and whose
 * are the parts? */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "adapters/terminal/doctor.h"
#include "adapters/terminal/text.h"

enum {
    PROBES = 32,
    /* An append and its sync cost 100 to 200 us on the quickest disks that were measured, and a
     * flash disk with power-loss protection some 20; below this the sync did not reach any. */
    SYNC_LEAST_US = 10,
    SYNC_SLOW_US = 50000,
};

#define NFS_MAGIC NFS_SUPER_MAGIC
#define CIFS_MAGIC 0xFF534D42
#define SMB2_MAGIC 0xFE534D42
#define FUSE_MAGIC 0x65735546
#define CEPH_MAGIC 0x00C36400
#define NINE_MAGIC V9FS_MAGIC
#define ZFS_MAGIC 0x2FC12FC1
#define XFS_MAGIC 0x58465342

static const struct kind {
    long magic;
    const char *name;
    enum health health;
    const char *why;
} kinds[] = {
    {EXT4_SUPER_MAGIC, "ext4", HEALTH_OK, ""},
    {XFS_MAGIC, "xfs", HEALTH_OK, ""},
    {BTRFS_SUPER_MAGIC, "btrfs", HEALTH_WARN,
     "copies what is written over: set `chattr +C` on a fresh log directory"},
    {ZFS_MAGIC, "zfs", HEALTH_WARN, "copies what is written over; expect it to be slower"},
    {TMPFS_MAGIC, "tmpfs", HEALTH_FAIL, "is memory: the log is gone when the machine restarts"},
    {RAMFS_MAGIC, "ramfs", HEALTH_FAIL, "is memory: the log is gone when the machine restarts"},
    {OVERLAYFS_SUPER_MAGIC, "overlayfs", HEALTH_WARN,
     "is a container's own layer, and gone with it: mount a volume there"},
    {NFS_MAGIC, "nfs", HEALTH_FAIL, "is over a network: LMDB's locks and maps do not hold there"},
    {(long)CIFS_MAGIC, "cifs", HEALTH_FAIL,
     "is over a network: LMDB's locks and maps do not hold there"},
    {(long)SMB2_MAGIC, "smb2", HEALTH_FAIL,
     "is over a network: LMDB's locks and maps do not hold there"},
    {CEPH_MAGIC, "ceph", HEALTH_FAIL, "is over a network: LMDB's locks and maps do not hold there"},
    {NINE_MAGIC, "9p", HEALTH_FAIL, "is over a network: LMDB's locks and maps do not hold there"},
    {FUSE_MAGIC, "fuse", HEALTH_WARN, "is a program's: what a sync means is up to it"},
};

static char *log_dir(const struct doctor *d)
{
    return mem_printf("%s/log", d->settings.dir);
}

void doctor_file_system(struct doctor *d)
{
    static const char move[] = "move the instance to a local file system (ext4, xfs)";
    char *dir = log_dir(d);
    const struct kind *kind = NULL;
    struct statfs fs;

    if (statfs(dir, &fs) != 0) {
        doctor_find(d, errno == EACCES ? HEALTH_WARN : HEALTH_FAIL,
                    errno == EACCES ? "run this as a user who may, for example root"
                                    : "found the log with `chancery init`, or restore it",
                    "%s: %s", dir, strerror(errno));
        mem_free(dir);
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].magic == (long)fs.f_type)
            kind = &kinds[i];
    if (!kind)
        doctor_find(d, HEALTH_WARN, "look whether its syncs reach the disk",
                    "%s lies on a file system of type 0x%lx, which is not known here", dir,
                    (unsigned long)fs.f_type);
    else if (kind->health == HEALTH_OK)
        doctor_find(d, HEALTH_OK, "", "%s lies on %s", dir, kind->name);
    else
        doctor_find(d, kind->health, move, "%s lies on %s, which %s", dir, kind->name, kind->why);
    mem_free(dir);
}

/* ---- are syncs real? ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Median microseconds of an append of a page and its sync; negative when one failed. */
static double probe(int fd)
{
    static const char page[4096];
    double took[PROBES];

    for (size_t i = 0; i < PROBES; i++) {
        double begun = now_us();
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            return -1;
        took[i] = now_us() - begun;
    }
    qsort(took, PROBES, sizeof *took, by_size);
    return took[PROBES / 2];
}

static void tell_sync(struct doctor *d, double us)
{
    doctor_measure(d, "sync_seconds", "Median time of an append of 4 KiB and its sync.", us / 1e6);
    if (us < SYNC_LEAST_US)
        doctor_find(d, HEALTH_FAIL,
                    "look at the disk's write cache and the host's settings of the virtual disk: "
                    "they must flush",
                    "an append and its sync take %.1f us: no disk is that quick, so a power cut "
                    "loses what was acknowledged",
                    us);
    else if (us > SYNC_SLOW_US)
        doctor_find(d, HEALTH_WARN, "give the log a disk of its own",
                    "an append and its sync take %.0f ms", us / 1000);
    else
        doctor_find(d, HEALTH_OK, "",
                    "an append and its sync take %.0f us; what a virtual disk does behind it "
                    "cannot be seen from here",
                    us);
}

void doctor_sync(struct doctor *d)
{
    char *dir = log_dir(d), *path = mem_printf("%s/doctor.probe", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    double us = fd < 0 ? -1 : probe(fd);

    if (us >= 0)
        tell_sync(d, us);
    else
        doctor_find(d, HEALTH_WARN, "run this as the broker's user or root", "%s: %s", path,
                    strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    mem_free(path);
    mem_free(dir);
}

/* ---- room ---- */

static int64_t reserve_of(const struct doctor *d)
{
    char *stated = doctor_stated(d, "[broker] disk-reserve");
    int64_t reserve = 0;

    if (stated)
        conf_number(CONF_SIZE, stated, &reserve);
    mem_free(stated);
    return reserve;
}

void doctor_space(struct doctor *d)
{
    char *dir = log_dir(d);
    int64_t reserve = reserve_of(d);
    struct statvfs fs;
    struct buf free_text = {0}, reserve_text = {0};

    if (statvfs(dir, &fs) == 0) {
        int64_t room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
        text_size(&free_text, (uint64_t)room);
        text_size(&reserve_text, (uint64_t)reserve);
        doctor_measure(d, "free_bytes", "Free space on the log's file system.", (double)room);
        doctor_measure(d, "reserve_bytes", "Free space below which publishing is refused.",
                       (double)reserve);
        if (room < reserve)
            doctor_find(d, HEALTH_FAIL,
                        "make room; publishing goes on by itself (or lower [broker] disk-reserve)",
                        "%s free, below the reserve of %s: publishing is refused",
                        buf_cstr(&free_text), buf_cstr(&reserve_text));
        else if (room / 4 < reserve || (fs.f_files && fs.f_favail < 1000))
            doctor_find(d, HEALTH_WARN, "make room before the reserve is reached",
                        "%s and %llu files free, reserve %s", buf_cstr(&free_text),
                        (unsigned long long)fs.f_favail, buf_cstr(&reserve_text));
        else
            doctor_find(d, HEALTH_OK, "", "%s free, reserve %s", buf_cstr(&free_text),
                        buf_cstr(&reserve_text));
    }
    buf_free(&free_text);
    buf_free(&reserve_text);
    mem_free(dir);
}

/* ---- parts ---- */

/* The broker guards the room of the log's file system alone. */
static void check_own_room(struct doctor *d, const char *dir)
{
    int64_t reserve = reserve_of(d);
    struct statvfs fs;
    struct buf text = {0};

    if (statvfs(dir, &fs) != 0)
        return;
    int64_t room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    text_size(&text, (uint64_t)room);
    doctor_measure(d, "parts_free_bytes", "Free space on the parts' file system.", (double)room);
    if (room < reserve)
        doctor_find(d, HEALTH_FAIL, "make room there: putting a part fails when it is full",
                    "%s lies on a file system of its own, with %s free", dir, buf_cstr(&text));
    buf_free(&text);
}

static void check_parts(struct doctor *d, const char *dir, const struct stat *st)
{
    char *log = log_dir(d), *next = NULL;
    struct stat beside = *st; /* where there is no log another check says so */

    if (stat(log, &beside) == 0 && st->st_uid != beside.st_uid) {
        next = mem_printf("chown -R --reference=%s %s", log, dir);
        doctor_find(d, HEALTH_FAIL, next, "%s has another owner than %s: the broker cannot keep it",
                    dir, log);
    } else if (st->st_mode & 077) {
        next = mem_printf("chmod 700 %s", dir);
        doctor_find(d, HEALTH_FAIL, next, "%s is open to others (mode %o)", dir,
                    st->st_mode & 07777);
    }
    if (st->st_dev != beside.st_dev)
        check_own_room(d, dir);
    mem_free(next);
    mem_free(log);
}

void doctor_parts(struct doctor *d)
{
    char *dir = mem_printf("%s/parts", d->settings.dir);
    size_t before = d->report.n;
    struct stat st;

    if (stat(dir, &st) == 0)
        check_parts(d, dir, &st);
    else if (errno != ENOENT) /* the broker makes it when it starts */
        doctor_find(d, HEALTH_WARN, "run this as a user who may, for example root", "%s: %s", dir,
                    strerror(errno));
    if (d->report.n == before)
        doctor_find(d, HEALTH_OK, "", "%s is the broker's alone", dir);
    mem_free(dir);
}
