/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/broker.h"

#include <malloc.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "broker/inside.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum {
    RECEIVE_BUDGET = 64,            /* messages in one turn of the loop */
    PRESSURE_ON = 16 * 1024 * 1024, /* bytes of requests not answered: stop reading */
    PRESSURE_OFF = 8 * 1024 * 1024, /* go on */
    TICK = 100,                     /* milliseconds */
    TICKS_OF_SECOND = 10,
    TICKS_OF_MINUTE = 600,
    SCRUB_LEAST = 3600, /* seconds: a small log is not read all the time */
    EXIT_REFUSED = 1,
    EXIT_DOUBT = 70,
};
static const int64_t HOUR = INT64_C(3600) * 1000000;
static const int64_t DAY = 24 * INT64_C(3600) * 1000000;

/* ---- time and room ---- */

int64_t broker_now(struct broker *b)
{
    return clock_now(&b->clock);
}

static struct standing standing_of(void *arg)
{
    struct broker *b = arg;

    return (struct standing){.now = broker_now(b),
                             .machine = clock_machine(),
                             .ahead = b->clock.followed.ahead,
                             .jumped = b->clock.guard.jumped,
                             .full = b->full};
}

static void look_at_disk(struct broker *b)
{
    struct statvfs fs;

    if (statvfs(b->settings.dir, &fs) != 0)
        return;
    b->disk_free = (uint64_t)fs.f_bavail * fs.f_frsize;
    b->disk_size = (uint64_t)fs.f_blocks * fs.f_frsize;
    bool full = b->disk_free < (uint64_t)b->own.disk_reserve;
    if (full && !b->full)
        log_error("broker.full", "free space is below the reserve, publishing is refused free=%llu",
                  (unsigned long long)b->disk_free);
    else if (!full && b->full)
        log_info("broker.room", "publishing goes on free=%llu", (unsigned long long)b->disk_free);
    b->full = full;
}

/* ---- answers that several handlers give ---- */

void broker_refuse(struct broker *b, struct peer *p, uint64_t ref, struct refusal *why)
{
    peer_refuse(p, ref, why, broker_now(b));
}

Core__Pong broker_pong(struct broker *b)
{
    Core__Pong pong = CORE__PONG__INIT;

    pong.head = journal_head(b->journal);
    pong.now = broker_now(b);
    return pong;
}

static void on_left(void *arg, struct peer *p)
{
    struct broker *b = arg;

    deliver_left(b->deliver, p);
    asking_left(b->asking, p);
    log_debug("broker.left", "session ended seat=%s", p->key->seat->name);
}

void broker_sweep(struct broker *b)
{
    peers_sweep(b->peers, on_left, b);
}

/* ---- receive, identify, unpack, hand on ---- */

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
        handle_hello(b, from, p, f);
    else if (p)
        handle_frame(&c);
    else
        handle_forgotten(b, from, f->ref);
}

/* A delegated session whose delegation holds no longer. */
static bool is_over(struct broker *b, const struct peer *p)
{
    return p->by.through && !mandate_holds(&p->by, broker_now(b));
}

static void message_release(void *message)
{
    zmq_msg_close(message);
}

/* The message's bytes, which live as long as what is in the arena. */
static struct slice keep_message(struct arena *arena, zmq_msg_t *message)
{
    zmq_msg_t *kept = arena_room(arena, sizeof *kept);

    zmq_msg_init(kept);
    zmq_msg_move(kept, message);
    arena_keep(arena, message_release, kept);
    return slice_of(zmq_msg_data(kept), zmq_msg_size(kept));
}

/* A session whose connection's number went to somebody else is none of the sender's. */
static void take_message(struct broker *b, const struct sender *from, zmq_msg_t *message)
{
    struct peer *p = peers_find(b->peers, from->id);
    struct arena *arena = publish_arena(b->publishing);
    struct slice bytes = keep_message(arena, message);
    struct refusal why = {0};

    if (p && (p->key != from->key || is_over(b, p)))
        peer_end(p), p = NULL;
    ProtobufCMessage *m =
        scan_unpack_lent(&core__frame__descriptor, bytes, arena, &why.err, why.field);
    if (m)
        take_frame(b, from, p, (Core__Frame *)m, &arena, bytes.size);
    else if (p)
        broker_refuse(b, p, 0, &why);
    else
        refusals_count(&b->refusals, from->key->seat->name, err_code(why.err), "", "",
                       broker_now(b));
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
        take_message(b, &from, &parts[1]);
    else
        refusals_count(&b->refusals, from.key ? from.key->seat->name : "",
                       err_code(from.key ? ERR_KEY_REVOKED : ERR_STRANGER), "", "", broker_now(b));
    press(b);
}

