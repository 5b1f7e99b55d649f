/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/contacts.h"

#include <strings.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum { FIELDS = 3 };

static const char *const head[FIELDS] = {"seat", "office", "name"};
static const char mark[] = "\xef\xbb\xbf"; /* U+FEFF */

struct contacts {
    const char *file;
    size_t line; /* from 1 */
    struct buf *why;
    struct buf fields[FIELDS];
    char **seats; /* of the lines before */
    size_t n;
};

static int wrong(struct contacts *c, const char *text)
{
    buf_printf(c->why, "%s:%zu: %s", c->file, c->line, text);
    return ERR_CONFIG;
}

/* ---- a line ---- */

/* One field; `*at` comes to stand on the comma or the end.  NULL, or what is wrong. */
static const char *take_field(const char **at, struct buf *out)
{
    const char *p = *at;
    bool quoted = *p == '"';

    buf_reset(out);
    for (p += quoted; *p && (quoted || *p != ','); p++) {
        if (*p == '"' && !quoted)
            return "a quote within a field that does not begin with one";
        if (*p == '"' && *++p != '"') {
            quoted = false;
            if (*p && *p != ',')
                return "something stands behind a closing quote";
            break;
        }
        buf_add(out, p, 1);
    }
    *at = p;
    return quoted ? "a quote is not closed on its line" : NULL;
}

/* NULL, or what is wrong. */
static const char *take_fields(struct contacts *c, const char *line)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const char *fault = take_field(&line, &c->fields[i]);
        if (fault)
            return fault;
        if (*line != (i + 1 < FIELDS ? ',' : '\0'))
            return "must have three fields: seat, office, name";
        line += *line == ',';
    }
    return NULL;
}

static bool is_head(struct contacts *c)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (strcmp(buf_cstr(&c->fields[i]), head[i]) != 0)
            return false;
    return true;
}

/* Seats are told apart without regard to case. */
static bool comes_again(struct contacts *c, const char *seat)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcasecmp(c->seats[i], seat) == 0)
            return true;
    c->seats = mem_grow(c->seats, (c->n + 1) * sizeof *c->seats);
    c->seats[c->n++] = mem_str(seat);
    return false;
}

static const char *check_contact(struct contacts *c, const struct contact *contact)
{
    if (!identifier_valid(contact->seat))
        return "the seat must be an identifier, [A-Za-z0-9._-]{1,64}";
    if (!office_valid(contact->office))
        return "the office must be PARTY/NAME, two identifiers";
    return comes_again(c, contact->seat) ? "the seat stands on an earlier line too" : NULL;
}

/* ---- the file ---- */

static int take_line(struct contacts *c, const char *line,
                     int (*each)(void *arg, const struct contact *contact, struct buf *why),
                     void *arg)
{
    struct buf reason = {0};
    const char *fault = take_fields(c, line);

    if (c->line == 1)
        return !fault && is_head(c) ? 0 : wrong(c, "the first line must be seat,office,name");
    if (fault)
        return wrong(c, fault);
    const struct contact contact = {buf_cstr(&c->fields[0]), buf_cstr(&c->fields[1]),
                                    buf_cstr(&c->fields[2])};
    fault = check_contact(c, &contact);
    if (fault)
        return wrong(c, fault);
    int rc = each(arg, &contact, &reason);
    if (rc)
        wrong(c, buf_cstr(&reason));
    buf_free(&reason);
    return rc;
}

/* A line without its end: LF, or CR LF. */
static struct slice next_line(struct slice *rest)
{
    const uint8_t *end = memchr(rest->data, '\n', rest->size);
    size_t size = end ? (size_t)(end - rest->data) : rest->size;
    struct slice line = slice_of(rest->data, size);

    *rest = slice_of(rest->data + size + (end != NULL), rest->size - size - (end != NULL));
    if (line.size && line.data[line.size - 1] == '\r')
        line.size--;
    return line;
}

int contacts_read(const char *file, struct slice text,
                  int (*each)(void *arg, const struct contact *contact, struct buf *why), void *arg,
                  struct buf *why)
{
    struct contacts c = {.file = file, .why = why};
    const size_t n_mark = sizeof mark - 1;
    int rc = 0;

    if (text.size >= n_mark && memcmp(text.data, mark, n_mark) == 0)
        text = slice_of(text.data + n_mark, text.size - n_mark);
    do {
        struct slice line = next_line(&text);
        c.line++;
        if (!scan_text(line)) {
            rc = wrong(&c, "not valid UTF-8 in normalisation form C, or a NUL");
            break;
        }
        char *words = mem_strn(line.data, line.size);
        rc = take_line(&c, words, each, arg);
        mem_free(words);
    } while (rc == 0 && text.size);
    for (size_t i = 0; i < FIELDS; i++)
        buf_free(&c.fields[i]);
    for (size_t i = 0; i < c.n; i++)
        mem_free(c.seats[i]);
    mem_free(c.seats);
    return rc;
}
