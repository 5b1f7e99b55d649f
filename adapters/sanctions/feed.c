/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/sanctions/feed.h"

#include "adapters/sanctions/image.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    MESSAGE_ARENA = 32 * 1024 * 1024,
    PUBLISHED_MOST = 64 * 1024 * 1024, /* bytes of the answers to one import */
    REFERENCES = 2048,                 /* of one PartiesGone */
};

struct snapshot {
    struct hash file, content;
    char generated_text[64];
    int64_t generated;
};

struct feed {
    char *list;
    bool any; /* there is a last snapshot */
    struct snapshot last;
    struct image parties; /* of the last snapshot */
    /* published, and not yet counted */
    struct hash staged_file;
    struct image staged, staged_gone;
    struct snapshot staged_snapshot;
    bool staged_complete; /* its SnapshotPublished came */
};

struct feed *feed_new(const char *list)
{
    struct feed *f = mem_new(sizeof *f);

    f->list = mem_str(list);
    return f;
}

static void drop_staged(struct feed *f)
{
    image_clear(&f->staged);
    image_clear(&f->staged_gone);
    f->staged_complete = false;
}

void feed_free(struct feed *f)
{
    if (!f)
        return;
    drop_staged(f);
    image_clear(&f->parties);
    mem_free(f->list);
    mem_free(f);
}

/* ---- folding ---- */

static bool hash_of(struct hash *out, ProtobufCBinaryData bytes)
{
    if (bytes.len != HASH_SIZE)
        return false;
    memcpy(out->bytes, bytes.data, HASH_SIZE);
    return true;
}

/* Events of another file than those before them: that one never came. */
static bool stage(struct feed *f, ProtobufCBinaryData snapshot)
{
    struct hash file;

    if (!hash_of(&file, snapshot))
        return false;
    if (!hash_equal(&file, &f->staged_file) || f->staged_complete)
        drop_staged(f);
    f->staged_file = file;
    return true;
}

static void fold_party(struct feed *f, const ProtobufCMessage *body)
{
    const Sanctions__PartyPublished *p = (const void *)body;
    struct hash content;

    if (p->party && identifier_valid(p->party->reference) && hash_of(&content, p->content) &&
        stage(f, p->snapshot))
        image_put(&f->staged, p->party->reference, &content);
}

static void fold_gone(struct feed *f, const ProtobufCMessage *body)
{
    const Sanctions__PartiesGone *g = (const void *)body;
    const struct hash none = {{0}};

    if (!stage(f, g->snapshot))
        return;
    for (size_t i = 0; i < g->n_references; i++)
        if (identifier_valid(g->references[i]))
            image_put(&f->staged_gone, g->references[i], &none);
}

static void snapshot_of(struct snapshot *out, const struct hash *file,
                        const Sanctions__SnapshotPublished *s)
{
    *out = (struct snapshot){.file = *file, .generated = s->generated};
    hash_of(&out->content, s->content);
    strncpy(out->generated_text, s->generated_text, sizeof out->generated_text - 1);
}

static void fold_snapshot(struct feed *f, const ProtobufCMessage *body)
{
    const Sanctions__SnapshotPublished *s = (const void *)body;

    if (!stage(f, s->snapshot))
        return;
    snapshot_of(&f->staged_snapshot, &f->staged_file, s);
    f->staged_complete = true;
}

static void take_over(struct feed *f)
{
    struct image parties = {0};

    for (size_t i = 0; i < f->parties.n; i++) {
        const struct image_row *row = &f->parties.rows[i];
        if (!image_find(&f->staged_gone, row->reference))
            image_put(&parties, row->reference, &row->content);
    }
    for (size_t i = 0; i < f->staged.n; i++)
        image_put(&parties, f->staged.rows[i].reference, &f->staged.rows[i].content);
    image_clear(&f->parties);
    f->parties = parties;
    f->last = f->staged_snapshot;
    f->any = true;
}

