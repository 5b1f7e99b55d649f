/* SPDX-License-Identifier: Apache-2.0 */
/* mime.h - bytes of a mail: headers, and text in quoted-printable (RFC 5322, 2045, 2047); pure
 *
 * Every line ends in CRLF and is at most 998 bytes.  Whatever the text, a header stays one header:
 * what could end it (controls) becomes a blank.
 */
#pragma once

#include <stdint.h>

#include "lib/slice.h"

/* "Name: text", folded at blanks; encoded words where the text is not plain ASCII. */
void mime_header(struct buf *out, const char *name, const char *text);
/* The same with an address behind a display name, which may be NULL or empty. */
void mime_header_address(struct buf *out, const char *name, const char *display,
                         const char *address);
/* "Date: Tue, 24 Nov 2026 01:26:48 +0000" of microseconds UTC. */
void mime_header_date(struct buf *out, int64_t time);

/* Lines of UTF-8 ended by '\n', quoted-printable. */
void mime_quoted_printable(struct buf *out, struct slice text);
