/* SPDX-License-Identifier: Apache-2.0 */
/* same.h - is a field the same in two messages of a type?  Without rendering it: most are. */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Value for value, repeated ones in the same order; unknown fields do not count. */
bool same_field(const ProtobufCMessage *a, const ProtobufCMessage *b,
                const ProtobufCFieldDescriptor *field);
