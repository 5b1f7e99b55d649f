/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* protobuf-c descriptors carry no json_name, so it is derived as protoc does. */
void json_name(char out[JSON_NAME], const char *name)
{
    size_t n = 0;

    for (; *name && n + 1 < JSON_NAME; name++) {
        bool up = false;

        for (; *name == '_'; name++)
            up = true;
        if (!*name)
            break;
        out[n++] = (char)(up && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
    }
    out[n] = '\0';
}

static bool is_oneof(const ProtobufCFieldDescriptor *f)
{
    return f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* How many bytes one value of the type takes in a message or array. */
static size_t value_size(ProtobufCType type)
{
    static const size_t sizes[] = {
        [PROTOBUF_C_TYPE_INT32] = sizeof(int32_t),
        [PROTOBUF_C_TYPE_SINT32] = sizeof(int32_t),
        [PROTOBUF_C_TYPE_SFIXED32] = sizeof(int32_t),
        [PROTOBUF_C_TYPE_INT64] = sizeof(int64_t),
        [PROTOBUF_C_TYPE_SINT64] = sizeof(int64_t),
        [PROTOBUF_C_TYPE_SFIXED64] = sizeof(int64_t),
        [PROTOBUF_C_TYPE_UINT32] = sizeof(uint32_t),
        [PROTOBUF_C_TYPE_FIXED32] = sizeof(uint32_t),
        [PROTOBUF_C_TYPE_UINT64] = sizeof(uint64_t),
        [PROTOBUF_C_TYPE_FIXED64] = sizeof(uint64_t),
        [PROTOBUF_C_TYPE_FLOAT] = sizeof(float),
        [PROTOBUF_C_TYPE_DOUBLE] = sizeof(double),
        [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
        [PROTOBUF_C_TYPE_ENUM] = sizeof(int),
        [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
        [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
        [PROTOBUF_C_TYPE_MESSAGE] = sizeof(ProtobufCMessage *),
    };

    return sizes[type];
}

/* ---- message to JSON ---- */

/* Text that is not UTF-8 is shown with U+FFFD for each bad byte rather than lost. */
static json_t *text_to_json(const char *s)
{
    json_t *value = json_string(s);

    if (value)
        return value;
    struct buf mended = {0};
    utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(s);
    while (left > 0) {
        utf8proc_int32_t point;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, left, &point);

        if (n > 0)
            buf_add(&mended, s, (size_t)n);
        else
            buf_add_str(&mended, "\xef\xbf\xbd");
        s += n > 0 ? n : 1;
        left -= n > 0 ? n : 1;
    }
    value = json_string(buf_cstr(&mended));
    buf_free(&mended);
    return value;
}

static json_t *bytes_to_json(const ProtobufCBinaryData *bytes)
{
    struct buf text = {0};

    base64_encode(&text, slice_of(bytes->data, bytes->len));
    json_t *value = json_stringn((const char *)text.data, text.size);
    buf_free(&text);
    return value;
}

static json_t *enum_to_json(const ProtobufCEnumDescriptor *type, int number)
{
    const ProtobufCEnumValue *value = protobuf_c_enum_descriptor_get_value(type, number);

    return value ? json_string(value->name) : json_integer(number);
}

static json_t *real_to_json(double d)
{
    if (isnan(d))
        return json_string("NaN");
    if (isinf(d))
        return json_string(d < 0 ? "-Infinity" : "Infinity");
    return json_real(d);
}

static json_t *signed_to_json(int64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, n);
    return json_string(text);
}

static json_t *unsigned_to_json(uint64_t n)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, n);
    return json_string(text);
}

static json_t *value_to_json(const ProtobufCFieldDescriptor *f, const void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return json_integer(*(const int32_t *)at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return json_integer(*(const uint32_t *)at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return signed_to_json(*(const int64_t *)at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return unsigned_to_json(*(const uint64_t *)at);
    case PROTOBUF_C_TYPE_FLOAT:
        return real_to_json((double)*(const float *)at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return real_to_json(*(const double *)at);
    case PROTOBUF_C_TYPE_BOOL:
        return json_boolean(*(const protobuf_c_boolean *)at);
    case PROTOBUF_C_TYPE_ENUM:
        return enum_to_json(f->descriptor, *(const int *)at);
    case PROTOBUF_C_TYPE_STRING:
        return text_to_json(*(const char *const *)at);
    case PROTOBUF_C_TYPE_BYTES:
        return bytes_to_json(at);
    case PROTOBUF_C_TYPE_MESSAGE:
        return json_of_message(*(const ProtobufCMessage *const *)at);
    }
    return NULL;
}

static bool is_default(const ProtobufCFieldDescriptor *f, const void *at)
{
    static const uint64_t zero;

    if (f->type == PROTOBUF_C_TYPE_STRING)
        return !*(const char *const *)at || !**(const char *const *)at;
    if (f->type == PROTOBUF_C_TYPE_BYTES)
        return ((const ProtobufCBinaryData *)at)->len == 0;
    return memcmp(at, &zero, value_size(f->type)) == 0;
}

static json_t *array_to_json(const ProtobufCFieldDescriptor *f, const uint8_t *values, size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, value_to_json(f, values + i * value_size(f->type)));
    return array;
}

/* NULL when the field has its default and is left out. */
static json_t *field_to_json(const ProtobufCFieldDescriptor *f, const ProtobufCMessage *message)
{
    const uint8_t *base = (const uint8_t *)message;
    const void *at = base + f->offset, *quantifier = base + f->quantifier_offset;

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)quantifier;
        return n ? array_to_json(f, *(const uint8_t *const *)at, n) : NULL;
    }
    if (is_oneof(f) ? *(const uint32_t *)quantifier != f->id : is_default(f, at))
        return NULL;
    return value_to_json(f, at);
}

json_t *json_of_message(const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;
    json_t *object = json_object();

    for (unsigned i = 0; i < type->n_fields; i++) {
        json_t *value = field_to_json(&type->fields[i], message);
        char name[JSON_NAME];

        json_name(name, type->fields[i].name);
        if (value)
            json_object_set_new(object, name, value);
    }
    return object;
}

static int print_piece(const char *piece, size_t size, void *out)
{
    buf_add(out, piece, size);
    return 0;
}

void json_print(struct buf *out, const ProtobufCMessage *message, int indent)
{
    json_t *object = json_of_message(message);

    json_dump_callback(object, print_piece, out, indent ? JSON_INDENT(2) : JSON_COMPACT);
    json_decref(object);
}

/* ---- JSON to message ---- */

struct reading {
    struct arena *arena;
    struct slice text; /* that holds what is being read */
    struct buf path;   /* JSON pointer (RFC 6901) of it */
    struct buf *why;
};

static bool fail(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct reading *r, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_blame(r->why, r->text, buf_cstr(&r->path));
    buf_add_str(r->why, text);
    return false;
}

static void path_add(struct reading *r, const char *name)
{
    buf_add_byte(&r->path, '/');
    for (; *name; name++) {
        if (*name == '~' || *name == '/')
            buf_add_str(&r->path, *name == '~' ? "~0" : "~1");
        else
            buf_add_byte(&r->path, (uint8_t)*name);
    }
}

static void *take(struct reading *r, size_t size)
{
    void *p = arena_take(r->arena, size);

    if (!p)
        fail(r, "too large");
    return p;
}

/* Decimal digits with at most a minus before them, as a whole string. */
static bool parse_integer(const char *s, bool *negative, uint64_t *magnitude)
{
    *negative = *s == '-';
    s += *negative;
    if (*s < '0' || *s > '9' || (*s == '0' && s[1]))
        return false;
    *magnitude = 0;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(*magnitude, 10, magnitude) ||
            __builtin_add_overflow(*magnitude, (uint64_t)(*s - '0'), magnitude))
            return false;
    return *s == '\0';
}

