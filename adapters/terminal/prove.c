/* SPDX-License-Identifier: Apache-2.0 */
/* prove.c - `event prove`, `receipt prove`: the two files that `event verify` takes, of a seat that
 * has no log
 *
 * What the broker answers is checked with the log's key before anything is written.
 */
#include "adapters/terminal/prove.h"

#include <errno.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "lib/err.h"
#include "lib/file.h"

static const int64_t answer_for = INT64_C(30) * 1000000, checkpoint_in = INT64_C(100) * 1000;
enum { CHECKPOINTS = 100 }; /* waited for */

struct proving {
    struct session *s;
    struct log_id log;
    uint64_t position;
    struct buf record; /* packed; empty: not found */
    uint8_t entry[LOG_ENTRY_SIZE];
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

struct asking {
    struct session *s;
    uint64_t position;
    bool answered;
    int err;
    const Core__Proof *answer; /* in the session's arena */
};

static void on_proof(void *arg, int err, const char *text, const void *proof, size_t size)
{
    struct asking *a = arg;

    (void)text;
    a->answered = true;
    if (err == 0)
        a->answer = core__proof__unpack(arena_allocator(a->s->arena), size, proof);
    a->err = err == 0 && !a->answer ? ERR_MALFORMED : err;
}

static int ask_once(struct asking *a)
{
    a->answered = false;
    a->err = chancery_proof(a->s->client, a->position, on_proof, a);
    if (a->err < 0)
        return DONE;
    int rc = session_wait(a->s, &a->answered, answer_for);
    a->err = rc == FAILED ? ERR_TIMEOUT : a->err;
    return rc == FAILED ? DONE : rc;
}

/* Until a checkpoint covers it. */
static int ask(struct asking *a)
{
    const bool never = false;
    int rc = ask_once(a);

    for (int i = 0; rc == DONE && a->err == ERR_BUSY && i < CHECKPOINTS; i++)
        if (session_wait(a->s, &never, checkpoint_in) == UNREACHABLE)
            rc = UNREACHABLE;
        else
            rc = ask_once(a);
    return rc;
}

/* The broker's answer as a file would state it: 0 or ERR_MALFORMED. */
static int take(struct proof *out, const Core__Proof *told, uint64_t position,
                const uint8_t entry[LOG_ENTRY_SIZE])
{
    *out = (struct proof){.has_entry = true,
                          .index = position - 1,
                          .note = slice_of(told->checkpoint.data, told->checkpoint.len)};
    memcpy(out->entry, entry, LOG_ENTRY_SIZE);
    if (told->position != position || told->n_path > TREE_LEVELS)
        return ERR_MALFORMED;
    for (size_t i = 0; i < told->n_path; i++) {
        if (told->path[i].len != HASH_SIZE)
            return ERR_MALFORMED;
        memcpy(out->path[out->n++].bytes, told->path[i].data, HASH_SIZE);
    }
    return 0;
}

int prove_entry(struct session *s, const struct log_id *log, uint64_t position,
                const uint8_t entry[LOG_ENTRY_SIZE], struct proof *out, int *err)
{
    struct asking a = {.s = s, .position = position};
    struct checkpoint c;
    int rc = ask(&a);

    *err = a.err;
    if (rc == DONE && *err == 0)
        *err = take(out, a.answer, position, entry);
    if (rc == DONE && *err == 0)
        *err = proof_check(out, entry, log->name, log->key, &c);
    return rc;
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
    int err = 0, rc = given_log_id(&p->s->settings, &p->log);

    if (rc == DONE)
        rc = find(p);
    if (rc == DONE)
        rc = prove_entry(p->s, &p->log, p->position, p->entry, &proof, &err);
    if (rc != DONE)
        return rc;
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
