/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/draft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/terminal/known.h"
#include "chancery/core/v1/envelope.pb-c.h"
#include "lib/envelope.h"
#include "lib/json.h"

/* ---- words ---- */

static const char *keep(struct draft *d, const char *s, size_t size)
{
    return arena_text(d->arena, s, size);
}

static bool set_text(struct draft *d, const char **out, const char *word, bool valid,
                     struct buf *why, const char *what)
{
    *out = valid ? keep(d, word, strlen(word)) : NULL;
    if (!valid)
        buf_printf(why, "not %s: %s", what, word);
    return *out != NULL;
}

/* "amber+strict" is LABEL_AMBER_STRICT. */
int enum_of_word(const ProtobufCEnumDescriptor *type, const char *prefix, const char *word)
{
    char name[64];

    snprintf(name, sizeof name, "%s%s", prefix, word);
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c == '+' ? '_' : *c);
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    return value ? value->value : 0;
}

static bool set_enum(int *out, const ProtobufCEnumDescriptor *type, const char *prefix,
                     const char *word, struct buf *why)
{
    *out = enum_of_word(type, prefix, word);
    if (*out == 0)
        buf_printf(why, "no such %s: %s", type->short_name, word);
    return *out != 0;
}

static bool position_of(uint64_t *out, const char *word, size_t size, struct buf *why)
{
    char *end;

    errno = 0;
    *out = strtoull(word, &end, 10);
    if (errno == 0 && size && word[0] >= '1' && word[0] <= '9' && end == word + size)
        return true;
    buf_printf(why, "not a position (1, 2, 3 ...): %.*s", (int)size, word);
    return false;
}

static bool set_stream(struct draft *d, const char *word, struct buf *why)
{
    return set_text(d, &d->event.stream, word, stream_valid(word), why,
                    "a stream, [a-z0-9.-]{1,64}");
}

static bool set_type(struct draft *d, const char *word, struct buf *why)
{
    d->type = known_type(word);
    d->event.type = d->type ? d->type->name : NULL;
    if (!d->type)
        buf_printf(why, "not a type that this program knows: %s", word);
    return d->type != NULL;
}

static bool set_label(struct draft *d, const char *word, struct buf *why)
{
    return set_enum(&d->event.label, &core__label__descriptor, "LABEL_", word, why);
}

static bool set_kind(struct draft *d, const char *word, struct buf *why)
{
    return set_enum(&d->event.kind, &core__kind__descriptor, "KIND_", word, why);
}

static bool set_mode(struct draft *d, const char *word, struct buf *why)
{
    return set_enum(&d->event.mode, &core__mode__descriptor, "MODE_", word, why);
}

static bool set_case(struct draft *d, const char *word, struct buf *why)
{
    return set_text(d, &d->event.case_id, word, identifier_valid(word), why,
                    "an identifier, [A-Za-z0-9._-]{1,64}");
}

static bool set_reply(struct draft *d, const char *word, struct buf *why)
{
    return position_of(&d->event.reply_to, word, strlen(word), why);
}

static bool set_expires(struct draft *d, const char *word, struct buf *why)
{
    if (time_parse(&d->event.expires, word))
        return true;
    buf_printf(why, "not a time as RFC 3339 writes it, e.g. 2026-12-31T23:59:00+01:00: %s", word);
    return false;
}

static bool set_id(struct draft *d, const char *word, struct buf *why)
{
    d->identified = id_parse(d->event.id, word);
    if (d->identified)
        return true;
    buf_printf(why, "not a UUID of the form 8-4-4-4-12: %s", word);
    return false;
}

/* ---- lists of words ---- */

/* One word of the list goes to *out. */
typedef bool take_word(struct draft *d, void *out, const char *word, size_t size, struct buf *why);

/* An array of what the words with commas between stand for, `size` bytes each; NULL with the
 * reason. */
static void *words_take(struct draft *d, const char *list, size_t size, size_t most, size_t *n,
                        take_word *take, struct buf *why)
{
    uint8_t *array = arena_take(d->arena, most * size);
    bool good = array != NULL;

    for (*n = 0; good && *n < most; list++) {
        size_t length = strcspn(list, ",");
        good = take(d, array + (*n)++ * size, list, length, why);
        list += length;
        if (!*list)
            break;
    }
    if (good && *list) {
        buf_printf(why, "more than %zu", most);
        good = false;
    }
    return good ? array : NULL;
}

static bool take_position(struct draft *d, void *out, const char *word, size_t size,
                          struct buf *why)
{
    (void)d;
    return position_of(out, word, size, why);
}

static bool set_references(struct draft *d, const char *list, struct buf *why)
{
    d->event.references = words_take(d, list, sizeof *d->event.references, EVENT_REFERENCES_MOST,
                                     &d->event.n_references, take_position, why);
    return d->event.references != NULL;
}

/* "seat:" before a seat's name, a '/' in an office's, a '@' in a group's, nothing in a party's. */
int recipient_kind(const char **name)
{
    static const char seat[] = "seat:";

    if (strncmp(*name, seat, sizeof seat - 1) == 0) {
        *name += sizeof seat - 1;
        return identifier_valid(*name) ? CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT : 0;
    }
    if (strchr(*name, '/'))
        return office_valid(*name) ? CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE : 0;
    if (strchr(*name, '@'))
        return group_valid(*name) ? CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP : 0;
    return identifier_valid(*name) ? CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY : 0;
}

