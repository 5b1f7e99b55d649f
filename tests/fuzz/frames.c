/* SPDX-License-Identifier: Apache-2.0 */
/* frames.c - a frame as the broker takes it, and the events that it carries */
#include "chancery/core/v1/frames.pb-c.h"

#include <assert.h>

#include "lib/envelope.h"
#include "lib/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(4 << 20);
    char where[128];
    int err;
    const Core__Frame *f = (const Core__Frame *)scan_unpack(
        &core__frame__descriptor, slice_of(data, size), arena, &err, where);

    assert((f != NULL) == (err == 0));
    if (f && f->body_case == CORE__FRAME__BODY_PUBLISH)
        for (size_t i = 0; i < f->publish->n_events; i++) {
            const Core__SignedBytes *s = f->publish->events[i];
            struct event e;
            event_open(&e, slice_of(s->event.data, s->event.len),
                       slice_of(s->payload.data, s->payload.len), arena, where);
        }
    arena_free(arena);
    return 0;
}
