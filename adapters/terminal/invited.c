/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/invited.h"

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "adapters/terminal/verb.h"
#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

#define FIELD(name, member, fallback)                                                      \
    {                                                                                      \
        "invited", name, CONF_STRING, offsetof(struct invited, member), fallback, 0, 0, "" \
    }

static const struct conf_key keys[] = {FIELD("seat", seat, "!"), FIELD("office", office, "!"),
                                       FIELD("name", name, ""),  FIELD("code", code, "!"),
                                       FIELD("at", at, "!"),     {0}};

void invited_clear(struct invited *i)
{
    conf_clear(keys, "invited", i);
}

int invited_keep(const char *dir, const struct invitation *in, struct buf *why)
{
    char *folder = mem_printf("%s/invitations", dir);
    char *file = mem_printf("%s/%s", folder, in->seat), at[40];
    struct buf text = {0};

    time_text(at, time_now());
    buf_printf(&text, "[invited]\nseat = %s\noffice = %s\n", in->seat, in->office);
    if (in->name[0])
        buf_printf(&text, "name = %s\n", in->name);
    buf_printf(&text, "code = %s\nat = %s\n", in->code, at);
    int rc = file_make_dir(folder);
    if (rc == 0)
        rc = file_replace(file, slice_buf(&text));
    if (rc)
        buf_printf(why, "%s: who was invited cannot be kept there: %s", file, strerror(errno));
    buf_free(&text);
    mem_free(file);
    mem_free(folder);
    return rc;
}

/* ---- reading ---- */

static int is_seat(const struct dirent *e)
{
    return e->d_name[0] != '.' && identifier_valid(e->d_name);
}

static int read_one(struct invited *i, const char *file)
{
    struct buf why = {0};
    int64_t at;
    int rc = conf_read(file, keys, i, NULL, &why);

    if (rc == 0 && !time_parse(&at, i->at)) {
        buf_printf(&why, "%s: at: no time", file);
        rc = ERR_CONFIG;
    }
    if (rc)
        complain("%s", buf_cstr(&why));
    buf_free(&why);
    return rc;
}

int invited_each(const char *dir, int (*each)(void *arg, const struct invited *i), void *arg)
{
    char *folder = mem_printf("%s/invitations", dir);
    struct dirent **found;
    int n = scandir(folder, &found, is_seat, alphasort), rc = DONE, stop = 0;

    if (n < 0 && errno != ENOENT) {
        complain("%s: %s", folder, strerror(errno));
        rc = FAILED;
    }
    for (int k = 0; k < n; k++) {
        struct invited i = {0};
        char *file = mem_printf("%s/%s", folder, found[k]->d_name);
        if (!stop && read_one(&i, file) != 0)
            rc = FAILED;
        else if (!stop)
            stop = each(arg, &i);
        invited_clear(&i);
        mem_free(file);
        free(found[k]);
    }
    if (n >= 0)
        free(found);
    mem_free(folder);
    return rc;
}
