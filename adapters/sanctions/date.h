/* SPDX-License-Identifier: Apache-2.0 */
/* date.h - dates as lists write them: the text is kept, an interval of days derived
 *
 * Read are YYYY-MM-DD, YYYY-MM, YYYY and DD/MM/YYYY, two of them with " - " between, and "circa",
 * "c.", "ca.", "about" or "approximately" before.  A zone behind a day is no part of it.  A day or
 * month written as 0 or in letters (00/00/1965, dd/mm/1958) is open, and so are day and month of a
 * date that no calendar has (31/02/1970): the interval is then the month or the year.  Years run
 * from 1800 to 2199; what else stands there ("Invalid date", a Hijri year) has its text alone.  An
 * approximate date is not widened.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "chancery/sanctions/v1/sanctions.pb-c.h"

/* Sets text, from_day, to_day and known, and the type where the text says "circa" and no type is
 * set.  `text` is canonical and outlives the date. */
void date_read(Sanctions__ListDate *date, const char *text);

/* Days since 1970-01-01 (proleptic Gregorian). */
int32_t date_day(int32_t year, int32_t month, int32_t day);
