/* SPDX-License-Identifier: Apache-2.0 */
/* page.c - see page.h */
#include "adapters/alert/page.h"

/* Signs that steer or hide text, by code point. */
static const struct {
    uint32_t first, last;
} steering[] = {
    {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},      {0x180e, 0x180e},
    {0x200b, 0x200b}, {0x200e, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},    {0xfeff, 0xfeff},
    {0xfff9, 0xfffb}, {0xe000, 0xf8ff}, {0xe0000, 0xe007f}, {0xf0000, 0x10ffff},
};

static bool steers(uint32_t c)
{
    for (size_t i = 0; i < sizeof(steering) / sizeof(steering[0]); i++)
        if (c >= steering[i].first && c <= steering[i].last)
            return true;
    return false;
}

/* Bytes of the character at `s`, 1 to 4; what is not UTF-8 is one byte and U+FFFD. */
static size_t decode(const unsigned char *s, uint32_t *c)
{
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;

    *c = n == 1 ? s[0] : s[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            n = 0;
        else
            *c = *c << 6 | (s[i] & 0x3fu);
    }
    if (n == 0)
        *c = 0xfffd;
    return n ? n : 1;
}

void page_show(struct buf *out, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    while (*s) {
        uint32_t c;
        size_t n = decode(s, &c);
        if (c == 0xfffd)
            buf_add_str(out, "\xef\xbf\xbd");
        else if (steers(c))
            buf_printf(out, "<U+%04X>", c);
        else
            buf_add(out, s, n);
        s += n;
    }
}

static bool ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == '\0';
}

static void show_text(struct buf *out, const char *text)
{
    static const uint8_t isolate[] = {0xe2, 0x81, 0xa8}, end[] = {0xe2, 0x81, 0xa9};
    bool other_script = !ascii(text);

    if (other_script)
        buf_add(out, isolate, sizeof(isolate));
    page_show(out, text);
    if (other_script)
        buf_add(out, end, sizeof(end));
}

static void show_html(struct buf *out, const char *text)
{
    static const char *const entities[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"};
    struct buf shown = {0};

    page_show(&shown, text);
    for (const char *p = buf_cstr(&shown); *p; p++) {
        const char *entity = (unsigned char)*p < 128 ? entities[(unsigned char)*p] : NULL;
        if (entity)
            buf_add_str(out, entity);
        else
            buf_add_byte(out, (uint8_t)*p);
    }
    buf_free(&shown);
}

void page_free(struct page *p)
{
    buf_free(&p->text);
    buf_free(&p->html);
}

static void element(struct page *p, const char *open, const char *text, const char *close)
{
    buf_add_str(&p->html, open);
    show_html(&p->html, text);
    buf_add_str(&p->html, close);
}

void page_heading(struct page *p, const char *text)
{
    buf_add_byte(&p->text, '\n');
    page_show(&p->text, text);
    buf_add_byte(&p->text, '\n');
    element(p, "<h2 style=\"font-size:1.1em\">", text, "</h2>\n");
}

void page_paragraph(struct page *p, const char *text)
{
    page_show(&p->text, text);
    buf_add_byte(&p->text, '\n');
    element(p, "<p dir=\"auto\">", text, "</p>\n");
}

void page_warning(struct page *p, const char *text)
{
    buf_add_str(&p->text, "*** ");
    page_show(&p->text, text);
    buf_add_str(&p->text, " ***\n");
    element(p, "<p role=\"alert\" style=\"border:2px solid #a00;padding:.4em\"><strong>", text,
            "</strong></p>\n");
}

void page_command(struct page *p, const char *command)
{
    buf_add_str(&p->text, "    ");
    page_show(&p->text, command);
    buf_add_byte(&p->text, '\n');
    element(p, "<pre dir=\"ltr\">", command, "</pre>\n");
}

void page_facts_begin(struct page *p)
{
    buf_add_str(&p->html, "<table>\n");
}

void page_fact(struct page *p, const char *name, const char *value)
{
    buf_printf(&p->text, "  %-20s ", name);
    show_text(&p->text, value);
    buf_add_byte(&p->text, '\n');
    element(p, "<tr><th scope=\"row\" align=\"left\" valign=\"top\">", name, "</th><td><bdi>");
    show_html(&p->html, value);
    buf_add_str(&p->html, "</bdi></td></tr>\n");
}

void page_facts_end(struct page *p)
{
    buf_add_str(&p->html, "</table>\n");
}

static void values(struct page *p, char sign, const char *word, const char *tag,
                   const char *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(&p->text, "    %c ", sign);
        show_text(&p->text, list[i]);
        buf_add_byte(&p->text, '\n');
        buf_printf(&p->html, "<li>%c %s: <%s><bdi>", sign, word, tag);
        show_html(&p->html, list[i]);
        buf_printf(&p->html, "</bdi></%s></li>\n", tag);
    }
}

void page_change(struct page *p, const char *name, const char *source, const char *const before[],
                 size_t n_before, const char *const after[], size_t n_after)
{
    struct buf title = {0};

    buf_add_str(&title, name);
    if (*source)
        buf_printf(&title, " (%s)", source);
    buf_add_str(&p->text, "  ");
    page_show(&p->text, buf_cstr(&title));
    buf_add_byte(&p->text, '\n');
    element(p, "<p><strong>", buf_cstr(&title), "</strong></p>\n<ul>\n");
    values(p, '-', "before", "del", before, n_before);
    values(p, '+', "now", "ins", after, n_after);
    buf_add_str(&p->html, "</ul>\n");
    buf_free(&title);
}
