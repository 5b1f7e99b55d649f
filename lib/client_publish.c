/* SPDX-License-Identifier: Apache-2.0 */
/* client_publish.c - publishing: sign late, send in order, say again, and never guess
 *
 *     waiting --signed, kept, sent--> flight --Recorded or Refused--> done
 *        ^                              |
 *        +------- again <---------------+ seat.order: definitely not recorded
 *
 * A batch whose outcome is in doubt is only ever sent again with the same bytes.  One that was
 * refused because of the order (another one before it was refused, or another process of the seat
 * published) is signed again with the same ids once nothing is in flight and the tail was read
 * anew.
 */
#include <stdio.h>

#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    WINDOW_FRAMES = 16,
    WINDOW_BYTES = 8 * 1024 * 1024,
    UNCONFIRMED_MOST = 64 * 1024 * 1024,
    EVENT_EXTRA =
        640, /* bytes around an envelope and payload: signature, salt, path, seat_seq ... */
    TRIES_MOST = 5,
    TRIES_OF_ANSWER = 1,
    BUSY_PAUSE = 100, /* ms */
    BUSY_MOST = 60000 / BUSY_PAUSE,
    HALT_PAUSE = 1000,
    BATCH_ARENA = 4 * FRAME_MOST,
};

struct batch {
    struct batch *next;
    uint64_t ref;
    struct arena *arena; /* of envelopes and payloads */
    Core__Envelope *envelopes[BATCH_MOST];
    struct slice payloads[BATCH_MOST];
    size_t n, bytes;
    struct buf frame; /* packed Publish; empty = not signed */
    bool is_answer;   /* deterministic: signed again at most once */
    bool in_doubt;    /* sent in an earlier life: it may be recorded */
    bool halted;      /* refused while the broker took nothing */
    unsigned tries, busy;
    uint64_t deadline; /* ms of the loop's clock; 0 = none */
    uint64_t kept;     /* number in the keep; 0 = none */
    chancery_published *done;
    void *arg;
};

/* ---- lists ---- */

