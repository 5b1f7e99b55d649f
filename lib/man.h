/* SPDX-License-Identifier: Apache-2.0 */
/* man.h - text for manual pages, as scdoc takes it */
#pragma once

#include <stdio.h>

/* The text, with a backslash before each character that scdoc would take for markup. */
void man_text(const char *text, FILE *out);
