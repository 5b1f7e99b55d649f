/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_backup.c - when was the log backed up last?  `chancery log backup` writes it down. */
#include <errno.h>
#include <unistd.h>

#include <jansson.h>

#include "adapters/terminal/doctor.h"

static const int64_t DAY = INT64_C(24) * 3600 * 1000000;
enum { DAYS_MOST = 7 };

static void tell_age(struct doctor *d, const json_t *last)
{
    const char *made = json_string_value(json_object_get(last, "made"));
    const char *file = json_string_value(json_object_get(last, "backup"));
    json_int_t head = json_integer_value(json_object_get(last, "head"));
    int64_t at = 0;

    if (!made || !file || !time_parse(&at, made)) {
        doctor_find(d, HEALTH_WARN, "`chancery log backup DIR FILE`",
                    "when the last backup was made cannot be read");
        return;
    }
    double days = (double)(time_now() - at) / (double)DAY;
    doctor_measure(d, "backup_age_seconds", "Since the last backup was made.", days * 24 * 3600);
    if (d->status && (uint64_t)head > d->status->head)
        doctor_find(d, HEALTH_FAIL, "`chancery log restore` has --successor for that",
                    "the log has %llu records and its last backup %lld: it was rolled back",
                    (unsigned long long)d->status->head, (long long)head);
    else if (days > DAYS_MOST)
        doctor_find(d, HEALTH_WARN, "`chancery log backup DIR FILE`, daily by a timer",
                    "the last backup is %d days old (%s)", (int)days, file);
    else
        doctor_find(d, HEALTH_OK, "", "the last backup was made %s, head %lld, in %s", made,
                    (long long)head, file);
}

void doctor_backup(struct doctor *d)
{
    char *path = mem_printf("%s/log/backup.json", d->settings.dir);
    json_error_t error;
    json_t *last = json_load_file(path, 0, &error);

    if (last)
        tell_age(d, last);
    else if (access(path, F_OK) != 0 && errno == EACCES)
        doctor_find(d, HEALTH_WARN, "run this as the broker's user or root", "%s: %s", path,
                    strerror(EACCES));
    else
        doctor_find(d, HEALTH_WARN, "`chancery log backup DIR FILE`, and keep FILE elsewhere",
                    "the log was never backed up");
    json_decref(last);
    mem_free(path);
}