static void batches_init(struct batches *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void batches_add(struct batches *l, struct batch *b)
{
    b->next = NULL;
    *l->end = b;
    l->end = &b->next;
}

static void batches_take(struct batches *l, struct batch *b)
{
    struct batch **at = &l->first;

    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    if (l->end == &b->next)
        l->end = at;
    b->next = NULL;
}

/* Puts all of `before` in front of `l`. */
static void batches_prepend(struct batches *l, struct batches *before)
{
    if (!before->first)
        return;
    *before->end = l->first;
    if (!l->first)
        l->end = before->end;
    l->first = before->first;
    batches_init(before);
}

static void flight_add(struct publishing *p, struct batch *b)
{
    batches_add(&p->flight, b);
    p->flight_n++;
    p->flight_bytes += b->bytes;
}

static void flight_take(struct publishing *p, struct batch *b)
{
    batches_take(&p->flight, b);
    p->flight_n--;
    p->flight_bytes -= b->bytes;
}

static struct batch *flight_find(const struct publishing *p, uint64_t ref)
{
    struct batch *b = p->flight.first;

    while (b && b->ref != ref)
        b = b->next;
    return b;
}

static struct batch *batch_new(size_t n)
{
    struct batch *b = mem_new(sizeof *b);

    b->arena = arena_new(BATCH_ARENA);
    b->n = n;
    return b;
}

static void batch_free(struct batch *b)
{
    arena_free(b->arena);
    buf_free(&b->frame);
    mem_free(b);
}

/* ---- the end of a batch ---- */

/* The batch is in no list any more. */
static void finish(struct chancery *c, struct batch *b, const struct chancery_result *result)
{
    struct publishing *p = &c->publishing;

    p->bytes -= b->bytes;
    if (p->keep && b->kept && result->outcome != CHANCERY_UNKNOWN)
        keep_done(p->keep, b->kept);
    if (b->done)
        b->done(b->arg, result);
    else if (result->outcome == CHANCERY_REFUSED)
        log_warn("client: kept events are refused code=%s text=%s stream=%s type=%s", result->code,
                 result->text, b->envelopes[0]->stream, b->envelopes[0]->type);
    batch_free(b);
}

static void finish_refused(struct chancery *c, struct batch *b, int err)
{
    finish(c, b,
           &(struct chancery_result){.outcome = CHANCERY_REFUSED,
                                     .n = b->n,
                                     .code = err_code(err),
                                     .text = err_text(err),
                                     .field = ""});
}

static void finish_unknown(struct chancery *c, struct batch *b)
{
    finish(c, b,
           &(struct chancery_result){.outcome = CHANCERY_UNKNOWN,
                                     .n = b->n,
                                     .code = err_code(ERR_UNKNOWN),
                                     .text = err_text(ERR_UNKNOWN),
                                     .field = ""});
}

/* ---- where the seat stands ---- */

static struct tail *tail_of(struct publishing *p, const char *stream)
{
    struct tail *t = p->tails;

    while (t && strcmp(t->stream, stream) != 0)
        t = t->next;
    if (t)
        return t;
    t = mem_new(sizeof *t);
    snprintf(t->stream, sizeof t->stream, "%s", stream);
    t->next = p->tails;
    p->tails = t;
    return t;
}

/* Follows an envelope that is signed. */
static void tail_set(struct tail *t, uint64_t seat_seq, struct slice envelope)
{
    t->known = true;
    t->seat_seq = seat_seq;
    hash_sha256(&t->envelope_hash, envelope);
}

struct ask_tail {
    struct request request;
    char stream[65];
};

static bool batch_uses(const struct batch *b, const char *stream)
{
    for (size_t i = 0; i < b->n; i++)
        if (strcmp(b->envelopes[i]->stream, stream) == 0)
            return true;
    return false;
}

/* The tail of its stream is refused: so is the first batch, which asked for it. */
static void tail_refused(struct chancery *c, const char *stream, int err,
                         const Core__Refused *refused)
{
    struct publishing *p = &c->publishing;
    struct batch *b = p->waiting.first;

    if (!b || !batch_uses(b, stream))
        return;
    batches_take(&p->waiting, b);
    if (!refused) {
        finish_refused(c, b, err);
        return;
    }
    finish(c, b,
           &(struct chancery_result){.outcome = CHANCERY_REFUSED,
                                     .n = b->n,
                                     .code = refused->code,
                                     .text = refused->text,
                                     .field = refused->field});
}

static void on_tail(struct chancery *c, struct request *q, const Core__Frame *answer, int err,
                    const Core__Refused *refused)
{
    struct ask_tail *ask = (struct ask_tail *)q;
    struct tail *t = tail_of(&c->publishing, ask->stream);

    t->asked = false;
    if (answer && answer->body_case == CORE__FRAME__BODY_TAIL) {
        const Core__Tail *tail = answer->tail;
        t->known = true;
        t->seat_seq = tail->seat_seq;
        if (tail->envelope_hash.len == HASH_SIZE)
            memcpy(t->envelope_hash.bytes, tail->envelope_hash.data, HASH_SIZE);
    } else if (!c->closing) {
        tail_refused(c, ask->stream, err ? err : ERR_MALFORMED, refused);
    }
    client_soon(c);
    request_free(q);
}

static void tail_ask(struct chancery *c, struct tail *t)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;

    if (t->asked)
        return;
    t->asked = true;
    struct ask_tail *ask = mem_new(sizeof *ask);
    memcpy(ask->stream, t->stream, sizeof ask->stream);
    ask->request.done = on_tail;
    get.stream = t->stream;
    frame.body_case = CORE__FRAME__BODY_GET_TAIL;
    frame.get_tail = &get;
    request_start(c, &ask->request, &frame);
}

/* True when the tails of all its streams are known; asks for those that are not. */
static bool tails_known(struct chancery *c, const struct batch *b)
{
    bool known = true;

    for (size_t i = 0; i < b->n; i++) {
        struct tail *t = tail_of(&c->publishing, b->envelopes[i]->stream);
        if (t->known)
            continue;
        tail_ask(c, t);
        known = false;
    }
    return known;
}

