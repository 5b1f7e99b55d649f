/* SPDX-License-Identifier: Apache-2.0 */
/* embargo_events.h - events of embargo.out as the worker writes them, for tests of who reads them
 */
#pragma once

#include <stdio.h>
#include <string.h>

#include "chancery/core/v1/envelope.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/slice.h"

static const uint8_t snapshot_bytes[32] = {0x5a, 1, 2, 3};

static inline ProtobufCBinaryData a_snapshot(void)
{
    ProtobufCBinaryData data = {sizeof(snapshot_bytes), NULL};
    const uint8_t *bytes = snapshot_bytes;

    memcpy(&data.data, &bytes, sizeof(bytes)); /* only read */
    return data;
}

static inline Embargo__Notice a_notice(uint64_t number, Embargo__NoticeKind kind,
                                       const char *reference)
{
    Embargo__Notice n = EMBARGO__NOTICE__INIT;

    n.list = "un";
    n.number = number;
    n.kind = kind;
    n.weight = EMBARGO__WEIGHT__WEIGHT_SUBSTANTIVE;
    n.standing = EMBARGO__STANDING__STANDING_FINAL;
    n.reference = reference;
    n.internal_id = "6908555";
    n.committee = "Al-Qaida";
    n.name = "INVENTED PARTY";
    n.new_snapshot = a_snapshot();
    n.generated_text = "2026-02-27T00:00:09.554Z";
    n.generated = 1772150409554000;
    return n;
}

static inline Embargo__SnapshotSetAside a_set_aside(void)
{
    Embargo__SnapshotSetAside e = EMBARGO__SNAPSHOT_SET_ASIDE__INIT;

    e.list = "un";
    e.snapshot = a_snapshot();
    e.generated_text = "2026-02-27T00:00:09.554Z";
    e.waiting = 84;
    e.removals = 84;
    return e;
}

static inline void pack_event(struct buf *out, const ProtobufCMessage *message)
{
    buf_reset(out);
    protobuf_c_message_pack(message, buf_grow(out, protobuf_c_message_get_packed_size(message)));
}
