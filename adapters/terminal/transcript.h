/* SPDX-License-Identifier: Apache-2.0 */
/* transcript.h - what came on paper, and what the office that it is said to come from says of it */
#pragma once

#include <jansson.h>

#include "adapters/terminal/session.h"

struct transcript { /* lies in the session's arena */
    uint64_t position;
    const Core__Envelope *envelope; /* NULL: there is no event, or the seat may not read it */
    struct hash hash;               /* of the envelope */
    const Core__Envelope *word;     /* NULL: neither confirmed nor disowned */
    uint64_t word_position;
    const char *reason; /* of the word */
};

/* "transcribed by SEAT OFFICE for OFFICE" where it was, else "". */
const char *transcript_grade(char *text, size_t size, const Core__Envelope *e);
static inline bool transcript_is(const Core__Envelope *e)
{
    return e->evidence == CORE__EVIDENCE__EVIDENCE_TRANSCRIBED;
}

/* Reads the event at `position`, and where it was transcribed its office's word: the exit status,
 * having complained. */
int transcript_read(struct transcript *t, struct session *s, uint64_t position);
/* One line, or what `--json` has; for what was transcribed. */
void transcript_show(const struct transcript *t);
json_t *transcript_json(const struct transcript *t);
