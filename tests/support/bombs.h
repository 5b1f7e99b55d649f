/* SPDX-License-Identifier: Apache-2.0 */
/* bombs.h - bytes made to cost their reader as much memory and time as they can
 *
 * By the descriptors: every list that a message of a peer can hold, however deep, filled with the
 * smallest elements, as many as pass and as many as there is room for; fields that nobody knows;
 * messages in messages; and text that is dear to normalise.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lib/slice.h"

struct bomb {
    const char *name; /* the field that is filled, or what else it is */
    const ProtobufCMessageDescriptor *type;
    struct slice bytes;
};

enum { BOMB_MOST = 256 * 1024 };

void bombs_each(void (*each)(void *arg, const struct bomb *b), void *arg);
