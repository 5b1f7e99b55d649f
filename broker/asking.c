/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/asking.h"

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { BUCKETS = 1024 };

struct offer {
    struct offer *next;
    char *service;
    struct peer *by;
};

struct question {
    struct question *next, **link; /* by age */
    struct question *same;         /* in its bucket */
    uint64_t token, ref;           /* the answerer's number for it, and the asker's */
    struct peer *asker, *at;       /* `at` NULL: nobody takes it yet */
    char *service, *type;
    struct buf frame; /* the packed Question, for another one */
    int64_t deadline;
};

struct asking {
    const struct registry *registry;
    struct offer *offers; /* the one whose turn it is comes first */
    struct question *questions, **end;
    struct question *buckets[BUCKETS]; /* by token */
    size_t waiting;                    /* questions that nobody takes yet */
    struct asking_totals totals;
};

struct asking *asking_new(const struct registry *registry)
{
    struct asking *a = mem_new(sizeof *a);

    a->registry = registry;
    a->end = &a->questions;
    return a;
}

static void question_add(struct asking *a, struct question *q)
{
    struct question **bucket = &a->buckets[q->token % BUCKETS];

    q->link = a->end;
    *a->end = q;
    a->end = &q->next;
    q->same = *bucket;
    *bucket = q;
    q->asker->use->asks++;
    a->waiting++;
}

static void question_free(struct asking *a, struct question *q)
{
    struct question **at = &a->buckets[q->token % BUCKETS];

    while (*at != q)
        at = &(*at)->same;
    *at = q->same;
    *q->link = q->next;
    if (q->next)
        q->next->link = q->link;
    else
        a->end = q->link;
    if (!q->at)
        a->waiting--;
    q->asker->use->asks--;
    buf_free(&q->frame);
    mem_free(q->service);
    mem_free(q->type);
    mem_free(q);
}

static void offer_free(struct offer *o)
{
    mem_free(o->service);
    mem_free(o);
}

void asking_free(struct asking *a)
{
    while (a->questions)
        question_free(a, a->questions);
    while (a->offers) {
        struct offer *o = a->offers;
        a->offers = o->next;
        offer_free(o);
    }
    mem_free(a);
}

/* ---- offering ---- */

struct may_offer {
    const struct registry *registry;
    const struct seat *seat;
    const char *service;
    bool may;
};

/* A type's pattern matches itself: so an offer stands when there is a type it may answer. */
static void may_offer_by(void *arg, const Core__AccessRule *rule)
{
    struct may_offer *m = arg;

    m->may = m->may ||
             access_allows(m->registry, m->seat, CORE__VERB__VERB_OFFER, m->service, rule->type);
}

static size_t offers_of(const struct asking *a, const struct peer *p, const char *service,
                        bool *known)
{
    size_t n = 0;

    *known = false;
    for (const struct offer *o = a->offers; o; o = o->next) {
        if (o->by != p)
            continue;
        n++;
        if (strcmp(o->service, service) == 0)
            *known = true;
    }
    return n;
}

static void offer_last(struct asking *a, struct offer *o)
{
    struct offer **at = &a->offers;

    while (*at)
        at = &(*at)->next;
    o->next = NULL;
    *at = o;
}

int asking_offer(struct asking *a, struct peer *p, const char *service, struct refusal *why)
{
    struct may_offer m = {a->registry, p->key->seat, service, false};
    bool known;

    if (!stream_valid(service))
        return refuse(why, ERR_FIELD, "service", "a service is named [a-z0-9.-]{1,64}");
    if (p->by.through)
        return refuse(why, ERR_DENIED, "service", "nothing is offered in a delegated session");
    registry_each_rule(a->registry, may_offer_by, &m);
    if (!m.may)
        return refuse(why, ERR_DENIED, "service",
                      "no access rule lets %s offer %s; ask an administrator", p->key->seat->name,
                      service);
    size_t n = offers_of(a, p, service, &known);
    if (known)
        return 0;
    if (n == SERVICES_OF_PEER)
        return refuse(why, ERR_BOUNDS, "service", "a session offers at most %d services",
                      SERVICES_OF_PEER);
    struct offer *o = mem_new(sizeof *o);
    o->service = mem_str(service);
    o->by = p;
    offer_last(a, o);
    return 0;
}

