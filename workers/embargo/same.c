/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/same.h"

#include <string.h>

static const void *member(const ProtobufCMessage *m, unsigned offset)
{
    return (const char *)m + offset;
}

static bool same_message(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
    bool same = (a == NULL) == (b == NULL);

    for (unsigned i = 0; same && a && i < a->descriptor->n_fields; i++)
        same = same_field(a, b, &a->descriptor->fields[i]);
    return same;
}

static const size_t sizes[] = {
    [PROTOBUF_C_TYPE_INT32] = 4,
    [PROTOBUF_C_TYPE_SINT32] = 4,
    [PROTOBUF_C_TYPE_SFIXED32] = 4,
    [PROTOBUF_C_TYPE_UINT32] = 4,
    [PROTOBUF_C_TYPE_FIXED32] = 4,
    [PROTOBUF_C_TYPE_FLOAT] = 4,
    [PROTOBUF_C_TYPE_ENUM] = 4,
    [PROTOBUF_C_TYPE_INT64] = 8,
    [PROTOBUF_C_TYPE_SINT64] = 8,
    [PROTOBUF_C_TYPE_SFIXED64] = 8,
    [PROTOBUF_C_TYPE_UINT64] = 8,
    [PROTOBUF_C_TYPE_FIXED64] = 8,
    [PROTOBUF_C_TYPE_DOUBLE] = 8,
    [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
    [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
    [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
    [PROTOBUF_C_TYPE_MESSAGE] = sizeof(void *),
};

static bool same_value(ProtobufCType type, const void *a, const void *b)
{
    if (type == PROTOBUF_C_TYPE_STRING)
        return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
    if (type == PROTOBUF_C_TYPE_MESSAGE)
        return same_message(*(const ProtobufCMessage *const *)a,
                            *(const ProtobufCMessage *const *)b);
    if (type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *x = a, *y = b;
        return x->len == y->len && (x->len == 0 || memcmp(x->data, y->data, x->len) == 0);
    }
    return memcmp(a, b, sizes[type]) == 0;
}

bool same_field(const ProtobufCMessage *a, const ProtobufCMessage *b,
                const ProtobufCFieldDescriptor *field)
{
    const void *x = member(a, field->offset), *y = member(b, field->offset);

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return same_value(field->type, x, y);
    size_t n = *(const size_t *)member(a, field->quantifier_offset);
    const char *const *xs = x, *const *ys = y;
    bool same = n == *(const size_t *)member(b, field->quantifier_offset);
    for (size_t i = 0; same && i < n; i++) {
        size_t at = i * sizes[field->type];
        same = same_value(field->type, *xs + at, *ys + at);
    }
    return same;
}
