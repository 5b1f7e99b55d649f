/* SPDX-License-Identifier: Apache-2.0 */
/* handle_access.c - what the registry says now, and whether a seat may do this: answered by the
 * rules that decide it, for seats that may read the registry
 */
#include "broker/inside.h"
#include "lib/envelope.h"
#include "lib/err.h"

enum { FRAME_EXTRA = 64 }; /* bytes of a frame around its body */

struct told { /* the answer, and what it is made of */
    Core__Access access;
    struct buf text;
};

struct asked { /* the seats that the question names */
    const struct seat *seat;
    const struct seat *through; /* NULL: by itself */
};

static const char *standing_text(int standing)
{
    return standing == CORE__STANDING__STANDING_LEFT
               ? "it left: recalls reach it, and it may confirm them"
               : "it was revoked";
}

/* Whether the rules and clearances let the seat; a gateway, which only carries, need not be named.
 */
static void decide_one(const struct call *c, const struct seat *seat, bool carries, struct told *t)
{
    const Core__GetAccess *get = c->frame->get_access;
    const char *rule, *type = get->type[0] ? get->type : "*";
    bool allowed = access_decides(c->b->registry, seat, get->verb, get->stream, type, &rule);
    int most = registry_stream_most(c->b->registry, get->stream), label = (int)get->label;

    t->access.rule = rule ? rule : "";
    if (seat->standing != CORE__STANDING__STANDING_SEATED)
        buf_add_str(&t->text, standing_text(seat->standing));
    else if (!allowed)
        buf_add_str(&t->text, rule ? "a rule denies it"
                                   : "no rule allows it, and what no rule allows is denied");
    else if (label > most)
        buf_printf(&t->text, "%s takes events up to %s", get->stream, label_text(most));
    else if (label > seat->office->clearance)
        buf_printf(&t->text, "%s is cleared up to %s", seat->office->name,
                   label_text(seat->office->clearance));
    else {
        t->access.allowed = true;
        buf_printf(&t->text, "a rule allows it, and none denies it%s",
                   label >= CORE__LABEL__LABEL_AMBER && get->verb == CORE__VERB__VERB_READ &&
                           !carries
                       ? "; the event must name it"
                       : "");
    }
}

struct carried { /* what a gateway carries of a seat now */
    const struct asked *asked;
    const struct peers *peers;
    int64_t until; /* 0 = nothing */
};

static void find_carried(void *arg, const struct seat_use *use)
{
    struct carried *found = arg;

    if (use->seat == found->asked->seat && use->through == found->asked->through)
        found->until = peers_until(found->peers, use);
}

static void tell_carried(const struct call *c, const struct asked *asked, struct told *t)
{
    struct carried found = {asked, c->b->peers, 0};
    char until[40];

    peers_each_seat(c->b->peers, find_carried, &found);
    time_text(until, found.until);
    if (found.until)
        buf_printf(&t->text, "; %s carries it now, until %s", asked->through->name, until);
    else
        buf_printf(&t->text, "; %s does not carry it now", asked->through->name);
}

/* Where the seat may, its gateway must be allowed as well. */
static void decide_gateway(const struct call *c, const struct asked *asked, struct told *t)
{
    struct told gateway = {.access = CORE__ACCESS__INIT};

    decide_one(c, asked->through, true, &gateway);
    if (!gateway.access.allowed) {
        t->access.allowed = false;
        t->access.rule = gateway.access.rule;
        buf_reset(&t->text);
        buf_printf(&t->text, "%s may, but %s may not: %s", asked->seat->name, asked->through->name,
                   buf_cstr(&gateway.text));
    }
    buf_free(&gateway.text);
}

static void decide(const struct call *c, const struct asked *asked, struct told *t)
{
    decide_one(c, asked->seat, false, t);
    if (asked->through && t->access.allowed)
        decide_gateway(c, asked, t);
    if (asked->through)
        tell_carried(c, asked, t);
    t->access.reason = buf_cstr(&t->text);
}

static int check_reader(const struct call *c, struct refusal *why)
{
    return mandate_allows(c->b->registry, &c->peer->by, CORE__VERB__VERB_READ, "registry",
                          core__access_rule__descriptor.name)
               ? 0
               : refuse(why, ERR_DENIED, "", "this is for seats that may read the registry");
}

static int find_seat(const struct call *c, const char *name, const char *field,
                     const struct seat **seat, struct refusal *why)
{
    *seat = registry_seat(c->b->registry, name);
    if (*seat)
        return 0;
    refuse(why, ERR_NOT_FOUND, field, "no seat %.80s is registered", name);
    return ERR_NOT_FOUND;
}

static int check_seats(const struct call *c, struct asked *asked, struct refusal *why)
{
    const Core__GetAccess *get = c->frame->get_access;
    int rc = find_seat(c, get->seat, "seat", &asked->seat, why);

    if (rc || !get->through[0])
        return rc;
    if (get->verb == CORE__VERB__VERB_OFFER)
        return refuse(why, ERR_FIELD, "verb", "nothing is offered through a gateway");
    if (asked->seat->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON)
        return refuse(why, ERR_FIELD, "seat", "a process delegates nothing");
    return find_seat(c, get->through, "through", &asked->through, why);
}

static int check(const struct call *c, struct asked *asked, struct refusal *why)
{
    const Core__GetAccess *get = c->frame->get_access;

    int rc = check_reader(c, why);

    if (rc == 0)
        rc = check_seats(c, asked, why);
    if (rc)
        return rc;
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
    struct asked asked = {0};

    if (check(c, &asked, &why)) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    decide(c, &asked, &t);
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_ACCESS;
    frame.access = &t.access;
    peer_send(c->peer, &frame);
    buf_free(&t.text);
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
