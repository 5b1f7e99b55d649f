/* SPDX-License-Identifier: Apache-2.0 */
/* pulse.h - whether a client's way to the broker and back is open, for its watchdog
 *
 * A question for the head goes out at a look, and its answer must have come by the next one.
 * Without a session there is nothing to ask: the client connects again by itself, and to end it
 * would mend nothing.
 */
#pragma once

#include <stdbool.h>

#include "lib/chancery.h"

struct pulse {
    struct chancery *client;
    bool waiting; /* for the answer */
};

bool pulse_beats(struct pulse *p);
