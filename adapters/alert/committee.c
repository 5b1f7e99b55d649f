/* SPDX-License-Identifier: Apache-2.0 */
/* committee.c - see committee.h
 *
 * The words of the UN list are its UN_LIST_TYPE; the numbers are of the resolutions by which the
 * Security Council calls the committee, or the list where there is none.
 */
#include "adapters/alert/committee.h"

#include <ctype.h>

#define DAY ((int64_t)86400 * 1000000)

static const struct committee {
    const char *list, *word;
    int64_t until; /* microseconds UTC; 0 = still so */
    const char *number, *name;
} committees[] = {
    {"un", "Al-Qaida", 0, "1267", "ISIL (Da'esh) and Al-Qaida"},
    {"un", "Taliban", 0, "1988", "Taliban"},
    {"un", "DPRK", 0, "1718", "Democratic People's Republic of Korea"},
    {"un", "Iran", 20358 * DAY, "2231", "Iran"}, /* 2025-09-27 */
    {"un", "Iran", 0, "1737", "Iran"},
    {"un", "Iraq", 0, "1518", "Iraq"},
    {"un", "DRC", 0, "1533", "Democratic Republic of the Congo"},
    {"un", "Libya", 0, "1970", "Libya"},
    {"un", "Somalia", 19692 * DAY, "751", "Somalia"}, /* 2023-12-01 */
    {"un", "Somalia", 0, "2713", "Al-Shabaab"},
    {"un", "CAR", 19934 * DAY, "2127", "Central African Republic"}, /* 2024-07-30 */
    {"un", "CAR", 0, "2745", "Central African Republic"},
    {"un", "Yemen", 0, "2140", "Yemen"},
    {"un", "Haiti", 0, "2653", "Haiti"},
    {"un", "Sudan", 0, "1591", "Sudan"},
    {"un", "SouthSudan", 0, "2206", "South Sudan"},
    {"un", "GB", 0, "2048", "Guinea-Bissau"},
    {"un", "Mali", 0, "2374", "Mali"},
};

static const struct committee *committee_find(const char *list, const char *word, int64_t time)
{
    for (size_t i = 0; i < sizeof(committees) / sizeof(committees[0]); i++) {
        const struct committee *c = &committees[i];
        if (strcmp(c->list, list) == 0 && strcmp(c->word, word) == 0 &&
            (c->until == 0 || time < c->until))
            return c;
    }
    return NULL;
}

void committee_short(struct buf *out, const char *list, const char *committee, int64_t time)
{
    const struct committee *c = committee_find(list, committee, time);

    for (const char *p = list; *p; p++)
        buf_add_byte(out, (uint8_t)toupper((unsigned char)*p));
    if (*committee)
        buf_printf(out, " %s", c ? c->number : committee);
}

const char *committee_name(const char *list, const char *committee, int64_t time)
{
    const struct committee *c = committee_find(list, committee, time);

    return c ? c->name : committee;
}

const char *list_name(const char *list)
{
    return strcmp(list, "un") == 0 ? "UN Security Council Consolidated List" : list;
}
