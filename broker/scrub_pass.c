/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/scrub_pass.h"

#include <stdio.h>

#include "broker/journal_inside.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { ARENA_CAP = 4 * 1024 * 1024 };

void scrub_pass_begin(struct scrub_pass *p)
{
    struct arena *arena = p->arena ? p->arena : arena_new(ARENA_CAP);

    *p = (struct scrub_pass){.arena = arena, .next = 1, .received = INT64_MIN};
}

void scrub_pass_end(struct scrub_pass *p)
{
    arena_free(p->arena);
    p->arena = NULL;
}

/* The first one counts. */
static void found(struct scrub_pass *p, const char *what, const char *text)
{
    if (p->finding.position)
        return;
    p->finding.position = p->next;
    p->finding.what = what;
    snprintf(p->finding.text, sizeof p->finding.text, "%s", text);
}

static void on_entry(void *arg, uint64_t position, enum db db, bool missing, const char *text)
{
    (void)position, (void)missing;
    found(arg, store_db_names[db], text);
}

/* The stored number of a name is that which memory knows. */
static uint32_t number_of(struct scrub_pass *p, const struct journal *j, enum name_kind kind,
                          const char *name)
{
    uint8_t key[1 + NAME_MOST];
    struct slice stored;
    size_t size = store_name_key(key, kind, slice_str(name));

    shared_lock(j);
    uint32_t number = names_find(&j->shared->names[kind], slice_str(name));
    shared_unlock(j);
    if (store_get(&j->store, p->check.txn, DB_NAMES, slice_of(key, size), &stored) != 0)
        found(p, "names", "one of its names is missing");
    else if (stored.size != NUMBER_SIZE || store_u32_read(stored.data) != number)
        found(p, "names", "one of its names has another number");
    return number;
}

/* The seat stands at this record or behind it. */
static void tail_check(struct scrub_pass *p, const struct journal *j, const struct event *e,
                       const uint32_t numbers[NAME_KINDS])
{
    uint8_t key[TAIL_KEY];
    struct slice stored;
    struct journal_tail tail;
    uint64_t seq = e->envelope->seat_seq;

    store_tail_key(key, numbers[NAME_SEAT], numbers[NAME_STREAM]);
    if (store_get(&j->store, p->check.txn, DB_TAILS, slice_of(key, sizeof key), &stored) != 0)
        found(p, "tails", "the seat's tail is missing");
    else if (!store_tail_read(&tail, stored) || tail.position < p->next ||
             (tail.position == p->next
                  ? tail.seat_seq != seq || !hash_equal(&tail.envelope_hash, &e->envelope_hash)
                  : tail.seat_seq <= seq))
        found(p, "tails", "the seat's tail says something else");
}

static void entries_check(struct scrub_pass *p, const struct journal *j, const struct event *e)
{
    const uint32_t numbers[NAME_KINDS] = {
        number_of(p, j, NAME_SEAT, e->envelope->seat),
        number_of(p, j, NAME_STREAM, e->envelope->stream),
        number_of(p, j, NAME_TYPE, e->envelope->type),
    };

    check_entries(&p->check, p->next, e, numbers);
    tail_check(p, j, e, numbers);
}

static void record_check(struct scrub_pass *p, const struct journal *j,
                         const struct journal_record *record)
{
    struct event e;
    char where[128];

    arena_reset(p->arena);
    if (event_open(&e, record->event, record->payload, p->arena, where) != 0)
        found(p, "event", where);
    else
        entries_check(p, j, &e);
    if (record->received < p->received)
        found(p, "received", "is before that of the record before it");
    p->received = record->received;
    check_tree(&p->check, p->next, record);
    p->bytes += record->event.size + record->payload.size;
}

static void records_check(struct scrub_pass *p, const struct journal *j, struct store_run *blocks,
                          uint64_t head, uint64_t bytes)
{
    const uint64_t until = p->bytes + bytes;
    struct journal_record record;

    for (; p->next <= head && p->bytes < until && !p->finding.position; p->next++) {
        int err = store_run_record(blocks, p->next, &record);
        if (err)
            found(p, "record", err == ERR_NOT_FOUND ? "is missing" : err_text(err));
        else
            record_check(p, j, &record);
    }
}

int scrub_pass_turn(struct scrub_pass *p, struct journal *j, uint64_t bytes, uint64_t *read)
{
    const uint64_t before = p->bytes;
    struct store_run blocks = {0};
    struct hash root, own;
    uint64_t head;

    journal_tree(j, &head, &root);
    p->check.store = &j->store;
    p->check.found = on_entry;
    p->check.arg = p;
    int err = journal_begin(j, &p->check.txn);
    if (err == 0)
        err = store_run_open(&blocks, &j->store, p->check.txn, DB_EVENTS);
    if (err == 0)
        err = store_run_open(&p->check.hashes, &j->store, p->check.txn, DB_TREE);
    if (err)
        found(p, "log", err_text(err));
    else
        records_check(p, j, &blocks, head, bytes);
    store_run_close(&p->check.hashes);
    store_run_close(&blocks);
    mdb_txn_abort(p->check.txn);
    *read = p->bytes - before;
    if (p->finding.position)
        return ERR_DAMAGED;
    if (p->next <= head)
        return 0;
    tree_root(&p->check.tree, &own);
    if (hash_equal(&own, &root))
        return 1;
    p->next = head;
    found(p, "tree", "the records up to here are not those that were recorded");
    return ERR_DAMAGED;
}
