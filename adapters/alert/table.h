/* SPDX-License-Identifier: Apache-2.0 */
/* table.h - strings by strings: what was told, where a thread began */
#pragma once

#include <stddef.h>

struct table;

struct table *table_new(void);
void table_free(struct table *t); /* NULL is fine */
/* Copies both; what the key has already stays. Returns the value that it has now. */
const char *table_add(struct table *t, const char *key, const char *value);
const char *table_find(const struct table *t, const char *key); /* NULL = not there */
