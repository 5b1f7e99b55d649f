/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/un_entry.h"

#include <assert.h>
#include <strings.h>

#include "adapters/sanctions/date.h"
#include "adapters/sanctions/text.h"

/* ---- the elements ---- */

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

static const struct un_row entry_rows[] = {
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

static const struct un_row value_rows[] = {{"VALUE", LEAF, 0}, {NULL, IGNORED, 0}};

static const struct un_row alias_rows[] = {
    {"QUALITY", LEAF, QUALITY},
    {"ALIAS_NAME", LEAF, ALIAS_NAME},
    {"NOTE", LEAF, ALIAS_NOTE},
    {"DATE_OF_BIRTH", LEAF, ALIAS_BIRTH},
    {"CITY_OF_BIRTH", LEAF, ALIAS_CITY},
    {"COUNTRY_OF_BIRTH", LEAF, ALIAS_COUNTRY},
    {NULL, IGNORED, 0},
};

static const struct un_row place_rows[] = {
    {"STREET", LEAF, STREET},
    {"CITY", LEAF, CITY},
    {"STATE_PROVINCE", LEAF, STATE_PROVINCE},
    {"ZIP_CODE", LEAF, ZIP_CODE},
    {"COUNTRY", LEAF, COUNTRY},
    {"NOTE", LEAF, PLACE_NOTE},
    {NULL, IGNORED, 0},
};

static const struct un_row date_rows[] = {
    {"TYPE_OF_DATE", LEAF, TYPE_OF_DATE},
    {"DATE", LEAF, DATE},
    {"YEAR", LEAF, YEAR},
    {"FROM_YEAR", LEAF, FROM_YEAR},
    {"TO_YEAR", LEAF, TO_YEAR},
    {"NOTE", LEAF, DATE_NOTE},
    {NULL, IGNORED, 0},
};

static const struct un_row document_rows[] = {
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

static void *take(struct un_entry *e, size_t size)
{
    void *p = arena_take(e->arena, size);

    assert(p);
    return p;
}

static void add(struct un_vec *v, ProtobufCMessage *item)
{
    if (v->n == v->capacity) {
        v->capacity = v->capacity ? v->capacity * 2 : 16;
        v->items = mem_grow(v->items, v->capacity * sizeof *v->items);
    }
    v->items[v->n++] = item;
}

/* ---- an entry's groups become messages ---- */

static Sanctions__ListDate *date_new(struct un_entry *e, const char *text)
{
    if (!text)
        return NULL;
    Sanctions__ListDate *date = take(e, sizeof *date);
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

static ProtobufCMessage *alias_new(struct un_entry *e)
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
    Sanctions__Alias *a = take(e, sizeof *a);

    sanctions__alias__init(a);
    set(&a->quality_text, e->group[QUALITY]);
    for (size_t i = 0; e->group[QUALITY] && i < sizeof qualities / sizeof *qualities; i++)
        if (strcmp(e->group[QUALITY], qualities[i].text) == 0) {
            a->quality = qualities[i].quality;
            a->quality_text = protobuf_c_empty_string;
        }
    set(&a->name, e->group[ALIAS_NAME]);
    set(&a->note, e->group[ALIAS_NOTE]);
    a->birth_date = date_new(e, e->group[ALIAS_BIRTH]);
    set(&a->city_of_birth, e->group[ALIAS_CITY]);
    set(&a->country_of_birth, e->group[ALIAS_COUNTRY]);
    return &a->base;
}

static ProtobufCMessage *place_new(struct un_entry *e)
{
    Sanctions__Place *p = take(e, sizeof *p);

    sanctions__place__init(p);
    set(&p->street, e->group[STREET]);
    set(&p->city, e->group[CITY]);
    set(&p->state_province, e->group[STATE_PROVINCE]);
    set(&p->zip_code, e->group[ZIP_CODE]);
    set(&p->country, e->group[COUNTRY]);
    set(&p->note, e->group[PLACE_NOTE]);
    return &p->base;
}

static ProtobufCMessage *birth_date_new(struct un_entry *e)
{
    Sanctions__ListDate *d = take(e, sizeof *d);
    const char *type = e->group[TYPE_OF_DATE];
    const char *range[2] = {e->group[FROM_YEAR], e->group[TO_YEAR]};
    const char *texts[3] = {e->group[DATE], e->group[YEAR], text_join(e->arena, range, 2, " - ")};
    const char *text = text_join(e->arena, texts, 3, "; ");

    sanctions__list_date__init(d);
    if (is(type, "EXACT"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_EXACT;
    else if (is(type, "APPROXIMATELY"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_APPROXIMATE;
    else if (is(type, "BETWEEN"))
        d->type = SANCTIONS__DATE_TYPE__DATE_TYPE_BETWEEN;
    else
        set(&d->type_text, type);
    set(&d->note, e->group[DATE_NOTE]);
    if (text)
        date_read(d, text);
    return &d->base;
}

static ProtobufCMessage *document_new(struct un_entry *e)
{
    Sanctions__Document *d = take(e, sizeof *d);

    sanctions__document__init(d);
    set(&d->type, e->group[DOCUMENT_TYPE]);
    set(&d->type2, e->group[DOCUMENT_TYPE2]);
    set(&d->number, e->group[NUMBER]);
    set(&d->number_normalised, text_letters(e->arena, e->group[NUMBER]));
    set(&d->issuing_country, e->group[ISSUING_COUNTRY]);
    set(&d->country_of_issue, e->group[ISSUE_COUNTRY]);
    set(&d->city_of_issue, e->group[ISSUE_CITY]);
    d->issued = date_new(e, e->group[ISSUE_DATE]);
    set(&d->note, e->group[DOCUMENT_NOTE]);
    return &d->base;
}

static const struct group {
    const struct un_row *rows;
    ProtobufCMessage *(*make)(struct un_entry *e);
} groups[MANIES] = {
    [ALIAS] = {alias_rows, alias_new},          [ADDRESS] = {place_rows, place_new},
    [BIRTH_DATE] = {date_rows, birth_date_new}, [BIRTH_PLACE] = {place_rows, place_new},
    [DOCUMENT] = {document_rows, document_new},
};

void un_entry_group_begin(struct un_entry *e)
{
    memset(e->group, 0, sizeof e->group);
}

void un_entry_group_end(struct un_entry *e, int many)
{
    for (int i = 0; i < TEXTS; i++)
        if (e->group[i]) {
            add(&e->manies[many], groups[many].make(e));
            return;
        }
}

void un_entry_value(struct un_entry *e, int many, const char *text)
{
    if (many == UPDATED)
        add(&e->manies[many], &date_new(e, text)->base);
    else
        add(&e->manies[many], (ProtobufCMessage *)(uintptr_t)text);
}

/* ---- finding an element's row ---- */

/* Elements come in much the same order: the row after the last one found is tried first. */
const struct un_row *un_entry_row(struct un_entry *e, const char *name)
{
    const size_t n = sizeof entry_rows / sizeof *entry_rows - 1;

    for (size_t i = 0, at = e->next; i < n; i++, at = at + 1 < n ? at + 1 : 0)
        if (entry_rows[at].name[0] == name[0] && strcmp(entry_rows[at].name, name) == 0) {
            e->next = at;
            return &entry_rows[at];
        }
    return NULL;
}

const struct un_row *un_entry_row_in(const struct un_row *open, const char *name)
{
    const struct un_row *row = open->kind == GROUP ? groups[open->index].rows : value_rows;

    for (; row->name; row++)
        if (row->name[0] == name[0] && strcmp(row->name, name) == 0)
            return row;
    return NULL;
}

/* ---- the whole entry ---- */

void un_entry_init(struct un_entry *e)
{
    *e = (struct un_entry){.arena = arena_new(SIZE_MAX)};
}

void un_entry_clear(struct un_entry *e)
{
    arena_free(e->arena);
    for (int i = 0; i < MANIES; i++)
        mem_free(e->manies[i].items);
}

void un_entry_begin(struct un_entry *e, bool person)
{
    arena_reset(e->arena);
    memset(e->texts, 0, sizeof e->texts);
    for (int i = 0; i < MANIES; i++)
        e->manies[i].n = 0;
    e->person = person;
    e->next = 0;
}

static void sort_many(struct un_entry *e, int many)
{
    struct un_vec *v = &e->manies[many];

    if (many <= LIST_TYPE)
        list_sort_texts((const char **)(void *)v->items, &v->n);
    else
        list_sort_messages(v->items, &v->n, e->arena);
}

#define MANY(party, e, field, type, many)      \
    ((party)->n_##field = (e)->manies[many].n, \
     (party)->field = (type)(void *)(e)->manies[many].items)

static void fill_texts(const struct un_entry *e, Sanctions__ListedParty *p)
{
    set(&p->reference, e->texts[REFERENCE_NUMBER]);
    set(&p->internal_id, e->texts[DATAID]);
    set(&p->committee, e->texts[UN_LIST_TYPE]);
    set(&p->name, text_join(e->arena, e->texts + FIRST_NAME, 4, " "));
    set(&p->name_1, e->texts[FIRST_NAME]);
    set(&p->name_2, e->texts[SECOND_NAME]);
    set(&p->name_3, e->texts[THIRD_NAME]);
    set(&p->name_4, e->texts[FOURTH_NAME]);
    set(&p->name_original_script, e->texts[NAME_ORIGINAL_SCRIPT]);
    set(&p->gender, e->texts[GENDER]);
    set(&p->submitted_by, e->texts[SUBMITTED_BY]);
    set(&p->comments, e->texts[COMMENTS1]);
    set(&p->version, e->texts[VERSIONNUM]);
}

void un_entry_party(struct un_entry *e, Sanctions__ListedParty *p)
{
    sanctions__listed_party__init(p);
    p->list = "un";
    p->type = e->person ? SANCTIONS__PARTY_TYPE__PARTY_TYPE_PERSON
                        : SANCTIONS__PARTY_TYPE__PARTY_TYPE_ENTITY;
    fill_texts(e, p);
    p->listed_on = date_new(e, e->texts[LISTED_ON]);
    p->submitted_on = date_new(e, e->texts[SUBMITTED_ON]);
    p->delisted_on = date_new(e, e->texts[DELISTED_ON]);
    for (int i = 0; i < MANIES; i++)
        sort_many(e, i);
    MANY(p, e, titles, const char **, TITLE);
    MANY(p, e, designations, const char **, DESIGNATION);
    MANY(p, e, nationalities, const char **, NATIONALITY);
    MANY(p, e, list_types, const char **, LIST_TYPE);
    MANY(p, e, updated_on, Sanctions__ListDate **, UPDATED);
    MANY(p, e, aliases, Sanctions__Alias **, ALIAS);
    MANY(p, e, addresses, Sanctions__Place **, ADDRESS);
    MANY(p, e, birth_dates, Sanctions__ListDate **, BIRTH_DATE);
    MANY(p, e, birth_places, Sanctions__Place **, BIRTH_PLACE);
    MANY(p, e, documents, Sanctions__Document **, DOCUMENT);
}
