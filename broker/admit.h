/* SPDX-License-Identifier: Apache-2.0 */
/* admit.h - may this batch of events enter the log now?
 *
 * The checks of one publish, event by event and in a fixed order, against what is registered, what
 * is on disk and what is on its way there.  What the log or the overlay knows already is told by
 * its id before anything else is asked: a retry is answered truthfully whatever changed since.
 * Nothing is changed here.
 */
#pragma once

#include "broker/journal.h"
#include "broker/overlay.h"
#include "broker/parts.h"
#include "broker/peer.h"
#include "broker/transcripts.h"
#include "lib/envelope.h"

struct admit_event {
    struct event event;
    const struct key *key;        /* that it names; NULL: none is registered */
    uint8_t public_key[KEY_SIZE]; /* of it, for whoever verifies off the loop */
    struct hash event_hash;
    int signature;     /* 0, or what is wrong with it */
    bool known;        /* recorded before, or under way */
    uint64_t position; /* of a known one that is on disk; else 0 */
    struct overlay_entry entry;
};

struct standing {    /* of the broker, at the moment */
    int64_t now;     /* the log's time */
    int64_t machine; /* what the machine's clock says: elsewhere when it jumped */
    int64_t ahead;   /* of the machine's clock: a log for exercises */
    bool jumped, full;
};

struct admit {
    const struct registry *registry;
    struct journal *journal;
    struct overlay *overlay;
    struct parts *parts;
    const struct transcripts *transcripts;
    const char *log;
    const struct seat *seat;  /* who publishes: the session's */
    const struct mandate *by; /* and on what it stands */
    bool own;                 /* the broker itself: it may write `audit` */
    bool exercise;
    struct standing at;
};

/* Marks what is known: 0, ERR_ID_REUSED, or ERR_DAMAGED/ERR_IO. Registry and signatures are not
 * looked at. */
int admit_known(const struct admit *a, struct admit_event events[], size_t n, struct refusal *why);
/* The rules that need no signature: cheap, so a seat without the right costs no verification. */
int admit_allowed(const struct admit *a, struct admit_event events[], size_t n,
                  struct refusal *why);
/* All of it, admit_known first. 0: what is not known may be appended now. */
int admit_check(const struct admit *a, struct admit_event events[], size_t n, struct refusal *why);

bool admit_is_registry(const struct admit_event *e);
