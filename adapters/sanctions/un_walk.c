/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/un_walk.h"

#include <assert.h>
#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "adapters/sanctions/text.h"
#include "adapters/sanctions/un_entry.h"
#include "lib/envelope.h"
#include "lib/err.h"

enum {
    DEPTH = 32,
    CHILDREN = 20000,
    ATTRIBUTES = 64,
    TEXT = 64 * 1024,
    COMMENTS = 256 * 1024,
};

/* ---- the reader ---- */

enum where { OUTSIDE, ROOT, SECTION, ENTRY, IN_VALUES, IN_GROUP, IN_LEAF };

struct un {
    XML_Parser xml;
    struct slice file;
    struct list *list;
    struct list_fault *fault;
    un_party *each;
    void *arg;
    int rc;
    struct un_entry entry;
    struct buf text, room;

    enum where where, outer; /* `outer`: where the leaf stands */
    int depth, skip;         /* open elements, and those of them in a part that is left out */
    uint32_t children[DEPTH + 1];
    const struct un_row *open, *leaf; /* the open VALUES or GROUP, and the open leaf */
    size_t entry_at;                  /* offset of the entry */
};

__attribute__((format(printf, 3, 4))) static void refuse(struct un *u, const char *code,
                                                         const char *format, ...)
{
    va_list args;

    if (u->rc != 0)
        return;
    u->rc = ERR_MALFORMED;
    u->fault->code = code;
    va_start(args, format);
    vsnprintf(u->fault->text, sizeof u->fault->text, format, args);
    va_end(args);
    u->fault->line = XML_GetCurrentLineNumber(u->xml);
    u->fault->column = XML_GetCurrentColumnNumber(u->xml) + 1;
    XML_StopParser(u->xml, XML_FALSE);
}

/* Refuses the entry that ends here, at the line where it began. */
#define refuse_entry(u, ...)                                       \
    do {                                                           \
        refuse(u, __VA_ARGS__);                                    \
        (u)->fault->line = un_walk_line((u)->file, (u)->entry_at); \
        (u)->fault->column = 0;                                    \
    } while (0)

static bool check_entry(struct un *u, const Sanctions__ListedParty *p)
{
    if (!*p->reference)
        refuse_entry(
            u, "list.no_reference",
            "an entry (name \"%.80s\") has no REFERENCE_NUMBER, by which parties are known; "
            "fetch the list again",
            p->name);
    else if (!identifier_valid(p->reference))
        refuse_entry(u, "list.reference",
                     "\"%.80s\" is no REFERENCE_NUMBER (1 to 64 of A-Z a-z 0-9 . _ -); fetch the "
                     "list again",
                     p->reference);
    else if (!*p->name)
        list_warn(u->list, "%s has no name", p->reference);
    return u->rc == 0;
}

static void end_entry(struct un *u)
{
    Sanctions__ListedParty party;
    struct hash content;
    uint64_t first = 0;

    un_entry_party(&u->entry, &party);
    if (!check_entry(u, &party))
        return;
    list_hash(&party, &u->room, &content);
    switch (list_enter(u->list, &party, &content, u->entry_at, &first)) {
    case LIST_NEW:
        u->rc = u->each(u->arg, &party, &content);
        if (u->rc != 0)
            XML_StopParser(u->xml, XML_FALSE);
        break;
    case LIST_SAME:
        list_warn(u->list, "%s stands twice with equal content", party.reference);
        break;
    case LIST_CONTRADICTS:
        refuse_entry(u, "list.contradiction",
                     "%s stands twice with different content (the first time in line %llu); fetch "
                     "the list again, or ask its publisher",
                     party.reference, (unsigned long long)un_walk_line(u->file, first));
        break;
    case LIST_TOO_MANY:
        refuse_entry(u, "list.limit",
                     "more than %d entries, or more than %d committees, or a committee's name of "
                     "more than %d bytes: this is not the list",
                     LIST_ENTRIES, LIST_COMMITTEES, LIST_COMMITTEE);
        break;
    }
}

/* ---- what expat reports ---- */

static bool is_html(const char *name)
{
    return strcasecmp(name, "html") == 0;
}

static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon ? colon + 1 : name;
}

static void leave_out(struct un *u, const char *name)
{
    u->skip = 1;
    list_warn(u->list, "unknown element %.64s was left out", name);
}

/* A date without a time is its midnight; one without a zone is UTC. */
static bool generated_read(const char *text, int64_t *out)
{
    char full[96];

    if (time_parse(out, text))
        return true;
    snprintf(full, sizeof full, "%.63s%s", text, strchr(text, 'T') ? "Z" : "T00:00:00Z");
    return time_parse(out, full);
}

