/* SPDX-License-Identifier: Apache-2.0 */
/* hello.c - a session begins, or is not known any more */
#include <string.h>

#include "broker/inside.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/log.h"

enum { PREDECESSORS_MOST = 64 };

/* Those that were taken over last, where there are more. */
static void welcome_predecessors(const struct broker *b, struct arena *arena, Core__Welcome *w)
{
    size_t n;
    const struct predecessor *p = registry_predecessors(b->registry, &n);
    size_t first = n > PREDECESSORS_MOST ? n - PREDECESSORS_MOST : 0;

    w->n_predecessors = n - first;
    w->predecessors = arena_take(arena, w->n_predecessors * sizeof *w->predecessors);
    for (size_t i = first; i < n; i++) {
        Core__Predecessor *out = arena_take(arena, sizeof *out);
        core__predecessor__init(out);
        out->log = p[i].log;
        out->position = p[i].position;
        out->root = (ProtobufCBinaryData){HASH_SIZE, (uint8_t *)(uintptr_t)p[i].root.bytes};
        w->predecessors[i - first] = out;
    }
    w->returning = registry_returning(b->registry);
}

static void welcome(struct broker *b, struct peer *p, uint64_t ref)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Welcome w = CORE__WELCOME__INIT;
    struct arena *arena = publish_arena(b->publishing);

    w.version = PROTOCOL;
    w.log = b->log;
    w.seat = p->by.seat->name;
    w.office = p->by.seat->office->name;
    w.until = p->by.expires;
    w.head = journal_head(b->journal);
    w.now = broker_now(b);
    w.receipt_key = (ProtobufCBinaryData){KEY_SIZE, b->key.sign_public};
    w.mode = b->exercise ? CORE__MODE__MODE_EXERCISE : CORE__MODE__MODE_ACTUAL;
    welcome_predecessors(b, arena, &w);
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_WELCOME;
    frame.welcome = &w;
    peer_send(p, &frame);
    publish_arena_back(b->publishing, arena);
}

static int check_hello(const struct broker *b, const Core__Hello *hello, struct refusal *why)
{
    if (hello->version != PROTOCOL)
        return refuse(why, ERR_VERSION, "version", "this broker speaks version %d", PROTOCOL);
    if (hello->log[0] && strcmp(hello->log, b->log) != 0 &&
        !registry_predecessor(b->registry, hello->log))
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

    refusals_count(&b->refusals, from->key->seat->name, err_code(why->err), "", "", broker_now(b));
    refused.code = err_code(why->err);
    refused.text = why->text[0] ? why->text : err_text(why->err);
    refused.field = why->field;
    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_REFUSED;
    frame.refused = &refused;
    peers_tell(b->peers, from->id, &frame);
}

/* As whom the session acts: as the seat that is connected, or by a delegation to it. */
static int take_mandate(struct broker *b, const struct sender *from, const Core__Hello *hello,
                        struct mandate *by, struct refusal *why)
{
    const struct mandate_of of = {from->key, b->log, broker_now(b)};

    *by = (struct mandate){.seat = from->key->seat};
    return hello->delegation.len
               ? mandate_take(by, b->registry, &of,
                              slice_of(hello->delegation.data, hello->delegation.len), why)
               : 0;
}

/* Where there are too many, some may be gone. */
static int add_peer(struct broker *b, const struct newcomer *who, struct peer **p)
{
    Core__Pong pong = broker_pong(b);
    int rc = peers_add(b->peers, who, p);

    if (rc != ERR_BUSY)
        return rc;
    peers_probe(b->peers, &pong, who->key->seat);
    broker_sweep(b);
    return peers_add(b->peers, who, p);
}

static void log_delegated(const struct peer *p)
{
    char until[40];

    if (!p->by.through)
        return;
    time_text(until, p->by.expires);
    log_info("broker.delegated", "a gateway's session begins seat=%s gateway=%s until=%s",
             p->by.seat->name, p->by.through->name, until);
}

/* A session begins; one that the connection had before ends. */
void handle_hello(struct broker *b, const struct sender *from, struct peer *before,
                  const Core__Frame *f)
{
    struct refusal why = {0};
    struct mandate by;
    const struct newcomer who = {from->id, from->key, &by, f->hello->software};
    struct peer *p;

    int rc = check_hello(b, f->hello, &why);
    if (rc == 0)
        rc = take_mandate(b, from, f->hello, &by, &why);
    if (rc == 0 && before) {
        peer_end(before);
        broker_sweep(b);
    }
    if (rc == 0)
        rc = refuse(&why, add_peer(b, &who, &p), "", "too many sessions; end one");
    if (rc) {
        tell_stranger(b, from, f->ref, &why);
        return;
    }
    log_delegated(p);
    welcome(b, p, f->ref);
}

void handle_forgotten(struct broker *b, const struct sender *from, uint64_t ref)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__Forgotten forgotten = CORE__FORGOTTEN__INIT;

    frame.ref = ref;
    frame.body_case = CORE__FRAME__BODY_FORGOTTEN;
    frame.forgotten = &forgotten;
    peers_tell(b->peers, from->id, &frame);
}
