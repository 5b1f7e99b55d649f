/* SPDX-License-Identifier: Apache-2.0 */
/* verb.h - one table of verbs: it gives the help, the errors of usage, the man page and the
 * completion
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    UNREACHABLE = 3,
    SET_ASIDE = 4, /* `list import`: a person must look at the snapshot */
};

enum option {
    OPT_DIR,
    OPT_CONFIG,
    OPT_SEAT,
    OPT_JSON,
    OPT_LIST,
    OPT_AT,
    OPT_COMMITTEE,
    OPT_REASON,
    OPT_STREAM,
    OPT_TYPE,
    OPT_FROM,
    OPT_LIMIT,
    OPT_ID,
    OPT_MODE,
    OPT_LABEL,
    OPT_OFFICE,
    OPT_VERBOSE,
    OPT_ONCE,
    OPT_MAN,
    OPTIONS,
};

struct option_row {
    const char *name, *argument; /* argument NULL: a flag */
    const char *help;
};
extern const struct option_row option_rows[OPTIONS];

enum { ARGUMENTS_MOST = 2 };

struct call { /* a verb with what it was given; lent */
    const struct verb *verb;
    const char *option[OPTIONS]; /* NULL = not given; a flag is "" */
    const char *argument[ARGUMENTS_MOST];
    int n_arguments;
};

struct verb {
    const char *noun, *verb; /* verb "": the noun alone */
    const char *arguments;   /* as the synopsis shows them, e.g. "REF" */
    int least, most;         /* how many arguments */
    const char *help;        /* one line */
    uint64_t options;        /* bits by enum option */
    int (*run)(const struct call *call);
    const char *program, *first; /* of another program: its name and its first argument */
};
extern const struct verb verbs[]; /* ended by a row without noun */

/* Finds the verb, checks options and arguments, runs it; returns the exit status. */
int verb_main(int argc, char **argv);

/* The option's whole number in bounds, or the fallback when it is not given; false after an error
 * was printed. */
bool call_number(const struct call *c, enum option o, uint64_t fallback, uint64_t *out);
bool call_position(const struct call *c, const char *text, uint64_t *out);

/* Prints "chancery: ..." on standard error. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Path of a program that lies beside this one; the caller frees it. */
char *program_beside(const char *name);

int help_run(const struct call *c);
int completion_run(const struct call *c);
