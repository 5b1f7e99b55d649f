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
#include "lib/client.h"
#include "lib/countersign.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    WINDOW_FRAMES = 16,
    WINDOW_BYTES = 8 * 1024 * 1024,
    UNCONFIRMED_MOST = 64 * 1024 * 1024,
    TRIES_MOST = 5,
    TRIES_OF_ANSWER = 1,
    BUSY_PAUSE = 100, /* ms */
    BUSY_MOST = 60000 / BUSY_PAUSE,
    HALT_PAUSE = 1000,
};

/* ---- what is in flight ---- */

static void flight_add(struct publishing *p, struct batch *b)
{
    batches_add(&p->flight, b);
    p->flight_n++;
    p->flight_bytes += b->bytes;
}

void flight_take(struct publishing *p, struct batch *b)
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
/* ---- the end of a batch ---- */

/* The batch is in no list any more: it is told in the next turn, once what is kept says the same.
 */
static void answer(struct chancery *c, struct batch *b, const struct chancery_result *result)
{
    struct publishing *p = &c->publishing;

    batch_answer(b, result);
    if (b->kept && result->outcome != CHANCERY_UNKNOWN)
        keep_done(p->keep, b->kept);
    batches_add(&p->answered, b);
    client_soon(c);
}

static void answer_refused(struct chancery *c, struct batch *b, const Core__Refused *r)
{
    answer(c, b,
           &(struct chancery_result){.outcome = CHANCERY_REFUSED,
                                     .code = r->code,
                                     .text = r->text,
                                     .field = r->field,
                                     .index = r->index});
}

static void answer_error(struct chancery *c, struct batch *b, enum chancery_outcome outcome,
                         int err, const char *text)
{
    answer(c, b,
           &(struct chancery_result){
               .outcome = outcome, .code = err_code(err), .text = text, .field = ""});
}

static void answer_unknown(struct chancery *c, struct batch *b)
{
    answer_error(c, b, CHANCERY_UNKNOWN, ERR_UNKNOWN, err_text(ERR_UNKNOWN));
}

static void log_left(const struct batch *b)
{
    const struct chancery_result *r = &b->result;
    const Core__Envelope *e = b->envelopes[0];

    if (r->outcome == CHANCERY_RECORDED)
        log_info("client.taken-up",
                 "what an earlier process left is recorded position=%llu stream=%s type=%s",
                 (unsigned long long)r->positions[0], e->stream, e->type);
    else if (r->outcome == CHANCERY_REFUSED)
        log_warn("client.left-over",
                 "what an earlier process left is refused code=%s text=%s stream=%s "
                 "type=%s",
                 r->code, r->text, e->stream, e->type);
}

/* A refusal that the disk does not have is none: the next start would say the batch again. */
static void doubt(struct batch *b)
{
    b->result.outcome = CHANCERY_UNKNOWN;
    b->result.code = err_code(ERR_UNKNOWN);
    b->result.text = "refused, but this cannot be kept: see the disk of the keep directory";
}

/* `err`: what is kept could not be synced. */
static void tell(struct chancery *c, int err)
{
    struct publishing *p = &c->publishing;

    while (p->answered.first) {
        struct batch *b = p->answered.first;
        batches_take(&p->answered, b);
        p->bytes -= b->bytes;
        p->left -= b->left;
        if (err && b->kept && b->result.outcome == CHANCERY_REFUSED)
            doubt(b);
        if (b->left)
            log_left(b);
        else if (b->done)
            b->done(b->arg, &b->result);
        batch_free(&c->publishing.spares, b);
    }
}

void publishing_no_tail(struct chancery *c, const char *stream, int err,
                        const Core__Refused *refused)
{
    struct publishing *p = &c->publishing;
    struct batch *b = p->waiting.first;

    if (!b || !batch_uses(b, stream))
        return;
    batches_take(&p->waiting, b);
    if (refused)
        answer_refused(c, b, refused);
    else
        answer_error(c, b, CHANCERY_REFUSED, err, err_text(err));
}

/* ---- sending ---- */

bool publishing_room(const struct publishing *p, size_t bytes)
{
    return p->flight_n == 0 ||
           (p->flight_n < WINDOW_FRAMES && p->flight_bytes + bytes <= WINDOW_BYTES);
}

static bool may_send(const struct chancery *c, const struct batch *b)
{
    const struct publishing *p = &c->publishing;

    return c->welcome && !p->returning && !p->draining && b && uv_now(c->loop) >= p->pause &&
           publishing_room(p, b->bytes);
}

/* Once nothing is in flight: what is sent again is numbered anew. */
static void drained(struct chancery *c)
{
    struct publishing *p = &c->publishing;

    if (p->draining && !p->flight.first) {
        p->draining = false;
        tails_forget(p);
        for (struct batch *b = p->again.first; b; b = b->next)
            if (!b->given)
                batch_unsign(b);
        batches_prepend(&p->waiting, &p->again);
    }
    client_soon(c);
}

