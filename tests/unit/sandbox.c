/* SPDX-License-Identifier: Apache-2.0 */
/* What each profile may and may not: each tried in a child that has entered it. */
#include "lib/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/mem.h"
#include "tests/support/test.h"

enum { PROFILES = 6 };
static const char *const names[PROFILES] = {"broker", "signer",  "worker",
                                            "sender", "metrics", "lists"};

/* ---- an instance and what is beside it ---- */

static char root[] = "/tmp/chancery-test-sandbox-XXXXXX";
static int listening;            /* somebody else's port on this machine */
static uint16_t somebodys, ours; /* ports */

static char *in_root(const char *path)
{
    return mem_printf("%s/%s", root, path);
}

static void make_file(const char *path)
{
    char *file = in_root(path);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    assert_true(fd >= 0 && write(fd, "text\n", 5) == 5);
    close(fd);
    mem_free(file);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* Listens on a port of this machine that was free. */
static int somebody(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof any), 0);
    assert_int_equal(listen(fd, 64), 0);
    return fd;
}

static int instance_make(void **unused)
{
    static const char *const dirs[] = {"i",        "i/log",   "i/parts",      "i/parts/new",
                                       "i/run",    "i/keys",  "i/parts/00",   "i/keep",
                                       "i/signer", "outside", "i/keep/other", "i/token"};
    static const char *const files[] = {"i/chancery.conf",  "i/log/data.mdb", "i/keys/own.key",
                                        "i/keys/other.key", "i/keep/other/x", "outside/file",
                                        "i/token/object"};

    (void)unused;
    assert_non_null(mkdtemp(root));
    assert_int_equal(chmod(root, 0755), 0);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        char *dir = in_root(dirs[i]);
        assert_int_equal(mkdir(dir, 0755), 0);
        mem_free(dir);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        make_file(files[i]);
    listening = somebody();
    somebodys = port_of(listening);
    int ourselves = somebody();
    ours = port_of(ourselves);
    close(ourselves);
    return 0;
}

static int instance_remove(void **unused)
{
    char *command = mem_printf("rm -r '%s'", root);
    int rc = system(command);

    (void)unused;
    mem_free(command);
    close(listening);
    return rc;
}

/* In a child, whose memory goes with it. */
static int enter_with(enum sandbox_profile profile, const char *endpoint)
{
    static char *paths[6];
    static const char *const under[] = {"i",      "i/keys/own.key", "i/run",
                                        "i/keep", "i/keep/own",     "i/token"};
    for (size_t i = 0; i < 6; i++)
        paths[i] = in_root(under[i]);
    char *own = mem_str(endpoint);
    const struct settings s = {.dir = paths[0],
                               .key_file = paths[1],
                               .run_dir = paths[2],
                               .keep = paths[3],
                               .keep_dir = paths[4],
                               .token_state = paths[5],
                               .endpoint = own};
    struct buf why = {0};
    int rc =
        sandbox_enter(&(struct sandbox){.profile = profile,
                                        .settings = &s,
                                        .listen = profile == SANDBOX_BROKER ? own : NULL,
                                        .port = profile == SANDBOX_METRICS ? ours : 0,
                                        .program = profile == SANDBOX_LISTS ? "/bin/true" : NULL},
                      &why);
    if (rc)
        fprintf(stderr, "%s\n", buf_cstr(&why));
    return rc;
}

static int enter(enum sandbox_profile profile)
{
    char *endpoint = mem_printf("ipc://%s/i/run/broker.sock", root);

    return enter_with(profile, endpoint);
}

/* ---- what is tried: 0, or the error that came of it ---- */

typedef int attempt(void);

static int result(int rc)
{
    return rc < 0 ? errno : 0;
}

static int opens(const char *path, int flags)
{
    char *file = in_root(path);
    int fd = open(file, flags | O_CLOEXEC, 0600);

    return result(fd);
}

static int reads_the_settings(void)
{
    return opens("i/chancery.conf", O_RDONLY);
}

static int reads_its_key(void)
{
    return opens("i/keys/own.key", O_RDONLY);
}

static int reads_token_state(void)
{
    return opens("i/token/object", O_RDONLY);
}

