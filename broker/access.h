/* SPDX-License-Identifier: Apache-2.0 */
/* access.h - may this seat do this?  pure
 *
 * Default deny; a rule that denies wins over all that allow.  Checked at publish, read, answer and
 * delivery; at delivery and answer together with the handling label.  A seat that left may do
 * nothing but read recalls, and answer them; one that was revoked nothing.
 */
#pragma once

#include "broker/registry.h"
#include "chancery/core/v1/envelope.pb-c.h"

/* What one rule says about it: above 0 it allows, below 0 it denies, 0 = it does not concern this.
 */
int access_rule_says(const Core__AccessRule *rule, const struct seat *seat, Core__Verb verb,
                     const char *stream, const char *type);
bool access_allows(const struct registry *r, const struct seat *seat, Core__Verb verb,
                   const char *stream, const char *type);

/* The same; `rule` becomes the identifier of the rule that decided, or NULL: none concerns it. */
bool access_decides(const struct registry *r, const struct seat *seat, Core__Verb verb,
                    const char *stream, const char *type, const char **rule);

/* May there be anything at all to read for the seat under this stream pattern?  For refusing a
 * reading that can never deliver. */
bool access_may_read(const struct registry *r, const struct seat *seat, const char *stream_pattern);

/* Whether the recipient means the seat: its party, its office, itself, or a member of the version
 * of a group. */
bool access_names(const struct registry *r, const Core__Recipient *recipient,
                  const struct seat *seat);
/* Whether the label lets the seat have it.  The originator's own office always; else an office that
 * is cleared for the label, and from AMBER on only whom recipients or release_to name.  No handling
 * is LABEL_RED without recipients: nobody but the originator's office. */
bool access_handling(const struct registry *r, const struct seat *seat,
                     const Core__Handling *handling, const char *originator_office);
/* Whether it is a recall for a seat that left: of something recorded while it was seated, and for
 * the same recipients. */
bool access_recall(const struct registry *r, const struct seat *seat,
                   const Core__Envelope *envelope);
/* Whether the label keeps nothing from the seat because it is the domain's worker: a process that
 * publishes in DOMAIN.out, by a rule that is not for any seat, gets every head of DOMAIN.in. */
bool access_serves(const struct registry *r, const struct seat *seat, const char *stream);
/* May the seat read the event? */
bool access_read(const struct registry *r, const struct seat *seat, const Core__Envelope *envelope);
/* Whether an event so handled is no less restricted than the one it answers or refers to: its label
 * is no lower, and from AMBER on it names nobody whom the source did not name, by the same words.
 * `office` is the source's, which may always have it. */
bool access_as_restricted(const Core__Handling *handling, const Core__Handling *source,
                          const char *office);
