/* SPDX-License-Identifier: Apache-2.0 */
/* client_receipts.c - receipts: what covers them, and reading them */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "lib/client.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

/* ---- the checkpoint that lets old ones go ---- */

static void on_head(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                    const Core__Refused *refused)
{
    struct publishing *p = &c->publishing;

    (void)refused;
    p->head_asked = false;
    if (err == 0 && answer->body_case == CORE__FRAME__BODY_HEAD) {
        const ProtobufCBinaryData *note = &answer->head->checkpoint;
        err = keep_checkpoint(p->keep, c->session.log, slice_of(note->data, note->len));
    }
    if (err && err != ERR_CANCELLED)
        log_warn("client.checkpoint", "old receipts stay, the checkpoint cannot be held code=%s",
                 err_code(err));
    request_free(q);
}

void checkpoint_tick(struct chancery *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetHead get = CORE__GET_HEAD__INIT;
    struct publishing *p = &c->publishing;

    if (!p->keep)
        return;
    keep_let_go(p->keep);
    if (!c->welcome || p->head_asked || !keep_wants_checkpoint(p->keep, c->session.log))
        return;
    struct request *q = mem_new(sizeof *q);
    q->done = on_head;
    p->head_asked = true;
    frame.body_case = CORE__FRAME__BODY_GET_HEAD;
    frame.get_head = &get;
    request_start(c, q, &frame);
}

/* ---- reading ---- */

struct reading {
    int (*each)(void *arg, const struct chancery_receipt *receipt);
    void *arg;
    uint64_t damaged;
    char *why;
};

static int on_receipt(void *arg, const struct receipt *receipt)
{
    struct reading *g = arg;
    const Core__Record *r = receipt->record;
    const struct chancery_receipt out = {.log = receipt->log,
                                         .record = {.position = r->position,
                                                    .received = r->received,
                                                    .event = r->event.data,
                                                    .event_size = r->event.len,
                                                    .payload = r->payload.data,
                                                    .payload_size = r->payload.len},
                                         .countersigned = receipt->countersigned.data,
                                         .countersigned_size = receipt->countersigned.size};

    return g->each(g->arg, &out);
}

static void on_damaged(void *arg, const char *file, uint64_t offset, uint64_t bytes)
{
    struct reading *g = arg;

    if (g->damaged == 0 && g->why)
        snprintf(g->why, 256, "%s: %" PRIu64 " bytes are damaged at offset %" PRIu64, file, bytes,
                 offset);
    g->damaged += bytes;
}

int chancery_receipts_each(const char *keep_dir,
                           int (*each)(void *arg, const struct chancery_receipt *receipt),
                           void *arg, char why[256])
{
    struct reading g = {each, arg, 0, why};
    char *dir = mem_printf("%s/receipts", keep_dir);
    int rc = receipts_each(dir, on_receipt, on_damaged, &g);

    if (rc && why)
        snprintf(why, 256, "%s: %s", dir, strerror(errno));
    mem_free(dir);
    return rc == 0 && g.damaged ? ERR_DAMAGED : rc;
}
