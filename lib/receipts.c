/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/receipts.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/entries.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    KIND_RECEIPT = 3,
    KIND_SUMMARY = 4,
    KIND_COUNTERSIGNED = 5,
    SUMMARY_SIZE = 4 * 8,
    SEGMENTS_LEAST = 16, /* that a policy's bytes are divided into */
    NAME_DIGITS = 10,
    RECORD_ARENA = 4 * FRAME_MOST,
};

struct segment {
    uint64_t number;
    char log[ENTRIES_LABEL]; /* "": its head is damaged */
    uint64_t bytes, count, least, greatest;
    int64_t newest;
    bool indexed; /* `places` are all of them */
    struct receipt_place *places;
    size_t n, capacity;
};

struct image { /* of the segment that was looked into last */
    uint64_t of;
    struct buf bytes;
    struct entries_view view;
    struct arena *arena; /* of the record that is lent */
};

struct receipts {
    char *dir;
    struct receipts_policy policy;
    struct segment *segments; /* by number */
    size_t n;
    struct entries *open; /* the last segment; NULL = the next receipt begins one */
    struct image image;
};

/* ---- segments ---- */

static char *segment_path(const char *dir, uint64_t number)
{
    return mem_printf("%s/%0*" PRIu64, dir, NAME_DIGITS, number);
}

static void segment_clear(struct segment *s)
{
    mem_free(s->places);
    *s = (struct segment){0};
}

static struct segment *segment_find(const struct receipts *r, uint64_t number)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->segments[i].number == number)
            return &r->segments[i];
    return NULL;
}

static struct segment *segment_last(const struct receipts *r)
{
    return r->n ? &r->segments[r->n - 1] : NULL;
}

static void segment_count(struct segment *s, uint64_t position, int64_t received)
{
    s->least = s->count == 0 || position < s->least ? position : s->least;
    s->greatest = position > s->greatest ? position : s->greatest;
    s->newest = received > s->newest ? received : s->newest;
    s->count++;
}

static void segment_index(struct segment *s, uint64_t position, uint64_t offset)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->places = mem_grow(s->places, s->capacity * sizeof *s->places);
    }
    s->places[s->n++] = (struct receipt_place){position, s->number, offset};
}

static Core__Record *record_of(const struct entry *e, struct arena *arena)
{
    int err;

    arena_reset(arena);
    return e->kind == KIND_RECEIPT
               ? (Core__Record *)scan_unpack(&core__record__descriptor, e->body, arena, &err, NULL)
               : NULL;
}

/* All of a segment, from its bytes. */
static void segment_read(struct segment *s, struct entries_view v, struct arena *arena)
{
    struct entry e;

    s->n = s->count = s->greatest = 0;
    while (entries_next(&v, &e)) {
        const Core__Record *record = record_of(&e, arena);
        if (!record)
            continue;
        segment_count(s, record->position, record->received);
        segment_index(s, record->position, e.offset);
    }
    s->indexed = true;
}

static void summary_put(uint8_t out[SUMMARY_SIZE], const struct segment *s)
{
    const uint64_t numbers[] = {s->count, s->least, s->greatest, (uint64_t)s->newest};

    for (size_t i = 0; i < SUMMARY_SIZE; i++)
        out[i] = (uint8_t)(numbers[i / 8] >> (56 - 8 * (i % 8)));
}

static void summary_get(struct segment *s, const uint8_t *in)
{
    uint64_t numbers[SUMMARY_SIZE / 8] = {0};

    for (size_t i = 0; i < SUMMARY_SIZE; i++)
        numbers[i / 8] = numbers[i / 8] << 8 | in[i];
    s->count = numbers[0];
    s->least = numbers[1];
    s->greatest = numbers[2];
    s->newest = (int64_t)numbers[3];
}

/* ---- looking into a segment ---- */

static int image_load(struct receipts *r, uint64_t number)
{
    struct image *m = &r->image;
    char *path = segment_path(r->dir, number);

    m->of = 0;
    buf_reset(&m->bytes);
    if (r->open)
        entries_write(r->open);
    int rc = file_read(path, &m->bytes);
    if (rc == 0)
        rc = entries_view(&m->view, slice_buf(&m->bytes));
    if (rc == 0)
        m->of = number;
    mem_free(path);
    return rc;
}

