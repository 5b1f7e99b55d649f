/* SPDX-License-Identifier: Apache-2.0 */
/* scan.h - protobuf bytes of a peer: checked and, where wanted, made a message in the same pass
 *
 * protobuf-c's unpack dies at depth 10,000, grows an input 60 times, takes invalid UTF-8 and NUL in
 * strings and lets the last of repeated singular fields win.  So no bytes of a peer are unpacked
 * but here, into the messages that protobuf-c generates.  Driven by the message's descriptor:
 * fields known to it must have their wire type; strings are UTF-8, NFC and without U+0000; a
 * singular field (and a oneof) comes once; fields unknown to it are counted and skipped, groups
 * refused.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "lib/mem.h"
#include "lib/slice.h"

enum {
    SCAN_DEPTH = 8,       /* of messages, the outer one is 1 */
    SCAN_FIELDS = 4096,   /* in all, packed elements counted */
    SCAN_UNKNOWN = 16,    /* fields the descriptor does not know */
    SCAN_STRING = 262144, /* bytes of a string */
};

/* 0, ERR_MALFORMED, ERR_BOUNDS or ERR_TEXT. `where`, if not NULL, becomes the dotted name of the
 * field at fault (static storage of the descriptor's names; at most 128 bytes, cut). Allocates
 * nothing but for text that is not ASCII. */
int scan_message(const ProtobufCMessageDescriptor *type, struct slice bytes, char where[128]);

/* The message in the arena: NULL and `*err` as of scan_message, ERR_BOUNDS also past the arena's
 * cap.  Fields that the descriptor does not know are left out. */
ProtobufCMessage *scan_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes,
                              struct arena *arena, int *err, char where[128]);
/* The same, its fields of type bytes lent by `bytes`, which must live as long. */
ProtobufCMessage *scan_unpack_lent(const ProtobufCMessageDescriptor *type, struct slice bytes,
                                   struct arena *arena, int *err, char where[128]);

/* Valid UTF-8, NFC, no U+0000. */
bool scan_text(struct slice text);
