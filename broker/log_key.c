/* SPDX-License-Identifier: Apache-2.0 */
/* The log's key lies in two lines of text, "name = ..." and "seed = ...", or "token = ..." with the
 * URI of a token that has it: the public key follows from the seed or is the token's.  Secrets that
 * pass through memory of this file are wiped.
 */
#include "broker/log_key.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"

enum { LOG_KEY_MOST = 2048 };

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
    int err = file_create(file, slice_of(text, (size_t)n), 0600);
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

/* Into memory that is wiped; a file as large as that is none. */
static int log_key_take(int fd, char text[LOG_KEY_MOST])
{
    size_t size = 0;
    ssize_t n = 1;

    while (size < LOG_KEY_MOST && n != 0) {
        n = read(fd, text + size, LOG_KEY_MOST - size);
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        size += n > 0 ? (size_t)n : 0;
    }
    return size == LOG_KEY_MOST ? ERR_MALFORMED : 0;
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
    int fd = log_key_open(file, why);

    *key = (struct log_key){0};
    if (fd < 0)
        return fd;
    int err = log_key_take(fd, text);
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

int log_key_sign(const struct log_key *key, uint64_t size, const struct hash *root,
                 struct buf *note)
{
    struct checkpoint c = {.size = size, .root = *root};

    memcpy(c.origin, key->name, sizeof c.origin);
    return checkpoint_sign(note, &c, &(struct sign_key){key->public_key, key->seed, key->token});
}
