/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/deliver.h"

#include <stdlib.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/wire.h"

enum {
    TURN_RECORDS = 256,    /* looked at for one reading in its turn */
    TURN_READINGS = 8,     /* in one turn of the loop */
    MESSAGE_BYTES = 65536, /* of records in one message; one larger record goes alone */
    FRONT = 32,            /* room for what stands before the records */
    ALLOWANCES = 32,       /* (stream, type) pairs whose access is remembered */
    HEAD_ARENA = 1024 * 1024,
};

struct allowance {
    char stream[65], type[129];
    bool allowed;
};

struct reading {
    struct reading *next;            /* of the peer */
    struct reading *before, *behind; /* in the ring of those with work */
    struct peer *peer;
    uint64_t ref;
    struct journal_filter *filter;
    uint64_t at, until; /* next position to look at; 0 = no end */
    int64_t events, bytes;
    bool starved;     /* the record at `at` waits for credit */
    bool behind_head; /* a CaughtUp is due when it gets there */
    bool queued;
    struct allowance *allowances; /* n of them, under the registry's `version` */
    size_t n_allowances;
    uint64_t version;
};

struct deliver {
    uv_idle_t idle;
    struct journal *journal;
    const struct registry *registry;
    deliver_damaged *damaged;
    void *arg;
    struct reading *ring; /* the next one to have its turn */
    struct reading **all; /* n_all of them, in a growing array */
    size_t n_all, capacity;
    struct arena *arena;
    struct deliver_totals totals;
    bool idling;
};

/* ---- the ring of those with work ---- */

static void on_idle(uv_idle_t *idle);

static void enqueue(struct deliver *d, struct reading *r)
{
    if (r->queued)
        return;
    r->queued = true;
    if (d->ring) {
        r->before = d->ring->before;
        r->behind = d->ring;
        r->before->behind = r->behind->before = r;
    } else {
        d->ring = r->before = r->behind = r;
    }
    if (!d->idling)
        uv_idle_start(&d->idle, on_idle);
    d->idling = true;
}

static void dequeue(struct deliver *d, struct reading *r)
{
    if (!r->queued)
        return;
    r->queued = false;
    if (d->ring == r)
        d->ring = r->behind == r ? NULL : r->behind;
    r->before->behind = r->behind;
    r->behind->before = r->before;
    if (!d->ring && d->idling) {
        uv_idle_stop(&d->idle);
        d->idling = false;
    }
}

static uint64_t end_of(const struct deliver *d, const struct reading *r)
{
    uint64_t head = journal_head(d->journal);

    return r->until && r->until < head ? r->until : head;
}

static void wake(struct deliver *d, struct reading *r)
{
    bool work = r->at <= end_of(d, r) || r->behind_head;

    if (work && !r->starved && !r->peer->retry && !r->peer->gone)
        enqueue(d, r);
}

void deliver_wake(struct deliver *d)
{
    for (size_t i = 0; i < d->n_all; i++)
        wake(d, d->all[i]);
}

void deliver_ready(struct deliver *d, struct peer *p)
{
    for (struct reading *r = p->readings; r; r = r->next)
        wake(d, r);
}

/* ---- what the seat may have ---- */

static struct allowance *allowance_of(struct deliver *d, struct reading *r, const char *stream,
                                      const char *type)
{
    if (r->version != registry_version(d->registry)) {
        r->version = registry_version(d->registry);
        r->n_allowances = 0;
    }
    for (size_t i = 0; i < r->n_allowances; i++)
        if (strcmp(r->allowances[i].type, type) == 0 &&
            strcmp(r->allowances[i].stream, stream) == 0)
            return &r->allowances[i];
    if (!r->allowances)
        r->allowances = mem_new(ALLOWANCES * sizeof *r->allowances);
    if (r->n_allowances == ALLOWANCES)
        r->n_allowances = 0;
    struct allowance *a = &r->allowances[r->n_allowances++];
    memcpy(a->stream, stream, strlen(stream) + 1);
    memcpy(a->type, type, strlen(type) + 1);
    a->allowed = mandate_allows(d->registry, &r->peer->by, CORE__VERB__VERB_READ, stream, type);
    return a;
}

