/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/doctor.h"

#include <stdarg.h>
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/status.h"
#include "adapters/terminal/text.h"

/* In the order in which one thing needs another. */
static const struct check {
    const char *name;
    bool broker; /* can only be looked at where it answers */
    void (*look)(struct doctor *d);
} checks[] = {
    {"configuration", false, doctor_configuration},
    {"keys", false, doctor_keys},
    {"file-system", false, doctor_file_system},
    {"sync", false, doctor_sync},
    {"space", false, doctor_space},
    {"parts", false, doctor_parts},
    {"broker", false, doctor_broker},
    {"time", false, doctor_time},
    {"log", true, doctor_log},
    {"workers", true, doctor_workers},
    {"lists", true, doctor_lists},
    {"alerts", true, doctor_alerts},
    {"mail", false, doctor_mail},
    {"backup", false, doctor_backup},
};

void doctor_find(struct doctor *d, enum health health, const char *next, const char *format, ...)
{
    struct report *r = &d->report;
    struct buf text = {0};
    va_list args;

    va_start(args, format);
    text_safe_args(&text, format, args);
    va_end(args);
    r->findings = mem_grow(r->findings, (r->n + 1) * sizeof *r->findings);
    r->findings[r->n++] =
        (struct finding){d->check, health, mem_str(buf_cstr(&text)), mem_str(next)};
    buf_free(&text);
}

void doctor_measure(struct doctor *d, const char *name, const char *help, double value)
{
    struct report *r = &d->report;

    if (r->n_measures < MEASURES_MOST)
        r->measures[r->n_measures++] = (struct measure){name, help, value};
}

char *doctor_stated(const struct doctor *d, const char *key)
{
    const char *text = d->stated.size ? (const char *)d->stated.data : "";
    size_t size = strlen(key);

    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        if (strncmp(line, key, size) == 0 && strncmp(line + size, " = ", 3) == 0)
            return mem_strn(line + size + 3, strcspn(line + size + 3, "\n"));
    return NULL;
}

static void examine(struct doctor *d)
{
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        d->check = checks[i].name;
        if (!checks[i].broker || d->status)
            checks[i].look(d);
        if (!d->settings.dir) /* without settings there is nothing to look at */
            break;
    }
}

static void doctor_clear(struct doctor *d)
{
    for (size_t i = 0; i < d->report.n; i++) {
        mem_free(d->report.findings[i].text);
        mem_free(d->report.findings[i].next);
    }
    mem_free(d->report.findings);
    buf_free(&d->stated);
    session_close(&d->session);
    settings_clear(&d->settings);
}

/* As plugins of Nagios end: 0, 1, 2; else 1 where something failed. */
static int exit_status(const struct report *r, const char *format)
{
    enum health health = report_health(r);

    if (strcmp(format, "nagios") == 0)
        return (int)health;
    return health == HEALTH_FAIL ? FAILED : DONE;
}

int doctor_run(const struct call *c)
{
    struct doctor d = {.call = c};
    const char *format = c->option[OPT_FORMAT] ? c->option[OPT_FORMAT] : "text";
    struct buf out = {0};

    examine(&d);
    report_print(&d.report, format, &out);
    fwrite(out.data, 1, out.size, stdout);
    int status = exit_status(&d.report, format);
    buf_free(&out);
    doctor_clear(&d);
    return status;
}
