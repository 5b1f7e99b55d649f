/* SPDX-License-Identifier: Apache-2.0 */
/* show.h - how the commands print what they found */
#pragma once

#include <jansson.h>

#include "adapters/terminal/session.h"
#include "adapters/terminal/text.h"

/* "label        text", safely; nothing where the text is empty. */
void show_line(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line of JSON on standard output; takes the value over. */
void show_json(json_t *value);
void show_message(const ProtobufCMessage *message);

/* Text that the caller frees: safe, a time, the first `digits` hexadecimal digits. */
char *safe(const char *s);
char *time_of(int64_t us, bool local);
char *hex_of(ProtobufCBinaryData bytes, size_t digits);
/* The name of an enum's value as people read it: "NOTICE_KIND_ADD" -> "add". */
char *enum_of(const ProtobufCEnumDescriptor *type, int value);

/* {position, received, envelope, payload}, one event. */
json_t *seen_json(const struct seen *seen);
/* The few words of it that tell most, e.g. "add QDi.430 EMRAAN ALI"; "" when nothing does. */
void seen_brief(struct buf *out, const struct seen *seen);
/* The same with its envelope's hash and its signature. */
json_t *event_json(const struct seen *seen);
/* All of an event: envelope, payload and signature. */
void show_event(const struct seen *seen, bool json);
