/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "broker/asking.h"
#include "broker/audit.h"
#include "broker/checkpoint.h"
#include "broker/deliver.h"
#include "broker/guard.h"
#include "broker/zap.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"
#include "lib/settings.h"

enum {
    PROTOCOL = 1,
    RECEIVE_BUDGET = 64,            /* messages in one turn of the loop */
    PRESSURE_ON = 16 * 1024 * 1024, /* bytes of requests not answered: stop reading */
    PRESSURE_OFF = 8 * 1024 * 1024, /* go on */
    TICK = 100,                     /* milliseconds */
    TICKS_OF_SECOND = 10,
    EXIT_DOUBT = 70,
};
static const int64_t HOUR = INT64_C(3600) * 1000000;
static const int64_t DAY = 24 * INT64_C(3600) * 1000000;

struct broker_settings {
    char *listen;
    int64_t disk_reserve, quota_events, quota_bytes;
    bool accept_clock;
};

struct checkpointing {
    uv_work_t work;
    struct broker *broker;
    bool under_way;
    uint64_t size, written; /* of the tree being written, and of the one on disk */
    struct hash root;
    struct buf next, note; /* being made, and the newest one */
    int err;
};

struct broker {
    uv_loop_t *loop;
    uv_timer_t tick, retry;
    uv_prepare_t prepare;
    struct settings settings;
    struct broker_settings own;
    struct seat_key key;
    struct log_key log_key;
    struct journal *journal;
    struct registry *registry;
    struct parts *parts;
    struct refusals refusals;
    struct peers *peers;
    struct publishing *publishing;
    struct deliver *deliver;
    struct asking *asking;
    struct audit audit;
    void *context;
    struct zap *zap;
    struct zsock *socket;
    struct guard guard;
    struct checkpointing checkpoint;
    const char *log;
    char seat[65]; /* the broker's */
    bool exercise, full, jump_told, paused, stopping, closed;
    uint64_t ticks, disk_free;
    int64_t started, audited, expired;
};

/* ---- time and room ---- */

static int64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t now_of(struct broker *b)
{
    int64_t now = guard_now(&b->guard, clock_of(CLOCK_REALTIME), clock_of(CLOCK_BOOTTIME));

    if (b->guard.jumped && !b->jump_told) {
        b->jump_told = true;
        log_error("broker: the clock jumped; publishing waits. Set the clock right and restart, or "
                  "accept it once with [broker] accept-clock = yes");
    }
    return now;
}

static void state_of(void *arg, int64_t *now, bool *jumped, bool *full)
{
    struct broker *b = arg;

    *now = now_of(b);
    *jumped = b->guard.jumped;
    *full = b->full;
}

static void look_at_disk(struct broker *b)
{
    struct statvfs fs;

    if (statvfs(b->settings.dir, &fs) != 0)
        return;
    b->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool full = b->disk_free < (uint64_t)b->own.disk_reserve;
    if (full && !b->full)
        log_error("broker: free space is below the reserve, publishing is refused free=%llu",
                  (unsigned long long)b->disk_free);
    else if (!full && b->full)
        log_info("broker: there is room again free=%llu", (unsigned long long)b->disk_free);
    b->full = full;
}

/* ---- the checkpoint ---- */

static void on_checkpoint(uv_work_t *work)
{
    struct checkpointing *c = work->data;
    struct broker *b = c->broker;

    buf_reset(&c->next);
    c->err = checkpoint_write(b->settings.dir, &b->log_key, c->size, &c->root, &c->next);
}

static void after_checkpoint(uv_work_t *work, int status)
{
    struct checkpointing *c = work->data;

    (void)status; /* never cancelled */
    c->under_way = false;
    if (c->err) {
        log_error("broker: the checkpoint cannot be written, trying again code=%s size=%llu",
                  err_code(c->err), (unsigned long long)c->size);
        return;
    }
    struct buf old = c->note;
    c->note = c->next;
    c->next = old;
    c->written = c->size;
}

static void checkpoint_start(struct broker *b)
{
    struct checkpointing *c = &b->checkpoint;

    if (c->under_way || journal_head(b->journal) == c->written)
        return;
    journal_tree(b->journal, &c->size, &c->root);
    c->under_way = uv_queue_work(b->loop, &c->work, on_checkpoint, after_checkpoint) == 0;
}

/* ---- answers that several handlers give ---- */

static void tell_refused(struct broker *b, struct peer *p, uint64_t ref, struct refusal *why)
{
    peer_refuse(p, ref, why, now_of(b));
}