/* ---- asking ---- */

static int hand_to(const struct question *q, struct peer *p)
{
    zmq_msg_t message;

    zmq_msg_init_size(&message, q->frame.size);
    memcpy(zmq_msg_data(&message), q->frame.data, q->frame.size);
    int rc = peer_try(p, &message);
    if (rc)
        zmq_msg_close(&message);
    return rc;
}

static bool may_answer(const struct asking *a, const struct offer *o, const struct question *q)
{
    return !o->by->gone && !o->by->retry && strcmp(o->service, q->service) == 0 &&
           access_allows(a->registry, o->by->key->seat, CORE__VERB__VERB_OFFER, q->service,
                         q->type);
}

/* A question that waits, to the first in the row that takes it; it then stands last. */
static void hand(struct asking *a, struct question *q)
{
    for (struct offer **at = &a->offers; *at; at = &(*at)->next) {
        struct offer *o = *at;
        if (!may_answer(a, o, q) || hand_to(q, o->by) != 0)
            continue;
        q->at = o->by;
        a->waiting--;
        *at = o->next;
        offer_last(a, o);
        return;
    }
}

static void pack(struct question *q, const Core__Ask *ask)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Question question = CORE__QUESTION__INIT;
    const struct seat *seat = q->asker->by.seat;

    question.service = ask->service;
    question.type = ask->type;
    question.payload = ask->payload;
    question.at_least = ask->at_least;
    question.seat = seat->name;
    question.office = seat->office->name;
    frame.ref = q->token;
    frame.body_case = CORE__FRAME__BODY_QUESTION;
    frame.question = &question;
    core__frame__pack(&frame, buf_grow(&q->frame, core__frame__get_packed_size(&frame)));
}

static int check(const struct asking *a, const struct peer *p, const Core__Ask *ask,
                 struct refusal *why)
{
    char name[MANDATE_NAME];

    if (!stream_valid(ask->service))
        return refuse(why, ERR_FIELD, "service", "a service is named [a-z0-9.-]{1,64}");
    if (!type_valid(ask->type))
        return refuse(why, ERR_FIELD, "type", "a type is named [A-Za-z0-9._]{1,128}");
    if (ask->payload.len > QUESTION_MOST)
        return refuse(why, ERR_BOUNDS, "payload", "a question has at most %d bytes", QUESTION_MOST);
    if (ask->patience_ms < 1 || ask->patience_ms > 60000)
        return refuse(why, ERR_FIELD, "patience_ms", "patience is 1 to 60000 milliseconds");
    if (!mandate_allows(a->registry, &p->by, CORE__VERB__VERB_ASK, ask->service, ask->type))
        return refuse(why, ERR_DENIED, "service",
                      "no access rule lets %s ask %s for %s; ask an administrator",
                      mandate_name(&p->by, name), ask->service, ask->type);
    if (p->use->asks == ASKS_OF_SEAT)
        return refuse(why, ERR_BUSY, "", "the seat has %d questions open; await an answer",
                      ASKS_OF_SEAT);
    return 0;
}

int asking_ask(struct asking *a, struct peer *p, uint64_t ref, const Core__Ask *ask, int64_t now,
               struct refusal *why)
{
    int rc = check(a, p, ask, why);

    if (rc)
        return rc;
    struct question *q = mem_new(sizeof *q);
    q->token = ++a->totals.asked;
    q->ref = ref;
    q->asker = p;
    q->service = mem_str(ask->service);
    q->type = mem_str(ask->type);
    q->deadline = now + (int64_t)ask->patience_ms * 1000;
    question_add(a, q);
    pack(q, ask);
    hand(a, q);
    return 0;
}

