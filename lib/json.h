/* SPDX-License-Identifier: Apache-2.0 */
/* json.h - protobuf-c messages to and from proto3 JSON, by descriptors
 *
 * The mapping of protobuf.dev (ProtoJSON): lowerCamelCase names (and the proto names are taken
 * too), 64-bit integers as strings, bytes as base64, enums by name, fields with their default value
 * left out.
 */
#pragma once

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#include "lib/mem.h"
#include "lib/slice.h"

/* A new reference. */
json_t *json_of_message(const ProtobufCMessage *message);
/* Appends one line's text (compact), or indented by 2. */
void json_print(struct buf *out, const ProtobufCMessage *message, int indent);

/* The message in the arena, or NULL with a sentence (JSON pointer, what is wrong) in `why`. Unknown
 * names, repeated keys, numbers out of range and trailing bytes are errors. */
ProtobufCMessage *json_to_message(const ProtobufCMessageDescriptor *type, struct slice text,
                                  struct arena *arena, struct buf *why);
ProtobufCMessage *json_value_to_message(const ProtobufCMessageDescriptor *type, const json_t *value,
                                        struct arena *arena, struct buf *why);
