/* SPDX-License-Identifier: Apache-2.0 */
/* sink.h - an SMTP server that keeps what it gets: each mail a file, none goes anywhere
 *
 * For demonstrations and tests.  It listens on the loopback interface alone and takes any sender
 * and recipient (RFC 5321, no extension but 8BITMIME and SIZE).
 */
#pragma once

#include <uv.h>

struct sink;

/* Files are DIR/0001.eml, 0002.eml ..., complete when they have that name.  `*port` becomes the
 * free port that was found.  0 or ERR_IO. */
int sink_open(struct sink **out, uv_loop_t *loop, const char *dir, int *port);
/* Ends all sessions; freed once the loop has run. */
void sink_close(struct sink *s);
