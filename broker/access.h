/* SPDX-License-Identifier: Apache-2.0 */
/* access.h - may this seat do this?  pure
 *
 * Default deny; a rule that denies wins over all that allow.  Checked at publish, read, answer and
 * delivery; at delivery and answer together with the handling label.
 */
#pragma once

#include "broker/registry.h"
#include "chancery/core/v1/envelope.pb-c.h"

bool access_allows(const struct registry *r, const struct seat *seat, Core__Verb verb,
                   const char *stream, const char *type);

/* May there be anything at all to read for the seat under this stream pattern?  For refusing a
 * reading that can never deliver. */
bool access_may_read(const struct registry *r, const struct seat *seat, const char *stream_pattern);

/* Whether the label lets the seat have it: CLEAR and GREEN every seat; AMBER and above the named
 * recipients, those of release_to and the originator's own office. No handling is LABEL_RED without
 * recipients: nobody but the originator's office. */
bool access_handling(const struct registry *r, const struct seat *seat,
                     const Core__Handling *handling, const char *originator_office);
