/* SPDX-License-Identifier: Apache-2.0 */
/* transcripts.h - which transcribed events their offices have answered for
 *
 * An office confirms or disowns what was entered in its name once.  The log says it; this is what
 * the log says, and what is on its way there, by position.
 */
#pragma once

#include "broker/journal.h"
#include "broker/registry.h"
#include "lib/envelope.h"

struct transcripts;

struct transcripts *transcripts_new(void);
void transcripts_free(struct transcripts *t); /* NULL is fine */

/* Whether an event of this type is an office's word about a transcribed one. */
bool transcripts_word(const char *type);
/* The position in this log that such a word is about; 0: none is named, or one of another log. */
uint64_t transcripts_about(const struct registry *r, const Core__Envelope *word);

bool transcripts_answered(const struct transcripts *t, uint64_t position);
void transcripts_add(struct transcripts *t, uint64_t position);
void transcripts_remove(struct transcripts *t, uint64_t position);

/* Adds all that the log has: 0, or the error with the position at fault in `*at`. */
int transcripts_load(struct transcripts *t, const struct registry *r, struct journal *j,
                     uint64_t *at);
