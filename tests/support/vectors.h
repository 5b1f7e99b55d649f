/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.h - proto/vectors.json, made from fixed keys, salts and envelopes */
#pragma once

#include "lib/slice.h"

/* Appends the whole file: always the same bytes. */
void vectors_text(struct buf *out);
