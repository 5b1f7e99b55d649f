/* SPDX-License-Identifier: Apache-2.0 */
/* prove.c - `event prove`, `receipt prove`: the two files that `event verify` takes, of a seat that
 * has no log
 *
 * What the broker answers is checked with the log's key before anything is written.
 */
#include <errno.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/proof.h"

static const int64_t answer_for = INT64_C(30) * 1000000;
enum { ASK_AGAIN = 200, TRIES = 50 }; /* ms; until a checkpoint covers the position */

struct proving {
    struct session *s;
    struct log_id log;
    uint64_t position;
    struct buf record; /* packed; empty: not found */
    uint8_t entry[LOG_ENTRY_SIZE];
    bool answered, again;
    const Core__Proof *answer; /* in the session's arena */
};

/* ---- the record ---- */

static void take_record(struct proving *p, const struct chancery_record *r)
{
    Core__Record record = CORE__RECORD__INIT;
    struct hash hash;

    record.position = r->position;
    record.received = r->received;
    record.event = (ProtobufCBinaryData){r->event_size, (uint8_t *)(uintptr_t)r->event};
    record.payload = (ProtobufCBinaryData){r->payload_size, (uint8_t *)(uintptr_t)r->payload};
    buf_reset(&p->record);
    core__record__pack(&record, buf_grow(&p->record, core__record__get_packed_size(&record)));
    hash_sha256(&hash, slice_of(r->event, r->event_size));
    tree_log_entry(p->entry, r->position, r->received, &hash);
}

static bool take_seen(void *arg, const struct seen *seen)
{
    struct slice event = seen->event.bytes, payload = seen->event.payload;

    take_record(arg, &(struct chancery_record){.position = seen->position,
                                               .received = seen->received,
                                               .event = event.data,
                                               .event_size = event.size,
                                               .payload = payload.data,
                                               .payload_size = payload.size});
    return false;
}

static int take_receipt(void *arg, const struct chancery_receipt *receipt)
{
    struct proving *p = arg;

    if (receipt->record.position == p->position && strcmp(receipt->log, p->log.name) == 0)
        take_record(p, &receipt->record);
    return p->record.size != 0;
}

static int find_event(struct proving *p)
{
    struct look look = {.from = p->position, .until = p->position, .each = take_seen, .arg = p};
    int rc = session_look(p->s, &look);

    if (rc == DONE && p->record.size == 0)
        rc = session_fail(p->s, "there is no event at position %llu that this seat may read",
                          (unsigned long long)p->position);
    return rc;
}

static int find_receipt(struct proving *p)
{
    char why[256] = "";
    int rc = chancery_receipts_each(p->s->settings.keep_dir, take_receipt, p, why);

    if (p->record.size)
        return DONE;
    if (rc && rc != ERR_NOT_FOUND)
        return session_fail(p->s, "%s", why);
    return session_fail(p->s,
                        "this seat has no receipt of position %llu in %s; `chancery receipt ls` "
                        "lists those it has",
                        (unsigned long long)p->position, p->log.name);
}

/* ---- the proof ---- */

static void on_proof(void *arg, int err, const char *text, const void *proof, size_t size)
{
    struct proving *p = arg;

    p->answered = true;
    p->again = err == ERR_BUSY;
    if (err == 0)
        p->answer = core__proof__unpack(arena_allocator(p->s->arena), size, proof);
    if (!p->answer && !p->again)
        session_fail(p->s, "%s: %s", err_code(err ? err : ERR_MALFORMED), text);
}

static int ask_once(struct proving *p)
{
    p->answered = false;
    int rc = chancery_proof(p->s->client, p->position, on_proof, p);

    if (rc < 0)
        return session_fail(p->s, "cannot ask for the proof: %s", err_text(rc));
    rc = session_wait(p->s, &p->answered, answer_for);
    if (rc == FAILED)
        session_fail(p->s, "the broker gives no proof");
    return rc;
}

static int ask(struct proving *p)
{
    int rc = ask_once(p);

    for (int i = 0; rc == DONE && p->again && i < TRIES; i++) {
        bool never = false;
        session_wait(p->s, &never, INT64_C(1000) * ASK_AGAIN);
        rc = ask_once(p);
    }
    if (rc == DONE && p->again)
        return session_fail(p->s, "no checkpoint covers position %llu yet; ask again later",
                            (unsigned long long)p->position);
    return rc == DONE && !p->answer ? FAILED : rc;
}

/* The broker's answer as a file would state it, checked: 0 or ERR_PROOF, ERR_SIGNATURE, ... */
static int check(const struct proving *p, struct proof *proof)
{
    const Core__Proof *a = p->answer;
    struct checkpoint c;

    *proof = (struct proof){.has_entry = true,
                            .index = p->position - 1,
                            .note = slice_of(a->checkpoint.data, a->checkpoint.len)};
    memcpy(proof->entry, p->entry, LOG_ENTRY_SIZE);
    if (a->position != p->position || a->n_path > TREE_LEVELS)
        return ERR_MALFORMED;
    for (size_t i = 0; i < a->n_path; i++) {
        if (a->path[i].len != HASH_SIZE)
            return ERR_MALFORMED;
        memcpy(proof->path[proof->n++].bytes, a->path[i].data, HASH_SIZE);
    }
    return proof_check(proof, p->entry, p->log.name, p->log.key, &c);
}

/* ---- the files ---- */

static int write_file(const struct proving *p, const char *file, const struct buf *bytes)
{
    if (file_replace(file, slice_buf(bytes)) == 0)
        return DONE;
    return session_fail(p->s, "%s: %s", file, strerror(errno));
}

static int write_files(const struct proving *p, const struct proof *proof)
{
    struct buf text = {0};
    char *proof_file = mem_printf("%llu.tlog-proof", (unsigned long long)p->position),
         *event_file = mem_printf("%llu.event", (unsigned long long)p->position);

    proof_print(&text, proof);
    int rc = write_file(p, event_file, &p->record);
    if (rc == DONE)
        rc = write_file(p, proof_file, &text);
    if (rc == DONE) {
        progress_end(&p->s->progress);
        printf("%s and %s: `chancery event verify %s` takes both\n", proof_file, event_file,
               proof_file);
    }
    mem_free(event_file);
    mem_free(proof_file);
    buf_free(&text);
    return rc;
}

static int prove(struct proving *p, int (*find)(struct proving *p))
{
    struct proof proof;
    int rc = given_log_id(&p->s->settings, &p->log);

    if (rc == DONE)
        rc = find(p);
    if (rc == DONE)
        rc = ask(p);
    if (rc != DONE)
        return rc;
    int err = check(p, &proof);
    if (err)
        return session_fail(
            p->s,
            "the broker does not prove that its log has this event at position %llu: "
            "%s (%s); keep DIR/keep, and compare with others: `chancery log "
            "consistency`",
            (unsigned long long)p->position, err_text(err), err_code(err));
    return write_files(p, &proof);
}

static int prove_run(const struct call *c, int (*find)(struct proving *p))
{
    struct session s;
    struct proving p = {.s = &s};

    if (!call_position(c, c->argument[0], &p.position))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    rc = prove(&p, find);
    session_close(&s);
    buf_free(&p.record);
    return rc;
}

int event_prove_run(const struct call *c)
{
    return prove_run(c, find_event);
}

int receipt_prove_run(const struct call *c)
{
    return prove_run(c, find_receipt);
}
