/* SPDX-License-Identifier: Apache-2.0 */
/* un_parse.c - how fast the UN list is read and made canonical, beside expat alone
 *
 * -q FILE.xml.xz: the best of ROUNDS, the two taken in turn, and the peak of memory.  Expat alone
 * has empty handlers for elements and text, so that it hands out everything.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "adapters/sanctions/un.h"
#include "tests/bench/bench.h"
#include "tests/support/unpack.h"

enum { ROUNDS = 40 };

static void nothing_start(void *arg, const char *name, const char **attributes)
{
    (void)arg, (void)name, (void)attributes;
}

static void nothing_end(void *arg, const char *name)
{
    (void)arg, (void)name;
}

static void nothing_text(void *arg, const char *text, int size)
{
    (void)arg, (void)text, (void)size;
}

static double expat_alone(struct slice file)
{
    double from = bench_now();
    XML_Parser p = XML_ParserCreate(NULL);

    XML_SetElementHandler(p, nothing_start, nothing_end);
    XML_SetCharacterDataHandler(p, nothing_text);
    if (XML_Parse(p, (const char *)file.data, (int)file.size, 1) != XML_STATUS_OK)
        exit(EXIT_FAILURE);
    XML_ParserFree(p);
    return bench_now() - from;
}

static int count(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    (void)party, (void)content;
    ++*(size_t *)arg;
    return 0;
}

static double canonical(struct slice file, size_t *parties)
{
    double from = bench_now();
    struct list list = {.counts = NULL};
    struct list_fault fault;
    struct hash snapshot, content;

    *parties = 0;
    hash_sha256(&snapshot, file);
    if (un_read(file, count, parties, &list, &fault) != 0) {
        fprintf(stderr, "%s: %s\n", fault.code, fault.text);
        exit(EXIT_FAILURE);
    }
    list_content(&list, &content);
    list_clear(&list);
    return bench_now() - from;
}

int main(int argc, char **argv)
{
    struct buf file = {0};
    struct bench_options o;
    struct rusage usage;
    double best[2] = {1e9, 1e9};
    size_t parties = 0;

    bench_options(&o, argc, argv, "UN list");
    if (!unpack(o.queue, &file))
        return EXIT_FAILURE;
    for (int i = 0; i < ROUNDS; i++) {
        double alone = expat_alone(slice_buf(&file));
        double all = canonical(slice_buf(&file), &parties);
        best[0] = alone < best[0] ? alone : best[0];
        best[1] = all < best[1] ? all : best[1];
    }
    getrusage(RUSAGE_SELF, &usage);
    o.size = file.size;
    bench_report(&o, "read by expat alone", 1, best[0], NULL);
    bench_report(&o, "read and made canonical", 1, best[1], NULL);
    printf("note: %zu parties, peak of memory %ld KiB\n", parties, usage.ru_maxrss);
    buf_free(&file);
    return EXIT_SUCCESS;
}
