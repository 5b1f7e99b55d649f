/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

static const int64_t send_for = INT64_C(120) * 1000000;

struct transfer {
    struct session *s;
    const char *what; /* failed */
    bool done;
    int status;
};

static void on_done(void *arg, int err, const char *text)
{
    struct transfer *t = arg;

    t->done = true;
    if (err < 0)
        t->status =
            session_fail(t->s, "%s: %s: %s", t->what, err_code(err), text ? text : err_text(err));
}

int transfer_put(struct session *s, const char *file, struct chancery_part *part)
{
    struct transfer t = {.s = s, .what = "the file cannot be stored"};
    int rc = chancery_put_part(s->client, file, part, on_done, &t);

    if (rc < 0)
        return session_fail(s, "%s: %s", file, rc == ERR_IO ? strerror(errno) : err_text(rc));
    rc = session_wait(s, &t.done, send_for);
    if (rc == FAILED)
        session_fail(s, "the file could not be sent within %d s", (int)(send_for / 1000000));
    return rc == DONE ? t.status : rc;
}

bool transfer_missing(const struct session *s)
{
    return s->published_done && s->published.outcome == CHANCERY_REFUSED &&
           strcmp(s->published.code, err_code(ERR_PART_MISSING)) == 0;
}

static char *scratch_name(const char *kind)
{
    const char *tmp = getenv("TMPDIR");

    return mem_printf("%s/chancery-%s-XXXXXX", tmp && tmp[0] ? tmp : "/tmp", kind);
}

int transfer_scratch(void)
{
    char *name = scratch_name("part");
    int fd = mkostemp(name, O_CLOEXEC);

    if (fd < 0)
        complain("%s: %s", name, strerror(errno));
    else
        unlink(name);
    mem_free(name);
    return fd;
}

/* The client library gives the file its name at the end: in a directory of its own. */
static int get_into(struct session *s, uint64_t position, const uint8_t sha256[32],
                    const char *file)
{
    struct transfer t = {.s = s, .what = "the part cannot be fetched"};
    int rc = chancery_get_part(s->client, position, sha256, file, on_done, &t);

    if (rc < 0)
        return session_fail(s, "%s: %s", file, err_text(rc));
    rc = session_wait(s, &t.done, 0);
    return rc == DONE ? t.status : rc;
}

int transfer_get(struct session *s, uint64_t position, const uint8_t sha256[32], int *fd)
{
    char *dir = scratch_name("get"), *file = NULL;
    int rc = DONE;

    *fd = -1;
    if (!mkdtemp(dir)) {
        rc = session_fail(s, "%s: %s", dir, strerror(errno));
        mem_free(dir);
        return rc;
    }
    file = mem_printf("%s/part", dir);
    rc = get_into(s, position, sha256, file);
    if (rc == DONE) {
        *fd = open(file, O_RDONLY | O_CLOEXEC);
        if (*fd < 0)
            rc = session_fail(s, "%s: %s", file, strerror(errno));
        unlink(file);
    }
    rmdir(dir);
    mem_free(file);
    mem_free(dir);
    return rc;
}
