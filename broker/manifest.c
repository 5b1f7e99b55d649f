/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

static const char TITLE[] = "chancery-backup 1";

void manifest_add(struct manifest *m, const char *path, uint64_t size, const struct hash *hash)
{
    if (m->n == m->capacity) {
        m->capacity = m->capacity ? 2 * m->capacity : 16;
        m->files = mem_grow(m->files, m->capacity * sizeof *m->files);
    }
    struct manifest_file *f = &m->files[m->n++];
    *f = (struct manifest_file){.size = size, .hash = *hash};
    snprintf(f->path, sizeof f->path, "%s", path);
}

void manifest_clear(struct manifest *m)
{
    mem_free(m->files);
    *m = (struct manifest){0};
}

void manifest_write(const struct manifest *m, struct buf *out)
{
    char hex[2 * HASH_SIZE + 1], received[40], made[40];

    hex_encode(hex, m->root.bytes, HASH_SIZE);
    time_text(received, m->received);
    time_text(made, m->made);
    buf_printf(out, "%s\nlog %s\nhead %" PRIu64 " %s\nreceived %s\nmade %s\n", TITLE, m->log,
               m->head, hex, received, made);
    for (size_t i = 0; i < m->n; i++) {
        hex_encode(hex, m->files[i].hash.bytes, HASH_SIZE);
        buf_printf(out, "file %s %" PRIu64 " %s\n", hex, m->files[i].size, m->files[i].path);
    }
}

/* ---- reading ---- */

static bool is_part(const char *path)
{
    struct hash part;
    const char *name = path + strlen("parts/xx/");

    return strlen(path) == strlen("parts/xx/") + 2 * (size_t)HASH_SIZE &&
           strncmp(path, "parts/", 6) == 0 && path[8] == '/' && path[6] == name[0] &&
           path[7] == name[1] && hex_decode(part.bytes, HASH_SIZE, name);
}

static bool path_valid(const char *path)
{
    return strcmp(path, "log/data.mdb") == 0 || strcmp(path, "log/checkpoint") == 0 ||
           strcmp(path, "log.vkey") == 0 || is_part(path);
}

static bool take_number(uint64_t *out, const char *text)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

static bool take_log(struct manifest *m, char *words[])
{
    bool valid = log_name_valid(words[1]);

    snprintf(m->log, sizeof m->log, "%s", valid ? words[1] : "");
    return valid;
}

static bool take_head(struct manifest *m, char *words[])
{
    return take_number(&m->head, words[1]) && hex_decode(m->root.bytes, HASH_SIZE, words[2]);
}

static bool take_received(struct manifest *m, char *words[])
{
    return time_parse(&m->received, words[1]);
}

static bool take_made(struct manifest *m, char *words[])
{
    return time_parse(&m->made, words[1]);
}

static bool take_file(struct manifest *m, char *words[])
{
    struct hash hash;
    uint64_t size;

    if (!hex_decode(hash.bytes, HASH_SIZE, words[1]) || !take_number(&size, words[2]) ||
        !path_valid(words[3]))
        return false;
    manifest_add(m, words[3], size, &hash);
    return true;
}

enum { WORDS_MOST = 4, LINES_ONCE = 4 };

static const struct line {
    const char *name;
    int words;
    bool (*take)(struct manifest *m, char *words[]);
} lines[] = {
    {"log", 2, take_log},   {"head", 3, take_head}, {"received", 2, take_received},
    {"made", 2, take_made}, {"file", 4, take_file},
};

/* The lines before the files come once each, in their order. */
static bool take_line(struct manifest *m, char *text, size_t number)
{
    char *words[WORDS_MOST + 1] = {NULL}, *rest = NULL;
    int n = 0;
    const struct line *line = &lines[number < LINES_ONCE ? number : LINES_ONCE];

    for (char *word = strtok_r(text, " ", &rest); word && n <= WORDS_MOST;
         word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    return words[0] && n == line->words && strcmp(words[0], line->name) == 0 &&
           line->take(m, words);
}

int manifest_read(struct manifest *m, struct slice text, struct buf *why)
{
    char *copy = mem_strn(text.data, text.size), *rest = NULL;
    size_t number = 0;
    char *line = strtok_r(copy, "\n", &rest);
    bool good = strlen(copy) <= text.size && line && strcmp(line, TITLE) == 0;

    *m = (struct manifest){0};
    while (good && (line = strtok_r(NULL, "\n", &rest)) != NULL)
        good = take_line(m, line, number++);
    if (good && number > LINES_ONCE) {
        mem_free(copy);
        return 0;
    }
    buf_printf(why, "MANIFEST: line %zu: not what a backup of this format says there", number + 1);
    manifest_clear(m);
    mem_free(copy);
    return ERR_MALFORMED;
}
