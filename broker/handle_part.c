/* SPDX-License-Identifier: Apache-2.0 */
/* handle_part.c - PutPart and GetPart: a part is served by position and hash to who may read that
 * event */
#include "broker/inside.h"
#include "lib/err.h"
#include "lib/mem.h"

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

    if (err == 0 && broker_purge_late(put->b, &put->part))
        why.err = err = ERR_PURGED;
    stored.sha256 = (ProtobufCBinaryData){HASH_SIZE, put->part.bytes};
    frame.ref = put->ref;
    frame.body_case = CORE__FRAME__BODY_PART_STORED;
    frame.part_stored = &stored;
    if (p && err)
        broker_refuse(put->b, p, put->ref, &why);
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

/* Who only has the bytes is not told who purged them, nor why. */
static int check_unpurged(const struct call *c, const struct hash *part, struct refusal *why)
{
    const struct purge *purge = registry_purged(c->b->registry, part);

    return purge ? refuse(why, ERR_PURGED, "sha256",
                          "the part was purged at position %llu, and is not taken again",
                          (unsigned long long)purge->position)
                 : 0;
}

void handle_put_part(const struct call *c)
{
    const Core__PutPart *m = c->frame->put_part;
    struct refusal why = {0};
    struct hash part;
    struct put *put = NULL;

    int rc = check_put(m, &why);
    if (rc == 0 && c->peer->by.seat->standing != CORE__STANDING__STANDING_SEATED)
        rc = refuse(&why, ERR_DENIED, "", "%s left: it confirms recalls and puts nothing",
                    c->peer->by.seat->name);
    if (rc == 0)
        rc = handle_check_publishes(c, &why);
    if (rc == 0 && c->b->full)
        rc = refuse(&why, ERR_FULL, "", "free space is below [broker] disk-reserve");
    if (rc == 0) {
        memcpy(part.bytes, m->sha256.data, HASH_SIZE);
        rc = check_unpurged(c, &part, &why);
    }
    if (rc) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
        return;
    }
    if (m->offset + m->chunk.len == m->size) {
        put = mem_new(sizeof *put);
        *put = (struct put){c->b, c->peer->id, c->peer->number, c->frame->ref, part};
    }
    why.err = parts_put(c->b->parts, c->peer->by.seat->name, &part, m->size, m->offset,
                        slice_of(m->chunk.data, m->chunk.len), on_part_stored, put);
    if (why.err) {
        mem_free(put);
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
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
        !mandate_read(s->c->b->registry, &s->c->peer->by, e.envelope))
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
    int rc = journal_get(c->b->journal, m->position, search_part, &s);
    if (rc && rc != ERR_NOT_FOUND)
        broker_damaged(c->b, m->position);
    if (!s.found)
        return refuse(why, ERR_NOT_FOUND, "position",
                      "no event that this seat may read names the part at position %llu",
                      (unsigned long long)m->position);
    const struct purge *purge = registry_purged(c->b->registry, part);
    return purge ? refuse(why, ERR_PURGED, "sha256", "purged at position %llu by %s: %s",
                          (unsigned long long)purge->position, purge->by->name, purge->reason)
                 : 0;
}

/* Why a part that an event names is not there: its time is over, or the disk lost it. */
static int not_stored(const struct call *c, const struct hash *part, struct refusal *why)
{
    struct retention kept;
    char until[40];

    if (retention_of(c->b->journal, part, &kept) != 0 || kept.until >= broker_now(c->b))
        return refuse(why, ERR_NOT_FOUND, "sha256", "the part is not stored");
    time_text(until, kept.until);
    return refuse(why, ERR_PURGED, "sha256",
                  "it was kept until %s, as the events that name it state", until);
}

static int read_part(const struct call *c, const struct hash *part, struct buf *bytes,
                     uint64_t *size, struct refusal *why)
{
    const Core__GetPart *m = c->frame->get_part;
    int rc = parts_get(c->b->parts, part, m->offset, m->length, bytes, size);

    why->err = rc;
    return rc == ERR_NOT_FOUND ? not_stored(c, part, why) : rc;
}

void handle_get_part(const struct call *c)
{
    Core__Frame frame = CORE__FRAME__INIT;
    Core__PartChunk chunk = CORE__PART_CHUNK__INIT;
    const Core__GetPart *m = c->frame->get_part;
    struct refusal why = {0};
    struct buf bytes = {0};
    struct hash part;

    int rc = find_part(c, &part, &why);
    if (rc == 0)
        rc = read_part(c, &part, &bytes, &chunk.size, &why);
    if (rc) {
        broker_refuse(c->b, c->peer, c->frame->ref, &why);
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
