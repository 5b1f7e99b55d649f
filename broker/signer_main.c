/* SPDX-License-Identifier: Apache-2.0 */
/* signer_main.c - chancery-signer: has the log's key, and signs what extends what it signed last
 *
 * It goes to the broker and not the other way, again and again while there is none; it answers one
 * question at a time, and a note is on disk (signed.h) before anybody hears of it.  Whoever has
 * taken the broker over gets checkpoints of one log that grows, and no other.
 *
 * A key on a token is opened before the sandbox.  Where the token fails, the process ends, and its
 * successor opens it anew.
 *
 * Exit codes: 0 stopped as asked, 1 failed, 2 usage, 78 key, memory or settings do not serve.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/checkpoint.h"
#include "broker/signed.h"
#include "broker/signer_pipe.h"
#include "broker/signing.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/notify.h"
#include "lib/sandbox.h"
#include "lib/settings.h"

enum { AGAIN = 100, QUIET = 1000 /* ms */ };

struct keeper {
    uv_loop_t loop;
    uv_signal_t signals[2];
    uv_timer_t again; /* when it goes to the broker */
    struct watchdog watchdog;
    struct settings settings;
    struct log_key key;
    struct checkpoint last; /* what it signed last, and its note */
    struct buf note;
    char *socket;
    int place, lock;
    struct signer_pipe *pipe; /* NULL = the broker is away */
    uv_connect_t connect;
    bool connected, ending;
    int err;                                    /* why it ends by itself */
    uint64_t signed_trees, refused, refused_at; /* the last one: ms, when it was told */
};

/* ---- a question ---- */

static void say(struct keeper *k, const Core__SignerFrame *f)
{
    signer_pipe_say(k->pipe, f);
}

static void say_signed(struct keeper *k)
{
    Core__SignerFrame f = CORE__SIGNER_FRAME__INIT;
    Core__TreeSigned m = CORE__TREE_SIGNED__INIT;

    m.note = (ProtobufCBinaryData){k->note.size, k->note.data};
    f.body_case = CORE__SIGNER_FRAME__BODY_TREE_SIGNED;
    f.tree_signed = &m;
    say(k, &f);
}

static void say_refused(struct keeper *k, int err, const char *why)
{
    Core__SignerFrame f = CORE__SIGNER_FRAME__INIT;
    Core__TreeRefused m = CORE__TREE_REFUSED__INIT;

    m.code = err_code(err);
    m.text = why;
    f.body_case = CORE__SIGNER_FRAME__BODY_TREE_REFUSED;
    f.tree_refused = &m;
    say(k, &f);
}

/* However many there are, a line a second. */
static void tell_refused(struct keeper *k, int err, uint64_t size, const char *why)
{
    uint64_t now = uv_now(&k->loop);

    k->refused++;
    if (k->refused > 1 && now - k->refused_at < QUIET)
        return;
    k->refused_at = now;
    log_error("signer.refused",
              "NOT SIGNED: the broker asks for what does not extend the log code=%s size=%llu "
              "signed=%llu refused=%llu: %s",
              err_code(err), (unsigned long long)size, (unsigned long long)k->last.size,
              (unsigned long long)k->refused, why);
}

/* Its token is opened outside the sandbox: whoever starts this process again has it opened. */
static int fail_unsigned(struct keeper *k, int err, uint64_t size, struct buf *why)
{
    k->err = err;
    buf_printf(why, "the log's key does not sign: %s", err_text(err));
    log_error("signer.token", "not signed code=%s size=%llu: %s", err_code(err),
              (unsigned long long)size, buf_cstr(why));
    return err;
}

/* On disk first: then it is what was signed last. */
static int sign_next(struct keeper *k, const struct checkpoint *next, struct buf *why)
{
    struct buf note = {0};
    int err = log_key_sign(&k->key, next->size, &next->root, &note);

    if (err)
        return fail_unsigned(k, err, next->size, why);
    err = signed_write(k->settings.dir, k->key.name, slice_buf(&note));
    if (err) {
        buf_printf(why, "what is signed cannot be kept in DIR/signer: %s", strerror(errno));
        log_error("signer.unkept", "not signed code=%s size=%llu: %s", err_code(err),
                  (unsigned long long)next->size, buf_cstr(why));
        buf_free(&note);
        return err;
    }
    buf_free(&k->note);
    k->note = note;
    k->last = *next;
    k->signed_trees++;
    return 0;
}

