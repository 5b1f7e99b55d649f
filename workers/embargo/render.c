/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/render.h"

#include <assert.h>

#include "lib/slice.h"

void *render_take(struct arena *arena, size_t size)
{
    void *p = arena_take(arena, size);

    assert(p);
    return p;
}

static const char *keep(struct arena *arena, struct buf *text)
{
    char *kept = render_take(arena, text->size + 1);

    if (text->size)
        memcpy(kept, text->data, text->size);
    buf_free(text);
    return kept;
}

/* ---- exact: every part by its name ---- */

/* What a reader of the list derives: another reader's other opinion is no change of the list. */
static const char *const derived[] = {"from_day", "to_day", "known", "number_normalised", NULL};

static bool is_derived(const char *name)
{
    for (const char *const *d = derived; *d; d++)
        if (strcmp(*d, name) == 0)
            return true;
    return false;
}

static void exact_message(struct buf *out, const ProtobufCMessage *message);

static void exact_part(struct buf *out, const ProtobufCFieldDescriptor *field, const void *at)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *const *text = at;
        if (*text && **text)
            buf_printf(out, "%s: %s; ", field->name, *text);
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumDescriptor *type = field->descriptor;
        const int *number = at;
        const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, *number);
        if (*number != 0)
            buf_printf(out, "%s: %s; ", field->name, value ? value->name : "?");
    } else if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *const *message = at;
        if (*message) {
            buf_printf(out, "%s: (", field->name);
            exact_message(out, *message);
            buf_add_str(out, "); ");
        }
    }
}

/* The messages within a party hold texts, enums and messages, none of them repeated. */
static void exact_message(struct buf *out, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++)
        if (!is_derived(type->fields[i].name))
            exact_part(out, &type->fields[i], (const uint8_t *)message + type->fields[i].offset);
}

/* ---- plain: as people read ---- */

static bool stated(const char *text)
{
    return text && *text;
}

/* Adds the text behind the separator, which the first one goes without. */
static void join(struct buf *out, const char *separator, const char *before, const char *text)
{
    if (!stated(text))
        return;
    if (out->size)
        buf_add_str(out, separator);
    buf_add_str(out, before);
    buf_add_str(out, text);
}

/* Adds "(remarks)" and frees them. */
static void remark(struct buf *out, struct buf *remarks)
{
    if (remarks->size)
        buf_printf(out, "%s(%s)", out->size ? " " : "", buf_cstr(remarks));
    buf_free(remarks);
}

static void plain_date(struct buf *out, const void *message)
{
    static const char *const before[] = {"", "", "about ", "between "};
    const Sanctions__ListDate *date = message;
    struct buf remarks = {0};
    unsigned type = (unsigned)date->type;

    join(out, "", type < sizeof before / sizeof *before ? before[type] : "", date->text);
    join(&remarks, "; ", "", date->type_text);
    join(&remarks, "; ", "", date->note);
    remark(out, &remarks);
}

static void plain_place(struct buf *out, const void *message)
{
    const Sanctions__Place *place = message;
    struct buf remarks = {0};

    join(out, ", ", "", place->street);
    join(out, ", ", "", place->city);
    join(out, ", ", "", place->state_province);
    join(out, ", ", "", place->zip_code);
    join(out, ", ", "", place->country);
    join(&remarks, "; ", "", place->note);
    remark(out, &remarks);
}

static void plain_alias(struct buf *out, const void *message)
{
    static const char *const qualities[] = {"", "good", "low", "also known as", "formerly"};
    const Sanctions__Alias *alias = message;
    struct buf remarks = {0}, date = {0}, place = {0};
    unsigned quality = (unsigned)alias->quality;

    join(out, "", "", alias->name);
    if (quality < sizeof qualities / sizeof *qualities)
        join(&remarks, "; ", "", qualities[quality]);
    join(&remarks, "; ", "", alias->quality_text);
    if (alias->birth_date)
        plain_date(&date, alias->birth_date);
    join(&place, ", ", "", alias->city_of_birth);
    join(&place, ", ", "", alias->country_of_birth);
    join(&remarks, "; ", "born ", buf_cstr(&date));
    join(&remarks, "; ", "born in ", buf_cstr(&place));
    join(&remarks, "; ", "", alias->note);
    remark(out, &remarks);
    buf_free(&date);
    buf_free(&place);
}

static void plain_document(struct buf *out, const void *message)
{
    const Sanctions__Document *document = message;
    struct buf remarks = {0}, date = {0};

    join(out, ", ", "", document->type);
    join(out, ", ", "", document->type2);
    join(out, ", ", "no. ", document->number);
    join(&remarks, "; ", "issued by ", document->issuing_country);
    join(&remarks, "; ", "issued in ", document->city_of_issue);
    join(&remarks, "; ", "issued in ", document->country_of_issue);
    if (document->issued)
        plain_date(&date, document->issued);
    join(&remarks, "; ", "issued on ", buf_cstr(&date));
    join(&remarks, "; ", "", document->note);
    remark(out, &remarks);
    buf_free(&date);
}

static const struct plain_row {
    const ProtobufCMessageDescriptor *type;
    void (*plain)(struct buf *out, const void *message);
} plains[] = {
    {&sanctions__list_date__descriptor, plain_date},
    {&sanctions__place__descriptor, plain_place},
    {&sanctions__alias__descriptor, plain_alias},
    {&sanctions__document__descriptor, plain_document},
};

/* ---- values ---- */

static struct value value_of_message(const ProtobufCMessage *message, struct arena *arena)
{
    struct buf plain = {0}, exact = {0};

    exact_message(&exact, message);
    for (size_t i = 0; i < sizeof plains / sizeof *plains; i++)
        if (plains[i].type == message->descriptor)
            plains[i].plain(&plain, message);
    return (struct value){keep(arena, &plain), keep(arena, &exact)};
}

static struct value value_of_enum(const ProtobufCEnumDescriptor *type, int number)
{
    static const char *const types[] = {"", "person", "entity", "vessel", "aircraft"};
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);
    const char *name = value ? value->name : "?";
    bool known = number > 0 && (size_t)number < sizeof types / sizeof *types;

    return (struct value){known ? types[number] : name, name};
}

static bool value_at(const ProtobufCFieldDescriptor *field, const void *at, struct arena *arena,
                     struct value *out)
{
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *const *text = at;
        *out = (struct value){*text, *text};
        return stated(*text);
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const int *number = at;
        *out = value_of_enum(field->descriptor, *number);
        return *number != 0;
    }
    assert(field->type == PROTOBUF_C_TYPE_MESSAGE);
    const ProtobufCMessage *const *message = at;
    if (!*message)
        return false;
    *out = value_of_message(*message, arena);
    return *out->exact != '\0';
}

struct values render_field(const Sanctions__ListedParty *party,
                           const ProtobufCFieldDescriptor *field, struct arena *arena)
{
    const uint8_t *base = (const uint8_t *)party;
    const void *at = base + field->offset;
    size_t n = 1;
    struct values values = {0};

    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        n = *(const size_t *)(const void *)(base + field->quantifier_offset);
        at = *(const void *const *)at;
    }
    /* strings and messages are pointers; the only enum of a party is not repeated */
    values.at = render_take(arena, n * sizeof *values.at);
    for (size_t i = 0; i < n; i++)
        if (value_at(field, (const uint8_t *)at + i * sizeof(void *), arena, &values.at[values.n]))
            values.n++;
    return values;
}
