/* SPDX-License-Identifier: Apache-2.0 */
/* client_sign.c - where the seat stands in its streams, and signing what follows
 *
 * A tail is asked for once and then follows what is signed here, until it turns out to be wrong.
 */
#include <stdio.h>

#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

/* ---- where the seat stands ---- */

struct tail *tail_of(struct publishing *p, const char *stream)
{
    struct tail *t = p->tails;

    while (t && strcmp(t->stream, stream) != 0)
        t = t->next;
    if (t)
        return t;
    t = mem_new(sizeof *t);
    snprintf(t->stream, sizeof t->stream, "%s", stream);
    t->next = p->tails;
    p->tails = t;
    return t;
}

/* Follows an envelope that is signed. */
static void tail_set(struct tail *t, uint64_t seat_seq, struct slice envelope)
{
    t->known = true;
    t->seat_seq = seat_seq;
    hash_sha256(&t->envelope_hash, envelope);
}

void tails_forget(struct publishing *p)
{
    for (struct tail *t = p->tails; t; t = t->next)
        t->known = false;
}

struct ask_tail {
    struct request request;
    char stream[65];
};

static void on_tail(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                    const Core__Refused *refused)
{
    struct ask_tail *ask = (struct ask_tail *)q;
    struct tail *t = tail_of(&c->publishing, ask->stream);

    t->asked = false;
    if (answer && answer->body_case == CORE__FRAME__BODY_TAIL) {
        const Core__Tail *tail = answer->tail;
        t->known = true;
        t->seat_seq = tail->seat_seq;
        if (tail->envelope_hash.len == HASH_SIZE)
            memcpy(t->envelope_hash.bytes, tail->envelope_hash.data, HASH_SIZE);
    } else if (!c->closing) {
        publishing_no_tail(c, ask->stream, err ? err : ERR_MALFORMED, refused);
    }
    client_soon(c);
    request_free(q);
}

static void tail_ask(struct chancery *c, struct tail *t)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;

    if (t->asked)
        return;
    t->asked = true;
    struct ask_tail *ask = mem_new(sizeof *ask);
    memcpy(ask->stream, t->stream, sizeof ask->stream);
    ask->request.done = on_tail;
    get.stream = t->stream;
    frame.body_case = CORE__FRAME__BODY_GET_TAIL;
    frame.get_tail = &get;
    request_start(c, &ask->request, &frame);
}

bool tails_known(struct chancery *c, const struct batch *b)
{
    bool known = true;

    for (size_t i = 0; i < b->n; i++) {
        struct tail *t = tail_of(&c->publishing, b->envelopes[i]->stream);
        if (t->known)
            continue;
        tail_ask(c, t);
        known = false;
    }
    return known;
}

/* ---- signing ---- */

static void pack_envelope(struct chancery *c, Core__Envelope *e, struct buf *out)
{
    struct tail *t = tail_of(&c->publishing, e->stream);
    const struct chancery_session *s = &c->session;

    e->log = s->log;
    e->seat = s->seat;
    e->office = s->office;
    if (e->mode == CORE__MODE__MODE_UNSPECIFIED)
        e->mode = s->mode == CORE__MODE__MODE_EXERCISE ? CORE__MODE__MODE_EXERCISE
                                                       : CORE__MODE__MODE_ACTUAL;
    e->seat_seq = t->seat_seq + 1;
    e->previous = (ProtobufCBinaryData){t->seat_seq ? HASH_SIZE : 0, t->envelope_hash.bytes};
    core__envelope__pack(e, buf_grow(out, core__envelope__get_packed_size(e)));
    e->previous = (ProtobufCBinaryData){0};
    tail_set(t, e->seat_seq, slice_buf(out));
}

int sign_batch(struct chancery *c, struct batch *b)
{
    struct publishing *p = &c->publishing;
    struct slice envelopes[BATCH_MOST], events[BATCH_MOST];

    for (size_t i = 0; i < b->n; i++) {
        buf_reset(&p->packed[i]);
        pack_envelope(c, b->envelopes[i], &p->packed[i]);
        envelopes[i] = slice_buf(&p->packed[i]);
    }
    int rc = sign_events(&c->key, envelopes, b->n, p->signed_events);
    if (rc)
        return rc;
    for (size_t i = 0; i < b->n; i++)
        events[i] = slice_buf(&p->signed_events[i]);
    b->ref = client_ref(c);
    batch_pack(b, events, b->payloads);
    return 0;
}

/* ---- the caller's question for a tail ---- */

struct caller_tail {
    struct request request;
    void (*done)(void *arg, int err, uint64_t seat_seq, uint64_t position);
    void *arg;
};

static void on_caller_tail(struct chancery *c, struct request *q, const Core__Frame *answer,
                           int err, const Core__Refused *refused)
{
    struct caller_tail *ask = (struct caller_tail *)q;

    (void)refused;
    if (!c->closing && answer && answer->body_case == CORE__FRAME__BODY_TAIL)
        ask->done(ask->arg, 0, answer->tail->seat_seq, answer->tail->position);
    else if (!c->closing)
        ask->done(ask->arg, err ? err : ERR_MALFORMED, 0, 0);
    request_free(q);
}

int chancery_tail(struct chancery *c, const char *stream,
                  void (*done)(void *arg, int err, uint64_t seat_seq, uint64_t position), void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;

    if (c->closing)
        return ERR_CANCELLED;
    if (!stream || !stream_valid(stream))
        return ERR_FIELD;
    struct caller_tail *ask = mem_new(sizeof *ask);
    ask->request.done = on_caller_tail;
    ask->done = done;
    ask->arg = arg;
    get.stream = stream;
    frame.body_case = CORE__FRAME__BODY_GET_TAIL;
    frame.get_tail = &get;
    request_start(c, &ask->request, &frame);
    return 0;
}