static void take_question(struct keeper *k, const Core__SignTree *asked)
{
    struct checkpoint next;
    struct buf why = {0};
    int err = signing_check(&k->last, asked, &next, &why);

    if (err)
        tell_refused(k, err, asked->size, buf_cstr(&why));
    else if (next.size > k->last.size)
        err = sign_next(k, &next, &why);
    if (err)
        say_refused(k, err, buf_cstr(&why));
    else
        say_signed(k);
    buf_free(&why);
}

/* ---- to the broker ---- */

static void go(uv_timer_t *again);

static void leave(struct keeper *k)
{
    signer_pipe_close(k->pipe);
    k->pipe = NULL;
    k->connected = false;
    if (!k->ending)
        uv_timer_start(&k->again, go, AGAIN, 0);
}

static void stop(struct keeper *k)
{
    notify_say("STOPPING=1\nSTATUS=stopping");
    k->ending = true;
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&k->signals[i], NULL);
    uv_close((uv_handle_t *)&k->again, NULL);
    watchdog_stop(&k->watchdog);
    if (k->pipe)
        leave(k);
}

static void on_frame(void *arg, const Core__SignerFrame *f)
{
    struct keeper *k = arg;

    if (f->body_case == CORE__SIGNER_FRAME__BODY_SIGN_TREE) {
        take_question(k, f->sign_tree);
        if (k->err)
            stop(k);
        return;
    }
    log_error("signer.frame", "the broker says what only a signer says; its connection is ended");
    leave(k);
}

static void on_gone(void *arg, const char *why)
{
    log_debug("signer.gone", "%s", why);
    leave(arg);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct keeper *k = connect->data;
    Core__SignerFrame f = CORE__SIGNER_FRAME__INIT;
    Core__SignerGreeting m = CORE__SIGNER_GREETING__INIT;

    if (status == UV_ECANCELED)
        return; /* it is closed */
    if (status < 0) {
        leave(k);
        return;
    }
    k->connected = true;
    m.log = k->key.name;
    m.note = (ProtobufCBinaryData){k->note.size, k->note.data};
    f.body_case = CORE__SIGNER_FRAME__BODY_GREETING;
    f.greeting = &m;
    say(k, &f);
}

static void go(uv_timer_t *again)
{
    struct keeper *k = again->data;

    k->pipe = signer_pipe_new(
        &(struct signer_pipe_of){.loop = &k->loop, .take = on_frame, .gone = on_gone, .arg = k});
    k->connect.data = k;
    uv_pipe_connect(&k->connect, signer_pipe_handle(k->pipe), k->socket, on_connect);
}

/* ---- beginning and end ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct keeper *k = handle->data;

    if (k->ending)
        return;
    log_info("signer.ending", "signal=%d signed=%llu refused=%llu", number,
             (unsigned long long)k->signed_trees, (unsigned long long)k->refused);
    stop(k);
}

/* A disk or a token that does not answer keeps the loop, and this is not called. */
static bool on_watchdog(void *arg, struct buf *status)
{
    const struct keeper *k = arg;

    buf_printf(status, "%s: signed %llu records%s", k->key.name, (unsigned long long)k->last.size,
               k->connected ? "" : ", waiting for the broker");
    return true;
}

/* Until it is stopped: 0; or why it stopped by itself. */
static int run(struct keeper *k)
{
    static const int numbers[] = {SIGTERM, SIGINT};

    uv_loop_init(&k->loop);
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&k->loop, &k->signals[i]);
        k->signals[i].data = k;
        uv_signal_start(&k->signals[i], on_signal, numbers[i]);
    }
    uv_timer_init(&k->loop, &k->again);
    k->again.data = k;
    uv_timer_start(&k->again, go, 0, 0);
    watchdog_start(&k->watchdog, &k->loop, on_watchdog, k);
    notify_say("READY=1\nSTATUS=%s: signed %llu records", k->key.name,
               (unsigned long long)k->last.size);
    log_info("signer.ready", "log=%s signed=%llu", k->key.name, (unsigned long long)k->last.size);
    uv_run(&k->loop, UV_RUN_DEFAULT);
    uv_loop_close(&k->loop);
    return k->err;
}

