/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - keys and their files, Ed25519, signed events
 *
 * Ed25519 is libsodium's: it verifies in half of libcrypto's time, signs in a quarter, and refuses
 * keys of small order and signatures that are not canonical.  Secrets that pass through memory of
 * this file are wiped before it is given back.
 */
#include "lib/sign.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"

enum { KEY_FILE_MOST = 4096 };

static const char domain[] = "chancery-event-v1"; /* signed with its NUL */

void key_id(uint8_t out[KEY_ID_SIZE], const uint8_t public_key[KEY_SIZE])
{
    struct hash h;

    hash_sha256(&h, slice_of(public_key, KEY_SIZE));
    memcpy(out, h.bytes, KEY_ID_SIZE);
}

static void sign_public_of(uint8_t public_key[KEY_SIZE], const uint8_t seed[KEY_SIZE])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_seed_keypair(public_key, secret, seed);
    sodium_memzero(secret, sizeof secret);
}

void seat_key_make(struct seat_key *key, const char *seat, const char *office)
{
    assert(identifier_valid(seat) && office_valid(office));
    assert(sodium_init() >= 0);
    *key = (struct seat_key){0};
    memcpy(key->seat, seat, strlen(seat));
    memcpy(key->office, office, strlen(office));
    crypto_box_keypair(key->curve_public, key->curve_secret);
    randombytes_buf(key->sign_seed, KEY_SIZE);
    sign_public_of(key->sign_public, key->sign_seed);
    seal_key_make(&key->age);
}

bool seat_key_has_age(const struct seat_key *key)
{
    return !sodium_is_zero((const uint8_t *)&key->age, sizeof key->age);
}

void seat_key_clear(struct seat_key *key)
{
    token_close(key->token);
    sodium_memzero(key, sizeof *key);
}

/* One line of the file each. */
static const struct key_line {
    const char *name;
    size_t offset;
    size_t text; /* size of the string; 0 = a key in hexadecimal */
} key_lines[] = {
    {"seat", offsetof(struct seat_key, seat), sizeof(((struct seat_key *)0)->seat)},
    {"office", offsetof(struct seat_key, office), sizeof(((struct seat_key *)0)->office)},
    {"curve-public", offsetof(struct seat_key, curve_public), 0},
    {"curve-secret", offsetof(struct seat_key, curve_secret), 0},
    {"sign-public", offsetof(struct seat_key, sign_public), 0},
    {"sign-seed", offsetof(struct seat_key, sign_seed), 0},
    {"sign-token", offsetof(struct seat_key, token_uri), sizeof(((struct seat_key *)0)->token_uri)},
    {"age-public", offsetof(struct seat_key, age.public_key), 0},
    {"age-secret", offsetof(struct seat_key, age.secret_key), 0},
};

enum { KEY_LINES = sizeof key_lines / sizeof key_lines[0], SEED = 5, TOKEN, AGE };

/* A file has either the seed or the token, and of before there were sealed parts no age key. */
static bool key_has_line(const struct seat_key *key, size_t line)
{
    bool on_token = key->token_uri[0] != '\0';

    if (line == SEED || line == TOKEN)
        return on_token == (line == TOKEN);
    return line < AGE || seat_key_has_age(key);
}

static size_t key_text(const struct seat_key *key, char out[KEY_FILE_MOST])
{
    size_t n = (size_t)snprintf(out, KEY_FILE_MOST,
                                "# Secret keys of one seat.  Whoever has this file speaks for the "
                                "seat: never copy it, never send it.\n");

    for (size_t i = 0; i < KEY_LINES; i++) {
        const char *field = (const char *)key + key_lines[i].offset;
        char hex[2 * KEY_SIZE + 1];
        if (!key_has_line(key, i))
            continue;
        if (!key_lines[i].text)
            hex_encode(hex, field, KEY_SIZE);
        n += (size_t)snprintf(out + n, KEY_FILE_MOST - n, "%s = %s\n", key_lines[i].name,
                              key_lines[i].text ? field : hex);
        sodium_memzero(hex, sizeof hex);
    }
    return n;
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t n = write(fd, data, size);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* A new name lasts only once its directory is synced. */
static int sync_parent(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *dir = !slash ? mem_str(".") : mem_strn(file, slash == file ? 1 : (size_t)(slash - file));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0)
        close(fd);
    mem_free(dir);
    return rc;
}