/* What its key did not sign is not sent; what it was numbered before is numbered anew. */
static void refuse_unsigned(struct chancery *c, struct batch *b, int err)
{
    struct publishing *p = &c->publishing;

    log_error("client.unsigned", "the key of the seat does not sign code=%s: %s", err_code(err),
              err_text(err));
    batches_take(&p->waiting, b);
    p->draining = true;
    answer_error(c, b, CHANCERY_REFUSED, err, err_text(err));
}

/* Signs what may be sent, as far as the window goes, and adds it to what is kept. */
static void gather(struct chancery *c, struct batches *ready)
{
    struct publishing *p = &c->publishing;
    size_t n = p->flight_n, bytes = p->flight_bytes;

    while (may_send(c, p->waiting.first)) {
        struct batch *b = p->waiting.first;
        if (!batch_is_signed(b)) {
            if (!tails_known(c, b))
                break;
            int err = sign_batch(c, b);
            if (err) {
                refuse_unsigned(c, b, err);
                break;
            }
            b->replaces = b->kept;
            b->kept = p->keep ? keep_add(p->keep, batch_frame(b), b->replaces) : 0;
        }
        batches_take(&p->waiting, b);
        batches_add(ready, b);
        p->flight_n++;
        p->flight_bytes += b->bytes;
    }
    p->flight_n = n;
    p->flight_bytes = bytes;
}

void publishing_send(struct chancery *c, struct batch *b)
{
    b->in_doubt = true;
    flight_add(&c->publishing, b);
    client_send_packed(c, &b->frame);
}

static void send_ready(struct chancery *c, struct batches *ready)
{
    while (ready->first) {
        struct batch *b = ready->first;
        batches_take(ready, b);
        publishing_send(c, b);
    }
}

/* What cannot be kept is not sent, unless it was sent before: refused, once it is certain that the
 * next start does not find it. */
static void refuse_unkept(struct chancery *c, struct batches *ready)
{
    struct publishing *p = &c->publishing;
    bool undone = false;
    int err = 0;

    while (ready->first) {
        struct batch *b = ready->first;
        batches_take(ready, b);
        if (b->in_doubt) {
            publishing_send(c, b);
            continue;
        }
        if (!undone)
            err = keep_undo(p->keep, b->kept);
        undone = p->draining = true; /* those refused were numbered */
        b->kept = b->replaces;
        answer_error(c, b, err ? CHANCERY_UNKNOWN : CHANCERY_REFUSED, err ? ERR_UNKNOWN : ERR_IO,
                     "it cannot be kept before it is sent: see the disk of the keep directory");
    }
    drained(c);
}

/* One sync a turn of the loop: for all that is sent in it and all that is told. */
void publishing_turn(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct batches ready;

    batches_init(&ready);
    return_turn(c);
    gather(c, &ready);
    int err = p->keep ? keep_sync(p->keep) : 0;
    if (err)
        refuse_unkept(c, &ready);
    else
        send_ready(c, &ready);
    tell(c, err);
}

/* What a restored log lost comes before what is under way, for that follows it. */
void publishing_resume(struct chancery *c)
{
    struct publishing *p = &c->publishing;

    return_begin(c);
    if (p->returning) {
        batches_prepend(&p->waiting, &p->flight);
        p->flight_n = p->flight_bytes = 0;
    }
    for (struct batch *b = p->flight.first; b; b = b->next)
        client_send_packed(c, &b->frame);
    drained(c);
}

/* ---- answers ---- */

/* A broker that does not stand by its word is told of; what it recorded may be there all the same.
 */
static bool is_countersigned(const struct chancery *c, const Core__Recorded *r,
                             struct slice entries)
{
    struct slice signature = slice_of(r->signature.data, r->signature.len);

    if (r->signature.len == 0)
        return false;
    if (countersign_check(signature, c->session.log, entries, c->receipt_key))
        return true;
    log_error("client.receipt", "the broker's receipt is not signed by it position=%llu",
              (unsigned long long)r->positions[0]);
    return false;
}

static void put_entry(uint8_t out[LOG_ENTRY_SIZE], const Core__Record *record)
{
    struct hash hash;

    hash_sha256(&hash, slice_of(record->event.data, record->event.len));
    tree_log_entry(out, record->position, record->received, &hash);
}

