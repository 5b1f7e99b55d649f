/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/signer.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/signer_pipe.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { /* milliseconds */
       ANSWER = 10000,
       AWAY = 3000, /* before anybody is told */
       LAST = 2000,
       COMES = 500, /* for one that was not long away */
};

struct signer {
    struct signer_of of;
    uv_pipe_t door;
    char *path; /* of its socket; NULL = not open */
    int place;
    struct signer_pipe *pipe; /* NULL = nobody is connected */
    uint64_t since;           /* ms: that a greeting or an answer is awaited */
    uint64_t away;            /* ms: that nobody who greeted is there */
    uint64_t ending,
        invalid;             /* ms: that it ends, and that somebody invalid was told; 0 = not yet */
    struct checkpoint known; /* what the connected signer signed last; of size 0: not told yet */
    struct checkpoint asked; /* of size 0: nothing */
    char refused[65];        /* the code of the last answer, "" = signed */
    bool told;               /* that it is away */
    uv_work_t work;
    bool under_way;
    uint64_t size, written; /* of the tree being written, and of the one on disk */
    struct buf next, note;  /* being written, and the newest one */
    int err;
};

struct signer *signer_new(const struct signer_of *of)
{
    struct signer *s = mem_new(sizeof *s);

    s->of = *of;
    s->place = -1;
    s->work.data = s->door.data = s;
    return s;
}

void signer_free(struct signer *s)
{
    if (s) {
        buf_free(&s->next);
        buf_free(&s->note);
        mem_free(s);
    }
}

int signer_read(struct signer *s, struct buf *why)
{
    struct checkpoint c;

    int rc = checkpoint_read(s->of.dir, s->of.log, s->of.key, &c, &s->note);
    if (rc && rc != ERR_NOT_FOUND) {
        buf_printf(why, "the checkpoint cannot be read (%s): %s", err_code(rc), err_text(rc));
        return rc;
    }
    s->written = rc ? 0 : c.size;
    return checkpoint_check(s->of.journal, rc ? NULL : &c, why);
}

/* ---- on disk ---- */

static void on_write(uv_work_t *work)
{
    struct signer *s = work->data;

    s->err = checkpoint_write(s->of.dir, slice_buf(&s->next));
}

static void after_write(uv_work_t *work, int status)
{
    struct signer *s = work->data;

    (void)status; /* never cancelled */
    s->under_way = false;
    if (s->err) {
        log_error("signer.delayed",
                  "the checkpoint cannot be written, trying again code=%s size=%llu",
                  err_code(s->err), (unsigned long long)s->size);
        return;
    }
    struct buf old = s->note;
    s->note = s->next;
    s->next = old;
    s->written = s->size;
}

static void start_write(struct signer *s)
{
    s->under_way = uv_queue_work(s->of.loop, &s->work, on_write, after_write) == 0;
}

/* The note of a checkpoint that this log was found to have. */
static void take_note(struct signer *s, const struct checkpoint *c, struct slice note)
{
    buf_reset(&s->next);
    buf_add(&s->next, note.data, note.size);
    s->size = c->size;
    start_write(s);
}

/* ---- what is said ---- */

static void drop(struct signer *s)
{
    signer_pipe_close(s->pipe);
    s->pipe = NULL;
    if (s->known.size)
        s->away = uv_now(s->of.loop);
    s->known.size = s->asked.size = 0;
}

/* It may come again and again: a line now and then. */
static void drop_invalid(struct signer *s, const char *what)
{
    uint64_t now = uv_now(s->of.loop);

    if (s->invalid == 0 || now - s->invalid > ANSWER) {
        s->invalid = now;
        log_error("signer.invalid", "%s; its connection is ended", what);
    }
    drop(s);
}

static struct slice slice_data(const ProtobufCBinaryData *data)
{
    return slice_of(data->data, data->len);
}

/* The log ends here: no other start may serve it, whether or not a signer is there. */
static void lose(struct signer *s, const struct checkpoint *c, struct slice note)
{
    struct buf why = {0};

    buf_printf(&why,
               "the log's key signed %" PRIu64 " records, the log has %" PRIu64 "%s; restore the "
               "newest copy of DIR/log",
               c->size, journal_head(s->of.journal),
               c->size > journal_head(s->of.journal) ? "" : ", and the first ones are others");
    if (checkpoint_write(s->of.dir, note) != 0)
        buf_add_str(&why, "; that cannot be kept beside the log");
    s->of.lost(s->of.arg, buf_cstr(&why));
    buf_free(&why);
}

