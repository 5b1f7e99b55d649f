/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/publish.h"

#include <assert.h>
#include <unistd.h>

#include "broker/crew.h"
#include "lib/countersign.h"
#include "lib/err.h"
#include "lib/log.h"
#include "lib/mem.h"

enum {
    ARENA_CAP = 16 * 1024 * 1024,
    ARENA_LEAST = 16 * 1024, /* what a request costs beside its bytes */
    ARENAS_KEPT = 16,
    EXIT_DOUBT = 70,
};

struct request {              /* lies in its own arena */
    struct crew_item checked; /* while it is verified */
    struct request *next;
    struct publishing *p;
    struct arena *arena;
    size_t bytes;
    uint32_t peer;
    uint64_t session, ref;
    struct mandate by;
    bool own, answers_tail;
    bool ready;         /* there is nothing to verify */
    bool broken;        /* a payload is not its envelope's: refused whatever is known */
    const char *stream; /* of a tail asked for */
    struct admit_event *events;
    size_t n;
    struct refusal early; /* found before its turn; err 0: none */
    int64_t received;
};

struct publishing {
    struct publishing_of of;
    struct commit *commit;
    struct crew *crew;
    struct overlay *overlay;
    struct request *first, **last; /* in order of arrival, not yet admitted */
    struct arena *arenas[ARENAS_KEPT];
    size_t n_arenas, waiting;
};

static void committed(void *owner, int err, uint64_t first, void *const args[], size_t n);
static void on_verify(struct crew_item *item);
static void after_verify(void *owner);
static void pump(struct publishing *p);

/* ---- life ---- */

struct publishing *publishing_new(const struct publishing_of *of)
{
    struct publishing *p = mem_new(sizeof *p);

    p->of = *of;
    p->overlay = overlay_new();
    p->last = &p->first;
    commit_start(&p->commit, of->loop, of->journal, committed, p);
    crew_start(&p->crew, of->loop, on_verify, after_verify, p);
    return p;
}

void publishing_free(struct publishing *p)
{
    crew_stop(p->crew);
    commit_stop(p->commit);
    publish_rest(p);
    overlay_free(p->overlay);
    mem_free(p);
}

void publish_rest(struct publishing *p)
{
    while (p->n_arenas)
        arena_free(p->arenas[--p->n_arenas]);
}

struct arena *publish_arena(struct publishing *p)
{
    return p->n_arenas ? p->arenas[--p->n_arenas] : arena_new(ARENA_CAP);
}

void publish_arena_back(struct publishing *p, struct arena *arena)
{
    if (p->n_arenas == ARENAS_KEPT) {
        arena_free(arena);
        return;
    }
    arena_reset(arena);
    p->arenas[p->n_arenas++] = arena;
}

size_t publish_waiting(const struct publishing *p)
{
    return p->waiting;
}

bool publish_idle(const struct publishing *p)
{
    return !p->first && commit_pending(p->commit) == 0;
}

const struct commit_totals *publish_totals(const struct publishing *p)
{
    return commit_totals(p->commit);
}

static int64_t now_of(struct publishing *p)
{
    return p->of.standing(p->of.arg).now;
}

static void doubt(const char *what, int err)
{
    log_error("broker.doubt", "%s code=%s: stopping without an answer; restart the broker", what,
              err_code(err));
    _exit(EXIT_DOUBT);
}

/* ---- a request, and its end ---- */

static struct request *request_new(struct publishing *p, const struct peer *peer, uint64_t ref,
                                   struct arena **arena, size_t bytes)
{
    struct request *r = arena_take(*arena, sizeof *r);

    if (!r)
        return NULL;
    r->p = p;
    r->arena = *arena;
    r->bytes = bytes + ARENA_LEAST;
    r->ref = ref;
    if (peer) {
        r->peer = peer->id;
        r->session = peer->number;
        r->by = peer->by;
    }
    *arena = NULL;
    p->waiting += r->bytes;
    return r;
}

static void request_free(struct request *r)
{
    struct publishing *p = r->p;

    p->waiting -= r->bytes;
    publish_arena_back(p, r->arena);
}

static struct peer *peer_of(const struct request *r)
{
    struct peer *peer = r->session ? peers_session(r->p->of.peers, r->peer, r->session) : NULL;

    if (!peer || peer->key->revoked)
        return NULL;
    return !peer->by.through || mandate_holds(&peer->by, now_of(r->p)) ? peer : NULL;
}

