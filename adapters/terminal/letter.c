/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/letter.h"

#include <stdlib.h>
#include <strings.h>

#include "adapters/terminal/text.h"

static bool begins(const char *line, const char *word)
{
    return strncasecmp(line, word, strlen(word)) == 0;
}

static bool wanted(const char *line)
{
    static const char *const names[] = {
        "From:", "To:", "Subject:", "Date:", "Message-ID:", "List-Id:", "References:"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (begins(line, names[i]))
            return true;
    return false;
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One line of quoted-printable (RFC 2045 section 6.7); true when it goes on in the next. */
static bool decode(struct buf *out, const char *line)
{
    for (; *line; line++) {
        if (*line != '=') {
            buf_add_byte(out, (uint8_t)*line);
        } else if (!line[1]) {
            return true;
        } else if (digit(line[1]) >= 0 && digit(line[2]) >= 0) {
            buf_add_byte(out, (uint8_t)(digit(line[1]) << 4 | digit(line[2])));
            line += 2;
        }
    }
    return false;
}

struct place {                    /* where in the mail a line is */
    bool head, shown;             /* in the mail's own header; a header that is shown */
    bool part_head, text, quoted; /* in a part's header; in text/plain; it is quoted-printable */
    bool done;
};

/* Mails isolate names of other scripts (U+2068, U+2069): invisible there, so not shown here. */
static void drop_isolates(struct buf *line)
{
    size_t kept = 0;

    for (size_t i = 0; i < line->size; i++) {
        const uint8_t *c = line->data + i;
        bool isolate = line->size - i >= 3 && c[0] == 0xe2 && c[1] == 0x81 && (c[2] | 1) == 0xa9;
        if (isolate)
            i += 2;
        else
            line->data[kept++] = *c;
    }
    line->size = kept;
}

static void print(struct buf *out, struct buf *line)
{
    drop_isolates(line);
    text_safe(out, buf_cstr(line));
    buf_add_byte(out, '\n');
    buf_reset(line);
}

static void take_body(struct place *p, const char *line, struct buf *whole, struct buf *out)
{
    if (begins(line, "--")) {
        p->done = p->text;
        p->part_head = true;
    } else if (p->part_head && !*line) {
        p->part_head = false;
    } else if (p->part_head) {
        p->text = p->text || begins(line, "Content-Type: text/plain");
        p->quoted = p->quoted || begins(line, "Content-Transfer-Encoding: quoted-printable");
    } else if (p->text) {
        bool more = false;
        if (p->quoted)
            more = decode(whole, line);
        else
            buf_add_str(whole, line);
        if (!more)
            print(out, whole);
    }
}

static void take_line(struct place *p, const char *line, struct buf *whole, struct buf *out)
{
    if (!p->head) {
        take_body(p, line, whole, out);
        return;
    }
    if (!*line) {
        p->head = false;
        buf_add_byte(out, '\n');
        return;
    }
    if (*line != ' ' && *line != '\t')
        p->shown = wanted(line);
    if (p->shown) {
        buf_add_str(whole, line);
        print(out, whole);
    }
}

void letter_show(struct buf *out, struct slice mail)
{
    struct place p = {.head = true};
    struct buf line = {0}, whole = {0};

    for (size_t i = 0; i < mail.size && !p.done; i++) {
        if (mail.data[i] == '\n') {
            take_line(&p, buf_cstr(&line), &whole, out);
            buf_reset(&line);
        } else if (mail.data[i] != '\r' && mail.data[i] != '\0') {
            buf_add_byte(&line, mail.data[i]);
        }
    }
    buf_free(&line);
    buf_free(&whole);
}
