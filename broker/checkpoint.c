/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/file.h"
#include "lib/mem.h"

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

int checkpoint_write(const char *dir, struct slice note)
{
    char *file = mem_printf("%s/log/checkpoint", dir);
    int err = file_replace(file, note);

    mem_free(file);
    return err;
}

int checkpoint_file(const char *file, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note)
{
    uint8_t text[NOTE_SIZE + 1];
    size_t size = 0;
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
    return err;
}

int checkpoint_read(const char *dir, const char *name, const uint8_t public_key[KEY_SIZE],
                    struct checkpoint *out, struct buf *note)
{
    char *file = mem_printf("%s/log/checkpoint", dir);
    int err = checkpoint_file(file, name, public_key, out, note);

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
