/* SPDX-License-Identifier: Apache-2.0 */
/* import.c - `list import`: the file as a part, a request that names it, and what came of it */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/outcome.h"
#include "adapters/terminal/transfer.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"

const char *list_of(const struct call *c)
{
    return c->option[OPT_LIST] ? c->option[OPT_LIST] : "un";
}

static int send_request(struct outcome *o, const char *file, struct chancery_part *part,
                        const Sanctions__ImportList *request)
{
    o->s->published_done = false;
    progress_step(&o->s->progress, "sending the file", 0, 0);
    int rc = transfer_put(o->s, file, part);
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
    for (int again = 0; rc == FAILED && transfer_missing(o->s) && again < 3; again++)
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
