/* SPDX-License-Identifier: Apache-2.0 */
/* expire.c - parts whose events state a `retain_until` that has passed
 *
 * At every turn the next 64 parts of the log are looked at.  What nothing keeps any longer is first
 * recorded in `audit`, then looked at once more, for an event that was recorded in between may name
 * it, and deleted.  A broker that ended in between comes by again, and records it anew.
 */
#include "broker/inside.h"
#include "lib/err.h"
#include "lib/log.h"

static bool is_over(struct broker *b, const struct hash *part, struct retention *kept)
{
    return retention_of(b->journal, part, kept) == 0 && kept->until < broker_now(b) &&
           !parts_awaited(b->parts, part);
}

void broker_expire(struct broker *b)
{
    struct expiry list[AUDIT_LINES];
    size_t n = 0;

    if (b->full || b->clock.guard.jumped) /* what the time is must be certain */
        return;
    for (int i = 0; i < AUDIT_LINES; i++) {
        if (journal_next_part(b->journal, &b->expiring, &b->expiring) != 0) {
            b->expiring = (struct hash){0};
            break;
        }
        list[n].part = b->expiring;
        if (parts_size(b->parts, &b->expiring) >= 0 && is_over(b, &b->expiring, &list[n].kept))
            n++;
    }
    audit_expired(&b->audit, list, n, broker_now(b));
}

static void on_deleted(void *arg, const struct hash *part, int err)
{
    char name[2 * HASH_SIZE + 1];

    (void)arg;
    hex_encode(name, part->bytes, HASH_SIZE);
    if (err)
        log_error("broker.unexpired",
                  "an expired part cannot be deleted; see the owner and mode of DIR/parts part=%s "
                  "code=%s",
                  name, err_code(err));
    else
        log_info("broker.expired", "a part is deleted, as its events say part=%s", name);
}

void broker_expired(void *arg, const struct hash *part)
{
    struct broker *b = arg;
    struct retention kept;

    if (is_over(b, part, &kept))
        parts_purge(b->parts, part, on_deleted, b);
}
