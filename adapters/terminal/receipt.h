/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.h - the receipts of a seat that were kept here */
#pragma once

#include "adapters/terminal/session.h"

typedef void receipt_each(void *arg, const struct seen *seen,
                          const struct chancery_receipt *receipt);

/* Of the seat that the call names, beside the process that keeps them: DONE; FAILED after an error
 * was printed, when what can be read was handed over; USAGE. */
int receipts_read(const struct call *c, receipt_each *each, void *arg);
