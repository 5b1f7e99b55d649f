/* SPDX-License-Identifier: Apache-2.0 */
/* parts.h - content-addressed files beside the log: DIR/parts/<first two digits>/<64 hexadecimal
 * digits>
 *
 * A part is written beside its place, synced, checked against its hash, renamed, and its directory
 * synced, before an event that names it is admitted.  Parts that no event names expire after 24
 * hours and count against the seat's quota.
 *
 * A part that is purged is unlinked, and its directory synced.  Its bytes are not written over
 * first: a file system that copies on write, and a disk that levels its wear, would write
 * elsewhere.  Other names of the file there are none.
 */
#pragma once

#include <uv.h>

#include "lib/slice.h"
#include "lib/tree.h"

struct parts;

int parts_open(struct parts **out, const char *dir, uv_loop_t *loop, struct buf *why);
void parts_close(struct parts *p);

/* Of all that is stored, as counted when it was opened or expired last, and what was put since. */
uint64_t parts_bytes(const struct parts *p);
/* Stored, and not being deleted: its size, or -1. */
int64_t parts_size(struct parts *p, const struct hash *part);

/* A piece in order, from 0. `done` comes after the last one only, from the loop (syncing runs off
 * it): 0, ERR_PART, ERR_IO, ERR_FULL. Returns 0, ERR_PART (out of order, another size), ERR_QUOTA,
 * ERR_BOUNDS, ERR_IO: the part is dropped. */
typedef void parts_stored(void *arg, int err);
int parts_put(struct parts *p, const char *seat, const struct hash *part, uint64_t size,
              uint64_t offset, struct slice chunk, parts_stored *done, void *arg);
/* Appends at most `length` bytes from `offset`. ERR_NOT_FOUND, ERR_IO. */
int parts_get(struct parts *p, const struct hash *part, uint64_t offset, uint32_t length,
              struct buf *out, uint64_t *size);
/* The seat put it within 24 hours, since this process began, and named it in no event since. */
bool parts_put_by(const struct parts *p, const char *seat, const struct hash *part);
/* An event of the seat that names it was recorded. */
void parts_referenced(struct parts *p, const char *seat, const struct hash *part);
/* Removes unreferenced parts older than `before` (microseconds UTC); `referenced` says whether an
 * event names it. */
void parts_expire(struct parts *p, int64_t before,
                  bool (*referenced)(void *arg, const struct hash *part), void *arg);
/* Somebody puts it now, or put it and has not named it yet. */
bool parts_awaited(const struct parts *p, const struct hash *part);
/* Deletes the part for everybody, with what was put of it and what is on its way.  `done` comes
 * from the loop once its directory is synced (which runs off it): 0 or ERR_IO; where nothing is
 * stored it does not come. */
typedef void parts_purged(void *arg, const struct hash *part, int err);
void parts_purge(struct parts *p, const struct hash *part, parts_purged *done, void *arg);
/* Reads and hashes a stored part: 0, ERR_NOT_FOUND, ERR_DAMAGED, ERR_IO. For verify: needs no
 * parts_open. */
int parts_check(const char *dir, const struct hash *part, uint64_t size);
bool parts_there(const char *dir, const struct hash *part); /* needs no parts_open either */
