/* SPDX-License-Identifier: Apache-2.0 */
/* seating.h - who is seated, and with which keys: the fold of the registry's own events */
#pragma once

#include "adapters/terminal/session.h"
#include "lib/sign.h"

struct seating_key {
    uint8_t public_key[KEY_SIZE], id[KEY_ID_SIZE];
    int kind;
    char name[256];
    bool revoked;
};

struct seating_seat {
    char name[65], office[130], about[256];
    int kind;
    struct seating_key *keys;
    size_t n_keys, revoked;
};

struct seating { /* seating_clear frees it; all zero is an empty one */
    struct seating_seat *list;
    size_t n;
    char administrator[65]; /* admitted later, with the key that founded the log */
    struct seating_key founder;
};

/* Reads the stream `registry`: DONE, or as session_look. */
int seating_read(struct seating *g, struct session *s);
void seating_clear(struct seating *g);
