/* SPDX-License-Identifier: Apache-2.0 */
/* plant.c - spoils a stopped instance's log in one way, for tests of who must find it
 *
 *   plant DIR payload P           a bit of its payload is wrong, and no sum made to fit
 *   plant DIR signature P         the signature of record P is wrong, all behind it made to fit
 *   plant DIR envelope P          its envelope is altered, the record's own sum made to fit
 *   plant DIR received P US       its receipt time is moved, sum and tree made to fit
 *   plant DIR removed             the last record is gone, with all that is derived from it
 *   plant DIR id P Q              the index of ids says Q for P
 *   plant DIR channel P Q         the index of channels says Q for P
 *   plant DIR format N            the log says that it has format N
 *   plant DIR checkpoint N        the checkpoint is of the first N records
 *   plant DIR foreign             the checkpoint is signed with a key that is not the log's
 *   plant DIR foreign-vkey        and DIR/log.vkey is that key's
 *
 * Exits with 0 when the fault is planted.  Anything unexpected is an assertion.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/checkpoint.h"
#include "broker/log_key.h"
#include "broker/store.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

struct plant {
    const char *dir;
    uint64_t a, b; /* the fault's numbers */
    struct store store;
    MDB_txn *txn;
    struct arena *arena;
};

/* ---- one record ---- */

static struct slice copy_of(struct plant *p, struct slice bytes)
{
    uint8_t *copy = arena_take(p->arena, bytes.size);

    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

static void entry_del(struct plant *p, enum db db, const void *key, size_t size)
{
    uint8_t copy[1 + NAME_MOST];

    assert(size <= sizeof copy);
    memcpy(copy, key, size);
    MDB_val k = {size, copy};
    assert(mdb_del(p->txn, p->store.dbi[db], &k, NULL) == 0);
}

struct stored { /* a record with its event taken apart; all in the arena */
    struct journal_record record;
    struct event event;
};

static struct stored stored_get(struct plant *p, uint64_t position)
{
    struct stored s;
    struct store_run run;
    char where[128];