/* A segment that grows is read again when it is looked at behind its end. */
static const Core__Record *image_get(struct receipts *r, const struct receipt_place *place)
{
    struct image *m = &r->image;
    struct entry e;

    if ((m->of != place->segment || place->offset >= m->bytes.size) &&
        image_load(r, place->segment) != 0)
        return NULL;
    return entries_at(&m->view, place->offset, &e) ? record_of(&e, m->arena) : NULL;
}

static void segment_complete(struct receipts *r, struct segment *s)
{
    if (s->indexed)
        return;
    if (image_load(r, s->number) == 0)
        segment_read(s, r->image.view, r->image.arena);
    s->indexed = true;
}

/* ---- opening ---- */

static void tell_damaged(const char *path)
{
    log_warn("client.receipts", "receipts are damaged, those that can be read go on file=%s", path);
}

/* The last one goes on when it is sound and not full: a torn end is cut off.  Any other way a new
 * one is begun behind it. */
static void open_last(struct receipts *r, struct segment *s, const char *path)
{
    struct image *m = &r->image;

    buf_reset(&m->bytes);
    m->of = 0;
    int rc = entries_open(&r->open, path, &m->bytes, &m->view);
    if (rc == ERR_DAMAGED)
        tell_damaged(path);
    if (entries_view(&m->view, slice_buf(&m->bytes)) != 0)
        return;
    memcpy(s->log, m->view.label, sizeof s->log);
    segment_read(s, m->view, m->arena);
    if (r->open)
        s->bytes = entries_size(r->open);
}

static void open_full(struct receipts *r, struct segment *s, const char *path)
{
    struct entry e;
    int rc = entries_last(path, SUMMARY_SIZE, s->log, &r->image.bytes, &e);

    if (rc == 0 && e.kind == KIND_SUMMARY)
        summary_get(s, e.body.data);
    else if (image_load(r, s->number) == 0)
        segment_read(s, r->image.view, r->image.arena);
    else
        tell_damaged(path);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The numbers of the segments in the directory; what has no such name is none. */
static int list_segments(const char *dir, uint64_t **numbers, size_t *n)
{
    DIR *d = opendir(dir);
    size_t capacity = 0;

    *numbers = NULL;
    *n = 0;
    if (!d)
        return errno == ENOENT ? ERR_NOT_FOUND : ERR_IO;
    for (const struct dirent *e; (e = readdir(d));) {
        if (strlen(e->d_name) != NAME_DIGITS || strspn(e->d_name, "0123456789") != NAME_DIGITS)
            continue;
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 64;
            *numbers = mem_grow(*numbers, capacity * sizeof **numbers);
        }
        (*numbers)[(*n)++] = strtoull(e->d_name, NULL, 10);
    }
    closedir(d);
    if (*n)
        qsort(*numbers, *n, sizeof **numbers, by_number);
    return 0;
}

static void open_segments(struct receipts *r, const uint64_t numbers[], size_t n)
{
    struct stat st;

    r->segments = mem_new((n + 1) * sizeof *r->segments);
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        struct segment *s = &r->segments[i];
        char *path = segment_path(r->dir, numbers[i]);
        s->number = numbers[i];
        s->bytes = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
        if (i + 1 < n)
            open_full(r, s, path);
        else
            open_last(r, s, path);
        mem_free(path);
    }
}

int receipts_open(struct receipts **out, const char *dir, const struct receipts_policy *policy,
                  struct buf *why)
{
    uint64_t *numbers = NULL;
    size_t n = 0;
    struct receipts *r = mem_new(sizeof *r);

