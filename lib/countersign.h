/* SPDX-License-Identifier: Apache-2.0 */
/* countersign.h - the broker's receipt: it signs where it recorded what, before any checkpoint does
 *
 * The signature is over "chancery-receipt-v1" NUL, SHA-256 of the log's name and SHA-256 of the
 * entries that the log has for the events (tree.h), by the key of the broker's seat.  Who holds it
 * and the log's registry shows a log that lacks the event, or has another one in its place, to have
 * broken its word.
 */
#pragma once

#include "lib/sign.h"

/* `entries`: LOG_ENTRY_SIZE bytes an event.  As sign_bytes. */
int countersign(uint8_t signature[SIGNATURE_SIZE], const char *log, struct slice entries,
                const struct seat_key *key);
bool countersign_check(struct slice signature, const char *log, struct slice entries,
                       const uint8_t public_key[KEY_SIZE]);
