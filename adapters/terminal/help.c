/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/help.h"

#include <string.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/near.h"
#include "lib/json.h"
#include "lib/man.h"
#include "lib/slice.h"

enum { COLUMNS = 96 };

/* ---- a verb ---- */

/* " [--list LIST]" */
static int option_text(char *out, size_t size, const struct verb *v, size_t o)
{
    const struct option_row *row = &option_rows[o];
    bool needed = v->needed >> o & 1;

    return snprintf(out, size, " %s--%s%s%s%s", needed ? "" : "[", row->name,
                    row->argument ? " " : "", row->argument ? row->argument : "",
                    needed ? "" : "]");
}

void help_synopsis(const struct verb *v, FILE *out)
{
    int column = fprintf(out, "usage: chancery %s%s%s", v->noun, v->verb[0] ? " " : "", v->verb);
    int indent = column;

    column += fprintf(out, "%s%s", v->arguments[0] ? " " : "", v->arguments);
    for (size_t i = 0; i < OPTIONS; i++) {
        char text[64];
        if (!verb_takes(v, i))
            continue;
        int n = option_text(text, sizeof text, v, i);
        if (column + n > COLUMNS)
            column = fprintf(out, "\n%*s", indent, "") - 1;
        column += n;
        fputs(text, out);
    }
    fputc('\n', out);
}

