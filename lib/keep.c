/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/entries.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/note.h"

enum {
    KIND_FRAME = 1,
    KIND_DONE = 2,
    NUMBER_SIZE = 8,
    FRAME_HEAD = 2 * NUMBER_SIZE,
    DEAD_MOST = 1024 * 1024, /* bytes of answered frames that are worth writing the file anew */
};

struct frame { /* kept and not answered */
    uint64_t number, offset;
    size_t bytes;
};

struct keep {
    char *dir;
    int lock;
    struct entries *unconfirmed;
    struct frame *frames; /* by number */
    size_t n, capacity;
    uint64_t last;             /* number */
    uint64_t live, rewrite_at; /* bytes of those frames; of the others */
    struct receipts *receipts;
    struct checkpoint checkpoint; /* held; size 0 = none */
    struct buf returned;          /* the file's text */
};

static char *path_in(const struct keep *k, const char *name)
{
    return mem_printf("%s/%s", k->dir, name);
}

/* ---- frames ---- */

static void put_number(uint8_t out[NUMBER_SIZE], uint64_t v)
{
    for (size_t i = 0; i < NUMBER_SIZE; i++)
        out[i] = (uint8_t)(v >> (56 - 8 * i));
}

static uint64_t get_number(const uint8_t *in)
{
    uint64_t v = 0;

    for (size_t i = 0; i < NUMBER_SIZE; i++)
        v = v << 8 | in[i];
    return v;
}

static void frame_add(struct keep *k, uint64_t number, uint64_t offset, size_t body)
{
    if (k->n == k->capacity) {
        k->capacity = k->capacity ? 2 * k->capacity : 64;
        k->frames = mem_grow(k->frames, k->capacity * sizeof *k->frames);
    }
    k->frames[k->n++] = (struct frame){number, offset, ENTRY_HEAD + body};
    k->live += ENTRY_HEAD + body;
}

static void frame_remove(struct keep *k, uint64_t number)
{
    size_t i = 0;

    while (i < k->n && k->frames[i].number != number)
        i++;
    if (i == k->n)
        return;
    k->live -= k->frames[i].bytes;
    k->n--;
    memmove(k->frames + i, k->frames + i + 1, (k->n - i) * sizeof *k->frames);
}

static void frames_find(struct keep *k, struct entries_view v)
{
    struct entry e;

    while (entries_next(&v, &e)) {
        if (e.body.size < (e.kind == KIND_FRAME ? FRAME_HEAD : NUMBER_SIZE))
            continue;
        uint64_t number = get_number(e.body.data);
        k->last = number > k->last ? number : k->last;
        if (e.kind == KIND_FRAME) {
            frame_remove(k, get_number(e.body.data + NUMBER_SIZE));
            frame_add(k, number, e.offset, e.body.size);
        } else if (e.kind == KIND_DONE) {
            frame_remove(k, number);
        }
    }
}

static void frames_hand(struct keep *k, const struct entries_view *v, keep_each *each, void *arg)
{
    struct entry e;

    for (size_t i = 0; i < k->n; i++)
        if (entries_at(v, k->frames[i].offset, &e))
            each(arg, k->frames[i].number,
                 slice_of(e.body.data + FRAME_HEAD, e.body.size - FRAME_HEAD));
}

static int unconfirmed_make(struct keep *k, const char *path)
{
    int rc = entries_create(&k->unconfirmed, path, "");

    return rc ? rc : entries_name(k->unconfirmed);
}

static int unconfirmed_open(struct keep *k, keep_each *each, void *arg, struct buf *why)
{
    char *path = path_in(k, "unconfirmed");
    struct buf bytes = {0};
    struct entries_view v;

    int rc = entries_open(&k->unconfirmed, path, &bytes, &v);
    if (rc == 0) {
        frames_find(k, v);
        frames_hand(k, &v, each, arg);
    } else if (rc == ERR_NOT_FOUND) {
        rc = unconfirmed_make(k, path);
    }
    if (rc == ERR_DAMAGED)
        buf_printf(
            why,
            "%s is damaged: what is unconfirmed in it cannot be told from what was answered; "
            "move it away to go on without it",
            path);
    else if (rc)
        buf_printf(why, "%s: %s", path, strerror(errno));
    mem_free(path);
    buf_free(&bytes);
    return rc;
}

