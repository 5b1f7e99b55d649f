/* SPDX-License-Identifier: Apache-2.0 */
/* handle.c - one handler a kind of frame, in one table */
#include "broker/inside.h"
#include "lib/err.h"
#include "lib/scan.h"

typedef void handle(const struct call *c);

static void on_ping(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Pong pong = broker_pong(c->b);

    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_PONG;
    frame.pong = &pong;
    peer_send(c->peer, &frame);
}

static void on_publish(const struct call *c)
{
    publish_take(c->b->publishing, c->peer, c->frame->ref, c->arena, c->frame->publish, c->size);
}

int handle_check_publishes(const struct call *c, struct refusal *why)
{
    char name[MANDATE_NAME];

    return mandate_is_for(&c->peer->by, CORE__VERB__VERB_PUBLISH)
               ? 0
               : refuse(why, ERR_DENIED, "", "nothing is published as %s",
                        mandate_name(&c->peer->by, name));
}

static void on_get_tail(const struct call *c)
{
    struct refusal why = {0};
    int rc = handle_check_publishes(c, &why);

    if (rc == 0 && !stream_valid(c->frame->get_tail->stream))
        rc = refuse(&why, ERR_FIELD, "stream", "a stream is named [a-z0-9.-]{1,64}");
    if (rc)
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
    else
        publish_tail(c->b->publishing, c->peer, c->frame->ref, c->arena,
                     c->frame->get_tail->stream);
}

static void on_read(const struct call *c)
{
    struct refusal why = {0};

    if (deliver_read(c->b->deliver, c->peer, c->frame->ref, c->frame->read, &why))
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
}

static void on_credit(const struct call *c)
{
    deliver_credit(c->b->deliver, c->peer, c->frame->ref, c->frame->credit);
}

static void on_cancel(const struct call *c)
{
    deliver_cancel(c->b->deliver, c->peer, c->frame->ref);
}

static void on_offer(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Offered offered = CORE__OFFERED__INIT;
    struct refusal why = {0};

    if (asking_offer(c->b->asking, c->peer, c->frame->offer->service, &why)) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_OFFERED;
    frame.offered = &offered;
    peer_send(c->peer, &frame);
    asking_go_on(c->b->asking);
}

static void on_ask(const struct call *c)
{
    struct refusal why = {.stream = c->frame->ask->service, .type = c->frame->ask->type};

    if (asking_ask(c->b->asking, c->peer, c->frame->ref, c->frame->ask, peer_clock(), &why))
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
}

static void on_answer(const struct call *c)
{
    asking_answer(c->b->asking, c->peer, c->frame->ref, c->frame->answer, broker_now(c->b));
}

static void on_get_head(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Head head = CORE__HEAD__INIT;
    const struct buf *note = signer_note(c->b->signer);

    head.head = journal_head(c->b->journal);
    head.checkpoint = (ProtobufCBinaryData){note->size, note->data};
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_HEAD;
    frame.head = &head;
    peer_send(c->peer, &frame);
}
static const struct frame_row {
    Core__Frame__BodyCase body;
    handle *handle;
} rows[] = {
    {CORE__FRAME__BODY_PING, on_ping},
    {CORE__FRAME__BODY_PUBLISH, on_publish},
    {CORE__FRAME__BODY_GET_TAIL, on_get_tail},
    {CORE__FRAME__BODY_READ, on_read},
    {CORE__FRAME__BODY_CREDIT, on_credit},
    {CORE__FRAME__BODY_CANCEL, on_cancel},
    {CORE__FRAME__BODY_OFFER, on_offer},
    {CORE__FRAME__BODY_ASK, on_ask},
    {CORE__FRAME__BODY_ANSWER, on_answer},
    {CORE__FRAME__BODY_GET_HEAD, on_get_head},
    {CORE__FRAME__BODY_GET_PROOF, handle_get_proof},
    {CORE__FRAME__BODY_PUT_PART, handle_put_part},
    {CORE__FRAME__BODY_GET_PART, handle_get_part},
    {CORE__FRAME__BODY_GET_STATUS, handle_get_status},
    {CORE__FRAME__BODY_GET_ACCESS, handle_get_access},
    {CORE__FRAME__BODY_GET_REGISTRY, handle_get_registry},
};

void handle_frame(const struct call *c)
{
    struct refusal why = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].body == c->frame->body_case) {
            rows[i].handle(c);
            return;
        }
    refuse(&why, ERR_MALFORMED, "body", "not a request that a broker answers");
    broker_refuse(c->b, c->peer, c->frame->ref, &why);
}