/* ---- one message of records ---- */

struct piece {
    struct deliver *d;
    struct reading *r;
    uint8_t *bytes; /* FRONT and then the records; malloc, for libzmq to free */
    size_t size, capacity;
    int64_t events, record_bytes;
    int err;
};

enum {
    TAG_REF = WIRE_TAG(1, WIRE_VARINT),
    TAG_DELIVER = WIRE_TAG(32, WIRE_BYTES),
    TAG_RECORDS = WIRE_TAG(1, WIRE_BYTES),
    TAG_POSITION = WIRE_TAG(1, WIRE_VARINT),
    TAG_RECEIVED = WIRE_TAG(2, WIRE_VARINT),
    TAG_EVENT = WIRE_TAG(3, WIRE_BYTES),
    TAG_PAYLOAD = WIRE_TAG(4, WIRE_BYTES),
};

static void piece_room(struct piece *p, size_t size)
{
    if (p->size + size <= p->capacity)
        return;
    p->capacity = p->size + size > FRONT + MESSAGE_BYTES ? p->size + size : 2 * (p->size + size);
    p->bytes = mem_grow(p->bytes, p->capacity);
}

static void piece_add(struct piece *p, const struct journal_record *rec)
{
    size_t inner = 2 + wire_varint_size(rec->position) + wire_varint_size((uint64_t)rec->received) +
                   wire_bytes_size(TAG_EVENT, rec->event) +
                   wire_bytes_size(TAG_PAYLOAD, rec->payload);

    if (!p->bytes)
        p->size = FRONT;
    piece_room(p, 1 + wire_varint_size(inner) + inner);
    uint8_t *at = p->bytes + p->size;
    at = wire_number(at, TAG_RECORDS, inner);
    at = wire_number(at, TAG_POSITION, rec->position);
    at = wire_number(at, TAG_RECEIVED, (uint64_t)rec->received);
    at = wire_bytes(at, TAG_EVENT, rec->event);
    at = wire_bytes(at, TAG_PAYLOAD, rec->payload);
    p->size = (size_t)(at - p->bytes);
}

static void piece_free(void *data, void *bytes)
{
    (void)data;
    mem_free(bytes);
}

/* The records stand; what comes before them is put right in front of them. */
static void piece_close(struct piece *p, zmq_msg_t *message)
{
    uint8_t front[FRONT], *at = front;

    at = wire_number(at, TAG_REF, p->r->ref);
    at = wire_number(at, TAG_DELIVER, p->size - FRONT);
    size_t n = (size_t)(at - front);
    memcpy(p->bytes + FRONT - n, front, n);
    zmq_msg_init_data(message, p->bytes + FRONT - n, p->size - FRONT + n, piece_free, p->bytes);
    p->bytes = NULL;
}

static bool may_have(struct piece *p, const struct journal_record *rec)
{
    struct event e;
    char where[128];

    arena_reset(p->d->arena);
    p->err = event_open_head(&e, rec->event, p->d->arena, where);
    if (p->err)
        return false;
    const struct mandate *by = &p->r->peer->by;
    const struct seat *seat = by->seat;
    return (allowance_of(p->d, p->r, e.envelope->stream, e.envelope->type)->allowed &&
            (mandate_handling(p->d->registry, by, e.envelope->handling, e.envelope->office) ||
             access_serves(p->d->registry, seat, e.envelope->stream))) ||
           access_recall(p->d->registry, seat, e.envelope);
}