    r->dir = mem_str(dir);
    r->policy = *policy;
    r->image.arena = arena_new(RECORD_ARENA);
    int rc = file_make_dir(dir);
    if (rc == 0)
        rc = file_sync_dir_of(dir);
    if (rc == 0)
        rc = list_segments(dir, &numbers, &n);
    if (rc == 0)
        open_segments(r, numbers, n);
    else
        buf_printf(why, "%s: %s", dir, strerror(errno));
    mem_free(numbers);
    if (rc) {
        receipts_close(r);
        r = NULL;
    }
    *out = r;
    return rc;
}

void receipts_close(struct receipts *r)
{
    if (!r)
        return;
    if (r->open)
        entries_write(r->open);
    entries_close(r->open);
    for (size_t i = 0; i < r->n; i++)
        segment_clear(&r->segments[i]);
    mem_free(r->segments);
    mem_free(r->dir);
    arena_free(r->image.arena);
    buf_free(&r->image.bytes);
    mem_free(r);
}

/* ---- adding ---- */

static uint64_t segment_most(const struct receipts *r)
{
    uint64_t share = r->policy.bytes / SEGMENTS_LEAST;

    return share < RECEIPTS_SEGMENT ? share : RECEIPTS_SEGMENT;
}

/* The last segment ends with its summary. */
static int segment_end(struct receipts *r)
{
    uint8_t summary[SUMMARY_SIZE];

    if (!r->open)
        return 0;
    summary_put(summary, segment_last(r));
    entries_add(r->open, KIND_SUMMARY, slice_of(summary, sizeof summary));
    int rc = entries_sync(r->open);
    if (rc)
        return rc;
    segment_last(r)->bytes = entries_size(r->open);
    entries_close(r->open);
    r->open = NULL;
    return 0;
}

static int segment_begin(struct receipts *r, const char *log)
{
    uint64_t number = r->n ? segment_last(r)->number + 1 : 1;
    char *path = segment_path(r->dir, number);
    int rc = entries_create(&r->open, path, log);

    if (rc == 0 && (rc = entries_name(r->open)) != 0) {
        entries_close(r->open);
        r->open = NULL;
    }
    mem_free(path);
    if (rc)
        return rc;
    r->segments = mem_grow(r->segments, (r->n + 1) * sizeof *r->segments);
    struct segment *s = &r->segments[r->n++];
    *s = (struct segment){.number = number, .indexed = true, .bytes = entries_size(r->open)};
    snprintf(s->log, sizeof s->log, "%s", log);
    return 0;
}

static int segment_ready(struct receipts *r, const char *log)
{
    const struct segment *last = segment_last(r);
    bool goes_on =
        r->open && last && strcmp(last->log, log) == 0 && entries_size(r->open) < segment_most(r);
    int rc = goes_on ? 0 : segment_end(r);

    return rc == 0 && !goes_on ? segment_begin(r, log) : rc;
}

static bool same_envelope(ProtobufCBinaryData a, ProtobufCBinaryData b)
{
    if (slice_equal(slice_of(a.data, a.len), slice_of(b.data, b.len)))
        return true;
    Core__SignedEvent *x = core__signed_event__unpack(NULL, a.len, a.data);
    Core__SignedEvent *y = core__signed_event__unpack(NULL, b.len, b.data);
    bool same = x && y &&
                slice_equal(slice_of(x->envelope.data, x->envelope.len),
                            slice_of(y->envelope.data, y->envelope.len));
    core__signed_event__free_unpacked(x, NULL);
    core__signed_event__free_unpacked(y, NULL);
    return same;
}

static bool segment_has(struct receipts *r, struct segment *s, const Core__Record *record)
{
    segment_complete(r, s);
    for (size_t i = s->n; i-- > 0;) {
        const struct receipt_place *place = &s->places[i];
        const Core__Record *held = place->position == record->position ? image_get(r, place) : NULL;
        if (held && same_envelope(held->event, record->event))
            return true;
    }
    return false;
}

static bool receipts_have(struct receipts *r, const char *log, const Core__Record *record)
{
    for (size_t i = r->n; i-- > 0;) {
        struct segment *s = &r->segments[i];
        if (s->count && record->position >= s->least && record->position <= s->greatest &&
            strcmp(s->log, log) == 0 && segment_has(r, s, record))
            return true;
    }
    return false;
}

