/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_backup.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/backup.h"
#include "broker/checkpoint.h"
#include "broker/log_verify.h"
#include "broker/signed.h"
#include "broker/succession.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

static int refused(int err, struct buf *why)
{
    fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(why), err_code(err));
    buf_free(why);
    return EXIT_FAILURE;
}

static json_t *json_of(const struct manifest *m, const char *what, const char *where)
{
    char root[2 * HASH_SIZE + 1], made[40], received[40];

    hex_encode(root, m->root.bytes, HASH_SIZE);
    time_text(made, m->made);
    time_text(received, m->received);
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I}", "log", m->log, what, where, "head",
                     (json_int_t)m->head, "root", root, "received", received, "made", made, "files",
                     (json_int_t)m->n);
}

static void describe(const struct manifest *m, const char *what, const char *where, bool json)
{
    char root[2 * HASH_SIZE + 1], received[40];

    hex_encode(root, m->root.bytes, HASH_SIZE);
    time_text(received, m->received);
    if (json) {
        json_t *line = json_of(m, what, where);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
    } else {
        printf("%s %s: %s, head %" PRIu64 " of %s, root %s, %zu files\n", what, where, m->log,
               m->head, received, root, m->n);
    }
    fflush(stdout);
}

/* For `chancery doctor`: DIR/log/backup.json says when the last one was made. */
static void note_backup(const char *dir, const struct manifest *m, const char *file)
{
    char *path = mem_printf("%s/log/backup.json", dir), *real = realpath(file, NULL);
    json_t *line = json_of(m, "backup", real ? real : file);
    char *text = json_dumps(line, JSON_COMPACT);

    if (file_replace(path, slice_str(text)) != 0)
        fprintf(stderr,
                "chancery log: the backup is made; that it was cannot be noted for `chancery "
                "doctor`: %s: %s\n",
                path, strerror(errno));
    free(text);
    free(real);
    json_decref(line);
    mem_free(path);
}

