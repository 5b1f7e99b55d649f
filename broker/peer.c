/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/peer.h"

#include <stdarg.h>
#include <stdio.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum { PEER_BUCKETS = 1024, WAIT_LEAST = 1000, WAIT_MOST = 64000, SILENCE = 5000000 };

struct peer_message {
    struct peer_message *next;
    zmq_msg_t message;
};

struct peers {
    struct zsock *socket;
    struct refusals *refusals;
    struct quota quota;
    struct peer *buckets[PEER_BUCKETS];
    struct seat_use *seats;
    size_t n, blocked, carried;
    uint64_t sessions; /* ever */
    bool some_gone;
};

/* ---- what a seat may use ---- */

bool bucket_take(struct bucket *b, int64_t amount, int64_t now)
{
    int64_t most = 2 * b->rate;
    int64_t since = now - b->at;

    b->level = since >= 2000000 ? most : b->level + b->rate * since / 1000000;
    if (b->level > most)
        b->level = most;
    b->at = now;
    if (amount > b->level)
        return false;
    b->level -= amount;
    return true;
}

static struct seat_use *use_of(struct peers *all, const struct seat *seat,
                               const struct seat *through)
{
    struct seat_use *u = all->seats;

    while (u && (u->seat != seat || u->through != through))
        u = u->next;
    if (!u) {
        u = mem_new(sizeof *u);
        u->seat = seat;
        u->through = through;
        u->events = (struct bucket){.rate = all->quota.events, .at = INT64_MIN / 2};
        u->bytes = (struct bucket){.rate = all->quota.bytes, .at = INT64_MIN / 2};
        u->next = all->seats;
        all->seats = u;
    }
    return u;
}

/* ---- all of them ---- */

struct peers *peers_new(struct refusals *refusals, const struct quota *quota)
{
    struct peers *all = mem_new(sizeof *all);

    all->refusals = refusals;
    all->quota = *quota;
    return all;
}

void peers_socket(struct peers *all, struct zsock *socket)
{
    all->socket = socket;
}

static void box_shift(struct peer *p)
{
    struct peer_message *m = p->box;

    p->box = m->next;
    p->box_n--;
    p->box_bytes -= zmq_msg_size(&m->message);
    zmq_msg_close(&m->message);
    mem_free(m);
}

static void unblock(struct peer *p)
{
    if (p->retry)
        p->all->blocked--;
    p->retry = 0;
}

static void peer_free(struct peer *p)
{
    while (p->box)
        box_shift(p);
    unblock(p);
    p->use->sessions--;
    p->use->published -= p->published;
    if (p->carrier) {
        p->carrier->carried--;
        p->all->carried--;
    }
    p->all->n--;
    mem_free(p);
}

void peers_free(struct peers *all)
{
    for (size_t i = 0; i < PEER_BUCKETS; i++) {
        while (all->buckets[i]) {
            struct peer *p = all->buckets[i];
            all->buckets[i] = p->next;
            peer_free(p);
        }
    }
    while (all->seats) {
        struct seat_use *u = all->seats;
        all->seats = u->next;
        mem_free(u);
    }
    mem_free(all);
}

struct peer *peers_find(const struct peers *all, uint32_t id)
{
    struct peer *p = all->buckets[id % PEER_BUCKETS];

    while (p && (p->id != id || p->gone))
        p = p->next;
    return p;
}

struct peer *peers_session(const struct peers *all, uint32_t id, uint64_t number)
{
    struct peer *p = peers_find(all, id);

    return p && p->number == number ? p : NULL;
}

int peers_add(struct peers *all, const struct newcomer *who, struct peer **out)
{
    struct seat_use *use = use_of(all, who->by->seat, who->by->through);
    struct seat_use *carrier = who->by->through ? use_of(all, who->by->through, NULL) : NULL;

    if (all->n == PEERS_MOST || use->sessions == (carrier ? CARRIED_OF_SEAT : PEERS_OF_SEAT) ||
        (carrier && carrier->carried == CARRIED_MOST))
        return ERR_BUSY;
    struct peer *p = mem_new(sizeof *p);
    p->all = all;
    p->id = who->id;
    p->number = ++all->sessions;
    p->key = who->key;
    p->by = *who->by;
    p->use = use;
    p->carrier = carrier;
    p->sent = peer_clock();
    snprintf(p->software, sizeof p->software, "%s", who->software);
    p->next = all->buckets[p->id % PEER_BUCKETS];
    all->buckets[p->id % PEER_BUCKETS] = p;
    use->sessions++;
    all->n++;
    if (carrier) {
        carrier->carried++;
        all->carried++;
    }
    *out = p;
    return 0;
}

