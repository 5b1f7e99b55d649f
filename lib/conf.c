/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - a table of settings, read from an INI file
 *
 * inih splits lines; this file counts them, looks names up and converts values.  inih cuts what is
 * longer than its buffer and joins indented lines without a word: the reader refuses the one and
 * takes the indentation away where no comma announces a value that goes on.
 */
#include "lib/conf.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/err.h"
#include "lib/loopback.h"
#include "lib/man.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum { FILE_MOST = 1024 * 1024, NAME_MOST = 48 };

static bool is_family(const char *section)
{
    size_t n = strlen(section);

    return n > 0 && section[n - 1] == '*';
}

static bool section_matches(const char *pattern, const char *section)
{
    return is_family(pattern) ? strncmp(pattern, section, strlen(pattern) - 1) == 0 &&
                                    section[strlen(pattern) - 1] != '\0'
                              : strcmp(pattern, section) == 0;
}

/* Values */

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit no_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {
    {"G", INT64_C(1) << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}, {NULL, 0}};
static const struct unit time_units[] = {{"d", INT64_C(86400000000)},
                                         {"h", INT64_C(3600000000)},
                                         {"m", 60000000},
                                         {"s", 1000000},
                                         {"", 1000000},
                                         {NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    return type == CONF_SIZE ? size_units : type == CONF_SECONDS ? time_units : no_units;
}

static bool parse_number(const char *value, const struct unit units[], int64_t *out)
{
    char *end;

    if ((value[0] < '0' || value[0] > '9') && value[0] != '-')
        return false;
    errno = 0;
    long long n = strtoll(value, &end, 10);
    if (errno != 0 || end == value)
        return false;
    for (const struct unit *u = units; u->name; u++)
        if (strcmp(end, u->name) == 0)
            return !__builtin_mul_overflow((int64_t)n, u->factor, out);
    return false;
}

bool conf_number(enum conf_type type, const char *text, int64_t *out)
{
    return parse_number(text, units_of(type), out);
}

/* As it would be written, with the largest unit that divides it. */
static void number_text(char out[32], int64_t n, const struct unit units[])
{
    for (const struct unit *u = units; u->name; u++)
        if (n % u->factor == 0 && (n != 0 || u->factor == 1 || !u[1].name)) {
            snprintf(out, 32, "%lld%s", (long long)(n / u->factor), u->name);
            return;
        }
    snprintf(out, 32, "%lld", (long long)n);
}

static bool set_string(const struct conf_key *k, const char *value, void *at)
{
    int64_t size = (int64_t)strlen(value);

    if (k->most != 0 && (size < k->least || size > k->most))
        return false;
    *(char **)at = mem_str(value);
    return true;
}

static bool set_number(const struct conf_key *k, const char *value, void *at)
{
    int64_t n;

    if (!parse_number(value, units_of(k->type), &n) || n < k->least || n > k->most)
        return false;
    *(int64_t *)at = n;
    return true;
}

static bool set_bool(const struct conf_key *k, const char *value, void *at)
{
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;

    (void)k;
    if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
        return false;
    *(bool *)at = yes;
    return true;
}

static bool set_loopback(const struct conf_key *k, const char *value, void *at)
{
    (void)k;
    return loopback_read(value, at);
}

static bool set_value(const struct conf_key *k, const char *value, void *target)
{
    static bool (*const set[])(const struct conf_key *, const char *, void *) = {
        [CONF_STRING] = set_string, [CONF_NUMBER] = set_number, [CONF_SECONDS] = set_number,
        [CONF_SIZE] = set_number,   [CONF_BOOL] = set_bool,     [CONF_LOOPBACK] = set_loopback,
    };

    return set[k->type](k, value, (char *)target + k->offset);
}

static void allowed_text(const struct conf_key *k, struct buf *why)
{
    static const char *const forms[] = {
        [CONF_STRING] = "text of %s to %s bytes",
        [CONF_NUMBER] = "a whole number from %s to %s",
        [CONF_SECONDS] = "a duration such as 90, 90s, 15m, 8h or 7d, from %s to %s",
        [CONF_SIZE] = "a size such as 4096, 64K, 16M or 2G, from %s to %s",
        [CONF_BOOL] = "yes or no",
        [CONF_LOOPBACK] = "an address of this machine alone and a port: 127.0.0.1:9464, [::1]:9464",
    };
    char least[32], most[32];
    const char *at = forms[k->type];
    const char *const bounds[] = {least, most};

    number_text(least, k->least, units_of(k->type));
    number_text(most, k->most, units_of(k->type));
    for (size_t i = 0; *at; at++) {
        if (at[0] == '%' && i < 2) {
            buf_add_str(why, bounds[i++]);
            at++;
        } else {
            buf_add(why, at, 1);
        }
    }
}

/* Names that are nearly right */

/* Edit distance of two short names, a swap of neighbours counting as one. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), rows[3][NAME_MOST + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    if (n > NAME_MOST || m > NAME_MOST)
        return SIZE_MAX;
    for (size_t k = 0; k <= m; k++)
        last[k] = k;
    for (size_t i = 1; i <= n; i++) {
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t best = last[k - 1] + (a[i - 1] != b[k - 1]);
            if (last[k] + 1 < best)
                best = last[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                before[k - 2] + 1 < best)
                best = before[k - 2] + 1;
            row[k] = best;
        }
        size_t *swap = before;
        before = last;
        last = row;
        row = swap;
    }
    return last[m];
}

struct nearest {
    const char *wanted, *name;
    size_t distance;
};

static void nearest_try(struct nearest *near, const char *name)
{
    size_t d = distance(near->wanted, name);
    size_t length = strlen(near->wanted);

    if (d < near->distance && d <= (length < 4 ? 1 : length < 8 ? 2 : 3)) {
        near->name = name;
        near->distance = d;
    }
}

/* Parsing */

/* What a file has said for one target: the plain sections of a table, or one section of a family.
 */
struct instance {
    struct instance *next;
    const struct conf_table *table;
    char *section; /* NULL = all plain sections */
    void *target;
    bool *seen; /* one a row */
};

struct parse {
    const char *file;
    struct slice rest;
    const struct conf_table *tables;
    size_t n_tables;
    const char *const *others;
    struct buf *why;
    struct instance *instances; /* newest first */
    int line;
    bool comma;           /* the line before ended in one */
    bool indented;        /* this line is indented behind a comma */
    int failed;           /* line of the first error; 0 = none */
    struct buf long_text; /* of a value over several lines */
};

/* Begins the sentence about the first error; false where there was one before. */
static bool fail_at(struct parse *p, int line)
{
    if (p->failed)
        return false;
    p->failed = line;
    buf_printf(p->why, "%s:%d: ", p->file, line);
    return true;
}

static bool row_applies(const struct instance *in, const struct conf_key *k)
{
    return in->section ? is_family(k->section) && section_matches(k->section, in->section)
                       : !is_family(k->section);
}

static struct instance *instance_new(struct parse *p, const struct conf_table *table,
                                     const char *section, void *target)
{
    struct instance *in = mem_new(sizeof *in);
    size_t n = 0;

    while (table->keys[n].name)
        n++;
    *in = (struct instance){p->instances, table, mem_str(section), target, mem_new(n)};
    p->instances = in;
    return in;
}

/* The instance that the row's value goes to; NULL where there may be no more of its family. */
static struct instance *instance_get(struct parse *p, const struct conf_table *table,
                                     const struct conf_key *k, const char *section)
{
    const char *name = is_family(k->section) ? section : NULL;

    for (struct instance *in = p->instances; in; in = in->next)
        if (in->table == table &&
            (name ? in->section && strcmp(in->section, name) == 0 : in->section == NULL))
            return in;
    assert(name && table->family);
    void *target = table->family(table->target, k->section, name + strlen(k->section) - 1);
    return target ? instance_new(p, table, name, target) : NULL;
}

static void fail_value(struct parse *p, const struct conf_key *k, const char *section,
                       const char *value)
{
    if (!fail_at(p, p->line))
        return;
    buf_printf(p->why, "[%s] %s = %.80s: must be ", section, k->name, value);
    allowed_text(k, p->why);
}

static void take_value(struct parse *p, const struct conf_table *table, const struct conf_key *k,
                       const char *section, const char *value)
{
    struct instance *in = instance_get(p, table, k, section);
    bool *seen = in ? &in->seen[k - table->keys] : NULL;

    if (!in) {
        if (fail_at(p, p->line))
            buf_printf(p->why, "[%s]: there may be no more sections of this kind", section);
    } else if (p->indented) {
        char **text = (char **)(void *)((char *)in->target + k->offset);
        if (k->type != CONF_STRING) {
            fail_value(p, k, section, value);
            return;
        }
        buf_reset(&p->long_text);
        buf_printf(&p->long_text, "%s %s", *text, value);
        mem_free(*text);
        *text = NULL;
        *seen = set_value(k, buf_cstr(&p->long_text), in->target);
        if (!*seen)
            fail_value(p, k, section, value);
    } else if (*seen) {
        if (fail_at(p, p->line))
            buf_printf(p->why, "[%s] %s: stated twice; leave one of them out", section, k->name);
    } else {
        *seen = set_value(k, value, in->target);
        if (!*seen)
            fail_value(p, k, section, value);
    }
}

static void fail_key(struct parse *p, const char *section, const char *name)
{
    struct nearest near = {name, NULL, SIZE_MAX};
    const char *comma = "";

    if (!fail_at(p, p->line))
        return;
    buf_printf(p->why, "[%s] has no key \"%.60s\"; ", section, name);
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct conf_key *k = p->tables[t].keys; k->name; k++)
            if (section_matches(k->section, section))
                nearest_try(&near, k->name);
    if (near.name) {
        buf_printf(p->why, "did you mean \"%s\"?", near.name);
        return;
    }
    buf_add_str(p->why, "it has: ");
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct conf_key *k = p->tables[t].keys; k->name; k++)
            if (section_matches(k->section, section)) {
                buf_printf(p->why, "%s%s", comma, k->name);
                comma = ", ";
            }
}