static Core__Pong pong_of(struct broker *b)
{
    Core__Pong pong = CORE__PONG__INIT;

    pong.head = journal_head(b->journal);
    pong.now = now_of(b);
    return pong;
}

static void on_left(void *arg, struct peer *p)
{
    struct broker *b = arg;

    deliver_left(b->deliver, p);
    asking_left(b->asking, p);
    log_debug("broker: session ended seat=%s", p->key->seat->name);
}

static void sweep(struct broker *b)
{
    peers_sweep(b->peers, on_left, b);
}

/* ---- one handler a kind of frame ---- */

struct call {
    struct broker *b;
    struct peer *peer;
    Core__Frame *frame;
    struct arena **arena; /* the frame's; who takes it sets it to NULL */
    size_t size;
};

typedef void handle(const struct call *c);

static void on_ping(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Pong pong = pong_of(c->b);

    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_PONG;
    frame.pong = &pong;
    peer_send(c->peer, &frame);
}

static void on_publish(const struct call *c)
{
    publish_take(c->b->publishing, c->peer, c->frame->ref, c->arena, c->frame->publish, c->size);
}

static void on_get_tail(const struct call *c)
{
    struct refusal why = {0};

    if (stream_valid(c->frame->get_tail->stream)) {
        publish_tail(c->b->publishing, c->peer, c->frame->ref, c->arena,
                     c->frame->get_tail->stream);
        return;
    }
    refuse(&why, ERR_FIELD, "stream", "a stream is named [a-z0-9.-]{1,64}");
    tell_refused(c->b, c->peer, c->frame->ref, &why);
}

static void on_read(const struct call *c)
{
    struct refusal why = {0};

    if (deliver_read(c->b->deliver, c->peer, c->frame->ref, c->frame->read, &why))
        tell_refused(c->b, c->peer, c->frame->ref, &why);
}

static void on_credit(const struct call *c)
{
    deliver_credit(c->b->deliver, c->peer, c->frame->ref, c->frame->credit);
}

static void on_cancel(const struct call *c)
{
    deliver_cancel(c->b->deliver, c->peer, c->frame->ref);
}

