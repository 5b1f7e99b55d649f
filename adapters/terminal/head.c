/* SPDX-License-Identifier: Apache-2.0 */
/* head.c - `log head`: how far the log is, and the newest signed word about it */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"

static const int64_t answer_for = INT64_C(30) * 1000000;

struct heading {
    struct session *s;
    bool done;
    int status;
    uint64_t head;
    char *checkpoint;
};

static void on_head(void *arg, int err, uint64_t head, const char *checkpoint)
{
    struct heading *h = arg;

    h->done = true;
    h->head = head;
    if (err < 0)
        h->status = session_fail(h->s, "%s: %s", err_code(err), err_text(err));
    else
        h->checkpoint = mem_str(checkpoint ? checkpoint : "");
}

int log_head_run(const struct call *c)
{
    struct session s;
    struct heading h = {.s = &s};
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    if (chancery_head(s.client, on_head, &h) < 0)
        rc = FAILED;
    else
        rc = session_wait(&s, &h.done, answer_for);
    if (rc == FAILED)
        session_fail(&s, "the broker does not tell its head");
    progress_end(&s.progress);
    if (rc == DONE)
        rc = h.status;
    if (rc == DONE && c->option[OPT_JSON])
        show_json(json_pack("{s:I, s:s}", "head", (json_int_t)h.head, "checkpoint", h.checkpoint));
    else if (rc == DONE)
        printf("head %llu\n\n%s", (unsigned long long)h.head, h.checkpoint);
    mem_free(h.checkpoint);
    session_close(&s);
    return rc;
}