static void fold_imported(struct feed *f, const ProtobufCMessage *body)
{
    const Sanctions__Imported *done = (const void *)body;
    struct hash file;

    if (f->staged_complete && hash_of(&file, done->snapshot) && hash_equal(&file, &f->staged_file))
        take_over(f);
    drop_staged(f);
}

static void fold_nothing(struct feed *f, const ProtobufCMessage *body)
{
    (void)body;
    drop_staged(f);
}

void feed_fold(struct feed *f, const ProtobufCMessageDescriptor *type, const ProtobufCMessage *body)
{
    static const struct {
        const ProtobufCMessageDescriptor *type;
        void (*fold)(struct feed *f, const ProtobufCMessage *body);
    } rows[] = {
        {&sanctions__party_published__descriptor, fold_party},
        {&sanctions__parties_gone__descriptor, fold_gone},
        {&sanctions__snapshot_published__descriptor, fold_snapshot},
        {&sanctions__imported__descriptor, fold_imported},
        {&sanctions__unchanged__descriptor, fold_nothing},
        {&sanctions__import_refused__descriptor, fold_nothing},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].type == type)
            rows[i].fold(f, body);
}

/* ---- answering ---- */

static ProtobufCBinaryData bytes_of(struct hash *hash)
{
    return (ProtobufCBinaryData){HASH_SIZE, hash->bytes};
}

static void answer_unchanged(const struct feed_request *r, struct snapshot s, struct answers *out)
{
    Sanctions__Unchanged u = SANCTIONS__UNCHANGED__INIT;

    answers_drop(out);
    u.list = r->list;
    u.snapshot = bytes_of(&s.file);
    u.content = bytes_of(&s.content);
    u.generated_text = s.generated_text;
    u.generated = s.generated;
    answer(out, &u.base);
}

bool feed_answer_same(const struct feed *f, const struct feed_request *r, struct answers *out)
{
    if (!f->any || !hash_equal(&f->last.file, &r->file))
        return false;
    answer_unchanged(r, f->last, out);
    return true;
}

static void answer_import_refused(const struct feed_request *r, Sanctions__ImportRefused *refused,
                                  struct answers *out)
{
    struct hash file = r->file;

    answers_drop(out);
    refused->list = r->list;
    refused->file_name = r->file_name;
    refused->snapshot = bytes_of(&file);
    answer(out, &refused->base);
    refused->snapshot = (ProtobufCBinaryData){0};
}

void feed_refuse(const struct feed_request *r, const char *code, const char *text,
                 struct answers *out)
{
    Sanctions__ImportRefused refused = SANCTIONS__IMPORT_REFUSED__INIT;

    refused.code = code;
    refused.text = text;
    answer_import_refused(r, &refused, out);
}

struct feed_import {
    const struct feed *feed;
    const struct feed_request *request;
    struct answers *out;
    struct arena *arena; /* of one message */
    struct image seen;
    uint32_t published;
    size_t bytes;
    bool done;
};

struct feed_import *feed_import_new(const struct feed *f, const struct feed_request *r,
                                    struct answers *out)
{
    struct feed_import *i = mem_new(sizeof *i);

    *i = (struct feed_import){.feed = f, .request = r, .out = out};
    i->arena = arena_new(MESSAGE_ARENA);
    answers_drop(out);
    return i;
}

void feed_import_free(struct feed_import *i)
{
    if (!i)
        return;
    arena_free(i->arena);
    image_clear(&i->seen);
    mem_free(i);
}

bool feed_import_done(const struct feed_import *i)
{
    return i->done;
}

static int take_party(struct feed_import *i, const ProtobufCMessage *m, size_t size)
{
    const Sanctions__PartyPublished *p = (const void *)m;
    struct hash content;

    if (!p->party || !identifier_valid(p->party->reference) || !hash_of(&content, p->content))
        return ERR_MALFORMED;
    const struct image_row *had = image_find(&i->feed->parties, p->party->reference);
    image_put(&i->seen, p->party->reference, &content);
    if (had && hash_equal(&had->content, &content))
        return 0;
    i->bytes += size;
    if (i->bytes > PUBLISHED_MOST)
        return ERR_BOUNDS;
    i->published += p->number == 1;
    answer(i->out, m);
    return 0;
}

