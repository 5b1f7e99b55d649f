/* SPDX-License-Identifier: Apache-2.0 */
/* failures.h - inputs that workers failed on and that were not tried again: set aside */
#pragma once

#include <jansson.h>

#include "adapters/terminal/session.h"

struct failure {
    uint64_t input;
    char stream[65], type[129]; /* where the worker said so, and what the input is */
    uint32_t deaths;
};

struct failures {
    struct failure *list; /* n, mem_free frees it */
    size_t n;
};

/* Reads what the workers said: DONE, or as session_look. */
int failures_find(struct session *s, struct failures *f);
void failures_show(const struct failures *f);
json_t *failures_json(const struct failures *f);
/* How long "embargo" is in "embargo.out". */
int failures_domain(const char *stream);
