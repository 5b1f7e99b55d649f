/* SPDX-License-Identifier: Apache-2.0 */
/* delegation.c - what delegation_read takes keeps to what the broker relies on, and is read alike
 * when it is made again
 *
 * The first byte: even = the rest is a SignedDelegation, odd = it is a Delegation, to be signed.
 */
#include "lib/delegation.h"

#include <assert.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/envelope.h"

static const struct seat_key key = {.seat = "bela", .sign_seed = {1}};

static void wrap(struct buf *out, const uint8_t *text, size_t size)
{
    Core__SignedDelegation m = CORE__SIGNED_DELEGATION__INIT;
    uint8_t zero[SIGNATURE_SIZE] = {0}, *copy = mem_new(size ? size : 1);

    if (size)
        memcpy(copy, text, size);
    m.delegation = (ProtobufCBinaryData){size, copy};
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, zero};
    m.signature = (ProtobufCBinaryData){SIGNATURE_SIZE, zero};
    core__signed_delegation__pack(&m, buf_grow(out, core__signed_delegation__get_packed_size(&m)));
    mem_free(copy);
}

static void rely_on(const struct delegation_shown *d)
{
    struct delegation_shown again;
    struct buf bytes = {0};
    char where[128] = "";

    assert(log_name_valid(d->says.log) && identifier_valid(d->says.seat));
    assert(d->size <= DELEGATION_MOST && d->says.verbs && !(d->says.verbs & ~0xeu));
    assert(d->says.issued > 0 && d->says.expires - d->says.issued <= DELEGATION_LIFE);
    assert(delegation_check(&d->says, where) == 0);
    assert(!delegation_signed_by(d, key.sign_public));
    delegation_sign(&d->says, &key, &bytes);
    assert(delegation_read(&again, slice_buf(&bytes), where) == 0);
    assert(strcmp(again.says.log, d->says.log) == 0 && strcmp(again.says.seat, d->says.seat) == 0);
    assert(memcmp(again.says.gateway, d->says.gateway, KEY_SIZE) == 0);
    assert(again.says.verbs == d->says.verbs && again.says.issued == d->says.issued &&
           again.says.expires == d->says.expires);
    buf_free(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf wrapped = {0};
    struct delegation_shown d;
    char where[128] = "";

    if (size == 0)
        return 0;
    struct slice bytes = slice_of(data + 1, size - 1);
    if (data[0] & 1) {
        wrap(&wrapped, data + 1, size - 1);
        bytes = slice_buf(&wrapped);
    }
    if (delegation_read(&d, bytes, where) == 0)
        rely_on(&d);
    buf_free(&wrapped);
    return 0;
}