/* Events of REFERENCES each; returns how many references. */
static uint32_t answer_gone(struct feed_import *i)
{
    const struct image_row **rows = image_sorted(&i->feed->parties);
    struct hash file = i->request->file;
    const char *references[REFERENCES];
    Sanctions__PartiesGone gone = SANCTIONS__PARTIES_GONE__INIT;
    uint32_t n = 0;

    gone.list = i->request->list;
    gone.snapshot = bytes_of(&file);
    gone.references = references;
    for (size_t k = 0; k < i->feed->parties.n; k++) {
        if (image_find(&i->seen, rows[k]->reference))
            continue;
        n++;
        references[gone.n_references++] = rows[k]->reference;
        if (gone.n_references == REFERENCES) {
            answer(i->out, &gone.base);
            gone.n_references = 0;
        }
    }
    if (gone.n_references > 0)
        answer(i->out, &gone.base);
    mem_free(rows);
    return n;
}

static void answer_imported(struct feed_import *i, const Sanctions__SnapshotPublished *s)
{
    Sanctions__Imported done = SANCTIONS__IMPORTED__INIT;

    done.list = s->list;
    done.snapshot = s->snapshot;
    done.entries = s->entries;
    done.published = s->published;
    done.gone = s->gone;
    answer(i->out, &done.base);
}

static int take_snapshot(struct feed_import *i, const ProtobufCMessage *m, size_t size)
{
    Sanctions__SnapshotPublished s = *(const Sanctions__SnapshotPublished *)(const void *)m;
    struct hash file, previous = i->feed->last.file;
    struct snapshot this;

    (void)size;
    if (!hash_of(&file, s.snapshot) || !hash_equal(&file, &i->request->file) ||
        s.content.len != HASH_SIZE || s.entries != i->seen.n)
        return ERR_MALFORMED;
    i->done = true;
    snapshot_of(&this, &file, &s);
    if (i->feed->any && hash_equal(&this.content, &i->feed->last.content)) {
        answer_unchanged(i->request, this, i->out);
        return 0;
    }
    s.gone = answer_gone(i);
    s.published = i->published;
    s.list = i->request->list;
    s.fetched = i->request->fetched;
    s.file_name = i->request->file_name;
    if (i->feed->any)
        s.previous = bytes_of(&previous);
    answer(i->out, &s.base);
    answer_imported(i, &s);
    return 0;
}

static int take_refusal(struct feed_import *i, const ProtobufCMessage *m, size_t size)
{
    Sanctions__ImportRefused refused = *(const Sanctions__ImportRefused *)(const void *)m;

    (void)size;
    i->done = true;
    answer_import_refused(i->request, &refused, i->out);
    return 0;
}

int feed_import_take(struct feed_import *i, const struct pipe_message *m)
{
    static const struct {
        int kind;
        const ProtobufCMessageDescriptor *type;
        int (*take)(struct feed_import *i, const ProtobufCMessage *m, size_t size);
    } rows[] = {
        {PIPE_PARTY, &sanctions__party_published__descriptor, take_party},
        {PIPE_SNAPSHOT, &sanctions__snapshot_published__descriptor, take_snapshot},
        {PIPE_REFUSED, &sanctions__import_refused__descriptor, take_refusal},
    };
    size_t r = 0;
    int err = 0;

    while (r < 3 && rows[r].kind != m->kind)
        r++;
    if (r == 3 || i->done)
        return ERR_MALFORMED;
    arena_reset(i->arena);
    const ProtobufCMessage *body = scan_unpack(rows[r].type, m->bytes, i->arena, &err, NULL);
    return body ? rows[r].take(i, body, m->bytes.size) : err;
}
