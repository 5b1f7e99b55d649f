/* SPDX-License-Identifier: Apache-2.0 */
/* client_ask.c - questions asked and answered, and the small requests: head and status
 *
 * A question that came in an earlier session has no one waiting any more: its token is forgotten
 * when the next one begins, and an answer to it goes nowhere.
 */
#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    PATIENCE_MOST = 60000,
    GRACE = 1000
}; /* ms: the broker knows why better, so it speaks first */

struct offer {
    struct offer *next;
    char *service;
    void (*asked)(void *arg, const struct chancery_question *q);
    void *arg;
    uint64_t ref;
};

struct question { /* handed to the caller, not answered yet */
    struct question *next;
    uint64_t token, ref;
    uint64_t came; /* ms of the loop's clock */
};

/* ---- asking ---- */

struct ask {
    struct request request;
    chancery_answered *done;
    void *arg;
};

static void ask_refused(const struct ask *ask, int err, const char *code, const char *text)
{
    ask->done(ask->arg, err, code, text, "", NULL, 0, 0);
}

static void on_answered(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                        const Core__Refused *refused)
{
    struct ask *ask = (struct ask *)q;

    if (!c->closing && refused) {
        ask_refused(ask, err, refused->code, refused->text);
    } else if (!c->closing && err) {
        ask_refused(ask, err, err_code(err), err_text(err));
    } else if (!c->closing && answer->body_case != CORE__FRAME__BODY_ANSWER) {
        ask_refused(ask, ERR_MALFORMED, err_code(ERR_MALFORMED), err_text(ERR_MALFORMED));
    } else if (!c->closing) {
        const Core__Answer *a = answer->answer;
        if (a->refused && a->refused->code[0])
            ask_refused(ask, err_of_code(a->refused->code), a->refused->code, a->refused->text);
        else
            ask->done(ask->arg, 0, "", "", a->type, a->payload.data, a->payload.len, a->as_of);
    }
    request_free(q);
}

int chancery_ask(struct chancery *c, const char *service, const char *type, const void *payload,
                 size_t size, uint64_t at_least, int64_t patience, chancery_answered *done,
                 void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Ask body = CORE__ASK__INIT;
    int64_t ms = (patience + 999) / 1000;

    if (c->closing)
        return ERR_CANCELLED;
    if (size > QUESTION_MOST)
        return ERR_BOUNDS;
    if (!service || !stream_valid(service) || !type || !type_valid(type))
        return ERR_FIELD;
    struct ask *ask = mem_new(sizeof *ask);
    ask->done = done;
    ask->arg = arg;
    ask->request.done = on_answered;
    ms = ms < 1 ? 1 : ms > PATIENCE_MOST ? PATIENCE_MOST : ms;
    ask->request.deadline = uv_now(c->loop) + (uint64_t)ms + GRACE;
    body.service = service;
    body.type = type;
    body.payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)payload};
    body.at_least = at_least;
    body.patience_ms = (uint32_t)ms;
    frame.body_case = CORE__FRAME__BODY_ASK;
    frame.ask = &body;
    request_start(c, &ask->request, &frame);
    return 0;
}

/* ---- offering ---- */

static void offer_say(struct chancery *c, struct offer *o)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Offer body = CORE__OFFER__INIT;

    o->ref = frame.ref = client_ref(c);
    body.service = o->service;
    frame.body_case = CORE__FRAME__BODY_OFFER;
    frame.offer = &body;
    client_send(c, &frame);
}

int chancery_offer(struct chancery *c, const char *service,
                   void (*asked)(void *arg, const struct chancery_question *q), void *arg)
{
    if (c->closing)
        return ERR_CANCELLED;
    if (!service || !stream_valid(service))
        return ERR_FIELD;
    struct offer *o = mem_new(sizeof *o);
    o->service = mem_str(service);
    o->asked = asked;
    o->arg = arg;
    o->next = c->offers;
    c->offers = o;
    offer_say(c, o);
    return 0;
}

static void questions_drop(struct chancery *c)
{
    while (c->questions) {
        struct question *q = c->questions;
        c->questions = q->next;
        mem_free(q);
    }
}

void asking_resume(struct chancery *c)
{
    questions_drop(c);
    for (struct offer *o = c->offers; o; o = o->next)
        offer_say(c, o);
}

void asking_close(struct chancery *c)
{
    questions_drop(c);
    while (c->offers) {
        struct offer *o = c->offers;
        c->offers = o->next;
        mem_free(o->service);
        mem_free(o);
    }
}

void asking_offered(struct chancery *c, const Core__Frame *f)
{
    for (const struct offer *o = c->offers; o; o = o->next)
        if (o->ref == f->ref)
            log_debug("client.offered", "service=%s", o->service);
}

