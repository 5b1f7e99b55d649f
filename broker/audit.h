/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - the stream `audit`: refusals, counted, and parts that expire, signed with the broker's
 * own key */
#pragma once

#include "broker/publish.h"
#include "broker/retention.h"

enum { AUDIT_LINES = REFUSAL_ROWS }; /* of one batch */

struct audit {
    struct publishing *publishing;
    const struct registry *registry;
    const struct seat_key *key; /* the broker's */
    const char *log;
    bool exercise;
};

struct expiry { /* a part that nothing keeps any longer */
    struct hash part;
    struct retention kept;
};

/* Publishes one RefusalsCounted a row, in one batch, and clears the rows. */
void audit_refusals(const struct audit *a, struct refusals *r, int64_t now);
/* Publishes one PartExpired for each, in one batch of at most AUDIT_LINES.  Nothing is admitted
 * behind it until it is on disk; publishing_of.expired then hears of each. */
void audit_expired(const struct audit *a, const struct expiry list[], size_t n, int64_t now);
