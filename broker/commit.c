/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/commit.h"

#include <assert.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { CALLS_MOST = 2 * COMMIT_EVENTS }; /* a call without events takes a place too */

struct batch {
    struct journal_event events[COMMIT_EVENTS];
    void *args[CALLS_MOST];
    size_t n, n_args, bytes;
    bool closing;
};

/* The loop owns `gathering`; `flight` is the loop's while `under_way` is false, and the thread's
 * from `handed` on until it sets `landed`. */
struct commit {
    uv_async_t done_async;
    uv_thread_t thread;
    uv_mutex_t mutex; /* guards handed, landed, stop */
    uv_cond_t wake;
    struct journal *journal;
    commit_done *done;
    void *owner;
    struct batch *gathering, *flight;
    bool under_way, handed, landed, stop;
    int err;
    uint64_t first, took; /* of `flight`: microseconds */
    struct commit_totals totals;
};

static void append(struct commit *c)
{
    const uint64_t begun = uv_hrtime();

    c->err =
        c->flight->n ? journal_append(c->journal, c->flight->events, c->flight->n, &c->first) : 0;
    c->took = (uv_hrtime() - begun) / 1000;
}

static void run(void *arg)
{
    struct commit *c = arg;

    uv_mutex_lock(&c->mutex);
    for (;;) {
        while (!c->handed && !c->stop)
            uv_cond_wait(&c->wake, &c->mutex);
        if (!c->handed)
            break;
        uv_mutex_unlock(&c->mutex);
        append(c);
        uv_mutex_lock(&c->mutex);
        c->handed = false;
        c->landed = true;
        uv_async_send(&c->done_async);
    }
    uv_mutex_unlock(&c->mutex);
}

static void batch_clear(struct batch *b)
{
    b->n = b->n_args = b->bytes = 0;
    b->closing = false;
}

static void depart(struct commit *c)
{
    struct batch *next = c->gathering;

    if (c->under_way || next->n_args == 0)
        return;
    c->gathering = c->flight;
    c->flight = next;
    c->under_way = true;
    uv_mutex_lock(&c->mutex);
    c->handed = true;
    uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
}

static void count(struct commit_totals *t, const struct batch *b, uint64_t took)
{
    t->events += b->n;
    t->bytes += b->bytes;
    histogram_add(&t->time, took);
    histogram_add(&t->size, b->n);
}

/* A batch that was refused takes with it what gathered behind: that may build on it. */
static void land(struct commit *c)
{
    struct batch *b = c->flight, *behind = c->gathering;

    c->totals.batches++;
    if (!c->err && b->n)
        count(&c->totals, b, c->took);
    b->closing = false; /* what `done` adds gathers behind it */
    c->done(c->owner, c->err, c->first, b->args, b->n_args);
    if (c->err) {
        c->done(c->owner, c->err, 0, behind->args, behind->n_args);
        batch_clear(behind);
    }
    batch_clear(b);
    c->under_way = false;
}

static bool has_landed(struct commit *c)
{
    uv_mutex_lock(&c->mutex);
    bool landed = c->landed;
    c->landed = false;
    uv_mutex_unlock(&c->mutex);
    return landed;
}

static void on_async(uv_async_t *async)
{
    struct commit *c = async->data;

    if (has_landed(c)) {
        land(c);
        depart(c);
    }
}

void commit_start(struct commit **out, uv_loop_t *loop, struct journal *journal, commit_done *done,
                  void *owner)
{
    struct commit *c = mem_new(sizeof *c);

    c->journal = journal;
    c->done = done;
    c->owner = owner;
    c->gathering = mem_new(sizeof *c->gathering);
    c->flight = mem_new(sizeof *c->flight);
    c->totals.time = histogram_of_commit_time();
    c->totals.size = histogram_of_commit_events();
    c->done_async.data = c;
    int rc = uv_async_init(loop, &c->done_async, on_async);
    assert(rc == 0);
    rc = uv_mutex_init(&c->mutex);
    assert(rc == 0);
    rc = uv_cond_init(&c->wake);
    assert(rc == 0);
    rc = uv_thread_create(&c->thread, run, c);
    assert(rc == 0);
    *out = c;
}

static size_t bytes_of(const struct journal_event events[], size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++)
        bytes += events[i].event.size + events[i].payload.size;
    return bytes;
}

int commit_add(struct commit *c, const struct journal_event events[], size_t n, bool close_batch,
               void *arg)
{
    struct batch *b = c->gathering;
    size_t bytes = bytes_of(events, n);

    if (commit_closed(c) || b->n_args == CALLS_MOST || n > COMMIT_EVENTS - b->n ||
        (b->n && bytes > COMMIT_BYTES - b->bytes))
        return ERR_BUSY;
    if (n)
        memcpy(b->events + b->n, events, n * sizeof *events);
    b->args[b->n_args++] = arg;
    b->n += n;
    b->bytes += bytes;
    b->closing = close_batch;
    depart(c);
    return 0;
}

bool commit_closed(const struct commit *c)
{
    return c->gathering->closing || (c->under_way && c->flight->closing);
}

size_t commit_pending(const struct commit *c)
{
    return c->gathering->n_args + (c->under_way ? c->flight->n_args : 0);
}

const struct commit_totals *commit_totals(const struct commit *c)
{
    return &c->totals;
}

static void on_closed(uv_handle_t *handle)
{
    struct commit *c = handle->data;

    uv_mutex_destroy(&c->mutex);
    uv_cond_destroy(&c->wake);
    mem_free(c->gathering);
    mem_free(c->flight);
    mem_free(c);
}

void commit_stop(struct commit *c)
{
    uv_mutex_lock(&c->mutex);
    c->stop = true;
    uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
    uv_thread_join(&c->thread);
    if (has_landed(c))
        land(c);
    if (c->gathering->n_args)
        c->done(c->owner, ERR_CANCELLED, 0, c->gathering->args, c->gathering->n_args);
    uv_close((uv_handle_t *)&c->done_async, on_closed);
}