static void answer_refused(struct request *r, const struct refusal *why)
{
    struct peer *peer = peer_of(r);

    if (r->own)
        log_warn("broker.own", "an event of the broker's own is refused stream=%s code=%s field=%s",
                 why->stream ? why->stream : "", err_code(why->err), why->field);
    if (peer)
        peer_refuse(peer, r->ref, why, now_of(r->p));
    request_free(r);
}

static void enqueue(struct request *r)
{
    *r->p->last = r;
    r->p->last = &r->next;
}

static struct request *dequeue(struct publishing *p)
{
    struct request *r = p->first;

    p->first = r->next;
    if (!p->first)
        p->last = &p->first;
    r->next = NULL;
    return r;
}

/* ---- validate ---- */

static int open_events(struct request *r, const Core__Publish *publish, struct refusal *why)
{
    if (publish->n_events < 1 || publish->n_events > BATCH_MOST)
        return refuse(why, ERR_BOUNDS, "events", "a batch has 1 to %d events", BATCH_MOST);
    r->events = arena_take(r->arena, publish->n_events * sizeof *r->events);
    if (!r->events)
        return refuse(why, ERR_BOUNDS, "events", "the batch is too large");
    for (; r->n < publish->n_events; r->n++) {
        const Core__SignedBytes *b = publish->events[r->n];
        struct admit_event *e = &r->events[r->n];
        int rc =
            event_open_head(&e->event, slice_of(b->event.data, b->event.len), r->arena, why->field);
        e->event.payload = slice_of(b->payload.data, b->payload.len);
        why->index = (uint32_t)r->n;
        why->err = rc;
        if (rc)
            return rc;
    }
    return 0;
}

static struct admit admit_of(struct publishing *p, const struct request *r)
{
    return (struct admit){
        .registry = p->of.registry,
        .journal = p->of.journal,
        .overlay = p->overlay,
        .parts = p->of.parts,
        .transcripts = p->of.transcripts,
        .log = p->of.log,
        .seat = r->by.seat,
        .by = &r->by,
        .own = r->own,
        .exercise = p->of.exercise,
        .at = p->of.standing(p->of.arg),
    };
}

static bool all_known(const struct request *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->events[i].known)
            return false;
    return true;
}

/* What refuses the request before its signature is looked at, unless all of it is known: that is
 * found out when its turn comes. */
static void look_early(struct request *r, struct peer *peer)
{
    struct admit a = admit_of(r->p, r);
    char name[MANDATE_NAME];

    if (admit_allowed(&a, r->events, r->n, &r->early))
        return;
    if (!peer_may_publish(peer, r->n, r->bytes))
        refuse(&r->early, ERR_QUOTA, "",
               "%s publishes faster than the quota allows; wait a second and try again",
               mandate_name(&r->by, name));
}

/* ---- verify ---- */

/* The key that each event names, as it is now: it is looked at again when its turn comes. */
static void find_keys(struct request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct admit_event *e = &r->events[i];
        e->key = registry_sign_key(r->p->of.registry, e->event.signed_event->key_id.data);
        if (e->key)
            memcpy(e->public_key, e->key->public_key, KEY_SIZE);
    }
}

static void hash_events(struct request *r, struct hash (*hashes)[EVENT_TEXTS])
{
    struct hash_text texts[BATCH_MOST][EVENT_TEXTS], whole[BATCH_MOST];
    struct hash event_hashes[BATCH_MOST];

    for (size_t i = 0; i < r->n; i++) {
        const struct event *e = &r->events[i].event;
        event_texts(e, e->payload, texts[i]);
        whole[i] = (struct hash_text){{e->bytes}};
    }
    hash_many(hashes[0], texts[0], r->n * EVENT_TEXTS);
    hash_many(event_hashes, whole, r->n);
    for (size_t i = 0; i < r->n; i++)
        r->events[i].event_hash = event_hashes[i];
}

/* A payload that is not the envelope's refuses the request, known or not. */
static void add_payloads(struct request *r)
{
    struct hash hashes[BATCH_MOST][EVENT_TEXTS];

    hash_events(r, hashes);
    for (size_t i = 0; i < r->n && !r->broken; i++) {
        struct event *e = &r->events[i].event;
        struct refusal why = {.index = (uint32_t)i};
        why.err = event_add_payload(e, e->payload, hashes[i], why.field);
        if (why.err) {
            r->early = why;
            r->broken = true;
        }
    }
}

static struct slice signature_of(const struct admit_event *e)
{
    ProtobufCBinaryData s = e->event.signed_event->signature;

    return slice_of(s.data, s.len);
}