static void start_root(struct un *u, const char *name, const char **attributes)
{
    const char *generated = "";

    if (is_html(name)) {
        refuse(u, "list.html",
               "this is a web page, not the list; look at it, and fetch the list "
               "from the address that its publisher states");
        return;
    }
    if (strcmp(name, "CONSOLIDATED_LIST") != 0) {
        refuse(u, "list.wrong_root",
               "the root element is %.64s, not CONSOLIDATED_LIST: this is another list or another "
               "format",
               name);
        return;
    }
    for (; *attributes; attributes += 2)
        if (strcmp(local(attributes[0]), "dateGenerated") == 0)
            generated = attributes[1];
    if (strlen(generated) >= sizeof u->list->generated_text ||
        !generated_read(generated, &u->list->generated)) {
        refuse(u, "list.no_date",
               "dateGenerated of the root element is missing or unreadable (\"%.64s\"), so nobody "
               "can tell whether the list is newer than the one in force; fetch it again",
               generated);
        return;
    }
    memcpy(u->list->generated_text, generated, strlen(generated) + 1);
    u->where = ROOT;
}

static void start_section(struct un *u, const char *name)
{
    if (strcmp(name, "INDIVIDUALS") == 0 || strcmp(name, "ENTITIES") == 0)
        u->where = SECTION;
    else
        leave_out(u, name);
}

static void start_entry(struct un *u, const char *name)
{
    bool person = strcmp(name, "INDIVIDUAL") == 0;

    if (person || strcmp(name, "ENTITY") == 0) {
        un_entry_begin(&u->entry, person);
        u->entry_at = (size_t)XML_GetCurrentByteIndex(u->xml);
        u->where = ENTRY;
    } else {
        leave_out(u, name);
    }
}

static void start_leaf(struct un *u, const struct un_row *row)
{
    u->leaf = row;
    u->outer = u->where;
    u->where = IN_LEAF;
    buf_reset(&u->text);
}

static void start_field(struct un *u, const char *name)
{
    const struct un_row *row = un_entry_row(&u->entry, name);

    if (!row) {
        leave_out(u, name);
    } else if (row->kind == LEAF) {
        start_leaf(u, row);
    } else if (row->kind == IGNORED) {
        u->skip = 1;
    } else {
        u->open = row;
        u->where = row->kind == GROUP ? IN_GROUP : IN_VALUES;
        un_entry_group_begin(&u->entry);
    }
}

static void start_inner(struct un *u, const char *name)
{
    const struct un_row *row = u->where == IN_LEAF ? NULL : un_entry_row_in(u->open, name);

    if (row)
        start_leaf(u, row);
    else
        leave_out(u, name);
}

static bool within_limits(struct un *u)
{
    if (u->depth == DEPTH)
        refuse(u, "list.limit", "elements are nested deeper than %d: this is not the list", DEPTH);
    else if (u->where >= ENTRY && ++u->children[u->depth] > CHILDREN)
        refuse(u, "list.limit", "an element has more than %d children: this is not the list",
               CHILDREN);
    else if (XML_GetSpecifiedAttributeCount(u->xml) > 2 * ATTRIBUTES)
        refuse(u, "list.limit", "an element has more than %d attributes: this is not the list",
               ATTRIBUTES);
    return u->rc == 0;
}

static void on_start(void *arg, const char *qualified, const char **attributes)
{
    struct un *u = arg;
    const char *name = local(qualified);

    if (u->rc != 0 || !within_limits(u))
        return;
    u->children[++u->depth] = 0;
    if (u->skip > 0)
        u->skip++;
    else if (u->where == OUTSIDE)
        start_root(u, name, attributes);
    else if (u->where == ROOT)
        start_section(u, name);
    else if (u->where == SECTION)
        start_entry(u, name);
    else if (u->where == ENTRY)
        start_field(u, name);
    else
        start_inner(u, name);
}

/* A text that stands twice is both, in order; a reference is only ever one. */
static void put_text(struct un *u, const char **slot, const char *text)
{
    const char *both[2] = {*slot, text};

    if (!text || (*slot && strcmp(*slot, text) == 0))
        return;
    if (*slot && slot == &u->entry.texts[REFERENCE_NUMBER])
        refuse(u, "list.contradiction",
               "an entry has two numbers, %.64s and %.64s; fetch the list again, or ask its "
               "publisher",
               *slot, text);
    else if (*slot)
        list_warn(u->list, "%s stands twice in one place: joined", u->leaf->name);
    *slot = *slot ? text_join(u->entry.arena, both, 2, "; ") : text;
}

static void end_leaf(struct un *u)
{
    const char *text = text_canonical(u->entry.arena, slice_buf(&u->text));

    u->where = u->outer;
    if (u->where == ENTRY)
        put_text(u, &u->entry.texts[u->leaf->index], text);
    else if (u->where == IN_GROUP)
        put_text(u, &u->entry.group[u->leaf->index], text);
    else if (text)
        un_entry_value(&u->entry, u->open->index, text);
}

static void on_end(void *arg, const char *qualified)
{
    struct un *u = arg;

    (void)qualified;
    if (u->rc != 0)
        return;
    u->depth--;
    if (u->skip > 0) {
        u->skip--;
    } else if (u->where == IN_LEAF) {
        end_leaf(u);
    } else if (u->where == IN_VALUES || u->where == IN_GROUP) {
        if (u->where == IN_GROUP)
            un_entry_group_end(&u->entry, u->open->index);
        u->where = ENTRY;
    } else if (u->where == ENTRY) {
        end_entry(u);
        u->where = SECTION;
    } else {
        u->where = u->where == SECTION ? ROOT : OUTSIDE;
    }
}

