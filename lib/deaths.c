/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/deaths.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/err.h"

struct deaths { /* as in the file; all zero = none */
    uint64_t position;
    uint64_t count;
};

int deaths_open(struct deaths **out, const char *file)
{
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ERR_IO;
    /* allocated, not only sized: on a full disk a write to the map would end the process */
    int err = posix_fallocate(fd, 0, sizeof **out);
    void *map =
        err ? MAP_FAILED : mmap(NULL, sizeof **out, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    err = map == MAP_FAILED && !err ? errno : err;
    close(fd);
    errno = err;
    if (map == MAP_FAILED)
        return ERR_IO;
    *out = map;
    return 0;
}

void deaths_close(struct deaths *d)
{
    if (d)
        munmap(d, sizeof *d);
}

uint64_t deaths_of(const struct deaths *d, uint64_t position)
{
    return d->position == position ? d->count : 0;
}

void deaths_expect(struct deaths *d, uint64_t position)
{
    uint64_t before = deaths_of(d, position);

    d->position = position;
    d->count = before + 1;
}

void deaths_forget(struct deaths *d, uint64_t position)
{
    if (d->position == position)
        *d = (struct deaths){0};
}