int seat_key_write(const struct seat_key *key, const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? ERR_EXISTS : ERR_IO;
    char text[KEY_FILE_MOST];
    int rc = write_all(fd, text, key_text(key, text));
    sodium_memzero(text, sizeof text);
    if (rc == 0 && (fchmod(fd, 0600) != 0 || fsync(fd) != 0))
        rc = ERR_IO;
    if (close(fd) != 0)
        rc = ERR_IO;
    if (rc == 0)
        rc = sync_parent(file);
    if (rc != 0)
        unlink(file);
    return rc;
}

/* Takes "name = value" into the key; false when the line is none of the table's or comes twice. */
static bool key_take_line(struct seat_key *key, char *line, unsigned *seen)
{
    char *equals = strstr(line, " = ");

    if (!equals)
        return false;
    *equals = '\0';
    const char *value = equals + 3;
    for (size_t i = 0; i < KEY_LINES; i++) {
        const struct key_line *l = &key_lines[i];
        char *field = (char *)key + l->offset;
        if (strcmp(line, l->name) != 0)
            continue;
        if (*seen & 1u << i)
            return false;
        *seen |= 1u << i;
        if (!l->text)
            return hex_decode((uint8_t *)field, KEY_SIZE, value);
        if (strlen(value) >= l->text)
            return false;
        memcpy(field, value, strlen(value) + 1);
        return true;
    }
    return false;
}

static bool age_consistent(const struct seat_key *key)
{
    struct seal_key age = key->age;

    if (!seat_key_has_age(key))
        return true;
    seal_key_complete(&age);
    bool good = memcmp(age.public_key, key->age.public_key, SEAL_KEY_SIZE) == 0;
    sodium_memzero(&age, sizeof age);
    return good;
}

static bool key_consistent(const struct seat_key *key)
{
    uint8_t curve[KEY_SIZE], sign[KEY_SIZE];

    if (crypto_scalarmult_base(curve, key->curve_secret) != 0)
        return false;
    if (key->token_uri[0])
        memcpy(sign, key->sign_public, KEY_SIZE); /* the token tells, once it is opened */
    else
        sign_public_of(sign, key->sign_seed);
    return identifier_valid(key->seat) && office_valid(key->office) &&
           memcmp(curve, key->curve_public, KEY_SIZE) == 0 &&
           memcmp(sign, key->sign_public, KEY_SIZE) == 0 && age_consistent(key);
}

static int key_parse(struct seat_key *key, char *text, const char *file, struct buf *why)
{
    unsigned seen = 0;
    int number = 0;

    for (char *next, *line = text; *line; line = next) {
        next = strchrnul(line, '\n');
        if (*next)
            *next++ = '\0';
        number++;
        if (line[0] == '\0' || line[0] == '#' || key_take_line(key, line, &seen))
            continue;
        buf_printf(why, "%s:%d: not a line of a key file, or it comes twice", file, number);
        return ERR_MALFORMED;
    }
    if (seen & 1u << SEED && seen & 1u << TOKEN) {
        buf_printf(why, "%s: its key lies in the file or on a token: take \"%s\" or \"%s\" away",
                   file, key_lines[SEED].name, key_lines[TOKEN].name);
        return ERR_MALFORMED;
    }
    for (size_t i = 0; i < KEY_LINES; i++)
        if (!(seen & 1u << i) && (key_has_line(key, i) || (i >= AGE && seen >> AGE))) {
            buf_printf(why, "%s: no line \"%s = ...\"", file, key_lines[i].name);
            return ERR_MALFORMED;
        }
    if (!key_consistent(key)) {
        buf_printf(why, "%s: seat or office is malformed, or a public key does not fit its secret",
                   file);
        return ERR_MALFORMED;
    }
    return 0;
}

static int key_open(const char *file, int *fd, struct buf *why)
{
    struct stat st;

    *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st) != 0) {
        int rc = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        buf_printf(why, "%s: %s", file, strerror(errno));
        return rc;
    }
    if (!S_ISREG(st.st_mode) || st.st_size >= KEY_FILE_MOST) {
        buf_printf(why, "%s: not a key file", file);
        return ERR_MALFORMED;
    }
    if (st.st_mode & 077) {
        buf_printf(why, "%s: others can read this secret (mode %04o); run: chmod 600 '%s'", file,
                   (unsigned)(st.st_mode & 07777), file);
        return ERR_FILE_MODE;
    }
    return 0;
}

