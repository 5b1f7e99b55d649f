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

struct desk {
    const struct worker *worker;
    const struct fold *fold;
    struct chancery *client;
    uv_loop_t *loop;
    struct answers reply;
    bool folding;
    uint64_t folded;
    struct waiting *waiting;
    size_t n_waiting;
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
        chancery_answer(d->client, token, e->type->name, e->payload.data, e->payload.size,
                        d->folded, e->label);
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

/* ---- serving ---- */

static void serve(struct desk *d)
{
    for (struct waiting **at = &d->waiting; *at;) {
        struct waiting *w = *at;
        if (w->at_least > d->folded) {
            at = &w->next;
            continue;
        }
        reply(d, w->token, w->type, slice_buf(&w->payload));
        *at = w->next;
        waiting_free(d, w);
    }
}

static void on_question(void *arg, const struct chancery_question *q)
{
    struct desk *d = arg;

    if (d->folding || d->n_waiting == QUESTIONS_MOST) {
        refuse(d, q->token);
        return;
    }
    if (q->at_least <= d->folded) {
        reply(d, q->token, q->type, slice_of(q->payload, q->size));
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
}

void desk_turn(struct desk *d, bool folding, uint64_t folded)
{
    d->folding = folding;
    d->folded = folded;
    if (!folding)
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
}

/* ---- life ---- */

struct desk *desk_new(const struct worker *w, const struct fold *fold, struct chancery *client,
                      uv_loop_t *loop)
{
    struct desk *d = mem_new(sizeof *d);

    *d = (struct desk){.worker = w, .fold = fold, .client = client, .loop = loop, .folding = true};
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
