/* SPDX-License-Identifier: Apache-2.0 */
/* report.h - findings of the doctor, for people and for monitors; pure */
#pragma once

#include <stdbool.h>

#include "lib/slice.h"

enum health { HEALTH_OK, HEALTH_WARN, HEALTH_FAIL };

struct finding {
    const char *check;
    enum health health;
    char *text;
    char *next; /* what to do; "" where nothing is to be done */
};

struct measure { /* a gauge chancery_<name> */
    const char *name, *help;
    double value;
};

enum { MEASURES_MOST = 16 };

struct report {
    struct finding *findings;
    size_t n;
    struct measure measures[MEASURES_MOST];
    size_t n_measures;
};

enum health report_health(const struct report *r); /* the worst */
/* The whole report; false where there is no such format. */
bool report_print(const struct report *r, const char *format, struct buf *out);
