/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/mem.h"

enum { PIECE = 64 * 1024 };

static int failed(void)
{
    return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

int file_sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd >= 0 && fsync(fd) == 0 ? 0 : failed();

    if (fd >= 0)
        close(fd);
    return rc;
}

int file_sync_dir_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    char *dir = slash ? mem_strn(file, (size_t)(slash - file) + 1) : mem_str(".");
    int rc = file_sync_dir(dir);

    mem_free(dir);
    return rc;
}

int file_read(const char *file, struct buf *out)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0)
        return failed();
    while (n > 0 || (n < 0 && errno == EINTR)) {
        size_t before = out->size;
        n = read(fd, buf_grow(out, PIECE), PIECE);
        out->size = before + (n > 0 ? (size_t)n : 0);
    }
    close(fd);
    return n < 0 ? ERR_IO : 0;
}

int file_write_at(int fd, struct slice bytes, uint64_t offset)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t n = pwrite(fd, bytes.data + done, bytes.size - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR)
            return ERR_IO;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int file_create(const char *file, struct slice bytes, mode_t mode)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

    if (fd < 0)
        return errno == EEXIST ? ERR_EXISTS : failed();
    int rc = file_write_at(fd, bytes, 0) == 0 && fsync(fd) == 0 ? 0 : ERR_IO;
    if (close(fd) != 0)
        rc = ERR_IO;
    if (rc == 0)
        rc = file_sync_dir_of(file);
    if (rc != 0)
        unlink(file);
    return rc;
}

static int replace(const char *file, struct slice bytes, mode_t mode)
{
    char *made = mem_printf("%s.new", file);
    int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    int rc = fd >= 0 && file_write_at(fd, bytes, 0) == 0 && fsync(fd) == 0 ? 0 : ERR_IO;

    if (fd >= 0 && close(fd) != 0)
        rc = ERR_IO;
    if (rc == 0 && rename(made, file) != 0)
        rc = ERR_IO;
    if (rc != 0 && fd >= 0)
        unlink(made);
    mem_free(made);
    return rc;
}

int file_replace(const char *file, struct slice bytes)
{
    int rc = replace(file, bytes, 0600);

    return rc ? rc : file_sync_dir_of(file);
}

int file_publish(const char *file, struct slice bytes)
{
    return replace(file, bytes, 0644);
}

int file_make_dir(const char *dir)
{
    return mkdir(dir, 0700) == 0 || errno == EEXIST ? 0 : ERR_IO;
}

int mapped_open(struct mapped *f, const char *file)
{
    struct stat st;

    *f = (struct mapped){.fd = open(file, O_RDONLY | O_CLOEXEC)};
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return failed();
    if (st.st_size == 0)
        return 0;
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, f->fd, 0);
    if (map == MAP_FAILED)
        return ERR_IO;
    f->bytes = slice_of(map, (size_t)st.st_size);
    return 0;
}

void mapped_close(struct mapped *f)
{
    union {
        const void *lent;
        void *map;
    } u = {.lent = f->bytes.data};

    if (f->bytes.size)
        munmap(u.map, f->bytes.size);
    if (f->fd >= 0)
        close(f->fd);
}