static void fail_section(struct parse *p, const char *section)
{
    struct nearest near = {section, NULL, SIZE_MAX};

    if (!fail_at(p, p->line))
        return;
    for (size_t t = 0; t < p->n_tables; t++)
        for (const struct conf_key *k = p->tables[t].keys; k->name; k++)
            nearest_try(&near, k->section);
    for (size_t i = 0; p->others && p->others[i]; i++)
        nearest_try(&near, p->others[i]);
    if (section[0] == '\0')
        buf_add_str(p->why, "a key before the first [section]");
    else
        buf_printf(p->why, "there is no section [%.60s]", section);
    if (near.name && near.name[0])
        buf_printf(p->why, "; did you mean [%s]?", near.name);
}

static bool is_other(const struct parse *p, const char *section)
{
    for (size_t i = 0; p->others && p->others[i]; i++)
        if (section_matches(p->others[i], section))
            return true;
    return false;
}

/* inih's handler: returns 1, for a 0 would only repeat what is kept in `failed`. */
static int on_value(void *arg, const char *section, const char *name, const char *value)
{
    struct parse *p = arg;
    bool section_known = false, taken = false;

    for (size_t t = 0; !p->failed && t < p->n_tables; t++)
        for (const struct conf_key *k = p->tables[t].keys; k->name; k++) {
            if (!section_matches(k->section, section))
                continue;
            section_known = true;
            if (strcmp(k->name, name) == 0) {
                taken = true;
                take_value(p, &p->tables[t], k, section, value);
            }
        }
    if (p->failed || taken)
        return 1;
    if (section_known)
        fail_key(p, section, name);
    else if (!is_other(p, section))
        fail_section(p, section);
    return 1;
}

