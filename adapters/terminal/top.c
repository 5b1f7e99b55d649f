/* SPDX-License-Identifier: Apache-2.0 */
/* top.c - `chancery top`: what happens a second, and who is behind, until somebody ends it
 *
 * On a terminal a picture that is drawn anew each second, elsewhere a block of lines a second.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/rates.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/status.h"

enum { SECOND = 1000000, LINES_ABOVE = 7, SEATS_MOST = 256 };

struct top {
    struct session s;
    struct sample before;
    bool measured;        /* there is one before */
    bool picture;         /* standard output is a terminal */
    bool keys;            /* and a person types on standard input */
    struct termios typed; /* as it was */
    uv_poll_t poll;
};

/* ---- the terminal ---- */

static void on_key(uv_poll_t *poll, int status, int events)
{
    struct top *t = poll->data;
    char key = '\0';

    (void)events;
    if (status < 0 || read(STDIN_FILENO, &key, 1) <= 0)
        uv_poll_stop(poll);
    t->s.interrupted = t->s.interrupted || key == 'q';
}

/* A key counts as it is typed. */
static void keys_take(struct top *t)
{
    struct termios typed;

    t->picture = isatty(STDOUT_FILENO);
    t->keys = t->picture && tcgetattr(STDIN_FILENO, &t->typed) == 0 &&
              uv_poll_init(&t->s.loop, &t->poll, STDIN_FILENO) == 0;
    if (!t->keys)
        return;
    typed = t->typed;
    typed.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &typed);
    t->poll.data = t;
    uv_poll_start(&t->poll, UV_READABLE, on_key);
}

static void keys_give_back(struct top *t)
{
    if (!t->keys)
        return;
    uv_close((uv_handle_t *)&t->poll, NULL);
    tcsetattr(STDIN_FILENO, TCSANOW, &t->typed);
}

/* How many seats there is room for. */
static size_t room(const struct top *t)
{
    struct winsize size;

    if (!t->picture || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0)
        return SEATS_MOST;
    return size.ws_row > LINES_ABOVE + 1 ? size.ws_row - LINES_ABOVE - 1u : 1;
}

/* Over what stood there, without a flicker; a line that is too long is cut. */
static void draw(char *text)
{
    char *rest;

    fputs("\033[?7l\033[H", stdout);
    for (char *line = text; (rest = strchr(line, '\n')); line = rest + 1)
        printf("%.*s\033[K\r\n", (int)(rest - line), line);
    fputs("\033[J\033[?7h", stdout);
}

/* ---- what is shown ---- */

static int by_backlog(const void *a, const void *b)
{
    const Core__SeatStatus *x = *(Core__SeatStatus *const *)a, *y = *(Core__SeatStatus *const *)b;

    if (x->backlog != y->backlog)
        return x->backlog > y->backlog ? -1 : 1;
    return strcmp(x->seat, y->seat);
}

static void write_seats(FILE *out, const Core__Status *st, size_t most)
{
    static const char *const head[] = {"SEAT",     "BACKLOG",  "UNSENT", "QUESTIONS",
                                       "READINGS", "SOFTWARE", NULL};
    struct table *table = table_new(head);

    qsort(st->seats, st->n_seats, sizeof(Core__SeatStatus *), by_backlog);
    for (size_t i = 0; i < st->n_seats && i < most; i++) {
        const Core__SeatStatus *seat = st->seats[i];
        struct buf unsent = {0};
        text_size(&unsent, seat->unsent);
        table_cell(table, "%s", seat->seat);
        table_cell(table, "%llu", (unsigned long long)seat->backlog);
        table_cell(table, "%s", buf_cstr(&unsent));
        table_cell(table, "%u", seat->questions);
        table_cell(table, "%u", seat->readings);
        table_cell(table, "%s", seat->software);
        buf_free(&unsent);
    }
    table_print(table, out);
    table_free(table);
}

static void write_rates(FILE *out, const struct rates *r)
{
    struct buf bytes = {0};

    if (!r->known) {
        fputs("a second        known in a second\ncommits         \n", out);
        return;
    }
    text_size(&bytes, (uint64_t)r->recorded_bytes);
    fprintf(out, "a second        recorded %.1f (%s), delivered %.1f, asked %.1f, refused %.1f\n",
            r->recorded, buf_cstr(&bytes), r->delivered, r->asked, r->refusals);
    fprintf(out, "commits         %.1f a second, p50 %.1f ms, p99 %.1f ms\n", r->commits,
            r->p50 / 1000, r->p99 / 1000);
    buf_free(&bytes);
}

static void write_all(const struct top *t, const Core__Status *st, const struct rates *r, FILE *out)
{
    char *now = time_of(st->now, false), *log = safe(st->log), *halted = safe(st->halted);
    struct buf disk = {0};

    text_size(&disk, st->disk_free);
    fprintf(out, "%s, head %llu, %s\n", log, (unsigned long long)st->head, now);
    fprintf(out, "publishing      %s%s\n", st->publishing ? "yes" : "no: ", halted);
    fprintf(out, "disk free       %s\n", buf_cstr(&disk));
    write_rates(out, r);
    fputc('\n', out);
    write_seats(out, st, room(t));
    buf_free(&disk);
    mem_free(halted);
    mem_free(log);
    mem_free(now);
}

static void show(struct top *t, const Core__Status *st)
{
    struct sample now;
    struct rates rates = {0};
    char *text = NULL;
    size_t size;

    sample_take(&now, st, uv_hrtime() / 1000);
    if (t->measured)
        rates = rates_between(&t->before, &now);
    t->before = now;
    t->measured = true;
    FILE *out = open_memstream(&text, &size);
    write_all(t, st, &rates, out);
    fclose(out);
    if (t->picture)
        draw(text);
    else
        printf("%s\n", text);
    fflush(stdout);
    free(text);
}

int top_run(const struct call *c)
{
    struct top t = {0};
    const Core__Status *st;
    bool never = false;
    int rc = session_open(&t.s, c);

    if (rc != DONE)
        return rc;
    progress_end(&t.s.progress);
    t.s.patient = true;
    session_interruptible(&t.s);
    keys_take(&t);
    if (t.picture)
        fputs("\033[2J", stdout);
    while ((rc = status_fetch(&t.s, &st)) == DONE && st) {
        show(&t, st);
        arena_reset(t.s.arena);
        session_wait(&t.s, &never, SECOND);
    }
    keys_give_back(&t);
    session_close(&t.s);
    return rc;
}