int seat_key_read(struct seat_key *key, const char *file, struct buf *why)
{
    char text[KEY_FILE_MOST] = {0};
    struct seat_key read_key = {0};
    int fd;
    int rc = key_open(file, &fd, why);

    if (rc != 0)
        goto out;
    ssize_t n = read(fd, text, sizeof text - 1);
    if (n < 0) {
        buf_printf(why, "%s: %s", file, strerror(errno));
        rc = ERR_IO;
        goto out;
    }
    rc = key_parse(&read_key, text, file, why);
    if (rc == 0)
        *key = read_key;
out:
    sodium_memzero(text, sizeof text);
    seat_key_clear(&read_key);
    if (fd >= 0)
        close(fd);
    return rc;
}

/* ---- keys on a token ---- */

static int refuse_other(const struct seat_key *key, const char *file, struct buf *why)
{
    char stated[2 * KEY_SIZE + 1], found[2 * KEY_SIZE + 1];

    hex_encode(stated, key->sign_public, KEY_SIZE);
    hex_encode(found, token_public(key->token), KEY_SIZE);
    buf_printf(why, "%s: the token has another key, %s, than the file says, %s; insert the seat's",
               file, found, stated);
    return ERR_TOKEN_KEY;
}

int seat_key_open(struct seat_key *key, const char *file, struct buf *why)
{
    struct seat_key opened = {0};
    int rc = seat_key_read(&opened, file, why);

    if (rc == 0 && opened.token_uri[0])
        rc = token_open(&opened.token, opened.token_uri, why);
    if (rc == 0 && opened.token &&
        memcmp(token_public(opened.token), opened.sign_public, KEY_SIZE) != 0)
        rc = refuse_other(&opened, file, why);
    if (rc == 0) {
        *key = opened;
        opened.token = NULL;
    }
    seat_key_clear(&opened);
    return rc;
}

int seat_key_to_token(struct seat_key *key, const char *uri, struct buf *why)
{
    struct token *token;
    int rc = token_make(&token, uri, why);

    if (rc)
        return rc;
    token_close(key->token);
    key->token = token;
    snprintf(key->token_uri, sizeof key->token_uri, "%s", uri);
    memcpy(key->sign_public, token_public(token), KEY_SIZE);
    sodium_memzero(key->sign_seed, KEY_SIZE);
    return 0;
}

/* ---- signing ---- */

struct sign_key seat_key_signs(const struct seat_key *key)
{
    assert(key->token || !key->token_uri[0]); /* it was opened */
    return (struct sign_key){key->sign_public, key->sign_seed, key->token};
}

int sign_bytes(uint8_t signature[SIGNATURE_SIZE], struct slice message, const struct sign_key *key)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    if (key->token)
        return token_sign(key->token, message, signature);
    memcpy(secret, key->seed, KEY_SIZE);
    memcpy(secret + KEY_SIZE, key->public_key, KEY_SIZE);
    crypto_sign_detached(signature, NULL, message.data, message.size, secret);
    sodium_memzero(secret, sizeof secret);
    return 0;
}

bool sign_check(const uint8_t signature[SIGNATURE_SIZE], struct slice message,
                const uint8_t public_key[KEY_SIZE])
{
    return crypto_sign_verify_detached(signature, message.data, message.size, public_key) == 0;
}

/* "chancery-event-v1" NUL root */
struct signed_text {
    uint8_t bytes[sizeof domain + HASH_SIZE];
};

static struct slice root_text(struct signed_text *t, const struct hash *root)
{
    memcpy(t->bytes, domain, sizeof domain);
    memcpy(t->bytes + sizeof domain, root->bytes, HASH_SIZE);
    return slice_of(t->bytes, sizeof t->bytes);
}

static ProtobufCBinaryData binary(const void *data, size_t size)
{
    /* protobuf-c has no const bytes; pack reads only */
    union {
        const void *in;
        uint8_t *out;
    } cast = {data};

    return (ProtobufCBinaryData){size, cast.out};
}