/* A number may come as a number or as a string, and with an exponent or a zero fraction. */
static bool integer_of(const json_t *value, bool *negative, uint64_t *magnitude)
{
    static const double limit = 9007199254740992.0; /* 2^53: exact up to here */

    if (json_is_string(value))
        return parse_integer(json_string_value(value), negative, magnitude);
    if (json_is_integer(value)) {
        json_int_t n = json_integer_value(value);
        *negative = n < 0;
        *magnitude = *negative ? 0 - (uint64_t)n : (uint64_t)n;
        return true;
    }
    if (!json_is_real(value))
        return false;
    double d = fabs(json_real_value(value));
    *negative = json_real_value(value) < 0;
    *magnitude = d <= limit ? (uint64_t)d : 0;
    return d <= limit && (double)*magnitude == d;
}

static bool read_signed(struct reading *r, const json_t *value, int64_t least, int64_t most,
                        int64_t *out)
{
    bool negative;
    uint64_t magnitude;

    if (!integer_of(value, &negative, &magnitude))
        return fail(r, "not a whole number");
    if (negative ? magnitude > 0 - (uint64_t)least : magnitude > (uint64_t)most)
        return fail(r, "out of range: %" PRId64 " to %" PRId64, least, most);
    *out = (int64_t)(negative ? 0 - magnitude : magnitude);
    return true;
}