static bool on_admits(void *arg, const uint8_t key[KEY_SIZE])
{
    struct broker *b = arg;
    const struct key *k = registry_curve_key(b->registry, key);

    if (!k || k->revoked)
        refusals_count(&b->refusals, k ? k->seat->name : "",
                       err_code(k ? ERR_KEY_REVOKED : ERR_STRANGER), "", "", broker_now(b));

    return k && !k->revoked;
}

/* ---- what happens by itself ---- */

static void end_if_over(void *arg, struct peer *p)
{
    struct broker *b = arg;

    if (p->key->revoked) {
        log_info("broker.revoked", "key revoked, session ended seat=%s", p->key->seat->name);
        peer_end(p);
    } else if (is_over(b, p)) {
        log_info("broker.undelegated", "a gateway's session ended seat=%s gateway=%s",
                 p->by.seat->name, p->by.through->name);
        peer_end(p);
    }
}

static void on_grown(void *arg, bool registry)
{
    struct broker *b = arg;

    if (registry) {
        clock_follow(&b->clock);
        peers_each(b->peers, end_if_over, b);
        broker_purge(b);
    }
    deliver_wake(b->deliver);
}

void broker_damaged(void *arg, uint64_t position)
{
    (void)arg;
    log_error("broker.damaged",
              "a record is damaged, stopping; run `chancery log verify` position=%llu",
              (unsigned long long)position);
    _exit(EXIT_DOUBT);
}

/* As at a start, only later: the signer knows what was signed though DIR/log was put back whole. */
void broker_lost(void *arg, const char *why)
{
    (void)arg;
    log_error("broker.lost", "refusing to serve any longer code=%s: %s", err_code(ERR_ROLLED_BACK),
              why);
    _exit(EXIT_REFUSED);
}

static void on_scrubbed(void *arg, uint64_t records, uint64_t bytes, uint64_t seconds)
{
    (void)arg;
    log_info("scrub.sound", "records=%llu bytes=%llu seconds=%llu", (unsigned long long)records,
             (unsigned long long)bytes, (unsigned long long)seconds);
}

/* Nothing more is served of a log that is not sound. */
static void on_unsound(void *arg, uint64_t position, const char *what, const char *text)
{
    (void)arg;
    log_error("scrub.damaged",
              "the log is damaged, stopping; run `chancery log verify` position=%llu "
              "what=%s code=%s: %s",
              (unsigned long long)position, what, err_code(ERR_DAMAGED), text);
    _exit(EXIT_DOUBT);
}

static void on_ready(void *arg, struct peer *p)
{
    struct broker *b = arg;

    deliver_ready(b->deliver, p);
    asking_go_on(b->asking);
}

static void on_retry(uv_timer_t *timer)
{
    (void)timer; /* it makes the loop come round */
}

/* Just after the loop slept: who was slow is tried again. */
static void on_check(uv_check_t *check)
{
    struct broker *b = check->data;

    if (peers_retry(b->peers, peer_clock(), on_ready, b))
        return;
    if (uv_is_active((uv_handle_t *)&b->retry))
        uv_timer_stop(&b->retry);
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
    if (!b->full && !b->clock.guard.jumped)
        audit_refusals(&b->audit, &b->refusals, broker_now(b));
}

/* The memory of a rush, once a second went by without an event. */
static void give_back(struct broker *b)
{
    uint64_t events = publish_totals(b->publishing)->events;

    if (events == b->events_seen && events != b->events_rested) {
        publish_rest(b->publishing);
        malloc_trim(0);
        b->events_rested = events;
    }
    b->events_seen = events;
}

static void on_second(struct broker *b)
{
    int64_t now = broker_now(b);
    Core__Pong pong = broker_pong(b);

    look_at_disk(b);
    signer_look(b->signer);
    if (b->ticks % TICKS_OF_MINUTE == 0) {
        journal_sweep(b->journal);
        broker_expire(b);
    }
    peers_probe(b->peers, &pong, NULL);
    give_back(b);
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

    if (peers_carried(b->peers))
        peers_each(b->peers, end_if_over, b);
    asking_tick(b->asking, peer_clock(), broker_now(b));
    publish_go_on(b->publishing);
    if (++b->ticks % TICKS_OF_SECOND == 0)
        on_second(b);
}

static void close_all(struct broker *b);

/* Just before the loop sleeps: those who are gone leave. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct broker *b = prepare->data;

    broker_sweep(b);
    press(b);
    if (peers_blocked(b->peers) && !uv_is_active((uv_handle_t *)&b->retry))
        uv_timer_start(&b->retry, on_retry, 1, 1);
    if (b->stopping && !b->closed && publish_idle(b->publishing) && signer_finished(b->signer))
        close_all(b);
}

/* The process's group may knock at a socket's file; the mode of its directory says who gets there.
 */
