/* SPDX-License-Identifier: Apache-2.0 */
/* undelivered.h - alerts that were given up: nobody sends them again */
#pragma once

#include <jansson.h>

#include "adapters/terminal/session.h"

struct undelivered {
    int64_t since;   /* only those received from then on, microseconds UTC */
    uint64_t n;      /* how many */
    uint64_t newest; /* position of the newest one, and what it says */
    int64_t received;
    char rule[65], recipient[321], code[33], text[256];
};

/* Reads alert.out: DONE, or as session_look. */
int undelivered_find(struct session *s, int64_t since, struct undelivered *u);
void undelivered_show(const struct undelivered *u);
json_t *undelivered_json(const struct undelivered *u);
