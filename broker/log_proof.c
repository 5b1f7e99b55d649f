/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_proof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/checkpoint.h"
#include "lib/err.h"

struct proving {
    struct journal *journal;
    struct checkpoint checkpoint;
    struct buf note, why;
    uint8_t entry[LOG_ENTRY_SIZE];
    struct hash path[TREE_LEVELS];
    int n;
};

static int open_checkpoint(struct proving *p, const char *dir)
{
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    const char *file = "log.vkey";
    int err = log_vkey_read(dir, name, key);

    if (err == 0) {
        file = "log/checkpoint";
        err = checkpoint_read(dir, name, key, &p->checkpoint, &p->note);
    }
    if (err)
        buf_printf(&p->why, "%s/%s: %s; see `chancery log verify`", dir, file, err_text(err));
    return err;
}

static int take_entry(void *arg, const struct journal_record *record)
{
    struct proving *p = arg;

    tree_log_entry(p->entry, record->position, record->received, &record->event_hash);
    return 0;
}

/* Nothing is exported that would not be accepted. */
static int prove(struct proving *p, uint64_t position)
{
    const struct checkpoint *c = &p->checkpoint;
    struct hash leaf, root;

    if (position > c->size) {
        buf_printf(&p->why,
                   "position %" PRIu64 ": the checkpoint covers %" PRIu64
                   " records; name an earlier one",
                   position, c->size);
        return ERR_NOT_FOUND;
    }
    int err = journal_get(p->journal, position, take_entry, p);
    if (err == 0)
        err =
            tree_inclusion(position - 1, c->size, journal_stored_hash, p->journal, p->path, &p->n);
    tree_leaf(&leaf, slice_of(p->entry, sizeof p->entry));
    if (err == 0 && (!tree_inclusion_root(position - 1, c->size, &leaf, p->path, p->n, &root) ||
                     !hash_equal(&root, &c->root)))
        err = ERR_DAMAGED;
    if (err)
        buf_printf(&p->why, "position %" PRIu64 ": %s; see `chancery log verify`", position,
                   err_text(err));
    return err;
}

static int print_proof(const struct proving *p, uint64_t position)
{
    struct buf out = {0};

    buf_add_str(&out, "c2sp.org/tlog-proof@v1\nextra ");
    base64_encode(&out, slice_of(p->entry, sizeof p->entry));
    buf_printf(&out, "\nindex %" PRIu64 "\n", position - 1);
    for (int i = 0; i < p->n; i++) {
        base64_encode(&out, slice_of(p->path[i].bytes, HASH_SIZE));
        buf_add_byte(&out, '\n');
    }
    buf_add_byte(&out, '\n');
    buf_add(&out, p->note.data, p->note.size);
    fwrite(out.data, 1, out.size, stdout);
    buf_free(&out);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int log_proof(const char *dir, uint64_t position)
{
    struct proving p = {0};
    int err = open_checkpoint(&p, dir), status = EXIT_FAILURE;

    if (err == 0) /* behind its checkpoint: a broker may be adding to it */
        err = journal_open(&p.journal, dir, true, &p.why);
    if (err == 0)
        err = prove(&p, position);
    if (err)
        fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(&p.why), err_code(err));
    else
        status = print_proof(&p, position);
    journal_close(p.journal);
    buf_free(&p.note);
    buf_free(&p.why);
    return status;
}
