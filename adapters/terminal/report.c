/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/report.h"

#include <jansson.h>
#include <string.h>

#include "adapters/terminal/text.h"

static const char *const words[] = {"ok", "warn", "fail"};

enum health report_health(const struct report *r)
{
    enum health worst = HEALTH_OK;

    for (size_t i = 0; i < r->n; i++)
        if (r->findings[i].health > worst)
            worst = r->findings[i].health;
    return worst;
}

static size_t count(const struct report *r, enum health health)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        n += r->findings[i].health == health;
    return n;
}

static void print_text(const struct report *r, struct buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct finding *f = &r->findings[i];
        buf_printf(out, "%-4s  %-14s %s\n", words[f->health], f->check, f->text);
        if (f->next[0])
            buf_printf(out, "%20s -> %s\n", "", f->next);
    }
    buf_printf(out, "%zu ok, %zu to look at, %zu failed\n", count(r, HEALTH_OK),
               count(r, HEALTH_WARN), count(r, HEALTH_FAIL));
}

static void print_json(const struct report *r, struct buf *out)
{
    json_t *findings = json_array(), *measures = json_object();

    for (size_t i = 0; i < r->n; i++) {
        const struct finding *f = &r->findings[i];
        json_array_append_new(findings,
                              json_pack("{s:s, s:s, s:s, s:s}", "check", f->check, "health",
                                        words[f->health], "text", f->text, "next", f->next));
    }
    for (size_t i = 0; i < r->n_measures; i++)
        json_object_set_new(measures, r->measures[i].name, json_real(r->measures[i].value));
    json_t *whole = json_pack("{s:s, s:o, s:o}", "health", words[report_health(r)], "findings",
                              findings, "measures", measures);
    text_json(out, whole);
    buf_add_byte(out, '\n');
    json_decref(whole);
}

/* One line: what is worst comes first, then "|" and what was measured. */
static void print_nagios(const struct report *r, struct buf *out)
{
    static const char *const states[] = {"OK", "WARNING", "CRITICAL"};
    enum health worst = report_health(r);
    const char *between = " - ";

    buf_printf(out, "CHANCERY %s", states[worst]);
    for (size_t i = 0; i < r->n; i++) {
        const struct finding *f = &r->findings[i];
        if (f->health != worst || worst == HEALTH_OK)
            continue;
        buf_printf(out, "%s%s: ", between, f->check);
        for (const char *c = f->text; *c; c++)
            buf_add_byte(out, *c == '|' ? '/' : (uint8_t)*c);
        between = "; ";
    }
    if (worst == HEALTH_OK)
        buf_printf(out, " - %zu findings", r->n);
    for (size_t i = 0; i < r->n_measures; i++)
        buf_printf(out, "%s%s=%g", i ? " " : " | ", r->measures[i].name, r->measures[i].value);
    buf_add_byte(out, '\n');
}

/* A check has the worst of its findings. */
static void print_prometheus(const struct report *r, struct buf *out)
{
    buf_add_str(out, "# HELP chancery_check What chancery doctor found: 0 ok, 1 warn, 2 fail.\n"
                     "# TYPE chancery_check gauge\n");
    for (size_t i = 0; i < r->n; i++) {
        const struct finding *f = &r->findings[i];
        enum health worst = f->health;
        if (i && strcmp(r->findings[i - 1].check, f->check) == 0)
            continue;
        for (size_t j = i; j < r->n && strcmp(r->findings[j].check, f->check) == 0; j++)
            worst = r->findings[j].health > worst ? r->findings[j].health : worst;
        buf_printf(out, "chancery_check{check=\"%s\"} %d\n", f->check, (int)worst);
    }
    for (size_t i = 0; i < r->n_measures; i++) {
        const struct measure *m = &r->measures[i];
        buf_printf(out, "# HELP chancery_%s %s\n# TYPE chancery_%s gauge\nchancery_%s %.9g\n",
                   m->name, m->help, m->name, m->name, m->value);
    }
}

bool report_print(const struct report *r, const char *format, struct buf *out)
{
    static const struct {
        const char *name;
        void (*print)(const struct report *r, struct buf *out);
    } formats[] = {{"text", print_text},
                   {"json", print_json},
                   {"nagios", print_nagios},
                   {"prometheus", print_prometheus}};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, format) == 0) {
            formats[i].print(r, out);
            return true;
        }
    return false;
}
