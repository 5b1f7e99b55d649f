/* SPDX-License-Identifier: Apache-2.0 */
/* scrub.h - reads the log over and over at a bounded rate, so that damage is found before it is
 * needed
 *
 * It has a thread of its own, since what nobody read for long comes from the disk, and short read
 * transactions.  The callbacks run on that thread.
 */
#pragma once

#include "broker/journal.h"

struct scrub;

struct scrub_of {
    struct journal *journal;
    uint64_t rate;  /* bytes of records a second; more than 0 */
    uint64_t least; /* seconds from the beginning of a pass to that of the next, at least */
    void (*passed)(void *arg, uint64_t records, uint64_t bytes, uint64_t seconds);
    /* What is wrong with which record; nothing is read behind it. */
    void (*found)(void *arg, uint64_t position, const char *what, const char *text);
    void *arg;
};

struct scrub_passed {        /* a whole pass */
    uint64_t records, ended; /* uv_hrtime; 0 = none yet */
};

struct scrub *scrub_start(const struct scrub_of *of);
struct scrub_passed scrub_last(struct scrub *s); /* from any thread; NULL is fine */
void scrub_stop(struct scrub *s);                /* waits for the turn under way; NULL is fine */