static bool same_signature(const struct admit_event *a, const struct hash *root_a,
                           const struct admit_event *b, const struct hash *root_b)
{
    return hash_equal(root_a, root_b) && memcmp(a->public_key, b->public_key, KEY_SIZE) == 0 &&
           slice_equal(signature_of(a), signature_of(b));
}

/* Events of one signed batch stand side by side, and its signature is verified once. */
static void check_signatures(struct request *r)
{
    const Core__SignedEvent *list[BATCH_MOST];
    struct hash roots[BATCH_MOST];

    for (size_t i = 0; i < r->n; i++)
        list[i] = r->events[i].event.signed_event;
    sign_event_roots(list, r->n, roots);
    for (size_t i = 0; i < r->n; i++) {
        struct admit_event *e = &r->events[i];
        bool good = false;
        if (i && same_signature(e, &roots[i], e - 1, &roots[i - 1]))
            good = (e - 1)->signature == 0;
        else if (e->key)
            good = sign_root_check(&roots[i], signature_of(e), e->public_key);
        e->signature = good ? 0 : ERR_SIGNATURE;
    }
}

/* All that hashes and verifies: it touches the request alone. */
static void on_verify(struct crew_item *item)
{
    struct request *r = (struct request *)item;

    add_payloads(r);
    if (!r->own && !r->early.err)
        check_signatures(r);
}

static void after_verify(void *owner)
{
    pump(owner);
}

static void verify(struct request *r)
{
    find_keys(r);
    crew_give(r->p->crew, &r->checked);
}

static bool is_ready(struct request *r)
{
    return r->ready || crew_is_done(&r->checked);
}

void publish_take(struct publishing *p, struct peer *peer, uint64_t ref, struct arena **arena,
                  const Core__Publish *publish, size_t bytes)
{
    struct request *r = request_new(p, peer, ref, arena, bytes);
    struct refusal why = {0};

    assert(r); /* the arena has room: its cap is many times a frame */
    if (open_events(r, publish, &why)) {
        answer_refused(r, &why);
        return;
    }
    look_early(r, peer);
    enqueue(r);
    verify(r);
}

void publish_tail(struct publishing *p, struct peer *peer, uint64_t ref, struct arena **arena,
                  const char *stream)
{
    struct request *r = request_new(p, peer, ref, arena, 0);

    assert(r); /* the arena has room: its cap is many times a frame */
    r->answers_tail = r->ready = true;
    r->stream = stream;
    enqueue(r);
    pump(p);
}

void publish_own(struct publishing *p, const struct seat *seat, struct arena **arena,
                 const Core__Publish *publish)
{
    struct request *r = request_new(p, NULL, 0, arena, 0);
    struct refusal why = {0};

    assert(r);     /* the arena has room: its cap is many times a frame */
    r->own = true; /* signed a moment ago, by ourselves */
    r->by.seat = seat;
    if (open_events(r, publish, &why)) {
        answer_refused(r, &why);
        return;
    }
    enqueue(r);
    verify(r);
}

void publish_pulse(struct publishing *p)
{
    struct arena *arena = publish_arena(p);
    struct request *r = request_new(p, NULL, 0, &arena, 0);

    assert(r); /* the arena has room: its cap is many times a frame */
    r->ready = true;
    enqueue(r);
    pump(p);
}

/* ---- admit ---- */

static bool expires_part(const struct admit_event *e)
{
    return strcmp(e->event.envelope->stream, "audit") == 0 &&
           strcmp(e->event.envelope->type, core__part_expired__descriptor.name) == 0;
}

static bool closes_batch(const struct request *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->events[i].known &&
            (admit_is_registry(&r->events[i]) || expires_part(&r->events[i])))
            return true;
    return false;
}

static bool list_parts(struct request *r, const Core__Envelope *env, struct journal_event *out)
{
    struct hash *parts = arena_take(r->arena, env->n_parts * sizeof *parts);

    if (!parts)
        return false;
    for (size_t k = 0; k < env->n_parts; k++)
        memcpy(parts[k].bytes, env->parts[k]->sha256.data, HASH_SIZE);
    out->parts = parts;
    out->n_parts = env->n_parts;
    return true;
}

static bool to_journal(struct request *r, const struct admit_event *e, struct journal_event *out)
{
    const Core__Envelope *env = e->event.envelope;

    *out = (struct journal_event){
        .seat = env->seat,
        .stream = env->stream,
        .type = env->type,
        .seat_seq = env->seat_seq,
        .received = r->received,
        .envelope_hash = e->event.envelope_hash,
        .event_hash = e->event_hash,
        .event = e->event.bytes,
        .payload = e->event.payload,
    };
    memcpy(out->id, env->id.data, ID_SIZE);
    memcpy(out->payload_hash.bytes, env->payload_hash.data, HASH_SIZE);
    return env->n_parts == 0 || list_parts(r, env, out);
}

