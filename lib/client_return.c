/* SPDX-License-Identifier: Apache-2.0 */
/* client_return.c - publishing again what a restored log lost, as the receipts show it
 *
 * A session's log goes on from that of the receipts and took over less than they say, or is the
 * same and ends before them: what is missing is published again before anything else, byte for byte
 * and in the order of its old positions.  The broker knows what came back before, so a return that
 * was interrupted begins anew.
 *
 * Where other seats or other processes of this one must bring something back first (what precedes
 * it in its stream, the rule that allows it), a stream waits and the others go on.  What is refused
 * for good breaks its stream: each event behind it names it as its predecessor.
 */
#include <inttypes.h>

#include "lib/client.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    ROUND_PAUSE = 1000, /* ms */
    ROUNDS_MOST = 60,   /* that only wait, when no return is open */
};

enum state { GOES, WAITS, BROKEN };

struct stream {
    struct stream *next;
    char name[65];
    enum state state;
};

struct returning {
    struct receipt_place *places; /* in order */
    bool *done;
    size_t n, next, left; /* next: to be looked at in this round */
    size_t returned, refused;
    struct stream *streams;
    bool waits, told; /* in this round; at all */
    uint64_t pause;   /* nothing is sent before, ms of the loop's clock */
    unsigned rounds;
};

/* ---- what is missing ---- */

static void places_add(struct chancery *c, struct returning *g, const char *log, uint64_t above)
{
    struct receipt_place *more;
    size_t n;

    receipts_find(keep_receipts(c->publishing.keep), log, above, &more, &n);
    g->places = mem_grow(g->places, (g->n + n + 1) * sizeof *g->places);
    if (n)
        memcpy(g->places + g->n, more, n * sizeof *more);
    g->n += n;
    mem_free(more);
}

/* In this log, or in one that it goes on from. */
static bool is_returned(const struct chancery *c, size_t ancestor)
{
    const struct keep *k = c->publishing.keep;
    const char *log = c->ancestors[ancestor].log;
    bool returned = keep_is_returned(k, log, c->session.log);

    for (size_t i = ancestor + 1; i < c->n_ancestors; i++)
        returned = returned || keep_is_returned(k, log, c->ancestors[i].log);
    return returned;
}

static struct returning *find_missing(struct chancery *c)
{
    struct returning *g = mem_new(sizeof *g);

    for (size_t i = 0; i < c->n_ancestors; i++)
        if (!is_returned(c, i))
            places_add(c, g, c->ancestors[i].log, c->ancestors[i].position);
    places_add(c, g, c->session.log, c->session.head);
    g->left = g->n;
    g->done = mem_new(g->n * sizeof *g->done);
    return g;
}

/* ---- streams ---- */

static struct stream *stream_of(struct returning *g, const char *name)
{
    struct stream *s = g->streams;

    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    if (s)
        return s;
    s = mem_new(sizeof *s);
    memcpy(s->name, name, strlen(name));
    s->next = g->streams;
    g->streams = s;
    return s;
}

static void round_begin(struct returning *g)
{
    g->next = 0;
    g->waits = false;
    for (struct stream *s = g->streams; s; s = s->next)
        s->state = s->state == WAITS ? GOES : s->state;
}

/* ---- beginning and end ---- */

static void returning_free(struct returning *g)
{
    if (!g)
        return;
    while (g->streams) {
        struct stream *s = g->streams;
        g->streams = s->next;
        mem_free(s);
    }
    mem_free(g->places);
    mem_free(g->done);
    mem_free(g);
}

void return_close(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct batch *next;

    for (struct batch *b = p->flight.first; b; b = next) {
        next = b->next;
        if (b->receipt) {
            flight_take(p, b);
            batch_free(&c->publishing.spares, b);
        }
    }
    returning_free(p->returning);
    p->returning = NULL;
}

void return_begin(struct chancery *c)
{
    struct publishing *p = &c->publishing;

    return_close(c);
    if (!p->keep)
        return;
    struct returning *g = find_missing(c);
    if (g->n == 0) {
        returning_free(g);
        return;
    }
    log_warn("client.return",
             "the log was restored from an older copy, publishing again what it lost "
             "log=%s head=%" PRIu64 " receipts=%zu",
             c->session.log, c->session.head, g->n);
    p->returning = g;
}

/* Once the receipts of what came back are on disk, those that showed it missing are done with. */
static void note_returned(struct chancery *c)
{
    struct keep *k = c->publishing.keep;
    int rc = keep_sync(k);

    for (size_t i = 0; rc == 0 && i < c->n_ancestors; i++)
        if (!is_returned(c, i))
            rc = keep_returned(k, c->ancestors[i].log, c->session.log);
    if (rc)
        log_error("client.return-note",
                  "what was published again cannot be noted, it will be once more log=%s",
                  c->session.log);
}

