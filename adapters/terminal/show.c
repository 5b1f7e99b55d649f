/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/show.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"

void show_line(const char *label, const char *format, ...)
{
    struct buf out = {0};
    va_list args;

    va_start(args, format);
    text_safe_args(&out, format, args);
    va_end(args);
    if (out.size)
        printf("%-16s%s\n", label, buf_cstr(&out));
    buf_free(&out);
}

void show_json(json_t *value)
{
    struct buf line = {0};

    text_json(&line, value);
    puts(buf_cstr(&line));
    buf_free(&line);
    json_decref(value);
}

void show_message(const ProtobufCMessage *message)
{
    show_json(json_of_message(message));
}

char *safe(const char *s)
{
    struct buf out = {0};

    text_safe(&out, s);
    buf_cstr(&out);
    return (char *)out.data;
}

char *time_of(int64_t us, bool local)
{
    struct buf out = {0};

    text_time(&out, us, local);
    buf_cstr(&out);
    return (char *)out.data;
}

char *hex_of(ProtobufCBinaryData bytes, size_t digits)
{
    char *out = mem_new(2 * bytes.len + 1);

    hex_encode(out, bytes.data, bytes.len);
    if (digits && digits < 2 * bytes.len)
        out[digits] = '\0';
    return out;
}

/* All names of an enum begin with that of its first value up to "UNSPECIFIED". */
char *enum_of(const ProtobufCEnumDescriptor *type, int value)
{
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value(type, value);
    const char *first = type->values[0].name, *rest = strstr(first, "UNSPECIFIED");

    if (!found)
        return mem_printf("%d", value);
    size_t prefix = rest ? (size_t)(rest - first) : 0;
    char *out = mem_str(value == 0 && rest ? "-" : found->name + prefix);
    for (char *s = out; *s; s++)
        *s = (char)(*s == '_' ? '-' : tolower((unsigned char)*s));
    return out;
}

json_t *seen_json(const struct seen *seen)
{
    json_t *object = json_object(), *payload;
    char received[40];

    if (seen->body) {
        payload = json_of_message(seen->body);
    } else {
        struct buf base64 = {0};
        base64_encode(&base64, seen->event.payload);
        payload = json_string(buf_cstr(&base64));
        buf_free(&base64);
    }
    time_text(received, seen->received);
    json_object_set_new(object, "position", json_integer((json_int_t)seen->position));
    json_object_set_new(object, "received", json_string(received));
    json_object_set_new(object, "envelope", json_of_message(&seen->event.envelope->base));
    json_object_set_new(object, "payload", payload);
    return object;
}

/* ---- in a few words ---- */

enum { WORDS_MOST = 3, WORD_BYTES = 96 };

static void add_word(struct buf *out, const char *word)
{
    size_t n = strlen(word), kept = n;

    if (n > WORD_BYTES)
        for (kept = WORD_BYTES; (word[kept] & 0xc0) == 0x80; kept--)
            continue;
    buf_printf(out, "%s%.*s%s", out->size ? " " : "", (int)kept, word, kept < n ? "..." : "");
}

/* False when there is no such field, or it is empty. */
static bool add_named(struct buf *out, const ProtobufCMessage *m, const char *name)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, name);
    const void *at = f ? (const uint8_t *)m + f->offset : NULL;
    char number[24];

    if (!f || f->label == PROTOBUF_C_LABEL_REPEATED)
        return false;
    if (f->type == PROTOBUF_C_TYPE_STRING && **(const char *const *)at) {
        add_word(out, *(const char *const *)at);
    } else if (f->type == PROTOBUF_C_TYPE_ENUM && *(const int *)at) {
        char *value = enum_of(f->descriptor, *(const int *)at);
        add_word(out, value);
        mem_free(value);
    } else if (f->type == PROTOBUF_C_TYPE_UINT64 && *(const uint64_t *)at) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)*(const uint64_t *)at);
        add_word(out, number);
    } else {
        return false;
    }
    return true;
}

/* A feed's party stands in a message of its own. */
static const ProtobufCMessage *inner(const ProtobufCMessage *m)
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field_by_name(m->descriptor, "party");
    const void *at = f ? (const uint8_t *)m + f->offset : NULL;

    return f && f->type == PROTOBUF_C_TYPE_MESSAGE && *(const ProtobufCMessage *const *)at
               ? *(const ProtobufCMessage *const *)at
               : m;
}

void seen_brief(struct buf *out, const struct seen *seen)
{
    static const char *const telling[] = {"kind",  "reference", "party",     "office", "seat",
                                          "rule",  "subject",   "recipient", "name",   "code",
                                          "count", "input",     "file_name", "text",   "reason"};
    const ProtobufCMessage *m = seen->body ? inner(seen->body) : NULL;
    struct buf words = {0};

    for (size_t i = 0, n = 0; m && i < sizeof telling / sizeof *telling && n < WORDS_MOST; i++)
        n += add_named(&words, m, telling[i]);
    if (m && words.size == 0)
        add_named(&words, m, "list");
    text_safe(out, buf_cstr(&words));
    buf_free(&words);
}
