/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/log_backup.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "broker/backup.h"
#include "broker/log_verify.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

static int refused(int err, struct buf *why)
{
    fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(why), err_code(err));
    buf_free(why);
    return EXIT_FAILURE;
}

static void describe(const struct manifest *m, const char *what, const char *where, bool json)
{
    char root[2 * HASH_SIZE + 1], made[40], received[40];

    hex_encode(root, m->root.bytes, HASH_SIZE);
    time_text(made, m->made);
    time_text(received, m->received);
    if (json) {
        json_t *line = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I}", "log", m->log, what, where,
                                 "head", (json_int_t)m->head, "root", root, "received", received,
                                 "made", made, "files", (json_int_t)m->n);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
    } else {
        printf("%s %s: %s, head %" PRIu64 " of %s, root %s, %zu files\n", what, where, m->log,
               m->head, received, root, m->n);
    }
    fflush(stdout);
}

int log_backup(const char *dir, const char *file, bool json)
{
    struct manifest m;
    struct buf why = {0};
    int err = backup_make(dir, file, &m, &why);

    if (err)
        return refused(err, &why);
    describe(&m, "backup", file, json);
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

int log_restore(const char *file, const char *dir, bool json)
{
    struct manifest m;
    struct buf why = {0};
    int err = backup_unpack(file, dir, &m, &why);

    if (err)
        return refused(err, &why);
    describe(&m, "restored", dir, json);
    manifest_clear(&m);
    return log_verify(dir, json);
}
