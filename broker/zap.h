/* SPDX-License-Identifier: Apache-2.0 */
/* zap.h - who may connect: CURVE keys, checked in memory (ZeroMQ RFC 27)
 *
 * libzmq lets everybody in unless the ZAP domain is set *and* enforced, so the options of the
 * serving socket are set here and nowhere else, and the self-test proves at start that a stranger
 * is refused by the very endpoint that serves.
 */
#pragma once

#include "lib/sign.h"
#include "lib/zsock.h"

struct zap;

/* Is the CURVE key registered and not revoked?  Answers from memory. */
typedef bool zap_admits(void *arg, const uint8_t key[KEY_SIZE]);

/* Before any guarded socket is bound.  0 or ERR_IO with a sentence in `why`. */
int zap_open(struct zap **out, uv_loop_t *loop, void *context, zap_admits *admits, void *arg,
             struct buf *why);
void zap_close(struct zap *z);

/* Makes a ROUTER of the context that only admitted keys reach; NULL with a sentence in `why`. */
void *zap_router(void *context, const struct seat_key *server, struct buf *why);

/* Runs the loop until a stranger was refused by the endpoint and `known` was let in: 0, or
 * ERR_DENIED with a sentence in `why`. */
int zap_self_test(uv_loop_t *loop, void *context, const char *endpoint,
                  const uint8_t server_key[KEY_SIZE], const struct seat_key *known,
                  struct buf *why);
