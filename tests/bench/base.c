/* SPDX-License-Identifier: Apache-2.0 */
/* base.c - what hashing, signing, verifying and opening an event cost on one core */
#include <assert.h>
#include <stdio.h>
#include <time.h>

#include "lib/scan.h"

#include "tests/support/events.h"

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Runs `step` for half a second and prints what one of its `units` costs. */
static void measure(const char *name, void (*step)(void *arg), void *arg, double units)
{
    double start = now(), end = start;
    unsigned long n = 0;

    for (; end - start < 0.5; end = now())
        for (int i = 0; i < 8; i++, n++)
            step(arg);
    double each = (end - start) / ((double)n * units);
    printf("%-36s %10.2f us %12.0f a second\n", name, each * 1e6, 1 / each);
}

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

int main(void)
{
    struct bench b = {.arena = arena_new(1 << 20)};
    Core__Envelope e;
    Core__Handling handling;

    for (size_t i = 0; i < sizeof b.payload; i++)
        b.payload[i] = (uint8_t)(i * 7);
    seat_key_make(&b.key, "qma-desk", "QMA/npc");
    events_envelope(&e, &handling, payload_of(&b));
    events_pack(&b.envelope, &e.base);
    printf("envelope %zu bytes, payload %zu bytes\n", b.envelope.size, sizeof b.payload);
    measure("sha256 of 1 KiB", hash_payload, &b, 1);
    measure("leaf of the log", hash_leaf, &b, 1);
    measure("sign one event", sign_one, &b, 1);
    measure("sign 64 events, each", sign_batch, &b, BATCH_MOST);
    buf_add(&b.event, b.events[63].data, b.events[63].size);
    measure("scan an envelope", scan_one, &b, 1);
    measure("event_open_head", open_head, &b, 1);
    measure("event_open with 1 KiB", open_one, &b, 1);
    measure("verify a signature", verify_one, &b, 1);
    for (size_t i = 0; i < BATCH_MOST; i++)
        buf_free(&b.events[i]);
    buf_free(&b.event);
    buf_free(&b.envelope);
    arena_free(b.arena);
    seat_key_clear(&b.key);
    return 0;
}