static int writes_token_state(void)
{
    return opens("i/token/object", O_WRONLY);
}

static int reads_anothers_key(void)
{
    return opens("i/keys/other.key", O_RDONLY);
}

static int reads_outside(void)
{
    return opens("outside/file", O_RDONLY);
}

static int empties_its_key(void)
{
    return opens("i/keys/own.key", O_RDONLY | O_TRUNC); /* which is for writing, says open(2) */
}

static int writes_outside(void)
{
    return opens("outside/new", O_WRONLY | O_CREAT);
}

static int removes_outside(void)
{
    return result(unlink(in_root("outside/file")));
}

static int links_outside(void)
{
    return result(link(in_root("outside/file"), in_root("i/run/link")));
}

static int writes_its_key(void)
{
    return opens("i/keys/own.key", O_WRONLY);
}

static int moves_a_key(void)
{
    return result(rename(in_root("i/keys/own.key"), in_root("i/keys/else.key")));
}

static int reads_the_log(void)
{
    return opens("i/log/data.mdb", O_RDONLY);
}

/* As LMDB does it. */
static int writes_the_log(void)
{
    int fd = open(in_root("i/log/data.mdb"), O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return errno;
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
    return map == MAP_FAILED || pwrite(fd, "text", 4, 0) != 4 || fdatasync(fd) != 0 ||
                   ftruncate(fd, 8192) != 0 || fcntl(fd, F_SETLK, &lock) != 0
               ? errno
               : 0;
}

static int stores_a_part(void)
{
    char *made = in_root("i/parts/new/0");
    int fd = open(made, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 || fsync(fd) != 0 || rename(made, in_root("i/parts/00/0")) != 0 ? errno : 0;
}

static int writes_in_run(void)
{
    return opens("i/run/file", O_RDWR | O_CREAT);
}

static int keeps(void)
{
    return opens("i/keep/own/unconfirmed", O_RDWR | O_CREAT);
}

static int remembers(void)
{
    return opens("i/signer/log.new", O_RDWR | O_CREAT);
}

static int looks_at_what_another_keeps(void)
{
    return opens("i/keep/other/x", O_RDONLY);
}

static int makes_a_pipe_file(void)
{
    return result(mkfifo(in_root("i/run/pipe"), 0600));
}

static int makes_a_symbolic_link(void)
{
    return result(symlink("/etc/passwd", in_root("i/run/link")));
}

static int lets_others_read(void)
{
    int fd = open(in_root("i/run/mode"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? errno : result(fchmod(fd, 0644));
}

static int tells_its_manager(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(to.sun_path, "\0chancery-test-nobody", 21);
    if (fd < 0 || sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1)
        return errno;
    return errno == ECONNREFUSED ? 0 : errno; /* nobody listens, and it was let through */
}

static int makes_a_socket_of_the_internet(void)
{
    return result(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static int makes_a_raw_socket(void)
{
    return result(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int makes_a_packet_socket(void)
{
    return result(socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

static int goes_to(uint16_t port)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    return fd < 0 ? errno : result(connect(fd, (const struct sockaddr *)&to, sizeof to));
}

static int listens_at(uint16_t port)
{
    const int yes = 1;
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
        return errno;
    return bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 1) != 0 ? errno : 0;
}

static int goes_out(void)
{
    return goes_to(somebodys);
}

static int listens_at_its_port(void)
{
    return listens_at(ours);
}

static int listens_elsewhere(void)
{
    return listens_at((uint16_t)(ours == 65535 ? 65534 : ours + 1));
}

static int reads_how_names_are_found(void)
{
    return result(open("/etc/hosts", O_RDONLY | O_CLOEXEC));
}

static void *on_thread(void *to)
{
    *(int *)to = reads_outside();
    return NULL;
}

/* 0 where it ran, and was held as the others are. */
static int starts_a_thread(void)
{
    pthread_t thread;
    int read = 0, rc = pthread_create(&thread, NULL, on_thread, &read);

    if (rc == 0)
        rc = pthread_join(thread, NULL);
    return rc ? rc : read == EACCES ? 0 : EBADE;
}

static int forks(void)
{
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

    if (child == 0)
        _exit(0);
    return result(child);
}

static int forks_by_the_newer_call(void)
{
    uint64_t arguments[8] = {[4] = SIGCHLD};
    pid_t child = (pid_t)syscall(SYS_clone3, arguments, sizeof arguments);

    if (child == 0)
        _exit(0);
    return result(child);
}

static int leaves_by_clone(void)
{
    return result((int)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL));
}

/* 0 where the child ran and did as it should. */
static int ends_well(pid_t child)
{
    int status;

    if (child < 0)
        return errno;
    return waitpid(child, &status, 0) == child && status == 0 ? 0 : EACCES;
}

static int runs(const char *program)
{
    char *const argv[] = {(char *)(uintptr_t)program, NULL}, *const none[] = {NULL};
    pid_t child = vfork();

    if (child == 0) {
        execve(program, argv, none);
        _exit(1);
    }
    return ends_well(child);
}

static int runs_its_program(void)
{
    return runs("/bin/true");
}

static int runs_another(void)
{
    return runs("/bin/echo");
}

static int becomes_a_program(void)
{
    char *const argv[] = {NULL};

    return result(execve("/bin/echo", argv, argv));
}

static int becomes_what_it_opened(void)
{
    char *const argv[] = {NULL};

    return result((int)syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv, 0));
}

static int executes_memory(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
               ? errno
               : 0;
}

static int executes_what_it_wrote(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int signals_another(void)
{
    return result(kill(getppid(), 0));
}

static int signals_itself(void)
{
    return result(kill(getpid(), 0));
}

static int allows_core_files(void)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};

    return result(setrlimit(RLIMIT_CORE, &all));
}

static int shows_its_memory(void)
{
    return result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int becomes_another_user(void)
{
    return result((int)syscall(SYS_setuid, 65534)); /* of this thread, not of a sanitizer's */
}

static int pushes_a_terminal(void)
{
    return result(ioctl(STDIN_FILENO, TIOCSTI, "x"));
}

static int makes_a_ring(void)
{
    return result((int)syscall(SYS_io_uring_setup, 1, NULL));
}

static int traces(void)
{
    return result((int)ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int looks_into_another(void)
{
    return result((int)syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int mounts(void)
{
    return result(mount("none", "/tmp", "tmpfs", 0, NULL));
}

static int leaves_its_namespace(void)
{
    return result(unshare(CLONE_NEWUSER));
}

static int loads_into_the_kernel(void)
{
    return result((int)syscall(SYS_bpf, 0, NULL, 0));
}

static int loads_a_module(void)
{
    return result((int)syscall(SYS_finit_module, -1, "", 0));
}

static int looks_at_keys_of_the_kernel(void)
{
    return result((int)syscall(SYS_keyctl, 0, 0, 0));
}

enum needs { /* of the kernel's Landlock */
             ALWAYS,
             TRUNCATION = 3,
             PORTS = 4,
             SIGNALS = 6,
};

/* Of broker, signer, worker, sender, metrics, lists: y is done, - is refused, x ends it, . is not
 * looked at.  A sanitizer's checker needs what is marked. */
static const struct row {
    const char *what;
    attempt *try;
    const char *outcome;
    int version; /* of Landlock */
    bool checker;
} rows[] = {
    {"reads the settings", reads_the_settings, "------", 2, false},
    {"reads its key", reads_its_key, "------", 2, false},
    {"reads what a token's module reads", reads_token_state, "yyyyyy", ALWAYS, false},
    {"writes what a token's module reads", writes_token_state, "------", 2, false},
    {"reads another's key", reads_anothers_key, "------", 2, false},
    {"writes its key", writes_its_key, "------", 2, false},
    {"moves a key", moves_a_key, "------", 2, false},
    {"reads outside", reads_outside, "------", 2, false},
    {"empties its key", empties_its_key, "------", TRUNCATION, false},
    {"writes outside", writes_outside, "------", 2, false},
    {"removes outside", removes_outside, "------", 2, false},
    {"links outside", links_outside, "------", ALWAYS, false},
    {"reads the log", reads_the_log, "y-----", 2, false},
    {"writes the log", writes_the_log, "y-----", 2, false},
    {"stores a part", stores_a_part, "y-----", 2, false},
    {"writes in run/", writes_in_run, "y-y--y", 2, false},
    {"keeps what it publishes", keeps, "---y-y", 2, false},
    {"remembers what it signed", remembers, "-y----", 2, false},
    {"looks at what another keeps", looks_at_what_another_keeps, "------", 2, false},
    {"makes a pipe", makes_a_pipe_file, "------", ALWAYS, false},
    {"makes a symbolic link", makes_a_symbolic_link, "------", ALWAYS, false},
    {"lets others read", lets_others_read, "------", ALWAYS, false},
    {"tells its manager", tells_its_manager, "yyyyyy", ALWAYS, false},
    {"socket of the internet", makes_a_socket_of_the_internet, "---yy-", ALWAYS, false},
    {"raw socket", makes_a_raw_socket, "------", ALWAYS, false},
    {"packet socket", makes_a_packet_socket, "------", ALWAYS, false},
    {"goes out", goes_out, "---y--", PORTS, false},
    {"listens at its port", listens_at_its_port, "----y-", PORTS, false},
    {"listens elsewhere", listens_elsewhere, "------", PORTS, false},
    {"reads /etc/hosts", reads_how_names_are_found, "---y--", 2, false},
    {"starts a thread", starts_a_thread, "yyyyyy", 2, false},
    {"forks", forks, "-----y", ALWAYS, true},
    {"forks by clone3", forks_by_the_newer_call, "------", ALWAYS, false},
    {"leaves by clone", leaves_by_clone, "------", ALWAYS, true},
    {"runs its program", runs_its_program, ".....y", ALWAYS, false},
    {"runs another program", runs_another, ".....-", 2, false},
    {"execve", becomes_a_program, "xxxxx-", 2, false},
    {"execveat", becomes_what_it_opened, "xxxxxx", ALWAYS, false},
    {"executes memory", executes_memory, "------", ALWAYS, false},
    {"executes what it wrote", executes_what_it_wrote, "------", ALWAYS, false},
    {"signals another", signals_another, "------", SIGNALS, false},
    {"signals itself", signals_itself, "yyyyyy", ALWAYS, false},
    {"allows core files", allows_core_files, "-----.", ALWAYS, false},
    {"shows its memory", shows_its_memory, "------", ALWAYS, true},
    {"becomes another user", becomes_another_user, "------", ALWAYS, false},
    {"pushes a terminal", pushes_a_terminal, "------", ALWAYS, false},
    {"io_uring", makes_a_ring, "------", ALWAYS, false},
    {"ptrace", traces, "xxxxxx", ALWAYS, true},
    {"process_vm_readv", looks_into_another, "xxxxxx", ALWAYS, false},
    {"mount", mounts, "xxxxxx", ALWAYS, false},
    {"unshare", leaves_its_namespace, "xxxxxx", ALWAYS, false},
    {"bpf", loads_into_the_kernel, "xxxxxx", ALWAYS, false},
    {"finit_module", loads_a_module, "xxxxxx", ALWAYS, false},
    {"keyctl", looks_at_keys_of_the_kernel, "xxxxxx", ALWAYS, false},
};

/* ---- each in a child ---- */

extern __attribute__((weak)) void __asan_init(void), __tsan_init(void);

static bool sanitized(void)
{
    return __asan_init || __tsan_init;
}

static int landlock(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static char outcome_of(int profile, attempt *try)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        freopen("/dev/null", "w", stderr);
        if (enter((enum sandbox_profile)profile) != 0)
            _exit(99);
        _exit(try());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? 'x' : '?';
    switch (WEXITSTATUS(status)) {
    case 0:
        return 'y';
    case EPERM:
    case EACCES:
    case ENOSYS:
        return '-';
    default:
        print_message("exit status %d\n", WEXITSTATUS(status));
        return '?';
    }
}

static void each_profile_may_what_it_needs_and_nothing_else(void **unused)
{
    int version = landlock(), skipped = 0, bad = 0;

    (void)unused;
    for (const struct row *r = rows; r < rows + sizeof rows / sizeof *rows; r++) {
        char seen[PROFILES + 1] = "";
        if ((r->checker && sanitized()) || version < r->version) {
            print_message("skipped: %s\n", r->what);
            skipped++;
            continue;
        }
        for (int i = 0; i < PROFILES; i++)
            seen[i] = r->outcome[i] == '.' ? '.' : outcome_of(i, r->try);
        if (strcmp(seen, r->outcome) != 0) {
            print_error("%s: %s, and should be %s\n", r->what, seen, r->outcome);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
}

/* ---- a broker on another machine ---- */

static int goes_to_another_port(void)
{
    return goes_to(ours);
}

static int try_with(enum sandbox_profile profile, attempt *try)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        char *endpoint = mem_printf("tcp://127.0.0.1:%u", somebodys);
        freopen("/dev/null", "w", stderr);
        _exit(enter_with(profile, endpoint) == 0 ? try() : 99);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static void a_client_goes_to_its_brokers_port_alone(void **unused)
{
    (void)unused;
    if (landlock() < PORTS) {
        print_message("skipped: a_client_goes_...: Landlock knows no ports here\n");
        skip();
    }
    assert_int_equal(try_with(SANDBOX_WORKER, goes_out), 0);
    assert_int_equal(try_with(SANDBOX_WORKER, goes_to_another_port), EACCES);
    assert_int_equal(try_with(SANDBOX_WORKER, listens_at_its_port), EACCES);
    assert_int_equal(try_with(SANDBOX_BROKER, listens_at_its_port), EACCES);
    assert_int_equal(try_with(SANDBOX_BROKER, goes_out), 0); /* its own door */
}

/* ---- from outside ---- */

static void become_nobody(void)
{
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
        _exit(98);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* another user's was not */
}

/* As another process of the same user: 0, or the error of reading the child's environment. */
static int look_as_nobody(pid_t at)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        char path[64];
        become_nobody();
        snprintf(path, sizeof path, "/proc/%d/environ", (int)at);
        _exit(result(open(path, O_RDONLY | O_CLOEXEC)));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void nobody_of_the_same_user_reads_its_memory(void **unused)
{
    int go[2], there[2], status;
    char byte;

    (void)unused;
    assert_int_equal(pipe(go) | pipe(there), 0);
    pid_t child = fork();
    if (child == 0) {
        close(go[1]); /* it ends with whoever looks at it */
        become_nobody();
        freopen("/dev/null", "w", stderr);
        bool told = write(there[1], "1", 1) == 1 && read(go[0], &byte, 1) == 1;
        int rc = told ? enter(SANDBOX_METRICS) : -1;
        _exit(rc != 0 || write(there[1], "2", 1) != 1 || read(go[0], &byte, 1) != 1);
    }
    assert_int_equal(read(there[0], &byte, 1), 1);
    assert_int_equal(look_as_nobody(child), 0);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(read(there[0], &byte, 1), 1);
    assert_int_equal(look_as_nobody(child), EACCES);
    assert_int_equal(write(go[1], "x", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_fault_leaves_no_core_file(void **unused)
{
    const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
    struct rlimit limit;
    int status;

    (void)unused;
    for (int i = 0; i < PROFILES; i++) {
        pid_t child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL); /* not cmocka's */
            freopen("/dev/null", "w", stderr);
            setrlimit(RLIMIT_CORE, &all);
            if (enter((enum sandbox_profile)i) != 0 || getrlimit(RLIMIT_CORE, &limit) != 0)
                _exit(99);
            if (limit.rlim_max == 0)
                abort();
            _exit(98);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || WCOREDUMP(status))
            fail_msg("%s: status %x", names[i], (unsigned)status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_profile_may_what_it_needs_and_nothing_else),
        cmocka_unit_test(a_client_goes_to_its_brokers_port_alone),
        cmocka_unit_test(nobody_of_the_same_user_reads_its_memory),
        cmocka_unit_test(a_fault_leaves_no_core_file),
    };
    return cmocka_run_group_tests(tests, instance_make, instance_remove);
}