    assert(store_run_open(&run, &p->store, p->txn, DB_EVENTS) == 0);
    assert(store_run_record(&run, position, &s.record) == 0);
    s.record.event = copy_of(p, s.record.event);
    s.record.payload = copy_of(p, s.record.payload);
    store_run_close(&run);
    assert(event_open(&s.event, s.record.event, s.record.payload, p->arena, where) == 0);
    return s;
}

/* The block that the record is in, anew: with this record in its place, or cut short before it. */
static void block_put(struct plant *p, uint64_t position, const struct journal_record *record)
{
    struct journal_event events[COMMIT_EVENTS];
    struct store_run run;
    size_t size, n = 0;

    assert(store_run_open(&run, &p->store, p->txn, DB_EVENTS) == 0);
    assert(store_run_seek(&run, position) == 0 && run.count <= COMMIT_EVENTS);
    uint64_t first = run.first;
    for (; n < run.count && (record || first + n < position); n++) {
        struct journal_record r;
        assert(store_run_record(&run, first + n, &r) == 0);
        if (first + n == position)
            r = *record;
        events[n] = (struct journal_event){
            .received = r.received, .event = copy_of(p, r.event), .payload = copy_of(p, r.payload)};
        journal_event_hash(&events[n]);
    }
    store_run_close(&run);
    if (n == 0) {
        entry_del(p, DB_EVENTS, &first, sizeof first);
        return;
    }
    assert(store_block_fit(events, n, &size) == n);
    uint8_t *value = arena_take(p->arena, size);
    store_block_fill(value, first, events, n);
    assert(store_put(&p->store, p->txn, DB_EVENTS, slice_of(&first, sizeof first),
                     slice_of(value, size), 0) == 0);
}

/* Stores it with its sum. */
static void record_put(struct plant *p, const struct journal_record *record)
{
    block_put(p, record->position, record);
}

static void event_put(struct plant *p, struct stored *s, const Core__SignedEvent *changed)
{
    size_t size = protobuf_c_message_get_packed_size(&changed->base);
    uint8_t *bytes = arena_take(p->arena, size);

    protobuf_c_message_pack(&changed->base, bytes);
    s->record.event = slice_of(bytes, size);
    record_put(p, &s->record);
}

/* ---- the tree ---- */

static int stored_hash(void *arg, uint64_t index, struct hash *out)
{
    struct plant *p = arg;
    struct store_run run;
    int err = store_run_open(&run, &p->store, p->txn, DB_TREE);

    if (err == 0)
        err = store_run_hash(&run, index, out);
    store_run_close(&run);
    return err;
}

/* The value that holds the hash, anew: with this one in its place, or cut short before it. */
static void hash_put(struct plant *p, uint64_t index, const struct hash *hash)
{
    struct store_run run;
    struct buf value = {0};

    assert(store_run_open(&run, &p->store, p->txn, DB_TREE) == 0);
    assert(store_run_seek(&run, index) == 0);
    uint64_t first = run.first;
    size_t at = (size_t)(index - first) * HASH_SIZE;
    buf_add(&value, run.value.data, hash ? run.value.size : at);
    store_run_close(&run);
    if (hash)
        memcpy(value.data + at, hash->bytes, HASH_SIZE);
    if (value.size)
        assert(store_put(&p->store, p->txn, DB_TREE, slice_of(&first, sizeof first),
                         slice_buf(&value), 0) == 0);
    else
        entry_del(p, DB_TREE, &first, sizeof first);
    buf_free(&value);
}

static uint64_t head_of(struct plant *p)
{
    struct store_run run;

    assert(store_run_open(&run, &p->store, p->txn, DB_EVENTS) == 0 && store_run_last(&run) == 0);
    uint64_t head = run.first + run.count - 1;
    store_run_close(&run);
    return head;
}

/* All nodes from the record on, made from the records as they are. */
static void tree_put(struct plant *p, uint64_t from)
{
    struct tree tree = {0};
    struct hash event, leaf, nodes[TREE_LEVELS];

    assert(tree_load(&tree, from - 1, stored_hash, p) == 0);
    for (uint64_t position = from; position <= head_of(p); position++) {
        const struct stored s = stored_get(p, position);
        uint64_t index = tree_stored_count(position - 1);
        hash_sha256(&event, s.record.event);
        tree_log_leaf(&leaf, position, s.record.received, &event);
        int n = tree_append(&tree, &leaf, nodes);
        for (int i = 0; i < n; i++, index++)
            hash_put(p, index, &nodes[i]);
    }
}

static void checkpoint_put(struct plant *p, const struct log_key *key, uint64_t size)
{
    struct tree tree = {0};
    struct hash root;
    struct buf note = {0};

    assert(tree_load(&tree, size, stored_hash, p) == 0);
    tree_root(&tree, &root);
    assert(log_key_sign(key, size, &root, &note) == 0);
    assert(checkpoint_write(p->dir, slice_buf(&note)) == 0);
    buf_free(&note);
}

static struct log_key key_of(const struct plant *p)
{
    struct log_key key;
    struct buf why = {0};
    char *file = mem_printf("%s/keys/log.key", p->dir);

    assert(log_key_read(&key, file, &why) == 0);
    buf_free(&why);
    mem_free(file);
    return key;
}

/* ---- the faults ---- */

static void payload(struct plant *p)
{
    struct store_run run;
    struct journal_record record;
    struct buf block = {0};

    assert(store_run_open(&run, &p->store, p->txn, DB_EVENTS) == 0);
    assert(store_run_record(&run, p->a, &record) == 0 && record.payload.size);
    uint64_t first = run.first;
    buf_add(&block, run.value.data, run.value.size);
    block.data[record.payload.data - run.value.data] ^= 4;
    store_run_close(&run);
    assert(store_put(&p->store, p->txn, DB_EVENTS, slice_of(&first, sizeof first),
                     slice_buf(&block), 0) == 0);
    buf_free(&block);
}

static void signature(struct plant *p)
{
    struct stored s = stored_get(p, p->a);
    const struct log_key key = key_of(p);
    Core__SignedEvent changed = *s.event.signed_event;

    changed.signature.data[7] ^= 4;
    event_put(p, &s, &changed);
    tree_put(p, p->a);
    checkpoint_put(p, &key, head_of(p));
}

static void envelope(struct plant *p)
{
    struct stored s = stored_get(p, p->a);
    Core__SignedEvent changed = *s.event.signed_event;
    Core__Envelope altered = *s.event.envelope;

    altered.created++;
    changed.envelope.len = protobuf_c_message_get_packed_size(&altered.base);
    changed.envelope.data = arena_take(p->arena, changed.envelope.len);
    protobuf_c_message_pack(&altered.base, changed.envelope.data);
    event_put(p, &s, &changed);
}

static void received(struct plant *p)
{
    struct stored s = stored_get(p, p->a);

    s.record.received += (int64_t)p->b;
    record_put(p, &s.record);
    tree_put(p, p->a);
}

static uint32_t number_of(struct plant *p, enum name_kind kind, const char *name)
{
    uint8_t key[1 + NAME_MOST];
    struct slice value;
    size_t size = store_name_key(key, kind, slice_str(name));

    assert(store_get(&p->store, p->txn, DB_NAMES, slice_of(key, size), &value) == 0);
    return store_u32_read(value.data);
}

/* The keys of a record's entries. */
struct keys {
    uint8_t id[ID_KEY], name[CHANNEL_NAME], channel[CHANNEL_KEY], tail[TAIL_KEY];
};

static struct keys keys_of(struct plant *p, uint64_t position, const Core__Envelope *e)
{
    struct keys k;
    uint32_t seat = number_of(p, NAME_SEAT, e->seat), stream = number_of(p, NAME_STREAM, e->stream);

