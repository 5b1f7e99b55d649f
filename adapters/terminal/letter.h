/* SPDX-License-Identifier: Apache-2.0 */
/* letter.h - a mail as people read it: some headers and the text part; pure */
#pragma once

#include "lib/slice.h"

/* Appends the headers that tell who, to whom and what, and the text/plain part, safely. */
void letter_show(struct buf *out, struct slice mail);