/* ---- signing ---- */

static void pack_envelope(struct chancery *c, Core__Envelope *e, struct buf *out)
{
    struct tail *t = tail_of(&c->publishing, e->stream);
    const struct chancery_session *s = &c->session;

    e->log = s->log;
    e->seat = s->seat;
    e->office = s->office;
    if (e->mode == CORE__MODE__MODE_UNSPECIFIED)
        e->mode = s->mode == CORE__MODE__MODE_EXERCISE ? CORE__MODE__MODE_EXERCISE
                                                       : CORE__MODE__MODE_ACTUAL;
    e->seat_seq = t->seat_seq + 1;
    e->previous = (ProtobufCBinaryData){t->seat_seq ? HASH_SIZE : 0, t->envelope_hash.bytes};
    core__envelope__pack(e, buf_grow(out, core__envelope__get_packed_size(e)));
    e->previous = (ProtobufCBinaryData){0};
    tail_set(t, e->seat_seq, slice_buf(out));
}

static void pack_frame(struct batch *b, const struct buf events[])
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Publish publish = CORE__PUBLISH__INIT;
    Core__SignedBytes bytes[BATCH_MOST], *list[BATCH_MOST];

    for (size_t i = 0; i < b->n; i++) {
        core__signed_bytes__init(&bytes[i]);
        bytes[i].event = (ProtobufCBinaryData){events[i].size, events[i].data};
        bytes[i].payload =
            (ProtobufCBinaryData){b->payloads[i].size, (uint8_t *)(uintptr_t)b->payloads[i].data};
        list[i] = &bytes[i];
    }
    publish.n_events = b->n;
    publish.events = list;
    frame.ref = b->ref;
    frame.body_case = CORE__FRAME__BODY_PUBLISH;
    frame.publish = &publish;
    core__frame__pack(&frame, buf_grow(&b->frame, core__frame__get_packed_size(&frame)));
}

static void sign_batch(struct chancery *c, struct batch *b)
{
    struct buf packed[BATCH_MOST] = {0}, events[BATCH_MOST] = {0};
    struct slice envelopes[BATCH_MOST];

    for (size_t i = 0; i < b->n; i++) {
        pack_envelope(c, b->envelopes[i], &packed[i]);
        envelopes[i] = slice_buf(&packed[i]);
    }
    sign_events(&c->key, envelopes, b->n, events);
    b->ref = client_ref(c);
    pack_frame(b, events);
    for (size_t i = 0; i < b->n; i++) {
        buf_free(&packed[i]);
        buf_free(&events[i]);
    }
}

/* ---- sending ---- */

static bool may_send(const struct chancery *c, const struct batch *b)
{
    const struct publishing *p = &c->publishing;

    return c->welcome && !p->draining && b && uv_now(c->loop) >= p->pause &&
           (p->flight_n == 0 || (!(p->keep && keep_full(p->keep)) && p->flight_n < WINDOW_FRAMES &&
                                 p->flight_bytes + b->bytes <= WINDOW_BYTES));
}

static int keep_batch(struct publishing *p, struct batch *b)
{
    if (!p->keep)
        return 0;
    if (b->kept)
        keep_done(p->keep, b->kept);
    return keep_add(p->keep, slice_buf(&b->frame), &b->kept);
}

/* Once nothing is in flight: what is sent again is numbered anew. */
static void drained(struct chancery *c)
{
    struct publishing *p = &c->publishing;

    if (p->draining && !p->flight.first) {
        p->draining = false;
        for (struct tail *t = p->tails; t; t = t->next)
            t->known = false;
        for (struct batch *b = p->again.first; b; b = b->next)
            buf_reset(&b->frame);
        batches_prepend(&p->waiting, &p->again);
    }
    client_soon(c);
}

static void send_ready(struct chancery *c, struct batches *ready)
{
    while (ready->first) {
        struct batch *b = ready->first;
        batches_take(ready, b);
        flight_add(&c->publishing, b);
        client_send_packed(c, slice_buf(&b->frame));
    }
}

