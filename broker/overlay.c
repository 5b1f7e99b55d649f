/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/overlay.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "lib/mem.h"

enum { ID_BUCKETS = 4096, TAIL_BUCKETS = 256 };

struct tail {
    struct tail *next;
    char *seat, *stream;
    uint64_t seat_seq;
    struct hash envelope_hash;
    size_t under_way; /* entries that count on it */
};

struct overlay {
    uint8_t key[crypto_shorthash_KEYBYTES]; /* of the buckets: ids are the publishers' choice */
    struct overlay_entry *ids[ID_BUCKETS];
    struct tail *tails[TAIL_BUCKETS];
};

struct overlay *overlay_new(void)
{
    struct overlay *o = mem_new(sizeof *o);

    crypto_shorthash_keygen(o->key);
    return o;
}

static uint64_t keyed(const struct overlay *o, const void *data, size_t size)
{
    uint64_t h;

    crypto_shorthash((unsigned char *)&h, data, size, o->key);
    return h;
}

static size_t id_bucket(const struct overlay *o, const uint8_t id[16])
{
    return keyed(o, id, 16) % ID_BUCKETS;
}

static size_t tail_bucket(const struct overlay *o, const char *seat, const char *stream)
{
    return (keyed(o, seat, strlen(seat)) * 31 + keyed(o, stream, strlen(stream))) % TAIL_BUCKETS;
}

static bool is_of(const struct tail *t, const char *seat, const char *stream)
{
    return strcmp(t->seat, seat) == 0 && strcmp(t->stream, stream) == 0;
}

static struct tail **tail_place(struct overlay *o, const char *seat, const char *stream)
{
    struct tail **at = &o->tails[tail_bucket(o, seat, stream)];

    while (*at && !is_of(*at, seat, stream))
        at = &(*at)->next;
    return at;
}

static void tail_free(struct tail *t)
{
    mem_free(t->seat);
    mem_free(t->stream);
    mem_free(t);
}

void overlay_free(struct overlay *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < TAIL_BUCKETS; i++) {
        while (o->tails[i]) {
            struct tail *t = o->tails[i];
            o->tails[i] = t->next;
            tail_free(t);
        }
    }
    mem_free(o);
}

void overlay_add(struct overlay *o, struct overlay_entry *entry)
{
    struct overlay_entry **ids = &o->ids[id_bucket(o, entry->id)];
    struct tail **at = tail_place(o, entry->seat, entry->stream);

    entry->next = *ids;
    *ids = entry;
    if (!*at) {
        *at = mem_new(sizeof **at);
        (*at)->seat = mem_str(entry->seat);
        (*at)->stream = mem_str(entry->stream);
    }
    (*at)->seat_seq = entry->seat_seq;
    (*at)->envelope_hash = entry->envelope_hash;
    (*at)->under_way++;
}

void overlay_remove(struct overlay *o, struct overlay_entry *entry)
{
    struct overlay_entry **id = &o->ids[id_bucket(o, entry->id)];
    struct tail **at = tail_place(o, entry->seat, entry->stream);

    while (*id != entry)
        id = &(*id)->next;
    *id = entry->next;
    struct tail *t = *at;
    assert(t);
    if (--t->under_way == 0) {
        *at = t->next;
        tail_free(t);
    }
}

const struct overlay_entry *overlay_find(const struct overlay *o, const char *seat,
                                         const uint8_t id[16])
{
    const struct overlay_entry *e = o->ids[id_bucket(o, id)];

    while (e && (memcmp(e->id, id, 16) != 0 || strcmp(e->seat, seat) != 0))
        e = e->next;
    return e;
}

bool overlay_tail(const struct overlay *o, const char *seat, const char *stream, uint64_t *seat_seq,
                  struct hash *envelope_hash)
{
    const struct tail *t = o->tails[tail_bucket(o, seat, stream)];

    while (t && !is_of(t, seat, stream))
        t = t->next;
    if (!t)
        return false;
    *seat_seq = t->seat_seq;
    *envelope_hash = t->envelope_hash;
    return true;
}
