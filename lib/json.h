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

/* The lowerCamelCase name of a field. */
enum { JSON_NAME = 128 };
void json_name(char out[JSON_NAME], const char *name);

/* The value of a whole text, repeated keys refused; NULL with "LINE:COLUMN: what is wrong" in
 * `why`.  Lines and columns count from 1, columns in characters. */
json_t *json_of_text(struct slice text, struct buf *why);

/* Where in a valid JSON text the member or element stands that the pointer (RFC 6901) names; "" and
 * what is not found: the beginning of what holds it. */
void json_place(struct slice text, const char *pointer, int *line, int *column);
/* Appends "LINE:COLUMN: POINTER: " to `why`. */
void json_blame(struct buf *why, struct slice text, const char *pointer);

/* The message in the arena, or NULL with "LINE:COLUMN: POINTER: what is wrong" in `why`. Unknown
 * names, repeated keys, numbers out of range and trailing bytes are errors. */
ProtobufCMessage *json_to_message(const ProtobufCMessageDescriptor *type, struct slice text,
                                  struct arena *arena, struct buf *why);
/* The same of a value that stands at `pointer` in `text`. */
ProtobufCMessage *json_value_to_message(const ProtobufCMessageDescriptor *type, const json_t *value,
                                        struct slice text, const char *pointer, struct arena *arena,
                                        struct buf *why);
