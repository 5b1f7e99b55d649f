/* SPDX-License-Identifier: Apache-2.0 */
/* ndjson.c - `event publish --ndjson`: an event a line comes in, what became of it a line goes out
 *
 * One batch is under way, and the lines that come meanwhile gather to the next one.  A batch is
 * recorded whole or not at all, lines stand for themselves: of a refused batch one event is refused
 * and the others are published again, in their order, with their ids.  Behind an event whose
 * outcome is unknown nothing is published.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "adapters/terminal/publish.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/sign.h"

enum { DRAFT_ARENA = 8 << 20, PIECE = 64 * 1024, LINE_MOST = 4 * PAYLOAD_MOST };

struct entry { /* a line */
    uint64_t line;
    struct draft draft;
    bool made;    /* the line could be read: its event has an id */
    bool refused; /* told when its turn comes */
    struct published published;
};

struct feed {
    struct session *s;
    const struct call *call;
    const char *file; /* as it was named */
    struct draft options;
    int fd;
    bool polls; /* it can be waited for; a plain file need not */
    uv_poll_t poll;
    struct buf input; /* not yet taken apart */
    uint64_t lines;
    bool skipping; /* the rest of a line that is too long */
    struct entry entries[BATCH_MOST];
    size_t n, flight; /* those that gathered; of them under way, the first ones */
    bool ended, done; /* no more is read; all is told */
    int status;
};

/* ---- telling ---- */

static void tell(struct feed *f, const struct entry *e)
{
    const struct published *p = &e->published;
    unsigned long long line = e->line;
    char id[37], *text = safe(p->text);

    id_text(id, e->draft.event.id);
    if (f->call->option[OPT_JSON])
        published_show(p, e->made ? e->draft.event.id : NULL, e->line);
    else if (p->outcome == CHANCERY_RECORDED)
        printf("%llu recorded %llu\n", line, (unsigned long long)p->position);
    else if (p->outcome == CHANCERY_REFUSED)
        printf("%llu refused %s: %s%s%s\n", line, p->code, text, p->field[0] ? ": " : "", p->field);
    else
        printf("%llu unknown %s\n", line, id);
    if (p->outcome != CHANCERY_RECORDED)
        f->status = FAILED;
    mem_free(text);
}

/* Tells of the first entry, and takes it out; its arena serves another line. */
static void entry_end(struct feed *f)
{
    struct entry ended = f->entries[0];

    tell(f, &ended);
    f->n--;
    memmove(f->entries, f->entries + 1, f->n * sizeof *f->entries);
    f->entries[f->n] = (struct entry){.draft.arena = ended.draft.arena};
}

static void entry_refused(struct entry *e, const struct chancery_result *refused)
{
    e->refused = true;
    published_take(&e->published, refused, 0);
}

static void entry_refuse(struct entry *e, int err, const char *text)
{
    entry_refused(e, &(struct chancery_result){
                         .outcome = CHANCERY_REFUSED, .code = err_code(err), .text = text});
}

/* ---- publishing ---- */

static void go_on(struct feed *f);

/* On doubt: what gathered behind it, or was not read yet, is not published. */
static void stop(struct feed *f)
{
    if (f->n > 0 || f->input.size > 0 || !f->ended)
        session_fail(f->s, "what stands behind was not published");
    f->status = chancery_current(f->s->client) ? FAILED : UNREACHABLE;
    f->n = 0;
    f->input.size = 0;
    f->ended = true;
}

static void on_published(void *arg, const struct chancery_result *result)
{
    struct feed *f = arg;
    bool refused = result->outcome == CHANCERY_REFUSED;
    size_t n = f->flight, blamed = result->index < n ? result->index : 0;

    f->flight = 0;
    if (refused)
        entry_refused(&f->entries[blamed], result);
    for (size_t i = 0; !refused && i < n; i++) {
        published_take(&f->entries[0].published, result, i);
        entry_end(f);
    }
    if (result->outcome == CHANCERY_UNKNOWN)
        stop(f);
    go_on(f);
}

/* As many of the first ones as fit and are not refused yet: how many; 0 when the first is refused
 * here. */
static size_t publish_first(struct feed *f)
{
    struct chancery_event events[BATCH_MOST];
    size_t n = 0;
    int rc = 0;

    for (; n < f->n && !f->entries[n].refused; n++)
        events[n] = f->entries[n].draft.event;
    while (n > 0 && (rc = chancery_publish(f->s->client, events, n, on_published, f)) != 0 && n > 1)
        n /= 2;
    if (n > 0 && rc != 0) {
        entry_refuse(&f->entries[0], rc, err_text(rc));
        return 0;
    }
    return n;
}

static void send_gathered(struct feed *f)
{
    while (f->n > 0 && f->flight == 0) {
        if (f->entries[0].refused)
            entry_end(f);
        else
            f->flight = publish_first(f);
    }
    fflush(stdout);
}

/* ---- reading ---- */

/* The text is one line, whose number is that in the file. */
static void entry_take(struct feed *f, struct slice text)
{
    struct entry *e = &f->entries[f->n++];
    struct arena *arena = e->draft.arena;
    struct buf why = {0};

    arena_reset(arena);
    *e = (struct entry){.line = f->lines, .draft = f->options};
    e->draft.arena = arena;
    e->made = draft_line(&e->draft, text, &why);
    if (e->made && !e->draft.identified)
        id_v7(e->draft.event.id, time_now());
    if (!e->made) {
        const char *behind_line = strchr(buf_cstr(&why), ':');
        char *whole = mem_printf("%s:%llu%s", f->file, (unsigned long long)f->lines, behind_line);
        entry_refuse(e, ERR_FIELD, whole);
        mem_free(whole);
    }
    buf_free(&why);
}