/* Only the frames that are not answered go on: into a new file, in place of the old one. */
static int unconfirmed_rewrite(struct keep *k)
{
    char *path = path_in(k, "unconfirmed");
    struct buf bytes = {0};
    struct entries_view v;
    struct entries *made = NULL;
    struct entry e;
    uint64_t *offsets = mem_new((k->n + 1) * sizeof *offsets);

    int rc = file_read(path, &bytes);
    if (rc == 0)
        rc = entries_view(&v, slice_buf(&bytes));
    if (rc == 0)
        rc = entries_create(&made, path, "");
    for (size_t i = 0; rc == 0 && i < k->n; i++) {
        rc = entries_at(&v, k->frames[i].offset, &e) ? 0 : ERR_DAMAGED;
        if (rc == 0)
            offsets[i] = entries_add(made, KIND_FRAME, e.body);
    }
    if (rc == 0)
        rc = entries_name(made);
    if (rc == 0) {
        entries_close(k->unconfirmed);
        k->unconfirmed = made;
        for (size_t i = 0; i < k->n; i++)
            k->frames[i].offset = offsets[i];
    } else {
        entries_close(made);
    }
    mem_free(offsets);
    mem_free(path);
    buf_free(&bytes);
    return rc;
}

/* Where it cannot be written anew it grows on, and is tried again when it has doubled. */
static void unconfirmed_trim(struct keep *k)
{
    uint64_t dead = entries_size(k->unconfirmed) - ENTRIES_HEAD - k->live;

    if (dead < k->rewrite_at || dead < k->live)
        return;
    k->rewrite_at = unconfirmed_rewrite(k) == 0 ? DEAD_MOST : 2 * dead;
}

/* ---- small files ---- */

