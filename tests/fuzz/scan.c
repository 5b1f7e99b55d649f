/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - whatever passes the scan unpacks, within bounds and to what protobuf-c makes of it, and
 * passes again when repacked
 *
 * The first byte chooses the message.
 */
#include "lib/scan.h"

#include <assert.h>
#include <stdlib.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/core/v1/envelope.pb-c.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"

enum { ARENA_MOST = 4 << 20 };

static const ProtobufCMessageDescriptor *const types[] = {
    &core__envelope__descriptor,    &core__signed_event__descriptor, &core__record__descriptor,
    &core__handling__descriptor,    &core__frame__descriptor,        &core__access_rule__descriptor,
    &core__log_founded__descriptor, &core__office_added__descriptor, &core__retry_input__descriptor,
};

static void pack(struct buf *out, const ProtobufCMessage *m)
{
    buf_reset(out);
    protobuf_c_message_pack(m, buf_grow(out, protobuf_c_message_get_packed_size(m)));
}

static void drop_unknown(ProtobufCMessage *m);

static void drop_unknown_of(const ProtobufCFieldDescriptor *f, void *m)
{
    uint8_t *base = m;
    size_t n = 1;
    ProtobufCMessage **list = (void *)(base + f->offset);

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        n = *(const size_t *)(base + f->quantifier_offset);
        list = *(ProtobufCMessage ***)(void *)list;
    } else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF &&
               *(const uint32_t *)(base + f->quantifier_offset) != f->id) {
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (list[i])
            drop_unknown(list[i]);
}

static void drop_unknown(ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        free(m->unknown_fields[i].data);
    free(m->unknown_fields);
    m->unknown_fields = NULL;
    m->n_unknown_fields = 0;
    for (unsigned i = 0; i < m->descriptor->n_fields; i++)
        if (m->descriptor->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            drop_unknown_of(&m->descriptor->fields[i], m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again = {0}, other = {0};
    char where[128];
    int err;

    if (size == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = types[data[0] % (sizeof types / sizeof types[0])];
    struct slice bytes = slice_of(data + 1, size - 1);
    struct arena *arena = arena_new(ARENA_MOST);
    int scanned = scan_message(type, bytes, where);
    assert(strlen(where) < sizeof where && (scanned != 0 || where[0] == '\0'));
    ProtobufCMessage *m = scan_unpack(type, bytes, arena, &err, where);
    assert(err == scanned && (m != NULL) == (err == 0));
    if (m) {
        ProtobufCMessage *theirs = protobuf_c_message_unpack(type, NULL, bytes.size, bytes.data);
        assert(theirs);
        drop_unknown(theirs);
        pack(&again, m);
        pack(&other, scan_unpack_lent(type, bytes, arena, &err, where));
        assert(slice_equal(slice_buf(&again), slice_buf(&other)));
        pack(&other, theirs);
        assert(slice_equal(slice_buf(&again), slice_buf(&other)));
        assert(scan_message(type, slice_buf(&again), where) == 0);
        protobuf_c_message_free_unpacked(theirs, NULL);
    }
    buf_free(&other);
    buf_free(&again);
    arena_free(arena);
    return 0;
}
