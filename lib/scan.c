/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - protobuf bytes read once: checked, and built where somebody wants the message
 *
 * Follows the wire format (protobuf.dev/programming-guides/encoding) beside the descriptor.  What
 * passes here has one meaning for every reader: numbers fit their type, nothing singular comes
 * twice.  Recursion is as deep as SCAN_DEPTH.  What is built is what protobuf-c's unpack builds,
 * but for fields unknown to the descriptor.
 */
#include "lib/scan.h"

#include <assert.h>
#include <stdio.h>
#include <utf8proc.h>

#include "lib/err.h"
#include "lib/wire.h"

enum { SEEN_MOST = 256 /* fields of one message type */ };

struct scan {
    struct arena *arena; /* of what is built; NULL = nothing is */
    bool lent;           /* fields of type bytes are not copied */
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

/* ---- building ---- */

static const uint8_t element_sizes[] = {
    [PROTOBUF_C_TYPE_INT32] = 4,
    [PROTOBUF_C_TYPE_SINT32] = 4,
    [PROTOBUF_C_TYPE_SFIXED32] = 4,
    [PROTOBUF_C_TYPE_INT64] = 8,
    [PROTOBUF_C_TYPE_SINT64] = 8,
    [PROTOBUF_C_TYPE_SFIXED64] = 8,
    [PROTOBUF_C_TYPE_UINT32] = 4,
    [PROTOBUF_C_TYPE_FIXED32] = 4,
    [PROTOBUF_C_TYPE_UINT64] = 8,
    [PROTOBUF_C_TYPE_FIXED64] = 8,
    [PROTOBUF_C_TYPE_FLOAT] = 4,
    [PROTOBUF_C_TYPE_DOUBLE] = 8,
    [PROTOBUF_C_TYPE_BOOL] = sizeof(protobuf_c_boolean),
    [PROTOBUF_C_TYPE_ENUM] = 4,
    [PROTOBUF_C_TYPE_STRING] = sizeof(char *),
    [PROTOBUF_C_TYPE_BYTES] = sizeof(ProtobufCBinaryData),
    [PROTOBUF_C_TYPE_MESSAGE] = sizeof(void *),
};

static void *member(void *message, unsigned offset)
{
    return (uint8_t *)message + offset;
}

static uint64_t little_endian(struct slice bytes)
{
    uint64_t v = 0;

    for (size_t i = bytes.size; i > 0; i--)
        v = v << 8 | bytes.data[i - 1];
    return v;
}

/* What the wire says as it lies in memory: the low bytes are the value's. */
static uint64_t number_of(ProtobufCType type, const struct value *v)
{
    if (wire_types[type] != WIRE_VARINT)
        return little_endian(v->bytes);
    if (type == PROTOBUF_C_TYPE_SINT32 || type == PROTOBUF_C_TYPE_SINT64)
        return v->number >> 1 ^ (0 - (v->number & 1));
    return v->number;
}

static void put_number(ProtobufCType type, void *at, const struct value *v)
{
    uint64_t n = number_of(type, v);
    uint32_t low = (uint32_t)n;

    if (element_sizes[type] == sizeof n)
        memcpy(at, &n, sizeof n);
    else
        memcpy(at, &low, sizeof low);
}

static int put_string(struct scan *s, void *at, struct slice text)
{
    char *copy = arena_text(s->arena, text.data, text.size);

    memcpy(at, &copy, sizeof copy);
    return copy ? 0 : ERR_BOUNDS;
}

static int put_bytes(struct scan *s, void *at, struct slice bytes)
{
    ProtobufCBinaryData value = {bytes.size, NULL};

    if (bytes.size)
        value.data = s->lent ? (uint8_t *)(uintptr_t)bytes.data
                             : arena_copy(s->arena, bytes.data, bytes.size);
    memcpy(at, &value, sizeof value);
    return value.data || bytes.size == 0 ? 0 : ERR_BOUNDS;
}

/* Room for one more behind those that there are; it doubles at each power of two. */
static void *grow(struct scan *s, const ProtobufCFieldDescriptor *f, void *message)
{
    enum { FEWEST = 4 };
    size_t *n = member(message, f->quantifier_offset), size = element_sizes[f->type];
    uint8_t **list = member(message, f->offset);

    if (*n == 0 || (*n >= FEWEST && (*n & (*n - 1)) == 0)) {
        uint8_t *more = arena_room(s->arena, (*n ? 2 * *n : FEWEST) * size);
        if (!more)
            return NULL;
        if (*n)
            memcpy(more, *list, *n * size);
        *list = more;
    }
    return *list + size * (*n)++;
}

/* Where the field's value goes; NULL past the arena's cap. */
static void *place_of(struct scan *s, const ProtobufCFieldDescriptor *f, void *message)
{
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return grow(s, f, message);
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        *(uint32_t *)member(message, f->quantifier_offset) = f->id;
    else if (f->quantifier_offset)
        *(protobuf_c_boolean *)member(message, f->quantifier_offset) = 1;
    return member(message, f->offset);
}

/* ---- reading ---- */

static int scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type, struct slice bytes,
                       void *message);

