/* SPDX-License-Identifier: Apache-2.0 */
/* overlay.h - what was admitted and is not yet on disk: ids, and where seats stand; pure
 *
 * The journal answers for what is committed, this for what is gathering or in flight.  An entry's
 * memory, and that of the names in it, is the caller's until the entry is removed.
 */
#pragma once

#include "lib/tree.h"

struct overlay;

struct overlay_entry {
    struct overlay_entry *next; /* the overlay's */
    const char *seat, *stream;
    const uint8_t *id; /* 16 bytes */
    uint64_t seat_seq;
    struct hash envelope_hash;
};

struct overlay *overlay_new(void);
void overlay_free(struct overlay *o); /* NULL is fine */

void overlay_add(struct overlay *o, struct overlay_entry *entry);
/* In the order in which they were added, for one seat and stream. */
void overlay_remove(struct overlay *o, struct overlay_entry *entry);

const struct overlay_entry *overlay_find(const struct overlay *o, const char *seat,
                                         const uint8_t id[16]);
/* False where nothing of the seat is under way in the stream. */
bool overlay_tail(const struct overlay *o, const char *seat, const char *stream, uint64_t *seat_seq,
                  struct hash *envelope_hash);
