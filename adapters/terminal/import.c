/* SPDX-License-Identifier: Apache-2.0 */
/* import.c - `list import`: the file as a part, a request that names it, and what came of it */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/outcome.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/err.h"

static const int64_t send_for = INT64_C(120) * 1000000;

const char *list_of(const struct call *c)
{
    return c->option[OPT_LIST] ? c->option[OPT_LIST] : "un";
}

struct sending {
    struct session *s;
    bool done;
    int status;
};

static void on_part(void *arg, int err, const char *text)
{
    struct sending *sending = arg;

    sending->done = true;
    if (err < 0)
        sending->status = session_fail(sending->s, "the file cannot be stored: %s: %s",
                                       err_code(err), text ? text : err_text(err));
}

static int send_part(struct session *s, const char *file, struct chancery_part *part)
{
    struct sending sending = {.s = s};
    int rc = chancery_put_part(s->client, file, part, on_part, &sending);

    if (rc < 0)
        return session_fail(s, "%s: %s", file, rc == ERR_IO ? strerror(errno) : err_text(rc));
    rc = session_wait(s, &sending.done, send_for);
    if (rc == FAILED)
        session_fail(s, "the file could not be sent within %d s", (int)(send_for / 1000000));
    return rc == DONE ? sending.status : rc;
}

static bool part_missing(const struct session *s)
{
    return s->published_done && s->published.outcome == CHANCERY_REFUSED &&
           strcmp(s->published.code, err_code(ERR_PART_MISSING)) == 0;
}

static int send_request(struct outcome *o, const char *file, struct chancery_part *part,
                        const Sanctions__ImportList *request)
{
    o->s->published_done = false;
    progress_step(&o->s->progress, "sending the file", 0, 0);
    int rc = send_part(o->s, file, part);
    if (rc != DONE)
        return rc;
    return session_request(o->s, "sanctions.in", &request->base, part, &o->request);
}

static int import(struct outcome *o, const char *file)
{
    Sanctions__ImportList request = SANCTIONS__IMPORT_LIST__INIT;
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    struct chancery_part part = {.media_type = "application/xml", .name = name};

    request.list = o->list;
    request.file_name = name;
    int rc = send_request(o, file, &part, &request);
    for (int again = 0; rc == FAILED && part_missing(o->s) && again < 3; again++)
        rc = send_request(o, file, &part, &request); /* the broker began anew in between */
    if (rc == FAILED && o->s->published_done)
        session_unpublished(o->s);
    return rc;
}

static bool is_file(const char *name)
{
    struct stat st;

    if (access(name, R_OK) == 0 && stat(name, &st) == 0 && S_ISREG(st.st_mode))
        return true;
    complain("%s: %s", name, errno ? strerror(errno) : "not a file");
    return false;
}

int list_import_run(const struct call *c)
{
    struct session s;
    struct outcome o = {.s = &s, .list = list_of(c), .json = c->option[OPT_JSON] != NULL};

    errno = 0;
    if (!is_file(c->argument[0]))
        return FAILED;
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = import(&o, c->argument[0]);
    if (rc == DONE)
        rc = session_published(&s, c);
    if (rc == DONE) {
        progress_step(&s.progress, "reading the list", 0, 0);
        rc = outcome_wait(&o);
    }
    session_close(&s);
    return rc;
}
