/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/wire.h"

#include <string.h>

size_t wire_varint_size(uint64_t v)
{
    size_t n = 1;

    while (v >>= 7)
        n++;
    return n;
}

size_t wire_bytes_size(uint32_t tag, struct slice bytes)
{
    return bytes.size ? wire_varint_size(tag) + wire_varint_size(bytes.size) + bytes.size : 0;
}

uint8_t *wire_varint(uint8_t *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (uint8_t)(v | 0x80);
    *at++ = (uint8_t)v;
    return at;
}

uint8_t *wire_number(uint8_t *at, uint32_t tag, uint64_t v)
{
    return wire_varint(wire_varint(at, tag), v);
}

uint8_t *wire_bytes(uint8_t *at, uint32_t tag, struct slice bytes)
{
    if (bytes.size == 0)
        return at;
    at = wire_number(at, tag, bytes.size);
    memcpy(at, bytes.data, bytes.size);
    return at + bytes.size;
}
