/* SPDX-License-Identifier: Apache-2.0 */
/* near.h - which word was probably meant; pure */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* How many letters were put in, left out, changed or swapped with the next; a beginning counts as
 * one. */
size_t near_distance(const char *typed, const char *meant);
/* One mistake in a short word, two in a long one. */
bool near_enough(const char *typed, const char *meant);