    store_id_key(k.id, seat, e->id.data);
    store_channel_name(k.name, stream, number_of(p, NAME_TYPE, e->type));
    store_channel_key(k.channel, k.name, position);
    store_tail_key(k.tail, seat, stream);
    return k;
}

/* The tail is again what it was before the record. */
static void tail_back(struct plant *p, uint64_t position, const struct keys *k)
{
    uint8_t value[TAIL_VALUE];

    for (uint64_t at = position - 1; at > 0; at--) {
        const struct stored s = stored_get(p, at);
        const struct keys other = keys_of(p, at, s.event.envelope);
        const struct journal_tail tail = {s.event.envelope->seat_seq, at, s.event.envelope_hash};
        if (memcmp(other.tail, k->tail, TAIL_KEY) != 0)
            continue;
        store_tail_value(value, &tail);
        assert(store_put(&p->store, p->txn, DB_TAILS, slice_of(k->tail, TAIL_KEY),
                         slice_of(value, sizeof value), 0) == 0);
        return;
    }
    entry_del(p, DB_TAILS, k->tail, TAIL_KEY);
}

/* Names that came with the record go with it. */
static void names_back(struct plant *p, uint64_t position, const Core__Envelope *e)
{
    const char *const names[NAME_KINDS] = {e->seat, e->stream, e->type};
    bool used[NAME_KINDS] = {false};
    uint8_t key[1 + NAME_MOST];

    for (uint64_t at = 1; at < position; at++) {
        const struct stored s = stored_get(p, at);
        const Core__Envelope *o = s.event.envelope;
        const char *const others[NAME_KINDS] = {o->seat, o->stream, o->type};
        for (int kind = 0; kind < NAME_KINDS; kind++)
            used[kind] = used[kind] || strcmp(names[kind], others[kind]) == 0;
    }
    for (int kind = 0; kind < NAME_KINDS; kind++)
        if (!used[kind])
            entry_del(p, DB_NAMES, key,
                      store_name_key(key, (enum name_kind)kind, slice_str(names[kind])));
}

static void removed(struct plant *p)
{
    uint64_t position = head_of(p), index = tree_stored_count(position - 1);
    const struct stored s = stored_get(p, position);
    const struct keys k = keys_of(p, position, s.event.envelope);
    uint8_t part[PART_KEY];
    struct hash hash;

    tail_back(p, position, &k);
    names_back(p, position, s.event.envelope);
    for (size_t i = 0; i < s.event.envelope->n_parts; i++) {
        memcpy(hash.bytes, s.event.envelope->parts[i]->sha256.data, HASH_SIZE);
        store_part_key(part, &hash, position);
        entry_del(p, DB_PARTS, part, sizeof part);
    }
    entry_del(p, DB_IDS, k.id, sizeof k.id);
    entry_del(p, DB_CHANNELS, k.channel, sizeof k.channel);
    hash_put(p, index, NULL);
    block_put(p, position, NULL);
}

static void id(struct plant *p)
{
    const struct stored s = stored_get(p, p->a);
    const struct keys k = keys_of(p, p->a, s.event.envelope);
    uint8_t value[ID_VALUE];

    store_id_value(value, p->b, &s.event.envelope_hash);
    assert(store_put(&p->store, p->txn, DB_IDS, slice_of(k.id, sizeof k.id),
                     slice_of(value, sizeof value), 0) == 0);
}

static void channel(struct plant *p)
{
    const struct stored s = stored_get(p, p->a);
    const struct keys k = keys_of(p, p->a, s.event.envelope);
    uint8_t other[CHANNEL_KEY], number[NUMBER_SIZE];

    store_u32(number, number_of(p, NAME_SEAT, s.event.envelope->seat));
    store_channel_key(other, k.name, p->b);
    entry_del(p, DB_CHANNELS, k.channel, sizeof k.channel);
    assert(store_put(&p->store, p->txn, DB_CHANNELS, slice_of(other, sizeof other),
                     slice_of(number, sizeof number), 0) == 0);
}

static void format(struct plant *p)
{
    struct slice value;
    uint8_t copy[META_BODY + HASH_SIZE];
    struct hash sum;

    assert(store_get(&p->store, p->txn, DB_META, slice_str("format"), &value) == 0 &&
           value.size == sizeof copy);
    memcpy(copy, value.data, sizeof copy);
    store_u32(copy, (uint32_t)p->a);
    hash_sha256(&sum, slice_of(copy, META_BODY));
    memcpy(copy + META_BODY, sum.bytes, HASH_SIZE);
    assert(store_put(&p->store, p->txn, DB_META, slice_str("format"), slice_of(copy, sizeof copy),
                     0) == 0);
}

static void checkpoint(struct plant *p)
{
    const struct log_key key = key_of(p);

    checkpoint_put(p, &key, p->a);
}

static struct log_key foreign_put(struct plant *p)
{
    const struct log_key own = key_of(p);
    struct log_key key;