/* What is left waits for the next session; what was refused for good is not tried again. */
static void return_end(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct returning *g = p->returning;

    if (g->left == 0)
        note_returned(c);
    if (g->refused || g->left)
        log_error("client.return-part",
                  "not all that the log lost came back log=%s returned=%zu refused=%zu "
                  "left=%zu; see `chancery receipt check`",
                  c->session.log, g->returned, g->refused, g->left);
    else
        log_info("client.returned", "what the log lost is back log=%s returned=%zu", c->session.log,
                 g->returned);
    returning_free(g);
    p->returning = NULL;
    client_soon(c);
}

/* ---- sending ---- */

static void item_done(struct returning *g, size_t i, bool returned)
{
    g->done[i] = true;
    g->left--;
    g->returned += returned;
    g->refused += !returned;
}

static struct slice slice_bytes(ProtobufCBinaryData bytes)
{
    return slice_of(bytes.data, bytes.len);
}

static void pack_receipt(struct batch *b, const Core__Record *record)
{
    const struct slice event = slice_bytes(record->event), payload = slice_bytes(record->payload);

    batch_pack(b, &event, &payload);
    b->bytes = batch_frame(b).size;
}

/* The receipt as a batch of its own, or NULL when it cannot be read. */
static struct batch *batch_of(struct chancery *c, size_t i)
{
    struct batch *b = batch_new(&c->publishing.spares, 1);
    struct receipt receipt;
    struct event e;
    char where[128];

    int rc = receipts_get(keep_receipts(c->publishing.keep), &c->publishing.returning->places[i],
                          &receipt);
    if (rc == 0) {
        struct slice event =
            slice_bytes(receipt.record->event); /* lent until the next one is read */
        event.data = arena_copy(b->arena, event.data, event.size);
        rc = event_open_head(&e, event, b->arena, where);
    }
    if (rc) {
        batch_free(&c->publishing.spares, b);
        return NULL;
    }
    b->envelopes[0] = (Core__Envelope *)(uintptr_t)e.envelope;
    b->receipt = i + 1;
    b->ref = client_ref(c);
    pack_receipt(b, receipt.record);
    return b;
}

static void send_item(struct chancery *c, size_t i)
{
    struct returning *g = c->publishing.returning;
    struct batch *b = batch_of(c, i);
    enum state state = b ? stream_of(g, b->envelopes[0]->stream)->state : GOES;

    if (b && state == GOES) {
        publishing_send(c, b);
        return;
    }
    if (!b)
        log_error("client.receipt", "a receipt cannot be read position=%" PRIu64,
                  g->places[i].position);
    if (!b || state == BROKEN)
        item_done(g, i, false);
    if (b)
        batch_free(&c->publishing.spares, b);
}

void return_turn(struct chancery *c)
{
    struct publishing *p = &c->publishing;
    struct returning *g = p->returning;

    if (!g || !c->welcome || uv_now(c->loop) < g->pause)
        return;
    for (; g->next < g->n && publishing_room(p, 0); g->next++)
        if (!g->done[g->next])
            send_item(c, g->next);
    if (g->next < g->n || p->flight.first)
        return;
    if (!g->waits || (!c->returning && ++g->rounds > ROUNDS_MOST)) {
        return_end(c);
        return;
    }
    g->pause = uv_now(c->loop) + ROUND_PAUSE;
    round_begin(g);
}

/* ---- answers ---- */

void return_recorded(struct chancery *c, const struct batch *b)
{
    item_done(c->publishing.returning, b->receipt - 1, true);
    client_soon(c);
}

static bool by_itself(int err)
{
    return err == ERR_BUSY || err == ERR_QUOTA || err == ERR_FULL || err == ERR_CLOCK;
}

/* What others bring back may allow it: rules, offices, keys, parts. */
static bool by_others(int err)
{
    return err == ERR_DENIED || err == ERR_HANDLING || err == ERR_NOT_FOUND ||
           err == ERR_KEY_UNKNOWN || err == ERR_PART_MISSING;
}

static bool may_come_yet(const struct chancery *c, const struct batch *b, const Core__Refused *r)
{
    int err = err_of_code(r->code);

    if (err == ERR_SEAT_ORDER) /* another process of the seat has what is before it */
        return r->expected < b->envelopes[0]->seat_seq;
    return by_itself(err) || (c->returning && by_others(err));
}

void return_refused(struct chancery *c, const struct batch *b, const Core__Refused *r)
{
    struct returning *g = c->publishing.returning;
    const Core__Envelope *e = b->envelopes[0];
    struct stream *s = stream_of(g, e->stream);
    size_t i = b->receipt - 1;

    if (s->state != BROKEN && may_come_yet(c, b, r)) {
        if (!g->told)
            log_warn("client.return-waits",
                     "what the log lost waits stream=%s position=%" PRIu64 " code=%s text=%s",
                     e->stream, g->places[i].position, r->code, r->text);
        g->waits = g->told = true;
        s->state = WAITS;
    } else {
        if (s->state != BROKEN)
            log_error("client.return-refused",
                      "what the log lost is refused for good stream=%s position=%" PRIu64
                      " code=%s text=%s",
                      e->stream, g->places[i].position, r->code, r->text);
        s->state = BROKEN;
        item_done(g, i, false);
    }
    client_soon(c);
}
