/* SPDX-License-Identifier: Apache-2.0 */
/* types.h - descriptors by full name, for whoever prints or reads messages of several domains */
#pragma once

#include <protobuf-c/protobuf-c.h>

/* A NULL-ended table of the message types that a program links. */
typedef const ProtobufCMessageDescriptor *type_table[];

/* NULL where the table has none of that name; a name without package ("embargo.Notice") is taken
 * for "chancery.embargo.v1.Notice". */
const ProtobufCMessageDescriptor *type_find(const ProtobufCMessageDescriptor *const table[],
                                            const char *name);
/* "chancery.embargo.v1.Notice" -> "embargo.Notice": for people and traces.  Writes at most `size`
 * bytes. */
void type_short(char *out, size_t size, const char *name);
