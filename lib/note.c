/* SPDX-License-Identifier: Apache-2.0 */
/* note.c - C2SP signed notes and checkpoints
 *
 * A note is its text, which ends with a line end, an empty line, and signature lines
 * "— NAME BASE64(key hash of 4 bytes || signature)".
 */
#include "lib/note.h"

#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum { ED25519_TYPE = 0x01, KEY_HASH_SIZE = 4, SIGNATURES_MOST = 64 };

static const char dash[] = "\xe2\x80\x94 "; /* U+2014 and a blank */

/* First 4 bytes of SHA-256(name || 0x0a || 0x01 || public key). */
static void key_hash(uint8_t out[KEY_HASH_SIZE], const char *name,
                     const uint8_t public_key[KEY_SIZE])
{
    struct buf b = {0};
    struct hash h;

    buf_printf(&b, "%s\n", name);
    buf_add_byte(&b, ED25519_TYPE);
    buf_add(&b, public_key, KEY_SIZE);
    hash_sha256(&h, slice_buf(&b));
    memcpy(out, h.bytes, KEY_HASH_SIZE);
    buf_free(&b);
}

/* c2sp.org/signed-note: not empty, no white space, no plus sign. */
static bool name_valid(struct slice name)
{
    if (name.size == 0 || name.size >= ORIGIN_SIZE || !scan_text(name))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] <= ' ' || name.data[i] == '+' || name.data[i] == 0x7f)
            return false;
    return true;
}

/* Takes what stands before the first `end`, and the `end`, off the front. */
static bool take_until(struct slice *in, uint8_t end, struct slice *out)
{
    const uint8_t *at = in->size ? memchr(in->data, end, in->size) : NULL;

    if (!at)
        return false;
    *out = slice_of(in->data, (size_t)(at - in->data));
    *in = slice_of(at + 1, in->size - out->size - 1);
    return true;
}

void note_vkey(struct buf *out, const char *name, const uint8_t public_key[KEY_SIZE])
{
    uint8_t hash[KEY_HASH_SIZE], typed[1 + KEY_SIZE] = {ED25519_TYPE};
    char hex[2 * KEY_HASH_SIZE + 1];

    key_hash(hash, name, public_key);
    hex_encode(hex, hash, sizeof hash);
    memcpy(typed + 1, public_key, KEY_SIZE);
    buf_printf(out, "%s+%s+", name, hex);
    base64_encode(out, slice_of(typed, sizeof typed));
}

int note_vkey_parse(struct slice vkey, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE])
{
    struct slice rest = vkey, key_name, hex;
    struct buf typed = {0}, again = {0};
    int rc = ERR_MALFORMED;

    if (!take_until(&rest, '+', &key_name) || !take_until(&rest, '+', &hex) ||
        !name_valid(key_name) || base64_decode(&typed, rest) != 0)
        goto out;
    if (typed.size != 1 + KEY_SIZE || typed.data[0] != ED25519_TYPE)
        goto out;
    char parsed[ORIGIN_SIZE] = {0};
    memcpy(parsed, key_name.data, key_name.size);
    note_vkey(&again, parsed, typed.data + 1);
    if (!slice_equal(slice_buf(&again), vkey)) /* its key hash is another key's */
        goto out;
    memcpy(name, parsed, sizeof parsed);
    memcpy(public_key, typed.data + 1, KEY_SIZE);
    rc = 0;
out:
    buf_free(&typed);
    buf_free(&again);
    return rc;
}

