/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/record.h"

#include "chancery/core/v1/envelope.pb-c.h"

static ProtobufCBinaryData lend(struct slice s)
{
    return (ProtobufCBinaryData){s.size, (uint8_t *)(uintptr_t)s.data};
}

void record_pack(struct buf *out, const struct journal_record *record)
{
    Core__Record message = CORE__RECORD__INIT;

    message.position = record->position;
    message.received = record->received;
    message.event = lend(record->event);
    message.payload = lend(record->payload);
    core__record__pack(&message, buf_grow(out, core__record__get_packed_size(&message)));
}
