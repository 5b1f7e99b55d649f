/* SPDX-License-Identifier: Apache-2.0 */
/* The log's key lies in two lines of text, "name = ..." and "seed = ...", or "token = ..." with the
 * URI of a token that has it: the public key follows from the seed or is the token's.  Secrets that
 * pass through memory of this file are wiped.
 */
#include "broker/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

enum { LOG_KEY_MOST = 2048 };

/* ---- files ---- */

static int write_all(int fd, const void *data, size_t size)
{
    const uint8_t *at = data;

    while (size) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno != EINTR)
            return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static int sync_dir_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *dir = slash ? mem_strn(file, (size_t)(slash - file) + 1) : mem_str(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0)
        close(fd);
    mem_free(dir);
    return err;
}

/* Writes and syncs a new file; an unfinished one is taken away. */
static int write_file(const char *file, const void *data, size_t size, int exclusive)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | exclusive, 0600);

    if (fd < 0)
        return errno == EEXIST ? ERR_EXISTS : ERR_IO;
    int err = write_all(fd, data, size);
    if (err == 0 && (fchmod(fd, 0600) != 0 || fsync(fd) != 0))
        err = ERR_IO;
    if (close(fd) != 0 && err == 0)
        err = ERR_IO;
    if (err)
        unlink(file);
    return err;
}

/* At most `most` bytes; longer is malformed. */
static int read_fd(int fd, void *data, size_t most, size_t *size)
{
    uint8_t *at = data;
    ssize_t n = 1;

    *size = 0;
    while (*size < most && n != 0) {
        n = read(fd, at + *size, most - *size);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        *size += n > 0 ? (size_t)n : 0;
    }
    return *size == most ? ERR_MALFORMED : 0;
}

/* ---- the key ---- */

static void public_of(uint8_t public_key[KEY_SIZE], const uint8_t seed[KEY_SIZE])
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];

    crypto_sign_seed_keypair(public_key, secret, seed);
    sodium_memzero(secret, sizeof secret);
}

void log_key_make(struct log_key *key, const char *name)
{
    assert(log_name_valid(name) && sodium_init() >= 0);
    *key = (struct log_key){0};
    memcpy(key->name, name, strlen(name));
    randombytes_buf(key->seed, KEY_SIZE);
    public_of(key->public_key, key->seed);
}

int log_key_to_token(struct log_key *key, const char *uri, struct buf *why)
{
    struct token *token;
    int err = token_make(&token, uri, why);

    if (err)
        return err;
    token_close(key->token);
    key->token = token;
    snprintf(key->token_uri, sizeof key->token_uri, "%s", uri);
    memcpy(key->public_key, token_public(token), KEY_SIZE);
    sodium_memzero(key->seed, KEY_SIZE);
    return 0;
}

void log_key_clear(struct log_key *key)
{
    token_close(key->token);
    sodium_memzero(key, sizeof *key);
}

int log_key_write(const struct log_key *key, const char *file)
{
    char text[LOG_KEY_MOST], seed[2 * KEY_SIZE + 1];
    bool on_token = key->token_uri[0] != '\0';

    hex_encode(seed, key->seed, KEY_SIZE);
    int n = snprintf(text, sizeof text,
                     "# Secret key of a log.  Whoever has this file can sign a false checkpoint: "
                     "never copy it, never send it.\nname = %s\n%s = %s\n",
                     key->name, on_token ? "token" : "seed", on_token ? key->token_uri : seed);
    int err = write_file(file, text, (size_t)n, O_EXCL);
    if (err == 0)
        err = sync_dir_of(file);
    sodium_memzero(text, sizeof text);
    sodium_memzero(seed, sizeof seed);
    return err;
}

static int log_key_open(const char *file, struct buf *why)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC), err = 0;

    if (fd < 0 || fstat(fd, &st) != 0) {
        err = errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
        buf_printf(why, "%s: %s", file, strerror(errno));
    } else if (st.st_mode & 077) {
        err = ERR_FILE_MODE;
        buf_printf(why, "%s: others can read this secret (mode %04o); run: chmod 600 '%s'", file,
                   (unsigned)(st.st_mode & 07777), file);
    }
    if (err && fd >= 0)
        close(fd);
    return err ? err : fd;
}

static bool take_name(struct log_key *key, const char *value)
{
    if (!log_name_valid(value))
        return false;
    memcpy(key->name, value, strlen(value) + 1);
    return true;
}

static bool take_seed(struct log_key *key, const char *value)
{
    return hex_decode(key->seed, KEY_SIZE, value);
}

static bool take_token(struct log_key *key, const char *value)
{
    size_t size = strlen(value);

    if (size == 0 || size >= sizeof key->token_uri)
        return false;
    memcpy(key->token_uri, value, size + 1);
    return true;
}

enum { NAME = 1, SECRET = 2 };

static const struct log_key_row {
    const char *begins;
    unsigned bit;
    bool (*take)(struct log_key *key, const char *value);
} log_key_rows[] = {
    {"name = ", NAME, take_name},
    {"seed = ", SECRET, take_seed},
    {"token = ", SECRET, take_token},
    {0},
};

static bool log_key_line(struct log_key *key, const char *line, unsigned *seen)
{
    if (line[0] == '\0' || line[0] == '#')
        return true;
    for (const struct log_key_row *row = log_key_rows; row->begins; row++) {
        size_t size = strlen(row->begins);
        if (strncmp(line, row->begins, size) != 0)
            continue;
        if (*seen & row->bit)
            return false;
        *seen |= row->bit;
        return row->take(key, line + size);
    }
    return false;
}

