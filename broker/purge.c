/* SPDX-License-Identifier: Apache-2.0 */
/* purge.c - the files of parts that the registry says are deleted for good
 *
 * Recorded first, then deleted: a purge is looked at once it is folded, and all of them when the
 * broker starts, for it may have ended in between.
 */
#include "broker/inside.h"
#include "lib/err.h"
#include "lib/log.h"

static void on_purged(void *arg, const struct hash *part, int err)
{
    const struct broker *b = arg;
    const struct purge *purge = registry_purged(b->registry, part);

    if (err)
        log_error(
            "broker.unpurged",
            "a purged part cannot be deleted; see the owner and mode of DIR/parts, and restart "
            "the broker part=%s position=%llu code=%s",
            purge->part, (unsigned long long)purge->position, err_code(err));
    else
        log_info("broker.purged", "a part is deleted for good part=%s position=%llu seat=%s",
                 purge->part, (unsigned long long)purge->position, purge->by->name);
}

static void purge_file(void *arg, const struct purge *purge)
{
    struct broker *b = arg;
    struct hash part;

    if (purge->position <= b->purged)
        return;
    hex_decode(part.bytes, HASH_SIZE, purge->part);
    parts_purge(b->parts, &part, on_purged, b);
}

void broker_purge(struct broker *b)
{
    registry_each_purge(b->registry, purge_file, b);
    b->purged = registry_version(b->registry);
}

bool broker_purge_late(struct broker *b, const struct hash *part)
{
    bool purged = registry_purged(b->registry, part) != NULL;

    if (purged)
        parts_purge(b->parts, part, on_purged, b);
    return purged;
}
