/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/merge.h"

#include "lib/envelope.h"

enum {
    ITEM_ARENA = 1024 * 1024,
    HELD_MOST = 32 * 1024 * 1024, /* bytes of a queue */
};

struct queue {
    struct item *first, *last;
    size_t held;
};

struct merge {
    struct queue inputs, own;
    const struct item **answers; /* to the first input, as far as they were looked at */
    size_t n, capacity;
};

struct item *item_new(uint64_t position, int64_t received, struct slice event, struct slice payload)
{
    /* the bytes, and the event and its envelope taken apart */
    size_t about = payload.size + 4 * event.size + 1024;
    struct arena *arena = arena_new_for(about, ITEM_ARENA + event.size * 16 + payload.size);
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

static void queue_put(struct queue *q, struct item **item)
{
    if (q->first)
        q->last->next = *item;
    else
        q->first = *item;
    q->last = *item;
    q->held += arena_held((*item)->arena);
    *item = NULL;
}

static void queue_drop(struct queue *q)
{
    struct item *item = q->first;

    q->first = item->next;
    q->held -= arena_held(item->arena);
    item_free(item);
}

struct merge *merge_new(void)
{
    return mem_new(sizeof(struct merge));
}

void merge_free(struct merge *m)
{
    if (!m)
        return;
    while (m->inputs.first)
        queue_drop(&m->inputs);
    while (m->own.first)
        queue_drop(&m->own);
    mem_free(m->answers);
    mem_free(m);
}

void merge_input(struct merge *m, struct item **input, bool answered)
{
    (*input)->answered = answered;
    queue_put(&m->inputs, input);
}

void merge_own(struct merge *m, struct item **own)
{
    queue_put(&m->own, own);
}

bool merge_empty(const struct merge *m)
{
    return !m->inputs.first && !m->own.first;
}

bool merge_input_waits(const struct merge *m)
{
    return m->inputs.first != NULL;
}

bool merge_wants_input(const struct merge *m)
{
    return m->inputs.held < HELD_MOST;
}

/* However many they are, the first input goes on only when all of its answers are there. */
bool merge_wants_own(const struct merge *m)
{
    return m->own.held < HELD_MOST ||
           (m->inputs.first && m->own.last->envelope->cause == m->inputs.first->position);
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

/* Answers that were shown before are not looked at again. */
static void show_more(struct merge *m, const struct item *input)
{
    const struct item *own = m->n ? m->answers[m->n - 1]->next : m->own.first;

    for (; own && own->envelope->cause == input->position; own = own->next)
        show(m, own);
}

static enum merge_state judge(struct merge *m, const struct item *input)
{
    const struct item *own = m->own.first;

    if (!input)
        return MERGE_NOTHING;
    if (orphaned(own, input)) {
        m->n = 0;
        show(m, own);
        return MERGE_ORPHAN;
    }
    if (!input->answered)
        return MERGE_PLAIN;
    show_more(m, input);
    if (m->n && m->n == m->answers[0]->envelope->of)
        return MERGE_ANSWERED;
    const struct item *behind = m->n ? m->answers[m->n - 1]->next : own;
    return behind ? MERGE_SKIPPED : MERGE_PART;
}

enum merge_state merge_peek(struct merge *m, const struct item **input,
                            const struct item *const **own, size_t *n)
{
    enum merge_state state = judge(m, m->inputs.first);

    *input = m->inputs.first;
    *own = m->answers;
    *n = m->n;
    return state;
}

void merge_pop(struct merge *m)
{
    const struct item *input = m->inputs.first;

    m->n = 0;
    if (orphaned(m->own.first, input)) {
        queue_drop(&m->own);
        return;
    }
    while (m->own.first && m->own.first->envelope->cause == input->position)
        queue_drop(&m->own);
    queue_drop(&m->inputs);
}
