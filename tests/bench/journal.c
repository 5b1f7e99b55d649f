/* SPDX-License-Identifier: Apache-2.0 */
/* journal.c - what appending costs the log alone: events of 1 KiB, -b of them a commit
 *
 * -d names a directory on the disk that is meant; a tmpfs syncs nothing.
 */
#include <sys/statfs.h>

#include "lib/err.h"
#include "tests/bench/bench.h"
#include "tests/support/records.h"

static int take(void *arg, const struct journal_record *record)
{
    uint64_t *bytes = arg;

    *bytes += record->event.size + record->payload.size;
    return 0;
}

/* The same bytes again under new ids: only what the journal itself reads is changed. */
static void renew(struct records *r, size_t n, int64_t *now)
{
    for (size_t i = 0; i < n; i++) {
        r->events[i].received = ++*now;
        id_v7(r->events[i].id, *now * 1000);
    }
}

static uint64_t append(const struct bench_options *o, struct journal *j, struct records *r)
{
    struct samples commits = {0};
    int64_t now = r->events[2047].received;
    uint64_t n = 0, first;
    double spent = 0;

    for (; spent < o->seconds; n += o->batch) {
        renew(r, o->batch, &now);
        uint64_t at = bench_now_ns();
        if (journal_append(j, r->events, o->batch, &first))
            bench_fail("append", "the log takes nothing");
        samples_add(&commits, bench_now_ns() - at);
        spent += (double)commits.ns[commits.n - 1] / 1e9;
    }
    bench_report(o, "append to the log", n, spent, &commits);
    samples_free(&commits);
    return n;
}

int main(int argc, char **argv)
{
    struct records *r = mem_new(sizeof *r);
    struct bench_options o;
    struct buf why = {0};
    struct journal *j;
    struct statfs fs;
    uint64_t bytes = 0, next;

    bench_options(&o, argc, argv, "journal");
    if (o.batch > 2048)
        bench_fail("-b", "1 to 2048");
    o.window = o.batch;
    if (statfs(o.dir, &fs) == 0 && fs.f_type == 0x01021994)
        printf("note: %s is a tmpfs: it syncs nothing\n", o.dir);
    for (size_t i = 0; i < 2048; i++)
        records_add(r, (int)(i / 64 % RECORDS_SEATS), (int)(i / 64 % 3), (int)(i % 3), 700, false);
    char *dir = bench_dir(&o);
    if (journal_create(dir, r->events, 1) || journal_open(&j, dir, false, &why))
        bench_fail(dir, buf_cstr(&why));
    uint64_t before = journal_size_on_disk(j), n = append(&o, j, r);
    uint64_t grown = journal_size_on_disk(j) - before;
    double start = bench_now();
    journal_read(j, NULL, 1, SIZE_MAX, take, &bytes, &next);
    bench_report(&o, "read from the log", n, bench_now() - start, NULL);
    printf("note: %.0f bytes on disk for an event of %llu\n", (double)grown / (double)n,
           (unsigned long long)(bytes / (n + 1)));
    journal_close(j);
    bench_dir_remove(dir);
    records_clear(r);
    mem_free(r);
    buf_free(&why);
    return 0;
}