/* What cannot be kept is not sent; unless it was sent before, it is refused. */
static void refuse_unkept(struct chancery *c, struct batches *ready)
{
    struct batches refused, doubtful;

    batches_init(&refused);
    batches_init(&doubtful);
    while (ready->first) {
        struct batch *b = ready->first;
        batches_take(ready, b);
        batches_add(b->in_doubt ? &doubtful : &refused, b);
    }
    send_ready(c, &doubtful);
    c->publishing.draining = true; /* those refused were numbered */
    while (refused.first) {
        struct batch *b = refused.first;
        batches_take(&refused, b);
        finish_refused(c, b, ERR_IO);
    }
    drained(c);
}

/* All that may be sent in one turn of the loop is kept by one sync. */
void publishing_turn(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct batches ready;
    size_t n = p->flight_n, bytes = p->flight_bytes;
    int err = 0;

    batches_init(&ready);
    while (may_send(c, p->waiting.first)) {
        struct batch *b = p->waiting.first;
        if (b->frame.size == 0) {
            if (!tails_known(c, b))
                break;
            sign_batch(c, b);
            if (err == 0)
                err = keep_batch(p, b);
        }
        batches_take(&p->waiting, b);
        batches_add(&ready, b);
        p->flight_n++;
        p->flight_bytes += b->bytes;
    }
    p->flight_n = n;
    p->flight_bytes = bytes;
    if (ready.first && p->keep && err == 0)
        err = keep_sync(p->keep);
    if (err)
        refuse_unkept(c, &ready);
    else
        send_ready(c, &ready);
}

void publishing_resume(struct chancery *c)
{
    for (struct batch *b = c->publishing.flight.first; b; b = b->next)
        client_send_packed(c, slice_buf(&b->frame));
    client_soon(c);
}

/* ---- answers ---- */

static void keep_receipts(struct publishing *p, const struct batch *b, const Core__Recorded *r)
{
    Core__Frame *f = core__frame__unpack(NULL, b->frame.size, b->frame.data);

    for (size_t i = 0; f && i < b->n; i++) {
        Core__Record record = CORE__RECORD__INIT;
        record.position = r->positions[i];
        record.received = r->received[i];
        record.event = f->publish->events[i]->event;
        record.payload = f->publish->events[i]->payload;
        if (keep_receipt(p->keep, &record) != 0)
            log_error("client: a receipt cannot be kept position=%llu",
                      (unsigned long long)record.position);
    }
    core__frame__free_unpacked(f, NULL);
    if (keep_sync(p->keep) != 0)
        log_error("client: receipts cannot be synced");
}

bool publishing_recorded(struct chancery *c, const Core__Frame *f)
{
    struct publishing *p = &c->publishing;
    struct batch *b = flight_find(p, f->ref);
    const Core__Recorded *r = f->recorded;

    if (!b)
        return false;
    flight_take(p, b);
    if (r->n_positions != b->n || r->n_received != b->n) {
        log_error("client: Recorded does not fit its batch ref=%llu", (unsigned long long)f->ref);
        finish_unknown(c, b);
    } else {
        if (p->keep)
            keep_receipts(p, b, r);
        finish(c, b,
               &(struct chancery_result){.outcome = CHANCERY_RECORDED,
                                         .positions = r->positions,
                                         .received = r->received,
                                         .n = b->n,
                                         .code = "",
                                         .text = "",
                                         .field = ""});
    }
    drained(c);
    return true;
}

/* True when the batch is to be sent again. `first`: nothing before it was refused. */
static bool is_again(struct chancery *c, struct batch *b, int err, bool first)
{
    unsigned most = b->is_answer ? TRIES_OF_ANSWER : TRIES_MOST;

    if (err == ERR_SEAT_ORDER)
        return !first || b->tries++ < most;
    if (c->patient && (err == ERR_FULL || err == ERR_CLOCK)) {
        if (!b->halted)
            log_warn("client: publishing waits code=%s", err_code(err));
        b->halted = true;
        c->publishing.pause = uv_now(c->loop) + HALT_PAUSE;
        return true;
    }
    if (err != ERR_BUSY && err != ERR_QUOTA)
        return false;
    c->publishing.pause = uv_now(c->loop) + BUSY_PAUSE;
    return b->busy++ < BUSY_MOST;
}

