/* SPDX-License-Identifier: Apache-2.0 */
/* refusals.h - refusals counted by seat and code; pure
 *
 * What goes into the stream `audit` is one line a seat, code and hour.  The table is bounded: what
 * finds no row is counted in the one row of "refusals.other".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { REFUSAL_ROWS = 64 }; /* a batch of events */

struct refusal_row {
    char seat[65]; /* empty: a stranger */
    char code[33];
    char stream[65], type[129]; /* of the first one */
    uint64_t count;
    int64_t since;
};

struct refusal_total { /* of one code, since the start */
    char code[33];
    uint64_t count;
};

struct refusals {
    struct refusal_row *rows; /* n, mem_ */
    size_t n;
    uint64_t total;               /* since the start */
    struct refusal_total *totals; /* by code, n_totals of at most REFUSAL_ROWS, mem_ */
    size_t n_totals;
};

void refusals_count(struct refusals *r, const char *seat, const char *code, const char *stream,
                    const char *type, int64_t now);
void refusals_clear(struct refusals *r); /* the totals stay */
void refusals_free(struct refusals *r);
