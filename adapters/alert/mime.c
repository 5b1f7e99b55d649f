/* SPDX-License-Identifier: Apache-2.0 */
/* mime.c - see mime.h */
#include "adapters/alert/mime.h"

#include <time.h>

enum {
    LINE_WISHED = 76,
    WORD_BYTES = 42, /* of text in an encoded word: 12 + 56 of the 75 characters allowed */
};

/* ASCII in words that fit a line, and nothing that a reader would decode. */
static bool plain(const char *text)
{
    for (const char *p = text; *p; p += strspn(p, " ")) {
        size_t word = strcspn(p, " ");
        if (word > LINE_WISHED - 2)
            return false;
        p += word;
    }
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
            return false;
    return !strstr(text, "=?");
}

/* Words go to a new line where the one before is full. */
static void add_folded(struct buf *out, const char *text, size_t column)
{
    for (const char *p = text; *p;) {
        size_t blanks = strspn(p, " "), size = blanks + strcspn(p + blanks, " ");
        if (column + size > LINE_WISHED && blanks > 0) {
            buf_add_str(out, "\r\n");
            column = 0;
        }
        buf_add(out, p, size);
        column += size;
        p += size;
    }
}

/* How many bytes of the text make whole characters and at most `most` bytes. */
static size_t whole_characters(const char *text, size_t most)
{
    size_t n = strlen(text);

    if (n <= most)
        return n;
    n = most;
    while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n ? n : most;
}

/* RFC 2047: each word is whole characters, so that it can be read alone. */
static void add_encoded(struct buf *out, const char *text, size_t column)
{
    struct buf clean = {0};

    for (const char *p = text; *p; p++)
        buf_add_byte(&clean, (unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : (uint8_t)*p);
    size_t room = column < 40 ? (LINE_WISHED - column - 12) / 4 * 3 : WORD_BYTES;
    for (const char *p = buf_cstr(&clean); *p;) {
        size_t n = whole_characters(p, room < WORD_BYTES ? room : WORD_BYTES);
        buf_add_str(out, "=?UTF-8?B?");
        base64_encode(out, slice_of(p, n));
        buf_add_str(out, "?=");
        p += n;
        if (*p)
            buf_add_str(out, "\r\n ");
        room = WORD_BYTES;
    }
    buf_free(&clean);
}

static void add_text(struct buf *out, const char *text, size_t column)
{
    if (plain(text))
        add_folded(out, text, column);
    else
        add_encoded(out, text, column);
}

void mime_header(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "%s: ", name);
    add_text(out, text, strlen(name) + 2);
    buf_add_str(out, "\r\n");
}

/* RFC 5322 section 3.2.4: a display name in quotes, so that no sign in it means anything. */
static void add_quoted(struct buf *out, const char *text)
{
    buf_add_byte(out, '"');
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, (uint8_t)*p);
    }
    buf_add_byte(out, '"');
}

void mime_header_address(struct buf *out, const char *name, const char *display,
                         const char *address)
{
    buf_printf(out, "%s: ", name);
    if (display && *display) {
        if (plain(display) && strlen(display) < LINE_WISHED)
            add_quoted(out, display);
        else
            add_encoded(out, display, strlen(name) + 2);
        buf_add_str(out, "\r\n ");
    }
    buf_printf(out, "<%s>\r\n", address);
}

/* Without strftime: the names are English whatever the locale. */
void mime_header_date(struct buf *out, int64_t time)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)(time / 1000000);
    struct tm t;

    gmtime_r(&seconds, &t);
    buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n",
               days + (ptrdiff_t)3 * t.tm_wday, t.tm_mday, months + (ptrdiff_t)3 * t.tm_mon,
               t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

void mime_quoted_printable(struct buf *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t column = 0;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool last = i + 1 == text.size || text.data[i + 1] == '\n';
        bool literal = (c > 0x20 && c < 0x7f && c != '=') || (c == ' ' && !last);

        if (c == '\n') {
            buf_add_str(out, "\r\n");
            column = 0;
            continue;
        }
        /* a full stop alone would end the mail, "From " be altered on the way */
        if (column == 0 && (c == '.' || c == 'F'))
            literal = false;
        if (column + (literal ? 1 : 3) > LINE_WISHED - 1) {
            buf_add_str(out, "=\r\n");
            column = 0;
        }
        if (literal) {
            buf_add_byte(out, c);
        } else {
            uint8_t hex[3] = {'=', (uint8_t)digits[c >> 4], (uint8_t)digits[c & 15]};
            buf_add(out, hex, sizeof(hex));
        }
        column += literal ? 1 : 3;
    }
    if (column > 0)
        buf_add_str(out, "\r\n");
}
