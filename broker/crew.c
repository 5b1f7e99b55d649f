/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/crew.h"

#include <assert.h>

#include "lib/mem.h"

enum {
    THREADS_MOST = 4,
    ITEMS_EACH = 4 /* waiting for each that works, before one more is woken */
};

struct crew {
    uv_async_t done_async;
    uv_thread_t threads[THREADS_MOST];
    unsigned n_threads;
    uv_mutex_t mutex; /* guards what follows */
    uv_cond_t wake;
    struct crew_item *first, **last;
    size_t waiting;
    unsigned working;
    bool stop;
    crew_work *work; /* set once */
    crew_done *done;
    void *owner;
};

static struct crew_item *take(struct crew *c)
{
    struct crew_item *item = c->first;

    if (item) {
        c->first = item->next;
        c->waiting--;
    }
    if (!c->first)
        c->last = &c->first;
    return item;
}

static void run(void *arg)
{
    struct crew *c = arg;

    uv_mutex_lock(&c->mutex);
    for (;;) {
        struct crew_item *item = take(c);
        if (!item && c->stop)
            break;
        if (!item) {
            c->working--;
            uv_cond_wait(&c->wake, &c->mutex);
            c->working++;
            continue;
        }
        uv_mutex_unlock(&c->mutex);
        c->work(item);
        atomic_store_explicit(&item->done, true, memory_order_release);
        uv_async_send(&c->done_async);
        uv_mutex_lock(&c->mutex);
    }
    uv_mutex_unlock(&c->mutex);
}

static void on_async(uv_async_t *async)
{
    struct crew *c = async->data;

    c->done(c->owner);
}

void crew_start(struct crew **out, uv_loop_t *loop, crew_work *work, crew_done *done, void *owner)
{
    struct crew *c = mem_new(sizeof *c);
    unsigned processors = uv_available_parallelism();

    c->work = work;
    c->done = done;
    c->owner = owner;
    c->last = &c->first;
    c->done_async.data = c;
    int rc = uv_async_init(loop, &c->done_async, on_async);
    assert(rc == 0);
    rc = uv_mutex_init(&c->mutex);
    assert(rc == 0);
    rc = uv_cond_init(&c->wake);
    assert(rc == 0);
    c->n_threads = processors < THREADS_MOST ? processors : THREADS_MOST;
    c->working = c->n_threads;
    for (unsigned i = 0; i < c->n_threads; i++) {
        rc = uv_thread_create(&c->threads[i], run, c);
        assert(rc == 0);
    }
    *out = c;
}

void crew_give(struct crew *c, struct crew_item *item)
{
    item->next = NULL;
    atomic_store_explicit(&item->done, false, memory_order_relaxed);
    uv_mutex_lock(&c->mutex);
    *c->last = item;
    c->last = &item->next;
    c->waiting++;
    if (c->waiting > ITEMS_EACH * (size_t)c->working)
        uv_cond_signal(&c->wake);
    uv_mutex_unlock(&c->mutex);
}

bool crew_is_done(struct crew_item *item)
{
    return atomic_load_explicit(&item->done, memory_order_acquire);
}

static void on_closed(uv_handle_t *handle)
{
    struct crew *c = handle->data;

    uv_mutex_destroy(&c->mutex);
    uv_cond_destroy(&c->wake);
    mem_free(c);
}

void crew_stop(struct crew *c)
{
    uv_mutex_lock(&c->mutex);
    c->stop = true;
    uv_cond_broadcast(&c->wake);
    uv_mutex_unlock(&c->mutex);
    for (unsigned i = 0; i < c->n_threads; i++)
        uv_thread_join(&c->threads[i]);
    uv_close((uv_handle_t *)&c->done_async, on_closed);
}
