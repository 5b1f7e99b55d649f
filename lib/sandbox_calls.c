/* SPDX-License-Identifier: Apache-2.0 */
/* sandbox_calls.c - which system calls a process makes
 *
 * The list is what glibc, libzmq, libuv, LMDB, libcurl, libmicrohttpd and our own code were seen to
 * ask for, and what stands beside it in the same functions.  A call that is in no list is answered
 * with EPERM: an odd way through a library fails, and the log goes on.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/sandbox_filter.h"
#include "lib/sandbox_inside.h"

#define N(rules) (sizeof(rules) / sizeof *(rules))
#define PLAIN(call)        \
    {                      \
        SCMP_SYS(call), 0, \
        {                  \
            {              \
                0          \
            }              \
        }                  \
    }

/* Whatever its arguments are.  Those that every event costs come first. */
static const struct filter_rule ordinary[] = {
    /* waiting and bytes */
    PLAIN(getpid), PLAIN(poll), PLAIN(read), PLAIN(write), PLAIN(epoll_wait), PLAIN(futex),
    PLAIN(recvfrom), PLAIN(sendto), PLAIN(pwrite64), PLAIN(fdatasync), PLAIN(epoll_ctl),
    PLAIN(pread64), PLAIN(readv), PLAIN(writev), PLAIN(preadv), PLAIN(pwritev), PLAIN(recvmsg),
    PLAIN(sendmsg), PLAIN(epoll_pwait), PLAIN(ppoll), PLAIN(select), PLAIN(pselect6),
    PLAIN(eventfd2), PLAIN(epoll_create1), PLAIN(pipe2), PLAIN(sendfile),
    /* memory */
    PLAIN(munmap), PLAIN(mremap), PLAIN(madvise), PLAIN(brk), PLAIN(msync), PLAIN(mlock),
    PLAIN(munlock),
    /* files: which ones is sandbox_files.c's */
    PLAIN(open), PLAIN(openat), PLAIN(close), PLAIN(stat), PLAIN(fstat), PLAIN(lstat),
    PLAIN(newfstatat), PLAIN(statx), PLAIN(lseek), PLAIN(fcntl), PLAIN(fsync), PLAIN(ftruncate),
    PLAIN(fallocate), PLAIN(flock), PLAIN(rename), PLAIN(renameat), PLAIN(renameat2), PLAIN(unlink),
    PLAIN(unlinkat), PLAIN(mkdir), PLAIN(mkdirat), PLAIN(getdents64), PLAIN(access),
    PLAIN(faccessat), PLAIN(faccessat2), PLAIN(readlink), PLAIN(readlinkat), PLAIN(statfs),
    PLAIN(fstatfs), PLAIN(getcwd), PLAIN(umask), PLAIN(dup), PLAIN(dup2), PLAIN(dup3),
    /* sockets: which ones are made is below */
    PLAIN(connect), PLAIN(bind), PLAIN(listen), PLAIN(accept), PLAIN(accept4), PLAIN(shutdown),
    PLAIN(getsockname), PLAIN(getpeername), PLAIN(getsockopt), PLAIN(setsockopt),
    /* time */
    PLAIN(clock_gettime), PLAIN(clock_getres), PLAIN(clock_nanosleep), PLAIN(nanosleep),
    PLAIN(gettimeofday), PLAIN(time),
    /* threads and signals */
    PLAIN(rt_sigaction), PLAIN(rt_sigprocmask), PLAIN(rt_sigreturn), PLAIN(rt_sigtimedwait),
    PLAIN(sigaltstack), PLAIN(restart_syscall), PLAIN(exit), PLAIN(exit_group), PLAIN(sched_yield),
    PLAIN(set_robust_list), PLAIN(rseq), PLAIN(membarrier), PLAIN(gettid),
    PLAIN(sched_getscheduler), PLAIN(sched_getparam), PLAIN(sched_getaffinity),
    /* what is asked of the machine */
    PLAIN(getrandom), PLAIN(uname), PLAIN(sysinfo), PLAIN(getrusage), PLAIN(getrlimit),
    PLAIN(getppid), PLAIN(getuid), PLAIN(geteuid), PLAIN(getgid), PLAIN(getegid)};