    log_key_make(&key, own.name);
    checkpoint_put(p, &key, head_of(p));
    return key;
}

static void foreign(struct plant *p)
{
    foreign_put(p);
}

static void foreign_vkey(struct plant *p)
{
    const struct log_key key = foreign_put(p);
    char *file = mem_printf("%s/log.vkey", p->dir);
    struct buf text = {0};
    FILE *f = fopen(file, "we");

    note_vkey(&text, key.name, key.public_key);
    assert(f && fprintf(f, "%s\n", buf_cstr(&text)) > 0 && fclose(f) == 0);
    buf_free(&text);
    mem_free(file);
}

static const struct fault {
    const char *name;
    int numbers;
    void (*plant)(struct plant *p);
} faults[] = {
    {"payload", 1, payload},           {"signature", 1, signature},
    {"envelope", 1, envelope},         {"received", 2, received},
    {"removed", 0, removed},           {"id", 2, id},
    {"channel", 2, channel},           {"format", 1, format},
    {"checkpoint", 1, checkpoint},     {"foreign", 0, foreign},
    {"foreign-vkey", 0, foreign_vkey}, {NULL, 0, NULL},
};

static void plant(struct plant *p, const struct fault *fault)
{
    struct buf why = {0};
    char *log = mem_printf("%s/log", p->dir);

    assert(store_open(&p->store, log, false, &why) == 0);
    assert(mdb_txn_begin(p->store.env, NULL, 0, &p->txn) == 0);
    p->arena = arena_new(SIZE_MAX);
    fault->plant(p);
    assert(mdb_txn_commit(p->txn) == 0);
    store_close(&p->store);
    arena_free(p->arena);
    buf_free(&why);
    mem_free(log);
}

int main(int argc, char **argv)
{
    const struct fault *fault = faults;
    struct plant p = {.dir = argc > 1 ? argv[1] : NULL};

    while (argc > 2 && fault->name && strcmp(fault->name, argv[2]) != 0)
        fault++;
    if (argc < 3 || !fault->name || argc != 3 + fault->numbers) {
        fputs("usage: plant DIR FAULT [NUMBER [NUMBER]]\n", stderr);
        return 2;
    }
    p.a = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;
    p.b = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    plant(&p, fault);
    return 0;
}
