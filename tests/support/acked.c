/* SPDX-License-Identifier: Apache-2.0 */
/* acked.c - is what was acknowledged in the log, and is the log whole?
 *
 *   acked DIR ACKS
 *
 * DIR has log/, parts/ and log.vkey.  ACKS has a line for each acknowledgement: position, id and
 * SHA-256 of the payload.  All that is derived is recomputed and the checkpoint is compared, but
 * signatures are not verified: `chancery log verify` does that, and takes ten times as long.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/checkpoint.h"
#include "broker/journal.h"
#include "broker/parts.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

struct look {
    const char *dir;
    struct arena *arena;
    char id[37], hash[2 * HASH_SIZE + 1]; /* of the record last looked at */
    bool bad;
};

static void on_finding(void *arg, uint64_t position, const char *what, const char *text)
{
    struct look *l = arg;

    l->bad = true;
    printf("position %" PRIu64 ": %s: %s\n", position, what, text);
}

static void check_parts(struct look *l, uint64_t position, const Core__Envelope *e)
{
    struct hash part;

    for (size_t i = 0; i < e->n_parts; i++) {
        memcpy(part.bytes, e->parts[i]->sha256.data, HASH_SIZE);
        int err = parts_check(l->dir, &part, e->parts[i]->size);
        if (err)
            on_finding(l, position, "part", err_text(err));
    }
}

static int on_record(void *arg, const struct journal_record *record)
{
    struct look *l = arg;
    struct event e;
    char where[128];

    arena_reset(l->arena);
    if (event_open(&e, record->event, record->payload, l->arena, where) != 0) {
        on_finding(l, record->position, "event", where);
        return 0;
    }
    id_text(l->id, e.envelope->id.data);
    hex_encode(l->hash, e.envelope->payload_hash.data, HASH_SIZE);
    check_parts(l, record->position, e.envelope);
    return 0;
}

static void check_checkpoint(struct look *l, struct journal *journal)
{
    char text[512], name[ORIGIN_SIZE], *file = mem_printf("%s/log.vkey", l->dir);
    FILE *f = fopen(file, "re");
    uint8_t key[KEY_SIZE];
    struct checkpoint c;
    struct buf why = {0};

    int err = f && fgets(text, sizeof text, f) ? 0 : ERR_NOT_FOUND;
    if (err == 0)
        err = note_vkey_parse(slice_of(text, strcspn(text, "\n")), name, key);
    if (err == 0)
        err = checkpoint_read(l->dir, name, key, &c, NULL);
    if (err == 0)
        err = checkpoint_check(journal, &c, &why);
    if (err)
        on_finding(l, 0, err_code(err), buf_cstr(&why));
    if (f)
        fclose(f);
    buf_free(&why);
    mem_free(file);
}

static void check_acks(struct look *l, struct journal *journal, const char *file)
{
    FILE *f = fopen(file, "re");
    char id[37], hash[2 * HASH_SIZE + 1];
    uint64_t position;

    while (f && fscanf(f, "%" SCNu64 " %36s %64s", &position, id, hash) == 3) {
        int err = journal_get(journal, position, on_record, l);
        if (err)
            on_finding(l, position, "acknowledged", err_text(err));
        else if (strcmp(id, l->id) != 0 || strcmp(hash, l->hash) != 0)
            on_finding(l, position, "acknowledged", "another event is there");
    }
    if (!f || !feof(f))
        on_finding(l, 0, file, "cannot be read");
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    struct look l = {0};
    struct journal *journal;
    struct buf why = {0};
    uint64_t findings = 0;

    if (argc != 3) {
        fputs("usage: acked DIR ACKS\n", stderr);
        return 2;
    }
    l.dir = argv[1];
    l.arena = arena_new((size_t)4 * 1024 * 1024);
    if (journal_open(&journal, l.dir, true, &why) != 0) {
        on_finding(&l, 0, "log", buf_cstr(&why));
    } else {
        if (journal_verify(journal, on_record, on_finding, NULL, &l, &findings) != 0)
            l.bad = true;
        check_checkpoint(&l, journal);
        check_acks(&l, journal, argv[2]);
        journal_close(journal);
    }
    buf_free(&why);
    arena_free(l.arena);
    return l.bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
