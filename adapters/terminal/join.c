/* SPDX-License-Identifier: Apache-2.0 */
/* join.c - `join`: an invitation becomes a directory with keys, and a card to send back
 *
 * The card is written last: who has one has all of it.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "adapters/terminal/card.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/tokened.h"
#include "lib/err.h"
#include "lib/file.h"

static int failed(const char *path, int err)
{
    complain("%s: %s", path, err == ERR_IO ? strerror(errno) : err_text(err));
    return FAILED;
}

/* ---- the directory ---- */

static bool is_empty(const char *dir)
{
    DIR *d = opendir(dir);
    bool empty = d != NULL;

    for (const struct dirent *e; d && (e = readdir(d));)
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    if (d)
        closedir(d);
    return empty;
}

static int make_dirs(const char *dir)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return failed(dir, ERR_IO);
    if (!is_empty(dir)) {
        complain("%s is not empty; name a new directory", dir);
        return FAILED;
    }
    char *keys = mem_printf("%s/keys", dir);
    int rc = file_make_dir(keys) == 0 ? DONE : failed(keys, ERR_IO);
    mem_free(keys);
    return rc;
}

/* Takes the name over. */
static int create(char *file, struct slice bytes, mode_t mode)
{
    int err = file_create(file, bytes, mode);
    int rc = err ? failed(file, err) : DONE;

    mem_free(file);
    return rc;
}

static int write_settings(const struct invitation *in, const char *dir)
{
    struct buf conf = {0}, vkey = {0};

    buf_printf(&conf,
               "; settings of the seat %s; see chancery.conf(5)\n[log]\nname = %s\n\n"
               "[connection]\nendpoint = %s\nserver-key = %s\n\n[terminal]\nseat = %s\n",
               in->seat, in->log, in->endpoint, in->server_key, in->seat);
    buf_printf(&vkey, "%s\n", in->log_key);
    int rc = create(mem_printf("%s/chancery.conf", dir), slice_buf(&conf), 0600);
    if (rc == DONE)
        rc = create(mem_printf("%s/log.vkey", dir), slice_buf(&vkey), 0644);
    buf_free(&conf);
    buf_free(&vkey);
    return rc;
}

/* ---- keys and card ---- */

static int make_keys(const struct invitation *in, const char *dir, const char *token,
                     struct buf *card)
{
    struct seat_key key;
    char *file = mem_printf("%s/keys/%s.key", dir, in->seat);

    seat_key_make(&key, in->seat, in->office);
    int rc = tokened(&key, token);
    int err = rc == DONE ? seat_key_write(&key, file) : 0;
    if (rc == DONE && err == 0)
        err = card_write(in, &key, card);
    seat_key_clear(&key);
    if (err)
        rc = failed(file, err);
    mem_free(file);
    return rc;
}

static void tell(const struct invitation *in, const char *dir, struct slice card)
{
    uint8_t print[CARD_PRINT_SIZE];
    struct buf words = {0};

    card_print(print, card);
    text_words(&words, slice_of(print, sizeof print));
    printf("made %s: the keys of %s for %s in %s; they never leave it\n", dir, in->seat, in->office,
           in->log);
    show_line("card", "%s/%s.card", dir, in->seat);
    show_line("fingerprint", "%s", buf_cstr(&words));
    printf("next: send the card to who invited you, as an attachment, and compare the fingerprint"
           " by telephone; once admitted: chancery log head --dir %s\n",
           dir);
    buf_free(&words);
}

static int join(const struct invitation *in, const char *dir, const char *token)
{
    struct buf card = {0};
    int rc = make_dirs(dir);

    if (rc == DONE)
        rc = write_settings(in, dir);
    if (rc == DONE)
        rc = make_keys(in, dir, token, &card);
    if (rc == DONE)
        rc = create(mem_printf("%s/%s.card", dir, in->seat), slice_buf(&card), 0644);
    if (rc == DONE)
        tell(in, dir, slice_buf(&card));
    buf_free(&card);
    return rc;
}

int join_run(const struct call *c)
{
    struct invitation in = {0};
    struct buf text = {0}, why = {0};
    int rc = given_read(c->argument[0], CARD_MOST, &text);

    if (rc == DONE && invitation_read(&in, c->argument[0], slice_buf(&text), &why) != 0) {
        complain("%s", buf_cstr(&why));
        rc = FAILED;
    }
    if (rc == DONE)
        rc = join(&in, c->argument[1], c->option[OPT_TOKEN]);
    invitation_clear(&in);
    buf_free(&text);
    buf_free(&why);
    return rc;
}
