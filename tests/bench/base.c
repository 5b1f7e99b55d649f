/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - what hashing, signing, verifying and opening an event cost on one core */
#include <assert.h>

#include "lib/scan.h"
#include "tests/bench/bench.h"
#include "tests/support/events.h"

struct bench {
    struct seat_key key;
    struct buf envelope, event, events[BATCH_MOST];
    uint8_t payload[1024];
    struct arena *arena;
    struct event opened;
    struct hash root;
};

static struct slice payload_of(struct bench *b)
{
    return slice_of(b->payload, sizeof b->payload);
}

static void hash_payload(void *arg)
{
    struct bench *b = arg;

    hash_sha256(&b->root, payload_of(b));
}

static void hash_leaf(void *arg)
{
    struct bench *b = arg;

    tree_log_leaf(&b->root, 1, 2, &b->root);
}

static void sign_batch(void *arg)
{
    struct bench *b = arg;
    struct slice envelopes[BATCH_MOST];

    for (size_t i = 0; i < BATCH_MOST; i++)
        envelopes[i] = slice_buf(&b->envelope);
    sign_events(&b->key, envelopes, BATCH_MOST, b->events);
}

static void sign_one(void *arg)
{
    struct bench *b = arg;
    struct slice envelope = slice_buf(&b->envelope);

    sign_events(&b->key, &envelope, 1, b->events);
}

static void scan_one(void *arg)
{
    struct bench *b = arg;

    assert(scan_message(&core__envelope__descriptor, slice_buf(&b->envelope), NULL) == 0);
}

static void open_one(void *arg)
{
    struct bench *b = arg;
    char where[128];

    arena_reset(b->arena);
    assert(event_open(&b->opened, slice_buf(&b->event), payload_of(b), b->arena, where) == 0);
}

static void open_head(void *arg)
{
    struct bench *b = arg;
    char where[128];

    arena_reset(b->arena);
    assert(event_open_head(&b->opened, slice_buf(&b->event), b->arena, where) == 0);
}

static void verify_one(void *arg)
{
    struct bench *b = arg;
    const Core__SignedEvent *e = b->opened.signed_event;

    assert(sign_event_root(e, &b->root));
    assert(sign_root_check(&b->root, slice_of(e->signature.data, e->signature.len),
                           b->key.sign_public));
}

static const struct {
    const char *name;
    void (*step)(void *arg);
    size_t units;
} rows[] = {
    {"sha256 of 1 KiB", hash_payload, 1},      {"leaf of the log", hash_leaf, 1},
    {"sign one event", sign_one, 1},           {"sign 64 events, each", sign_batch, BATCH_MOST},
    {"scan an envelope", scan_one, 1},         {"open an event's head", open_head, 1},
    {"open an event with 1 KiB", open_one, 1}, {"verify a signature", verify_one, 1},
};

int main(int argc, char **argv)
{
    struct bench b = {.arena = arena_new(1 << 20)};
    struct bench_options o;
    Core__Envelope e;
    Core__Handling handling;

    bench_options(&o, argc, argv, "one core");
    for (size_t i = 0; i < sizeof b.payload; i++)
        b.payload[i] = (uint8_t)(i * 7);
    seat_key_make(&b.key, "qma-desk", "QMA/npc");
    events_envelope(&e, &handling, payload_of(&b));
    events_pack(&b.envelope, &e.base);
    sign_batch(&b);
    buf_add(&b.event, b.events[63].data, b.events[63].size);
    open_one(&b); /* `opened` is what verify_one verifies */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        bench_each(&o, rows[i].name, rows[i].step, &b, rows[i].units);
    for (size_t i = 0; i < BATCH_MOST; i++)
        buf_free(&b.events[i]);
    buf_free(&b.event);
    buf_free(&b.envelope);
    arena_free(b.arena);
    seat_key_clear(&b.key);
    return 0;
}
