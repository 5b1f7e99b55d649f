/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/verb.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/man.h"
#include "lib/mem.h"

void complain(const char *format, ...)
{
    va_list args;

    fputs("chancery: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

char *program_beside(const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0)
        return mem_str(name);
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    return mem_printf("%s/%s", self, name);
}

/* ---- help ---- */

static bool takes(const struct verb *v, size_t option)
{
    return v->options >> option & 1;
}

static void synopsis(const struct verb *v, FILE *out)
{
    fprintf(out, "chancery %s%s%s%s%s", v->noun, v->verb[0] ? " " : "", v->verb,
            v->arguments[0] ? " " : "", v->arguments);
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(v, i))
            fprintf(out, " [--%s%s%s]", option_rows[i].name, option_rows[i].argument ? " " : "",
                    option_rows[i].argument ? option_rows[i].argument : "");
}

static void help_verb(const struct verb *v, FILE *out)
{
    fputs("usage: ", out);
    synopsis(v, out);
    fprintf(out, "\n\n%s\n", v->help);
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(v, i))
            fprintf(out, "%s  --%s %-*s%s\n", v->options & ((UINT64_C(1) << i) - 1) ? "" : "\n",
                    option_rows[i].name, (int)(20 - strlen(option_rows[i].name)),
                    option_rows[i].argument ? option_rows[i].argument : "", option_rows[i].help);
}

static void help_all(FILE *out)
{
    fputs("usage: chancery NOUN [VERB] [ARGUMENT...] [--OPTION...]\n\n", out);
    for (const struct verb *v = verbs; v->noun; v++) {
        char name[40];

        snprintf(name, sizeof name, "%s %s", v->noun, v->verb);
        fprintf(out, "  %-18s%s\n", name, v->help);
    }
    fputs("\n`chancery NOUN VERB --help` tells more.  Exit codes: 0 ok, 1 failed, 2 usage,\n"
          "3 unreachable; `list import` also 4: the snapshot was set aside.\n",
          out);
}

static void man_configuration(FILE *out)
{
    fputs("\n# CONFIGURATION\n\n_DIR_/chancery\\.conf serves all processes; a section or key that "
          "nobody knows is an error with\nits file and line. *[up]* processes names what *chancery "
          "up* starts, the broker first: for each name\nthe program chancery\\-NAME beside "
          "*chancery*, or for one of your own what its section says, a path\n(relative to the "
          "directory) and, for a worker, its seat:\n\n"
          "```\n[up]\nprocesses = broker embargo sanctions tally\n\n"
          "[process tally]\nprogram = /usr/local/bin/tally\nseat = tally\n```\n\n"
          "It is run with \\-\\-config DIR, and again when it dies.\n",
          out);
}

static void man(FILE *out)
{
    fputs("chancery(1)\n\n# NAME\n\nchancery - coordination service for official notices\n\n"
          "# SYNOPSIS\n\n*chancery* _NOUN_ [_VERB_] [_ARGUMENT_...] [--_OPTION_...]\n\n# VERBS\n",
          out);
    for (const struct verb *v = verbs; v->noun; v++) {
        fprintf(out, "\n*%s%s%s* ", v->noun, v->verb[0] ? " " : "", v->verb);
        man_text(v->arguments, out);
        fputs("\n\t", out);
        man_text(v->help, out);
        for (size_t i = 0, first = 1; i < OPTIONS; i++) {
            if (!takes(v, i))
                continue;
            fprintf(out, "%s*\\-\\-%s*", first ? ".\n\tOptions: " : ", ", option_rows[i].name);
            first = 0;
        }
        fputs(".\n", out);
    }
    fputs("\n# OPTIONS\n", out);
    for (size_t i = 0; i < OPTIONS; i++) {
        const struct option_row *o = &option_rows[i];
        fprintf(out, "\n*\\-\\-%s*%s%s%s\n\t", o->name, o->argument ? " _" : "",
                o->argument ? o->argument : "", o->argument ? "_" : "");
        man_text(o->help, out);
        fputs(".\n", out);
    }
    fputs("\n# EXIT STATUS\n\n0 ok, 1 failed, 2 usage, 3 the broker cannot be reached; "
          "*list import* also 4:\nthe snapshot was set aside and waits for a person.\n",
          out);
    man_configuration(out);
    fputs("\n# ENVIRONMENT\n\n*CHANCERY_DIR*\n\tThe instance's directory where neither "
          "\\-\\-dir nor \\-\\-config is given.\n",
          out);
}