static void add_one(struct receipts *r, const Core__Record *record)
{
    struct segment *s = segment_last(r);
    struct buf packed = {0};

    core__record__pack(record, buf_grow(&packed, core__record__get_packed_size(record)));
    uint64_t offset = entries_add(r->open, KIND_RECEIPT, slice_buf(&packed));
    segment_count(s, record->position, record->received);
    segment_index(s, record->position, offset);
    buf_free(&packed);
}

static void add_countersigned(struct receipts *r, const Core__Receipt *m)
{
    struct buf packed = {0};

    core__receipt__pack(m, buf_grow(&packed, core__receipt__get_packed_size(m)));
    entries_add(r->open, KIND_COUNTERSIGNED, slice_buf(&packed));
    buf_free(&packed);
}

int receipts_add(struct receipts *r, const char *log, const Core__Record records[], size_t n,
                 const Core__Receipt *countersigned)
{
    size_t first = 0;

    while (first < n && receipts_have(r, log, &records[first]))
        first++;
    int rc = first < n ? segment_ready(r, log) : 0;
    if (rc || first == n)
        return rc;
    if (countersigned)
        add_countersigned(r, countersigned);
    for (size_t i = first; i < n; i++)
        if (i == first || !receipts_have(r, log, &records[i]))
            add_one(r, &records[i]);
    segment_last(r)->bytes = entries_size(r->open);
    return 0;
}

int receipts_sync(struct receipts *r)
{
    return r->open ? entries_sync(r->open) : 0;
}

/* ---- finding ---- */

static int by_position(const void *a, const void *b)
{
    const struct receipt_place *x = a, *y = b;

    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

void receipts_find(struct receipts *r, const char *log, uint64_t above,
                   struct receipt_place **places, size_t *n)
{
    size_t capacity = 0;

    *places = NULL;
    *n = 0;
    for (size_t i = 0; i < r->n; i++) {
        struct segment *s = &r->segments[i];
        if (s->greatest <= above || strcmp(s->log, log) != 0)
            continue;
        segment_complete(r, s);
        capacity += s->n;
        *places = mem_grow(*places, (capacity + 1) * sizeof **places);
        for (size_t k = 0; k < s->n; k++)
            if (s->places[k].position > above)
                (*places)[(*n)++] = s->places[k];
    }
    if (*n)
        qsort(*places, *n, sizeof **places, by_position);
}

int receipts_get(struct receipts *r, const struct receipt_place *place, struct receipt *out)
{
    const struct segment *s = segment_find(r, place->segment);

    out->record = s ? image_get(r, place) : NULL;
    out->log = s ? s->log : "";
    return out->record ? 0 : ERR_DAMAGED;
}

static bool log_before(const struct receipts *r, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(r->segments[k].log, r->segments[i].log) == 0)
            return true;
    return false;
}

void receipts_each_log(const struct receipts *r, void (*each)(void *arg, const char *log),
                       void *arg)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->segments[i].log[0] && !log_before(r, i))
            each(arg, r->segments[i].log);
}

/* ---- dropping ---- */

/* The policy lets a segment go that is too old, or that is too much with all behind it; the last
 * one stays. */
static bool let_go(const struct receipts *r, size_t i)
{
    int64_t newest = 0;
    uint64_t bytes = 0;

    for (size_t k = 0; k < r->n; k++)
        newest = r->segments[k].newest > newest ? r->segments[k].newest : newest;
    for (size_t k = i; k < r->n; k++)
        bytes += r->segments[k].bytes;
    return i + 1 < r->n &&
           (bytes > r->policy.bytes || r->segments[i].newest < newest - r->policy.age);
}

uint64_t receipts_surplus(const struct receipts *r, const char *log)
{
    uint64_t greatest = 0;

    for (size_t i = 0; i < r->n; i++) {
        const struct segment *s = &r->segments[i];
        if (s->greatest > greatest && strcmp(s->log, log) == 0 && let_go(r, i))
            greatest = s->greatest;
    }
    return greatest;
}

