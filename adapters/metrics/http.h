/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - a small HTTP server on the loop, for GET alone
 *
 * At most 64 connections; a request has at most 16 KiB, and no body; a connection that says nothing
 * for 5 s is closed.  The only file that knows libmicrohttpd.
 */
#pragma once

#include <sys/socket.h>
#include <uv.h>

#include "lib/slice.h"

struct http;
struct http_request;

/* A GET of that path: answered by http_answer, once, now or later. */
typedef void http_get(void *arg, struct http_request *r, const char *path);

/* Listens: 0, or ERR_IO with a sentence in `why`. */
int http_open(struct http **out, uv_loop_t *loop, const struct sockaddr_storage *address,
              http_get *get, void *arg, struct buf *why);
/* Who waits gets no answer any more; frees itself once its handles are closed. */
void http_close(struct http *h);

void http_answer(struct http_request *r, unsigned status, const char *type, struct slice body);