static const struct verb *verb_find(const char *noun, const char *verb)
{
    for (const struct verb *v = verbs; v->noun; v++)
        if (strcmp(v->noun, noun) == 0 && (!v->verb[0] || (verb && strcmp(v->verb, verb) == 0)))
            return v;
    return NULL;
}

/* The verbs of a noun; false when there are none. */
static bool help_noun(const char *noun, FILE *out)
{
    bool any = false;

    for (const struct verb *v = verbs; v->noun; v++) {
        if (strcmp(v->noun, noun) != 0)
            continue;
        fputs(any ? "       " : "usage: ", out);
        synopsis(v, out);
        fprintf(out, "\n           %s\n", v->help);
        any = true;
    }
    return any;
}

int help_run(const struct call *c)
{
    const char *noun = c->argument[0], *verb = c->argument[1];
    const struct verb *v = noun ? verb_find(noun, verb) : NULL;

    if (c->option[OPT_MAN])
        man(stdout);
    else if (!noun)
        help_all(stdout);
    else if (v && (verb || !v->verb[0]))
        help_verb(v, stdout);
    else if (verb || !help_noun(noun, stdout)) {
        complain("there is no '%s%s%s'; `chancery help` lists what there is", noun, verb ? " " : "",
                 verb ? verb : "");
        return USAGE;
    }
    return DONE;
}

/* ---- completion ---- */

static void completion_options(const struct verb *v, FILE *out)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(v, i))
            fprintf(out, " --%s", option_rows[i].name);
    if (!v->program)
        fputs(" --help", out);
}

int completion_run(const struct call *c)
{
    FILE *out = stdout;

    (void)c;
    fputs("# completion of chancery for bash\n"
          "_chancery()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    case $before in\n"
          "    --dir) COMPREPLY=($(compgen -d -- \"$word\")); return ;;\n"
          "    --config) COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
          "    esac\n"
          "    if [ \"$COMP_CWORD\" = 1 ]; then\n        words=\"",
          out);
    for (const struct verb *v = verbs; v->noun; v++)
        if (v == verbs || strcmp(v->noun, v[-1].noun) != 0)
            fprintf(out, "%s%s", v == verbs ? "" : " ", v->noun);
    fputs("\"\n    elif [ \"$COMP_CWORD\" = 2 ]; then\n        case ${COMP_WORDS[1]} in\n", out);
    for (const struct verb *v = verbs; v->noun; v++) {
        if (v == verbs || strcmp(v->noun, v[-1].noun) != 0)
            fprintf(out, "        %s) words=\"", v->noun);
        fprintf(out, "%s ", v->verb);
        if (!v->verb[0])
            completion_options(v, out);
        if (!v[1].noun || strcmp(v->noun, v[1].noun) != 0)
            fputs("\" ;;\n", out);
    }
    fputs("        esac\n    else\n        case \"${COMP_WORDS[1]} ${COMP_WORDS[2]}\" in\n", out);
    for (const struct verb *v = verbs; v->noun; v++) {
        fprintf(out, "        \"%s %s\"%s) words=\"", v->noun, v->verb, v->verb[0] ? "" : "*");
        completion_options(v, out);
        fputs("\" ;;\n", out);
    }
    fputs("        esac\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
          "    [ ${#COMPREPLY[@]} = 0 ] && COMPREPLY=($(compgen -f -- \"$word\"))\n"
          "}\ncomplete -o filenames -F _chancery chancery\n",
          out);
    return DONE;
}

/* ---- calling ---- */

static int usage(const struct verb *v, const char *what, const char *word)
{
    complain("%s: %s", what, word);
    fputs("usage: ", stderr);
    synopsis(v, stderr);
    fputc('\n', stderr);
    return USAGE;
}

