/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_verify_parts.h"

#include <stdio.h>
#include <time.h>

#include "broker/parts.h"
#include "broker/registry_log.h"
#include "broker/retention.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { LOOKS = 40, LOOK_MS = 50 }; /* a broker that runs deletes within a moment */

struct part_absent {
    struct hash part;
    uint64_t position;
};

static void tell(const struct parts_seen *s, uint64_t position, const struct hash *part,
                 const char *what)
{
    char name[2 * HASH_SIZE + 1], text[160];

    hex_encode(name, part->bytes, HASH_SIZE);
    snprintf(text, sizeof text, "%s: %s", name, what);
    s->found(s->arg, position, "part", text);
}

static void put_by(struct parts_seen *s, uint64_t position, const struct hash *part)
{
    s->absent = mem_grow(s->absent, (s->n_absent + 1) * sizeof *s->absent);
    s->absent[s->n_absent++] = (struct part_absent){*part, position};
}

void parts_seen_take(struct parts_seen *s, struct journal *j, uint64_t position,
                     const Core__Envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_parts; i++) {
        const Core__PartRef *ref = envelope->parts[i];
        struct hash part;
        uint64_t first = 0;
        memcpy(part.bytes, ref->sha256.data, HASH_SIZE);
        if (journal_part(j, &part, 0, &first) != 0 || first != position)
            continue;
        s->named++;
        int err = parts_check(s->dir, &part, ref->size);
        if (err == ERR_NOT_FOUND)
            put_by(s, position, &part);
        else if (err)
            tell(s, position, &part, err_text(err));
    }
}

static bool stays(const char *dir, const struct hash *part)
{
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000};
    bool there = parts_there(dir, part);

    for (int i = 1; there && i < LOOKS; i++) {
        nanosleep(&pause, NULL);
        there = parts_there(dir, part);
    }
    return there;
}

static void judge_purge(void *arg, const struct purge *purge)
{
    struct parts_seen *s = arg;
    struct hash part;

    s->purged++;
    hex_decode(part.bytes, HASH_SIZE, purge->part);
    if (stays(s->dir, &part))
        tell(s, purge->position, &part,
             "was purged and should be gone; start the broker, which deletes it");
}

/* By the log as it is now: a broker may have recorded since why a part went. */
static void judge_absent(const struct parts_seen *s)
{
    struct journal *j = NULL;
    struct registry *r = registry_new();
    struct buf why = {0};
    uint64_t at;
    int err = journal_open(&j, s->dir, true, &why);

    if (err == 0)
        registry_log_fold(r, j, &at); /* as far as it can be read: the rest was told */
    for (size_t i = 0; i < s->n_absent; i++)
        if (err || !retention_lets_go(j, r, &s->absent[i].part))
            tell(s, s->absent[i].position, &s->absent[i].part, "the part is not stored");
    journal_close(j);
    registry_free(r);
    buf_free(&why);
}

void parts_seen_end(struct parts_seen *s, const struct registry *r)
{
    if (s->n_absent)
        judge_absent(s);
    registry_each_purge(r, judge_purge, s);
    mem_free(s->absent);
}