/* Lines of whole words. */
static void wrap(const char *text, FILE *out)
{
    size_t column = 0;

    while (*text) {
        size_t n = strcspn(text, " ");
        if (column && column + 1 + n > COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%.*s", column ? " " : "", (int)n, text);
        text += n + (text[n] == ' ');
    }
    fputc('\n', out);
}

/* What --json prints, field by field. */
static void add_json(struct buf *out, const struct verb *v)
{
    const char *before = ": ";
    char name[JSON_NAME];

    buf_printf(out, "%s%s%s", v->json, v->message ? ", " : "", v->message ? v->message->name : "");
    for (const char *f = v->fields; f && *f; before = ", ") {
        size_t n = strcspn(f, " ");
        buf_printf(out, "%s%.*s", before, (int)n, f);
        f += n + (f[n] == ' ');
    }
    for (unsigned i = 0; v->message && i < v->message->n_fields; i++, before = ", ") {
        json_name(name, v->message->fields[i].name);
        buf_printf(out, "%s%s", before, name);
    }
}

void help_verb(const struct verb *v, FILE *out)
{
    struct buf json = {0};

    help_synopsis(v, out);
    fprintf(out, "\n%s\n\n", v->help);
    if (v->more) {
        wrap(v->more, out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option_row *row = &option_rows[i];
        if (verb_takes(v, i))
            fprintf(out, "  --%s %-*s%s\n", row->name, (int)(23 - strlen(row->name)),
                    row->argument ? row->argument : "", row->help);
    }
    if (v->json) {
        buf_add_str(&json, "--json prints ");
        add_json(&json, v);
        fputc('\n', out);
        wrap(buf_cstr(&json), out);
    }
    buf_free(&json);
}

/* ---- all of them ---- */

void help_all(FILE *out)
{
    fputs("usage: chancery NOUN [VERB] [ARGUMENT...] [--OPTION...]\n\n", out);
    for (const struct verb *v = verbs; v->noun; v++) {
        char name[40];

        snprintf(name, sizeof name, "%s %s", v->noun, v->verb);
        fprintf(out, "  %-18s%s\n", name, v->help);
    }
    fputs("\n`chancery help NOUN VERB` tells more.  Exit codes: 0 ok, 1 failed, 2 usage,\n"
          "3 unreachable; `list import` and `list diff` also 4: a person must look at the list.\n",
          out);
}

bool help_noun(const char *noun, FILE *out)
{
    bool any = false;

    for (const struct verb *v = verbs; v->noun; v++) {
        char name[40];

        if (strcmp(v->noun, noun) != 0)
            continue;
        snprintf(name, sizeof name, "%s %s", v->verb, v->arguments);
        fprintf(out, "%s chancery %s %-20s %s\n", any ? "      " : "usage:", noun, name, v->help);
        any = true;
    }
    return any;
}

const struct verb *verb_find(const char *noun, const char *verb)
{
    for (const struct verb *v = verbs; v->noun; v++)
        if (strcmp(v->noun, noun) == 0 && (!v->verb[0] || (verb && strcmp(v->verb, verb) == 0)))
            return v;
    return NULL;
}

/* ---- what was probably meant ---- */

struct guess {
    char name[40];
    size_t distance;
};

static void weigh(struct guess *g, const char *typed, const char *meant, const char *name,
                  size_t handicap)
{
    size_t d = near_distance(typed, meant) + handicap;

    if (!near_enough(typed, meant) || d >= g->distance)
        return;
    g->distance = d;
    snprintf(g->name, sizeof g->name, "%s", name);
}

/* A verb of a noun that there is; or by both words, by the noun, or as a verb without its noun. */
static struct guess guess(const char *noun, const char *verb, bool is_noun)
{
    struct guess g = {.distance = SIZE_MAX};
    char typed[80], name[40];

    snprintf(typed, sizeof typed, "%s %s", noun, verb ? verb : "");
    for (const struct verb *v = verbs; v->noun; v++) {
        snprintf(name, sizeof name, "%s%s%s", v->noun, v->verb[0] ? " " : "", v->verb);
        if (is_noun && strcmp(v->noun, noun) == 0)
            weigh(&g, verb, v->verb, name, 0);
        if (is_noun)
            continue;
        weigh(&g, typed, name, name, 0);
        weigh(&g, noun, v->noun, v->noun, verb != NULL);
        weigh(&g, noun, v->verb, name, 0);
    }
    return g;
}

static bool is_noun(const char *noun)
{
    const struct verb *v = verbs;

    while (v->noun && strcmp(v->noun, noun) != 0)
        v++;
    return v->noun != NULL;
}

int help_missing(const char *noun, const char *verb)
{
    struct guess g = guess(noun, verb, verb && is_noun(noun));
    bool near = g.distance != SIZE_MAX;

    complain("there is no '%s%s%s'%s%s%s", noun, verb ? " " : "", verb ? verb : "",
             near ? "; did you mean '" : "", g.name, near ? "'?" : "");
    if (!help_noun(noun, stderr))
        fputs("usage: chancery NOUN [VERB] [ARGUMENT...] [--OPTION...]; `chancery help` lists what"
              " there is\n",
              stderr);
    return USAGE;
}

/* ---- the manual page ---- */

static void man_option(size_t o, const char *indent, FILE *out)
{
    const struct option_row *row = &option_rows[o];

    fprintf(out, "\n%s*\\-\\-%s*", indent, row->name);
    if (row->argument) {
        fputs(" _", out);
        man_text(row->argument, out);
        fputc('_', out);
    }
    fprintf(out, "\n%s\t", indent);
    man_text(row->help, out);
    fputs(".\n", out);
}

static bool is_common(size_t o)
{
    return o >= OPT_DIR;
}

static void man_common(const struct verb *v, FILE *out)
{
    const char *before = "\n\tAs below: ";

    for (size_t i = OPT_DIR; i < OPTIONS; i++) {
        if (!verb_takes(v, i))
            continue;
        fprintf(out, "%s*\\-\\-%s*", before, option_rows[i].name);
        before = ", ";
    }
    if (before[0] == ',')
        fputs(".\n", out);
}

static void man_json(const struct verb *v, FILE *out)
{
    struct buf json = {0};

    add_json(&json, v);
    fputs("\n\tWith *\\-\\-json* ", out);
    man_text(buf_cstr(&json), out);
    fputs(".\n", out);
    buf_free(&json);
}

static void man_verb(const struct verb *v, FILE *out)
{
    fprintf(out, "\n*%s%s%s* ", v->noun, v->verb[0] ? " " : "", v->verb);
    man_text(v->arguments, out);
    fputs("\n\t", out);
    man_text(v->help, out);
    fputs(".\n", out);
    if (v->more) {
        fputs("\n\t", out);
        man_text(v->more, out);
        fputc('\n', out);
    }
    for (size_t i = 0; i < OPTIONS; i++)
        if (verb_takes(v, i) && !is_common(i))
            man_option(i, "\t", out);
    man_common(v, out);
    if (v->json)
        man_json(v, out);
}

static void man(FILE *out)
{
    fputs("chancery(1)\n\n# NAME\n\nchancery - coordination service for official notices\n\n"
          "# SYNOPSIS\n\n*chancery* _NOUN_ [_VERB_] [_ARGUMENT_...] [--_OPTION_...]\n\n# VERBS\n",
          out);
    for (const struct verb *v = verbs; v->noun; v++)
        man_verb(v, out);
    fputs("\n# OPTIONS OF MANY VERBS\n", out);
    for (size_t i = OPT_DIR; i < OPTIONS; i++)
        man_option(i, "", out);
    fputs(
        "\n# JSON\n\n"
        "Messages are proto3 JSON: names in lowerCamelCase, 64\\-bit numbers as strings, times in\n"
        "microseconds since 1970 UTC, bytes in base64, fields with their default left out. "
        "Control\nand bidi characters are escaped.\n\n"
        "# EXIT STATUS\n\n"
        "*0*\n\tok: what was asked for is done.\n\n"
        "*1*\n\tfailed, refused, not there, or not confirmed: standard error says which.\n\n"
        "*2*\n\tthe command line is wrong: the usage is shown.\n\n"
        "*3*\n\tthe broker cannot be reached within 5 seconds.\n\n"
        "*4*\n\t*list import* and *list diff*: the snapshot is set aside, a person must look "
        "at it.\n\n"
        "# ENVIRONMENT\n\n*CHANCERY_DIR*\n\tThe instance's directory where neither "
        "\\-\\-dir nor \\-\\-config is given.\n",
        out);
}

int help_run(const struct call *c)
{
    const char *noun = c->argument[0], *verb = c->argument[1];
    const struct verb *v = noun ? verb_find(noun, verb) : NULL;

    if (c->option[OPT_MAN])
        man(stdout);
    else if (!noun)
        help_all(stdout);
    else if (v && (!verb || v->verb[0]))
        help_verb(v, stdout);
    else if (verb || !help_noun(noun, stdout))
        return help_missing(noun, verb);
    return DONE;
}