static const char *line_fault(struct slice line, size_t room)
{
    if (line.size > room)
        return "the line is longer than 196 bytes; end it behind a comma and indent the next one";
    if (!scan_text(line))
        return "not valid UTF-8 in normalisation form C, or a NUL";
    return NULL;
}

/* inih's reader: one line a call, without its indentation unless it goes on with a value. */
static char *read_line(char *out, int size, void *arg)
{
    struct parse *p = arg;
    const uint8_t *end = p->rest.size ? memchr(p->rest.data, '\n', p->rest.size) : NULL;
    struct slice line = slice_of(p->rest.data, end ? (size_t)(end - p->rest.data) : p->rest.size);

    if (p->rest.size == 0 || p->failed)
        return NULL;
    p->line++;
    p->rest.data += line.size + (end != NULL);
    p->rest.size -= line.size + (end != NULL);
    const char *fault = line_fault(line, (size_t)size - 3);
    if (fault) {
        fail_at(p, p->line);
        buf_add_str(p->why, fault);
        return NULL;
    }
    size_t blanks = 0;
    while (blanks < line.size && (line.data[blanks] == ' ' || line.data[blanks] == '\t'))
        blanks++;
    p->indented = blanks > 0 && p->comma;
    if (!p->indented)
        line = slice_of(line.data + blanks, line.size - blanks);
    while (line.size && (line.data[line.size - 1] == ' ' || line.data[line.size - 1] == '\r'))
        line.size--;
    p->comma = line.size && line.data[line.size - 1] == ',';
    if (line.size)
        memcpy(out, line.data, line.size);
    memcpy(out + line.size, "\n", 2);
    return out;
}

