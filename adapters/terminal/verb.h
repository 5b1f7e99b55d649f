/* SPDX-License-Identifier: Apache-2.0 */
/* verb.h - one table of verbs: it gives the help, the errors of usage, the man page and the
 * completion, of verbs that other programs run too
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    UNREACHABLE = 3,
    SET_ASIDE = 4, /* `list import`, `list diff`: a person must look at the snapshot */
};

enum option { /* in the order in which help shows them: a verb's own, then those of many */
              OPT_LIST,
              OPT_AT,
              OPT_COMMITTEE,
              OPT_REASON,
              OPT_DISOWN,
              OPT_INTO, /* --stream of what is published */
              OPT_OF_TYPE,
              OPT_NDJSON,
              OPT_LABEL,
              OPT_TO,
              OPT_KIND,
              OPT_MODE,
              OPT_CASE,
              OPT_REFERENCES,
              OPT_IN_REPLY_TO,
              OPT_EXPIRES,
              OPT_ID,
              OPT_SEAL,
              OPT_OUT,
              OPT_STREAM,
              OPT_TYPE,
              OPT_FROM,
              OPT_UNTIL,
              OPT_LIMIT,
              OPT_EVENT,
              OPT_KEY,
              OPT_SEAT_KEY,
              OPT_VERIFY,
              OPT_SUCCESSOR,
              OPT_ADMINISTRATOR,
              OPT_CHECKPOINT,
              OPT_LOST,
              OPT_LOG,
              OPT_PARTY,
              OPT_PARTY_NAME,
              OPT_FIRST_OFFICE,
              OPT_FIRST_SEAT,
              OPT_EXERCISE,
              OPT_SMTP,
              OPT_MAIL_FROM,
              OPT_MAIL_TO,
              OPT_CONFIG_FILE,
              OPT_KEY_SEAT,
              OPT_KEY_OFFICE,
              OPT_KEY_NDJSON,
              OPT_TOKEN,
              OPT_LOG_TOKEN,
              OPT_NAME,
              OPT_PARTY_KIND,
              OPT_ROLES,
              OPT_CLEARANCE,
              OPT_SEATS_MOST,
              OPT_ENDPOINT,
              OPT_CONTACTS,
              OPT_INVITATIONS,
              OPT_OLDER,
              OPT_THROUGH,
              OPT_DELEGATED,
              OPT_HOLDS_UNTIL,
              OPT_SINCE,
              OPT_TILL,
              OPT_RULE_TYPE,
              OPT_RULE_LABEL,
              OPT_YES,
              OPT_FORMAT,
              OPT_VERBOSE,
              OPT_ONCE,
              OPT_DEMO_DIR,
              OPT_MAN,
              OPT_DIR,
              OPT_CONFIG,
              OPT_SEAT,
              OPT_DELEGATION,
              OPT_JSON,
              OPTIONS,
};

struct option_row {
    const char *name, *argument; /* argument NULL: a flag */
    const char *help;
    const char *choices; /* what the argument may be, separated by blanks; NULL = anything */
};
extern const struct option_row option_rows[OPTIONS];

enum { ARGUMENTS_MOST = 8 };

struct call { /* a verb with what it was given; lent */
    const struct verb *verb;
    const char *option[OPTIONS]; /* NULL = not given; a flag is "" */
    const char *argument[ARGUMENTS_MOST];
    int n_arguments;
};

__extension__ typedef unsigned __int128 option_set; /* bits by enum option */

struct verb {
    const char *noun, *verb;    /* verb "": the noun alone */
    const char *arguments;      /* as the synopsis shows them, e.g. "REF" */
    int least, most;            /* how many arguments */
    const char *help;           /* one line */
    const char *more;           /* a paragraph; NULL = none */
    option_set options, needed; /* what may be given, and what must be */
    const char *json;           /* what --json prints: "one object", or one a line */
    const char *fields;         /* of it, separated by blanks; or those of a message */
    const ProtobufCMessageDescriptor *message;
    int (*run)(const struct call *call);
    const char *program, *first; /* of another program: its name and its first argument */
};
extern const struct verb verbs[]; /* ended by a row without noun */

/* Finds the verb, checks options and arguments, runs it; returns the exit status. */
int verb_main(int argc, char **argv);

bool verb_takes(const struct verb *v, size_t option);

/* The option's whole number in bounds, or the fallback when it is not given; false after an error
 * was printed. */
bool call_number(const struct call *c, enum option o, uint64_t fallback, uint64_t *out);
bool call_position(const struct call *c, const char *text, uint64_t *out);
/* Prints what is wrong with the call and how it is made; returns USAGE. */
int call_usage(const struct call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints "chancery: ..." on standard error, safely. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The end of who reads standard output, which shows when nothing is written too. */
bool nobody_reads(void);
