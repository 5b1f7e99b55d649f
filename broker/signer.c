/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/signer.h"

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

struct signer {
    uv_loop_t *loop;
    struct journal *journal;
    const struct log_key *key;
    const char *dir;
    uv_work_t work;
    bool under_way;
    uint64_t size, written; /* of the tree being written, and of the one on disk */
    struct hash root;
    struct buf next, note; /* being made, and the newest one */
    int err;
};

struct signer *signer_new(uv_loop_t *loop, struct journal *journal, const struct log_key *key,
                          const char *dir)
{
    struct signer *s = mem_new(sizeof *s);

    s->loop = loop;
    s->journal = journal;
    s->key = key;
    s->dir = dir;
    s->work.data = s;
    return s;
}

void signer_free(struct signer *s)
{
    if (s) {
        buf_free(&s->next);
        buf_free(&s->note);
        mem_free(s);
    }
}

int signer_read(struct signer *s, const char *log, struct buf *why)
{
    struct checkpoint c;

    int rc = checkpoint_read(s->dir, log, s->key->public_key, &c, &s->note);
    if (rc && rc != ERR_NOT_FOUND) {
        buf_printf(why, "the checkpoint cannot be read (%s): %s", err_code(rc), err_text(rc));
        return rc;
    }
    s->written = rc ? 0 : c.size;
    return checkpoint_check(s->journal, rc ? NULL : &c, why);
}

static void on_write(uv_work_t *work)
{
    struct signer *s = work->data;

    buf_reset(&s->next);
    s->err = checkpoint_write(s->dir, s->key, s->size, &s->root, &s->next);
}

static void after_write(uv_work_t *work, int status)
{
    struct signer *s = work->data;

    (void)status; /* never cancelled */
    s->under_way = false;
    if (s->err) {
        log_error("signer.delayed",
                  "the checkpoint cannot be written, trying again code=%s size=%llu",
                  err_code(s->err), (unsigned long long)s->size);
        return;
    }
    struct buf old = s->note;
    s->note = s->next;
    s->next = old;
    s->written = s->size;
}

void signer_look(struct signer *s)
{
    if (s->under_way || journal_head(s->journal) == s->written)
        return;
    journal_tree(s->journal, &s->size, &s->root);
    s->under_way = uv_queue_work(s->loop, &s->work, on_write, after_write) == 0;
}

bool signer_busy(const struct signer *s)
{
    return s->under_way;
}

void signer_end(struct signer *s)
{
    uint64_t size;
    struct hash root;

    journal_tree(s->journal, &size, &root);
    if (size == s->written)
        return;
    int rc = checkpoint_write(s->dir, s->key, size, &root, NULL);
    if (rc)
        log_error("signer.failed", "the last checkpoint cannot be written code=%s", err_code(rc));
}

uint64_t signer_size(const struct signer *s)
{
    return s->written;
}

const struct buf *signer_note(const struct signer *s)
{
    return &s->note;
}
