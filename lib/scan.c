/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - the pre-scan of protobuf bytes
 *
 * Follows the wire format (protobuf.dev/programming-guides/encoding) beside the descriptor.  What
 * passes here has one meaning for every reader: numbers fit their type, nothing singular comes
 * twice.  Recursion is as deep as SCAN_DEPTH.
 */
#include "lib/scan.h"

#include <assert.h>
#include <stdio.h>
#include <utf8proc.h>

#include "lib/err.h"

enum {
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
    SEEN_MOST = 256, /* fields of one message type */
};

struct scan {
    size_t fields, unknown;
    const char *names[SCAN_DEPTH]; /* of the field under way, one a depth */
    size_t depth;
};

static const uint8_t wire_types[] = {
    [PROTOBUF_C_TYPE_INT32] = WIRE_VARINT,  [PROTOBUF_C_TYPE_SINT32] = WIRE_VARINT,
    [PROTOBUF_C_TYPE_SFIXED32] = WIRE_32,   [PROTOBUF_C_TYPE_INT64] = WIRE_VARINT,
    [PROTOBUF_C_TYPE_SINT64] = WIRE_VARINT, [PROTOBUF_C_TYPE_SFIXED64] = WIRE_64,
    [PROTOBUF_C_TYPE_UINT32] = WIRE_VARINT, [PROTOBUF_C_TYPE_FIXED32] = WIRE_32,
    [PROTOBUF_C_TYPE_UINT64] = WIRE_VARINT, [PROTOBUF_C_TYPE_FIXED64] = WIRE_64,
    [PROTOBUF_C_TYPE_FLOAT] = WIRE_32,      [PROTOBUF_C_TYPE_DOUBLE] = WIRE_64,
    [PROTOBUF_C_TYPE_BOOL] = WIRE_VARINT,   [PROTOBUF_C_TYPE_ENUM] = WIRE_VARINT,
    [PROTOBUF_C_TYPE_STRING] = WIRE_BYTES,  [PROTOBUF_C_TYPE_BYTES] = WIRE_BYTES,
    [PROTOBUF_C_TYPE_MESSAGE] = WIRE_BYTES,
};

/* Largest value of a varint, as sent; where 0, the 64-bit types, any.  Negative numbers of 32 bits
 * are sent as 64 bits and looked at on their own. */
static const uint64_t varint_most[] = {
    [PROTOBUF_C_TYPE_SINT32] = UINT32_MAX,
    [PROTOBUF_C_TYPE_UINT32] = UINT32_MAX,
    [PROTOBUF_C_TYPE_BOOL] = 1,
    [PROTOBUF_C_TYPE_MESSAGE] = 0,
};

static bool varint_fits(ProtobufCType type, uint64_t value)
{
    if (type == PROTOBUF_C_TYPE_INT32 || type == PROTOBUF_C_TYPE_ENUM)
        return (int64_t)value >= INT32_MIN && (int64_t)value <= INT32_MAX;
    return varint_most[type] == 0 || value <= varint_most[type];
}

/* Takes a varint of at most `most` bytes off the front. */
static bool take_varint(struct slice *in, size_t most, uint64_t *value)
{
    uint64_t v = 0;

    for (size_t i = 0; i < in->size && i < most; i++) {
        uint8_t byte = in->data[i];
        v |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            in->data += i + 1;
            in->size -= i + 1;
            *value = v;
            return i < 9 || byte <= 1; /* the tenth byte has one bit to give */
        }
    }
    return false;
}

static bool take_bytes(struct slice *in, size_t size, struct slice *out)
{
    if (size > in->size)
        return false;
    *out = slice_of(in->data, size);
    in->data += size;
    in->size -= size;
    return true;
}

static bool take_length(struct slice *in, struct slice *out)
{
    uint64_t size;

    return take_varint(in, 5, &size) && size <= in->size && take_bytes(in, (size_t)size, out);
}

/* A value off the wire, whatever it means. */
struct value {
    uint64_t number;    /* WIRE_VARINT */
    struct slice bytes; /* the others */
};

