/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_proof.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/log_tree.h"
#include "broker/record.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/proof.h"

struct proving {
    struct log_tree tree;
    struct proof proof;
    struct buf record; /* packed */
};

static int take_record(void *arg, const struct journal_record *record)
{
    struct proving *p = arg;

    tree_log_entry(p->proof.entry, record->position, record->received, &record->event_hash);
    record_pack(&p->record, record);
    return 0;
}

/* Nothing is written that would not be accepted. */
static int prove(struct proving *p, uint64_t position)
{
    struct log_tree *t = &p->tree;
    struct proof *proof = &p->proof;
    struct checkpoint c;

    if (position > t->checkpoint.size) {
        buf_printf(&t->why,
                   "position %" PRIu64 ": the checkpoint covers %" PRIu64
                   " records; name an earlier one",
                   position, t->checkpoint.size);
        return ERR_NOT_FOUND;
    }
    *proof = (struct proof){.has_entry = true, .index = position - 1, .note = slice_buf(&t->note)};
    int err = journal_get(t->journal, position, take_record, p);
    if (err == 0)
        err = tree_inclusion(proof->index, t->checkpoint.size, journal_stored_hash, t->journal,
                             proof->path, &proof->n);
    if (err == 0 && proof_check(proof, proof->entry, t->name, t->key, &c) != 0)
        err = ERR_DAMAGED;
    if (err)
        buf_printf(&t->why, "position %" PRIu64 ": %s; see `chancery log verify`", position,
                   err_text(err));
    return err;
}

static int write_event(struct proving *p, const char *file)
{
    int err = file_replace(file, slice_buf(&p->record));

    if (err)
        buf_printf(&p->tree.why, "%s: %s", file, strerror(errno));
    return err;
}

static int print_proof(const struct proof *p)
{
    struct buf out = {0};

    proof_print(&out, p);
    fwrite(out.data, 1, out.size, stdout);
    buf_free(&out);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int log_proof(const char *dir, uint64_t position, const char *event)
{
    struct proving p = {0};
    int err = log_tree_open(&p.tree, dir);

    if (err == 0)
        err = prove(&p, position);
    if (err == 0 && event)
        err = write_event(&p, event);
    int status = err ? log_tree_failed(&p.tree, err) : print_proof(&p.proof);
    log_tree_close(&p.tree);
    buf_free(&p.record);
    return status;
}
