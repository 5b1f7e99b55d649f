/* SPDX-License-Identifier: Apache-2.0 */
/* known.h - the types of payload that this program can read and write; pure */
#pragma once

#include <protobuf-c/protobuf-c.h>

/* By its full name or without package and version ("embargo.Notice"); NULL = not known. */
const ProtobufCMessageDescriptor *known_type(const char *name);
