/* SPDX-License-Identifier: Apache-2.0 */
/* decide.c - `list confirm` and `list reject`: a person's word about a snapshot set aside */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/outcome.h"
#include "adapters/terminal/pick.h"
#include "lib/mem.h"

static int snapshot_find(struct outcome *o, const struct call *c, uint8_t hash[32])
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;
    size_t n;

    if (hex_decode(hash, 32, c->argument[0])) /* the worker says what it thinks of it */
        return DONE;
    question.list = c->option[OPT_LIST] ? c->option[OPT_LIST] : "";
    int rc =
        session_ask(o->s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer);
    if (rc != DONE)
        return rc;
    const Embargo__ListStatus *found = pick_snapshot(answer, c->argument[0], &n);
    if (!found)
        return session_fail(
            o->s, "%s snapshot set aside begins with %s; `chancery list status` shows what waits",
            n ? "more than one" : "no", c->argument[0]);
    memcpy(hash, found->set_aside->snapshot.data, 32);
    o->list = found->list;
    return DONE;
}

static int request_decision(struct outcome *o, const struct call *c, uint8_t hash[32], bool confirm)
{
    Embargo__ConfirmSnapshot yes = EMBARGO__CONFIRM_SNAPSHOT__INIT;
    Embargo__RejectSnapshot no = EMBARGO__REJECT_SNAPSHOT__INIT;
    const char *reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";

    yes.list = no.list = o->list;
    yes.snapshot = no.snapshot = (ProtobufCBinaryData){32, hash};
    yes.reason = no.reason = reason;
    int rc = session_request(o->s, "embargo.in", confirm ? &yes.base : &no.base, NULL, &o->request);
    if (rc == FAILED)
        session_unpublished(o->s);
    return rc;
}

static int decide(const struct call *c, bool confirm)
{
    struct session s;
    struct outcome o = {.s = &s, .list = list_of(c), .json = c->option[OPT_JSON] != NULL};
    uint8_t hash[32];

    if (!pick_valid(c->argument[0]))
        return call_usage(
            c, "not the SHA-256 of a snapshot, nor at least the first %d digits of it: %s",
            PICK_LEAST, c->argument[0]);
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = snapshot_find(&o, c, hash);
    char *list = mem_str(o.list); /* it may lie in the session that ends */
    o.list = list;
    if (rc == DONE)
        rc = request_decision(&o, c, hash, confirm);
    if (rc == DONE)
        rc = session_published(&s, c);
    if (rc == DONE) {
        progress_step(&s.progress, "recording notices", 0, 0);
        rc = outcome_wait(&o);
    }
    session_close(&s);
    mem_free(list);
    return rc;
}

int list_confirm_run(const struct call *c)
{
    return decide(c, true);
}

int list_reject_run(const struct call *c)
{
    return decide(c, false);
}
