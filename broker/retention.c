/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/retention.h"

#include "lib/envelope.h"
#include "lib/err.h"

enum { NAMINGS_MOST = 1024 };

struct stated {
    int64_t until;
    int err;
};

static int take_until(void *arg, const struct journal_record *rec)
{
    struct stated *s = arg;
    struct arena *arena = arena_new(FRAME_MOST);
    struct event e;
    char where[128];

    s->err = event_open_head(&e, rec->event, arena, where);
    if (s->err == 0)
        s->until = e.envelope->handling->retain_until;
    arena_free(arena);
    return 0;
}

int retention_of(struct journal *j, const struct hash *part, struct retention *out)
{
    struct stated s = {0};
    int rc = 0;

    *out = (struct retention){0};
    for (int n = 0; rc == 0 && out->until != INT64_MAX; n++) {
        rc = journal_part(j, part, out->last + 1, &out->last);
        if (rc)
            break;
        rc = journal_get(j, out->last, take_until, &s);
        rc = rc ? rc : s.err;
        if (s.until == 0 || n == NAMINGS_MOST)
            out->until = INT64_MAX;
        else if (s.until > out->until)
            out->until = s.until;
    }
    return rc == ERR_NOT_FOUND && out->last ? 0 : rc;
}

bool retention_lets_go(struct journal *j, const struct registry *r, const struct hash *part)
{
    struct retention kept;

    return registry_purged(r, part) ||
           (retention_of(j, part, &kept) == 0 && kept.until < journal_last_received(j));
}
