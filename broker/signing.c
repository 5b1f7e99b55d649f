/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/signing.h"

#include <inttypes.h>
#include <string.h>

#include "lib/err.h"

static int refuse(struct buf *why, int err, const char *text)
{
    buf_add_str(why, text);
    return err;
}

/* Sizes and lengths that no question has are not looked at further. */
static int check_form(const Core__SignTree *asked, struct buf *why)
{
    if (asked->size == 0 || asked->size > INT64_MAX)
        return refuse(why, ERR_FIELD, "size: from 1 to 2^63 - 1");
    if (asked->root.len != HASH_SIZE)
        return refuse(why, ERR_FIELD, "root: 32 bytes");
    if (asked->n_proof > TREE_LEVELS)
        return refuse(why, ERR_FIELD, "proof: at most 64 hashes");
    for (size_t i = 0; i < asked->n_proof; i++)
        if (asked->proof[i].len != HASH_SIZE)
            return refuse(why, ERR_FIELD, "proof: 32 bytes each");
    return 0;
}

static int check_extends(const struct checkpoint *last, const struct checkpoint *next,
                         const Core__SignTree *asked, struct buf *why)
{
    struct hash path[TREE_LEVELS];

    for (size_t i = 0; i < asked->n_proof; i++)
        memcpy(path[i].bytes, asked->proof[i].data, HASH_SIZE);
    if (last->size > 0 && tree_check_consistency(last->size, next->size, &last->root, &next->root,
                                                 path, (int)asked->n_proof))
        return 0;
    buf_printf(why,
               "no proof that the tree of %" PRIu64 " records extends that of %" PRIu64
               " which was signed last",
               next->size, last->size);
    return ERR_FORKED;
}

int signing_check(const struct checkpoint *last, const Core__SignTree *asked,
                  struct checkpoint *next, struct buf *why)
{
    if (strcmp(asked->log, last->origin) != 0) {
        buf_printf(why, "asked for another log than %s", last->origin);
        return ERR_LOG;
    }
    int err = check_form(asked, why);
    if (err)
        return err;
    if (asked->size < last->size) {
        buf_printf(why, "%" PRIu64 " records, and %" PRIu64 " were signed", asked->size,
                   last->size);
        return ERR_ROLLED_BACK;
    }
    struct checkpoint c = *last;
    c.size = asked->size;
    memcpy(c.root.bytes, asked->root.data, HASH_SIZE);
    err = check_extends(last, &c, asked, why);
    if (err == 0)
        *next = c;
    return err;
}
