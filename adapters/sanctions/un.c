/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/un.h"

#include <stdio.h>
#include <strings.h>

#include "adapters/sanctions/un_walk.h"
#include "lib/err.h"

enum { TAG = 64 * 1024 };

static void fail_early(struct list_fault *fault, const char *code, const char *text)
{
    *fault = (struct list_fault){.code = code};
    snprintf(fault->text, sizeof fault->text, "%s", text);
}

/* Looks at the beginning, before any XML: true where it may go on. */
static bool sniff(struct slice file, struct list_fault *fault)
{
    size_t at = file.size >= 3 && memcmp(file.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;

    while (at < file.size && strchr(" \t\r\n", file.data[at]) && file.data[at])
        at++;
    if (at == file.size)
        fail_early(fault, "list.empty_file", "the file is empty; fetch the list again");
    else if (file.size > LIST_FILE)
        fail_early(fault, "list.limit", "the file is larger than 256 MiB: this is not the list");
    else if (file.size - at >= 5 && (strncasecmp((const char *)file.data + at, "<html", 5) == 0))
        fail_early(fault, "list.html",
                   "this is a web page, not the list; look at it, and fetch the list from the "
                   "address that its publisher states");
    else if (file.data[at] >= 0x80 || !file.data[at] || file.data[at] == '<')
        return true;
    else
        fail_early(fault, "list.not_xml",
                   "the file does not begin with XML; look at it, and fetch the list again");
    return false;
}

/* True where a '<' opens a tag that is still open TAG bytes later.  Looks closely only where no '>'
 * stands for that long, which is nowhere in an ordinary file. */
static bool endless_tag(struct slice file, size_t *where)
{
    size_t at = 0;

    while (file.size - at > TAG) {
        size_t back = TAG;
        while (back > 0 && file.data[at + back - 1] != '>')
            back--;
        if (back > 0) {
            at += back;
            continue;
        }
        const uint8_t *open = memchr(file.data + at, '<', TAG);
        const uint8_t *close = memchr(file.data + at, '>', file.size - at);
        size_t next = close ? (size_t)(close - file.data) : file.size;
        size_t from = open ? (size_t)(open - file.data) : next;
        if (next - from > TAG && file.data[from + 1] != '!' && file.data[from + 1] != '?') {
            *where = from;
            return true;
        }
        at = next;
    }
    return false;
}

int un_read(struct slice file, un_party *each, void *arg, struct list *list,
            struct list_fault *fault)
{
    size_t where = 0;

    *fault = (struct list_fault){.code = NULL};
    if (!sniff(file, fault))
        return ERR_MALFORMED;
    if (endless_tag(file, &where)) {
        fail_early(fault, "list.limit", "a tag is longer than 64 KiB: this is not the list");
        fault->line = un_walk_line(file, where);
        return ERR_MALFORMED;
    }
    return un_walk(file, each, arg, list, fault);
}
