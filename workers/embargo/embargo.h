/* SPDX-License-Identifier: Apache-2.0 */
/* embargo.h - the embargo worker: snapshots of lists become notices of what is in force
 *
 * Reads the feeds of lists and `embargo.in`; writes `embargo.out`; answers the service `embargo`.
 */
#pragma once

#include "lib/worker.h"

extern const struct worker embargo;
