/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/transcripts.h"

#include "chancery/core/v1/transcripts.pb-c.h"

enum { RECORDS_A_TURN = 256 };

struct transcripts { /* positions, ascending */
    uint64_t *at;
    size_t n, capacity;
};

struct transcripts *transcripts_new(void)
{
    return mem_new(sizeof(struct transcripts));
}

void transcripts_free(struct transcripts *t)
{
    if (t)
        mem_free(t->at);
    mem_free(t);
}

bool transcripts_word(const char *type)
{
    return strcmp(type, core__transcript_confirmed__descriptor.name) == 0 ||
           strcmp(type, core__transcript_disowned__descriptor.name) == 0;
}

uint64_t transcripts_about(const struct registry *r, const Core__Envelope *word)
{
    if (!transcripts_word(word->type) || word->n_references == 0 ||
        registry_elsewhere(r, word->log, word->references[0]))
        return 0;
    return word->references[0]->position;
}

/* Where the position is, or would be. */
static size_t place(const struct transcripts *t, uint64_t position)
{
    size_t low = 0, high = t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (t->at[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool transcripts_answered(const struct transcripts *t, uint64_t position)
{
    size_t i = place(t, position);

    return i < t->n && t->at[i] == position;
}

void transcripts_add(struct transcripts *t, uint64_t position)
{
    size_t i = place(t, position);

    if (t->n == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 16;
        t->at = mem_grow(t->at, t->capacity * sizeof *t->at);
    }
    memmove(t->at + i + 1, t->at + i, (t->n - i) * sizeof *t->at);
    t->at[i] = position;
    t->n++;
}

void transcripts_remove(struct transcripts *t, uint64_t position)
{
    size_t i = place(t, position);

    if (i == t->n || t->at[i] != position)
        return;
    memmove(t->at + i, t->at + i + 1, (t->n - i - 1) * sizeof *t->at);
    t->n--;
}

/* ---- from the log ---- */

struct loading {
    struct transcripts *transcripts;
    const struct registry *registry;
    int err;
};

static int load_record(void *arg, const struct journal_record *rec)
{
    struct loading *l = arg;
    struct arena *arena = arena_new_for(rec->event.size, FRAME_MOST);
    struct event e;
    char where[128];

    l->err = event_open_head(&e, rec->event, arena, where);
    uint64_t about = l->err ? 0 : transcripts_about(l->registry, e.envelope);
    if (about)
        transcripts_add(l->transcripts, about);
    arena_free(arena);
    return l->err ? -1 : 0;
}

int transcripts_load(struct transcripts *t, const struct registry *r, struct journal *j,
                     uint64_t *at)
{
    const char *const types[] = {core__transcript_confirmed__descriptor.name,
                                 core__transcript_disowned__descriptor.name};
    struct journal_filter *filter = journal_filter_new(NULL, 0, types, 2, NULL);
    struct loading l = {t, r, 0};
    int rc = 0;

    for (*at = 1; rc == 0 && *at <= journal_head(j);) {
        rc = journal_read(j, filter, *at, RECORDS_A_TURN, load_record, &l, at);
        rc = rc ? rc : l.err;
    }
    journal_filter_free(filter);
    return rc;
}