static int log_key_ready(struct log_key *key, struct buf *why)
{
    int err = key->token_uri[0] ? token_open(&key->token, key->token_uri, why) : 0;

    if (key->token)
        memcpy(key->public_key, token_public(key->token), KEY_SIZE);
    else
        public_of(key->public_key, key->seed);
    return err;
}

static int log_key_parse(struct log_key *key, char *text, const char *file, struct buf *why)
{
    unsigned seen = 0;
    int number = 0;

    for (char *next, *line = text; *line; line = next) {
        next = strchrnul(line, '\n');
        if (*next)
            *next++ = '\0';
        number++;
        if (!log_key_line(key, line, &seen)) {
            buf_printf(why, "%s:%d: not a line of a log's key, or it comes twice", file, number);
            return ERR_MALFORMED;
        }
    }
    if (seen != (NAME | SECRET)) {
        buf_printf(why, "%s: not a log's key: no line \"%s = ...\"", file,
                   seen & NAME ? "seed" : "name");
        return ERR_MALFORMED;
    }
    return log_key_ready(key, why);
}

int log_key_read(struct log_key *key, const char *file, struct buf *why)
{
    char text[LOG_KEY_MOST] = {0};
    size_t size;
    int fd = log_key_open(file, why);

    *key = (struct log_key){0};
    if (fd < 0)
        return fd;
    int err = read_fd(fd, text, sizeof text, &size);
    close(fd);
    if (err)
        buf_printf(why, "%s: %s", file, err_text(err));
    else
        err = log_key_parse(key, text, file, why);
    sodium_memzero(text, sizeof text);
    if (err)
        log_key_clear(key);
    return err;
}

/* ---- the checkpoint ---- */

int log_vkey_read(const char *dir, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE])
{
    struct buf text = {0};
    char *file = mem_printf("%s/log.vkey", dir);
    int err = file_read(file, &text);

    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == ' '))
        text.size--;
    if (err == 0)
        err = note_vkey_parse(slice_buf(&text), name, public_key);
    buf_free(&text);
    mem_free(file);
    return err;
}

int checkpoint_write(const char *dir, const struct log_key *key, uint64_t size,
                     const struct hash *root, struct buf *note)
{
    struct checkpoint c = {.size = size, .root = *root};
    struct buf text = {0};
    char *file = mem_printf("%s/log/checkpoint", dir);
    char *made = mem_printf("%s/log/checkpoint.new", dir);

    memcpy(c.origin, key->name, sizeof c.origin);
    int err =
        checkpoint_sign(&text, &c, &(struct sign_key){key->public_key, key->seed, key->token});
    if (err == 0)
        err = write_file(made, text.data, text.size, 0);
    if (err == 0 && rename(made, file) != 0)
        err = ERR_IO;
    if (err == 0)
        err = sync_dir_of(file);
    if (err == 0 && note) {
        buf_reset(note);
        buf_add(note, text.data, text.size);
    }
    buf_free(&text);
    mem_free(file);
    mem_free(made);
    return err;
}

int checkpoint_read(const char *dir, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note)
{
    uint8_t text[NOTE_SIZE + 1];
    size_t size = 0;
    char *file = mem_printf("%s/log/checkpoint", dir);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    int err = fd >= 0 ? 0 : errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;

    if (err == 0)
        err = read_fd(fd, text, sizeof text, &size);
    if (fd >= 0)
        close(fd);
    if (err == 0)
        err = checkpoint_open(out, slice_of(text, size), name, public_key);
    if (err == 0 && note) {
        buf_reset(note);
        buf_add(note, text, size);
    }
    mem_free(file);
    return err;
}

int64_t checkpoint_time(const char *dir)
{
    char *file = mem_printf("%s/log/checkpoint", dir);
    struct stat st;
    int64_t time =
        stat(file, &st) == 0 ? (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000 : 0;

    mem_free(file);
    return time;
}

int checkpoint_compare(struct journal *j, const struct checkpoint *c)
{
    struct tree tree;
    struct hash root;

    if (journal_head(j) < c->size)
        return ERR_NOT_FOUND;
    int err = tree_load(&tree, c->size, journal_stored_hash, j);
    if (err)
        return err == ERR_NOT_FOUND ? ERR_DAMAGED : err;
    tree_root(&tree, &root);
    return hash_equal(&root, &c->root) ? 0 : ERR_FORKED;
}

int checkpoint_check(struct journal *j, const struct checkpoint *c, struct buf *why)
{
    uint64_t head = journal_head(j);

    if (!c && head <= journal_founded(j))
        return 0;
    if (!c) {
        buf_printf(why,
                   "the log has %" PRIu64 " records and no checkpoint: it was rolled back or its "
                   "checkpoint was taken away; put DIR/log/checkpoint back",
                   head);
        return ERR_ROLLED_BACK;
    }
    int err = checkpoint_compare(j, c);
    if (err == ERR_NOT_FOUND)
        buf_printf(why,
                   "the checkpoint says %" PRIu64 " records, the log has %" PRIu64
                   ": it was rolled back; restore the newest copy of DIR/log",
                   c->size, head);
    else if (err == ERR_FORKED)
        buf_printf(why,
                   "the log's first %" PRIu64 " records are not those that the checkpoint was "
                   "made of; restore the newest copy of DIR/log",
                   c->size);
    else if (err)
        buf_printf(why, "the tree at %" PRIu64 " records cannot be read: %s", c->size,
                   err_text(err));
    return err == ERR_NOT_FOUND || err == ERR_FORKED ? ERR_ROLLED_BACK : err;
}