int checkpoint_sign(struct buf *out, const struct checkpoint *c, const struct sign_key *key)
{
    uint8_t hashed[KEY_HASH_SIZE + SIGNATURE_SIZE];
    size_t start = out->size;

    buf_printf(out, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
    base64_encode(out, slice_of(c->root.bytes, HASH_SIZE));
    buf_add_byte(out, '\n');
    key_hash(hashed, c->origin, key->public_key);
    int rc =
        sign_bytes(hashed + KEY_HASH_SIZE, slice_of(out->data + start, out->size - start), key);
    if (rc) {
        out->size = start;
        return rc;
    }
    buf_printf(out, "\n%s%s ", dash, c->origin);
    base64_encode(out, slice_of(hashed, sizeof hashed));
    buf_add_byte(out, '\n');
    return 0;
}

/* The text with its last line end, and the signature lines behind the last empty line. */
static bool note_split(struct slice note, struct slice *text, struct slice *lines)
{
    size_t at = note.size;

    if (note.size == 0 || note.size > NOTE_SIZE || !scan_text(note))
        return false;
    for (size_t i = 0; i < note.size; i++)
        if ((note.data[i] < ' ' && note.data[i] != '\n') || note.data[i] == 0x7f)
            return false;
    while (at >= 2 && !(note.data[at - 1] == '\n' && note.data[at - 2] == '\n'))
        at--;
    *text = slice_of(note.data, at ? at - 1 : 0);
    *lines = slice_of(note.data + at, note.size - at);
    return at >= 2 && lines->size > 0 && note.data[note.size - 1] == '\n';
}

/* One signature line: 1 = a good one of the key, 0 = another key's, or a negative err. */
static int check_line(struct slice line, struct slice text, const char *name,
                      const uint8_t public_key[KEY_SIZE])
{
    struct buf hashed = {0};
    struct slice signer;
    uint8_t own[KEY_HASH_SIZE];
    const size_t dash_size = sizeof dash - 1;
    int rc = ERR_MALFORMED;

    if (line.size < dash_size || memcmp(line.data, dash, dash_size) != 0)
        return ERR_MALFORMED;
    line = slice_of(line.data + dash_size, line.size - dash_size);
    if (!take_until(&line, ' ', &signer) || !name_valid(signer) ||
        base64_decode(&hashed, line) != 0 || hashed.size <= KEY_HASH_SIZE)
        goto out;
    rc = 0;
    key_hash(own, name, public_key);
    if (!slice_is(signer, name) || memcmp(own, hashed.data, KEY_HASH_SIZE) != 0)
        goto out;
    rc = hashed.size == sizeof own + SIGNATURE_SIZE &&
                 sign_check(hashed.data + KEY_HASH_SIZE, text, public_key)
             ? 1
             : ERR_SIGNATURE;
out:
    buf_free(&hashed);
    return rc;
}

static int check_signatures(struct slice lines, struct slice text, const char *name,
                            const uint8_t public_key[KEY_SIZE])
{
    struct slice line;
    int found = 0;

    for (int i = 0; lines.size; i++) {
        if (i == SIGNATURES_MOST || !take_until(&lines, '\n', &line))
            return ERR_MALFORMED;
        int rc = check_line(line, text, name, public_key);
        if (rc < 0)
            return rc;
        found += rc;
    }
    return found ? 0 : ERR_SIGNATURE;
}

bool note_number(struct slice s, uint64_t *number)
{
    uint64_t v = 0;

    if (s.size == 0 || s.size > 19 || (s.data[0] == '0' && s.size > 1))
        return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.data[i] - '0');
    }
    *number = v;
    return v <= INT64_MAX;
}

static bool parse_root(struct slice s, struct hash *root)
{
    struct buf b = {0};
    bool good = base64_decode(&b, s) == 0 && b.size == HASH_SIZE;

    if (good)
        memcpy(root->bytes, b.data, HASH_SIZE);
    buf_free(&b);
    return good;
}

static bool parse_body(struct checkpoint *c, struct slice text)
{
    struct slice origin, size, root, more;
    struct hash empty;

    if (!take_until(&text, '\n', &origin) || !take_until(&text, '\n', &size) ||
        !take_until(&text, '\n', &root))
        return false;
    while (text.size) /* extension lines */
        if (!take_until(&text, '\n', &more) || more.size == 0)
            return false;
    if (origin.size == 0 || origin.size >= ORIGIN_SIZE || !note_number(size, &c->size) ||
        !parse_root(root, &c->root))
        return false;
    memcpy(c->origin, origin.data, origin.size);
    hash_sha256(&empty, slice_of(NULL, 0));
    return c->size > 0 || hash_equal(&c->root, &empty);
}

static bool note_open(struct slice note, struct checkpoint *stated, struct slice *text,
                      struct slice *lines)
{
    *stated = (struct checkpoint){0};
    return note_split(note, text, lines) && parse_body(stated, *text);
}

int checkpoint_open(struct checkpoint *c, struct slice note, const char *name,
                    const uint8_t public_key[KEY_SIZE])
{
    struct checkpoint parsed;
    struct slice text, lines;

    if (!note_open(note, &parsed, &text, &lines))
        return ERR_MALFORMED;
    int rc = check_signatures(lines, text, name, public_key);
    if (rc == 0 && strcmp(parsed.origin, name) != 0)
        rc = ERR_SIGNATURE;
    if (rc == 0)
        *c = parsed;
    return rc;
}

int checkpoint_stated(struct checkpoint *c, struct slice note)
{
    struct checkpoint parsed;
    struct slice text, lines;

    if (!note_open(note, &parsed, &text, &lines))
        return ERR_MALFORMED;
    *c = parsed;
    return 0;
}
