/* SPDX-License-Identifier: Apache-2.0 */
/* committee.h - committees of lists as people call them */
#pragma once

#include "lib/slice.h"

/* "UN 1267" for list "un" and committee "Al-Qaida" at that time (microseconds UTC; a committee's
 * resolution may change); the list's own word where the table has none; "UN" without committee. */
void committee_short(struct buf *out, const char *list, const char *committee, int64_t time);
/* "ISIL (Da'esh) and Al-Qaida", or the list's own word. */
const char *committee_name(const char *list, const char *committee, int64_t time);
/* "UN Security Council Consolidated List", or the list's own word. */
const char *list_name(const char *list);
