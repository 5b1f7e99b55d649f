/* SPDX-License-Identifier: Apache-2.0 */
/* outbox.h - mails on their way: one in flight, the rest gather
 *
 * A mail that the server defers is tried again after 1 s, 2 s, 4 s ... at most 5 min, and given up
 * `retry_for` after its first try; meanwhile others go.  While the server cannot be reached, all
 * wait. After a mail is done the outbox waits for outbox_go: what it did is recorded first, so
 * after a crash at most one mail comes again.
 */
#pragma once

#include <uv.h>

#include "adapters/alert/digest.h"
#include "adapters/alert/rule.h"

struct outbox;

struct outbox_report { /* valid during the call */
    const struct item *item;
    const char *recipient, *message_id, *subject;
    bool taken;
    const char *code; /* when not taken: stable, e.g. "mail.rejected" */
    const char *text; /* the server's answer, or why there was none */
    uint32_t tries;
};

typedef void outbox_done(void *arg, const struct outbox_report *report);

/* `settings` and `log` are borrowed until it is closed.  0 or ERR_IO. */
int outbox_open(struct outbox **out, uv_loop_t *loop, const struct alert_settings *settings,
                const char *log, outbox_done *done, void *arg);
/* What waits is dropped; `closed` comes from the loop. */
void outbox_close(struct outbox *o, void (*closed)(void *arg), void *arg);

/* Shares the item.  Those of a snapshot set aside go before the others. */
void outbox_add(struct outbox *o, struct item *item, const char *recipient);
/* The next one may go; also at the beginning. */
void outbox_go(struct outbox *o);
size_t outbox_waiting(const struct outbox *o);
