/* SPDX-License-Identifier: Apache-2.0 */
/* conf.h - a table of settings, read once at start
 *
 * INI files as inih reads them.  An unknown section or key, a value out of bounds and a repeated
 * key are errors with file and line.  A program declares its settings as a table; what a file does
 * not state keeps its default.  A line has at most 196 bytes; where it ends in a comma, the value
 * goes on in the next line if that is indented.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/slice.h"

enum conf_type {
    CONF_STRING,   /* char *, owned by the target: conf_clear frees it */
    CONF_NUMBER,   /* int64_t, between `least` and `most` */
    CONF_SECONDS,  /* int64_t microseconds; written as 90, 90s, 15m, 8h, 7d; between `least` and
                      `most` */
    CONF_SIZE,     /* int64_t bytes; written as 4096, 64K, 16M, 2G; between `least` and `most` */
    CONF_BOOL,     /* bool; yes, no, true, false */
    CONF_LOOPBACK, /* struct sockaddr_storage; written as 127.0.0.1:9464 or [::1]:9464, no address
                      that another machine reaches */
};

struct conf_key {        /* a table ends with a row without a name */
    const char *section; /* "" = before any section; ending in '*' = a family, e.g. "rule *" */
    const char *name;
    enum conf_type type;
    size_t offset;        /* in the target; for a family, in what `conf_family` gives */
    const char *fallback; /* as it would be written; NULL = none needed, "!" = must be stated */
    int64_t least, most;  /* of a string: its size in bytes, when `most` is not 0 */
    const char *help;     /* for people: a sentence of chancery.conf(5), without its full stop */
};

/* Called at the first key of a section of a family: returns the target for its settings ("rule un"
 * -> "un"), already cleared, or NULL where there may be no more. */
typedef void *conf_family(void *target, const char *section, const char *name);

/* 0, or ERR_CONFIG or ERR_IO with "file:line: what is wrong" in `why`. */
int conf_read(const char *file, const struct conf_key keys[], void *target, conf_family *family,
              struct buf *why);
/* The same from bytes; `file` names them in `why`. */
int conf_parse(const char *file, struct slice text, const struct conf_key keys[], void *target,
               conf_family *family, struct buf *why);

/* One file for several targets: a key is taken by every table that names it. */
struct conf_table {
    const struct conf_key *keys;
    void *target;
    conf_family *family; /* NULL = has no families */
};

/* `others`: NULL-ended patterns of sections that are left to other programs, or NULL. */
int conf_parse_tables(const char *file, struct slice text, const struct conf_table tables[],
                      size_t n, const char *const others[], struct buf *why);

/* A number, a duration or a size as a file states it; false where it is none. */
bool conf_number(enum conf_type type, const char *text, int64_t *out);
/* The bytes of a file of settings, at most 1 MiB: 0 or ERR_IO with a sentence in `why`. */
int conf_load(const char *file, struct buf *text, struct buf *why);
/* What the manual says of the table's settings, as scdoc takes it: a heading a section, but for
 * `begun` (its heading stands already; NULL = none), then its keys. */
void conf_man(const struct conf_key keys[], const char *begun, FILE *out);

/* The values that stand in the target, as a file would state them; not those of families. */
void conf_print(const struct conf_key keys[], const void *target, FILE *out);
/* Bytes of a target that the table fits into. */
size_t conf_size(const struct conf_key keys[]);

/* Frees the strings that the table names in `section`, as the table spells it ("alert", "rule *"),
 * and sets them to NULL. */
void conf_clear(const struct conf_key keys[], const char *section, void *target);