static void welcome(struct signer *s, const struct checkpoint *c, struct slice note)
{
    s->known = *c;
    if (s->told)
        log_info("signer.back", "checkpoints go on size=%llu", (unsigned long long)c->size);
    s->told = false;
    if (c->size > s->written)
        take_note(s, c, note);
    else if (c->size < s->written)
        log_error("signer.behind",
                  "the signer forgot what it signed: an older copy of DIR/signer was put back "
                  "signed=%llu checkpoint=%llu",
                  (unsigned long long)c->size, (unsigned long long)s->written);
    if (!s->refused[0]) /* else in its time */
        signer_look(s);
}

static void take_greeting(struct signer *s, const Core__SignerGreeting *g)
{
    struct checkpoint c;
    struct slice note = slice_data(&g->note);

    if (s->known.size || strcmp(g->log, s->of.log) != 0 ||
        checkpoint_open(&c, note, s->of.log, s->of.key) != 0 || c.size == 0) {
        drop_invalid(s, "who connects as the signer shows no checkpoint of this log's key");
        return;
    }
    int err = s->under_way ? ERR_BUSY : checkpoint_compare(s->of.journal, &c);
    if (err == ERR_NOT_FOUND || err == ERR_FORKED)
        lose(s, &c, note);
    else if (err == ERR_BUSY) /* it comes again */
        drop(s);
    else if (err)
        drop_invalid(s, "what the signer signed cannot be compared with the log");
    else
        welcome(s, &c, note);
}

static void take_signed(struct signer *s, const Core__TreeSigned *m)
{
    struct checkpoint c;

    if (s->asked.size == 0 ||
        checkpoint_open(&c, slice_data(&m->note), s->of.log, s->of.key) != 0 ||
        c.size != s->asked.size || !hash_equal(&c.root, &s->asked.root)) {
        drop_invalid(s, "the signer's answer is not a checkpoint of the tree that was asked for");
        return;
    }
    s->known = s->asked;
    s->asked.size = 0;
    s->refused[0] = '\0';
    take_note(s, &c, slice_data(&m->note));
}

/* What it signed last may have become another: it tells when it comes again. */
static void take_refused(struct signer *s, const Core__TreeRefused *m)
{
    if (strcmp(s->refused, m->code) != 0)
        log_error("signer.refuses", "the signer does not sign code=%.64s size=%llu: %.512s",
                  m->code, (unsigned long long)s->asked.size, m->text);
    snprintf(s->refused, sizeof s->refused, "%s", m->code);
    drop(s);
}

static void on_frame(void *arg, const Core__SignerFrame *f)
{
    struct signer *s = arg;

    if (f->body_case == CORE__SIGNER_FRAME__BODY_GREETING)
        take_greeting(s, f->greeting);
    else if (f->body_case == CORE__SIGNER_FRAME__BODY_TREE_SIGNED)
        take_signed(s, f->tree_signed);
    else if (f->body_case == CORE__SIGNER_FRAME__BODY_TREE_REFUSED)
        take_refused(s, f->tree_refused);
    else
        drop_invalid(s, "the signer says what only a broker says");
}

static void on_gone(void *arg, const char *why)
{
    log_debug("signer.gone", "%s", why);
    drop(arg);
}

/* ---- asking ---- */

static void ask(struct signer *s)
{
    Core__SignerFrame f = CORE__SIGNER_FRAME__INIT;
    Core__SignTree m = CORE__SIGN_TREE__INIT;
    ProtobufCBinaryData list[TREE_LEVELS];
    struct hash path[TREE_LEVELS];
    int n;

    journal_tree(s->of.journal, &s->asked.size, &s->asked.root);
    int rc = tree_consistency(s->known.size, s->asked.size, journal_stored_hash, s->of.journal,
                              path, &n);
    if (rc) {
        log_error("signer.delayed", "the tree cannot be read code=%s", err_code(rc));
        s->asked.size = 0;
        return;
    }
    for (int i = 0; i < n; i++)
        list[i] = (ProtobufCBinaryData){HASH_SIZE, path[i].bytes};
    m.log = s->of.log;
    m.size = s->asked.size;
    m.root = (ProtobufCBinaryData){HASH_SIZE, s->asked.root.bytes};
    m.n_proof = (size_t)n;
    m.proof = list;
    f.body_case = CORE__SIGNER_FRAME__BODY_SIGN_TREE;
    f.sign_tree = &m;
    s->since = uv_now(s->of.loop);
    signer_pipe_say(s->pipe, &f);
}

