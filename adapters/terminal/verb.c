/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/verb.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/terminal/help.h"
#include "adapters/terminal/near.h"
#include "adapters/terminal/text.h"
#include "lib/mem.h"
#include "lib/program.h"

/* ---- complaining ---- */

/* What a peer or a file says is in it too. */
static void __attribute__((format(printf, 1, 0))) complain_args(const char *format, va_list args)
{
    struct buf safe = {0};

    text_safe_args(&safe, format, args);
    fprintf(stderr, "chancery: %s\n", buf_cstr(&safe));
    buf_free(&safe);
}

void complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain_args(format, args);
    va_end(args);
}

int call_usage(const struct call *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    complain_args(format, args);
    va_end(args);
    help_synopsis(c->verb, stderr);
    return USAGE;
}

bool nobody_reads(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP);
}

/* ---- options ---- */

bool verb_takes(const struct verb *v, size_t option)
{
    return v->options >> option & 1;
}

static int option_find(const struct verb *v, const char *name, size_t size)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (verb_takes(v, i) && strlen(option_rows[i].name) == size &&
            strncmp(option_rows[i].name, name, size) == 0)
            return (int)i;
    return -1;
}

static int option_missing(const struct call *c, const char *word)
{
    const char *meant = NULL;
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < OPTIONS; i++) {
        const char *name = option_rows[i].name;
        size_t d = near_distance(word + 2, name);
        if (!verb_takes(c->verb, i) || !near_enough(word + 2, name) || d >= best)
            continue;
        best = d;
        meant = name;
    }
    return call_usage(c, "no such option: %s%s%s%s", word, meant ? "; did you mean --" : "",
                      meant ? meant : "", meant ? "?" : "");
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *at = choices; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (n && strncmp(at, value, n) == 0 && (at[n] == ' ' || at[n] == '\0'))
            return true;
    }
    return false;
}

/* One option; *at stands on it, and afterwards on the last word of it. */
static int option_take(struct call *c, char ***at)
{
    const char *word = **at, *value = strchr(word, '=');
    int o = option_find(c->verb, word + 2, value ? (size_t)(value - word - 2) : strlen(word + 2));

    if (o < 0)
        return option_missing(c, word);
    if (c->option[o])
        return call_usage(c, "given twice: %s", word);
    if (!option_rows[o].argument) {
        c->option[o] = "";
        return value ? call_usage(c, "takes no value: %s", word) : DONE;
    }
    if (!value && !(*at)[1])
        return call_usage(c, "a value is missing behind: %s", word);
    c->option[o] = value ? value + 1 : *++*at;
    const char *choices = option_rows[o].choices;
    if (choices && !is_choice(choices, c->option[o]))
        return call_usage(c, "--%s is one of: %s; not '%s'", option_rows[o].name, choices,
                          c->option[o]);
    return DONE;
}

static int check_needed(const struct call *c)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (c->verb->needed >> i & 1 && !c->option[i])
            return call_usage(c, "an option is missing: --%s %s", option_rows[i].name,
                              option_rows[i].argument);
    return DONE;
}

/* ---- calling ---- */

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
            rc = call_usage(c, "one argument too many: %s", *words);
        else
            c->argument[c->n_arguments++] = *words;
    }
    if (rc == DONE && c->n_arguments < c->verb->least)
        rc = call_usage(c, "an argument is missing: %s", c->verb->arguments);
    return rc == DONE ? check_needed(c) : rc;
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

static int call_run(struct call *c, char **words)
{
    int rc;

    if (asks_help(words)) {
        help_verb(c->verb, stdout);
        return DONE;
    }
    rc = call_read(c, words);
    if (rc != DONE)
        return rc;
    return c->verb->program ? hand_over(c->verb, words) : c->verb->run(c);
}

/* Without a verb that there is. */
static int run_none(char **argv)
{
    const char *noun = argv[1], *verb = noun && argv[2] && argv[2][0] != '-' ? argv[2] : NULL;

    if (!noun) {
        help_all(stderr);
        return USAGE;
    }
    if (!verb && argv[2] && asks_help(argv + 2) && help_noun(noun, stdout))
        return DONE;
    return !verb && help_noun(noun, stderr) ? USAGE : help_missing(noun, verb);
}

static int run(int argc, char **argv)
{
    struct call c = {.verb = argc > 1 ? verb_find(argv[1], argv[2]) : NULL};

    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("chancery " CHANCERY_VERSION);
        return DONE;
    }
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        help_all(stdout);
        return DONE;
    }
    return c.verb ? call_run(&c, argv + (c.verb->verb[0] ? 3 : 2)) : run_none(argv);
}

int verb_main(int argc, char **argv)
{
    int rc = run(argc, argv);

    if ((fflush(stdout) == 0 && !ferror(stdout)) || nobody_reads())
        return rc;
    complain("cannot write the output: %s", strerror(errno));
    return FAILED;
}

/* ---- numbers ---- */

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
    call_usage(c, "--%s: not a whole number: %s", option_rows[o].name, c->option[o]);
    return false;
}

bool call_position(const struct call *c, const char *text, uint64_t *out)
{
    if (number_parse(text, out) && *out > 0)
        return true;
    call_usage(c, "not a position (1, 2, 3 ...): %s", text);
    return false;
}