bool asking_refused(struct chancery *c, const Core__Frame *f)
{
    for (const struct offer *o = c->offers; o; o = o->next)
        if (o->ref == f->ref) {
            log_error("client.offer", "the offer is refused service=%s code=%s text=%s", o->service,
                      f->refused->code, f->refused->text);
            return true;
        }
    return false;
}

/* Nobody waits longer than PATIENCE_MOST: what is older was never answered by the caller. */
static void questions_expire(struct chancery *c)
{
    uint64_t now = uv_now(c->loop);
    struct question **at = &c->questions;

    while (*at) {
        struct question *q = *at;
        if (now - q->came <= 2 * PATIENCE_MOST) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        mem_free(q);
    }
}

void asking_question(struct chancery *c, const Core__Frame *f)
{
    const Core__Question *body = f->question;
    struct offer *o = c->offers;

    while (o && strcmp(o->service, body->service) != 0)
        o = o->next;
    if (!o)
        return;
    questions_expire(c);
    struct question *q = mem_new(sizeof *q);
    q->token = ++c->last_token;
    q->ref = f->ref;
    q->came = uv_now(c->loop);
    q->next = c->questions;
    c->questions = q;
    o->asked(o->arg, &(struct chancery_question){.token = q->token,
                                                 .service = body->service,
                                                 .type = body->type,
                                                 .seat = body->seat,
                                                 .office = body->office,
                                                 .payload = body->payload.data,
                                                 .size = body->payload.len,
                                                 .at_least = body->at_least});
}

/* Sends the answer to the question that has the token, if it is still asked. */
static void answer_send(struct chancery *c, uint64_t token, Core__Answer *answer)
{
    Core__Frame frame = CORE__FRAME__INIT;
    struct question **at = &c->questions;

    while (*at && (*at)->token != token)
        at = &(*at)->next;
    struct question *q = *at;
    if (!q)
        return;
    *at = q->next;
    frame.ref = q->ref;
    frame.body_case = CORE__FRAME__BODY_ANSWER;
    frame.answer = answer;
    client_send(c, &frame);
    mem_free(q);
}

void chancery_answer(struct chancery *c, uint64_t token, const char *type, const void *payload,
                     size_t size, uint64_t as_of, int label)
{
    Core__Answer answer = CORE__ANSWER__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;

    if (size > ANSWER_MOST) {
        chancery_answer_refused(c, token, err_code(ERR_BOUNDS), "the answer is too large", "");
        return;
    }
    handling.label = label ? (Core__Label)label : CORE__LABEL__LABEL_GREEN;
    answer.type = type;
    answer.payload = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)payload};
    answer.as_of = as_of;
    answer.handling = &handling;
    answer_send(c, token, &answer);
}

void chancery_answer_refused(struct chancery *c, uint64_t token, const char *code, const char *text,
                             const char *field)
{
    Core__Answer answer = CORE__ANSWER__INIT;
    Core__Refused refused = CORE__REFUSED__INIT;

    refused.code = code;
    refused.text = text ? text : "";
    refused.field = field ? field : "";
    answer.refused = &refused;
    answer_send(c, token, &answer);
}

/* ---- head and status ---- */

struct ask_head {
    struct request request;
    void (*done)(void *arg, int err, uint64_t head, const char *checkpoint);
    void *arg;
};

static void on_head(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                    const Core__Refused *refused)
{
    struct ask_head *ask = (struct ask_head *)q;

    (void)refused;
    if (!c->closing && answer && answer->body_case == CORE__FRAME__BODY_HEAD) {
        const Core__Head *h = answer->head;
        char *note = mem_strn(h->checkpoint.data, h->checkpoint.len);
        ask->done(ask->arg, 0, h->head, note);
        mem_free(note);
    } else if (!c->closing) {
        ask->done(ask->arg, err ? err : ERR_MALFORMED, 0, "");
    }
    request_free(q);
}

int chancery_head(struct chancery *c,
                  void (*done)(void *arg, int err, uint64_t head, const char *checkpoint),
                  void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetHead body = CORE__GET_HEAD__INIT;

    if (c->closing)
        return ERR_CANCELLED;
    struct ask_head *ask = mem_new(sizeof *ask);
    ask->request.done = on_head;
    ask->done = done;
    ask->arg = arg;
    frame.body_case = CORE__FRAME__BODY_GET_HEAD;
    frame.get_head = &body;
    request_start(c, &ask->request, &frame);
    return 0;
}

struct ask_packed { /* the answer is handed on packed */
    struct request request;
    Core__Frame__BodyCase body;
    void (*done)(void *arg, int err, const char *text, const void *answer, size_t size);
    void *arg;
};

