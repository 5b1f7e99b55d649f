/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_consistency.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/log_tree.h"
#include "lib/err.h"
#include "lib/proof.h"

static int take_checkpoint(struct log_tree *t, const char *file, struct checkpoint *c)
{
    int err = log_tree_checkpoint(t, file, c);

    return err ? err : log_tree_has(t, file, c);
}

static int prove(struct log_tree *t, const struct checkpoint *before, const struct checkpoint *now,
                 struct buf *out)
{
    struct hash path[TREE_LEVELS];
    int n;

    if (before->size > now->size) {
        buf_printf(&t->why,
                   "the old checkpoint is of %" PRIu64 " records, the new one of %" PRIu64
                   ": name the older one first",
                   before->size, now->size);
        return ERR_BOUNDS;
    }
    int err = tree_consistency(before->size, now->size, journal_stored_hash, t->journal, path, &n);
    if (err == 0 &&
        !tree_check_consistency(before->size, now->size, &before->root, &now->root, path, n))
        err = ERR_DAMAGED; /* nothing is printed that would not be accepted */
    if (err)
        buf_printf(&t->why, "%s: %s; see `chancery log verify`", t->dir, err_text(err));
    else
        proof_print_hashes(out, path, n);
    return err;
}

int log_consistency(const char *dir, const char *old_file, const char *new_file)
{
    struct log_tree t;
    struct checkpoint before, now;
    struct buf out = {0};
    int status = EXIT_SUCCESS, err = log_tree_open(&t, dir);

    if (err == 0)
        err = take_checkpoint(&t, old_file, &before);
    if (err == 0)
        err = take_checkpoint(&t, new_file, &now);
    if (err == 0)
        err = prove(&t, &before, &now, &out);
    if (err)
        status = log_tree_failed(&t, err);
    else if (fputs(buf_cstr(&out), stdout) == EOF || fflush(stdout) != 0)
        status = EXIT_FAILURE;
    log_tree_close(&t);
    buf_free(&out);
    return status;
}
