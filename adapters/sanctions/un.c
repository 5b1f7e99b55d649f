/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/un.h"

#include <assert.h>
#include <expat.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include "adapters/sanctions/date.h"
#include "adapters/sanctions/text.h"
#include "lib/envelope.h"
#include "lib/err.h"

enum {
    DEPTH = 32,
    CHILDREN = 20000,
    ATTRIBUTES = 64,
    TEXT = 64 * 1024,
    COMMENTS = 256 * 1024,
    TAG = 64 * 1024,
};

/* ---- the elements ---- */

enum entry_text {
    DATAID,
    VERSIONNUM,
    FIRST_NAME,
    SECOND_NAME,
    THIRD_NAME,
    FOURTH_NAME,
    UN_LIST_TYPE,
    REFERENCE_NUMBER,
    LISTED_ON,
    DELISTED_ON,
    GENDER,
    SUBMITTED_BY,
    SUBMITTED_ON,
    NAME_ORIGINAL_SCRIPT,
    COMMENTS1,
    TEXTS, /* how many; no group has more */
};

enum many {
    TITLE,
    DESIGNATION,
    NATIONALITY,
    LIST_TYPE,
    UPDATED,
    ALIAS,
    ADDRESS,
    BIRTH_DATE,
    BIRTH_PLACE,
    DOCUMENT,
    MANIES
};

enum alias_text { QUALITY, ALIAS_NAME, ALIAS_NOTE, ALIAS_BIRTH, ALIAS_CITY, ALIAS_COUNTRY };
enum place_text { STREET, CITY, STATE_PROVINCE, ZIP_CODE, COUNTRY, PLACE_NOTE };
enum date_text { TYPE_OF_DATE, DATE, YEAR, FROM_YEAR, TO_YEAR, DATE_NOTE };
enum document_text {
    DOCUMENT_TYPE,
    DOCUMENT_TYPE2,
    NUMBER,
    ISSUING_COUNTRY,
    ISSUE_COUNTRY,
    ISSUE_CITY,
    ISSUE_DATE,
    DOCUMENT_NOTE
};

enum kind {
    LEAF,   /* text number `index` of what it stands in */
    VALUES, /* many number `index`: VALUE elements */
    GROUP,  /* many number `index`: an element with texts of its own */
    IGNORED,
};

struct row {
    const char *name;
    enum kind kind;
    int index;
};

static const struct row entry_rows[] = {
    {"DATAID", LEAF, DATAID},
    {"VERSIONNUM", LEAF, VERSIONNUM},
    {"FIRST_NAME", LEAF, FIRST_NAME},
    {"SECOND_NAME", LEAF, SECOND_NAME},
    {"THIRD_NAME", LEAF, THIRD_NAME},
    {"FOURTH_NAME", LEAF, FOURTH_NAME},
    {"UN_LIST_TYPE", LEAF, UN_LIST_TYPE},
    {"REFERENCE_NUMBER", LEAF, REFERENCE_NUMBER},
    {"LISTED_ON", LEAF, LISTED_ON},
    {"DELISTED_ON", LEAF, DELISTED_ON},
    {"NAME_ORIGINAL_SCRIPT", LEAF, NAME_ORIGINAL_SCRIPT},
    {"GENDER", LEAF, GENDER},
    {"SUBMITTED_BY", LEAF, SUBMITTED_BY},
    {"SUBMITTED_ON", LEAF, SUBMITTED_ON},
    {"COMMENTS1", LEAF, COMMENTS1},
    {"TITLE", VALUES, TITLE},
    {"DESIGNATION", VALUES, DESIGNATION},
    {"NATIONALITY", VALUES, NATIONALITY},
    {"NATIONALITY2", VALUES, NATIONALITY},
    {"LIST_TYPE", VALUES, LIST_TYPE},
    {"LAST_DAY_UPDATED", VALUES, UPDATED},
    {"INDIVIDUAL_ALIAS", GROUP, ALIAS},
    {"INDIVIDUAL_ADDRESS", GROUP, ADDRESS},
    {"INDIVIDUAL_DATE_OF_BIRTH", GROUP, BIRTH_DATE},
    {"INDIVIDUAL_PLACE_OF_BIRTH", GROUP, BIRTH_PLACE},
    {"INDIVIDUAL_DOCUMENT", GROUP, DOCUMENT},
    {"ENTITY_ALIAS", GROUP, ALIAS},
    {"ENTITY_ADDRESS", GROUP, ADDRESS},
    {"SORT_KEY", IGNORED, 0},
    {"SORT_KEY_LAST_MOD", IGNORED, 0},
    {NULL, IGNORED, 0},
};

