/* SPDX-License-Identifier: Apache-2.0 */
/* handle_access.c - what the registry says now, and whether a seat may do this: answered by the
 * rules that decide it, for seats that may read the registry
 */
#include <stdio.h>

#include "broker/inside.h"
#include "lib/envelope.h"
#include "lib/err.h"

enum { FRAME_EXTRA = 64 }; /* bytes of a frame around its body */

struct told { /* the answer, and what it is made of */
    Core__Access access;
    char text[256];
};

static const char *standing_text(int standing)
{
    return standing == CORE__STANDING__STANDING_LEFT
               ? "it left: recalls reach it, and it may confirm them"
               : "it was revoked";
}

static void decide(const struct call *c, const struct seat *seat, struct told *t)
{
    const Core__GetAccess *get = c->frame->get_access;
    const char *rule, *type = get->type[0] ? get->type : "*";
    bool allowed = access_decides(c->b->registry, seat, get->verb, get->stream, type, &rule);
    int most = registry_stream_most(c->b->registry, get->stream), label = (int)get->label;

    t->access.rule = rule ? rule : "";
    if (seat->standing != CORE__STANDING__STANDING_SEATED)
        snprintf(t->text, sizeof t->text, "%s", standing_text(seat->standing));
    else if (!allowed)
        snprintf(t->text, sizeof t->text,
                 rule ? "a rule denies it"
                      : "no rule allows it, and what no rule allows is denied");
    else if (label > most)
        snprintf(t->text, sizeof t->text, "%s takes events up to %s", get->stream,
                 label_text(most));
    else if (label > seat->office->clearance)
        snprintf(t->text, sizeof t->text, "%s is cleared up to %s", seat->office->name,
                 label_text(seat->office->clearance));
    else {
        t->access.allowed = true;
        snprintf(t->text, sizeof t->text, "a rule allows it, and none denies it%s",
                 label >= CORE__LABEL__LABEL_AMBER && get->verb == CORE__VERB__VERB_READ
                     ? "; the event must name it"
                     : "");
    }
    t->access.reason = t->text;
}

static int check_reader(const struct call *c, struct refusal *why)
{
    return access_allows(c->b->registry, c->peer->key->seat, CORE__VERB__VERB_READ, "registry",
                         core__access_rule__descriptor.name)
               ? 0
               : refuse(why, ERR_DENIED, "", "this is for seats that may read the registry");
}

static int check(const struct call *c, const struct seat **seat, struct refusal *why)
{
    const Core__GetAccess *get = c->frame->get_access;

    if (check_reader(c, why))
        return ERR_DENIED;
    *seat = registry_seat(c->b->registry, get->seat);
    if (!*seat)
        return refuse(why, ERR_NOT_FOUND, "seat", "no seat %.80s is registered", get->seat);
    if (get->verb < CORE__VERB__VERB_PUBLISH || get->verb > CORE__VERB__VERB_OFFER)
        return refuse(why, ERR_FIELD, "verb", "publish, read, ask or offer");
    if (!stream_valid(get->stream))
        return refuse(why, ERR_FIELD, "stream", "a stream is named [a-z0-9.-]{1,64}");
    if (get->type[0] && !type_valid(get->type))
        return refuse(why, ERR_FIELD, "type", "a type is named [A-Za-z0-9._]{1,128}");
    return 0;
}

void handle_get_access(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    struct told t = {.access = CORE__ACCESS__INIT};
    struct refusal why = {.stream = "registry"};
    const struct seat *seat = NULL;

    if (check(c, &seat, &why)) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    decide(c, seat, &t);
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_ACCESS;
    frame.access = &t.access;
    peer_send(c->peer, &frame);
}

void handle_get_registry(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Registry registry;
    struct refusal why = {.stream = "registry"};

    if (check_reader(c, &why) == 0 &&
        (!registry_tell(c->b->registry, *c->arena, &registry) ||
         core__registry__get_packed_size(&registry) > FRAME_MOST - FRAME_EXTRA))
        refuse(&why, ERR_BOUNDS, "",
               "the registry is larger than a frame; read the stream registry instead");
    if (why.err) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_REGISTRY;
    frame.registry = &registry;
    peer_send(c->peer, &frame);
}