static void apply_fallbacks(struct parse *p, struct instance *in)
{
    for (const struct conf_key *k = in->table->keys; k->name; k++) {
        bool *seen = &in->seen[k - in->table->keys];
        if (p->failed || *seen || !k->fallback || !row_applies(in, k))
            continue;
        if (strcmp(k->fallback, "!") == 0) {
            p->failed = p->line + 1;
            buf_printf(p->why, "%s: [%s] must state \"%s\"", p->file,
                       in->section ? in->section : k->section, k->name);
            return;
        }
        *seen = set_value(k, k->fallback, in->target);
        assert(*seen);
    }
}

static void instance_free(struct instance *in, bool failed)
{
    for (const struct conf_key *k = in->table->keys; k->name; k++)
        if (failed && in->seen[k - in->table->keys] && k->type == CONF_STRING) {
            char **text = (char **)(void *)((char *)in->target + k->offset);
            mem_free(*text);
            *text = NULL;
        }
    mem_free(in->section);
    mem_free(in->seen);
    mem_free(in);
}

int conf_parse_tables(const char *file, struct slice text, const struct conf_table tables[],
                      size_t n, const char *const others[], struct buf *why)
{
    struct parse p = {
        .file = file, .rest = text, .tables = tables, .n_tables = n, .others = others, .why = why};

    for (size_t t = 0; t < n; t++)
        instance_new(&p, &tables[t], NULL, tables[t].target);
    int wrong = ini_parse_stream(read_line, &p, on_value, &p);
    if (wrong > 0 && (!p.failed || wrong < p.failed)) {
        buf_reset(why);
        p.failed = 0;
        fail_at(&p, wrong);
        buf_add_str(why, "neither \"[section]\" nor \"key = value\" nor a comment");
    }
    for (struct instance *in = p.instances; in; in = in->next)
        apply_fallbacks(&p, in);
    for (struct instance *in = p.instances, *next; in; in = next) {
        next = in->next;
        instance_free(in, p.failed != 0);
    }
    buf_free(&p.long_text);
    return p.failed ? ERR_CONFIG : 0;
}

int conf_parse(const char *file, struct slice text, const struct conf_key keys[], void *target,
               conf_family *family, struct buf *why)
{
    const struct conf_table table = {keys, target, family};

    return conf_parse_tables(file, text, &table, 1, NULL, why);
}

int conf_load(const char *file, struct buf *text, struct buf *why)
{
    FILE *f = fopen(file, "re");
    int rc = 0;

    if (!f) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        return ERR_IO;
    }
    for (size_t n = 1; n > 0 && text->size <= FILE_MOST;) {
        uint8_t *at = buf_grow(text, 4096);
        n = fread(at, 1, 4096, f);
        text->size -= 4096 - n;
    }
    if (ferror(f) || text->size > FILE_MOST) {
        buf_printf(why, "%s: %s", file, ferror(f) ? strerror(errno) : "larger than 1 MiB");
        rc = ERR_IO;
    }
    fclose(f);
    return rc;
}