enum {
    SPACES = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |
             CLONE_NEWPID | CLONE_NEWNET,
    KIND = 0xf, /* of a socket, without its flags */
};

/* Memory that can be written is never executed; a thread is no process; limits are read and not
 * set; libzmq sets the scheduling of its threads to what it is; a file is made one's own. */
static const struct filter_rule narrow[] = {
    {SCMP_SYS(mmap), 1, {HAS_NOT(2, PROT_EXEC)}},
    {SCMP_SYS(mprotect), 1, {HAS_NOT(2, PROT_EXEC)}},
    {SCMP_SYS(clone), 1, {IS(0, CLONE_THREAD | SPACES, CLONE_THREAD)}},
    {SCMP_SYS(prlimit64), 2, {EQUALS(0, 0), EQUALS(2, 0)}},
    {SCMP_SYS(sched_setscheduler), 1, {EQUALS(1, SCHED_OTHER)}},
    {SCMP_SYS(prctl), 1, {EQUALS(0, PR_SET_NAME)}},
    {SCMP_SYS(fchmod), 1, {EQUALS(1, 0600)}},
    {SCMP_SYS(ioctl), 1, {EQUALS(1, FIONBIO)}},
    {SCMP_SYS(ioctl), 1, {EQUALS(1, FIOCLEX)}},
    {SCMP_SYS(ioctl), 1, {EQUALS(1, FIONREAD)}},
    {SCMP_SYS(ioctl), 1, {EQUALS(1, TCGETS)}},
    {SCMP_SYS(socket), 1, {EQUALS(0, AF_UNIX)}},
    {SCMP_SYS(socketpair), 1, {EQUALS(0, AF_UNIX)}},
};

/* Names of other machines are looked up with datagrams, and over netlink which families of
 * addresses there are. */
static const struct filter_rule internet[] = {
    {SCMP_SYS(socket), 2, {EQUALS(0, AF_INET), IS(1, KIND, SOCK_STREAM)}},
    {SCMP_SYS(socket), 2, {EQUALS(0, AF_INET), IS(1, KIND, SOCK_DGRAM)}},
    {SCMP_SYS(socket), 2, {EQUALS(0, AF_INET6), IS(1, KIND, SOCK_STREAM)}},
    {SCMP_SYS(socket), 2, {EQUALS(0, AF_INET6), IS(1, KIND, SOCK_DGRAM)}},
    {SCMP_SYS(socket), 2, {EQUALS(0, AF_NETLINK), EQUALS(2, NETLINK_ROUTE)}},
    PLAIN(sendmmsg),
};

static const struct filter_rule library[] = {
    {SCMP_SYS(mmap), 2, {IS(2, PROT_EXEC | PROT_WRITE, PROT_EXEC), HAS_NOT(3, MAP_ANONYMOUS)}},
};

/* To start a program and to end it, and what it asks for until its own bounds hold. */
static const struct filter_rule program[] = {
    {SCMP_SYS(clone), 1, {HAS_NOT(0, SPACES)}},
    {SCMP_SYS(prlimit64), 1, {EQUALS(0, 0)}},
    {SCMP_SYS(prctl), 1, {EQUALS(0, PR_SET_NO_NEW_PRIVS)}},
    {SCMP_SYS(prctl), 1, {EQUALS(0, PR_SET_SECCOMP)}},
    PLAIN(seccomp),
    PLAIN(vfork),
    PLAIN(execve),
    PLAIN(wait4),
    PLAIN(kill),
    PLAIN(tgkill),
    PLAIN(arch_prctl),
    PLAIN(set_tid_address),
};

