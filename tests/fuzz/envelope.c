/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c - what event_open takes keeps to what its users rely on
 *
 * The first byte: even = the rest is a SignedEvent, odd = it is an envelope, to be signed.
 */
#include "lib/envelope.h"

#include <assert.h>

#include "lib/sign.h"

/* What broker and workers do with an event without looking again. */
static void rely_on(const struct event *e)
{
    const Core__Envelope *v = e->envelope;
    struct hash root;

    assert(identifier_valid(v->seat) && office_valid(v->office) && stream_valid(v->stream));
    assert(type_valid(v->type) && log_name_valid(v->log) && v->id.len == ID_SIZE);
    assert(v->handling && v->handling->label >= 1 && v->handling->label <= 5);
    assert(v->payload_hash.len == HASH_SIZE && v->payload_size <= PAYLOAD_MOST);
    assert(v->cause ? v->ordinal < v->of : id_v7_time(v->id.data) >= 0);
    assert(v->n_parts <= PARTS_MOST && v->seat_seq >= 1);
    for (size_t i = 0; i < v->n_parts; i++)
        assert(v->parts[i]->sha256.len == HASH_SIZE && !strchr(v->parts[i]->name, '/'));
    assert(sign_event_root(e->signed_event, &root));
}

static void wrap(struct buf *out, struct slice envelope)
{
    static const uint8_t salts[1][SALT_SIZE] = {{1}};
    static const struct seat_key key = {.sign_seed = {1}};

    sign_events_salted(&key, &envelope, salts, 1, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4 << 20);
    struct buf wrapped = {0};
    struct event e;
    char where[128] = "";

    if (size == 0)
        goto out;
    struct slice event = slice_of(data + 1, size - 1);
    if (data[0] & 1) {
        wrap(&wrapped, event);
        event = slice_buf(&wrapped);
    }
    int err = event_open_head(&e, event, arena, where);
    if (err == 0)
        rely_on(&e);
    struct event with_payload;
    int err_payload = event_open(&with_payload, event, slice_str("first"), arena, where);
    assert(err == 0 || err_payload == err);
out:
    buf_free(&wrapped);
    arena_free(arena);
    return 0;
}
