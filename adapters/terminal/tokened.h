/* SPDX-License-Identifier: Apache-2.0 */
/* tokened.h - keys whose signing half is moved to a token, where `--token` says so */
#pragma once

#include "lib/sign.h"

/* DONE, also where `uri` is NULL, or FAILED after an error was printed. */
int tokened(struct seat_key *key, const char *uri);