size_t peers_carried(const struct peers *all)
{
    return all->carried;
}

static bool use_take(struct seat_use *u, size_t events, size_t bytes, int64_t now)
{
    return bucket_take(&u->events, (int64_t)events, now) &&
           bucket_take(&u->bytes, (int64_t)bytes, now);
}

bool peer_may_publish(struct peer *p, size_t events, size_t bytes)
{
    int64_t now = peer_clock();

    return (!p->carrier || use_take(p->carrier, events, bytes, now)) &&
           use_take(p->use, events, bytes, now);
}

int64_t peers_until(const struct peers *all, const struct seat_use *use)
{
    int64_t until = 0;

    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (const struct peer *p = all->buckets[i]; p; p = p->next)
            if (p->use == use && p->by.expires > until)
                until = p->by.expires;
    return until;
}

void peers_each(struct peers *all, void (*each)(void *arg, struct peer *p), void *arg)
{
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (struct peer *p = all->buckets[i], *next; p; p = next) {
            next = p->next;
            if (!p->gone)
                each(arg, p);
        }
}

void peers_each_seat(const struct peers *all, void (*each)(void *arg, const struct seat_use *use),
                     void *arg)
{
    for (const struct seat_use *u = all->seats; u; u = u->next)
        if (u->sessions)
            each(arg, u);
}

const char *peers_software(const struct peers *all, const struct seat_use *use)
{
    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (const struct peer *p = all->buckets[i]; p; p = p->next)
            if (p->use == use)
                return p->software;
    return "";
}

uint64_t peers_unsent(const struct peers *all, const struct seat_use *use)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < PEER_BUCKETS; i++)
        for (const struct peer *p = all->buckets[i]; p; p = p->next)
            bytes += p->use == use ? p->box_bytes : 0;
    return bytes;
}

void peers_sweep(struct peers *all, void (*left)(void *arg, struct peer *p), void *arg)
{
    while (all->some_gone) { /* telling of one may find another gone */
        all->some_gone = false;
        for (size_t i = 0; i < PEER_BUCKETS; i++) {
            struct peer **at = &all->buckets[i];
            while (*at) {
                struct peer *p = *at;
                if (!p->gone) {
                    at = &p->next;
                    continue;
                }
                left(arg, p);
                *at = p->next;
                peer_free(p);
            }
        }
    }
}

/* ---- sending ---- */

int64_t peer_clock(void)
{
    return (int64_t)(uv_hrtime() / 1000);
}

void peer_end(struct peer *p)
{
    p->gone = true;
    p->all->some_gone = true;
}

static int put(struct peers *all, uint32_t id, zmq_msg_t *message)
{
    zmq_msg_t parts[2];

    zmq_msg_init_size(&parts[0], ROUTING_ID_SIZE);
    uint8_t *routing = zmq_msg_data(&parts[0]);
    routing[0] = 0;
    for (int i = 0; i < 4; i++)
        routing[1 + i] = (uint8_t)(id >> (24 - 8 * i));
    zmq_msg_init(&parts[1]);
    zmq_msg_move(&parts[1], message);
    int rc = zsock_send(all->socket, parts, 2);
    if (rc) {
        zmq_msg_move(message, &parts[1]);
        zmq_msg_close(&parts[1]);
        zmq_msg_close(&parts[0]);
    }
    return rc;
}

static void block(struct peer *p)
{
    if (!p->retry)
        p->all->blocked++;
    int64_t now = peer_clock();
    if (p->due <= now) { /* else it was tried before its time, which counts no further */
        p->wait = p->wait ? 2 * p->wait : WAIT_LEAST;
        if (p->wait > WAIT_MOST)
            p->wait = WAIT_MOST;
        p->due = now + p->wait;
    }
    p->retry = p->due;
}

static int send_now(struct peer *p, zmq_msg_t *message)
{
    int rc = put(p->all, p->id, message);

    if (rc == 0) {
        p->wait = p->due = 0;
        p->sent = peer_clock();
    } else if (rc == ERR_BUSY) {
        block(p);
    } else {
        peer_end(p);
    }
    return rc;
}