static int read_key(struct keeper *k, struct buf *why)
{
    char name[ORIGIN_SIZE];
    uint8_t public_key[KEY_SIZE];
    char *file = mem_printf("%s/keys/log.key", k->settings.dir);
    int err = log_key_read(&k->key, file, why);

    mem_free(file);
    if (err)
        return err;
    err = log_vkey_read(k->settings.dir, name, public_key);
    if (err == 0 && (strcmp(name, k->key.name) != 0 || strcmp(name, k->settings.log) != 0 ||
                     memcmp(public_key, k->key.public_key, KEY_SIZE) != 0))
        err = ERR_CONFIG;
    if (err)
        buf_printf(why,
                   "keys/log.key, log.vkey and [log] name are not of one log (%s); put those of "
                   "this log back",
                   err_code(err));
    return err;
}

/* Two signers of one memory would each sign what the other does not know of. */
static int lock_memory(struct keeper *k, struct buf *why)
{
    char *dir = signed_dir(k->settings.dir);
    int err = 0;

    k->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k->lock < 0 && errno != ENOENT) {
        err = ERR_IO;
        buf_printf(why, "%s: %s", dir, strerror(errno));
    } else if (k->lock >= 0 && flock(k->lock, LOCK_EX | LOCK_NB) != 0) {
        err = ERR_OWNED;
        buf_printf(why, "%s: another signer runs", dir);
    }
    mem_free(dir);
    return err;
}

/* It is written anew before it is told: what was read may never have reached the disk. */
static int read_memory(struct keeper *k, struct buf *why)
{
    int err = signed_read(k->settings.dir, &k->key, &k->last, &k->note);
    char *file = signed_file(k->settings.dir, k->key.name);

    if (err == 0)
        err = signed_write(k->settings.dir, k->key.name, slice_buf(&k->note));
    else if (err == ERR_NOT_FOUND)
        buf_printf(why,
                   "what this key signed last is not known: %s is missing, and nothing is taken on "
                   "trust; put it back, or, for a log that never had a signer and whose checkpoint "
                   "you know to be the newest: install -D -m 600 '%s/log/checkpoint' '%s'",
                   file, k->settings.dir, file);
    if (err && err != ERR_NOT_FOUND)
        buf_printf(why, "%s: %s", file, err_text(err));
    mem_free(file);
    return err;
}

static int begin(struct keeper *k, const char *file, struct buf *why)
{
    int err = settings_read(&k->settings, file, NULL, NULL, NULL, NULL, why);

    if (err == 0)
        err = read_key(k, why);
    if (err == 0)
        err = lock_memory(k, why);
    if (err == 0)
        err = sandbox_enter(&(struct sandbox){.profile = SANDBOX_SIGNER, .settings = &k->settings},
                            why);
    if (err == 0)
        err = read_memory(k, why);
    if (err == 0)
        k->socket = signer_socket(k->settings.dir, &k->place);
    return err;
}

static void end(struct keeper *k)
{
    for (size_t i = 0; i < 2; i++) {
        int fd = i ? k->place : k->lock;
        if (fd >= 0)
            close(fd);
    }
    log_key_clear(&k->key);
    buf_free(&k->note);
    mem_free(k->socket);
    settings_clear(&k->settings);
    mem_free(k);
}

/* What a token that is there again mends, waits for it. */
static bool exit_is_final(int err)
{
    return err != ERR_IO && err != ERR_OWNED && err != ERR_TOKEN && err != ERR_TOKEN_ABSENT;
}

int main(int argc, char **argv)
{
    int status;
    struct buf why = {0};
    const char *file = settings_file(argc, argv, NULL, NULL, &status);

    if (!file)
        return status;
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    struct keeper *k = mem_new(sizeof *k);
    k->place = k->lock = -1;
    int err = begin(k, file, &why);
    if (err)
        log_error("signer.start", "code=%s: %s", err_code(err), buf_cstr(&why));
    else
        err = run(k);
    end(k);
    buf_free(&why);
    return err == 0 ? EXIT_SUCCESS : exit_is_final(err) ? EXIT_SETTINGS : EXIT_FAILURE;
}
