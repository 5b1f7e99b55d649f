/* SPDX-License-Identifier: Apache-2.0 */
/* The client's batches: their frame is what protobuf-c would write, and their memory is used again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/client_batch.h"
#include "lib/mem.h"

static const size_t sizes[] = {0, 1, 127, 128, 1000, 16383, 16384};
enum { SIZES = sizeof sizes / sizeof *sizes };

static struct slice some(size_t i)
{
    static uint8_t bytes[16384];

    for (size_t k = 0; k < sizeof bytes; k++)
        bytes[k] = (uint8_t)(k * 7);
    return slice_of(bytes, sizes[i % SIZES]);
}

static ProtobufCBinaryData binary(struct slice s)
{
    return (ProtobufCBinaryData){s.size, (uint8_t *)(uintptr_t)s.data};
}

static void packed_by_protobuf_c(struct buf *out, uint64_t ref, size_t n)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Publish publish = CORE__PUBLISH__INIT;
    Core__SignedBytes bytes[BATCH_MOST], *list[BATCH_MOST];

    for (size_t i = 0; i < n; i++) {
        core__signed_bytes__init(&bytes[i]);
        bytes[i].event = binary(some(i + 1));
        bytes[i].payload = binary(some(i));
        list[i] = &bytes[i];
    }
    publish.n_events = n;
    publish.events = list;
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_PUBLISH;
    frame.publish = &publish;
    buf_reset(out);
    core__frame__pack(&frame, buf_grow(out, core__frame__get_packed_size(&frame)));
}

static void a_frame_is_what_protobuf_c_would_write(void **unused)
{
    (void)unused;
    static const uint64_t refs[] = {1, 127, 128, UINT64_MAX};
    struct spares spares = {0};
    struct buf expected = {0};

    for (size_t n = 1; n <= BATCH_MOST; n++) {
        struct batch *b = batch_new(&spares, n);
        struct slice events[BATCH_MOST], payloads[BATCH_MOST];
        for (size_t i = 0; i < n; i++) {
            events[i] = some(i + 1);
            payloads[i] = some(i);
        }
        b->ref = refs[n % 4];
        batch_pack(b, events, payloads);
        packed_by_protobuf_c(&expected, b->ref, n);
        assert_true(slice_equal(batch_frame(b), slice_buf(&expected)));
        batch_free(&spares, b);
    }
    buf_free(&expected);
    spares_free(&spares);
}

static void a_batch_that_is_over_leaves_nothing_to_the_next_one(void **unused)
{
    (void)unused;
    struct spares spares = {0};
    const struct slice event = some(3);

    for (int i = 0; i < 40; i++) {
        struct batch *b[20];
        for (int k = 0; k < 20; k++) {
            b[k] = batch_new(&spares, 1);
            assert_true(!batch_is_signed(b[k]) && !b[k]->next && b[k]->tries == 0 && !b[k]->kept);
            b[k]->tries = 3;
            b[k]->kept = 9;
            batch_pack(b[k], &event, &event);
            assert_true(batch_is_signed(b[k]));
        }
        for (int k = 0; k < 20; k++)
            batch_free(&spares, b[k]);
        assert_in_range(spares.n, 1, 16);
    }
    spares_free(&spares);
    assert_int_equal(spares.n, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_what_protobuf_c_would_write),
        cmocka_unit_test(a_batch_that_is_over_leaves_nothing_to_the_next_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
