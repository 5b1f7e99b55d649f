/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/registry_log.h"

#include "lib/envelope.h"

enum { RECORDS_A_TURN = 256 };

struct folding {
    struct registry *registry;
    int err;
};

static int fold_record(void *arg, const struct journal_record *rec)
{
    struct folding *f = arg;
    struct arena *arena = arena_new(FRAME_MOST);
    struct event e;
    char where[128];

    f->err = event_open_head(&e, rec->event, arena, where);
    if (f->err == 0)
        registry_fold(f->registry, rec->position,
                      &(struct registry_event){e.envelope->seat, e.envelope->type, rec->payload});
    arena_free(arena);
    return f->err ? -1 : 0;
}

int registry_log_fold(struct registry *r, struct journal *j, uint64_t *at)
{
    const char *stream = "registry";
    struct journal_filter *filter = journal_filter_new(&stream, 1, NULL, 0, NULL);
    struct folding f = {r, 0};
    int rc = 0;

    for (*at = 1; rc == 0 && *at <= journal_head(j);) {
        rc = journal_read(j, filter, *at, RECORDS_A_TURN, fold_record, &f, at);
        rc = rc ? rc : f.err;
    }
    journal_filter_free(filter);
    return rc;
}