static int scan_submessage(struct scan *s, const ProtobufCFieldDescriptor *f, struct slice bytes,
                           void *at)
{
    const ProtobufCMessageDescriptor *type = f->descriptor;
    void *message = NULL;

    if (s->arena) {
        message = arena_room(s->arena, type->sizeof_message);
        if (!message)
            return ERR_BOUNDS;
        protobuf_c_message_init(type, message);
        memcpy(at, &message, sizeof message);
    }
    return scan_fields(s, type, bytes, message);
}

static int scan_string(struct scan *s, struct slice text, void *at)
{
    if (text.size > SCAN_STRING)
        return ERR_BOUNDS;
    if (!scan_text(text))
        return ERR_TEXT;
    return s->arena ? put_string(s, at, text) : 0;
}

/* `message` is NULL where nothing is built. */
static int scan_value(struct scan *s, const ProtobufCFieldDescriptor *f, const struct value *v,
                      void *message)
{
    if (!varint_fits(f->type, v->number))
        return ERR_MALFORMED;
    void *at = s->arena ? place_of(s, f, message) : NULL;
    if (s->arena && !at)
        return ERR_BOUNDS;
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_submessage(s, f, v->bytes, at);
    if (f->type == PROTOBUF_C_TYPE_STRING)
        return scan_string(s, v->bytes, at);
    if (s->arena && f->type == PROTOBUF_C_TYPE_BYTES)
        return put_bytes(s, at, v->bytes);
    if (s->arena)
        put_number(f->type, at, v);
    return 0;
}

static int scan_packed(struct scan *s, const ProtobufCFieldDescriptor *f, struct slice bytes,
                       void *message)
{
    int rc = 0;

    while (rc == 0 && bytes.size) {
        struct value v;
        if (++s->fields > SCAN_FIELDS)
            return ERR_BOUNDS;
        if (!take_value(&bytes, wire_types[f->type], &v))
            return ERR_MALFORMED;
        rc = scan_value(s, f, &v, message);
    }
    return rc;
}

static int scan_known(struct scan *s, const ProtobufCFieldDescriptor *f, unsigned wire,
                      struct slice *in, void *message)
{
    struct value v;

    if (!take_value(in, wire, &v))
        return ERR_MALFORMED;
    if (is_packed(f, wire))
        return scan_packed(s, f, v.bytes, message);
    return wire == wire_types[f->type] ? scan_value(s, f, &v, message) : ERR_MALFORMED;
}

static int scan_unknown(struct scan *s, unsigned wire, struct slice *in)
{
    struct value v;

    if (++s->unknown > SCAN_UNKNOWN)
        return ERR_BOUNDS;
    return take_value(in, wire, &v) ? 0 : ERR_MALFORMED;
}

/* The fields of one message.  The name of the field at fault stays in `names`. */
static int scan_fields(struct scan *s, const ProtobufCMessageDescriptor *type, struct slice bytes,
                       void *message)
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
        int rc = f ? scan_known(s, f, tag & 7, &bytes, message) : scan_unknown(s, tag & 7, &bytes);
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

static int scan(struct scan *s, const ProtobufCMessageDescriptor *type, struct slice bytes,
                void *message, char where[128])
{
    int rc = scan_fields(s, type, bytes, message);

    if (where) {
        where[0] = '\0';
        if (rc != 0)
            where_text(s, where);
    }
    return rc;
}

int scan_message(const ProtobufCMessageDescriptor *type, struct slice bytes, char where[128])
{
    return scan(&(struct scan){0}, type, bytes, NULL, where);
}

static ProtobufCMessage *build(struct scan *s, const ProtobufCMessageDescriptor *type,
                               struct slice bytes, int *err, char where[128])
{
    ProtobufCMessage *m = arena_room(s->arena, type->sizeof_message);

    if (where)
        where[0] = '\0';
    *err = m ? 0 : ERR_BOUNDS;
    if (m) {
        protobuf_c_message_init(type, m);
        *err = scan(s, type, bytes, m, where);
    }
    return *err ? NULL : m;
}

ProtobufCMessage *scan_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                              struct arena *arena, int *err, char where[128])
{
    return build(&(struct scan){.arena = arena}, type, bytes, err, where);
}

ProtobufCMessage *scan_unpack_lent(const ProtobufCMessageDescriptor *type, struct slice bytes,
                                   struct arena *arena, int *err, char where[128])
{
    return build(&(struct scan){.arena = arena, .lent = true}, type, bytes, err, where);
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