static bool read_unsigned(struct reading *r, const json_t *value, uint64_t most, uint64_t *out)
{
    bool negative;

    if (!integer_of(value, &negative, out))
        return fail(r, "not a whole number");
    if ((negative && *out) || *out > most)
        return fail(r, "out of range: 0 to %" PRIu64, most);
    return true;
}

static bool read_int32(struct reading *r, const json_t *value, void *at)
{
    int64_t n = 0;

    if (!read_signed(r, value, INT32_MIN, INT32_MAX, &n))
        return false;
    *(int32_t *)at = (int32_t)n;
    return true;
}

static bool read_uint32(struct reading *r, const json_t *value, void *at)
{
    uint64_t n = 0;

    if (!read_unsigned(r, value, UINT32_MAX, &n))
        return false;
    *(uint32_t *)at = (uint32_t)n;
    return true;
}

static bool read_real(struct reading *r, const json_t *value, double *out)
{
    const char *text = json_string_value(value);

    if (json_is_number(value))
        *out = json_number_value(value);
    else if (text && strcmp(text, "NaN") == 0)
        *out = NAN;
    else if (text && (strcmp(text, "Infinity") == 0 || strcmp(text, "-Infinity") == 0))
        *out = text[0] == '-' ? -INFINITY : INFINITY;
    else
        return fail(r, "not a number");
    return true;
}

static bool read_float(struct reading *r, const json_t *value, void *at)
{
    double d = 0;

    if (!read_real(r, value, &d))
        return false;
    if (isfinite(d) && fabs(d) > 3.4028234663852886e38)
        return fail(r, "out of range of a float");
    *(float *)at = (float)d;
    return true;
}

static bool read_bool(struct reading *r, const json_t *value, void *at)
{
    if (!json_is_boolean(value))
        return fail(r, "not true or false");
    *(protobuf_c_boolean *)at = json_is_true(value);
    return true;
}

static bool read_enum(struct reading *r, const ProtobufCEnumDescriptor *type, const json_t *value,
                      void *at)
{
    if (json_is_integer(value))
        return read_int32(r, value, at);
    const char *name = json_string_value(value);
    if (!name)
        return fail(r, "not the name of a value of %s", type->short_name);
    const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value_by_name(type, name);
    if (!found)
        return fail(r, "%s has no value %.64s; it begins with %s, %s", type->short_name, name,
                    type->values[0].name, type->values[type->n_values > 1].name);
    *(int *)at = found->value;
    return true;
}

static bool read_string(struct reading *r, const json_t *value, void *at)
{
    if (!json_is_string(value))
        return fail(r, "not a string");
    size_t size = json_string_length(value);
    char *copy = take(r, size + 1);
    if (!copy)
        return false;
    memcpy(copy, json_string_value(value), size);
    *(char **)at = copy;
    return true;
}

/* Standard or URL-safe, with or without padding: all four are taken, as the mapping says. */
static bool read_bytes(struct reading *r, const json_t *value, ProtobufCBinaryData *out)
{
    struct buf text = {0}, bytes = {0};
    bool ok = false;

    if (!json_is_string(value))
        return fail(r, "not a string of base64");
    buf_add(&text, json_string_value(value), json_string_length(value));
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        text.data[i] = c == '-' ? '+' : c == '_' ? '/' : c;
    }
    while (text.size % 4 >= 2)
        buf_add_byte(&text, '=');
    if (base64_decode(&bytes, slice_buf(&text)) < 0) {
        fail(r, "not base64");
        goto out;
    }
    out->len = bytes.size;
    out->data = NULL;
    if (bytes.size) {
        out->data = take(r, bytes.size);
        if (!out->data)
            goto out;
        memcpy(out->data, bytes.data, bytes.size);
    }
    ok = true;
out:
    buf_free(&text);
    buf_free(&bytes);
    return ok;
}

static ProtobufCMessage *read_message(struct reading *r, const ProtobufCMessageDescriptor *type,
                                      const json_t *value);