static int option_find(const struct verb *v, const char *name, size_t size)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (takes(v, i) && strlen(option_rows[i].name) == size &&
            strncmp(option_rows[i].name, name, size) == 0)
            return (int)i;
    return -1;
}

/* One option; *at stands on it, and afterwards on the last word of it. */
static int option_take(struct call *c, char ***at)
{
    const char *word = **at + 2, *value = strchr(word, '=');
    int o = option_find(c->verb, word, value ? (size_t)(value - word) : strlen(word));

    if (o < 0)
        return usage(c->verb, "no such option", **at);
    if (c->option[o])
        return usage(c->verb, "given twice", **at);
    if (!option_rows[o].argument) {
        c->option[o] = "";
        return value ? usage(c->verb, "takes no value", **at) : DONE;
    }
    if (!value && !(*at)[1])
        return usage(c->verb, "a value is missing behind", **at);
    c->option[o] = value ? value + 1 : *++*at;
    return DONE;
}

static int call_read(struct call *c, char **words)
{
    bool options = true;
    int rc = DONE;

    for (; *words && rc == DONE; words++) {
        if (options && strcmp(*words, "--") == 0)
            options = false;
        else if (options && strncmp(*words, "--", 2) == 0)
            rc = option_take(c, &words);
        else if (c->n_arguments == c->verb->most)
            rc = usage(c->verb, "one argument too many", *words);
        else
            c->argument[c->n_arguments++] = *words;
    }
    if (rc == DONE && c->n_arguments < c->verb->least)
        rc = usage(c->verb, "an argument is missing", c->verb->arguments);
    return rc;
}

/* Becomes the other program; returns only when that failed. */
static int hand_over(const struct verb *v, char **words)
{
    char *path = program_beside(v->program);
    size_t n = 0, i = 0;

    while (words[n])
        n++;
    const char **argv = mem_new((n + 3) * sizeof *argv);
    argv[i++] = path;
    if (v->first)
        argv[i++] = v->first;
    memcpy(argv + i, words, n * sizeof *argv);
    execv(path, (char **)(uintptr_t)argv);
    complain("cannot run %s: %s", path, strerror(errno));
    mem_free(argv);
    mem_free(path);
    return FAILED;
}

static bool asks_help(char **words)
{
    for (; *words && strcmp(*words, "--") != 0; words++)
        if (strcmp(*words, "--help") == 0 || strcmp(*words, "-h") == 0)
            return true;
    return false;
}

static int usage_of_words(char **argv)
{
    if (!argv[1]) {
        help_all(stderr);
        return USAGE;
    }
    if (help_noun(argv[1], stderr))
        return USAGE;
    complain("there is no '%s'; `chancery help` lists what there is", argv[1]);
    return USAGE;
}

int verb_main(int argc, char **argv)
{
    struct call c = {0};

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("chancery " CHANCERY_VERSION);
        return DONE;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        help_all(stdout);
        return DONE;
    }
    c.verb = argc > 1 ? verb_find(argv[1], argv[2]) : NULL;
    if (!c.verb && argc == 3 && asks_help(argv + 2))
        return help_noun(argv[1], stdout) ? DONE : usage_of_words(argv);
    if (!c.verb)
        return usage_of_words(argv);
    char **words = argv + (c.verb->verb[0] ? 3 : 2);
    if (c.verb->program)
        return hand_over(c.verb, words);
    if (asks_help(words)) {
        help_verb(c.verb, stdout);
        return DONE;
    }
    int rc = call_read(&c, words);
    if (rc == DONE)
        rc = c.verb->run(&c);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        complain("cannot write the output: %s", strerror(errno));
        return FAILED;
    }
    return rc;
}

static bool number_parse(const char *text, uint64_t *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

bool call_number(const struct call *c, enum option o, uint64_t fallback, uint64_t *out)
{
    *out = fallback;
    if (!c->option[o] || number_parse(c->option[o], out))
        return true;
    usage(c->verb, "not a whole number", c->option[o]);
    return false;
}

bool call_position(const struct call *c, const char *text, uint64_t *out)
{
    if (number_parse(text, out) && *out > 0)
        return true;
    usage(c->verb, "not a position (1, 2, 3 ...)", text);
    return false;
}