/* As journal_each: 0 go on, -1 stop before this record. */
static int on_record(void *arg, const struct journal_record *rec)
{
    struct piece *p = arg;
    struct reading *r = p->r;
    int64_t size = (int64_t)(rec->event.size + rec->payload.size);

    if (r->until && rec->position > r->until)
        return -1;
    if (!may_have(p, rec))
        return p->err ? -1 : 0;
    /* a record larger than what is left of the credit may go: else it could never */
    r->starved = r->events <= p->events || r->bytes <= p->record_bytes;
    if (r->starved || (p->events && p->size + (size_t)size > FRONT + MESSAGE_BYTES))
        return -1;
    piece_add(p, rec);
    p->events++;
    p->record_bytes += size;
    return 0;
}

/* ---- a reading's turn ---- */

static void caught_up(struct deliver *d, struct reading *r, bool ended)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__CaughtUp up = CORE__CAUGHT_UP__INIT;

    up.head = end_of(d, r);
    up.ended = ended;
    frame.ref = r->ref;
    frame.body_case = CORE__FRAME__BODY_CAUGHT_UP;
    frame.caught_up = &up;
    r->behind_head = false;
    peer_send(r->peer, &frame);
}

/* Sends the piece; where the peer cannot take it, the reading is as it was before. */
static void piece_send(struct piece *p, uint64_t from)
{
    zmq_msg_t message;

    if (!p->bytes)
        return;
    piece_close(p, &message);
    int rc = peer_try(p->r->peer, &message);
    if (rc) {
        zmq_msg_close(&message);
        p->r->at = from;
        p->r->starved = false;
        return;
    }
    p->r->events -= p->events;
    p->r->bytes -= p->record_bytes;
    p->d->totals.events += (uint64_t)p->events;
    p->d->totals.bytes += (uint64_t)p->record_bytes;
}

static void reading_end(struct deliver *d, struct reading *r)
{
    struct reading **at = &r->peer->readings;

    dequeue(d, r);
    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    for (size_t i = 0; i < d->n_all; i++)
        if (d->all[i] == r)
            d->all[i] = d->all[--d->n_all];
    r->peer->use->readings--;
    journal_filter_free(r->filter);
    mem_free(r->allowances);
    mem_free(r);
}

static void turn(struct deliver *d, struct reading *r)
{
    struct piece p = {.d = d, .r = r};
    uint64_t from = r->at, next = r->at;

    int rc = from <= end_of(d, r)
                 ? journal_read(d->journal, r->filter, from, TURN_RECORDS, on_record, &p, &next)
                 : 0;
    if (rc || p.err) {
        mem_free(p.bytes);
        d->damaged(d->arg, next);
        return;
    }
    r->at = next;
    piece_send(&p, from);
    bool arrived = r->at > end_of(d, r), ended = r->until && r->at > r->until;
    bool blocked = r->peer->retry || r->peer->gone;
    if (!arrived || ended)
        r->behind_head = true;
    if (arrived && r->behind_head && !blocked)
        caught_up(d, r, ended);
    if (ended && !blocked)
        reading_end(d, r);
    else if (arrived || blocked || r->starved)
        dequeue(d, r);
}

static void on_idle(uv_idle_t *idle)
{
    struct deliver *d = idle->data;

    for (int i = 0; i < TURN_READINGS && d->ring; i++) {
        struct reading *r = d->ring;
        d->ring = r->behind;
        turn(d, r);
    }
}

/* ---- what a peer asks ---- */

struct deliver *deliver_new(uv_loop_t *loop, struct journal *journal,
                            const struct registry *registry, deliver_damaged *damaged, void *arg)
{
    struct deliver *d = mem_new(sizeof *d);

    uv_idle_init(loop, &d->idle);
    d->idle.data = d;
    d->journal = journal;
    d->registry = registry;
    d->damaged = damaged;
    d->arg = arg;
    d->arena = arena_new(HEAD_ARENA);
    return d;
}

static void on_closed(uv_handle_t *handle)
{
    struct deliver *d = handle->data;

    arena_free(d->arena);
    mem_free(d->all);
    mem_free(d);
}

void deliver_close(struct deliver *d)
{
    while (d->n_all)
        reading_end(d, d->all[0]);
    uv_close((uv_handle_t *)&d->idle, on_closed);
}

