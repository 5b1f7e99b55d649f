/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/date.h"

#include <string.h>
#include <strings.h>

enum { YEAR_FIRST = 1800, YEAR_LAST = 2199 };

struct days {
    int32_t from, to;
};

int32_t date_day(int32_t year, int32_t month, int32_t day)
{
    /* years that begin in March, so that the leap day comes last */
    int32_t y = month <= 2 ? year - 1 : year;
    int32_t era = (y >= 0 ? y : y - 399) / 400;
    int32_t of_era = y - era * 400;
    int32_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int32_t month_days(int32_t year, int32_t month)
{
    return month == 12 ? 31 : date_day(year, month + 1, 1) - date_day(year, month, 1);
}

/* Digits up to `most`; how many there were. */
static size_t number(const char *s, size_t most, int32_t *out)
{
    size_t n = 0;

    *out = 0;
    while (n < most && s[n] >= '0' && s[n] <= '9')
        *out = *out * 10 + (s[n++] - '0');
    return n;
}

/* Month 0: open; a day that the month does not have: the whole year; day 0: open. */
static bool interval(int32_t year, int32_t month, int32_t day, struct days *out)
{
    if (year < YEAR_FIRST || year > YEAR_LAST)
        return false;
    if (month < 1 || month > 12 || day > month_days(year, month))
        *out = (struct days){date_day(year, 1, 1), date_day(year, 12, 31)};
    else if (day < 1)
        *out =
            (struct days){date_day(year, month, 1), date_day(year, month, month_days(year, month))};
    else
        *out = (struct days){date_day(year, month, day), date_day(year, month, day)};
    return true;
}

/* "Z", "+02:00" or "-04:00" behind a day; the length, 0 = none */
static size_t zone(const char *s)
{
    int32_t hours, minutes;

    if (*s == 'Z')
        return 1;
    if ((*s == '+' || *s == '-') && number(s + 1, 2, &hours) == 2 && s[3] == ':' &&
        number(s + 4, 2, &minutes) == 2)
        return 6;
    return 0;
}

/* YYYY[-MM[-DD[zone]]]; the length read, 0 = none */
static size_t year_first(const char *s, struct days *out)
{
    int32_t year, month = 0, day = 0;
    size_t n = number(s, 4, &year);

    if (n != 4)
        return 0;
    if (s[n] == '-' && number(s + n + 1, 2, &month) == 2) {
        n += 3;
        if (s[n] == '-' && number(s + n + 1, 2, &day) == 2) {
            n += 3;
            n += zone(s + n);
        }
    }
    return interval(year, month, day, out) ? n : 0;
}

/* Two digits, or the letter twice for an open one */
static bool two(const char *s, char open, int32_t *out)
{
    if ((s[0] | ' ') == open && (s[1] | ' ') == open) {
        *out = 0;
        return true;
    }
    return number(s, 2, out) == 2;
}

/* DD/MM/YYYY; the length read, 0 = none */
static size_t day_first(const char *s, struct days *out)
{
    int32_t year, month, day;

    if (strnlen(s, 10) < 10 || s[2] != '/' || s[5] != '/')
        return 0;
    if (!two(s, 'd', &day) || !two(s + 3, 'm', &month) || number(s + 6, 4, &year) != 4)
        return 0;
    return interval(year, month, day, out) ? 10 : 0;
}

static size_t one(const char *s, struct days *out)
{
    size_t n = day_first(s, out);

    return n > 0 ? n : year_first(s, out);
}

/* The length of a word for "about", with the blank behind it; 0 = none. */
static size_t circa(const char *s)
{
    static const char *const words[] = {"circa ", "c. ", "ca. ", "about ", "approximately "};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strncasecmp(s, words[i], strlen(words[i])) == 0)
            return strlen(words[i]);
    return 0;
}

void date_read(Sanctions__ListDate *date, const char *text)
{
    size_t about = circa(text);
    const char *s = text + about;
    struct days first = {0, 0}, last;
    size_t n = one(s, &first);

    date->text = text;
    if (about > 0 && date->type == SANCTIONS__DATE_TYPE__DATE_TYPE_UNSPECIFIED)
        date->type = SANCTIONS__DATE_TYPE__DATE_TYPE_APPROXIMATE;
    last = first;
    if (n > 0 && strncmp(s + n, " - ", 3) == 0) {
        size_t second = one(s + n + 3, &last);
        n = second > 0 ? n + 3 + second : 0;
    }
    if (n == 0 || s[n] != '\0' || last.to < first.from)
        return;
    date->from_day = first.from;
    date->to_day = last.to;
    date->known = true;
}