static int bind_door(void *router, const char *endpoint)
{
    mode_t before = umask(007);
    int rc = zmq_bind(router, endpoint);

    umask(before);
    return rc;
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
    if (bind_door(router, b->own.listen) != 0 ||
        zmq_getsockopt(router, ZMQ_LAST_ENDPOINT, bound, &size) != 0) {
        buf_printf(why, "cannot listen on %s: %s", b->own.listen, zmq_strerror(zmq_errno()));
        return ERR_IO;
    }
    return zap_self_test(b->loop, b->context, bound, b->key.curve_public, &b->key, why);
}

static void open_clock(struct broker *b)
{
    clock_open(&b->clock, b->registry, b->journal);
    b->started = b->audited = b->expired = broker_now(b);
}

/* Everything that lives on the loop, once the log is known to be sound. */
static void open_inside(struct broker *b)
{
    struct quota quota = {b->own.quota_events, b->own.quota_bytes};

    b->peers = peers_new(&b->refusals, &quota);
    b->deliver = deliver_new(b->loop, b->journal, b->registry, broker_damaged, b);
    b->asking = asking_new(b->registry);
    b->publishing = publishing_new(&(struct publishing_of){
        .loop = b->loop,
        .registry = b->registry,
        .journal = b->journal,
        .parts = b->parts,
        .transcripts = b->transcripts,
        .peers = b->peers,
        .log = b->log,
        .key = &b->key,
        .exercise = b->exercise,
        .standing = standing_of,
        .expired = broker_expired,
        .grown = on_grown,
        .arg = b,
    });
    b->audit = (struct audit){b->publishing, b->registry, &b->key, b->log, b->exercise};
}

static void start_handles(struct broker *b)
{
    uv_timer_init(b->loop, &b->tick);
    uv_timer_init(b->loop, &b->retry);
    uv_prepare_init(b->loop, &b->prepare);
    uv_check_init(b->loop, &b->check);
    b->tick.data = b->retry.data = b->prepare.data = b->check.data = b;
    uv_timer_start(&b->tick, on_tick, TICK, TICK);
    uv_prepare_start(&b->prepare, on_prepare);
    uv_check_start(&b->check, on_check);
    watchdog_start(&b->watchdog, b->loop, status_watchdog, b);
}

static void start_scrub(struct broker *b)
{
    if (b->own.scrub_rate > 0)
        b->scrub = scrub_start(&(struct scrub_of){
            .journal = b->journal,
            .rate = (uint64_t)b->own.scrub_rate,
            .least = SCRUB_LEAST,
            .passed = on_scrubbed,
            .found = on_unsound,
        });
}

int broker_open(struct broker **out, uv_loop_t *loop, const char *config, struct buf *why)
{
    struct broker *b = mem_new(sizeof *b);

    b->loop = loop;
    int rc = broker_read(b, config, why);
    if (rc == 0)
        rc = parts_open(&b->parts, b->settings.dir, loop, why);
    if (rc == 0) {
        open_clock(b);
        look_at_disk(b);
        open_inside(b);
        start_handles(b);
        rc = open_door(b, why);
    }
    if (rc == 0)
        rc = signer_open(b->signer, why);
    if (rc == 0) {
        start_scrub(b);
        broker_purge(b);
        broker_expire(b);
        refusals_free(&b->refusals); /* the self-test's stranger */
        zsock_pause(b->socket, 0);
        status_ready(b);
        log_info("broker.ready", "log=%s head=%llu endpoint=%s seat=%s", b->log,
                 (unsigned long long)journal_head(b->journal), b->own.listen, b->seat);
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
    log_info("broker.stopping", "what is under way is still recorded");
    notify_say("STOPPING=1\nSTATUS=stopping");
    record_refusals(b);
    b->stopping = true;
}

static void close_all(struct broker *b)
{
    b->closed = true;
    scrub_stop(b->scrub);
    signer_close(b->signer);
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
    uv_close((uv_handle_t *)&b->check, NULL);
    watchdog_stop(&b->watchdog);
}

void broker_free(struct broker *b)
{
    if (b->context)
        zmq_ctx_term(b->context);
    refusals_free(&b->refusals);
    journal_close(b->journal);
    registry_free(b->registry);
    transcripts_free(b->transcripts);
    signer_free(b->signer);
    seat_key_clear(&b->key);
    broker_settings_clear(&b->own);
    settings_clear(&b->settings);
    mem_free(b);
}