bool publishing_refused(struct chancery *c, const Core__Frame *f)
{
    struct publishing *p = &c->publishing;
    struct batch *b = flight_find(p, f->ref);
    const Core__Refused *r = f->refused;

    if (!b)
        return false;
    bool first = !p->draining;
    flight_take(p, b);
    p->draining = true;
    b->in_doubt = false;
    if (is_again(c, b, err_of_code(r->code), first))
        batches_add(&p->again, b);
    else
        finish(c, b,
               &(struct chancery_result){.outcome = CHANCERY_REFUSED,
                                         .n = b->n,
                                         .code = r->code,
                                         .text = r->text,
                                         .field = r->field,
                                         .index = r->index});
    drained(c);
    return true;
}

/* ---- giving up ---- */

static struct batch *overdue(struct batches *l, uint64_t now)
{
    struct batch *b = l->first;

    while (b && (!b->deadline || b->deadline > now))
        b = b->next;
    if (b)
        batches_take(l, b);
    return b;
}

static struct batch *take_overdue(struct publishing *p, uint64_t now)
{
    struct batch *b = overdue(&p->flight, now);

    if (b) { /* what is behind it may be numbered wrongly */
        p->flight_n--;
        p->flight_bytes -= b->bytes;
        p->draining = true;
        return b;
    }
    b = overdue(&p->again, now);
    return b ? b : overdue(&p->waiting, now);
}

void publishing_tick(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    uint64_t now = uv_now(c->loop);

    for (struct batch *b = take_overdue(p, now); b; b = take_overdue(p, now))
        finish_unknown(c, b);
    drained(c);
}

void publishing_close(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct batches *lists[] = {&p->flight, &p->again, &p->waiting};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (lists[i]->first) {
            struct batch *b = lists[i]->first;
            batches_take(lists[i], b);
            finish_unknown(c, b);
        }
    while (p->tails) {
        struct tail *t = p->tails;
        p->tails = t->next;
        mem_free(t);
    }
}

/* ---- what was kept ---- */

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

/* Its bytes go as they are under a ref of this life. */
static void on_kept(void *arg, uint64_t number, struct slice frame)
{
    struct chancery *c = arg;
    struct publishing *p = &c->publishing;
    struct batch *b = batch_new(0);
    char where[128];
    int err;
    uint8_t *copy = arena_take(b->arena, frame.size);

    if (copy)
        memcpy(copy, frame.data, frame.size);
    Core__Frame *f =
        !copy ? NULL
              : (Core__Frame *)scan_unpack(&core__frame__descriptor, slice_of(copy, frame.size),
                                           b->arena, &err, where);
    if (!kept_events(b, f, p)) {
        log_error("client: a kept frame cannot be read number=%llu", (unsigned long long)number);
        batch_free(b);
        return;
    }
    b->kept = number;
    b->in_doubt = true;
    b->bytes = frame.size;
    b->ref = f->ref = client_ref(c);
    core__frame__pack(f, buf_grow(&b->frame, core__frame__get_packed_size(f)));
    p->bytes += b->bytes;
    batches_add(&p->waiting, b);
}

int publishing_open(struct chancery *c, const char *keep_dir, struct buf *why)
{
    struct publishing *p = &c->publishing;

    batches_init(&p->waiting);
    batches_init(&p->flight);
    batches_init(&p->again);
    return keep_dir ? keep_open(&p->keep, keep_dir, on_kept, c, why) : 0;
}

/* ---- the caller's events ---- */

static bool text_fits(const char *s)
{
    return !s || scan_text(slice_str(s));
}

