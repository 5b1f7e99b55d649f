/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/vouch.h"

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/proof.h"

static const int64_t answer_for = INT64_C(10) * 1000000, checkpoint_in = INT64_C(100) * 1000;
enum { CHECKPOINTS = 100 }; /* waited for */

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
    char log[ORIGIN_SIZE];
    uint8_t log_key[KEY_SIZE];
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

static int read_key(struct vouch *v)
{
    char *file = mem_printf("%s/log.vkey", v->s->settings.dir);
    struct buf text = {0};
    int err = file_read(file, &text);

    if (err == 0)
        err = note_vkey_parse(slice_of(text.data, strcspn(buf_cstr(&text), "\n")), v->log,
                              v->log_key);
    int rc = err ? session_fail(v->s,
                                "%s: %s: without the log's key nothing that the broker says "
                                "can be verified",
                                file, err_text(err))
                 : DONE;
    mem_free(file);
    buf_free(&text);
    return rc;
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
    int rc = read_key(v);
    if (rc == DONE)
        rc = read_registry(v);
    if (rc == DONE)
        *out = v;
    else
        vouch_close(v);
    return rc;
}

/* ---- proving ---- */

struct proving {
    struct vouch *v;
    const struct place *place;
    bool done;
    int err;
};

static int check(const struct proving *p, const Core__Proof *told)
{
    struct proof proof = {.index = p->place->position - 1,
                          .n = (int)told->n_path,
                          .note = slice_of(told->checkpoint.data, told->checkpoint.len)};
    struct checkpoint checkpoint;

    if (told->n_path > TREE_LEVELS)
        return ERR_PROOF;
    for (size_t i = 0; i < told->n_path; i++) {
        if (told->path[i].len != HASH_SIZE)
            return ERR_PROOF;
        memcpy(proof.path[i].bytes, told->path[i].data, HASH_SIZE);
    }
    return proof_check(&proof, p->place->entry, p->v->log, p->v->log_key, &checkpoint);
}

static void on_proof(void *arg, int err, const char *text, const void *bytes, size_t size)
{
    struct proving *p = arg;
    Core__Proof *told = err ? NULL : core__proof__unpack(NULL, size, bytes);

    (void)text;
    p->done = true;
    p->err = told ? check(p, told) : err ? err : ERR_MALFORMED;
    if (told)
        core__proof__free_unpacked(told, NULL);
}

/* Until a checkpoint covers it. */
static int ask(struct proving *p)
{
    const bool never = false;
    int rc = DONE;

    for (int i = 0; rc == DONE && i < CHECKPOINTS; i++) {
        p->done = false;
        p->err = chancery_proof(p->v->s->client, p->place->position, on_proof, p);
        rc = p->err ? DONE : session_wait(p->v->s, &p->done, answer_for);
        if (rc != DONE || p->err != ERR_BUSY)
            break;
        if (session_wait(p->v->s, &never, checkpoint_in) == UNREACHABLE)
            rc = UNREACHABLE;
    }
    return rc;
}

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
    struct proving p = {.v = v, .place = place, .err = ERR_NOT_FOUND};
    int rc = DONE;

    if (place && place->proved)
        return DONE;
    if (place)
        rc = ask(&p);
    if (rc == FAILED || (rc == DONE && p.err))
        return session_fail(v->s,
                            "%s: the broker does not show that the log has the registry event at "
                            "position %llu: %s. Nothing is sealed on its word",
                            err_code(p.err ? p.err : ERR_TIMEOUT), (unsigned long long)position,
                            err_text(p.err ? p.err : ERR_TIMEOUT));
    if (rc == DONE)
        place->proved = true;
    return rc;
}
