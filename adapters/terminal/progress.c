/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { SECOND = 1000000, BAR = 24 };

static int64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec / 1000;
}

void progress_begin(struct progress *p, const char *what)
{
    *p = (struct progress){.what = what, .began = now(), .terminal = isatty(STDERR_FILENO)};
    p->shown = p->began;
}

void progress_step(struct progress *p, const char *what, uint64_t done, uint64_t of)
{
    if (!p->what)
        return;
    p->what = what;
    p->done = done;
    p->of = of;
    progress_tick(p);
}

static void draw_bar(struct progress *p)
{
    static const char full[] = "########################", empty[] = "                        ";
    uint64_t done = p->done < p->of ? p->done : p->of;
    int part = p->of ? (int)(done * BAR / p->of) : 0;

    if (p->of)
        fprintf(stderr, "\r[%.*s%.*s] %3d %%  %s\033[K", part, full, BAR - part, empty,
                (int)(done * 100 / p->of), p->what);
    else
        fprintf(stderr, "\r%c %s\033[K", "-\\|/"[now() / (SECOND / 4) % 4], p -> what);
    fflush(stderr);
    p->visible = 1;
}

static void write_line(const struct progress *p)
{
    fprintf(stderr, "%s: ", p->what);
    if (p->of)
        fprintf(stderr, "%" PRIu64 " of %" PRIu64 ", ", p->done, p->of);
    fprintf(stderr, "%" PRId64 " s\n", (now() - p->began) / SECOND);
}

void progress_tick(struct progress *p)
{
    int64_t since = now() - p->shown;

    if (!p->what)
        return;
    if (p->terminal ? since < SECOND / 5 || now() - p->began < SECOND / 2 : since < 10 * SECOND)
        return;
    p->shown = now();
    if (p->terminal)
        draw_bar(p);
    else
        write_line(p);
}

void progress_end(struct progress *p)
{
    if (p->visible)
        fputs("\r\033[K", stderr);
    *p = (struct progress){0};
}
