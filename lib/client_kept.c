/* SPDX-License-Identifier: Apache-2.0 */
/* client_kept.c - what an earlier process left unconfirmed: said again with the same bytes */
#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

static const int64_t KEEP_AGE = INT64_C(30) * 24 * 3600 * 1000000;
static const uint64_t KEEP_BYTES = UINT64_C(1) << 30;

static bool kept_event(struct batch *b, size_t i, const Core__SignedBytes *bytes,
                       struct publishing *p)
{
    struct event e;
    char where[128];
    struct slice event = slice_of(bytes->event.data, bytes->event.len);

    b->payloads[i] = slice_of(bytes->payload.data, bytes->payload.len);
    if (event_open(&e, event, b->payloads[i], b->arena, where) != 0)
        return false;
    Core__Envelope *own = arena_take(b->arena, sizeof *own);
    if (!own)
        return false;
    *own = *e.envelope;
    b->envelopes[i] = own;
    b->is_answer |= own->of != 0;
    struct tail *t = tail_of(p, own->stream);
    t->known = true;
    t->seat_seq = own->seat_seq;
    t->envelope_hash = e.envelope_hash;
    return true;
}

static bool kept_events(struct batch *b, const Core__Frame *f, struct publishing *p)
{
    if (!f || f->body_case != CORE__FRAME__BODY_PUBLISH || f->publish->n_events < 1 ||
        f->publish->n_events > BATCH_MOST)
        return false;
    b->n = f->publish->n_events;
    for (size_t i = 0; i < b->n; i++)
        if (!kept_event(b, i, f->publish->events[i], p))
            return false;
    return true;
}

static void pack_kept(struct batch *b, const Core__Publish *publish)
{
    struct slice events[BATCH_MOST];

    for (size_t i = 0; i < b->n; i++)
        events[i] = slice_of(publish->events[i]->event.data, publish->events[i]->event.len);
    batch_pack(b, events, b->payloads);
}

/* Its bytes go as they are under a ref of this life. */
static void on_kept(void *arg, uint64_t number, struct slice frame)
{
    struct chancery *c = arg;
    struct publishing *p = &c->publishing;
    struct batch *b = batch_new(&c->publishing.spares, 0);
    char where[128];
    int err;
    const Core__Frame *f =
        (const Core__Frame *)scan_unpack(&core__frame__descriptor, frame, b->arena, &err, where);

    if (!kept_events(b, f, p)) {
        log_error("client.kept", "a kept frame cannot be read number=%llu",
                  (unsigned long long)number);
        batch_free(&c->publishing.spares, b);
        return;
    }
    b->kept = number;
    b->in_doubt = b->left = true;
    b->bytes = frame.size;
    b->ref = client_ref(c);
    pack_kept(b, f->publish);
    p->bytes += b->bytes;
    p->left++;
    batches_add(&p->waiting, b);
}

int kept_open(struct chancery *c, const struct chancery_options *options, struct buf *why)
{
    const struct receipts_policy policy = {
        .age = options->keep_age ? options->keep_age : KEEP_AGE,
        .bytes = options->keep_bytes ? options->keep_bytes : KEEP_BYTES,
    };

    return keep_open(&c->publishing.keep, options->keep_dir, &policy, on_kept, c, why);
}