static bool take_recipient(struct draft *d, void *out, const char *word, size_t size,
                           struct buf *why)
{
    struct chancery_recipient *r = out;

    r->name = keep(d, word, size);
    r->kind = r->name ? recipient_kind(&r->name) : 0;
    if (r->kind)
        return true;
    buf_printf(why, "not a recipient, PARTY, PARTY/OFFICE, GROUP@VERSION or seat:SEAT: %.*s",
               (int)size, word);
    return false;
}

static bool set_to(struct draft *d, const char *list, struct buf *why)
{
    d->event.recipients = words_take(d, list, sizeof *d->event.recipients, EVENT_RECIPIENTS_MOST,
                                     &d->event.n_recipients, take_recipient, why);
    return d->event.recipients != NULL;
}

/* ---- the fields ---- */

const struct draft_field draft_fields[] = {
    {"stream", OPT_INTO, set_stream},
    {"type", OPT_OF_TYPE, set_type},
    {"label", OPT_LABEL, set_label},
    {"to", OPT_TO, set_to},
    {"kind", OPT_KIND, set_kind},
    {"mode", OPT_MODE, set_mode},
    {"case", OPT_CASE, set_case},
    {"references", OPT_REFERENCES, set_references},
    {"inReplyTo", OPT_IN_REPLY_TO, set_reply},
    {"expires", OPT_EXPIRES, set_expires},
    {"id", OPT_ID, set_id},
    {NULL, OPTIONS, NULL},
};

/* ---- the whole ---- */

bool draft_check(const struct draft *d, struct buf *why)
{
    const struct chancery_event *e = &d->event;

    if (!e->stream || !e->type)
        buf_printf(why, "no %s is stated", e->stream ? "type" : "stream");
    else if (e->label >= CORE__LABEL__LABEL_AMBER && e->n_recipients == 0)
        buf_add_str(why, "from amber on a label needs recipients: say who gets it (to)");
    else if (e->kind > CORE__KIND__KIND_NEW && e->n_references == 0)
        buf_add_str(why,
                    "an update, cancel or recall names the event that it is about (references)");
    return why->size == 0;
}

bool draft_payload(struct draft *d, const json_t *value, struct slice text, const char *pointer,
                   struct buf *why)
{
    const ProtobufCMessage *m = json_value_to_message(d->type, value, text, pointer, d->arena, why);

    if (!m)
        return false;
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *payload = arena_take(d->arena, size + 1);
    if (!payload) {
        json_blame(why, text, pointer);
        buf_add_str(why, "too large");
        return false;
    }
    d->event.payload_size = protobuf_c_message_pack(m, payload);
    d->event.payload = payload;
    return true;
}

/* ---- a line of JSON ---- */

/* A word, a number, or several with commas between; false when it is something else. */
static bool words_of(struct buf *out, const json_t *value)
{
    size_t i;
    json_t *one;

    if (json_is_string(value))
        buf_add_str(out, json_string_value(value));
    else if (json_is_integer(value))
        buf_printf(out, "%lld", (long long)json_integer_value(value));
    else if (!json_is_array(value))
        return false;
    json_array_foreach((json_t *)(uintptr_t)value, i, one)
    {
        if (i)
            buf_add_byte(out, ',');
        if (json_is_array(one) || !words_of(out, one))
            return false;
    }
    return true;
}

static const struct draft_field *field_find(const char *name)
{
    const struct draft_field *f = draft_fields;

    while (f->name && strcmp(f->name, name) != 0)
        f++;
    return f->name ? f : NULL;
}

static bool take_member(struct draft *d, const char *name, const json_t *value, struct buf *why)
{
    const struct draft_field *f = field_find(name);
    struct buf words = {0};
    bool good = false;

    if (!f)
        buf_add_str(why, "no member of that name; see `chancery help event publish`");
    else if (!words_of(&words, value))
        buf_add_str(why, "not a word, a number or a list of them");
    else
        good = f->set(d, buf_cstr(&words), why);
    buf_free(&words);
    return good;
}

/* Why, with where before it. */
static bool blame(struct buf *why, struct slice text, const char *pointer, struct buf *reason)
{
    json_blame(why, text, pointer);
    buf_add_str(why, buf_cstr(reason));
    buf_free(reason);
    return false;
}

static bool take_members(struct draft *d, const json_t *line, struct slice text, struct buf *why)
{
    struct buf reason = {0};
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)line, name, value)
    {
        if (strcmp(name, "payload") != 0 && !take_member(d, name, value, &reason)) {
            char *pointer = mem_printf("/%s", name);
            blame(why, text, pointer, &reason);
            mem_free(pointer);
            return false;
        }
    }
    if (!draft_check(d, &reason))
        return blame(why, text, "", &reason);
    return true;
}

bool draft_line(struct draft *d, struct slice text, struct buf *why)
{
    json_t *line = json_of_text(text, why);
    const json_t *payload = json_object_get(line, "payload");
    bool good = false;

    if (line && !payload) {
        json_blame(why, text, "");
        buf_add_str(why, "not an object with a payload");
    } else if (line) {
        good = take_members(d, line, text, why) && draft_payload(d, payload, text, "/payload", why);
    }
    json_decref(line);
    return good;
}
