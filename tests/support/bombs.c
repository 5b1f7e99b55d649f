/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/bombs.h"

#include <stdio.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/scan.h"

enum { DEPTH = SCAN_DEPTH, VARINT = 0, BYTES = 2 };

static const ProtobufCMessageDescriptor *const types[] = {
    &core__frame__descriptor,     &core__envelope__descriptor,    &core__signed_event__descriptor,
    &core__record__descriptor,    &core__access_rule__descriptor, &core__office_added__descriptor,
    &core__group_set__descriptor, &core__log_founded__descriptor,
};

struct way { /* from the outer message to a list */
    const ProtobufCMessageDescriptor *type;
    const ProtobufCFieldDescriptor *fields[DEPTH];
    size_t depth;
    void (*each)(void *arg, const struct bomb *b);
    void *arg;
};

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v > 0x7f; v >>= 7)
        buf_add_byte(b, (uint8_t)(v | 0x80));
    buf_add_byte(b, (uint8_t)v);
}

static void put_tag(struct buf *b, uint32_t id, unsigned wire)
{
    put_varint(b, (uint64_t)id << 3 | wire);
}

static void put_bytes(struct buf *b, uint32_t id, struct slice bytes)
{
    put_tag(b, id, BYTES);
    put_varint(b, bytes.size);
    buf_add(b, bytes.data, bytes.size);
}

static bool is_long(ProtobufCType type)
{
    return type == PROTOBUF_C_TYPE_STRING || type == PROTOBUF_C_TYPE_BYTES ||
           type == PROTOBUF_C_TYPE_MESSAGE;
}

static void tell(const struct way *w, const char *name, struct slice bytes)
{
    const struct bomb bomb = {name, w->type, bytes};

    w->each(w->arg, &bomb);
}

/* The list with `n` of the smallest elements, or elements of `size` bytes, in what it lies in. */
static void fill(const struct way *w, size_t n, size_t size)
{
    const ProtobufCFieldDescriptor *f = w->fields[w->depth - 1];
    struct buf inner = {0}, outer = {0}, element = {0};
    char name[256];
    size_t at = 0;

    memset(buf_grow(&element, size), is_long(f->type) ? 'x' : 0, size);
    for (size_t i = 0; i < n && inner.size < BOMB_MOST - 64; i++) {
        if (is_long(f->type)) {
            put_bytes(&inner, f->id, slice_buf(&element));
        } else {
            put_tag(&inner, f->id, VARINT);
            buf_add_byte(&inner, 1);
        }
    }
    for (size_t i = w->depth - 1; i > 0; i--) {
        buf_reset(&outer);
        put_bytes(&outer, w->fields[i - 1]->id, slice_buf(&inner));
        struct buf b = inner;
        inner = outer;
        outer = b;
    }
    at = (size_t)snprintf(name, sizeof name, "%s", w->type->short_name);
    for (size_t i = 0; i < w->depth && at < sizeof name; i++)
        at += (size_t)snprintf(name + at, sizeof name - at, ".%s", w->fields[i]->name);
    tell(w, name, slice_buf(&inner));
    buf_free(&inner);
    buf_free(&outer);
    buf_free(&element);
}

static void walk(struct way *w, const ProtobufCMessageDescriptor *type)
{
    if (w->depth == DEPTH)
        return;
    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &type->fields[i];
        w->fields[w->depth++] = f;
        if (f->label == PROTOBUF_C_LABEL_REPEATED) {
            fill(w, SCAN_FIELDS - w->depth, 0); /* they pass */
            fill(w, BOMB_MOST, 0);
            if (f->type == PROTOBUF_C_TYPE_STRING || f->type == PROTOBUF_C_TYPE_BYTES)
                fill(w, SCAN_FIELDS - w->depth, 58);
        }
        if (f->type == PROTOBUF_C_TYPE_MESSAGE)
            walk(w, f->descriptor);
        w->depth--;
    }
}

static void text(const struct way *w, const char *name, const char *last, const char *unit)
{
    struct buf b = {0}, whole = {0};

    while (b.size < BOMB_MOST - 64)
        buf_add_str(&b, unit);
    buf_add_str(&b, last);
    put_bytes(&whole, 3, slice_buf(&b)); /* Hello.software */
    tell(w, name, slice_buf(&whole));
    buf_free(&b);
    buf_free(&whole);
}

static void texts(struct way *w)
{
    w->type = &core__hello__descriptor;
    text(w, "ASCII", "", "x");
    text(w, "a letter of two bytes", "", "\xc3\xbf");
    text(w, "Hangul", "", "\xed\x95\x9c");
    text(w, "a letter that decomposes into four", "", "\xe1\xbe\x82");
    text(w, "letters that decompose into three, and a mark", "\xcc\x82", "\xc7\x95");
    text(w, "marks of one class", "", "\xcc\x82");
    text(w, "marks out of order", "", "\xcc\x82\xcc\xa3");
    text(w, "a mark that hides its base from the quick look", "", "q\xcc\xa3\xcc\x82");
    text(w, "characters outside of the first plane", "", "\xf0\x9d\x85\x9e");
    text(w, "bytes that are no UTF-8", "", "\xff");
    text(w, "letters and a torn one at the end", "\xe1\xbe", "\xc3\xbf");
}

static void unknown(struct way *w, const char *name, uint32_t id, size_t size)
{
    struct buf b = {0}, bytes = {0};

    memset(buf_grow(&bytes, size), 'x', size);
    while (b.size + size < BOMB_MOST - 64)
        put_bytes(&b, id, slice_buf(&bytes));
    tell(w, name, slice_buf(&b));
    buf_free(&b);
    buf_free(&bytes);
}

/* Messages in messages, each a few bytes longer than the one inside. */
static void nested(struct way *w, uint32_t id)
{
    static uint8_t bytes[BOMB_MOST];
    size_t at = sizeof bytes;

    while (at > 8) {
        size_t size = sizeof bytes - at;
        uint8_t head[8], n = 0;
        head[n++] = (uint8_t)(id << 3 | BYTES);
        for (; size > 0x7f; size >>= 7)
            head[n++] = (uint8_t)(size | 0x80);
        head[n++] = (uint8_t)size;
        at -= n;
        memcpy(bytes + at, head, n);
    }
    tell(w, "messages in messages", slice_of(bytes + at, sizeof bytes - at));
}

static void groups(struct way *w)
{
    struct buf b = {0};

    while (b.size < BOMB_MOST - 64)
        put_tag(&b, 100, 3);
    tell(w, "groups in groups", slice_buf(&b));
    buf_free(&b);
}

void bombs_each(void (*each)(void *arg, const struct bomb *b), void *arg)
{
    struct way w = {.each = each, .arg = arg};

    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        w.type = types[i];
        walk(&w, w.type);
        unknown(&w, "unknown fields without bytes", 1000, 0);
        unknown(&w, "16 unknown fields", 1000, BOMB_MOST / 16 - 16);
        nested(&w, 1);
        groups(&w);
    }
    texts(&w);
}