static const ProtobufCMessage *body_of(const Core__Frame *answer)
{
    if (answer->body_case == CORE__FRAME__BODY_PROOF)
        return &answer->proof->base;
    return answer->body_case == CORE__FRAME__BODY_STATUS ? &answer->status->base
                                                         : &answer->registry->base;
}

static void on_packed(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                      const Core__Refused *refused)
{
    struct ask_packed *ask = (struct ask_packed *)q;

    if (!c->closing && answer && answer->body_case == ask->body) {
        const ProtobufCMessage *body = body_of(answer);
        struct buf packed = {0};
        protobuf_c_message_pack(body, buf_grow(&packed, protobuf_c_message_get_packed_size(body)));
        ask->done(ask->arg, 0, "", packed.data, packed.size);
        buf_free(&packed);
    } else if (!c->closing) {
        err = err ? err : ERR_MALFORMED;
        ask->done(ask->arg, err, refused ? refused->text : err_text(err), NULL, 0);
    }
    request_free(q);
}

static int ask_packed(struct chancery *c, Core__Frame *frame, Core__Frame__BodyCase body,
                      void (*done)(void *arg, int err, const char *text, const void *answer,
                                   size_t size),
                      void *arg)
{
    if (c->closing)
        return ERR_CANCELLED;
    struct ask_packed *ask = mem_new(sizeof *ask);
    ask->request.done = on_packed;
    ask->body = body;
    ask->done = done;
    ask->arg = arg;
    request_start(c, &ask->request, frame);
    return 0;
}

int chancery_status(struct chancery *c,
                    void (*done)(void *arg, int err, const char *text, const void *status,
                                 size_t size),
                    void *arg)
{
    Core__GetStatus get = CORE__GET_STATUS__INIT;
    Core__Frame frame = CORE__FRAME__INIT;

    frame.body_case = CORE__FRAME__BODY_GET_STATUS;
    frame.get_status = &get;
    return ask_packed(c, &frame, CORE__FRAME__BODY_STATUS, done, arg);
}

int chancery_registry(struct chancery *c,
                      void (*done)(void *arg, int err, const char *text, const void *registry,
                                   size_t size),
                      void *arg)
{
    Core__GetRegistry get = CORE__GET_REGISTRY__INIT;
    Core__Frame frame = CORE__FRAME__INIT;

    frame.body_case = CORE__FRAME__BODY_GET_REGISTRY;
    frame.get_registry = &get;
    return ask_packed(c, &frame, CORE__FRAME__BODY_REGISTRY, done, arg);
}

int chancery_proof(struct chancery *c, uint64_t position,
                   void (*done)(void *arg, int err, const char *text, const void *proof,
                                size_t size),
                   void *arg)
{
    Core__GetProof get = CORE__GET_PROOF__INIT;
    Core__Frame frame = CORE__FRAME__INIT;

    get.position = position;
    frame.body_case = CORE__FRAME__BODY_GET_PROOF;
    frame.get_proof = &get;
    return ask_packed(c, &frame, CORE__FRAME__BODY_PROOF, done, arg);
}

struct ask_access {
    struct request request;
    void (*done)(void *arg, int err, bool allowed, const char *rule, const char *reason);
    void *arg;
};

static void on_access(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                      const Core__Refused *refused)
{
    struct ask_access *ask = (struct ask_access *)q;

    if (!c->closing && answer && answer->body_case == CORE__FRAME__BODY_ACCESS) {
        const Core__Access *a = answer->access;
        ask->done(ask->arg, 0, a->allowed, a->rule, a->reason);
    } else if (!c->closing) {
        err = err ? err : ERR_MALFORMED;
        ask->done(ask->arg, err, false, "", refused ? refused->text : err_text(err));
    }
    request_free(q);
}

int chancery_may(struct chancery *c, const struct chancery_access *question,
                 void (*done)(void *arg, int err, bool allowed, const char *rule,
                              const char *reason),
                 void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetAccess body = CORE__GET_ACCESS__INIT;

    if (c->closing)
        return ERR_CANCELLED;
    struct ask_access *ask = mem_new(sizeof *ask);
    ask->request.done = on_access;
    ask->done = done;
    ask->arg = arg;
    body.seat = question->seat;
    body.verb = (Core__Verb)question->verb;
    body.stream = question->stream;
    body.type = question->type ? question->type : "";
    body.label = (Core__Label)question->label;
    body.through = question->through ? question->through : "";
    frame.body_case = CORE__FRAME__BODY_GET_ACCESS;
    frame.get_access = &body;
    request_start(c, &ask->request, &frame);
    return 0;
}
