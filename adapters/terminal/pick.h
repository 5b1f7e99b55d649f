/* SPDX-License-Identifier: Apache-2.0 */
/* pick.h - which snapshot is meant by the beginning of its hash; pure */
#pragma once

#include <stdbool.h>

#include "chancery/embargo/v1/embargo.pb-c.h"

enum { PICK_LEAST = 8, PICK_MOST = 64 }; /* digits: few would fit another snapshot one day */

bool pick_valid(const char *digits);
/* The list whose snapshot set aside is meant; NULL when there is none, or several: *n of them. */
const Embargo__ListStatus *pick_snapshot(const Embargo__ListStatuses *statuses, const char *digits,
                                         size_t *n);