static const struct row value_rows[] = {{"VALUE", LEAF, 0}, {NULL, IGNORED, 0}};

static const struct row alias_rows[] = {
    {"QUALITY", LEAF, QUALITY},
    {"ALIAS_NAME", LEAF, ALIAS_NAME},
    {"NOTE", LEAF, ALIAS_NOTE},
    {"DATE_OF_BIRTH", LEAF, ALIAS_BIRTH},
    {"CITY_OF_BIRTH", LEAF, ALIAS_CITY},
    {"COUNTRY_OF_BIRTH", LEAF, ALIAS_COUNTRY},
    {NULL, IGNORED, 0},
};

static const struct row place_rows[] = {
    {"STREET", LEAF, STREET},
    {"CITY", LEAF, CITY},
    {"STATE_PROVINCE", LEAF, STATE_PROVINCE},
    {"ZIP_CODE", LEAF, ZIP_CODE},
    {"COUNTRY", LEAF, COUNTRY},
    {"NOTE", LEAF, PLACE_NOTE},
    {NULL, IGNORED, 0},
};

static const struct row date_rows[] = {
    {"TYPE_OF_DATE", LEAF, TYPE_OF_DATE},
    {"DATE", LEAF, DATE},
    {"YEAR", LEAF, YEAR},
    {"FROM_YEAR", LEAF, FROM_YEAR},
    {"TO_YEAR", LEAF, TO_YEAR},
    {"NOTE", LEAF, DATE_NOTE},
    {NULL, IGNORED, 0},
};

static const struct row document_rows[] = {
    {"TYPE_OF_DOCUMENT", LEAF, DOCUMENT_TYPE},
    {"TYPE_OF_DOCUMENT2", LEAF, DOCUMENT_TYPE2},
    {"NUMBER", LEAF, NUMBER},
    {"ISSUING_COUNTRY", LEAF, ISSUING_COUNTRY},
    {"COUNTRY_OF_ISSUE", LEAF, ISSUE_COUNTRY},
    {"CITY_OF_ISSUE", LEAF, ISSUE_CITY},
    {"DATE_OF_ISSUE", LEAF, ISSUE_DATE},
    {"NOTE", LEAF, DOCUMENT_NOTE},
    {NULL, IGNORED, 0},
};

/* ---- the reader ---- */

enum where { OUTSIDE, ROOT, SECTION, ENTRY, IN_VALUES, IN_GROUP, IN_LEAF };

struct vec {
    ProtobufCMessage **items; /* or texts */
    size_t n, capacity;
};

struct un {
    XML_Parser xml;
    struct slice file;
    struct list *list;
    struct list_fault *fault;
    un_party *each;
    void *arg;
    int rc;
    struct arena *arena; /* of one entry; what lies in it is bounded by the file */
    struct buf text, room;

    enum where where, outer; /* `outer`: where the leaf stands */
    int depth, skip;         /* open elements, and those of them in a part that is left out */
    uint32_t children[DEPTH + 1];
    const struct row *rows, *leaf; /* rows of the open group; row of the open leaf */
    size_t next;                   /* row of entry_rows that is tried first */
    int many;                      /* of the open group */
    size_t entry_at;               /* offset of the entry */
    bool person;
    const char *texts[TEXTS], *group[TEXTS];
    struct vec manies[MANIES];
};

static void *take(struct un *u, size_t size)
{
    void *p = arena_take(u->arena, size);

    assert(p);
    return p;
}

static void add(struct vec *v, ProtobufCMessage *item)
{
    if (v->n == v->capacity) {
        v->capacity = v->capacity ? v->capacity * 2 : 16;
        v->items = mem_grow(v->items, v->capacity * sizeof *v->items);
    }
    v->items[v->n++] = item;
}

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

/* The line of a byte of the file, for what expat no longer stands at. */
static uint64_t line_of(const struct un *u, size_t at)
{
    bool wide =
        u->file.size > 1 && (u->file.data[0] >= 0xFE || !u->file.data[0] || !u->file.data[1]);
    uint64_t line = 1;

    for (size_t i = 0; i < at && i < u->file.size; i++)
        if (u->file.data[i] == '\n')
            line += !wide || u->file.data[i ^ 1] == 0;
    return line;
}

