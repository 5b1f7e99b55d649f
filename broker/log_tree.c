/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/err.h"
#include "lib/file.h"

int log_tree_open(struct log_tree *t, const char *dir)
{
    const char *file = "log.vkey";

    *t = (struct log_tree){.dir = dir};
    int err = log_vkey_read(dir, t->name, t->key);
    if (err == 0) {
        file = "log/checkpoint";
        err = checkpoint_read(dir, t->name, t->key, &t->checkpoint, &t->note);
    }
    if (err) {
        buf_printf(&t->why, "%s/%s: %s; see `chancery log verify`", dir, file, err_text(err));
        return err;
    }
    err = journal_open(&t->journal, dir, true, &t->why);
    return err ? err : log_tree_has(t, "log/checkpoint", &t->checkpoint);
}

void log_tree_close(struct log_tree *t)
{
    journal_close(t->journal);
    buf_free(&t->note);
    buf_free(&t->why);
}

int log_tree_checkpoint(struct log_tree *t, const char *file, struct checkpoint *c)
{
    struct buf note = {0};
    int err = file_read(file, &note);

    if (err) {
        buf_printf(&t->why, "%s: %s", file, strerror(errno));
    } else {
        err = checkpoint_open(c, slice_buf(&note), t->name, t->key);
        if (err == ERR_SIGNATURE)
            buf_printf(&t->why,
                       "%s: is not signed with the key of %s: it is another log's, or forged", file,
                       t->name);
        else if (err)
            buf_printf(&t->why, "%s: no checkpoint, but %s", file, err_text(err));
    }
    buf_free(&note);
    return err;
}

int log_tree_has(struct log_tree *t, const char *file, const struct checkpoint *c)
{
    int err = checkpoint_compare(t->journal, c);

    if (err == ERR_NOT_FOUND)
        buf_printf(&t->why,
                   "%s: is of %" PRIu64 " records, and %s has %" PRIu64 ": that log is older", file,
                   c->size, t->dir, journal_head(t->journal));
    else if (err == ERR_FORKED)
        buf_printf(&t->why,
                   "%s: its %" PRIu64 " records are not the first of %s: one of the two is a fork; "
                   "keep both, and see `chancery log verify`",
                   file, c->size, t->dir);
    else if (err)
        buf_printf(&t->why, "%s: %s; see `chancery log verify`", t->dir, err_text(err));
    return err;
}

int log_tree_failed(struct log_tree *t, int err)
{
    fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(&t->why), err_code(err));
    return EXIT_FAILURE;
}