/* ---- answering ---- */

static struct question *find(struct asking *a, uint64_t token, const struct peer *at)
{
    struct question *q = a->buckets[token % BUCKETS];

    while (q && q->token != token)
        q = q->same;
    return q && q->at == at ? q : NULL;
}

static int check_answer(const struct asking *a, const struct question *q,
                        const Core__Answer *answer, struct refusal *why)
{
    const struct mandate *asker = &q->asker->by;
    char name[MANDATE_NAME];

    if (answer->refused && answer->refused->code[0])
        return 0; /* a refusal carries nothing but words */
    if (answer->payload.len > ANSWER_MOST)
        return refuse(why, ERR_BOUNDS, "payload", "the answer has more than %d bytes", ANSWER_MOST);
    if (!mandate_handling(a->registry, asker, answer->handling, q->at->by.seat->office->name))
        return refuse(why, ERR_HANDLING, "handling", "the answer's label does not name %s",
                      mandate_name(asker, name));
    return 0;
}

void asking_answer(struct asking *a, struct peer *p, uint64_t token, Core__Answer *answer,
                   int64_t log_now)
{
    Core__Frame frame = CORE__FRAME__INIT;
    struct question *q = find(a, token, p);
    struct refusal why = {0};

    if (!q) /* too late, or never asked */
        return;
    why.stream = q->service;
    why.type = q->type;
    a->totals.answered++;
    if (check_answer(a, q, answer, &why)) {
        peer_refuse(q->asker, q->ref, &why, log_now);
    } else {
        frame.ref = q->ref;
        frame.body_case = CORE__FRAME__BODY_ANSWER;
        frame.answer = answer;
        peer_send(q->asker, &frame);
    }
    question_free(a, q);
}

static void give_up(struct asking *a, struct question *q, int64_t log_now)
{
    struct refusal why = {.stream = q->service, .type = q->type};

    refuse(&why, q->at ? ERR_TIMEOUT : ERR_SERVICE, "service",
           q->at ? "%s did not answer in time; ask again"
                 : "nobody offers %s now; is its worker running?",
           q->service);
    peer_refuse(q->asker, q->ref, &why, log_now);
    question_free(a, q);
}

void asking_tick(struct asking *a, int64_t now, int64_t log_now)
{
    for (struct question *q = a->questions, *next; q; q = next) {
        next = q->next;
        if (q->deadline <= now)
            give_up(a, q, log_now);
    }
    asking_go_on(a);
}

void asking_go_on(struct asking *a)
{
    for (struct question *q = a->questions; q && a->waiting; q = q->next)
        if (!q->at)
            hand(a, q);
}

void asking_left(struct asking *a, struct peer *p)
{
    for (struct offer **at = &a->offers; *at;) {
        struct offer *o = *at;
        if (o->by != p) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        offer_free(o);
    }
    for (struct question *q = a->questions, *next; q; q = next) {
        next = q->next;
        if (q->asker == p) {
            question_free(a, q);
            continue;
        }
        if (q->at != p)
            continue;
        q->at = NULL;
        a->waiting++;
    }
    asking_go_on(a);
}

unsigned asking_at(const struct asking *a, const struct seat_use *use)
{
    unsigned n = 0;

    for (const struct question *q = a->questions; q; q = q->next)
        n += q->at && q->at->use == use;
    return n;
}

const struct asking_totals *asking_totals(const struct asking *a)
{
    return &a->totals;
}

void asking_services(const struct asking *a, const struct seat_use *use, struct buf *out)
{
    for (const struct offer *o = a->offers; o; o = o->next) {
        if (o->by->use != use)
            continue;
        if (out->size)
            buf_add_byte(out, ' ');
        buf_add_str(out, o->service);
    }
}