static bool read_value(struct reading *r, const ProtobufCFieldDescriptor *f, const json_t *value,
                       void *at)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return read_int32(r, value, at);
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
        return read_uint32(r, value, at);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return read_signed(r, value, INT64_MIN, INT64_MAX, at);
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return read_unsigned(r, value, UINT64_MAX, at);
    case PROTOBUF_C_TYPE_FLOAT:
        return read_float(r, value, at);
    case PROTOBUF_C_TYPE_DOUBLE:
        return read_real(r, value, at);
    case PROTOBUF_C_TYPE_BOOL:
        return read_bool(r, value, at);
    case PROTOBUF_C_TYPE_ENUM:
        return read_enum(r, f->descriptor, value, at);
    case PROTOBUF_C_TYPE_STRING:
        return read_string(r, value, at);
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(r, value, at);
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = read_message(r, f->descriptor, value);
        return *(ProtobufCMessage **)at != NULL;
    }
    return false;
}

static bool read_array(struct reading *r, const ProtobufCFieldDescriptor *f, const json_t *value,
                       uint8_t *base)
{
    if (!json_is_array(value))
        return fail(r, "not an array");
    size_t n = json_array_size(value), step = value_size(f->type), mark = r->path.size;
    if (n == 0)
        return true;
    uint8_t *values = take(r, n * step);
    if (!values)
        return false;
    for (size_t i = 0; i < n; i++) {
        buf_printf(&r->path, "/%zu", i);
        if (!read_value(r, f, json_array_get(value, i), values + i * step))
            return false;
        r->path.size = mark;
    }
    *(uint8_t **)(void *)(base + f->offset) = values;
    *(size_t *)(void *)(base + f->quantifier_offset) = n;
    return true;
}

static const ProtobufCFieldDescriptor *field_find(const ProtobufCMessageDescriptor *type,
                                                  const char *name)
{
    for (unsigned i = 0; i < type->n_fields; i++) {
        char own[JSON_NAME];

        json_name(own, type->fields[i].name);
        if (strcmp(own, name) == 0)
            return &type->fields[i];
    }
    return protobuf_c_message_descriptor_get_field_by_name(type, name);
}

static bool read_field(struct reading *r, const ProtobufCFieldDescriptor *f, const json_t *value,
                       uint8_t *base)
{
    uint32_t *which = (uint32_t *)(void *)(base + f->quantifier_offset);

    if (json_is_null(value))
        return true;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return read_array(r, f, value, base);
    if (is_oneof(f) && *which)
        return fail(r, "another field of the same oneof is given too");
    if (!read_value(r, f, value, base + f->offset))
        return false;
    if (is_oneof(f))
        *which = f->id;
    return true;
}

static bool read_fields(struct reading *r, const ProtobufCMessageDescriptor *type,
                        const json_t *object, ProtobufCMessage *message)
{
    size_t mark = r->path.size;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        const ProtobufCFieldDescriptor *f = field_find(type, name);
        char own[JSON_NAME];

        path_add(r, name);
        if (!f)
            return fail(r, "%s has no field of that name", type->short_name);
        json_name(own, f->name);
        if (strcmp(name, own) != 0 && json_object_get(object, own))
            return fail(r, "the field is given twice: also as %s", own);
        if (!read_field(r, f, value, (uint8_t *)message))
            return false;
        r->path.size = mark;
    }
    return true;
}

static ProtobufCMessage *read_message(struct reading *r, const ProtobufCMessageDescriptor *type,
                                      const json_t *value)
{
    if (!json_is_object(value)) {
        fail(r, "not an object (%s)", type->short_name);
        return NULL;
    }
    ProtobufCMessage *message = take(r, type->sizeof_message);
    if (!message)
        return NULL;
    type->message_init(message);
    return read_fields(r, type, value, message) ? message : NULL;
}

ProtobufCMessage *json_value_to_message(const ProtobufCMessageDescriptor *type, const json_t *value,
                                        struct slice text, const char *pointer, struct arena *arena,
                                        struct buf *why)
{
    struct reading r = {arena, text, {0}, why};

    buf_add_str(&r.path, pointer);
    ProtobufCMessage *message = read_message(&r, type, value);
    buf_free(&r.path);
    return message;
}

json_t *json_of_text(struct slice text, struct buf *why)
{
    json_error_t error;
    json_t *value = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        buf_printf(why, "%d:%d: %s", error.line, error.column, error.text);
    return value;
}

ProtobufCMessage *json_to_message(const ProtobufCMessageDescriptor *type, struct slice text,
                                  struct arena *arena, struct buf *why)
{
    json_t *value = json_of_text(text, why);

    if (!value)
        return NULL;
    ProtobufCMessage *message = json_value_to_message(type, value, text, "", arena, why);
    json_decref(value);
    return message;
}