/* The new events of the request to the commit: 0, ERR_BUSY, or ERR_BOUNDS past the arena. */
static int append(struct request *r)
{
    struct journal_event events[BATCH_MOST];
    size_t n = 0;

    for (size_t i = 0; i < r->n; i++)
        if (!r->events[i].known && !to_journal(r, &r->events[i], &events[n++]))
            return ERR_BOUNDS;
    int rc = commit_add(r->p->commit, events, n, closes_batch(r), r);
    if (rc)
        return rc;
    for (size_t i = 0; i < r->n; i++) {
        struct admit_event *e = &r->events[i];
        if (e->known)
            continue;
        const Core__Envelope *env = e->event.envelope;
        e->entry = (struct overlay_entry){.seat = env->seat,
                                          .stream = env->stream,
                                          .id = env->id.data,
                                          .seat_seq = env->seat_seq,
                                          .envelope_hash = e->event.envelope_hash};
        overlay_add(r->p->overlay, &e->entry);
        uint64_t about = transcripts_about(r->p->of.registry, env);
        if (about)
            transcripts_add(r->p->of.transcripts, about);
    }
    return 0;
}

static int admit(struct request *r, struct refusal *why)
{
    struct admit a = admit_of(r->p, r);
    int rc;

    r->received = a.at.now;
    if (!r->early.err)
        return admit_check(&a, r->events, r->n, why);
    rc = r->broken ? 0 : admit_known(&a, r->events, r->n, why);
    if (rc == 0 && (r->broken || !all_known(r))) {
        *why = r->early;
        rc = why->err;
    }
    return rc;
}

/* Admits what is ready, in order, as far as there is room. */
static void pump(struct publishing *p)
{
    while (p->first && is_ready(p->first) && !commit_closed(p->commit)) {
        struct request *r = p->first;
        struct refusal why = {0};

        int rc = admit(r, &why);
        if (rc == ERR_IO ||
            rc == ERR_DAMAGED) /* it may be recorded: a refusal would say it is not */
            doubt("the log cannot be read", rc);
        if (rc == 0) {
            rc = append(r);
            if (rc == ERR_BUSY)
                return;
            refuse(&why, rc, "events", "the batch is too large");
        }
        dequeue(p);
        if (rc)
            answer_refused(r, &why);
    }
}

void publish_go_on(struct publishing *p)
{
    pump(p);
}

/* ---- acknowledge ---- */

struct places { /* of a request's events in the log */
    uint64_t positions[BATCH_MOST];
    int64_t received[BATCH_MOST];
    bool altered; /* one of them was recorded before, in other bytes */
};

struct recorded {
    int64_t received;
    bool alike;
    struct slice bytes; /* of the event as it was sent now */
};

static int compare_recorded(void *arg, const struct journal_record *rec)
{
    struct recorded *r = arg;

    r->received = rec->received;
    r->alike = slice_equal(rec->event, r->bytes);
    return 0;
}

static void find_place(struct publishing *p, const struct admit_event *e, size_t i,
                       struct places *places)
{
    const Core__Envelope *env = e->event.envelope;
    struct recorded recorded = {.bytes = e->event.bytes};
    uint64_t position = e->position;
    struct hash hash;
    int rc = 0;

    if (position == 0)
        rc = journal_find(p->of.journal, env->seat, env->id.data, &position, &hash);
    if (rc == 0)
        rc = journal_get(p->of.journal, position, compare_recorded, &recorded);
    if (rc)
        doubt("a recorded event cannot be read", rc);
    places->positions[i] = position;
    places->received[i] = recorded.received;
    places->altered = places->altered || !recorded.alike;
}

static void fold_expired(struct publishing *p, const struct admit_event *e)
{
    struct slice payload = e->event.payload;
    Core__PartExpired *m = core__part_expired__unpack(NULL, payload.size, payload.data);
    struct hash part;

    memcpy(part.bytes, m->sha256.data, HASH_SIZE);
    core__part_expired__free_unpacked(m, NULL);
    p->of.expired(p->of.arg, &part);
}

static bool fold(struct publishing *p, const struct admit_event *e, uint64_t position)
{
    const Core__Envelope *env = e->event.envelope;
    struct hash part;

    for (size_t k = 0; k < env->n_parts; k++) {
        memcpy(part.bytes, env->parts[k]->sha256.data, HASH_SIZE);
        parts_referenced(p->of.parts, env->seat, &part);
    }
    if (expires_part(e))
        fold_expired(p, e);
    if (!admit_is_registry(e))
        return false;
    registry_fold(p->of.registry, position,
                  &(struct registry_event){env->seat, env->type, e->event.payload});
    return true;
}