static bool take_value(struct slice *in, unsigned wire, struct value *out)
{
    *out = (struct value){0};
    if (wire == WIRE_VARINT)
        return take_varint(in, 10, &out->number);
    if (wire == WIRE_BYTES)
        return take_length(in, &out->bytes);
    if (wire == WIRE_64 || wire == WIRE_32)
        return take_bytes(in, wire == WIRE_64 ? 8 : 4, &out->bytes);
    return false;
}

/* Index of the field in the descriptor, or -1. */
static int field_find(const ProtobufCMessageDescriptor *type, uint32_t id)
{
    unsigned low = 0, high = type->n_field_ranges;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const ProtobufCIntRange *range = &type->field_ranges[middle];
        unsigned size = range[1].orig_index - range->orig_index;
        if ((int64_t)id < range->start_value)
            high = middle;
        else if (id - (uint32_t)range->start_value < size)
            return (int)(range->orig_index + id - (uint32_t)range->start_value);
        else
            low = middle + 1;
    }
    return -1;
}

/* Members of a oneof share the place of the first of them. */
static unsigned field_place(const ProtobufCMessageDescriptor *type, unsigned index)
{
    const ProtobufCFieldDescriptor *f = &type->fields[index];

    if (!(f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        return index;
    for (unsigned i = 0;; i++) /* ends at `index` at the latest */
        if (type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
            type->fields[i].quantifier_offset == f->quantifier_offset)
            return i;
}

static bool is_packed(const ProtobufCFieldDescriptor *f, unsigned wire)
{
    return f->label == PROTOBUF_C_LABEL_REPEATED && wire == WIRE_BYTES &&
           wire_types[f->type] != WIRE_BYTES;
}

static int scan_packed(struct scan *s, const ProtobufCFieldDescriptor *f, struct slice bytes)
{
    while (bytes.size) {
        struct value v;
        if (++s->fields > SCAN_FIELDS)
            return ERR_BOUNDS;
        if (!take_value(&bytes, wire_types[f->type], &v) || !varint_fits(f->type, v.number))
            return ERR_MALFORMED;
    }
    return 0;
}

static int scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type, struct slice bytes);

static int scan_value(struct scan *s, const ProtobufCFieldDescriptor *f, const struct value *v)
{
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_fields(s, f->descriptor, v->bytes);
    if (f->type == PROTOBUF_C_TYPE_STRING) {
        if (v->bytes.size > SCAN_STRING)
            return ERR_BOUNDS;
        return scan_text(v->bytes) ? 0 : ERR_TEXT;
    }
    return varint_fits(f->type, v->number) ? 0 : ERR_MALFORMED;
}

static int scan_known(struct scan *s, const ProtobufCFieldDescriptor *f, unsigned wire,
                      struct slice *in)
{
    struct value v;

    if (!take_value(in, wire, &v))
        return ERR_MALFORMED;
    if (is_packed(f, wire))
        return scan_packed(s, f, v.bytes);
    return wire == wire_types[f->type] ? scan_value(s, f, &v) : ERR_MALFORMED;
}

static int scan_unknown(struct scan *s, unsigned wire, struct slice *in)
{
    struct value v;

    if (++s->unknown > SCAN_UNKNOWN)
        return ERR_BOUNDS;
    return take_value(in, wire, &v) ? 0 : ERR_MALFORMED;
}

/* The fields of one message.  The name of the field at fault stays in `names`. */
static int scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type, struct slice bytes)
{
    uint64_t seen[SEEN_MOST / 64] = {0};
    const char **name = &s->names[s->depth];

    assert(type->n_fields <= SEEN_MOST);
    if (s->depth == SCAN_DEPTH)
        return ERR_BOUNDS;
    s->depth++;
    while (bytes.size) {
        uint64_t tag;
        *name = NULL;
        if (!take_varint(&bytes, 5, &tag) || tag > UINT32_MAX || tag >> 3 == 0)
            return ERR_MALFORMED;
        int index = field_find(type, (uint32_t)tag >> 3);
        const ProtobufCFieldDescriptor *f = index < 0 ? NULL : &type->fields[index];
        *name = f ? f->name : NULL;
        if (++s->fields > SCAN_FIELDS)
            return ERR_BOUNDS;
        if (f && f->label != PROTOBUF_C_LABEL_REPEATED) {
            unsigned place = field_place(type, (unsigned)index);
            if (seen[place / 64] >> place % 64 & 1)
                return ERR_MALFORMED;
            seen[place / 64] |= (uint64_t)1 << place % 64;
        }
        int rc = f ? scan_known(s, f, tag & 7, &bytes) : scan_unknown(s, tag & 7, &bytes);
        if (rc != 0)
            return rc;
    }
    s->depth--;
    return 0;
}

