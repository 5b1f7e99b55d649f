/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/vouch.h"

#include "adapters/terminal/prove.h"
#include "lib/err.h"

struct place { /* of an event of the stream, as the log's tree has it */
    uint64_t position;
    uint8_t entry[LOG_ENTRY_SIZE];
    bool proved;
};

struct vouch {
    struct session *s;
    struct roll *roll;
    struct place *places; /* ascending */
    size_t n;
    struct log_id log;
    int err; /* of the first event that is not as it should be */
    struct buf why;
};

const struct roll *vouch_roll(const struct vouch *v)
{
    return v->roll;
}

void vouch_close(struct vouch *v)
{
    if (!v)
        return;
    roll_free(v->roll);
    buf_free(&v->why);
    mem_free(v->places);
    mem_free(v);
}

/* ---- reading ---- */

static void add_place(struct vouch *v, const struct seen *seen)
{
    struct hash hash;

    v->places = mem_grow(v->places, (v->n + 1) * sizeof *v->places);
    struct place *p = &v->places[v->n++];
    *p = (struct place){.position = seen->position};
    hash_sha256(&hash, seen->event.bytes);
    tree_log_entry(p->entry, seen->position, seen->received, &hash);
}

static bool take(void *arg, const struct seen *seen)
{
    struct vouch *v = arg;
    const struct event *e = &seen->event;

    add_place(v, seen);
    v->err = roll_take(v->roll,
                       &(struct chancery_record){.position = seen->position,
                                                 .received = seen->received,
                                                 .event = e->bytes.data,
                                                 .event_size = e->bytes.size,
                                                 .payload = e->payload.data,
                                                 .payload_size = e->payload.size},
                       &v->why);
    return v->err == 0;
}

static int read_registry(struct vouch *v)
{
    struct look look = {.streams = {"registry"}, .from = 1, .each = take, .arg = v};
    int rc = session_look(v->s, &look);

    if (rc == DONE && v->err)
        rc = session_fail(v->s,
                          "%s: %s. Whose keys are whose cannot be verified: this seat does not "
                          "read the registry whole, or the broker does not tell it truly",
                          err_code(v->err), buf_cstr(&v->why));
    if (rc == DONE && v->n == 0)
        rc = session_fail(v->s, "this seat reads nothing of the stream registry, and without it "
                                "whose keys are whose cannot be verified: ask an administrator for "
                                "`chancery access allow RULE WHO read registry`");
    return rc == DONE ? vouch_prove(v, 1) : rc;
}

int vouch_open(struct vouch **out, struct session *s)
{
    struct vouch *v = mem_new(sizeof *v);

    v->s = s;
    v->roll = roll_new();
    int rc = given_log_id(&s->settings, &v->log);
    if (rc == DONE)
        rc = read_registry(v);
    if (rc == DONE)
        *out = v;
    else
        vouch_close(v);
    return rc;
}

/* ---- proving ---- */

static struct place *place_at(const struct vouch *v, uint64_t position)
{
    for (size_t i = 0; i < v->n; i++)
        if (v->places[i].position == position)
            return &v->places[i];
    return NULL;
}

int vouch_prove(struct vouch *v, uint64_t position)
{
    struct place *place = place_at(v, position);
    struct proof proof;
    int err = ERR_NOT_FOUND, rc = DONE;

    if (place && place->proved)
        return DONE;
    if (place)
        rc = prove_entry(v->s, &v->log, position, place->entry, &proof, &err);
    if (rc == DONE && err)
        return session_fail(v->s,
                            "%s: the broker does not show that the log has the registry event at "
                            "position %llu: %s. Nothing is sealed on its word",
                            err_code(err), (unsigned long long)position, err_text(err));
    if (rc == DONE)
        place->proved = true;
    return rc;
}