static bool blank(const char *text, int size)
{
    for (int i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\n' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

static void on_text(void *arg, const char *text, int size)
{
    struct un *u = arg;

    if (u->rc != 0 || u->skip > 0)
        return;
    if (u->where != IN_LEAF) {
        if (!blank(text, size))
            list_warn(u->list, "text between elements was left out");
        return;
    }
    size_t most = u->outer == ENTRY && u->leaf->index == COMMENTS1 ? COMMENTS : TEXT;
    if (u->text.size + (size_t)size > most)
        refuse(u, "list.limit", "%s is longer than %zu bytes: this is not the list", u->leaf->name,
               most);
    else
        buf_add(&u->text, text, (size_t)size);
}

static void on_doctype(void *arg, const char *name, const char *system, const char *public,
                       int internal)
{
    (void)system, (void)public, (void)internal;
    if (is_html(local(name)))
        refuse(arg, "list.html",
               "this is a web page, not the list; look at it, and fetch the list "
               "from the address that its publisher states");
    else
        refuse(arg, "list.doctype",
               "the file has a document type declaration (DOCTYPE), which the list never has and "
               "which is never read; fetch the list from its publisher");
}

/* ---- the end ---- */

/* What stands at the place of expat's complaint: bytes that are no text at all? */
static bool bad_bytes(const struct un *u)
{
    XML_Index at = XML_GetCurrentByteIndex(u->xml);

    if (at < 0 || (size_t)at >= u->file.size)
        return false;
    uint8_t c = u->file.data[at];
    return c >= 0x80 || (c < 0x20 && !strchr("\t\r\n", c)) || c == 0;
}

static void explain(struct un *u, enum XML_Error error)
{
    static const struct {
        enum XML_Error error;
        const char *code, *text;
    } causes[] = {
        {XML_ERROR_NO_ELEMENTS, "list.truncated", "the file ends too early; fetch it again"},
        {XML_ERROR_UNCLOSED_TOKEN, "list.truncated", "the file ends too early; fetch it again"},
        {XML_ERROR_PARTIAL_CHAR, "list.truncated", "the file ends too early; fetch it again"},
        {XML_ERROR_UNCLOSED_CDATA_SECTION, "list.truncated",
         "the file ends too early; fetch it again"},
        {XML_ERROR_UNKNOWN_ENCODING, "list.encoding",
         "the file's encoding is not known; fetch the list again"},
        {XML_ERROR_INCORRECT_ENCODING, "list.encoding",
         "the file is not in the encoding that it states; fetch the list again"},
        {XML_ERROR_BAD_CHAR_REF, "list.encoding",
         "a reference to a character that text may not have; fetch the list again"},
        {XML_ERROR_NO_MEMORY, "list.limit", "reading the file takes too much memory"},
        {XML_ERROR_AMPLIFICATION_LIMIT_BREACH, "list.limit", "entities grow beyond all measure"},
    };

    for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
        if (causes[i].error == error) {
            refuse(u, causes[i].code, "%s", causes[i].text);
            return;
        }
    if (error == XML_ERROR_INVALID_TOKEN && bad_bytes(u))
        refuse(u, "list.encoding",
               "a control character, or bytes that are not text in the file's "
               "encoding; fetch the list again");
    else
        refuse(u, "list.not_xml", "not well-formed XML: %s; fetch the list again",
               XML_ErrorString(error));
}

static int parse(struct un *u)
{
    XML_SetUserData(u->xml, u);
    XML_SetElementHandler(u->xml, on_start, on_end);
    XML_SetCharacterDataHandler(u->xml, on_text);
    XML_SetStartDoctypeDeclHandler(u->xml, on_doctype);
    if (XML_Parse(u->xml, (const char *)u->file.data, (int)u->file.size, 1) != XML_STATUS_OK)
        explain(u, XML_GetErrorCode(u->xml));
    if (u->rc == 0 && u->list->parties.n == 0)
        refuse(u, "list.no_entries",
               "the list has no entries, which it never had; fetch it again, or ask its publisher");
    return u->rc;
}

uint64_t un_walk_line(struct slice file, size_t at)
{
    bool wide = file.size > 1 && (file.data[0] >= 0xFE || !file.data[0] || !file.data[1]);
    uint64_t line = 1;

    for (size_t i = 0; i < at && i < file.size; i++)
        if (file.data[i] == '\n')
            line += !wide || file.data[i ^ 1] == 0;
    return line;
}

int un_walk(struct slice file, un_party *each, void *arg, struct list *list,
            struct list_fault *fault)
{
    struct un u = {.file = file, .list = list, .fault = fault, .each = each, .arg = arg};

    u.xml = XML_ParserCreate(NULL);
    assert(u.xml);
    un_entry_init(&u.entry);
    int rc = parse(&u);
    XML_ParserFree(u.xml);
    un_entry_clear(&u.entry);
    buf_free(&u.text);
    buf_free(&u.room);
    return rc;
}