static void segment_drop(struct receipts *r, size_t i)
{
    char *path = segment_path(r->dir, r->segments[i].number);

    unlink(path);
    mem_free(path);
    segment_clear(&r->segments[i]);
    r->n--;
    memmove(r->segments + i, r->segments + i + 1, (r->n - i) * sizeof *r->segments);
}

void receipts_drop(struct receipts *r,
                   bool (*covered)(void *arg, const char *log, uint64_t greatest), void *arg)
{
    size_t i = 0;

    while (i < r->n)
        if (let_go(r, i) && covered(arg, r->segments[i].log, r->segments[i].greatest))
            segment_drop(r, i);
        else
            i++;
}

/* ---- reading beside the process that adds ---- */

struct reading {
    int (*each)(void *arg, const struct receipt *r);
    void (*damaged)(void *arg, const char *file, uint64_t offset, uint64_t bytes);
    void *arg;
    struct arena *arena;
    struct buf bytes;
    struct slice countersigned; /* of those that follow */
    bool ended;
};

/* The signature stands before what it is for, in the same segment. */
static bool is_signed(struct slice countersigned, uint64_t position)
{
    uint64_t at;
    int64_t received;
    struct hash hash;
    bool found = false;
    Core__Receipt *m = core__receipt__unpack(NULL, countersigned.size, countersigned.data);

    for (size_t i = 0; m && !found && i + LOG_ENTRY_SIZE <= m->entries.len; i += LOG_ENTRY_SIZE)
        found = tree_log_entry_read(slice_of(m->entries.data + i, LOG_ENTRY_SIZE), &at, &received,
                                    &hash) == 0 &&
                at == position;
    if (m)
        core__receipt__free_unpacked(m, NULL);
    return found;
}

static void read_entry(struct reading *g, const char *log, const struct entry *e)
{
    struct receipt receipt = {log, record_of(e, g->arena), {0}};

    if (e->kind == KIND_COUNTERSIGNED)
        g->countersigned = e->body;
    if (!receipt.record)
        return;
    if (is_signed(g->countersigned, receipt.record->position))
        receipt.countersigned = g->countersigned;
    g->ended = g->each(g->arg, &receipt) != 0;
}

static void read_entries(struct reading *g, const char *path, struct entries_view *v)
{
    struct entry e;
    uint64_t before = v->at;

    for (uint64_t skipped = 0; !g->ended && entries_next(v, &e); before = v->at) {
        if (v->skipped > skipped)
            g->damaged(g->arg, path, before, v->skipped - skipped);
        skipped = v->skipped;
        read_entry(g, v->label, &e);
    }
}

/* A segment may be dropped meanwhile, and the last one may be growing. */
static int read_segment(struct reading *g, const char *path, bool last)
{
    struct entries_view v;

    buf_reset(&g->bytes);
    g->countersigned = (struct slice){0};
    int rc = file_read(path, &g->bytes);
    if (rc)
        return rc == ERR_NOT_FOUND ? 0 : rc;
    if (entries_view(&v, slice_buf(&g->bytes)) != 0) {
        g->damaged(g->arg, path, 0, g->bytes.size);
        return 0;
    }
    read_entries(g, path, &v);
    if (!g->ended && !last && v.at < v.bytes.size)
        g->damaged(g->arg, path, v.at, v.bytes.size - v.at);
    return 0;
}

int receipts_each(const char *dir, int (*each)(void *arg, const struct receipt *r),
                  void (*damaged)(void *arg, const char *file, uint64_t offset, uint64_t bytes),
                  void *arg)
{
    struct reading g = {
        .each = each, .damaged = damaged, .arg = arg, .arena = arena_new(RECORD_ARENA)};
    uint64_t *numbers;
    size_t n;

    int rc = list_segments(dir, &numbers, &n);
    for (size_t i = 0; rc == 0 && i < n && !g.ended; i++) {
        char *path = segment_path(dir, numbers[i]);
        rc = read_segment(&g, path, i + 1 == n);
        mem_free(path);
    }
    mem_free(numbers);
    arena_free(g.arena);
    buf_free(&g.bytes);
    return rc;
}