static int check_event(const struct chancery_event *e)
{
    const char *texts[] = {e->stream, e->type, e->case_id, e->language, e->marking, e->acting_for};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!text_fits(texts[i]))
            return ERR_TEXT;
    for (size_t i = 0; i < e->n_recipients; i++)
        if (!text_fits(e->recipients[i].name))
            return ERR_TEXT;
    for (size_t i = 0; i < e->n_parts; i++)
        if (!text_fits(e->parts[i].name) || !text_fits(e->parts[i].media_type))
            return ERR_TEXT;
    if (!e->stream || !stream_valid(e->stream) || !e->type || !type_valid(e->type) ||
        e->payload_size > PAYLOAD_MOST || e->n_parts > PARTS_MOST || e->n_recipients > 256)
        return ERR_BOUNDS;
    return 0;
}

static void *take(struct batch *b, const void *data, size_t size)
{
    void *copy = arena_take(b->arena, size ? size : 1);

    if (copy && size)
        memcpy(copy, data, size);
    return copy;
}

static const char *take_text(struct batch *b, const char *s)
{
    return s && s[0] ? take(b, s, strlen(s) + 1) : "";
}

static ProtobufCBinaryData take_bytes(struct batch *b, const void *data, size_t size)
{
    return (ProtobufCBinaryData){size, take(b, data, size)};
}

static bool is_zero(const uint8_t id[ID_SIZE])
{
    static const uint8_t zero[ID_SIZE];

    return memcmp(id, zero, ID_SIZE) == 0;
}

static void fill_handling(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    Core__Handling *h = arena_take(b->arena, sizeof *h);

    core__handling__init(h);
    h->label = e->label ? (Core__Label)e->label : CORE__LABEL__LABEL_GREEN;
    h->personal_data = e->personal_data;
    h->n_recipients = e->n_recipients;
    h->recipients = arena_take(b->arena, e->n_recipients * sizeof *h->recipients);
    for (size_t i = 0; i < e->n_recipients; i++) {
        Core__Recipient *r = arena_take(b->arena, sizeof *r);
        core__recipient__init(r);
        r->kind = (Core__RecipientKind)e->recipients[i].kind;
        r->name = take_text(b, e->recipients[i].name);
        h->recipients[i] = r;
    }
    out->handling = h;
}

static void fill_parts(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    out->n_parts = e->n_parts;
    out->parts = arena_take(b->arena, e->n_parts * sizeof *out->parts);
    for (size_t i = 0; i < e->n_parts; i++) {
        Core__PartRef *p = arena_take(b->arena, sizeof *p);
        core__part_ref__init(p);
        p->sha256 = take_bytes(b, e->parts[i].sha256, HASH_SIZE);
        p->size = e->parts[i].size;
        p->media_type = take_text(b, e->parts[i].media_type);
        p->name = take_text(b, e->parts[i].name);
        p->sealed = e->parts[i].sealed;
        out->parts[i] = p;
    }
}

static void fill_id(struct batch *b, Core__Envelope *out, const struct chancery_event *e)
{
    uint8_t id[ID_SIZE];
    int64_t now = time_now();

    memcpy(id, e->id, ID_SIZE);
    if (is_zero(id) && e->of)
        id_v8(id, e->cause, e->ordinal);
    else if (is_zero(id))
        id_v7(id, now);
    out->id = take_bytes(b, id, ID_SIZE);
    out->created = e->created ? e->created : now;
}

static void fill_payload(struct batch *b, size_t i, const struct chancery_event *e)
{
    struct hash hash;

    b->payloads[i] = slice_of(take(b, e->payload, e->payload_size), e->payload_size);
    hash_sha256(&hash, b->payloads[i]);
    b->envelopes[i]->payload_hash = take_bytes(b, hash.bytes, HASH_SIZE);
    b->envelopes[i]->payload_size = (uint32_t)e->payload_size;
}