static void where_text(const struct scan *s, char where[128])
{
    int n = 0;

    for (size_t i = 0; i < s->depth && s->names[i] && n < 127; i++)
        n += snprintf(where + n, (size_t)(128 - n), "%s%s", i ? "." : "", s->names[i]);
}

int scan_message(const ProtobufCMessageDescriptor *type, struct slice bytes, char where[128])
{
    struct scan s = {0};
    int rc = scan_fields(&s, type, bytes);

    if (where) {
        where[0] = '\0';
        if (rc != 0)
            where_text(&s, where);
    }
    return rc;
}

ProtobufCMessage *scan_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                              struct arena *arena, int *err, char where[128])
{
    *err = scan_message(type, bytes, where);
    if (*err != 0)
        return NULL;
    ProtobufCMessage *m =
        protobuf_c_message_unpack(type, arena_allocator(arena), bytes.size, bytes.data);
    if (!m) /* what passed the scan is well-formed: the arena's cap was reached */
        *err = ERR_BOUNDS;
    return m;
}

/* Bytes at the front that are ASCII and not NUL. */
static size_t ascii_length(struct slice text)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    size_t i = 0;

    for (; i + 8 <= text.size; i += 8) {
        uint64_t word;
        memcpy(&word, text.data + i, 8);
        if ((word | (word - ones)) & tops)
            break;
    }
    while (i < text.size && text.data[i] != 0 && text.data[i] < 0x80)
        i++;
    return i;
}

/* Characters of combining class 0 with the property NFC_Quick_Check = Yes (UAX #15): text of these
 * alone is in NFC. */
static bool always_composed(utf8proc_int32_t c)
{
    static const struct {
        utf8proc_int32_t first, last;
    } ranges[] = {
        {0x0001, 0x02ff}, {0x0388, 0x03ff}, {0x0400, 0x0482}, {0x0620, 0x064a}, {0x0660, 0x066f},
        {0x0671, 0x06d3}, {0x2010, 0x2027}, {0x4e00, 0x9fff}, {0xac00, 0xd7a3},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c <= ranges[i].last)
            return c >= ranges[i].first;
    return false;
}

static bool is_own_nfc(struct slice text)
{
    utf8proc_uint8_t *nfc;
    utf8proc_ssize_t n = utf8proc_map(text.data, (utf8proc_ssize_t)text.size, &nfc,
                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (n < 0)
        return false;
    bool same = slice_equal(text, slice_of(nfc, (size_t)n));
    free(nfc);
    return same;
}

bool scan_text(struct slice text)
{
    size_t at = ascii_length(text);
    bool composed = true;
    int last_class = 0;

    while (at < text.size) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n =
            utf8proc_iterate(text.data + at, (utf8proc_ssize_t)(text.size - at), &c);
        if (n <= 0 || c == 0)
            return false;
        if (always_composed(c)) {
            last_class = 0;
        } else {
            /* Marks out of their order are not NFC; sorting a long run of them takes for ever. */
            int class = utf8proc_get_property(c)->combining_class;
            if (class && class < last_class)
                return false;
            last_class = class;
            composed = false;
        }
        at += (size_t)n;
    }
    return composed || is_own_nfc(text);
}