static int give_receipt(const struct request *r, const struct places *places,
                        uint8_t signature[SIGNATURE_SIZE])
{
    uint8_t entries[BATCH_MOST][LOG_ENTRY_SIZE];

    for (size_t i = 0; i < r->n; i++)
        tree_log_entry(entries[i], places->positions[i], places->received[i],
                       &r->events[i].event_hash);
    return countersign(signature, r->p->of.log, slice_of(entries, r->n * LOG_ENTRY_SIZE),
                       r->p->of.key);
}

static void answer_recorded(struct request *r, struct places *places)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Recorded recorded = CORE__RECORDED__INIT;
    uint8_t signature[SIGNATURE_SIZE];
    struct peer *peer = peer_of(r);

    if (!peer)
        return;
    recorded.n_positions = recorded.n_received = r->n;
    recorded.positions = places->positions;
    recorded.received = places->received;
    if (!places->altered && give_receipt(r, places, signature) == 0)
        recorded.signature = (ProtobufCBinaryData){SIGNATURE_SIZE, signature};
    frame.ref = r->ref;
    frame.body_case = CORE__FRAME__BODY_RECORDED;
    frame.recorded = &recorded;
    peer->published += r->n;
    peer->use->published += r->n;
    peer_send(peer, &frame);
}

static void answer_tail(struct request *r)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Tail tail = CORE__TAIL__INIT;
    struct peer *peer = peer_of(r);
    struct journal_tail at;

    if (!peer)
        return;
    int rc = journal_tail(r->p->of.journal, r->by.seat->name, r->stream, &at);
    if (rc)
        doubt("where a seat stands cannot be read", rc);
    tail.seat_seq = at.seat_seq;
    tail.position = at.position;
    if (at.seat_seq)
        tail.envelope_hash = (ProtobufCBinaryData){HASH_SIZE, at.envelope_hash.bytes};
    frame.ref = r->ref;
    frame.body_case = CORE__FRAME__BODY_TAIL;
    frame.tail = &tail;
    peer_send(peer, &frame);
}

/* Whether it changed the registry.  `*next` is the position of the first event not yet placed. */
static bool acknowledge(struct request *r, uint64_t *next)
{
    struct places places = {.altered = false};
    bool registry = false;

    for (size_t i = 0; i < r->n; i++) {
        struct admit_event *e = &r->events[i];
        if (e->known) {
            find_place(r->p, e, i, &places);
            continue;
        }
        places.positions[i] = (*next)++;
        places.received[i] = r->received;
        overlay_remove(r->p->overlay, &e->entry);
        registry = fold(r->p, e, places.positions[i]) || registry;
    }
    if (r->answers_tail)
        answer_tail(r);
    else
        answer_recorded(r, &places);
    return registry;
}

static void give_back(struct request *r, int err)
{
    struct refusal why = {0};

    for (size_t i = 0; i < r->n; i++) {
        struct admit_event *e = &r->events[i];
        if (e->known)
            continue;
        overlay_remove(r->p->overlay, &e->entry);
        transcripts_remove(r->p->of.transcripts,
                           transcripts_about(r->p->of.registry, e->event.envelope));
    }
    refuse(&why, err, "", "%s", err_text(err));
    answer_refused(r, &why);
}

static void committed(void *owner, int err, uint64_t first, void *const args[], size_t n)
{
    struct publishing *p = owner;
    bool registry = false;

    if (err && err != ERR_FULL && err != ERR_CANCELLED)
        doubt("the commit ended in doubt", err);
    if (err == ERR_FULL)
        log_error("broker.no-room", "no room in the log refused=%zu", n);
    for (size_t i = 0; i < n; i++) {
        if (err) {
            give_back(args[i], err);
        } else {
            registry = acknowledge(args[i], &first) || registry;
            request_free(args[i]);
        }
    }
    if (!err) {
        p->of.grown(p->of.arg, registry);
        pump(p);
    }
}

int publish_stands(struct publishing *p, const char *seat, const char *stream, uint64_t *seat_seq,
                   struct hash *envelope_hash)
{
    struct journal_tail tail;

    if (overlay_tail(p->overlay, seat, stream, seat_seq, envelope_hash))
        return 0;
    int rc = journal_tail(p->of.journal, seat, stream, &tail);
    *seat_seq = tail.seat_seq;
    *envelope_hash = tail.envelope_hash;
    return rc;
}
