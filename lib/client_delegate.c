/* SPDX-License-Identifier: Apache-2.0 */
/* client_delegate.c - what a seat signs for a gateway; needs no connection */
#include <stdio.h>

#include "chancery/core/v1/registry.pb-c.h"
#include "lib/chancery.h"
#include "lib/delegation.h"
#include "lib/err.h"

static unsigned verbs_of(const struct chancery_delegation *d)
{
    return (d->publish ? 1u << CORE__VERB__VERB_PUBLISH : 0) |
           (d->read ? 1u << CORE__VERB__VERB_READ : 0) | (d->ask ? 1u << CORE__VERB__VERB_ASK : 0);
}

static int sign(const struct chancery_delegation *d, const struct seat_key *key, struct buf *token,
                struct buf *why)
{
    struct delegation says = {.verbs = verbs_of(d), .issued = d->issued, .expires = d->expires};
    char where[128] = "";

    snprintf(says.log, sizeof says.log, "%s", d->log);
    snprintf(says.seat, sizeof says.seat, "%s", key->seat);
    memcpy(says.gateway, d->gateway, KEY_SIZE);
    int rc = delegation_check(&says, where);
    if (rc) {
        buf_printf(why, "no such delegation: %s: %s", where, err_text(rc));
        return rc;
    }
    rc = delegation_sign(&says, key, token);
    if (rc)
        buf_printf(why, "the key of %s does not sign: %s", key->seat, err_text(rc));
    return rc;
}

int chancery_delegate(const char *key_file, const struct chancery_delegation *d, void *token,
                      size_t *size, char why[256])
{
    struct seat_key key = {0};
    struct buf bytes = {0}, text = {0};
    int rc = seat_key_open(&key, key_file, &text);

    if (rc == 0)
        rc = sign(d, &key, &bytes, &text);
    if (rc == 0) {
        memcpy(token, bytes.data, bytes.size);
        *size = bytes.size;
    }
    if (why)
        snprintf(why, 256, "%s", buf_cstr(&text));
    seat_key_clear(&key);
    buf_free(&bytes);
    buf_free(&text);
    return rc;
}
