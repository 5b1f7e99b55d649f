/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/signed.h"

#include "broker/checkpoint.h"
#include "lib/file.h"
#include "lib/mem.h"

char *signed_dir(const char *dir)
{
    return mem_printf("%s/signer", dir);
}

/* The name of a log has no '_'. */
char *signed_file(const char *dir, const char *log)
{
    char *file = mem_printf("%s/signer/%s", dir, log);

    for (char *at = file + strlen(file) - strlen(log); *at; at++)
        if (*at == '/')
            *at = '_';
    return file;
}

int signed_read(const char *dir, const struct log_key *key, struct checkpoint *last,
                struct buf *note)
{
    char *file = signed_file(dir, key->name);
    int err = checkpoint_file(file, key->name, key->public_key, last, note);

    mem_free(file);
    return err;
}

int signed_write(const char *dir, const char *log, struct slice note)
{
    char *file = signed_file(dir, log);
    int err = file_replace(file, note);

    mem_free(file);
    return err;
}

int signed_begin(const char *dir, const char *log, struct slice note)
{
    char *made = signed_dir(dir);
    int err = file_make_dir(made);

    if (err == 0)
        err = file_sync_dir(dir);
    if (err == 0)
        err = signed_write(dir, log, note);
    mem_free(made);
    return err;
}

int signed_found(const char *dir, const struct log_key *key, uint64_t size, const struct hash *root)
{
    struct buf note = {0};

    int err = log_key_sign(key, size, root, &note);
    if (err == 0)
        err = signed_begin(dir, key->name, slice_buf(&note));
    if (err == 0)
        err = checkpoint_write(dir, slice_buf(&note));
    buf_free(&note);
    return err;
}
