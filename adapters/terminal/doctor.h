/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.h - `chancery doctor`: what could keep an instance from its work, and what mends it
 *
 * A check looks at one thing and says what it found; it changes nothing but for a probe file beside
 * the log, which it removes.  What it may not look at is a warning that says so.
 */
#pragma once

#include "adapters/terminal/report.h"
#include "adapters/terminal/session.h"
#include "chancery/core/v1/frames.pb-c.h"

struct doctor {
    const struct call *call;
    const char *check;        /* that looks now */
    struct settings settings; /* all zero where they cannot be read */
    struct buf stated;        /* "[section] name = value", a line each, of every program */
    struct session session;
    const Core__Status *status; /* NULL = the broker does not answer */
    struct report report;
};

/* `next` "" where nothing is to be done. */
void doctor_find(struct doctor *d, enum health health, const char *next, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void doctor_measure(struct doctor *d, const char *name, const char *help, double value);
/* What a program reads there ("[alert] smtp"), for the caller to free; NULL = no program does. */
char *doctor_stated(const struct doctor *d, const char *key);

void doctor_configuration(struct doctor *d);
void doctor_keys(struct doctor *d);
void doctor_file_system(struct doctor *d);
void doctor_sync(struct doctor *d);
void doctor_space(struct doctor *d);
void doctor_parts(struct doctor *d);
void doctor_broker(struct doctor *d);
void doctor_time(struct doctor *d);
void doctor_log(struct doctor *d);
void doctor_workers(struct doctor *d);
void doctor_lists(struct doctor *d);
void doctor_alerts(struct doctor *d);
void doctor_mail(struct doctor *d);
void doctor_backup(struct doctor *d);