static int small_open(const struct keep *k, const char *name, struct buf *out)
{
    char *path = path_in(k, name);
    int rc = file_read(path, out);

    mem_free(path);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int small_replace(const struct keep *k, const char *name, struct slice bytes)
{
    char *path = path_in(k, name);
    int rc = file_replace(path, bytes);

    mem_free(path);
    return rc;
}

/* A checkpoint that cannot be read covers nothing. */
static int checkpoint_load(struct keep *k)
{
    struct buf note = {0};
    int rc = small_open(k, "checkpoint", &note);

    if (rc == 0 && note.size && checkpoint_stated(&k->checkpoint, slice_buf(&note)) != 0)
        log_warn("client.checkpoint", "the checkpoint held cannot be read dir=%s", k->dir);
    buf_free(&note);
    return rc;
}

/* ---- dropping receipts ---- */

/* `successor` NULL: in whichever. */
static bool is_returned(const struct keep *k, const char *log, const char *successor)
{
    struct buf line = {0};

    buf_printf(&line, "\n%s ", log);
    if (successor)
        buf_printf(&line, "%s\n", successor);
    bool found = memmem(k->returned.data, k->returned.size, line.data, line.size) != NULL;
    buf_free(&line);
    return found;
}

static bool is_covered(void *arg, const char *log, uint64_t greatest)
{
    const struct keep *k = arg;

    return (strcmp(log, k->checkpoint.origin) == 0 && greatest <= k->checkpoint.size) ||
           is_returned(k, log, NULL);
}

void keep_let_go(struct keep *k)
{
    receipts_drop(k->receipts, is_covered, k);
}

bool keep_wants_checkpoint(const struct keep *k, const char *log)
{
    uint64_t greatest = receipts_surplus(k->receipts, log);

    return greatest && !is_covered((void *)(uintptr_t)k, log, greatest);
}

int keep_checkpoint(struct keep *k, const char *log, struct slice note)
{
    struct checkpoint c;

    if (checkpoint_stated(&c, note) != 0 || strcmp(c.origin, log) != 0)
        return ERR_MALFORMED;
    int rc = small_replace(k, "checkpoint", note);
    if (rc)
        return rc;
    k->checkpoint = c;
    keep_let_go(k);
    return 0;
}

/* ---- a log that goes on under another name ---- */

bool keep_is_returned(const struct keep *k, const char *log, const char *successor)
{
    return is_returned(k, log, successor);
}

int keep_returned(struct keep *k, const char *log, const char *successor)
{
    if (is_returned(k, log, successor))
        return 0;
    buf_printf(&k->returned, "%s %s\n", log, successor);
    return small_replace(k, "returned", slice_of(k->returned.data + 1, k->returned.size - 1));
}

/* ---- opening and closing ---- */

static int lock(struct keep *k, struct buf *why)
{
    char *path = path_in(k, "lock");
    int rc = 0;

    k->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (k->lock < 0) {
        buf_printf(why, "%s: %s", path, strerror(errno));
        rc = ERR_IO;
    } else if (flock(k->lock, LOCK_EX | LOCK_NB) != 0) {
        buf_printf(why, "%s: another process uses it", k->dir);
        rc = ERR_OWNED;
    }
    mem_free(path);
    return rc;
}

static int open_receipts(struct keep *k, const struct receipts_policy *policy, struct buf *why)
{
    char *path = path_in(k, "receipts");
    int rc = receipts_open(&k->receipts, path, policy, why);

    mem_free(path);
    return rc;
}

static int open_small(struct keep *k, struct buf *why)
{
    buf_add_byte(&k->returned, '\n'); /* each line begins behind a line's end */
    int rc = small_open(k, "returned", &k->returned);
    if (rc == 0)
        rc = checkpoint_load(k);
    if (rc)
        buf_printf(why, "%s: %s", k->dir, strerror(errno));
    return rc;
}

int keep_open(struct keep **out, const char *dir, const struct receipts_policy *policy,
              keep_each *each, void *arg, struct buf *why)
{
    struct keep *k = mem_new(sizeof *k);

    *k = (struct keep){.dir = mem_str(dir), .lock = -1, .rewrite_at = DEAD_MOST};
    int rc = file_make_dir(dir) != 0 || file_sync_dir_of(dir) != 0 ? ERR_IO : 0;
    if (rc)
        buf_printf(why, "%s: %s", dir, strerror(errno));
    if (rc == 0)
        rc = lock(k, why);
    if (rc == 0)
        rc = open_small(k, why);
    if (rc == 0)
        rc = open_receipts(k, policy, why);
    if (rc == 0)
        rc = unconfirmed_open(k, each, arg, why);
    if (rc) {
        keep_close(k);
        k = NULL;
    } else {
        keep_let_go(k);
    }
    *out = k;
    return rc;
}

void keep_close(struct keep *k)
{
    if (!k)
        return;
    receipts_close(k->receipts);
    if (k->unconfirmed)
        entries_write(k->unconfirmed); /* answers only: a frame was synced before it was sent */
    entries_close(k->unconfirmed);
    if (k->lock >= 0)
        close(k->lock);
    mem_free(k->frames);
    mem_free(k->dir);
    buf_free(&k->returned);
    mem_free(k);
}

/* ---- what is sent, and answered ---- */

uint64_t keep_add(struct keep *k, struct slice frame, uint64_t replaces)
{
    uint8_t head[FRAME_HEAD];
    struct buf body = {0};

    put_number(head, ++k->last);
    put_number(head + NUMBER_SIZE, replaces);
    buf_add(&body, head, sizeof head);
    buf_add(&body, frame.data, frame.size);
    frame_remove(k, replaces);
    frame_add(k, k->last, entries_add(k->unconfirmed, KIND_FRAME, slice_buf(&body)), body.size);
    buf_free(&body);
    return k->last;
}

int keep_undo(struct keep *k, uint64_t number)
{
    size_t i = 0;

    while (i < k->n && k->frames[i].number < number)
        i++;
    if (i == k->n)
        return 0;
    uint64_t offset = k->frames[i].offset;
    while (k->n > i)
        frame_remove(k, k->frames[k->n - 1].number);
    return entries_undo(k->unconfirmed, offset);
}

void keep_done(struct keep *k, uint64_t number)
{
    uint8_t body[NUMBER_SIZE];

    put_number(body, number);
    entries_add(k->unconfirmed, KIND_DONE, slice_of(body, sizeof body));
    frame_remove(k, number);
}

int keep_sync(struct keep *k)
{
    int rc = receipts_sync(k->receipts);

    if (rc == 0)
        rc = entries_sync(k->unconfirmed);
    if (rc == 0)
        unconfirmed_trim(k);
    else
        log_error("client.keep", "what is published cannot be kept dir=%s: %s", k->dir,
                  strerror(errno));
    return rc;
}

struct receipts *keep_receipts(struct keep *k)
{
    return k->receipts;
}
