/* SPDX-License-Identifier: Apache-2.0 */
/* programs.h - which programs an instance runs: [up] processes, and where they lie */
#pragma once

#include "adapters/terminal/verb.h"
#include "lib/settings.h"

/* The directory or file that the call means: --config, --dir, $CHANCERY_DIR, or here. */
const char *programs_instance(const struct call *c);
/* The settings of all processes, and [up] processes: names with blanks or commas between, which the
 * caller frees.  0, or as settings_read. */
int programs_read(const struct call *c, struct settings *s, char **names, struct buf *why);
/* [process NAME] program, or chancery-NAME beside this one; the caller frees it. */
char *programs_find(const struct settings *s, const char *name);
/* What chancery.conf may say to this program, as chancery.conf(5) has it. */
void programs_settings(void);