/* Refuses the entry that ends here, at the line where it began. */
#define refuse_entry(u, ...)                          \
    do {                                              \
        refuse(u, __VA_ARGS__);                       \
        (u)->fault->line = line_of(u, (u)->entry_at); \
        (u)->fault->column = 0;                       \
    } while (0)

/* ---- an entry's groups become messages ---- */

static Sanctions__ListDate *date_new(struct un *u, const char *text)
{
    if (!text)
        return NULL;
    Sanctions__ListDate *date = take(u, sizeof *date);
    sanctions__list_date__init(date);
    date_read(date, text);
    return date;
}

static void set(const char **field, const char *text)
{
    if (text)
        *field = text;
}

static bool is(const char *text, const char *word)
{
    return text && strcasecmp(text, word) == 0;
}

static ProtobufCMessage *alias_new(struct un *u)
{
    static const struct {
        const char *text;
        Sanctions__AliasQuality quality;
    } qualities[] = {
        {"Good", SANCTIONS__ALIAS_QUALITY__ALIAS_QUALITY_GOOD},
        {"Low", SANCTIONS__ALIAS_QUALITY__ALIAS_QUALITY_LOW},
        {"a.k.a.", SANCTIONS__ALIAS_QUALITY__ALIAS_QUALITY_ALSO_KNOWN},
        {"f.k.a.", SANCTIONS__ALIAS_QUALITY__ALIAS_QUALITY_FORMERLY},
    };
    Sanctions__Alias *a = take(u, sizeof *a);

    sanctions__alias__init(a);
    set(&a->quality_text, u->group[QUALITY]);
    for (size_t i = 0; u->group[QUALITY] && i < sizeof qualities / sizeof *qualities; i++)
        if (strcmp(u->group[QUALITY], qualities[i].text) == 0) {
            a->quality = qualities[i].quality;
            a->quality_text = protobuf_c_empty_string;
        }
    set(&a->name, u->group[ALIAS_NAME]);
    set(&a->note, u->group[ALIAS_NOTE]);
    a->birth_date = date_new(u, u->group[ALIAS_BIRTH]);
    set(&a->city_of_birth, u->group[ALIAS_CITY]);
    set(&a->country_of_birth, u->group[ALIAS_COUNTRY]);
    return &a->base;
}

static ProtobufCMessage *place_new(struct un *u)
{
    Sanctions__Place *p = take(u, sizeof *p);

    sanctions__place__init(p);
    set(&p->street, u->group[STREET]);
    set(&p->city, u->group[CITY]);
    set(&p->state_province, u->group[STATE_PROVINCE]);
    set(&p->zip_code, u->group[ZIP_CODE]);
    set(&p->country, u->group[COUNTRY]);
    set(&p->note, u->group[PLACE_NOTE]);
    return &p->base;
}