static void entry_too_long(struct feed *f)
{
    struct entry *e = &f->entries[f->n++];

    e->line = ++f->lines;
    entry_refuse(e, ERR_BOUNDS, "the line is longer than 2 MiB");
}

static bool is_blank(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (!strchr(" \t\r", line.data[i]))
            return false;
    return true;
}

/* The next line of the input, without its end: false when there is no whole one yet. */
static bool line_next(struct feed *f, size_t *at, struct slice *line)
{
    const uint8_t *begin = f->input.data + *at;
    size_t left = f->input.size - *at;
    const uint8_t *end = left ? memchr(begin, '\n', left) : NULL;

    if (!end && !(f->ended && left))
        return false;
    *line = slice_of(begin, end ? (size_t)(end - begin) : left);
    *at += line->size + (end != NULL);
    return true;
}

static void lines_take(struct feed *f)
{
    struct slice line;
    size_t at = 0;

    while (f->n < BATCH_MOST && line_next(f, &at, &line)) {
        bool rest = f->skipping;
        f->skipping = false;
        if (rest)
            continue;
        f->lines++;
        if (!is_blank(line))
            entry_take(f, line);
    }
    if (f->n < BATCH_MOST && f->input.size - at > LINE_MOST) {
        if (!f->skipping)
            entry_too_long(f);
        f->skipping = true;
        at = f->input.size;
    }
    if (at)
        memmove(f->input.data, f->input.data + at, f->input.size - at);
    f->input.size -= at;
}

/* One piece; waits only where the input cannot be polled, and then for a disk. */
static void read_piece(struct feed *f)
{
    size_t before = f->input.size;
    ssize_t n = read(f->fd, buf_grow(&f->input, PIECE), PIECE);
    bool again = n < 0 && (errno == EINTR || errno == EAGAIN);

    f->input.size = before + (n > 0 ? (size_t)n : 0);
    if (n < 0 && !again)
        f->status = session_fail(f->s, "%s: %s", f->file, strerror(errno));
    if (n <= 0 && !again)
        f->ended = true;
    lines_take(f);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct feed *f = poll->data;

    (void)status, (void)events; /* reading tells */
    read_piece(f);
    go_on(f);
}

/* Reads as long as there is room, publishes when nothing is under way. */
static void go_on(struct feed *f)
{
    bool some;

    do {
        lines_take(f);
        while (!f->polls && !f->ended && f->n < BATCH_MOST)
            read_piece(f);
        some = f->n > 0;
        send_gathered(f);
    } while (some && f->n == 0);
    f->done = f->ended && f->n == 0;
    if (f->polls && !f->ended && f->n < BATCH_MOST)
        uv_poll_start(&f->poll, UV_READABLE, on_readable);
    else if (f->polls)
        uv_poll_stop(&f->poll);
}

/* ---- the whole ---- */

static int input_open(struct feed *f)
{
    f->file = f->call->n_arguments ? f->call->argument[0] : "-";
    f->fd = strcmp(f->file, "-") == 0 ? STDIN_FILENO : open(f->file, O_RDONLY | O_CLOEXEC);
    if (f->fd >= 0)
        return DONE;
    complain("%s: %s", f->file, strerror(errno));
    return FAILED;
}

/* libuv makes what it polls non-blocking, also for whoever else has it open: not here. */
static void poll_open(struct feed *f)
{
    int flags = fcntl(f->fd, F_GETFL);

    f->polls = uv_poll_init(&f->s->loop, &f->poll, f->fd) == 0;
    f->poll.data = f;
    fcntl(f->fd, F_SETFL, flags);
}

static int feed_run(struct feed *f)
{
    int rc;

    f->s->patient = true; /* while nothing is under way, the broker may be away */
    session_interruptible(f->s);
    poll_open(f);
    go_on(f);
    rc = session_wait(f->s, &f->done, 0);
    if (rc == DONE && !f->done) { /* interrupted: what was read is still published */
        f->s->interrupted = false;
        f->ended = true;
        go_on(f);
        rc = session_wait(f->s, &f->done, 0);
    }
    if (f->polls)
        uv_close((uv_handle_t *)&f->poll, NULL);
    f->polls = false;
    return rc == DONE ? f->status : rc;
}

int ndjson_run(const struct call *c)
{
    struct session s;
    struct feed f = {.s = &s, .call = c, .options.arena = arena_new(DRAFT_ARENA)};
    int rc = c->option[OPT_ID] ? call_usage(c, "--id names one event, --ndjson are many")
                               : draft_of_call(c, &f.options);

    if (rc == DONE)
        rc = input_open(&f);
    if (rc == DONE)
        rc = session_open_publishing(&s, c);
    if (rc == DONE) {
        progress_end(&s.progress);
        for (size_t i = 0; i < BATCH_MOST; i++)
            f.entries[i].draft.arena = arena_new(DRAFT_ARENA);
        rc = feed_run(&f);
        session_close(&s);
        for (size_t i = 0; i < BATCH_MOST; i++)
            arena_free(f.entries[i].draft.arena);
    }
    buf_free(&f.input);
    arena_free(f.options.arena);
    if (f.fd > STDIN_FILENO)
        close(f.fd);
    return rc;
}
