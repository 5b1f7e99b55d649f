/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/merge.h"

#include "lib/envelope.h"

enum { ITEM_ARENA = 1024 * 1024 };

struct queue {
    struct item *first, **last;
};

struct merge {
    struct queue inputs, own;
    const struct item **answers; /* what merge_peek shows */
    size_t n, capacity, held;
};

struct item *item_new(uint64_t position, int64_t received, struct slice event, struct slice payload)
{
    struct arena *arena = arena_new(ITEM_ARENA + event.size * 16 + payload.size);
    struct item *item = arena_take(arena, sizeof *item);
    uint8_t *bytes = arena_take(arena, event.size + payload.size);
    struct event opened;
    char where[128];

    memcpy(bytes, event.data, event.size);
    if (payload.size)
        memcpy(bytes + event.size, payload.data, payload.size);
    if (event_open_head(&opened, slice_of(bytes, event.size), arena, where) != 0) {
        arena_free(arena);
        return NULL;
    }
    *item = (struct item){.position = position,
                          .received = received,
                          .envelope = opened.envelope,
                          .payload = slice_of(bytes + event.size, payload.size),
                          .arena = arena};
    return item;
}

void item_free(struct item *item)
{
    if (item)
        arena_free(item->arena);
}

static size_t item_size(const struct item *item)
{
    return sizeof *item + item->payload.size + 1024; /* an envelope unpacked is about 1 KiB */
}

static void queue_put(struct merge *m, struct queue *q, struct item **item)
{
    *q->last = *item;
    q->last = &(*item)->next;
    m->held += item_size(*item);
    *item = NULL;
}

static void queue_drop(struct merge *m, struct queue *q)
{
    struct item *item = q->first;

    q->first = item->next;
    if (!q->first)
        q->last = &q->first;
    m->held -= item_size(item);
    item_free(item);
}

struct merge *merge_new(void)
{
    struct merge *m = mem_new(sizeof *m);

    m->inputs.last = &m->inputs.first;
    m->own.last = &m->own.first;
    return m;
}

void merge_free(struct merge *m)
{
    if (!m)
        return;
    while (m->inputs.first)
        queue_drop(m, &m->inputs);
    while (m->own.first)
        queue_drop(m, &m->own);
    mem_free(m->answers);
    mem_free(m);
}

void merge_input(struct merge *m, struct item **input, bool answered)
{
    (*input)->answered = answered;
    queue_put(m, &m->inputs, input);
}

void merge_own(struct merge *m, struct item **own)
{
    queue_put(m, &m->own, own);
}

size_t merge_held(const struct merge *m)
{
    return m->held;
}

static void show(struct merge *m, const struct item *own)
{
    if (m->n == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 64;
        m->answers = mem_grow(m->answers, m->capacity * sizeof *m->answers);
    }
    m->answers[m->n++] = own;
}

/* Nothing that waits, or may still come, is what the event answers. */
static bool orphaned(const struct item *own, const struct item *input)
{
    return own && (own->envelope->cause < input->position ||
                   (!input->answered && own->envelope->cause == input->position));
}

static enum merge_state judge(struct merge *m, const struct item *input)
{
    const struct item *own = m->own.first;

    if (!input)
        return MERGE_NOTHING;
    if (orphaned(own, input)) {
        show(m, own);
        return MERGE_ORPHAN;
    }
    if (!input->answered)
        return MERGE_PLAIN;
    for (; own && own->envelope->cause == input->position; own = own->next)
        show(m, own);
    if (m->n && m->n == m->answers[0]->envelope->of)
        return MERGE_ANSWERED;
    return own ? MERGE_SKIPPED : MERGE_PART;
}

enum merge_state merge_peek(struct merge *m, const struct item **input,
                            const struct item *const **own, size_t *n)
{
    m->n = 0;
    enum merge_state state = judge(m, m->inputs.first);
    *input = m->inputs.first;
    *own = m->answers;
    *n = m->n;
    return state;
}

void merge_pop(struct merge *m)
{
    const struct item *input = m->inputs.first;

    if (orphaned(m->own.first, input)) {
        queue_drop(m, &m->own);
        return;
    }
    while (m->own.first && m->own.first->envelope->cause == input->position)
        queue_drop(m, &m->own);
    queue_drop(m, &m->inputs);
}