/* Nobody makes these but who has taken the process over. */
static const struct filter_rule deadly[] = {PLAIN(execveat),
                                            PLAIN(process_vm_readv),
                                            PLAIN(process_vm_writev),
                                            PLAIN(kcmp),
                                            PLAIN(mount),
                                            PLAIN(umount2),
                                            PLAIN(move_mount),
                                            PLAIN(open_tree),
                                            PLAIN(fsopen),
                                            PLAIN(fsmount),
                                            PLAIN(fsconfig),
                                            PLAIN(fspick),
                                            PLAIN(mount_setattr),
                                            PLAIN(pivot_root),
                                            PLAIN(chroot),
                                            PLAIN(unshare),
                                            PLAIN(setns),
                                            PLAIN(bpf),
                                            PLAIN(perf_event_open),
                                            PLAIN(userfaultfd),
                                            PLAIN(add_key),
                                            PLAIN(request_key),
                                            PLAIN(keyctl),
                                            PLAIN(init_module),
                                            PLAIN(finit_module),
                                            PLAIN(delete_module),
                                            PLAIN(kexec_load),
                                            PLAIN(kexec_file_load),
                                            PLAIN(reboot),
                                            PLAIN(swapon),
                                            PLAIN(swapoff),
                                            PLAIN(iopl),
                                            PLAIN(ioperm),
                                            PLAIN(open_by_handle_at),
                                            PLAIN(acct),
                                            PLAIN(quotactl)};

/* The checker of leaks stops the process from a clone of it, when it ends. */
#ifdef SANITIZED
static const struct filter_rule checker[] = {
    PLAIN(clone), PLAIN(ptrace),      PLAIN(wait4),    PLAIN(prctl),
    PLAIN(kill),  PLAIN(personality), PLAIN(getdents),
};
#else
static const struct filter_rule trace[] = {PLAIN(ptrace)};
#endif
static const struct filter_rule execve_only[] = {PLAIN(execve)};

/* To oneself alone: abort, raise, and threads to each other. */
static int add_signals(scmp_filter_ctx f)
{
    const struct filter_rule own[] = {
        {SCMP_SYS(kill), 1, {EQUALS(0, getpid())}},
        {SCMP_SYS(tgkill), 1, {EQUALS(0, getpid())}},
    };

    return filter_add(f, SCMP_ACT_ALLOW, own, N(own));
}

static int add_deadly(scmp_filter_ctx f, const struct calls *may)
{
    uint32_t death = filter_death();
    int rc = filter_add(f, death, deadly, N(deadly));

    if (rc == 0 && !may->program)
        rc = filter_add(f, death, execve_only, N(execve_only));
#ifdef SANITIZED
    if (rc == 0)
        rc = filter_add(f, SCMP_ACT_ALLOW, checker, N(checker));
#else
    if (rc == 0)
        rc = filter_add(f, death, trace, N(trace));
#endif
    return rc;
}

/* glibc makes a thread by clone where there is no clone3: of the one the flags can be looked at. */
static int fill(scmp_filter_ctx f, const struct calls *may)
{
    static const struct filter_rule clone3[] = {PLAIN(clone3)};
    int rc = filter_add(f, SCMP_ACT_ALLOW, ordinary, N(ordinary));

    if (rc == 0)
        rc = filter_add(f, SCMP_ACT_ALLOW, narrow, N(narrow));
    if (rc == 0)
        rc = filter_add(f, SCMP_ACT_ERRNO(ENOSYS), clone3, N(clone3));
    if (rc == 0 && may->internet)
        rc = filter_add(f, SCMP_ACT_ALLOW, internet, N(internet));
    if (rc == 0 && may->library)
        rc = filter_add(f, SCMP_ACT_ALLOW, library, N(library));
    if (rc == 0)
        rc = may->program ? filter_add(f, SCMP_ACT_ALLOW, program, N(program)) : add_signals(f);
    return rc ? rc : add_deadly(f, may);
}

/* A binary tree of its rules: two dozen comparisons at most, whichever call it is. */
int calls_hold(const struct calls *may, struct buf *why)
{
    scmp_filter_ctx f = filter_new(SCMP_ACT_ERRNO(EPERM));
    int rc = f ? seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2) : -ENOMEM;

    if (rc == 0)
        rc = fill(f, may);
    if (rc == 0)
        rc = seccomp_load(f);
    seccomp_release(f);
    if (rc)
        buf_printf(why, "system calls cannot be filtered: %s", strerror(-rc));
    return rc ? ERR_IO : 0;
}