static bool is_late(const struct signer *s)
{
    bool awaited = s->pipe && (s->asked.size || !s->known.size);

    return awaited && uv_now(s->of.loop) - s->since > ANSWER;
}

static void tell_away(struct signer *s)
{
    if (s->told || s->known.size || uv_now(s->of.loop) - s->away < AWAY)
        return;
    s->told = true;
    log_warn("signer.away",
             "no signer is connected: what is recorded is safe, and its checkpoints wait; start "
             "chancery-signer size=%llu",
             (unsigned long long)s->written);
}

void signer_look(struct signer *s)
{
    if (is_late(s))
        drop_invalid(s, "the signer does not answer");
    tell_away(s);
    if (s->under_way || s->asked.size || !s->known.size)
        return;
    if (s->known.size > s->written && s->size == s->known.size)
        start_write(s); /* it failed before */
    else if (journal_head(s->of.journal) > s->known.size)
        ask(s);
}

/* ---- the door ---- */

static void on_connection(uv_stream_t *door, int status)
{
    struct signer *s = door->data;
    struct signer_pipe *p = signer_pipe_new(
        &(struct signer_pipe_of){.loop = s->of.loop, .take = on_frame, .gone = on_gone, .arg = s});

    if (status < 0 || uv_accept(door, (uv_stream_t *)signer_pipe_handle(p)) != 0 || s->pipe) {
        signer_pipe_close(p);
        return;
    }
    s->pipe = p;
    s->since = uv_now(s->of.loop);
    signer_pipe_read(p);
}

/* The signer may be another user of the process's group. */
static int bind_door(struct signer *s)
{
    mode_t before = umask(007);
    int rc = uv_pipe_bind(&s->door, s->path);

    umask(before);
    return rc;
}

int signer_open(struct signer *s, struct buf *why)
{
    s->path = signer_socket(s->of.dir, &s->place);
    s->away = uv_now(s->of.loop);
    uv_pipe_init(s->of.loop, &s->door, 0);
    s->door.data = s;
    unlink(s->path); /* of a broker that was killed: this one has the log */
    int rc = bind_door(s);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->door, 4, on_connection);
    if (rc)
        buf_printf(why, "cannot listen on %s/run/signer.sock: %s", s->of.dir, uv_strerror(rc));
    return rc ? ERR_IO : 0;
}

/* For the last checkpoint. */
static uint64_t patience(const struct signer *s, uint64_t now)
{
    return s->known.size ? LAST : now - s->away < AWAY ? COMES : 0;
}

bool signer_finished(struct signer *s)
{
    uint64_t now = uv_now(s->of.loop);

    if (s->ending == 0)
        s->ending = now;
    if (s->under_way)
        return false;
    if (journal_head(s->of.journal) > s->written && now - s->ending < patience(s, now)) {
        signer_look(s);
        return false;
    }
    return true;
}

static void on_closed(uv_handle_t *handle)
{
    struct signer *s = handle->data;

    if (s->place >= 0)
        close(s->place);
    mem_free(s->path);
}

void signer_close(struct signer *s)
{
    if (journal_head(s->of.journal) > s->written)
        log_warn("signer.unsigned",
                 "the last records have no checkpoint yet: they get one when broker and signer run "
                 "again size=%llu head=%llu",
                 (unsigned long long)s->written, (unsigned long long)journal_head(s->of.journal));
    if (s->pipe)
        drop(s);
    if (s->path)
        uv_close((uv_handle_t *)&s->door, on_closed);
}

/* ---- how it stands ---- */

uint64_t signer_size(const struct signer *s)
{
    return s->written;
}

const struct buf *signer_note(const struct signer *s)
{
    return &s->note;
}

const char *signer_waits(const struct signer *s)
{
    if (s->refused[0])
        return s->refused;
    return s->known.size || uv_now(s->of.loop) - s->away < AWAY ? "" : "signer.away";
}
