/* SPDX-License-Identifier: Apache-2.0 */
/* told.h - whether mails tell of all notices that they should; pure */
#pragma once

#include <stdbool.h>

#include "lib/slice.h"

/* Of what `event ls --json` prints of `alert.out` and of notices: true when each substantive notice
 * is among the causes of a mail. */
bool told_all(struct slice alerts, struct slice notices);