static void fill_event(struct batch *b, size_t i, const struct chancery_event *e)
{
    Core__Envelope *out = arena_take(b->arena, sizeof *out);

    core__envelope__init(out);
    b->envelopes[i] = out;
    out->stream = take_text(b, e->stream);
    out->type = take_text(b, e->type);
    out->acting_for = take_text(b, e->acting_for);
    out->case_id = take_text(b, e->case_id);
    out->language = take_text(b, e->language);
    out->marking = take_text(b, e->marking);
    out->evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    out->kind = e->kind ? (Core__Kind)e->kind : CORE__KIND__KIND_NEW;
    out->mode = (Core__Mode)e->mode;
    out->cause = e->cause;
    out->ordinal = e->ordinal;
    out->of = e->of;
    out->due = e->due;
    out->effective = e->effective;
    out->expires = e->expires;
    if (e->reply_to) {
        out->in_reply_to = arena_take(b->arena, sizeof *out->in_reply_to);
        core__event_ref__init(out->in_reply_to);
        out->in_reply_to->position = e->reply_to;
    }
    b->is_answer |= e->of != 0;
    fill_id(b, out, e);
    fill_handling(b, out, e);
    fill_parts(b, out, e);
    fill_payload(b, i, e);
}

/* Before anything is copied: what the events are made of fits a frame. */
static int check_events(const struct chancery_event events[], size_t n)
{
    size_t bytes = 0;

    if (n < 1 || n > BATCH_MOST)
        return ERR_BOUNDS;
    for (size_t i = 0; i < n; i++) {
        int rc = check_event(&events[i]);
        if (rc)
            return rc;
        bytes += events[i].payload_size;
    }
    return bytes > FRAME_MOST ? ERR_BOUNDS : 0;
}

static int batch_make(struct batch **out, const struct chancery_event events[], size_t n)
{
    int rc = check_events(events, n);

    if (rc)
        return rc;
    struct batch *b = batch_new(n);
    for (size_t i = 0; i < n; i++) {
        fill_event(b, i, &events[i]);
        size_t size = core__envelope__get_packed_size(b->envelopes[i]);
        if (size > ENVELOPE_MOST - EVENT_EXTRA)
            rc = ERR_BOUNDS;
        b->bytes += size + events[i].payload_size + EVENT_EXTRA;
    }
    if (rc == 0 && b->bytes > FRAME_MOST)
        rc = ERR_BOUNDS;
    if (rc)
        batch_free(b);
    else
        *out = b;
    return rc;
}

int chancery_publish(struct chancery *c, const struct chancery_event events[], size_t n,
                     chancery_published *done, void *arg)
{
    struct publishing *p = &c->publishing;
    struct batch *b = NULL;

    if (c->closing)
        return ERR_CANCELLED;
    int rc = p->bytes >= UNCONFIRMED_MOST ? ERR_BUSY : batch_make(&b, events, n);
    if (rc)
        return rc;
    b->done = done;
    b->arg = arg;
    b->deadline = c->give_up ? uv_now(c->loop) + c->give_up : 0;
    p->bytes += b->bytes;
    batches_add(&p->waiting, b);
    client_soon(c);
    return 0;
}

/* ---- the caller's question for a tail ---- */

struct caller_tail {
    struct request request;
    void (*done)(void *arg, int err, uint64_t seat_seq, uint64_t position);
    void *arg;
};

static void on_caller_tail(struct chancery *c, struct request *q, const Core__Frame *answer,
                           int err, const Core__Refused *refused)
{
    struct caller_tail *ask = (struct caller_tail *)q;

    (void)refused;
    if (!c->closing && answer && answer->body_case == CORE__FRAME__BODY_TAIL)
        ask->done(ask->arg, 0, answer->tail->seat_seq, answer->tail->position);
    else if (!c->closing)
        ask->done(ask->arg, err ? err : ERR_MALFORMED, 0, 0);
    request_free(q);
}

int chancery_tail(struct chancery *c, const char *stream,
                  void (*done)(void *arg, int err, uint64_t seat_seq, uint64_t position), void *arg)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;

    if (c->closing)
        return ERR_CANCELLED;
    if (!stream || !stream_valid(stream))
        return ERR_FIELD;
    struct caller_tail *ask = mem_new(sizeof *ask);
    ask->request.done = on_caller_tail;
    ask->done = done;
    ask->arg = arg;
    get.stream = stream;
    frame.body_case = CORE__FRAME__BODY_GET_TAIL;
    frame.get_tail = &get;
    request_start(c, &ask->request, &frame);
    return 0;
}