static ProtobufCMessage *birth_date_new(struct un *u)
{
    Sanctions__ListDate *d = take(u, sizeof *d);
    const char *type = u->group[TYPE_OF_DATE];
    const char *range[2] = {u->group[FROM_YEAR], u->group[TO_YEAR]};
    const char *texts[3] = {u->group[DATE], u->group[YEAR], text_join(u->arena, range, 2, " - ")};
    const char *text = text_join(u->arena, texts, 3, "; ");

    sanctions__list_date__init(d);
    if (is(type, "EXACT"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_EXACT;
    else if (is(type, "APPROXIMATELY"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_APPROXIMATE;
    else if (is(type, "BETWEEN"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_BETWEEN;
    else
        set(&d->type_text, type);
    set(&d->note, u->group[DATE_NOTE]);
    if (text)
        date_read(d, text);
    return &d->base;
}

static ProtobufCMessage *document_new(struct un *u)
{
    Sanctions__Document *d = take(u, sizeof *d);

    sanctions__document__init(d);
    set(&d->type, u->group[DOCUMENT_TYPE]);
    set(&d->type2, u->group[DOCUMENT_TYPE2]);
    set(&d->number, u->group[NUMBER]);
    set(&d->number_normalised, text_letters(u->arena, u->group[NUMBER]));
    set(&d->issuing_country, u->group[ISSUING_COUNTRY]);
    set(&d->country_of_issue, u->group[ISSUE_COUNTRY]);
    set(&d->city_of_issue, u->group[ISSUE_CITY]);
    d->issued = date_new(u, u->group[ISSUE_DATE]);
    set(&d->note, u->group[DOCUMENT_NOTE]);
    return &d->base;
}

static const struct group {
    const struct row *rows;
    ProtobufCMessage *(*make)(struct un *u);
} groups[MANIES] = {
    [ALIAS] = {alias_rows, alias_new},          [ADDRESS] = {place_rows, place_new},
    [BIRTH_DATE] = {date_rows, birth_date_new}, [BIRTH_PLACE] = {place_rows, place_new},
    [DOCUMENT] = {document_rows, document_new},
};

static void end_group(struct un *u)
{
    for (int i = 0; i < TEXTS; i++)
        if (u->group[i]) {
            add(&u->manies[u->many], groups[u->many].make(u));
            return;
        }
}

/* ---- an entry becomes a party ---- */

static void begin_entry(struct un *u, bool person)
{
    arena_reset(u->arena);
    memset(u->texts, 0, sizeof u->texts);
    for (int i = 0; i < MANIES; i++)
        u->manies[i].n = 0;
    u->person = person;
    u->entry_at = (size_t)XML_GetCurrentByteIndex(u->xml);
    u->next = 0;
}

static void sort_many(struct un *u, int many)
{
    struct vec *v = &u->manies[many];

    if (many <= LIST_TYPE)
        list_sort_texts((const char **)(void *)v->items, &v->n);
    else
        list_sort_messages(v->items, &v->n, u->arena);
}

#define MANY(party, u, field, type, many)      \
    ((party)->n_##field = (u)->manies[many].n, \
     (party)->field = (type)(void *)(u)->manies[many].items)

static void fill_texts(const struct un *u, Sanctions__ListedParty *p)
{
    set(&p->reference, u->texts[REFERENCE_NUMBER]);
    set(&p->internal_id, u->texts[DATAID]);
    set(&p->committee, u->texts[UN_LIST_TYPE]);
    set(&p->name, text_join(u->arena, u->texts + FIRST_NAME, 4, " "));
    set(&p->name_1, u->texts[FIRST_NAME]);
    set(&p->name_2, u->texts[SECOND_NAME]);
    set(&p->name_3, u->texts[THIRD_NAME]);
    set(&p->name_4, u->texts[FOURTH_NAME]);
    set(&p->name_original_script, u->texts[NAME_ORIGINAL_SCRIPT]);
    set(&p->gender, u->texts[GENDER]);
    set(&p->submitted_by, u->texts[SUBMITTED_BY]);
    set(&p->comments, u->texts[COMMENTS1]);
    set(&p->version, u->texts[VERSIONNUM]);
}

static void fill_party(struct un *u, Sanctions__ListedParty *p)
{
    sanctions__listed_party__init(p);
    p->list = "un";
    p->type = u->person ? SANCTIONS__PARTY_TYPE__PARTY_TYPE_PERSON
                        : SANCTIONS__PARTY_TYPE__PARTY_TYPE_ENTITY;
    fill_texts(u, p);
    p->listed_on = date_new(u, u->texts[LISTED_ON]);
    p->submitted_on = date_new(u, u->texts[SUBMITTED_ON]);
    p->delisted_on = date_new(u, u->texts[DELISTED_ON]);
    for (int i = 0; i < MANIES; i++)
        sort_many(u, i);
    MANY(p, u, titles, const char **, TITLE);
    MANY(p, u, designations, const char **, DESIGNATION);
    MANY(p, u, nationalities, const char **, NATIONALITY);
    MANY(p, u, list_types, const char **, LIST_TYPE);
    MANY(p, u, updated_on, Sanctions__ListDate **, UPDATED);
    MANY(p, u, aliases, Sanctions__Alias **, ALIAS);
    MANY(p, u, addresses, Sanctions__Place **, ADDRESS);
    MANY(p, u, birth_dates, Sanctions__ListDate **, BIRTH_DATE);
    MANY(p, u, birth_places, Sanctions__Place **, BIRTH_PLACE);
    MANY(p, u, documents, Sanctions__Document **, DOCUMENT);
}

static bool check_entry(struct un *u, const Sanctions__ListedParty *p)
{
    if (!u->texts[REFERENCE_NUMBER])
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

    fill_party(u, &party);
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
                     party.reference, (unsigned long long)line_of(u, first));
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

static const char *local(const char *name)
{
    const char *colon = strrchr(name, ':');

    return colon ? colon + 1 : name;
}

/* Elements come in much the same order: the row after the last one found is tried first. */
static const struct row *entry_row(struct un *u, const char *name)
{
    const size_t n = sizeof entry_rows / sizeof *entry_rows - 1;

    for (size_t i = 0, at = u->next; i < n; i++, at = at + 1 < n ? at + 1 : 0)
        if (entry_rows[at].name[0] == name[0] && strcmp(entry_rows[at].name, name) == 0) {
            u->next = at;
            return &entry_rows[at];
        }
    return NULL;
}

static const struct row *row_find(const struct row *rows, const char *name)
{
    for (; rows->name; rows++)
        if (rows->name[0] == name[0] && strcmp(rows->name, name) == 0)
            return rows;
    return NULL;
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

    if (is(name, "html")) {
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
        begin_entry(u, person);
        u->where = ENTRY;
    } else {
        leave_out(u, name);
    }
}

static void start_leaf(struct un *u, const struct row *row)
{
    u->leaf = row;
    u->outer = u->where;
    u->where = IN_LEAF;
    buf_reset(&u->text);
}

static void start_field(struct un *u, const char *name)
{
    const struct row *row = entry_row(u, name);

    if (!row) {
        leave_out(u, name);
    } else if (row->kind == LEAF) {
        start_leaf(u, row);
    } else if (row->kind == IGNORED) {
        u->skip = 1;
    } else {
        u->many = row->index;
        u->rows = row->kind == GROUP ? groups[row->index].rows : value_rows;
        u->where = row->kind == GROUP ? IN_GROUP : IN_VALUES;
        memset(u->group, 0, sizeof u->group);
    }
}

static void start_inner(struct un *u, const char *name)
{
    const struct row *row = u->where == IN_LEAF ? NULL : row_find(u->rows, name);

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
    if (*slot && slot == &u->texts[REFERENCE_NUMBER])
        refuse(u, "list.contradiction",
               "an entry has two numbers, %.64s and %.64s; fetch the list again, or ask its "
               "publisher",
               *slot, text);
    else if (*slot)
        list_warn(u->list, "%s stands twice in one place: joined", u->leaf->name);
    *slot = *slot ? text_join(u->arena, both, 2, "; ") : text;
}

static void end_leaf(struct un *u)
{
    const char *text = text_canonical(u->arena, slice_buf(&u->text));

    u->where = u->outer;
    if (u->where == ENTRY)
        put_text(u, &u->texts[u->leaf->index], text);
    else if (u->where == IN_GROUP)
        put_text(u, &u->group[u->leaf->index], text);
    else if (text && u->many == UPDATED)
        add(&u->manies[UPDATED], &date_new(u, text)->base);
    else if (text)
        add(&u->manies[u->many], (ProtobufCMessage *)(uintptr_t)text);
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
            end_group(u);
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
    if (is(local(name), "html"))
        refuse(arg, "list.html",
               "this is a web page, not the list; look at it, and fetch the list "
               "from the address that its publisher states");
    else
        refuse(arg, "list.doctype",
               "the file has a document type declaration (DOCTYPE), which the list never has and "
               "which is never read; fetch the list from its publisher");
}

/* ---- the whole file ---- */

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

int un_read(struct slice file, un_party *each, void *arg, struct list *list,
            struct list_fault *fault)
{
    struct un u = {.file = file, .list = list, .fault = fault, .each = each, .arg = arg};
    size_t where = 0;

    *fault = (struct list_fault){.code = NULL};
    if (!sniff(file, fault))
        return ERR_MALFORMED;
    if (endless_tag(file, &where)) {
        fail_early(fault, "list.limit", "a tag is longer than 64 KiB: this is not the list");
        fault->line = line_of(&u, where);
        return ERR_MALFORMED;
    }
    u.xml = XML_ParserCreate(NULL);
    assert(u.xml);
    u.arena = arena_new(SIZE_MAX);
    int rc = parse(&u);
    XML_ParserFree(u.xml);
    arena_free(u.arena);
    buf_free(&u.text);
    buf_free(&u.room);
    for (int i = 0; i < MANIES; i++)
        mem_free(u.manies[i].items);
    return rc;
}
