/* SPDX-License-Identifier: Apache-2.0 */
/* processes.h - the processes that `chancery up` keeps up: DIR/run/up.json
 *
 * {"up": pid, "processes": {NAME: pid}, "since": {NAME: microseconds UTC}, "restarts": {NAME: n}}.
 * A pid of 0 is one that does not run now.  Where systemd starts the processes there is no file.
 */
#pragma once

#include <jansson.h>

#include "lib/settings.h"

/* [{name, pid, since, restarts}]; an empty array where there is no file, or none that can be read.
 */
json_t *processes_read(const struct settings *s);
void processes_show(const json_t *processes);
