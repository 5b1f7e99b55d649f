/* SPDX-License-Identifier: Apache-2.0 */
/* record.h - a record of the journal as the message that tools read */
#pragma once

#include "broker/journal.h"

/* Appends the packed Core__Record. */
void record_pack(struct buf *out, const struct journal_record *record);
