/* SPDX-License-Identifier: Apache-2.0 */
/* help.h - what the table of verbs says, for people */
#pragma once

#include <stdio.h>

#include "adapters/terminal/verb.h"

/* "usage: chancery ...", broken into lines. */
void help_synopsis(const struct verb *v, FILE *out);
void help_verb(const struct verb *v, FILE *out);
void help_all(FILE *out);
/* The verbs of a noun; false when there are none. */
bool help_noun(const char *noun, FILE *out);

/* NULL where there is none. `verb` may be NULL. */
const struct verb *verb_find(const char *noun, const char *verb);
/* Says that there is no such verb, which one may be meant, and which there are; returns USAGE. */
int help_missing(const char *noun, const char *verb);