static struct reading *find(struct peer *p, uint64_t ref)
{
    struct reading *r = p->readings;

    while (r && r->ref != ref)
        r = r->next;
    return r;
}

/* A pattern that can never deliver is a mistake of whoever configured the reader: say so. */
static int check(const struct deliver *d, struct peer *p, uint64_t ref, const Core__Read *read,
                 struct refusal *why)
{
    char name[MANDATE_NAME];

    if (find(p, ref))
        return refuse(why, ERR_EXISTS, "ref", "a reading with this number is open; cancel it");
    if (p->use->readings == READINGS_OF_SEAT)
        return refuse(why, ERR_BUSY, "", "the seat has %d readings open; cancel one",
                      READINGS_OF_SEAT);
    if (read->n_streams > 64 || read->n_types > 64)
        return refuse(why, ERR_BOUNDS, read->n_streams > 64 ? "streams" : "types",
                      "at most 64 patterns");
    for (size_t i = 0; i < read->n_streams; i++)
        if (!mandate_may_read(d->registry, &p->by, read->streams[i]))
            return refuse(why, ERR_DENIED, "streams",
                          "no access rule lets %s read anything of %.64s; ask an administrator",
                          mandate_name(&p->by, name), read->streams[i]);
    if (read->n_streams == 0 && !mandate_may_read(d->registry, &p->by, "*"))
        return refuse(why, ERR_DENIED, "streams",
                      "no access rule lets %s read anything; ask an administrator",
                      mandate_name(&p->by, name));
    return 0;
}

static int64_t added(int64_t credit, uint64_t more)
{
    return more > (uint64_t)(INT64_MAX / 2 - credit) ? INT64_MAX / 2 : credit + (int64_t)more;
}

int deliver_read(struct deliver *d, struct peer *p, uint64_t ref, const Core__Read *read,
                 struct refusal *why)
{
    int rc = check(d, p, ref, read, why);

    if (rc)
        return rc;
    struct reading *r = mem_new(sizeof *r);
    r->peer = p;
    r->ref = ref;
    r->filter = journal_filter_new(read->streams, read->n_streams, read->types, read->n_types,
                                   read->seat[0] ? read->seat : NULL);
    r->at = read->from ? read->from : 1;
    r->until = read->until;
    r->events = read->credit_events;
    r->bytes = added(0, read->credit_bytes);
    r->behind_head = true;
    r->next = p->readings;
    p->readings = r;
    p->use->readings++;
    if (d->n_all == d->capacity) {
        d->capacity = d->capacity ? 2 * d->capacity : 16;
        d->all = mem_grow(d->all, d->capacity * sizeof(struct reading *));
    }
    d->all[d->n_all++] = r;
    wake(d, r);
    return 0;
}

void deliver_credit(struct deliver *d, struct peer *p, uint64_t ref, const Core__Credit *credit)
{
    struct reading *r = find(p, ref);

    if (!r) /* it ended while the credit was on its way */
        return;
    r->events = added(r->events, credit->events);
    r->bytes = added(r->bytes, credit->bytes);
    if (r->events > 0 && r->bytes > 0)
        r->starved = false;
    wake(d, r);
}

void deliver_cancel(struct deliver *d, struct peer *p, uint64_t ref)
{
    struct reading *r = find(p, ref);

    if (r)
        reading_end(d, r);
}

void deliver_left(struct deliver *d, struct peer *p)
{
    while (p->readings)
        reading_end(d, p->readings);
}

uint64_t deliver_backlog(const struct deliver *d, const struct seat_use *use)
{
    uint64_t most = 0;

    for (size_t i = 0; i < d->n_all; i++) {
        const struct reading *r = d->all[i];
        uint64_t behind = end_of(d, r) + 1;
        behind = r->peer->use == use && behind > r->at ? behind - r->at : 0;
        most = behind > most ? behind : most;
    }
    return most;
}

const struct deliver_totals *deliver_totals(const struct deliver *d)
{
    return &d->totals;
}