int sign_events_salted(const struct seat_key *key, const struct slice envelopes[],
                       const uint8_t (*salts)[SALT_SIZE], size_t n, struct buf events[])
{
    const struct sign_key by = seat_key_signs(key);
    struct hash leaves[BATCH_MOST], paths[BATCH_MOST][6], root;
    struct hash_text leaf_texts[BATCH_MOST] = {0};
    size_t lengths[BATCH_MOST];
    uint8_t signature[SIGNATURE_SIZE], id[KEY_ID_SIZE];
    struct signed_text text;

    assert(n >= 1 && n <= BATCH_MOST);
    for (size_t i = 0; i < n; i++)
        leaf_texts[i] = tree_batch_leaf(slice_of(salts[i], SALT_SIZE), envelopes[i]);
    hash_many(leaves, leaf_texts, n);
    tree_small(leaves, n, &root, paths, lengths);
    int rc = sign_bytes(signature, root_text(&text, &root), &by);
    if (rc)
        return rc;
    key_id(id, key->sign_public);
    for (size_t i = 0; i < n; i++) {
        Core__SignedEvent event = CORE__SIGNED_EVENT__INIT;
        ProtobufCBinaryData path[6];
        for (size_t k = 0; k < lengths[i]; k++)
            path[k] = binary(paths[i][k].bytes, HASH_SIZE);
        event.envelope = binary(envelopes[i].data, envelopes[i].size);
        event.key_id = binary(id, sizeof id);
        event.salt = binary(salts[i], SALT_SIZE);
        event.signature = binary(signature, sizeof signature);
        event.leaf_index = (uint32_t)i;
        event.tree_size = (uint32_t)n;
        event.path = path;
        event.n_path = lengths[i];
        buf_reset(&events[i]);
        size_t size = core__signed_event__get_packed_size(&event);
        core__signed_event__pack(&event, buf_grow(&events[i], size));
    }
    return 0;
}

int sign_events(const struct seat_key *key, const struct slice envelopes[], size_t n,
                struct buf events[])
{
    uint8_t salts[BATCH_MOST][SALT_SIZE];

    assert(n >= 1 && n <= BATCH_MOST);
    randombytes_buf(salts, n * SALT_SIZE);
    return sign_events_salted(key, envelopes, salts, n, events);
}

bool sign_path_fits(const Core__SignedEvent *event)
{
    if (event->tree_size < 1 || event->tree_size > BATCH_MOST ||
        event->leaf_index >= event->tree_size ||
        event->n_path != (size_t)tree_inclusion_length(event->leaf_index, event->tree_size))
        return false;
    for (size_t i = 0; i < event->n_path; i++)
        if (event->path[i].len != HASH_SIZE)
            return false;
    return true;
}

static struct hash_text leaf_of(const Core__SignedEvent *event)
{
    return tree_batch_leaf(slice_of(event->salt.data, event->salt.len),
                           slice_of(event->envelope.data, event->envelope.len));
}

bool sign_event_root(const Core__SignedEvent *event, struct hash *root)
{
    const struct hash_text text = leaf_of(event);
    struct hash leaf, path[6];

    if (!sign_path_fits(event))
        return false;
    for (size_t i = 0; i < event->n_path; i++)
        memcpy(path[i].bytes, event->path[i].data, HASH_SIZE);
    hash_text(&leaf, &text);
    return tree_inclusion_root(event->leaf_index, event->tree_size, &leaf, path, (int)event->n_path,
                               root);
}

static bool is_whole_batch(const Core__SignedEvent *const events[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (events[i]->tree_size != n || events[i]->leaf_index != i)
            return false;
    return true;
}

static bool has_path(const Core__SignedEvent *event, const struct hash path[])
{
    for (size_t i = 0; i < event->n_path; i++)
        if (memcmp(event->path[i].data, path[i].bytes, HASH_SIZE) != 0)
            return false;
    return true;
}

/* Each path is what the tree of all of them asks for: then each leads to its root. */
static bool batch_root(const Core__SignedEvent *const events[], size_t n, struct hash *root)
{
    struct hash leaves[BATCH_MOST], paths[BATCH_MOST][6];
    struct hash_text texts[BATCH_MOST] = {0};
    size_t lengths[BATCH_MOST];

    for (size_t i = 0; i < n; i++)
        texts[i] = leaf_of(events[i]);
    hash_many(leaves, texts, n);
    tree_small(leaves, n, root, paths, lengths);
    for (size_t i = 0; i < n; i++)
        if (!has_path(events[i], paths[i]))
            return false;
    return true;
}

void sign_event_roots(const Core__SignedEvent *const events[], size_t n, struct hash roots[])
{
    assert(n >= 1 && n <= BATCH_MOST);
    if (is_whole_batch(events, n) && batch_root(events, n, &roots[0])) {
        for (size_t i = 1; i < n; i++)
            roots[i] = roots[0];
        return;
    }
    for (size_t i = 0; i < n; i++) {
        bool fits = sign_event_root(events[i], &roots[i]);
        assert(fits);
    }
}

bool sign_root_check(const struct hash *root, struct slice signature,
                     const uint8_t public_key[KEY_SIZE])
{
    struct signed_text text;

    return signature.size == SIGNATURE_SIZE &&
           sign_check(signature.data, root_text(&text, root), public_key);
}