static void keep_recorded(struct chancery *c, struct batch *b, const Core__Recorded *r)
{
    uint8_t entries[BATCH_MOST][LOG_ENTRY_SIZE];
    Core__Record records[BATCH_MOST];
    Core__Receipt receipt = CORE__RECEIPT__INIT;
    int err;
    const Core__Frame *f = (const Core__Frame *)scan_unpack_lent(
        &core__frame__descriptor, batch_frame(b), b->arena, &err, NULL);

    for (size_t i = 0; f && i < b->n; i++) {
        core__record__init(&records[i]);
        records[i].position = r->positions[i];
        records[i].received = r->received[i];
        records[i].event = f->publish->events[i]->event;
        records[i].payload = f->publish->events[i]->payload;
        put_entry(entries[i], &records[i]);
    }
    receipt.log = c->session_log;
    receipt.entries = (ProtobufCBinaryData){b->n * LOG_ENTRY_SIZE, entries[0]};
    receipt.key = (ProtobufCBinaryData){KEY_SIZE, c->receipt_key};
    receipt.signature = r->signature;
    bool good = f && is_countersigned(c, r, slice_of(entries, b->n * LOG_ENTRY_SIZE));
    if (!f || receipts_add(keep_receipts(c->publishing.keep), c->session.log, records, b->n,
                           good ? &receipt : NULL) != 0)
        log_error("client.receipt", "a receipt cannot be kept position=%llu",
                  (unsigned long long)r->positions[0]);
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
        log_error("client.frame", "Recorded does not fit its batch ref=%llu",
                  (unsigned long long)f->ref);
        answer_unknown(c, b);
    } else {
        if (p->keep)
            keep_recorded(c, b, r);
        if (!c->told && r->positions[b->n - 1] > c->session.head)
            c->session.head = r->positions[b->n - 1];
        if (b->receipt) {
            return_recorded(c, b);
            batch_free(&c->publishing.spares, b);
            return true;
        }
        answer(c, b,
               &(struct chancery_result){.outcome = CHANCERY_RECORDED,
                                         .positions = r->positions,
                                         .received = r->received,
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

    if (b->given && (err == ERR_SEAT_ORDER || err == ERR_LOG))
        return false;
    if (err == ERR_SEAT_ORDER)
        return !first || b->tries++ < most;
    if (err == ERR_LOG) /* signed for a log that this one goes on from */
        return b->tries++ == 0;
    if (c->patient && (err == ERR_FULL || err == ERR_CLOCK)) {
        if (!b->halted)
            log_warn("client.waits", "publishing waits code=%s", err_code(err));
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
    if (b->receipt) {
        return_refused(c, b, r);
        batch_free(&c->publishing.spares, b);
        return true;
    }
    p->draining = true;
    b->in_doubt = false;
    if (is_again(c, b, err_of_code(r->code), first))
        batches_add(&p->again, b);
    else
        answer_refused(c, b, r);
    drained(c);
    return true;
}

bool publishing_settled(const struct chancery *c)
{
    return c->publishing.left == 0 && !c->publishing.returning;
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

/* What is kept for the next batches. */
static void rest(struct publishing *p)
{
    spares_free(&p->spares);
    for (size_t i = 0; i < BATCH_MOST; i++) {
        buf_free(&p->packed[i]);
        buf_free(&p->signed_events[i]);
    }
}

void publishing_tick(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    uint64_t now = uv_now(c->loop);

    for (struct batch *b = take_overdue(p, now); b; b = take_overdue(p, now))
        answer_unknown(c, b);
    if (p->bytes == 0)
        rest(p);
    drained(c);
}

void publishing_close(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct batches *lists[] = {&p->flight, &p->again, &p->waiting};

    return_close(c);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        while (lists[i]->first) {
            struct batch *b = lists[i]->first;
            batches_take(lists[i], b);
            answer_unknown(c, b);
        }
    tell(c, p->keep ? keep_sync(p->keep) : 0);
    while (p->tails) {
        struct tail *t = p->tails;
        p->tails = t->next;
        mem_free(t);
    }
    rest(p);
}

int publishing_open(struct chancery *c, const struct chancery_options *options, struct buf *why)
{
    struct publishing *p = &c->publishing;

    batches_init(&p->waiting);
    batches_init(&p->flight);
    batches_init(&p->again);
    batches_init(&p->answered);
    return options->keep_dir ? kept_open(c, options, why) : 0;
}

/* ---- what the caller publishes ---- */

static void add_waiting(struct chancery *c, struct batch *b, chancery_published *done, void *arg)
{
    struct publishing *p = &c->publishing;

    b->done = done;
    b->arg = arg;
    b->deadline = c->give_up ? uv_now(c->loop) + c->give_up : 0;
    p->bytes += b->bytes;
    batches_add(&p->waiting, b);
    client_soon(c);
}

int chancery_publish(struct chancery *c, const struct chancery_event events[], size_t n,
                     chancery_published *done, void *arg)
{
    struct publishing *p = &c->publishing;
    struct batch *b = NULL;

    if (c->closing)
        return ERR_CANCELLED;
    if (c->delegation_size)
        return ERR_DENIED;
    int rc = p->bytes >= UNCONFIRMED_MOST ? ERR_BUSY : batch_make(&b, &p->spares, events, n);
    if (rc == 0)
        add_waiting(c, b, done, arg);
    return rc;
}

int chancery_publish_signed(struct chancery *c, const struct chancery_signed events[], size_t n,
                            chancery_published *done, void *arg)
{
    struct publishing *p = &c->publishing;
    struct batch *b = NULL;

    if (c->closing)
        return ERR_CANCELLED;
    if (p->keep)
        return ERR_CONFIG;
    int rc = p->bytes >= UNCONFIRMED_MOST ? ERR_BUSY
                                          : batch_take(&b, &p->spares, client_ref(c), events, n);
    if (rc)
        return rc;
    for (size_t i = 0; i < n; i++) /* the seat's next number is another one behind them */
        tail_of(p, b->envelopes[i]->stream)->known = false;
    add_waiting(c, b, done, arg);
    return 0;
}
