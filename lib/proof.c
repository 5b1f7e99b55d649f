/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/proof.h"

#include <inttypes.h>

#include "lib/err.h"

static const char first_line[] = "c2sp.org/tlog-proof@v1";

void proof_print_hashes(struct buf *out, const struct hash hashes[], int n)
{
    for (int i = 0; i < n; i++) {
        base64_encode(out, slice_of(hashes[i].bytes, HASH_SIZE));
        buf_add_byte(out, '\n');
    }
}

void proof_print(struct buf *out, const struct proof *p)
{
    buf_printf(out, "%s\n", first_line);
    if (p->has_entry) {
        buf_add_str(out, "extra ");
        base64_encode(out, slice_of(p->entry, sizeof p->entry));
        buf_add_byte(out, '\n');
    }
    buf_printf(out, "index %" PRIu64 "\n", p->index);
    proof_print_hashes(out, p->path, p->n);
    buf_add_byte(out, '\n');
    buf_add(out, p->note.data, p->note.size);
}

/* A line, without its end, off the front. */
static bool take_line(struct slice *text, struct slice *line)
{
    const uint8_t *end = text->size ? memchr(text->data, '\n', text->size) : NULL;

    if (!end)
        return false;
    *line = slice_of(text->data, (size_t)(end - text->data));
    *text = slice_of(end + 1, text->size - line->size - 1);
    return true;
}

static bool take_word(struct slice *line, const char *word)
{
    size_t n = strlen(word);

    if (line->size < n || memcmp(line->data, word, n) != 0)
        return false;
    *line = slice_of(line->data + n, line->size - n);
    return true;
}

static bool parse_bytes(void *out, size_t size, struct slice base64)
{
    struct buf b = {0};
    bool good = base64_decode(&b, base64) == 0 && b.size == size;

    if (good)
        memcpy(out, b.data, size);
    buf_free(&b);
    return good;
}

static bool parse_path(struct proof *p, struct slice *rest)
{
    struct slice line;

    while (take_line(rest, &line)) {
        if (line.size == 0)
            return true;
        if (p->n == TREE_LEVELS || !parse_bytes(p->path[p->n].bytes, HASH_SIZE, line))
            return false;
        p->n++;
    }
    return false;
}

int proof_parse(struct proof *p, struct slice text)
{
    struct slice rest = text, line;

    *p = (struct proof){0};
    if (text.size > PROOF_SIZE || !take_line(&rest, &line) || !slice_is(line, first_line) ||
        !take_line(&rest, &line))
        return ERR_MALFORMED;
    p->has_entry = take_word(&line, "extra ");
    if (p->has_entry && (!parse_bytes(p->entry, sizeof p->entry, line) || !take_line(&rest, &line)))
        return ERR_MALFORMED;
    if (!take_word(&line, "index ") || !note_number(line, &p->index) || !parse_path(p, &rest))
        return ERR_MALFORMED;
    p->note = rest;
    return 0;
}

int proof_check(const struct proof *p, const uint8_t entry[LOG_ENTRY_SIZE], const char *log,
                const uint8_t public_key[KEY_SIZE], struct checkpoint *c)
{
    struct hash leaf;
    int err = checkpoint_open(c, p->note, log, public_key);

    if (err)
        return err;
    tree_leaf(&leaf, slice_of(entry, LOG_ENTRY_SIZE));
    if ((p->has_entry && memcmp(p->entry, entry, LOG_ENTRY_SIZE) != 0) ||
        !tree_check_inclusion(p->index, c->size, &leaf, p->path, p->n, &c->root))
        return ERR_PROOF;
    return 0;
}
