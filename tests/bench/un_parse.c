/* SPDX-License-Identifier: Apache-2.0 */
/* un_parse.c - how fast the UN list is read, made canonical and compared, beside expat alone
 *
 * -q NEW.xml.xz -x OLD.xml.xz: the best of ROUNDS, taken in turn, and the peak of memory.  Expat
 * alone has empty handlers for elements and text, so that it hands out everything.  What is
 * compared with is there already, packed, as the worker keeps it.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "adapters/sanctions/un.h"
#include "tests/bench/bench.h"
#include "tests/support/unpack.h"
#include "workers/embargo/compare.h"
#include "workers/embargo/render.h"

enum { ROUNDS = 40, PARTIES_MOST = 4096 };

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

/* ---- the list ---- */

struct held {
    char reference[65];
    struct hash content;
    struct buf packed;
};

struct reading {
    struct held held[PARTIES_MOST]; /* of the old list, by reference */
    size_t n;
    struct arena *arena;
    size_t parties, amended, changes; /* of the new one */
};

static int hold(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    struct reading *r = arg;
    struct held *h = &r->held[r->n++];

    if (r->n == PARTIES_MOST)
        exit(EXIT_FAILURE);
    snprintf(h->reference, sizeof h->reference, "%s", party->reference);
    h->content = *content;
    sanctions__listed_party__pack(
        party, buf_grow(&h->packed, sanctions__listed_party__get_packed_size(party)));
    h->packed.size = sanctions__listed_party__get_packed_size(party);
    return 0;
}

static int by_reference(const void *a, const void *b)
{
    return strcmp(((const struct held *)a)->reference, ((const struct held *)b)->reference);
}

static int count(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    (void)party, (void)content;
    ++((struct reading *)arg)->parties;
    return 0;
}

static int compare(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    struct reading *r = arg;
    struct comparison found;
    struct held key;

    r->parties++;
    snprintf(key.reference, sizeof key.reference, "%s", party->reference);
    const struct held *h = bsearch(&key, r->held, r->n, sizeof key, by_reference);
    if (!h || hash_equal(&h->content, content))
        return 0;
    arena_reset(r->arena);
    const Sanctions__ListedParty *before =
        sanctions__listed_party__unpack(arena_allocator(r->arena), h->packed.size, h->packed.data);
    compare_parties(&found, before, party, r->arena);
    r->amended++;
    r->changes += found.n;
    return 0;
}

static double list_read(struct slice file, un_party *each, struct reading *r)
{
    double from = bench_now();
    struct list list = {.counts = NULL};
    struct list_fault fault;
    struct hash snapshot, content;

    r->parties = r->amended = r->changes = 0;
    hash_sha256(&snapshot, file);
    if (un_read(file, each, r, &list, &fault) != 0)
        bench_fail(fault.code, fault.text);
    list_content(&list, &content);
    list_clear(&list);
    return bench_now() - from;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

int main(int argc, char **argv)
{
    struct buf file = {0}, old = {0};
    struct bench_options o;
    struct rusage usage;
    double alone = 1e9, canonical = 1e9, compared = 1e9;
    struct reading *r = mem_new(sizeof *r);

    bench_options(&o, argc, argv, "UN list");
    if (!unpack(o.queue, &file) || !unpack(o.extra, &old))
        return EXIT_FAILURE;
    r->arena = arena_new(RENDER_ARENA);
    list_read(slice_buf(&old), hold, r);
    qsort(r->held, r->n, sizeof *r->held, by_reference);
    for (int i = 0; i < ROUNDS; i++) {
        alone = least(alone, expat_alone(slice_buf(&file)));
        canonical = least(canonical, list_read(slice_buf(&file), count, r));
        compared = least(compared, list_read(slice_buf(&file), compare, r));
    }
    getrusage(RUSAGE_SELF, &usage);
    o.size = file.size;
    bench_report(&o, "read by expat alone", 1, alone, NULL);
    bench_report(&o, "read, made canonical", 1, canonical, NULL);
    bench_report(&o, "read, made canonical, compared", 1, compared, NULL);
    printf("note: %zu parties, %zu amended in %zu fields, peak of memory %ld KiB\n", r->parties,
           r->amended, r->changes, usage.ru_maxrss);
    for (size_t i = 0; i < r->n; i++)
        buf_free(&r->held[i].packed);
    arena_free(r->arena);
    mem_free(r);
    buf_free(&file);
    buf_free(&old);
    return EXIT_SUCCESS;
}
