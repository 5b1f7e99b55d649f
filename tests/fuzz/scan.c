/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - whatever passes the pre-scan unpacks, within bounds, and passes again when repacked
 *
 * The first byte chooses the message.
 */
#include "lib/scan.h"

#include <assert.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again = {0};
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
    size_t packed = m ? protobuf_c_message_get_packed_size(m) : 0;
    if (packed) {
        protobuf_c_message_pack(m, buf_grow(&again, packed));
        assert(scan_message(type, slice_buf(&again), where) == 0);
    }
    buf_free(&again);
    arena_free(arena);
    return 0;
}
