/* SPDX-License-Identifier: Apache-2.0 */
/* draft.h - an event to publish, put together from words; pure
 *
 * The words are those of the command line or of a line of JSON.  `why` becomes a sentence that says
 * what is wrong, without saying where the word came from.
 */
#pragma once

#include <jansson.h>

#include "adapters/terminal/verb.h"
#include "lib/chancery.h"
#include "lib/mem.h"
#include "lib/slice.h"

struct draft {
    struct chancery_event event; /* what it points at lies in the arena */
    const ProtobufCMessageDescriptor *type;
    bool identified;     /* the event's id was stated */
    struct arena *arena; /* lent */
};

struct draft_field {
    const char *name; /* of a line's member; the option has the same with a '-' before a capital */
    enum option option;
    bool (*set)(struct draft *d, const char *word, struct buf *why);
};
extern const struct draft_field draft_fields[]; /* ended by a row without name */

/* The value of an enum by the word that people use, "amber+strict" for PREFIX "LABEL_"; 0 = none.
 */
int enum_of_word(const ProtobufCEnumDescriptor *type, const char *prefix, const char *word);
/* RecipientKind of PARTY, PARTY/OFFICE, GROUP@VERSION or seat:SEAT, whose name goes behind the
 * "seat:"; 0 = none of these. */
int recipient_kind(const char **name);
/* What is missing or does not fit together: false with the reason. */
bool draft_check(const struct draft *d, struct buf *why);
/* The payload's bytes from its JSON, which stands at `pointer` in `text`; false with "LINE:COLUMN:
 * POINTER: what is wrong". */
bool draft_payload(struct draft *d, const json_t *value, struct slice text, const char *pointer,
                   struct buf *why);
/* A whole line of JSON: what it does not say stays as it is. */
bool draft_line(struct draft *d, struct slice text, struct buf *why);