int conf_read(const char *file, const struct conf_key keys[], void *target, conf_family *family,
              struct buf *why)
{
    struct buf text = {0};
    int rc = conf_load(file, &text, why);

    if (rc == 0)
        rc = conf_parse(file, slice_buf(&text), keys, target, family, why);
    buf_free(&text);
    return rc;
}

void conf_clear(const struct conf_key keys[], const char *section, void *target)
{
    for (const struct conf_key *k = keys; k->name; k++)
        if (k->type == CONF_STRING && strcmp(k->section, section) == 0) {
            char **text = (char **)(void *)((char *)target + k->offset);
            mem_free(*text);
            *text = NULL;
        }
}

/* What was read */

static void print_value(const struct conf_key *k, const void *at, FILE *out)
{
    char number[32], address[LOOPBACK_TEXT];

    if (k->type == CONF_LOOPBACK) {
        loopback_text(address, at);
        fputs(address, out);
    } else if (k->type == CONF_STRING) {
        const char *text = *(char *const *)at;
        fputs(text ? text : "", out);
    } else if (k->type == CONF_BOOL) {
        fputs(*(const bool *)at ? "yes" : "no", out);
    } else {
        number_text(number, *(const int64_t *)at, units_of(k->type));
        fputs(number, out);
    }
}

void conf_print(const struct conf_key keys[], const void *target, FILE *out)
{
    for (const struct conf_key *k = keys; k->name; k++) {
        if (is_family(k->section))
            continue;
        fprintf(out, "[%s] %s = ", k->section, k->name);
        print_value(k, (const char *)target + k->offset, out);
        putc('\n', out);
    }
}

size_t conf_size(const struct conf_key keys[])
{
    static const size_t sizes[] = {
        [CONF_STRING] = sizeof(char *),   [CONF_NUMBER] = sizeof(int64_t),
        [CONF_SECONDS] = sizeof(int64_t), [CONF_SIZE] = sizeof(int64_t),
        [CONF_BOOL] = sizeof(bool),       [CONF_LOOPBACK] = sizeof(struct sockaddr_storage),
    };
    size_t size = 0;

    for (const struct conf_key *k = keys; k->name; k++)
        if (k->offset + sizes[k->type] > size)
            size = k->offset + sizes[k->type];
    return size;
}

/* The manual */

static const char *value_name(enum conf_type type)
{
    static const char *const names[] = {
        [CONF_STRING] = "text", [CONF_NUMBER] = "number", [CONF_SECONDS] = "duration",
        [CONF_SIZE] = "size",   [CONF_BOOL] = "yes|no",   [CONF_LOOPBACK] = "address:port",
    };

    return names[type];
}

static void man_bounds(const struct conf_key *k, FILE *out)
{
    char least[32], most[32];

    if (k->type == CONF_STRING || k->type == CONF_BOOL || k->type == CONF_LOOPBACK)
        return;
    number_text(least, k->least, units_of(k->type));
    number_text(most, k->most, units_of(k->type));
    if (k->most == INT64_MAX)
        fprintf(out, " At least %s.", least);
    else
        fprintf(out, " From %s to %s.", least, most);
}

static void man_key(const struct conf_key *k, FILE *out)
{
    fputs("\n*", out);
    man_text(k->name, out);
    fprintf(out, "* = _%s_\n\t", value_name(k->type));
    man_text(k->help, out);
    fputc('.', out);
    man_bounds(k, out);
    if (k->fallback && strcmp(k->fallback, "!") == 0) {
        fputs(" Must be stated.", out);
    } else if (k->fallback) {
        fputs(" Default: ", out);
        man_text(k->fallback, out);
        fputc('.', out);
    }
    fputc('\n', out);
}

void conf_man(const struct conf_key keys[], const char *begun, FILE *out)
{
    const char *section = begun;

    for (const struct conf_key *k = keys; k->name; k++) {
        if (!section || strcmp(section, k->section) != 0) {
            section = k->section;
            fprintf(out, "\n## [%.*s%s]\n", (int)strcspn(section, "*"), section,
                    is_family(section) ? "NAME" : "");
        }
        man_key(k, out);
    }
}
