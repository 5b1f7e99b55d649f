/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/desk.h"

#include <assert.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/err.h"

enum {
    REPLY_ARENA = 16 * 1024 * 1024,
    QUESTIONS_MOST = 256,
    PATIENCE = 5000, /* ms */
};

struct waiting { /* a question */
    struct waiting *next;
    uint64_t token, at_least;
    char *type;
    struct buf payload;
    uint64_t deadline; /* of the loop, ms */
};

struct search {                       /* for inputs up to a position that none has reached */
    struct chancery_reading *reading; /* NULL = none runs */
    uint64_t until;
    uint64_t last;  /* input that it found; 0 = none yet */
    uint64_t found; /* `until` of one that is complete: behind `last` there is none up to there */
};

struct desk {
    const struct worker *worker;
    const struct fold *fold;
    struct chancery *client;
    uv_loop_t *loop;
    struct answers reply;
    enum desk_state state;
    uint64_t came;
    struct waiting *waiting;
    size_t n_waiting;
    struct search search;
};

/* ---- answering ---- */

static void reply(struct desk *d, uint64_t token, const char *type, struct slice payload)
{
    fold_question(d->fold, type, payload, &d->reply);
    const struct answer_event *e = &d->reply.events[0];
    if (e->type == &core__request_refused__descriptor) {
        Core__RequestRefused *refused =
            core__request_refused__unpack(NULL, e->payload.size, e->payload.data);
        assert(refused);
        chancery_answer_refused(d->client, token, refused->code, refused->text, refused->field);
        core__request_refused__free_unpacked(refused, NULL);
    } else {
        chancery_answer(d->client, token, e->type->name, e->payload.data, e->payload.size, d->came,
                        e->label);
    }
}

static void refuse(struct desk *d, uint64_t token)
{
    chancery_answer_refused(d->client, token, err_code(ERR_FOLDING), err_text(ERR_FOLDING), "");
}

static void waiting_free(struct desk *d, struct waiting *w)
{
    d->n_waiting--;
    mem_free(w->type);
    buf_free(&w->payload);
    mem_free(w);
}

/* ---- how far the log is known ---- */

static void came(struct desk *d, uint64_t position)
{
    const struct search *s = &d->search;

    if (position > d->came)
        d->came = position;
    if (d->came >= s->last && d->came < s->found)
        d->came = s->found;
}

static int on_found(void *arg, const struct chancery_record *record)
{
    struct desk *d = arg;

    d->search.last = record->position;
    return 1;
}

static void serve(struct desk *d);

static void on_searched(void *arg, int err, const char *text)
{
    struct desk *d = arg;

    (void)text;
    d->search.reading = NULL;
    if (err) /* too many readings are open: who asked is refused when the patience ends */
        return;
    d->search.found = d->search.until;
    serve(d);
}

/* The lowest position that is waited for and not reached; 0 = none. */
static uint64_t wanted(const struct desk *d)
{
    uint64_t least = 0;

    for (const struct waiting *w = d->waiting; w; w = w->next)
        if (w->at_least > d->came && (!least || w->at_least < least))
            least = w->at_least;
    return least;
}

static void search(struct desk *d)
{
    struct search *s = &d->search;
    uint64_t until = wanted(d);
    const struct chancery_read_options options = {
        .from = d->came + 1,
        .until = until,
        .streams = d->worker->reads,
        .record = on_found,
        .ended = on_searched,
        .arg = d,
    };

    if (s->reading && s->until == until)
        return;
    chancery_read_cancel(s->reading);
    s->reading = NULL;
    if (until <= s->found)
        return;
    *s = (struct search){.until = until};
    chancery_read(d->client, &options, &s->reading); /* refused only when the client is closing */
}

/* ---- serving ---- */

static void serve(struct desk *d)
{
    struct waiting **at = &d->waiting;

    came(d, d->came);
    while (*at && d->state == DESK_OPEN) {
        struct waiting *w = *at;
        if (w->at_least > d->came) {
            at = &w->next;
            continue;
        }
        reply(d, w->token, w->type, slice_buf(&w->payload));
        *at = w->next;
        waiting_free(d, w);
    }
    search(d);
}

static void on_question(void *arg, const struct chancery_question *q)
{
    struct desk *d = arg;

    if (d->state == DESK_OPEN && q->at_least <= d->came) {
        reply(d, q->token, q->type, slice_of(q->payload, q->size));
        return;
    }
    if (d->state == DESK_FOLDING || d->n_waiting == QUESTIONS_MOST) {
        refuse(d, q->token);
        return;
    }
    struct waiting *w = mem_new(sizeof *w);
    *w = (struct waiting){.token = q->token,
                          .at_least = q->at_least,
                          .type = mem_str(q->type),
                          .deadline = uv_now(d->loop) + PATIENCE,
                          .next = d->waiting};
    buf_add(&w->payload, q->payload, q->size);
    d->waiting = w;
    d->n_waiting++;
    search(d);
}

void desk_came(struct desk *d, uint64_t position)
{
    came(d, position);
}

void desk_turn(struct desk *d, enum desk_state state)
{
    d->state = state;
    serve(d);
}

void desk_tick(struct desk *d)
{
    for (struct waiting **at = &d->waiting; *at;) {
        struct waiting *w = *at;
        if (uv_now(d->loop) < w->deadline) {
            at = &w->next;
            continue;
        }
        refuse(d, w->token);
        *at = w->next;
        waiting_free(d, w);
    }
    search(d);
}

/* ---- life ---- */

struct desk *desk_new(const struct worker *w, const struct fold *fold, struct chancery *client,
                      uv_loop_t *loop)
{
    struct desk *d = mem_new(sizeof *d);

    *d = (struct desk){.worker = w, .fold = fold, .client = client, .loop = loop};
    answers_init(&d->reply, REPLY_ARENA, w->out);
    int rc = chancery_offer(client, w->name, on_question, d);
    assert(rc == 0);
    (void)rc;
    return d;
}

void desk_free(struct desk *d)
{
    if (!d)
        return;
    while (d->waiting) {
        struct waiting *w = d->waiting;
        d->waiting = w->next;
        waiting_free(d, w);
    }
    answers_clear(&d->reply);
    mem_free(d);
}
