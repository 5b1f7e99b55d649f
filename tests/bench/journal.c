/* SPDX-License-Identifier: Apache-2.0 */
/* What appending costs on this disk: events of 1 KiB, so many a commit; and bytes on disk an event.
 *
 *   bench_journal [DIR]   default /var/tmp; not a tmpfs, which syncs nothing
 */
#include <sys/statfs.h>
#include <time.h>

#include "lib/err.h"
#include "tests/support/records.h"

static const size_t batches[] = {1, 64, 512, 2048};

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int ignore(void *arg, const struct journal_record *record)
{
    uint64_t *n = arg;

    *n += record->event.size + record->payload.size;
    return 0;
}

/* Event and payload together are 1 KiB.  The same bytes again under new ids: only what the journal
 * itself reads is changed. */
static void run(const char *dir, size_t batch, double limit)
{
    struct records *r = mem_new(sizeof *r);
    struct buf why = {0};
    struct journal *j;
    uint64_t first, n = 0, bytes = 0, next;

    for (size_t i = 0; i < 2048; i++)
        records_add(r, (int)(i / 64 % RECORDS_SEATS), (int)(i / 64 % 3), (int)(i % 3), 700, false);
    if (journal_create(dir, r->events, 1) || journal_open(&j, dir, false, &why)) {
        fprintf(stderr, "%s: %s\n", dir, buf_cstr(&why));
        exit(1);
    }
    uint64_t before = journal_size_on_disk(j);
    int64_t now = r->events[2047].received;
    double start = seconds(), append = 0;
    while (append < limit) {
        for (size_t i = 0; i < batch; i++) {
            r->events[i].received = ++now;
            id_v7(r->events[i].id, now * 1000);
        }
        double at = seconds();
        if (journal_append(j, r->events, batch, &first))
            exit(1);
        append += seconds() - at;
        n += batch;
    }
    uint64_t grown = journal_size_on_disk(j) - before;
    start = seconds();
    journal_read(j, NULL, 1, SIZE_MAX, ignore, &bytes, &next);
    double read = seconds() - start;
    printf("%5zu a commit: %9.0f events/s, %7.3f ms a commit, %5.0f bytes an event (of %zu), read "
           "back %9.0f/s\n",
           batch, (double)n / append, 1000 * append / ((double)n / (double)batch),
           (double)grown / (double)n, (size_t)(bytes / (n + 1)), (double)n / read);
    fflush(stdout);
    journal_close(j);
    records_clear(r);
    mem_free(r);
    buf_free(&why);
}

int main(int argc, char **argv)
{
    const char *base = argc > 1 ? argv[1] : "/var/tmp";
    struct statfs fs;

    if (statfs(base, &fs) == 0 && fs.f_type == 0x01021994)
        printf("%s is a tmpfs: it syncs nothing, the figures say little\n", base);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        char *dir = mem_printf("%s/chancery-bench.XXXXXX", base);
        if (!mkdtemp(dir))
            return 1;
        run(dir, batches[i], 2.0);
        char *command = mem_printf("rm -rf '%s'", dir);
        int rc = system(command);
        mem_free(command);
        mem_free(dir);
        if (rc)
            return 1;
    }
    return 0;
}