int peer_try(struct peer *p, zmq_msg_t *message)
{
    if (p->gone)
        return ERR_UNREACHABLE;
    return p->retry ? ERR_BUSY : send_now(p, message);
}

static void box_add(struct peer *p, zmq_msg_t *message)
{
    size_t size = zmq_msg_size(message);

    if (p->box_n == BOX_MESSAGES || size > BOX_BYTES - p->box_bytes) {
        log_warn("broker.stalled", "a session that does not take its answers is ended seat=%s",
                 p->key->seat->name);
        zmq_msg_close(message);
        peer_end(p);
        return;
    }
    struct peer_message *m = mem_new(sizeof *m);
    zmq_msg_init(&m->message);
    zmq_msg_move(&m->message, message);
    if (p->box)
        p->box_last->next = m;
    else
        p->box = m;
    p->box_last = m;
    p->box_n++;
    p->box_bytes += size;
}

static void pack(zmq_msg_t *message, const Core__Frame *frame)
{
    zmq_msg_init_size(message, core__frame__get_packed_size(frame));
    core__frame__pack(frame, zmq_msg_data(message));
}

void peer_send(struct peer *p, const Core__Frame *frame)
{
    zmq_msg_t message;

    if (p->gone)
        return;
    pack(&message, frame);
    int rc = peer_try(p, &message);
    if (rc == ERR_BUSY)
        box_add(p, &message);
    else if (rc)
        zmq_msg_close(&message);
}

void peers_tell(struct peers *all, uint32_t id, const Core__Frame *frame)
{
    zmq_msg_t message;

    pack(&message, frame);
    if (put(all, id, &message) != 0) /* a stranger who does not listen: it will ask again */
        zmq_msg_close(&message);
}

static void flush(struct peer *p)
{
    while (p->box && !p->retry && !p->gone)
        if (send_now(p, &p->box->message) == 0)
            box_shift(p);
}

struct retry {
    int64_t now;
    void (*ready)(void *arg, struct peer *p);
    void *arg;
};

static void retry(void *arg, struct peer *p)
{
    const struct retry *r = arg;

    if (!p->retry || (p->retry > r->now && p->wait > WAIT_LEAST))
        return;
    unblock(p);
    flush(p);
    if (!p->retry && !p->gone)
        r->ready(r->arg, p);
}

bool peers_retry(struct peers *all, int64_t now, void (*ready)(void *arg, struct peer *p),
                 void *arg)
{
    struct retry r = {now, ready, arg};

    if (all->blocked)
        peers_each(all, retry, &r);
    return all->blocked > 0;
}

bool peers_blocked(const struct peers *all)
{
    return all->blocked > 0;
}

struct probing {
    const Core__Pong *pong;
    const struct seat *seat;
};

static void probe(void *arg, struct peer *p)
{
    const struct probing *probing = arg;
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Pong pong = *probing->pong;
    bool due = probing->seat ? p->key->seat == probing->seat : peer_clock() - p->sent >= SILENCE;

    if (!due || p->retry)
        return;
    frame.body_case = CORE__FRAME__BODY_PONG;
    frame.pong = &pong;
    peer_send(p, &frame);
}

void peers_probe(struct peers *all, const Core__Pong *pong, const struct seat *seat)
{
    struct probing probing = {pong, seat};

    peers_each(all, probe, &probing);
}

/* ---- refusing ---- */

int refuse(struct refusal *why, int err, const char *field, const char *format, ...)
{
    va_list args;

    if (!err)
        return 0;
    why->err = err;
    snprintf(why->field, sizeof why->field, "%s", field);
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return err;
}

void peer_refuse(struct peer *p, uint64_t ref, const struct refusal *why, int64_t now)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Refused refused = CORE__REFUSED__INIT;

    refusals_count(p->all->refusals, p->key->seat->name, err_code(why->err),
                   why->stream ? why->stream : "", why->type ? why->type : "", now);
    log_debug("broker.refused", "seat=%s code=%s field=%s stream=%s", p->key->seat->name,
              err_code(why->err), why->field, why->stream ? why->stream : "");
    refused.code = err_code(why->err);
    refused.text = why->text[0] ? why->text : err_text(why->err);
    refused.field = why->field;
    refused.index = why->index;
    refused.expected = why->expected;
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_REFUSED;
    frame.refused = &refused;
    peer_send(p, &frame);
}
