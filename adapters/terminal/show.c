/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/show.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#include "lib/json.h"

void show_line(const char *label, const char *format, ...)
{
    struct buf raw = {0}, out = {0};
    va_list args, again;

    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    vsnprintf((char *)buf_grow(&raw, (size_t)n + 1), (size_t)n + 1, format, again);
    va_end(again);
    text_safe(&out, (const char *)raw.data);
    if (out.size)
        printf("%-16s%s\n", label, buf_cstr(&out));
    buf_free(&raw);
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