int log_backup(const char *dir, const char *file, bool json)
{
    struct manifest m;
    struct buf why = {0};
    int err = backup_make(dir, file, &m, &why);

    if (err)
        return refused(err, &why);
    describe(&m, "backup", file, json);
    note_backup(dir, &m, file);
    manifest_clear(&m);
    return EXIT_SUCCESS;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void remove_tree(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int log_backup_verify(const char *file, bool json)
{
    struct manifest m;
    struct buf why = {0};
    char *dir = mem_printf("%s.XXXXXX", file);
    int status = EXIT_FAILURE;

    if (!mkdtemp(dir)) {
        buf_printf(&why, "%s: %s", dir, strerror(errno));
        mem_free(dir);
        return refused(ERR_IO, &why);
    }
    int err = backup_unpack(file, dir, &m, &why);
    if (err) {
        refused(err, &why);
    } else {
        describe(&m, "backup", file, json);
        status = log_verify(dir, json);
        manifest_clear(&m);
    }
    remove_tree(dir);
    mem_free(dir);
    return status;
}

/* ---- restore ---- */

struct restoring {
    const struct log_restore *r;
    struct manifest *manifest;
    struct seat_key administrator;
    struct log_key key;
    struct buf checkpoint, why;
    uint64_t lost;
};

/* What the predecessor had recorded by its newest checkpoint is lost behind the copy. */
static int read_loss(struct restoring *s)
{
    struct checkpoint c;
    const struct log_restore *r = s->r;
    int err = r->checkpoint ? file_read(r->checkpoint, &s->checkpoint) : 0;

    if (err == 0 && r->checkpoint)
        err = checkpoint_stated(&c, slice_buf(&s->checkpoint));
    if (err) {
        buf_printf(&s->why, "%s: %s", r->checkpoint, err_text(err));
        return err;
    }
    s->lost = r->lost || !r->checkpoint ? r->lost : c.size;
    if (s->lost && s->lost <= s->manifest->head) {
        buf_printf(&s->why,
                   "the backup has all %" PRIu64 " records, up to the last one stated: restore it "
                   "without --successor",
                   s->lost);
        return ERR_EXISTS;
    }
    return 0;
}

static int write_names(struct restoring *s)
{
    char *keys = mem_printf("%s/keys", s->r->dir), *file = mem_printf("%s/log.key", keys),
         *vkey = mem_printf("%s/log.vkey", s->r->dir);
    struct buf text = {0};
    int err = file_make_dir(keys);

    note_vkey(&text, s->key.name, s->key.public_key);
    buf_add_byte(&text, '\n');
    if (err == 0)
        err = log_key_write(&s->key, file);
    if (err == 0)
        err = file_replace(vkey, slice_buf(&text));
    if (err)
        buf_printf(&s->why, "%s: %s", file, strerror(errno));
    buf_free(&text);
    mem_free(keys);
    mem_free(file);
    mem_free(vkey);
    return err;
}

static int found_successor(struct restoring *s)
{
    struct journal *j = NULL;
    int err = seat_key_open(&s->administrator, s->r->administrator, &s->why);

    if (err == 0)
        err = read_loss(s);
    if (err == 0 && !log_name_valid(s->r->successor)) {
        buf_printf(&s->why, "--successor %s: words of [a-z0-9.-]{1,64} with '/' between them",
                   s->r->successor);
        err = ERR_FIELD;
    }
    if (err == 0) {
        log_key_make(&s->key, s->r->successor);
        err = write_names(s);
    }
    if (err == 0)
        err = journal_open(&j, s->r->dir, false, &s->why);
    if (err == 0)
        err = succession_found(j, s->r->dir,
                               &(struct succession){.key = &s->key,
                                                    .administrator = &s->administrator,
                                                    .lost = s->lost,
                                                    .checkpoint = slice_buf(&s->checkpoint),
                                                    .now = time_now()},
                               &s->why);
    journal_close(j);
    seat_key_clear(&s->administrator);
    log_key_clear(&s->key);
    buf_free(&s->checkpoint);
    return err;
}

/* The signer goes on from the copy's checkpoint, whose key is put back by a person. */
static int remember(struct restoring *s)
{
    struct checkpoint c;
    struct buf note = {0};
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    int err = log_vkey_read(s->r->dir, name, key);

    if (err == 0)
        err = checkpoint_read(s->r->dir, name, key, &c, &note);
    if (err == 0)
        err = signed_begin(s->r->dir, name, slice_buf(&note));
    if (err)
        buf_printf(&s->why, "%s/signer cannot be made of log/checkpoint: %s", s->r->dir,
                   err_text(err));
    buf_free(&note);
    return err;
}

/* What a person must do next, for nothing here can know it. */
static void tell_next(const struct log_restore *r, const struct manifest *m)
{
    if (r->json)
        return;
    if (r->successor)
        printf(
            "it goes on as %s: put the other keys and chancery.conf back, with [log] name = %s\n",
            r->successor, r->successor);
    else
        printf(
            "put keys, signer and chancery.conf back; if anything was recorded behind position %" PRIu64
            ", restore it anew with --successor\n",
            m->head);
}

int log_restore(const struct log_restore *r)
{
    struct manifest m;
    struct restoring s = {.r = r, .manifest = &m};
    bool existed = access(r->dir, F_OK) == 0;
    int err = backup_unpack(r->file, r->dir, &m, &s.why), status = EXIT_FAILURE;

    if (err)
        return refused(err, &s.why);
    err = r->successor ? found_successor(&s) : remember(&s);
    if (err) {
        refused(err, &s.why);
    } else {
        describe(&m, "restored", r->dir, r->json);
        status = log_verify(r->dir, r->json);
    }
    if (status == EXIT_SUCCESS)
        tell_next(r, &m);
    else
        remove_tree(r->dir);
    if (status != EXIT_SUCCESS && existed)
        mkdir(r->dir, 0700);
    manifest_clear(&m);
    return status;
}
