/* SPDX-License-Identifier: Apache-2.0 */
/* mail.h - the bytes of the mail that tells an item; pure
 *
 * The same item, log and recipient give the same Message-ID, on every try and after every restart.
 * What the log labels above TLP:GREEN is not told: the mail names the position alone.
 */
#pragma once

#include "adapters/alert/digest.h"

struct letter { /* borrowed */
    const struct item *item;
    const char *log; /* name of the log, for evidence and ids */
    const char *recipient;
    const char *from_name, *from_address; /* the name may be NULL */
    const char *organisation, *footer;    /* may be NULL */
};

/* Without the angle brackets. */
void mail_message_id(struct buf *out, const char *log, const char *rule, const char *recipient,
                     const char *key);
/* UTF-8, as people read it; at most 255 bytes. */
void mail_subject(struct buf *out, const struct item *item);
/* The whole mail, lines ended by CRLF. */
void mail_compose(struct buf *out, const struct letter *letter);
