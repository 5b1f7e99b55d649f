/* SPDX-License-Identifier: Apache-2.0 */
/* un_parse.c - how fast the UN list is read and made canonical, beside expat alone
 *
 * bench_un_parse [FILE.xml.xz]: MB/s of the best of ROUNDS, the two taken in turn, and the peak of
 * memory.  Expat alone has empty handlers for elements and text, so that it hands out everything.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "adapters/sanctions/un.h"
#include "tests/support/unpack.h"

enum { ROUNDS = 40 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

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
    double from = now();
    XML_Parser p = XML_ParserCreate(NULL);

    XML_SetElementHandler(p, nothing_start, nothing_end);
    XML_SetCharacterDataHandler(p, nothing_text);
    if (XML_Parse(p, (const char *)file.data, (int)file.size, 1) != XML_STATUS_OK)
        exit(EXIT_FAILURE);
    XML_ParserFree(p);
    return now() - from;
}

static int count(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    (void)party, (void)content;
    ++*(size_t *)arg;
    return 0;
}

static double canonical(struct slice file, size_t *parties)
{
    double from = now();
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
    return now() - from;
}

int main(int argc, char **argv)
{
    const char *name =
        argc > 1 ? argv[1] : SOURCE_DIR "/tests/data/un/un-consolidated-2023-03-27.xml.xz";
    struct buf file = {0};
    struct rusage usage;
    double best[2] = {1e9, 1e9};
    size_t parties = 0;

    if (!unpack(name, &file))
        return EXIT_FAILURE;
    for (int i = 0; i < ROUNDS; i++) {
        double alone = expat_alone(slice_buf(&file));
        double all = canonical(slice_buf(&file), &parties);
        best[0] = alone < best[0] ? alone : best[0];
        best[1] = all < best[1] ? all : best[1];
    }
    getrusage(RUSAGE_SELF, &usage);
    double mb = (double)file.size / 1e6;
    printf("un_parse: file=%.2f MB parties=%zu expat=%.0f MB/s canonical=%.0f MB/s share=%.2f "
           "time=%.1f ms peak=%ld KiB\n",
           mb, parties, mb / best[0], mb / best[1], best[0] / best[1], best[1] * 1e3,
           usage.ru_maxrss);
    buf_free(&file);
    return EXIT_SUCCESS;
}