static void on_offer(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Offered offered = CORE__OFFERED__INIT;
    struct refusal why = {0};

    if (asking_offer(c->b->asking, c->peer, c->frame->offer->service, &why)) {
        tell_refused(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_OFFERED;
    frame.offered = &offered;
    peer_send(c->peer, &frame);
    asking_go_on(c->b->asking);
}

static void on_ask(const struct call *c)
{
    struct refusal why = {.stream = c->frame->ask->service, .type = c->frame->ask->type};

    if (asking_ask(c->b->asking, c->peer, c->frame->ref, c->frame->ask, peer_clock(), &why))
        tell_refused(c->b, c->peer, c->frame->ref, &why);
}

static void on_answer(const struct call *c)
{
    asking_answer(c->b->asking, c->peer, c->frame->ref, c->frame->answer, now_of(c->b));
}

static void on_get_head(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Head head = CORE__HEAD__INIT;
    struct buf *note = &c->b->checkpoint.note;

    head.head = journal_head(c->b->journal);
    head.checkpoint = (ProtobufCBinaryData){note->size, note->data};
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_HEAD;
    frame.head = &head;
    peer_send(c->peer, &frame);
}

struct put { /* a part whose last piece came */
    struct broker *b;
    uint32_t peer;
    uint64_t session, ref;
    struct hash part;
};

static void on_part_stored(void *arg, int err)
{
    struct put *put = arg;
    Core__Frame frame = CORE__FRAME__INIT;
    Core__PartStored stored = CORE__PART_STORED__INIT;
    struct peer *p = peers_session(put->b->peers, put->peer, put->session);
    struct refusal why = {.err = err};

    stored.sha256 = (ProtobufCBinaryData){HASH_SIZE, put->part.bytes};
    frame.ref = put->ref;
    frame.body_case = CORE__FRAME__BODY_PART_STORED;
    frame.part_stored = &stored;
    if (p && err)
        tell_refused(put->b, p, put->ref, &why);
    else if (p)
        peer_send(p, &frame);
    mem_free(put);
}

static int check_put(const Core__PutPart *m, struct refusal *why)
{
    if (m->sha256.len != HASH_SIZE)
        return refuse(why, ERR_FIELD, "sha256", "a SHA-256 has %d bytes", HASH_SIZE);
    if (m->size > PART_MOST)
        return refuse(why, ERR_BOUNDS, "size", "a part has at most %llu bytes",
                      (unsigned long long)PART_MOST);
    if (m->chunk.len > CHUNK_MOST)
        return refuse(why, ERR_BOUNDS, "chunk", "a chunk has at most %d bytes", CHUNK_MOST);
    if (m->offset > m->size || m->chunk.len > m->size - m->offset)
        return refuse(why, ERR_PART, "offset", "the chunk reaches beyond the part's size");
    return 0;
}

static void on_put_part(const struct call *c)
{
    const Core__PutPart *m = c->frame->put_part;
    struct refusal why = {0};
    struct hash part;
    struct put *put = NULL;

    int rc = check_put(m, &why);
    if (rc == 0 && c->b->full)
        rc = refuse(&why, ERR_FULL, "", "free space is below [broker] disk-reserve");
    if (rc) {
        tell_refused(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    memcpy(part.bytes, m->sha256.data, HASH_SIZE);
    if (m->offset + m->chunk.len == m->size) {
        put = mem_new(sizeof *put);
        *put = (struct put){c->b, c->peer->id, c->peer->number, c->frame->ref, part};
    }
    why.err = parts_put(c->b->parts, c->peer->key->seat->name, &part, m->size, m->offset,
                        slice_of(m->chunk.data, m->chunk.len), on_part_stored, put);
    if (why.err) {
        mem_free(put);
        tell_refused(c->b, c->peer, c->frame->ref, &why);
    }
}

struct part_search { /* does this record name the part, and may the seat have it? */
    const struct call *c;
    const struct hash *part;
    bool found;
};

static int search_part(void *arg, const struct journal_record *rec)
{
    struct part_search *s = arg;
    struct event e;
    char where[128];

    if (event_open_head(&e, rec->event, *s->c->arena, where) != 0 ||
        !deliver_may_have(s->c->b->registry, s->c->peer->key->seat, e.envelope))
        return 0;
    for (size_t i = 0; i < e.envelope->n_parts; i++)
        if (memcmp(e.envelope->parts[i]->sha256.data, s->part->bytes, HASH_SIZE) == 0)
            s->found = true;
    return 0;
}

static int find_part(const struct call *c, struct hash *part, struct refusal *why)
{
    const Core__GetPart *m = c->frame->get_part;
    struct part_search s = {c, part, false};

    if (m->sha256.len != HASH_SIZE)
        return refuse(why, ERR_FIELD, "sha256", "a SHA-256 has %d bytes", HASH_SIZE);
    if (m->length < 1 || m->length > CHUNK_MOST)
        return refuse(why, ERR_BOUNDS, "length", "1 to %d bytes at a time", CHUNK_MOST);
    memcpy(part->bytes, m->sha256.data, HASH_SIZE);
    journal_get(c->b->journal, m->position, search_part, &s);
    if (!s.found)
        return refuse(why, ERR_NOT_FOUND, "position",
                      "no event that this seat may read names the part at position %llu",
                      (unsigned long long)m->position);
    return 0;
}

static void on_get_part(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__PartChunk chunk = CORE__PART_CHUNK__INIT;
    const Core__GetPart *m = c->frame->get_part;
    struct refusal why = {0};
    struct buf bytes = {0};
    struct hash part;

    int rc = find_part(c, &part, &why);
    if (rc == 0)
        why.err = rc = parts_get(c->b->parts, &part, m->offset, m->length, &bytes, &chunk.size);
    if (rc) {
        tell_refused(c->b, c->peer, c->frame->ref, &why);
    } else {
        chunk.offset = m->offset;
        chunk.chunk = (ProtobufCBinaryData){bytes.size, bytes.data};
        frame.ref = c->frame->ref;
        frame.body_case = CORE__FRAME__BODY_PART_CHUNK;
        frame.part_chunk = &chunk;
        peer_send(c->peer, &frame);
    }
    buf_free(&bytes);
}

/* ---- status ---- */

enum { STATUS_SEATS = 512 };

struct status_of {
    struct broker *b;
    Core__SeatStatus rows[STATUS_SEATS], *list[STATUS_SEATS];
    struct buf services[STATUS_SEATS];
    size_t n;
};

static void add_seat(void *arg, const struct seat_use *use)
{
    struct status_of *s = arg;

    if (s->n == STATUS_SEATS)
        return;
    Core__SeatStatus *row = &s->rows[s->n];
    core__seat_status__init(row);
    row->seat = use->seat->name;
    row->office = use->seat->office->name;
    row->software = peers_software(s->b->peers, use);
    row->sessions = use->sessions;
    row->readings = use->readings;
    row->events = use->published;
    asking_services(s->b->asking, use, &s->services[s->n]);
    row->services = buf_cstr(&s->services[s->n]);
    s->list[s->n++] = row;
}

static void fill_status(struct status_of *s, Core__Status *status)
{
    struct broker *b = s->b;

    peers_each_seat(b->peers, add_seat, s);
    status->log = b->log;
    status->version = CHANCERY_VERSION;
    status->head = journal_head(b->journal);
    status->started = b->started;
    status->now = now_of(b);
    status->commits = publish_commits(b->publishing);
    status->refusals = b->refusals.total;
    status->disk_free = b->disk_free;
    status->n_seats = s->n;
    status->seats = s->list;
    status->publishing = !b->full && !b->guard.jumped;
    status->halted = b->guard.jumped ? err_code(ERR_CLOCK) : b->full ? err_code(ERR_FULL) : "";
}

static void on_get_status(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Status status = CORE__STATUS__INIT;
    struct refusal why = {.stream = "audit"};

    if (!access_allows(c->b->registry, c->peer->key->seat, CORE__VERB__VERB_READ, "audit",
                       core__refusals_counted__descriptor.name)) {
        refuse(&why, ERR_DENIED, "", "the status is for seats that may read the stream audit");
        tell_refused(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    struct status_of *s = mem_new(sizeof *s);
    s->b = c->b;
    fill_status(s, &status);
    frame.ref = c->frame->ref;
    frame.body_case = CORE__FRAME__BODY_STATUS;
    frame.status = &status;
    peer_send(c->peer, &frame);
    for (size_t i = 0; i < s->n; i++)
        buf_free(&s->services[i]);
    mem_free(s);
}

/* ---- hello ---- */

struct sender { /* who a message comes from */
    uint32_t id;
    const struct key *key;
};

static void welcome(struct broker *b, struct peer *p, uint64_t ref)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Welcome w = CORE__WELCOME__INIT;

    w.version = PROTOCOL;
    w.log = b->log;
    w.seat = p->key->seat->name;
    w.office = p->key->seat->office->name;
    w.head = journal_head(b->journal);
    w.now = now_of(b);
    w.mode = b->exercise ? CORE__MODE__MODE_EXERCISE : CORE__MODE__MODE_ACTUAL;
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_WELCOME;
    frame.welcome = &w;
    peer_send(p, &frame);
}

static int check_hello(const struct broker *b, const Core__Hello *hello, struct refusal *why)
{
    if (hello->version != PROTOCOL)
        return refuse(why, ERR_VERSION, "version", "this broker speaks version %d", PROTOCOL);
    if (hello->log[0] && strcmp(hello->log, b->log) != 0)
        return refuse(why, ERR_LOG, "log", "this broker keeps %s", b->log);
    if (strlen(hello->software) > 64)
        return refuse(why, ERR_BOUNDS, "software", "at most 64 bytes");
    return 0;
}

static void tell_stranger(struct broker *b, const struct sender *from, uint64_t ref,
                          const struct refusal *why)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Refused refused = CORE__REFUSED__INIT;

    refusals_count(&b->refusals, from->key->seat->name, err_code(why->err), "", "", now_of(b));
    refused.code = err_code(why->err);
    refused.text = why->text[0] ? why->text : err_text(why->err);
    refused.field = why->field;
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_REFUSED;
    frame.refused = &refused;
    peers_tell(b->peers, from->id, &frame);
}

/* A session begins; one that the connection had before ends. */
static void on_hello(struct broker *b, const struct sender *from, struct peer *before,
                     const Core__Frame *f)
{
    struct refusal why = {0};
    struct peer *p;

    int rc = check_hello(b, f->hello, &why);
    if (rc == 0 && before) {
        peer_end(before);
        sweep(b);
    }
    if (rc == 0)
        rc = refuse(&why, peers_add(b->peers, from->id, from->key, f->hello->software, &p), "",
                    "too many sessions; end one");
    if (rc)
        tell_stranger(b, from, f->ref, &why);
    else
        welcome(b, p, f->ref);
}

static void tell_forgotten(struct broker *b, const struct sender *from, uint64_t ref)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Forgotten forgotten = CORE__FORGOTTEN__INIT;

    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_FORGOTTEN;
    frame.forgotten = &forgotten;
    peers_tell(b->peers, from->id, &frame);
}

/* ---- receive, identify, unpack, hand on ---- */

static const struct frame_row {
    Core__Frame__BodyCase body;
    handle *handle;
} rows[] = {
    {CORE__FRAME__BODY_PING, on_ping},
    {CORE__FRAME__BODY_PUBLISH, on_publish},
    {CORE__FRAME__BODY_GET_TAIL, on_get_tail},
    {CORE__FRAME__BODY_READ, on_read},
    {CORE__FRAME__BODY_CREDIT, on_credit},
    {CORE__FRAME__BODY_CANCEL, on_cancel},
    {CORE__FRAME__BODY_OFFER, on_offer},
    {CORE__FRAME__BODY_ASK, on_ask},
    {CORE__FRAME__BODY_ANSWER, on_answer},
    {CORE__FRAME__BODY_GET_HEAD, on_get_head},
    {CORE__FRAME__BODY_PUT_PART, on_put_part},
    {CORE__FRAME__BODY_GET_PART, on_get_part},
    {CORE__FRAME__BODY_GET_STATUS, on_get_status},
};

static void dispatch(const struct call *c)
{
    struct refusal why = {0};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].body == c->frame->body_case) {
            rows[i].handle(c);
            return;
        }
    refuse(&why, ERR_MALFORMED, "body", "not a request that a broker answers");
    tell_refused(c->b, c->peer, c->frame->ref, &why);
}

/* The seat behind a message: the CURVE key that libzmq verified, found with the payload frame (on
 * the id frame it gets lost).  A routing id that the peer chose itself, a key that is not (or no
 * longer) registered: no one. */
static bool identify(struct broker *b, zmq_msg_t parts[], int n, struct sender *out)
{
    uint8_t key[KEY_SIZE];

    if (n != 2 || zmq_msg_size(&parts[0]) != ROUTING_ID_SIZE)
        return false;
    const uint8_t *id = zmq_msg_data(&parts[0]);
    const char *user = zmq_msg_gets(&parts[1], "User-Id");
    if (id[0] != 0 || !user || !hex_decode(key, sizeof key, user))
        return false;
    out->id = (uint32_t)id[1] << 24 | (uint32_t)id[2] << 16 | (uint32_t)id[3] << 8 | id[4];
    out->key = registry_curve_key(b->registry, key);
    return out->key && !out->key->revoked;
}

static void take_frame(struct broker *b, const struct sender *from, struct peer *p, Core__Frame *f,
                       struct arena **arena, size_t size)
{
    struct call c = {b, p, f, arena, size};

    if (f->body_case == CORE__FRAME__BODY_HELLO)
        on_hello(b, from, p, f);
    else if (p)
        dispatch(&c);
    else
        tell_forgotten(b, from, f->ref);
}

static void take_message(struct broker *b, const struct sender *from, struct slice bytes)
{
    struct peer *p = peers_find(b->peers, from->id);
    struct arena *arena = publish_arena(b->publishing);
    struct refusal why = {0};

    if (p && p->key != from->key) /* the connection's number went to somebody else */
        peer_end(p), p = NULL;
    ProtobufCMessage *m = scan_unpack(&core__frame__descriptor, bytes, arena, &why.err, why.field);
    if (m)
        take_frame(b, from, p, (Core__Frame *)m, &arena, bytes.size);
    else if (p)
        tell_refused(b, p, 0, &why);
    else
        refusals_count(&b->refusals, from->key->seat->name, err_code(why.err), "", "", now_of(b));
    if (arena)
        publish_arena_back(b->publishing, arena);
}

/* Past a bound of what waits nothing more is read: the back-pressure reaches the publishers. */
static void press(struct broker *b)
{
    size_t waiting = publish_waiting(b->publishing);
    bool paused = b->stopping || waiting > (b->paused ? PRESSURE_OFF : PRESSURE_ON);

    if (paused != b->paused)
        zsock_pause(b->socket, paused);
    b->paused = paused;
}

static void on_receive(void *arg, zmq_msg_t parts[], int n)
{
    struct broker *b = arg;
    struct sender from = {0};

    if (identify(b, parts, n, &from))
        take_message(b, &from, slice_of(zmq_msg_data(&parts[1]), zmq_msg_size(&parts[1])));
    else
        refusals_count(&b->refusals, from.key ? from.key->seat->name : "",
                       err_code(from.key ? ERR_KEY_REVOKED : ERR_STRANGER), "", "", now_of(b));
    press(b);
}

static bool on_admits(void *arg, const uint8_t key[KEY_SIZE])
{
    struct broker *b = arg;
    const struct key *k = registry_curve_key(b->registry, key);

    if (!k || k->revoked)
        refusals_count(&b->refusals, k ? k->seat->name : "",
                       err_code(k ? ERR_KEY_REVOKED : ERR_STRANGER), "", "", now_of(b));
    return k && !k->revoked;
}

/* ---- what happens by itself ---- */

static void end_if_revoked(void *arg, struct peer *p)
{
    (void)arg;
    if (p->key->revoked) {
        log_info("broker: key revoked, session ended seat=%s", p->key->seat->name);
        peer_end(p);
    }
}

static void on_grown(void *arg, bool registry)
{
    struct broker *b = arg;

    if (registry)
        peers_each(b->peers, end_if_revoked, b);
    deliver_wake(b->deliver);
}

static void on_damaged(void *arg, uint64_t position)
{
    (void)arg;
    log_error("broker: the record is damaged: stopping; run `chancery log verify` position=%llu",
              (unsigned long long)position);
    _exit(EXIT_DOUBT);
}

static void on_ready(void *arg, struct peer *p)
{
    struct broker *b = arg;

    deliver_ready(b->deliver, p);
}

static void on_retry(uv_timer_t *timer)
{
    struct broker *b = timer->data;

    if (!peers_retry(b->peers, peer_clock(), on_ready, b))
        uv_timer_stop(timer);
}

static bool is_referenced(void *arg, const struct hash *part)
{
    struct broker *b = arg;
    uint64_t position;

    return journal_part(b->journal, part, 0, &position) != ERR_NOT_FOUND;
}

/* What is halted keeps its counts until it goes on. */
static void record_refusals(struct broker *b)
{
    if (!b->full && !b->guard.jumped)
        audit_refusals(&b->audit, &b->refusals, now_of(b));
}

static void on_second(struct broker *b)
{
    int64_t now = now_of(b);
    Core__Pong pong = pong_of(b);

    look_at_disk(b);
    checkpoint_start(b);
    peers_probe(b->peers, &pong);
    if (now - b->audited >= HOUR) {
        b->audited = now;
        record_refusals(b);
    }
    if (now - b->expired >= HOUR) {
        b->expired = now;
        parts_expire(b->parts, now - DAY, is_referenced, b);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct broker *b = timer->data;

    asking_tick(b->asking, peer_clock(), now_of(b));
    publish_go_on(b->publishing);
    if (++b->ticks % TICKS_OF_SECOND == 0)
        on_second(b);
}

static void close_all(struct broker *b);

/* Just before the loop sleeps: those who are gone leave, and who is slow is tried again. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct broker *b = prepare->data;

    sweep(b);
    press(b);
    if (peers_blocked(b->peers) && !uv_is_active((uv_handle_t *)&b->retry))
        uv_timer_start(&b->retry, on_retry, 4, 4);
    if (b->stopping && publish_idle(b->publishing) && !b->checkpoint.under_way)
        close_all(b);
}

/* ---- start ---- */

static const struct conf_key keys[] = {
    {"broker", "listen", CONF_STRING, offsetof(struct broker_settings, listen), NULL, 0, 0},
    {"broker", "disk-reserve", CONF_SIZE, offsetof(struct broker_settings, disk_reserve), "64M", 0,
     INT64_MAX},
    {"broker", "quota-events", CONF_NUMBER, offsetof(struct broker_settings, quota_events),
     "200000", 64, 10000000},
    {"broker", "quota-bytes", CONF_SIZE, offsetof(struct broker_settings, quota_bytes), "512M",
     1048576, INT64_C(1) << 40},
    {"broker", "accept-clock", CONF_BOOL, offsetof(struct broker_settings, accept_clock), "no", 0,
     0},
    {NULL, NULL, CONF_STRING, 0, NULL, 0, 0},
};

static int fold_record(void *arg, const struct journal_record *rec)
{
    struct broker *b = arg;
    struct arena *arena = arena_new(FRAME_MOST);
    struct event e;
    char where[128];

    int rc = event_open_head(&e, rec->event, arena, where);
    if (rc == 0)
        registry_fold(b->registry, rec->position, e.envelope->type, rec->payload);
    arena_free(arena);
    return rc;
}

static int fold_registry(struct broker *b, struct buf *why)
{
    const char *stream = "registry";
    struct journal_filter *filter = journal_filter_new(&stream, 1, NULL, 0, NULL);
    uint64_t at = 1;
    int rc = 0;

    b->registry = registry_new();
    while (rc == 0 && at <= journal_head(b->journal))
        rc = journal_read(b->journal, filter, at, 256, fold_record, b, &at);
    journal_filter_free(filter);
    if (rc)
        buf_printf(why, "the registry cannot be read at position %llu; run `chancery log verify`",
                   (unsigned long long)at);
    return rc;
}

static int mismatch(struct buf *why, const char *text)
{
    buf_printf(why, "%s %s", "this is not the broker of this log:", text);
    return ERR_CONFIG;
}

static int check_founding(struct broker *b, struct buf *why)
{
    const Core__LogFounded *f = registry_founded(b->registry);

    if (!f)
        return mismatch(why, "the log has no founding record; run `chancery init`");
    if (b->settings.log && b->settings.log[0] && strcmp(b->settings.log, f->log) != 0)
        return mismatch(why, "[log] name is not the log's");
    if (strcmp(b->seat, f->broker) != 0)
        return mismatch(why, "[broker] seat is not the founding record's");
    if (!slice_equal(slice_of(f->server_key.data, f->server_key.len),
                     slice_of(b->key.curve_public, KEY_SIZE)))
        return mismatch(why, "its key file does not hold the founding record's server key");
    if (!slice_equal(slice_of(f->log_key.data, f->log_key.len),
                     slice_of(b->log_key.public_key, KEY_SIZE)))
        return mismatch(why, "keys/log.key does not hold the founding record's log key");
    if (!registry_seat(b->registry, b->seat))
        return mismatch(why, "its seat is not registered");
    b->log = f->log;
    b->exercise = f->exercise;
    return 0;
}

static int read_keys(struct broker *b, struct buf *why)
{
    char *file = mem_printf("%s/keys/log.key", b->settings.dir);

    int rc = seat_key_read(&b->key, b->settings.key_file, why);
    if (rc == 0)
        rc = log_key_read(&b->log_key, file, why);
    mem_free(file);
    return rc;
}

static int read_checkpoint(struct broker *b, struct buf *why)
{
    struct checkpoint c;

    int rc =
        checkpoint_read(b->settings.dir, b->log, b->log_key.public_key, &c, &b->checkpoint.note);
    if (rc && rc != ERR_NOT_FOUND) {
        buf_printf(why, "the checkpoint cannot be read (%s): %s", err_code(rc), err_text(rc));
        return rc;
    }
    b->checkpoint.written = rc ? 0 : c.size;
    return checkpoint_check(b->journal, rc ? NULL : &c, why);
}

static int read_settings(struct broker *b, const char *config, struct buf *why)
{
    int rc = settings_read(&b->settings, config, "broker", keys, &b->own, NULL, why);

    if (rc == 0)
        snprintf(b->seat, sizeof b->seat, "%s", b->settings.seat);
    if (rc == 0 && b->own.listen && strncmp(b->own.listen, "ipc://", 6) == 0 &&
        b->own.listen[6] != '/') {
        char *whole = mem_printf("ipc://%s/%s", b->settings.dir, b->own.listen + 6);
        mem_free(b->own.listen);
        b->own.listen = whole;
    }
    return rc;
}

static const char *endpoint_of(const struct broker *b)
{
    return b->own.listen && b->own.listen[0] ? b->own.listen : b->settings.endpoint;
}

static int open_door(struct broker *b, struct buf *why)
{
    char bound[256];
    size_t size = sizeof bound;

    b->context = zmq_ctx_new();
    int rc = zap_open(&b->zap, b->loop, b->context, on_admits, b, why);
    if (rc)
        return rc;
    void *router = zap_router(b->context, &b->key, why);
    if (!router)
        return ERR_IO;
    zsock_open(&b->socket, b->loop, router, RECEIVE_BUDGET, on_receive, b);
    zsock_pause(b->socket, 1);
    peers_socket(b->peers, b->socket);
    if (zmq_bind(router, endpoint_of(b)) != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, bound, &size) != 0) {
        buf_printf(why, "cannot listen on %s: %s", endpoint_of(b), zmq_strerror(zmq_errno()));
        return ERR_IO;
    }
    return zap_self_test(b->loop, b->context, bound, b->key.curve_public, &b->key, why);
}

static void open_clock(struct broker *b)
{
    guard_begin(&b->guard, clock_of(CLOCK_REALTIME), clock_of(CLOCK_BOOTTIME),
                journal_last_received(b->journal), b->own.accept_clock);
    b->started = b->audited = b->expired = now_of(b);
}

/* Everything that lives on the loop, once the log is known to be sound. */
static void open_inside(struct broker *b)
{
    struct quota quota = {b->own.quota_events, b->own.quota_bytes};

    b->peers = peers_new(&b->refusals, &quota);
    b->deliver = deliver_new(b->loop, b->journal, b->registry, on_damaged, b);
    b->asking = asking_new(b->registry);
    b->publishing = publishing_new(&(struct publishing_of){
        .loop = b->loop,
        .registry = b->registry,
        .journal = b->journal,
        .parts = b->parts,
        .peers = b->peers,
        .log = b->log,
        .exercise = b->exercise,
        .state = state_of,
        .grown = on_grown,
        .arg = b,
    });
    b->audit = (struct audit){b->publishing, b->registry, &b->key, b->log, b->exercise};
    b->checkpoint.broker = b;
    b->checkpoint.work.data = &b->checkpoint;
}

static void start_handles(struct broker *b)
{
    uv_timer_init(b->loop, &b->tick);
    uv_timer_init(b->loop, &b->retry);
    uv_prepare_init(b->loop, &b->prepare);
    b->tick.data = b->retry.data = b->prepare.data = b;
    uv_timer_start(&b->tick, on_tick, TICK, TICK);
    uv_prepare_start(&b->prepare, on_prepare);
}

int broker_open(struct broker **out, uv_loop_t *loop, const char *config, struct buf *why)
{
    struct broker *b = mem_new(sizeof *b);

    b->loop = loop;
    int rc = read_settings(b, config, why);
    if (rc == 0)
        rc = read_keys(b, why);
    if (rc == 0)
        rc = journal_open(&b->journal, b->settings.dir, false, why);
    if (rc == 0)
        rc = fold_registry(b, why);
    if (rc == 0)
        rc = check_founding(b, why);
    if (rc == 0)
        rc = read_checkpoint(b, why);
    if (rc == 0)
        rc = parts_open(&b->parts, b->settings.dir, loop, why);
    if (rc == 0) {
        open_clock(b);
        look_at_disk(b);
        open_inside(b);
        start_handles(b);
        rc = open_door(b, why);
    }
    if (rc == 0) {
        b->refusals.total = 0; /* the self-test's stranger */
        refusals_clear(&b->refusals);
        zsock_pause(b->socket, 0);
        log_info("broker: ready log=%s head=%llu endpoint=%s seat=%s", b->log,
                 (unsigned long long)journal_head(b->journal), endpoint_of(b), b->seat);
    } else if (b->prepare.data) {
        b->stopping = true; /* the loop closes what was opened */
    }
    *out = b;
    return rc;
}

/* ---- stop ---- */

void broker_stop(struct broker *b)
{
    if (b->stopping)
        return;
    log_info("broker: stopping");
    record_refusals(b);
    b->stopping = true;
}

static void write_last_checkpoint(struct broker *b)
{
    uint64_t size;
    struct hash root;

    journal_tree(b->journal, &size, &root);
    if (size == b->checkpoint.written)
        return;
    int rc = checkpoint_write(b->settings.dir, &b->log_key, size, &root, NULL);
    if (rc)
        log_error("broker: the last checkpoint cannot be written code=%s", err_code(rc));
}

static void close_all(struct broker *b)
{
    if (b->closed)
        return;
    b->closed = true;
    write_last_checkpoint(b);
    publishing_free(b->publishing);
    deliver_close(b->deliver);
    asking_free(b->asking);
    peers_free(b->peers);
    parts_close(b->parts);
    if (b->socket)
        zsock_close(b->socket, NULL, NULL);
    if (b->zap)
        zap_close(b->zap);
    uv_close((uv_handle_t *)&b->tick, NULL);
    uv_close((uv_handle_t *)&b->retry, NULL);
    uv_close((uv_handle_t *)&b->prepare, NULL);
}

void broker_free(struct broker *b)
{
    if (b->context)
        zmq_ctx_term(b->context);
    refusals_clear(&b->refusals);
    journal_close(b->journal);
    registry_free(b->registry);
    buf_free(&b->checkpoint.next);
    buf_free(&b->checkpoint.note);
    seat_key_clear(&b->key);
    explicit_bzero(&b->log_key, sizeof b->log_key);
    conf_clear(keys, "broker", &b->own);
    settings_clear(&b->settings);
    mem_free(b);
}
