/* SPDX-License-Identifier: Apache-2.0 */
/* part.c - `part open`: a part of an event into a file, opened with the seat's age keys if it is
 * sealed */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/opening.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/transfer.h"
#include "lib/err.h"

enum { PIECE = 64 * 1024 };

struct wanted {       /* a part, once the event that names it was read */
    const char *word; /* its name, or its SHA-256 */
    size_t found;
    bool seen; /* the event */
    uint8_t sha256[HASH_SIZE];
    char *name, *by; /* who published it */
    bool sealed;
};

/* ---- which ---- */

static bool is_meant(const struct wanted *w, const Core__PartRef *p)
{
    char hex[2 * HASH_SIZE + 1];

    hex_encode(hex, p->sha256.data, HASH_SIZE);
    return strcasecmp(w->word, hex) == 0 || strcmp(w->word, p->name) == 0;
}

static bool want_part(void *arg, const struct seen *seen)
{
    struct wanted *w = arg;
    const Core__Envelope *e = seen->event.envelope;

    w->seen = true;
    w->by = mem_printf("%s %s", e->office, e->seat);
    for (size_t i = 0; i < e->n_parts; i++) {
        const Core__PartRef *p = e->parts[i];
        if (!is_meant(w, p) || w->found++)
            continue;
        memcpy(w->sha256, p->sha256.data, HASH_SIZE);
        w->name = mem_str(p->name);
        w->sealed = p->sealed;
    }
    return false;
}

static int want(struct wanted *w, struct session *s, uint64_t position)
{
    struct look look = {.from = position, .until = position, .each = want_part, .arg = w};
    int rc = session_look(s, &look);
    unsigned long long at = position;

    if (rc != DONE || w->found == 1)
        return rc;
    if (!w->seen)
        return session_fail(s, "there is no event at position %llu that this seat may read", at);
    if (w->found > 1)
        return session_fail(s,
                            "several parts have the name %s; name it by its SHA-256, as `chancery "
                            "event show %llu` has it",
                            w->word, at);
    return session_fail(
        s,
        "the event at position %llu has no part %s; `chancery event show %llu` lists "
        "them",
        at, w->word, at);
}

/* ---- where to ---- */

static const char *place_of(const struct call *c, struct session *s, const struct wanted *w)
{
    const char *given = c->option[OPT_OUT];

    if (given)
        return given;
    if (w->name[0] && w->name[0] != '.' && w->name[0] != '-')
        return w->name;
    session_fail(s, "the part has no name that a file here could have; say where it goes: --out");
    return NULL;
}

static int place_open(const char *place)
{
    if (strcmp(place, "-") == 0)
        return dup(STDOUT_FILENO);
    return open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
}

static int copy(int in, int out)
{
    uint8_t *piece = mem_new(PIECE);
    ssize_t n;

    while ((n = read(in, piece, PIECE)) > 0)
        for (ssize_t done = 0, m; done < n; done += m) {
            m = write(out, piece + done, (size_t)(n - done));
            if (m < 0) {
                mem_free(piece);
                return ERR_IO;
            }
        }
    mem_free(piece);
    return n == 0 ? 0 : ERR_IO;
}

/* ---- opening ---- */

static int opened(struct session *s, const struct wanted *w, const char *place, int err,
                  const char *tried)
{
    if (err == 0)
        return DONE;
    if (err == ERR_NOT_FOUND)
        return session_fail(
            s, "no age key can be read, and without one nothing sealed is opened: %s", tried);
    if (err == ERR_SEALED)
        return session_fail(s,
                            "%s: the part is not sealed for the keys of %s; tried: %s; ask %s, "
                            "who published it, to seal it for them too",
                            err_code(err), s->settings.seat, tried, w->by);
    if (err == ERR_IO)
        return session_fail(s, "%s: %s", place, strerror(errno));
    return session_fail(s, "%s: the part is no whole sealed file: %s; ask %s for it again",
                        err_code(err), err_text(err), w->by);
}

static int write_part(struct session *s, const struct wanted *w, int in, const char *place)
{
    int out = place_open(place);
    struct buf tried = {0};

    if (out < 0)
        return session_fail(s, "%s: %s", place, strerror(errno));
    int err = w->sealed ? opening_run(s, in, out, &tried) : copy(in, out);
    int rc = opened(s, w, place, err, buf_cstr(&tried));
    if (close(out) != 0 && rc == DONE)
        rc = opened(s, w, place, ERR_IO, "");
    if (rc != DONE && strcmp(place, "-") != 0)
        unlink(place);
    buf_free(&tried);
    return rc;
}

static int open_part(const struct call *c, struct session *s, uint64_t position, struct wanted *w)
{
    int fd = -1, rc = want(w, s, position);
    const char *place = rc == DONE ? place_of(c, s, w) : NULL;

    if (rc == DONE && !place)
        rc = FAILED;
    if (rc == DONE)
        rc = transfer_get(s, position, w->sha256, &fd);
    if (rc == DONE)
        rc = write_part(s, w, fd, place);
    if (rc == DONE && strcmp(place, "-") != 0) {
        char *shown = safe(place);
        progress_end(&s->progress);
        printf("%s\n", shown);
        mem_free(shown);
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

int part_open_run(const struct call *c)
{
    struct wanted w = {.word = c->argument[1]};
    uint64_t position;
    struct session s;

    if (!call_position(c, c->argument[0], &position))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    rc = open_part(c, &s, position, &w);
    mem_free(w.name);
    mem_free(w.by);
    session_close(&s);
    return rc;
}
