/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/opening.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/seal.h"
#include "lib/sign.h"

struct opening {
    int in, out;
    int err; /* of the key that was tried last; ERR_NOT_FOUND: none was */
    struct buf *tried;
};

static const char *name_of(const char *file)
{
    const char *slash = strrchr(file, '/');

    return slash ? slash + 1 : file;
}

/* A key that it is not sealed for writes nothing, and the next one begins anew. */
static void try_key(struct opening *o, const char *file)
{
    struct seat_key key;
    struct buf why = {0};
    int err = seat_key_read(&key, file, &why);

    buf_printf(o->tried, "%s%s", o->tried->size ? ", " : "", name_of(file));
    if (err) {
        buf_printf(o->tried, " (%s)", err_text(err));
    } else if (!seat_key_has_age(&key)) {
        buf_printf(o->tried, " (it has no age key)");
    } else {
        o->err = lseek(o->in, 0, SEEK_SET) == 0 ? seal_open(o->in, o->out, &key.age) : ERR_IO;
    }
    if (!err)
        seat_key_clear(&key);
    buf_free(&why);
}

static bool goes_on(const struct opening *o)
{
    return o->err == ERR_SEALED || o->err == ERR_NOT_FOUND;
}

/* keys/SEAT.key.old, and those before it. */
static bool is_older(const struct dirent *e, const char *old)
{
    size_t n = strlen(old);

    return strncmp(e->d_name, old, n) == 0 && (e->d_name[n] == '\0' || e->d_name[n] == '.');
}

static void try_older(struct opening *o, const char *file)
{
    char *old = mem_printf("%s.old", name_of(file));
    char *dir = mem_printf("%.*s", (int)(name_of(file) - file), file);
    struct dirent **found;
    int n = scandir(dir[0] ? dir : ".", &found, NULL, alphasort);

    for (int i = 0; i < n; i++) {
        if (is_older(found[i], old) && goes_on(o)) {
            char *path = mem_printf("%s%s", dir, found[i]->d_name);
            try_key(o, path);
            mem_free(path);
        }
        free(found[i]);
    }
    if (n >= 0)
        free(found);
    mem_free(old);
    mem_free(dir);
}

int opening_run(struct session *s, int in, int out, struct buf *tried)
{
    struct opening o = {in, out, ERR_NOT_FOUND, tried};

    try_key(&o, s->settings.key_file);
    if (goes_on(&o))
        try_older(&o, s->settings.key_file);
    return o.err;
}
