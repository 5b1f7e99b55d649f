/* SPDX-License-Identifier: Apache-2.0 */
/* wire.h - protobuf written by hand, where much of it is written
 *
 * protobuf-c's pack moves what lies within a message once more for each message around it.  Where
 * bytes make up the frame it is written front to back: the sizes are known before.
 * protobuf.dev/programming-guides/encoding
 */
#pragma once

#include "lib/slice.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

#define WIRE_TAG(field, type) ((uint32_t)(field) << 3 | (type))

size_t wire_varint_size(uint64_t v);
/* `tag`, the length and the bytes; nothing of empty ones. */
size_t wire_bytes_size(uint32_t tag, struct slice bytes);

/* Each writes to `at`, where there is room, and returns what lies behind. */
uint8_t *wire_varint(uint8_t *at, uint64_t v);
uint8_t *wire_number(uint8_t *at, uint32_t tag, uint64_t v);
uint8_t *wire_bytes(uint8_t *at, uint32_t tag, struct slice bytes);
