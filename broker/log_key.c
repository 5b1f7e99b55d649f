/* SPDX-License-Identifier: Apache-2.0 */
/* The log's key lies in two lines of text, "name = ..." and "seed = ...": its public key follows
 * from the seed.  Secrets that pass through memory of this file are wiped.
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

enum { LOG_KEY_MOST = 1024 };

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

int log_key_write(const struct log_key *key, const char *file)
{
    char text[LOG_KEY_MOST], seed[2 * KEY_SIZE + 1];

    hex_encode(seed, key->seed, KEY_SIZE);
    int n = snprintf(text, sizeof text,
                     "# Secret key of a log.  Whoever has this file can sign a false checkpoint: "
                     "never copy it, never send it.\nname = %s\nseed = %s\n",
                     key->name, seed);
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

static bool log_key_line(struct log_key *key, const char *line, unsigned *seen)
{
    if (line[0] == '\0' || line[0] == '#')
        return true;
    bool is_name = strncmp(line, "name = ", 7) == 0;
    if (!is_name && strncmp(line, "seed = ", 7) != 0)
        return false;
    unsigned bit = is_name ? 1 : 2;
    if (*seen & bit)
        return false;
    *seen |= bit;
    if (!is_name)
        return hex_decode(key->seed, KEY_SIZE, line + 7);
    if (!log_name_valid(line + 7))
        return false;
    memcpy(key->name, line + 7, strlen(line + 7) + 1);
    return true;
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
    if (seen != 3) {
        buf_printf(why, "%s: not a log's key: no line \"%s = ...\"", file,
                   seen & 1 ? "seed" : "name");
        return ERR_MALFORMED;
    }
    public_of(key->public_key, key->seed);
    return 0;
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
        sodium_memzero(key, sizeof *key);
    return err;
}

void log_key_sign(const struct log_key *key, uint64_t size, const struct hash *root,
                  struct buf *note)
{
    struct checkpoint c = {.size = size, .root = *root};

    memcpy(c.origin, key->name, sizeof c.origin);
    checkpoint_sign(note, &c, key->seed, key->public_key);
}
