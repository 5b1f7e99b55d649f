/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h - the stream `audit`: refusals, counted, signed with the broker's own key */
#pragma once

#include "broker/publish.h"

struct audit {
    struct publishing *publishing;
    const struct registry *registry;
    const struct seat_key *key; /* the broker's */
    const char *log;
    bool exercise;
};

/* Publishes one RefusalsCounted a row, in one batch, and clears the rows. */
void audit_refusals(const struct audit *a, struct refusals *r, int64_t now);
