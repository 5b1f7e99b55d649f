/* SPDX-License-Identifier: Apache-2.0 */
/* The real broker process on a directory of its own, spoken to in raw frames by DEALER sockets. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>
#include <zmq.h>

#include "broker/journal.h"
#include "broker/peer.h"
#include "broker/signed.h"
#include "broker/succession.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/countersign.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/sign.h"

#define LOG "test.example/log"
#define SUCCESSOR "test.example/log-2"
#define TYPE "chancery.test.v1.Note"
#define CONFIG                                                           \
    "[log]\nname = %s\n[connection]\nendpoint = ipc://run/broker.sock\n" \
    "server-key = %s\n[broker]\nseat = broker\ndisk-reserve = %s\n"
enum { PATIENCE = 20000 }; /* milliseconds */

enum { ADMIN, BROKER, ALICE, BOB, CAROL, DAVE, SEATS };
static const struct {
    const char *seat, *office;
} people[SEATS] = {
    {"admin", "QMA/registry"}, {"broker", "QMA/chancery"}, {"alice", "QMB/npc"},
    {"bob", "QMC/npc"},        {"carol", "QMD/npc"},       {"dave", "QMD/archive"},
};

struct instance {
    char dir[64];
    pid_t pid, signer;
    void *context;
    struct seat_key keys[SEATS];
    struct log_key log_key;
    const char *log;
    uint64_t founding; /* records */
};

/* ---- founding ---- */

struct founder { /* collects the founding events */
    struct instance *in;
    struct journal_event events[128];
    struct buf bytes[128], payloads[128];
    size_t n;
    struct hash previous;
};

struct note { /* what a test's event says; the rest follows from the seat */
    const char *stream, *type;
    struct slice payload;
    uint64_t seat_seq;
    struct hash previous;
    uint8_t id[ID_SIZE];
    int label;
    const char *recipient; /* a seat */
    const struct hash *part;
    uint64_t part_size, cause, reply_to;
    struct hash replied; /* the envelope that is replied to */
    int64_t effective;
    const char *log; /* NULL: the one founded */
};

static void pack_envelope(struct buf *out, const struct seat_key *key, const struct note *note)
{
    Core__Envelope e = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    Core__Recipient recipient = CORE__RECIPIENT__INIT, *recipients[] = {&recipient};
    Core__PartRef part = CORE__PART_REF__INIT, *parts[] = {&part};
    Core__EventRef reply = CORE__EVENT_REF__INIT;
    struct hash payload, previous = note->previous, named, replied = note->replied;
    uint8_t id[ID_SIZE];

    memcpy(id, note->id, ID_SIZE);
    hash_sha256(&payload, note->payload);
    handling.label = note->label ? (Core__Label)note->label : CORE__LABEL__LABEL_GREEN;
    if (note->recipient) {
        recipient.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT;
        recipient.name = note->recipient;
        handling.n_recipients = 1;
        handling.recipients = recipients;
    }
    if (note->part) {
        named = *note->part;
        part.sha256 = (ProtobufCBinaryData){HASH_SIZE, named.bytes};
        part.size = note->part_size;
        part.media_type = "text/plain";
        part.name = "note.txt";
        e.n_parts = 1;
        e.parts = parts;
    }
    e.log = note->log ? note->log : LOG;
    e.stream = note->stream;
    e.id = (ProtobufCBinaryData){ID_SIZE, id};
    e.type = note->type;
    e.seat = key->seat;
    e.office = key->office;
    e.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    e.seat_seq = note->seat_seq;
    if (note->seat_seq > 1)
        e.previous = (ProtobufCBinaryData){HASH_SIZE, previous.bytes};
    e.kind = CORE__KIND__KIND_NEW;
    e.mode = CORE__MODE__MODE_ACTUAL;
    e.handling = &handling;
    e.created = time_now();
    e.effective = note->effective;
    e.cause = note->cause;
    e.of = note->cause ? 1 : 0;
    if (note->reply_to) {
        reply.position = note->reply_to;
        reply.envelope_hash = (ProtobufCBinaryData){HASH_SIZE, replied.bytes};
        e.in_reply_to = &reply;
    }
    e.payload_hash = (ProtobufCBinaryData){HASH_SIZE, payload.bytes};
    e.payload_size = (uint32_t)note->payload.size;
    core__envelope__pack(&e, buf_grow(out, core__envelope__get_packed_size(&e)));
}

static void found(struct founder *f, const ProtobufCMessage *m)
{
    struct buf *payload = &f->payloads[f->n], envelope = {0};
    struct note note = {.stream = "registry",
                        .type = m->descriptor->name,
                        .seat_seq = f->n + 1,
                        .previous = f->previous};
    struct journal_event *e = &f->events[f->n];

    protobuf_c_message_pack(m, buf_grow(payload, protobuf_c_message_get_packed_size(m)));
    note.payload = slice_buf(payload);
    id_v7(note.id, time_now());
    pack_envelope(&envelope, &f->in->keys[ADMIN], &note);
    struct slice signed_bytes = slice_buf(&envelope);
    sign_events(&f->in->keys[ADMIN], &signed_bytes, 1, &f->bytes[f->n]);
    hash_sha256(&f->previous, signed_bytes);
    *e = (struct journal_event){.seat = "admin",
                                .stream = "registry",
                                .type = note.type,
                                .seat_seq = note.seat_seq,
                                .received = time_now(),
                                .envelope_hash = f->previous,
                                .event = slice_buf(&f->bytes[f->n]),
                                .payload = note.payload};
    memcpy(e->id, note.id, ID_SIZE);
    journal_event_hash(e);
    buf_free(&envelope);
    f->n++;
}

static void found_log(struct founder *f)
{
    Core__LogFounded m = CORE__LOG_FOUNDED__INIT;
    struct instance *in = f->in;

    m.format = JOURNAL_FORMAT;
    m.log = LOG;
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, in->log_key.public_key};
    m.server_key = (ProtobufCBinaryData){KEY_SIZE, in->keys[BROKER].curve_public};
    m.administrator = "admin";
    m.administrator_key = (ProtobufCBinaryData){KEY_SIZE, in->keys[ADMIN].sign_public};
    m.broker = "broker";
    found(f, &m.base);
}

static void found_party(struct founder *f, const char *party)
{
    Core__PartyAdded m = CORE__PARTY_ADDED__INIT;

    m.party = party;
    m.name = party;
    m.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    found(f, &m.base);
}

static void found_key(struct founder *f, const char *seat, Core__KeyKind kind, uint8_t *key)
{
    Core__KeyAdded m = CORE__KEY_ADDED__INIT;

    m.seat = seat;
    m.kind = kind;
    m.public_key = (ProtobufCBinaryData){KEY_SIZE, key};
    found(f, &m.base);
}

static void found_seat(struct founder *f, int i)
{
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;
    Core__SeatAdmitted seat = CORE__SEAT_ADMITTED__INIT;
    struct seat_key *key = &f->in->keys[i];
    const char *role = ROLE_ADMINISTRATOR;

    office.office = people[i].office;
    office.n_roles = i == ADMIN;
    office.roles = &role;
    office.clearance = CORE__LABEL__LABEL_RED;
    found(f, &office.base);
    seat.seat = people[i].seat;
    seat.office = people[i].office;
    seat.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    found(f, &seat.base);
    found_key(f, key->seat, CORE__KEY_KIND__KEY_KIND_CURVE, key->curve_public);
    if (i != ADMIN)
        found_key(f, key->seat, CORE__KEY_KIND__KEY_KIND_ED25519, key->sign_public);
}

static void found_rule(struct founder *f, const char *name, const char *seat, Core__Verb verb,
                       const char *stream)
{
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;

    m.rule = name;
    m.effect = CORE__EFFECT__EFFECT_ALLOW;
    m.subject_kind = CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT;
    m.subject = seat;
    m.n_verbs = 1;
    m.verbs = &verb;
    m.stream = stream;
    m.type = "*";
    found(f, &m.base);
}

/* Its first checkpoint, as `chancery init` leaves it. */
static void found_checkpoint(const struct instance *in)
{
    struct journal *j;
    struct buf why = {0};
    struct hash root;
    uint64_t size;

    assert_int_equal(journal_open(&j, in->dir, true, &why), 0);
    journal_tree(j, &size, &root);
    assert_int_equal(signed_found(in->dir, &in->log_key, size, &root), 0);
    journal_close(j);
    buf_free(&why);
}

static void found_all(struct instance *in)
{
    struct founder *f = mem_new(sizeof *f);

    f->in = in;
    found_log(f);
    for (const char *const *p = (const char *const[]){"QMA", "QMB", "QMC", "QMD", NULL}; *p; p++)
        found_party(f, *p);
    for (int i = 0; i < SEATS; i++)
        found_seat(f, i);
    found_rule(f, "admin-registry", "admin", CORE__VERB__VERB_PUBLISH, "registry");
    found_rule(f, "admin-read", "admin", CORE__VERB__VERB_READ, "*");
    found_rule(f, "alice-publish", "alice", CORE__VERB__VERB_PUBLISH, "notes.*");
    found_rule(f, "carol-publish", "carol", CORE__VERB__VERB_PUBLISH, "notes.*");
    found_rule(f, "alice-ask", "alice", CORE__VERB__VERB_ASK, "weather");
    found_rule(f, "bob-read", "bob", CORE__VERB__VERB_READ, "notes.*");
    found_rule(f, "carol-read", "carol", CORE__VERB__VERB_READ, "notes.*");
    found_rule(f, "bob-offer", "bob", CORE__VERB__VERB_OFFER, "weather");
    assert_int_equal(journal_create(in->dir, f->events, f->n), 0);
    in->founding = f->n;
    found_checkpoint(in);
    for (size_t i = 0; i < f->n; i++) {
        buf_free(&f->bytes[i]);
        buf_free(&f->payloads[i]);
    }
    mem_free(f);
}

static void write_file(const struct instance *in, const char *name, const char *text)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s", in->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void write_conf(const struct instance *in, const char *reserve)
{
    char text[512], hex[2 * KEY_SIZE + 1];

    hex_encode(hex, in->keys[BROKER].curve_public, KEY_SIZE);
    snprintf(text, sizeof text, CONFIG, in->log, hex, reserve);
    write_file(in, "chancery.conf", text);
}

static void write_vkey(const struct instance *in)
{
    struct buf vkey = {0};

    note_vkey(&vkey, in->log, in->log_key.public_key);
    write_file(in, "log.vkey", buf_cstr(&vkey));
    buf_free(&vkey);
}

static void make_keys(struct instance *in)
{
    char path[128];

    snprintf(path, sizeof path, "%s/keys", in->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int i = 0; i < SEATS; i++)
        seat_key_make(&in->keys[i], people[i].seat, people[i].office);
    log_key_make(&in->log_key, LOG);
    snprintf(path, sizeof path, "%s/keys/broker.key", in->dir);
    assert_int_equal(seat_key_write(&in->keys[BROKER], path), 0);
    snprintf(path, sizeof path, "%s/keys/log.key", in->dir);
    assert_int_equal(log_key_write(&in->log_key, path), 0);
    in->log = LOG;
    write_conf(in, "1M");
    write_vkey(in);
}

/* ---- the process ---- */

static pid_t start_program(const struct instance *in, const char *program)
{
    pid_t test = getpid(), pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != test)
            _exit(127);
        execl(program, program, "--config", in->dir, NULL);
        _exit(127);
    }
    return pid;
}

static void start(struct instance *in)
{
    in->pid = start_program(in, BUILD_DIR "/bin/chancery-broker");
}

static void start_signer(struct instance *in)
{
    in->signer = start_program(in, BUILD_DIR "/bin/chancery-signer");
}

static void end_signer(struct instance *in)
{
    int status;

    assert_int_equal(kill(in->signer, SIGTERM), 0);
    assert_int_equal(waitpid(in->signer, &status, 0), in->signer);
    assert_int_equal(status, 0);
}

static int wait_exit(struct instance *in)
{
    int status;

    assert_int_equal(waitpid(in->pid, &status, 0), in->pid);
    in->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int end(struct instance *in, int signal_number)
{
    assert_int_equal(kill(in->pid, signal_number), 0);
    return wait_exit(in);
}

static int setup(void **state)
{
    struct instance *in = mem_new(sizeof *in);

    snprintf(in->dir, sizeof in->dir, "/tmp/chancery-broker-XXXXXX");
    assert_non_null(mkdtemp(in->dir));
    make_keys(in);
    found_all(in);
    in->context = zmq_ctx_new();
    start(in);
    *state = in;
    return 0;
}

static int teardown(void **state)
{
    struct instance *in = *state;
    char command[128];

    if (in->pid)
        end(in, SIGTERM);
    zmq_ctx_term(in->context);
    snprintf(command, sizeof command, "rm -rf %s", in->dir);
    int rc = system(command);
    mem_free(in);
    return rc;
}

/* ---- a peer ---- */

struct talk {
    void *socket;
    const struct seat_key *key;
    uint64_t ref;
    struct arena *arena; /* of the answers */
    Core__Welcome *welcome;
};

static void *dial_socket(struct instance *in, const struct seat_key *key)
{
    char endpoint[128];
    int patience = PATIENCE, none = 0;
    void *s = zmq_socket(in->context, ZMQ_DEALER);

    snprintf(endpoint, sizeof endpoint, "ipc://%s/run/broker.sock", in->dir);
    zmq_setsockopt(s, ZMQ_LINGER, &none, sizeof none);
    zmq_setsockopt(s, ZMQ_RCVTIMEO, &patience, sizeof patience);
    zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, in->keys[BROKER].curve_public, KEY_SIZE);
    zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, key->curve_public, KEY_SIZE);
    zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, key->curve_secret, KEY_SIZE);
    assert_int_equal(zmq_connect(s, endpoint), 0);
    return s;
}

static void send_frame(struct talk *t, Core__Frame *f)
{
    struct buf b = {0};

    if (!f->ref)
        f->ref = ++t->ref;
    core__frame__pack(f, buf_grow(&b, core__frame__get_packed_size(f)));
    assert_int_equal(zmq_send(t->socket, b.data, b.size, 0), b.size);
    buf_free(&b);
}

/* The next frame, or NULL after the socket's patience. */
static Core__Frame *receive(struct talk *t)
{
    zmq_msg_t m;
    Core__Frame *f = NULL;

    zmq_msg_init(&m);
    if (zmq_msg_recv(&m, t->socket, 0) >= 0) {
        f = core__frame__unpack(arena_allocator(t->arena), zmq_msg_size(&m), zmq_msg_data(&m));
        assert_non_null(f);
    }
    zmq_msg_close(&m);
    return f;
}

/* The next frame of that kind; a Pong that nobody asked for is passed over. */
static Core__Frame *expect(struct talk *t, Core__Frame__BodyCase body)
{
    Core__Frame *f = receive(t);

    while (f && f->body_case == CORE__FRAME__BODY_PONG && f->ref == 0)
        f = receive(t);
    assert_non_null(f);
    if (f->body_case == CORE__FRAME__BODY_REFUSED && body != CORE__FRAME__BODY_REFUSED)
        print_message("refused: %s %s: %s\n", f->refused->code, f->refused->field,
                      f->refused->text);
    assert_int_equal(f->body_case, body);
    return f;
}

static void expect_refused(struct talk *t, int err)
{
    Core__Frame *f = expect(t, CORE__FRAME__BODY_REFUSED);

    assert_string_equal(f->refused->code, err_code(err));
    assert_true(f->refused->text[0]);
}

static void hello(struct talk *t)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Hello h = CORE__HELLO__INIT;

    h.version = 1;
    h.log = LOG;
    h.software = "test";
    f.body_case = CORE__FRAME__BODY_HELLO;
    f.hello = &h;
    send_frame(t, &f);
}

static struct talk *talk_new(struct instance *in, int who)
{
    struct talk *t = mem_new(sizeof *t);

    t->key = &in->keys[who];
    t->socket = dial_socket(in, t->key);
    t->arena = arena_new(64 * 1024 * 1024);
    return t;
}

static struct talk *dial(struct instance *in, int who)
{
    struct talk *t = talk_new(in, who);

    hello(t); /* a successor takes the name that it had before, too */
    t->welcome = expect(t, CORE__FRAME__BODY_WELCOME)->welcome;
    assert_string_equal(t->welcome->seat, people[who].seat);
    assert_string_equal(t->welcome->office, people[who].office);
    assert_string_equal(t->welcome->log, in->log);
    return t;
}

static void hang_up(struct talk *t)
{
    zmq_close(t->socket);
    arena_free(t->arena);
    mem_free(t);
}

/* Connections are gone a moment after they are closed: the next test finds none of this one's. */
static void restart(struct instance *in)
{
    assert_int_equal(end(in, SIGTERM), 0);
    start(in);
}

static void sessions_that_ended_make_room(void **state)
{
    for (int i = 0; i < 3 * PEERS_OF_SEAT; i++)
        hang_up(dial(*state, ALICE));
    restart(*state);
}

static void sessions_that_live_take_the_room(void **state)
{
    struct talk *t[PEERS_OF_SEAT], *one_more = talk_new(*state, ALICE);

    for (int i = 0; i < PEERS_OF_SEAT; i++)
        t[i] = dial(*state, ALICE);
    hello(one_more);
    expect_refused(one_more, ERR_BUSY);
    hang_up(one_more);
    for (int i = 0; i < PEERS_OF_SEAT; i++)
        hang_up(t[i]);
    restart(*state);
}

/* ---- publishing ---- */

struct packed {
    struct buf event, payload;
    struct hash envelope_hash;
};

static void packed_free(struct packed *p)
{
    buf_free(&p->event);
    buf_free(&p->payload);
}

static void pack_note(struct packed *out, const struct seat_key *key, const struct note *note)
{
    struct buf envelope = {0};

    *out = (struct packed){0};
    pack_envelope(&envelope, key, note);
    struct slice bytes = slice_buf(&envelope);
    sign_events(key, &bytes, 1, &out->event);
    hash_sha256(&out->envelope_hash, bytes);
    buf_add(&out->payload, note->payload.data, note->payload.size);
    buf_free(&envelope);
}

static void publish_packed(struct talk *t, struct packed p[], size_t n)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Publish publish = CORE__PUBLISH__INIT;
    Core__SignedBytes bytes[BATCH_MOST], *list[BATCH_MOST];

    for (size_t i = 0; i < n; i++) {
        core__signed_bytes__init(&bytes[i]);
        bytes[i].event = (ProtobufCBinaryData){p[i].event.size, p[i].event.data};
        bytes[i].payload = (ProtobufCBinaryData){p[i].payload.size, p[i].payload.data};
        list[i] = &bytes[i];
    }
    publish.n_events = n;
    publish.events = list;
    f.body_case = CORE__FRAME__BODY_PUBLISH;
    f.publish = &publish;
    send_frame(t, &f);
}

static struct note note_of(const char *stream, uint64_t seat_seq, const char *text)
{
    struct note n = {.stream = stream, .type = TYPE, .seat_seq = seat_seq};

    n.payload = slice_str(text);
    id_v7(n.id, time_now());
    return n;
}

static uint64_t publish_note(struct talk *t, const struct note *note, struct hash *hash)
{
    struct packed p;

    pack_note(&p, t->key, note);
    publish_packed(t, &p, 1);
    Core__Frame *f = expect(t, CORE__FRAME__BODY_RECORDED);
    assert_int_equal(f->recorded->n_positions, 1);
    assert_int_equal(f->recorded->n_received, 1);
    if (hash)
        *hash = p.envelope_hash;
    packed_free(&p);
    return f->recorded->positions[0];
}

static void refused_note(struct talk *t, const struct note *note, int err)
{
    struct packed p;

    pack_note(&p, t->key, note);
    publish_packed(t, &p, 1);
    expect_refused(t, err);
    packed_free(&p);
}

/* ---- reading ---- */

static uint64_t open_reading(struct talk *t, uint64_t from, const char *stream, uint32_t events,
                             uint64_t until)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Read read = CORE__READ__INIT;

    read.from = from;
    read.n_streams = stream ? 1 : 0;
    read.streams = &stream;
    read.credit_events = events;
    read.credit_bytes = 1024 * 1024;
    read.until = until;
    f.body_case = CORE__FRAME__BODY_READ;
    f.read = &read;
    send_frame(t, &f);
    return f.ref;
}

static Core__Record *expect_record(struct talk *t)
{
    Core__Frame *f = expect(t, CORE__FRAME__BODY_DELIVER);

    assert_int_equal(f->deliver->n_records, 1);
    return f->deliver->records[0];
}

static bool payload_is(const Core__Record *r, const char *text)
{
    return slice_is(slice_of(r->payload.data, r->payload.len), text);
}

/* ---- tests ---- */

static void an_event_is_recorded_and_a_retry_gets_its_old_position(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct note note = note_of("notes.retry", 1, "one");
    struct packed p;

    pack_note(&p, t->key, &note);
    publish_packed(t, &p, 1);
    Core__Recorded first = *expect(t, CORE__FRAME__BODY_RECORDED)->recorded;
    publish_packed(t, &p, 1);
    Core__Recorded again = *expect(t, CORE__FRAME__BODY_RECORDED)->recorded;
    assert_int_equal(first.positions[0], again.positions[0]);
    assert_int_equal(first.received[0], again.received[0]);
    packed_free(&p);
    hang_up(t);
}

static bool is_countersigned(const struct instance *in, const Core__Recorded *r,
                             const struct packed *p)
{
    uint8_t entries[BATCH_MOST][LOG_ENTRY_SIZE];

    for (size_t i = 0; i < r->n_positions; i++) {
        struct hash hash;
        hash_sha256(&hash, slice_buf(&p[i].event));
        tree_log_entry(entries[i], r->positions[i], r->received[i], &hash);
    }
    return countersign_check(slice_of(r->signature.data, r->signature.len), in->log,
                             slice_of(entries, r->n_positions * LOG_ENTRY_SIZE),
                             in->keys[BROKER].sign_public);
}

/* The same envelope, signed anew under another salt. */
static struct packed sign_again(const struct talk *t, const struct packed *p)
{
    Core__SignedEvent *s = core__signed_event__unpack(NULL, p->event.size, p->event.data);
    struct slice envelope = slice_of(s->envelope.data, s->envelope.len);
    struct packed out = {.envelope_hash = p->envelope_hash};

    sign_events(t->key, &envelope, 1, &out.event);
    buf_add(&out.payload, p->payload.data, p->payload.size);
    core__signed_event__free_unpacked(s, NULL);
    return out;
}

static void what_is_recorded_is_countersigned_as_the_log_has_it(void **state)
{
    struct instance *in = *state;
    struct talk *t = dial(in, ALICE);
    struct note note = note_of("notes.receipt", 1, "one");
    struct packed p[2];

    assert_memory_equal(t->welcome->receipt_key.data, in->keys[BROKER].sign_public, KEY_SIZE);
    pack_note(&p[0], t->key, &note);
    struct packed anew = sign_again(t, &p[0]);
    note.seat_seq = 2;
    note.previous = p[0].envelope_hash;
    id_v7(note.id, time_now());
    pack_note(&p[1], t->key, &note);
    publish_packed(t, p, 1);
    assert_true(is_countersigned(in, expect(t, CORE__FRAME__BODY_RECORDED)->recorded, p));
    publish_packed(t, p, 2); /* one known, one new */
    Core__Recorded *both = expect(t, CORE__FRAME__BODY_RECORDED)->recorded;
    assert_true(is_countersigned(in, both, p));
    both->positions[1]++;
    assert_false(is_countersigned(in, both, p));
    publish_packed(t, &anew, 1);
    assert_int_equal(expect(t, CORE__FRAME__BODY_RECORDED)->recorded->signature.len, 0);
    packed_free(&p[0]);
    packed_free(&p[1]);
    packed_free(&anew);
    hang_up(t);
}

static void a_retry_in_flight_gets_the_same_position(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct note note = note_of("notes.flight", 1, "one");
    struct packed p;

    pack_note(&p, t->key, &note);
    for (int i = 0; i < 20; i++)
        publish_packed(t, &p, 1);
    uint64_t position = expect(t, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
    for (int i = 1; i < 20; i++)
        assert_int_equal(expect(t, CORE__FRAME__BODY_RECORDED)->recorded->positions[0], position);
    packed_free(&p);
    hang_up(t);
}

static void an_id_with_another_envelope_is_refused(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct note note = note_of("notes.reuse", 1, "one");

    publish_note(t, &note, &note.previous);
    note.seat_seq = 2;
    note.payload = slice_str("two");
    refused_note(t, &note, ERR_ID_REUSED);
    hang_up(t);
}

static void a_gap_in_seat_seq_is_refused_with_the_number_expected(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct note note = note_of("notes.gap", 1, "one");
    struct packed p;

    publish_note(t, &note, &note.previous);
    note.seat_seq = 3;
    id_v7(note.id, time_now());
    pack_note(&p, t->key, &note);
    publish_packed(t, &p, 1);
    Core__Frame *f = expect(t, CORE__FRAME__BODY_REFUSED);
    assert_string_equal(f->refused->code, "seat.order");
    assert_int_equal(f->refused->expected, 2);
    packed_free(&p);
    note.seat_seq = 2;
    note.previous.bytes[0] ^= 1;
    refused_note(t, &note, ERR_SEAT_ORDER);
    note.previous.bytes[0] ^= 1;
    publish_note(t, &note, NULL);
    hang_up(t);
}

static void a_batch_is_recorded_all_or_none(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct packed p[3];
    struct note note = note_of("notes.batch", 1, "one");

    for (size_t i = 0; i < 3; i++) {
        note.seat_seq = i + 1;
        id_v7(note.id, time_now());
        pack_note(&p[i], t->key, &note);
        note.previous = p[i].envelope_hash;
    }
    struct packed bad[3] = {p[0], p[2], p[1]};
    publish_packed(t, bad, 3);
    Core__Frame *f = expect(t, CORE__FRAME__BODY_REFUSED);
    assert_string_equal(f->refused->code, "seat.order");
    assert_int_equal(f->refused->index, 1);
    publish_packed(t, p, 2);
    uint64_t first = expect(t, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
    publish_packed(t, p, 3); /* two known, one new */
    Core__Recorded all = *expect(t, CORE__FRAME__BODY_RECORDED)->recorded;
    assert_int_equal(all.n_positions, 3);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(all.positions[i], first + i);
    for (size_t i = 0; i < 3; i++)
        packed_free(&p[i]);
    hang_up(t);
}

static void a_wrong_signature_is_refused(void **state)
{
    struct instance *in = *state;
    struct talk *t = dial(in, ALICE);
    struct note note = note_of("notes.sign", 1, "one");
    struct seat_key forged = in->keys[ALICE];
    struct packed p;

    memcpy(forged.sign_seed, in->keys[BOB].sign_seed, KEY_SIZE);
    pack_note(&p, &forged, &note); /* by another's seed, under her key's name */
    publish_packed(t, &p, 1);
    expect_refused(t, ERR_SIGNATURE);
    packed_free(&p);
    hang_up(t);
}

static void nobody_signs_for_another_seat(void **state)
{
    struct instance *in = *state;
    struct talk *t = dial(in, ALICE);
    struct note note = note_of("notes.other", 1, "one");
    struct packed p;

    pack_note(&p, &in->keys[CAROL], &note);
    publish_packed(t, &p, 1);
    expect_refused(t, ERR_SEAT);
    packed_free(&p);
    hang_up(t);
}

static void what_no_rule_allows_is_refused(void **state)
{
    struct talk *t = dial(*state, ALICE), *b = dial(*state, BOB);
    struct note note = note_of("embargo.in", 1, "one");

    refused_note(t, &note, ERR_DENIED);
    note = note_of("audit", 1, "one");
    refused_note(t, &note, ERR_DENIED);
    open_reading(t, 1, "notes.retry", 10, 0);
    expect_refused(t, ERR_DENIED);
    note = note_of("notes.bob", 1, "one");
    refused_note(b, &note, ERR_DENIED);
    hang_up(t);
    hang_up(b);
}

static void an_old_id_and_an_unknown_cause_are_refused(void **state)
{
    struct talk *t = dial(*state, ALICE);
    struct note note = note_of("notes.old", 1, "one");

    id_v7(note.id, time_now() - INT64_C(25) * 3600 * 1000000);
    refused_note(t, &note, ERR_ID_STALE);
    note = note_of("notes.old", 1, "one");
    note.type = "chancery.clock.v1.Due";
    note.effective = time_now() + 60000000;
    refused_note(t, &note, ERR_EARLY);
    note = note_of("notes.old", 1, "one");
    note.label = CORE__LABEL__LABEL_AMBER;
    note.recipient = "nobody-here";
    refused_note(t, &note, ERR_HANDLING);
    hang_up(t);
}

static void a_stranger_hears_nothing(void **state)
{
    struct instance *in = *state;
    struct seat_key stranger;
    struct talk t = {.arena = arena_new(1024 * 1024)};
    int shorter = 1500;

    hang_up(dial(in, ALICE)); /* it serves */
    seat_key_make(&stranger, "mallory", "QMZ/npc");
    t.socket = dial_socket(in, &stranger);
    zmq_setsockopt(t.socket, ZMQ_RCVTIMEO, &shorter, sizeof shorter);
    hello(&t);
    assert_null(receive(&t));
    zmq_close(t.socket);
    arena_free(t.arena);
}

static void who_has_not_said_hello_is_forgotten(void **state)
{
    struct instance *in = *state;
    struct talk t = {.arena = arena_new(1024 * 1024)};
    Core__Frame f = CORE__FRAME__INIT;
    Core__Ping ping = CORE__PING__INIT;

    t.socket = dial_socket(in, &in->keys[ALICE]);
    f.body_case = CORE__FRAME__BODY_PING;
    f.ping = &ping;
    send_frame(&t, &f);
    assert_int_equal(expect(&t, CORE__FRAME__BODY_FORGOTTEN)->ref, f.ref);
    assert_int_equal(zmq_send(t.socket, "\xff\xff\xff", 3, 0), 3); /* nor does rubbish harm */
    hello(&t);
    expect(&t, CORE__FRAME__BODY_WELCOME);
    assert_int_equal(zmq_send(t.socket, "\xff\xff\xff", 3, 0), 3);
    expect_refused(&t, ERR_MALFORMED);
    zmq_close(t.socket);
    arena_free(t.arena);
}

static void a_routing_id_of_ones_own_choice_is_not_heard(void **state)
{
    struct instance *in = *state;
    struct talk t = {.arena = arena_new(1024 * 1024)};
    int shorter = 1000;
    char endpoint[128];

    t.socket = zmq_socket(in->context, ZMQ_DEALER);
    snprintf(endpoint, sizeof endpoint, "ipc://%s/run/broker.sock", in->dir);
    zmq_setsockopt(t.socket, ZMQ_ROUTING_ID, "alice", 5);
    zmq_setsockopt(t.socket, ZMQ_LINGER, &(int){0}, sizeof(int));
    zmq_setsockopt(t.socket, ZMQ_RCVTIMEO, &shorter, sizeof shorter);
    zmq_setsockopt(t.socket, ZMQ_CURVE_SERVERKEY, in->keys[BROKER].curve_public, KEY_SIZE);
    zmq_setsockopt(t.socket, ZMQ_CURVE_PUBLICKEY, in->keys[ALICE].curve_public, KEY_SIZE);
    zmq_setsockopt(t.socket, ZMQ_CURVE_SECRETKEY, in->keys[ALICE].curve_secret, KEY_SIZE);
    assert_int_equal(zmq_connect(t.socket, endpoint), 0);
    hello(&t);
    assert_null(receive(&t));
    zmq_close(t.socket);
    arena_free(t.arena);
}

static void give_credit(struct talk *t, uint64_t reading, uint32_t events)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Credit credit = CORE__CREDIT__INIT;

    credit.events = events;
    f.ref = reading;
    f.body_case = CORE__FRAME__BODY_CREDIT;
    f.credit = &credit;
    send_frame(t, &f);
}

static void a_reading_gets_what_its_credit_allows(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB);
    struct note note = note_of("notes.read", 1, "r1");

    publish_note(a, &note, &note.previous);
    uint64_t reading = open_reading(b, 1, "notes.read", 1, 0);
    assert_true(payload_is(expect_record(b), "r1"));
    expect(b, CORE__FRAME__BODY_CAUGHT_UP);
    for (uint64_t i = 2; i <= 3; i++) {
        note.seat_seq = i;
        note.payload = slice_str(i == 2 ? "r2" : "r3");
        id_v7(note.id, time_now());
        publish_note(a, &note, &note.previous);
    }
    give_credit(b, reading, 1);
    assert_true(payload_is(expect_record(b), "r2"));
    give_credit(b, reading, 10);
    assert_true(payload_is(expect_record(b), "r3"));
    expect(b, CORE__FRAME__BODY_CAUGHT_UP);
    hang_up(a);
    hang_up(b);
}

static void a_label_that_names_one_seat_is_withheld_from_others(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB), *c = dial(*state, CAROL);
    struct note note = note_of("notes.amber", 1, "for bob");

    note.label = CORE__LABEL__LABEL_AMBER;
    note.recipient = "bob";
    publish_note(a, &note, &note.previous);
    note = (struct note){
        .stream = "notes.amber", .type = TYPE, .seat_seq = 2, .previous = note.previous};
    note.payload = slice_str("for all");
    id_v7(note.id, time_now());
    uint64_t last = publish_note(a, &note, NULL);
    open_reading(b, 1, "notes.amber", 10, last);
    Core__Frame *f = expect(b, CORE__FRAME__BODY_DELIVER);
    assert_int_equal(f->deliver->n_records, 2);
    assert_true(expect(b, CORE__FRAME__BODY_CAUGHT_UP)->caught_up->ended);
    open_reading(c, 1, "notes.amber", 10, last);
    assert_true(payload_is(expect_record(c), "for all"));
    assert_true(expect(c, CORE__FRAME__BODY_CAUGHT_UP)->caught_up->ended);
    hang_up(a);
    hang_up(b);
    hang_up(c);
}

static void send_ask(struct talk *t, const char *service, uint32_t patience)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Ask ask = CORE__ASK__INIT;

    ask.service = service;
    ask.type = TYPE;
    ask.payload = (ProtobufCBinaryData){4, (uint8_t[]){'r', 'a', 'i', 'n'}};
    ask.patience_ms = patience;
    f.body_case = CORE__FRAME__BODY_ASK;
    f.ask = &ask;
    send_frame(t, &f);
}

static void send_offer(struct talk *t, const char *service)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Offer offer = CORE__OFFER__INIT;

    offer.service = service;
    f.body_case = CORE__FRAME__BODY_OFFER;
    f.offer = &offer;
    send_frame(t, &f);
}

static void send_answer(struct talk *t, uint64_t ref, Core__Label label)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__Answer answer = CORE__ANSWER__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;

    handling.label = label;
    answer.type = TYPE;
    answer.payload = (ProtobufCBinaryData){2, (uint8_t[]){'n', 'o'}};
    answer.as_of = 7;
    answer.handling = &handling;
    f.ref = ref;
    f.body_case = CORE__FRAME__BODY_ANSWER;
    f.answer = &answer;
    send_frame(t, &f);
}

static void a_question_is_answered_by_who_offers_the_service(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB);

    send_ask(a, "weather", 1);
    expect_refused(a, ERR_SERVICE);
    send_offer(a, "weather");
    expect_refused(a, ERR_DENIED);
    send_offer(b, "weather");
    expect(b, CORE__FRAME__BODY_OFFERED);
    send_ask(b, "weather", 5000);
    expect_refused(b, ERR_DENIED);

    send_ask(a, "weather", 5000);
    Core__Frame *q = expect(b, CORE__FRAME__BODY_QUESTION);
    assert_string_equal(q->question->seat, "alice");
    assert_string_equal(q->question->office, "QMB/npc");
    send_answer(b, q->ref, CORE__LABEL__LABEL_GREEN);
    Core__Frame *answer = expect(a, CORE__FRAME__BODY_ANSWER);
    assert_int_equal(answer->ref, a->ref);
    assert_int_equal(answer->answer->as_of, 7);
    assert_int_equal(answer->answer->payload.len, 2);

    send_ask(a, "weather", 5000);
    send_answer(b, expect(b, CORE__FRAME__BODY_QUESTION)->ref, CORE__LABEL__LABEL_RED);
    expect_refused(a, ERR_HANDLING);

    send_ask(a, "weather", 1);
    expect_refused(a, ERR_TIMEOUT);
    hang_up(b);
    hang_up(a);
}

static void when_the_answerer_leaves_another_gets_the_question(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB), *b2 = dial(*state, BOB);

    send_offer(b, "weather");
    expect(b, CORE__FRAME__BODY_OFFERED);
    send_ask(a, "weather", 60000);
    expect(b, CORE__FRAME__BODY_QUESTION);
    send_offer(b2, "weather");
    expect(b2, CORE__FRAME__BODY_OFFERED);
    hello(b); /* a new session: the old one's questions go elsewhere */
    expect(b, CORE__FRAME__BODY_WELCOME);
    send_answer(b2, expect(b2, CORE__FRAME__BODY_QUESTION)->ref, CORE__LABEL__LABEL_GREEN);
    expect(a, CORE__FRAME__BODY_ANSWER);
    hang_up(a);
    hang_up(b);
    hang_up(b2);
}

static void a_question_waits_for_somebody_who_takes_it(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB);

    send_ask(a, "weather", 60000);
    send_offer(b, "weather");
    expect(b, CORE__FRAME__BODY_OFFERED);
    expect(b, CORE__FRAME__BODY_QUESTION);
    hello(b); /* it starts again with the question in its hands */
    expect(b, CORE__FRAME__BODY_WELCOME);
    send_offer(b, "weather");
    expect(b, CORE__FRAME__BODY_OFFERED);
    send_answer(b, expect(b, CORE__FRAME__BODY_QUESTION)->ref, CORE__LABEL__LABEL_GREEN);
    assert_int_equal(expect(a, CORE__FRAME__BODY_ANSWER)->ref, a->ref);
    hang_up(a);
    hang_up(b);
}

static void put_part(struct talk *t, struct hash *part, uint64_t size, uint64_t offset,
                     const uint8_t *bytes, size_t n)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__PutPart put = CORE__PUT_PART__INIT;
    uint8_t chunk[64];

    memcpy(chunk, bytes, n);
    put.sha256 = (ProtobufCBinaryData){HASH_SIZE, part->bytes};
    put.size = size;
    put.offset = offset;
    put.chunk = (ProtobufCBinaryData){n, chunk};
    f.body_case = CORE__FRAME__BODY_PUT_PART;
    f.put_part = &put;
    send_frame(t, &f);
}

static void get_part(struct talk *t, uint64_t position, struct hash *part)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetPart get = CORE__GET_PART__INIT;

    get.position = position;
    get.sha256 = (ProtobufCBinaryData){HASH_SIZE, part->bytes};
    get.offset = 2;
    get.length = 100;
    f.body_case = CORE__FRAME__BODY_GET_PART;
    f.get_part = &get;
    send_frame(t, &f);
}

static void a_part_is_stored_before_its_event_and_served_to_its_readers(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB);
    static const uint8_t text[] = "the substance";
    struct hash part;
    struct note note = note_of("notes.part", 1, "with a part");

    hash_sha256(&part, slice_of(text, 13));
    note.part = &part;
    note.part_size = 13;
    refused_note(a, &note, ERR_PART_MISSING);
    put_part(a, &part, 13, 0, text, 6);
    put_part(a, &part, 13, 6, text + 6, 7);
    expect(a, CORE__FRAME__BODY_PART_STORED);
    id_v7(note.id, time_now());
    uint64_t position = publish_note(a, &note, NULL);
    get_part(b, position, &part);
    Core__PartChunk *chunk = expect(b, CORE__FRAME__BODY_PART_CHUNK)->part_chunk;
    assert_int_equal(chunk->size, 13);
    assert_true(slice_is(slice_of(chunk->chunk.data, chunk->chunk.len), "e substance"));
    get_part(a, position, &part); /* who may publish there may not read */
    expect_refused(a, ERR_NOT_FOUND);
    put_part(a, &part, 13, 5, text, 6);
    expect_refused(a, ERR_PART);
    hang_up(a);
    hang_up(b);
}

static void who_only_knows_the_hash_of_a_part_cannot_name_it(void **state)
{
    struct talk *a = dial(*state, ALICE), *c = dial(*state, CAROL);
    static const uint8_t text[] = "held by carol";
    struct hash part;
    struct note first = note_of("notes.held", 1, "carol's"), own = note_of("notes.learnt", 1, "a");

    hash_sha256(&part, slice_of(text, 13));
    first.part = own.part = &part;
    first.part_size = own.part_size = 13;
    put_part(c, &part, 13, 0, text, 13);
    expect(c, CORE__FRAME__BODY_PART_STORED);
    refused_note(a, &own, ERR_PART_MISSING); /* stored, and another seat's */
    publish_note(c, &first, NULL);
    id_v7(own.id, time_now());
    refused_note(a, &own, ERR_PART_MISSING); /* named, where alice may not read */
    put_part(a, &part, 13, 0, text, 13);
    expect(a, CORE__FRAME__BODY_PART_STORED);
    id_v7(own.id, time_now());
    publish_note(a, &own, NULL);
    struct note read = note_of("notes.read-by-carol", 1, "c");
    read.part = &part;
    read.part_size = 13;
    publish_note(c, &read, NULL); /* carol may read an event that names it */
    hang_up(a);
    hang_up(c);
}

static void the_head_comes_with_a_signed_checkpoint(void **state)
{
    struct instance *in = *state;
    struct talk *t = dial(in, ALICE);
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetHead get = CORE__GET_HEAD__INIT;
    struct checkpoint c = {0};
    uint64_t head = 0;

    start_signer(in);
    f.body_case = CORE__FRAME__BODY_GET_HEAD;
    f.get_head = &get;
    while (c.size == 0 || c.size < head) { /* it follows within a second */
        f.ref = 0;
        send_frame(t, &f);
        Core__Head *h = expect(t, CORE__FRAME__BODY_HEAD)->head;
        head = h->head;
        if (h->checkpoint.len)
            assert_int_equal(checkpoint_open(&c, slice_of(h->checkpoint.data, h->checkpoint.len),
                                             LOG, in->log_key.public_key),
                             0);
    }
    assert_int_equal(c.size, head);
    hang_up(t);
    end_signer(in);
}

static void send_get_proof(struct talk *t, uint64_t position)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetProof get = CORE__GET_PROOF__INIT;

    get.position = position;
    f.body_case = CORE__FRAME__BODY_GET_PROOF;
    f.get_proof = &get;
    send_frame(t, &f);
}

/* The checkpoint follows within a second. */
static const Core__Proof *await_proof(struct talk *t, uint64_t position)
{
    const Core__Frame *f = NULL;

    while (!f || f->body_case == CORE__FRAME__BODY_REFUSED) {
        if (f)
            assert_string_equal(f->refused->code, err_code(ERR_BUSY));
        send_get_proof(t, position);
        f = receive(t);
        assert_non_null(f);
    }
    assert_int_equal(f->body_case, CORE__FRAME__BODY_PROOF);
    return f->proof;
}

static void the_proof_of_a_record_leads_to_the_checkpoint_s_root(void **state)
{
    struct instance *in = *state;
    struct talk *t = dial(in, ALICE);
    struct packed p;
    struct hash leaf, event, path[TREE_LEVELS];
    struct checkpoint c;
    struct note note = note_of("notes.proof", 1, "one");

    start_signer(in);
    pack_note(&p, t->key, &note);
    publish_packed(t, &p, 1);
    const Core__Recorded *r = expect(t, CORE__FRAME__BODY_RECORDED)->recorded;
    hash_sha256(&event, slice_buf(&p.event));
    tree_log_leaf(&leaf, r->positions[0], r->received[0], &event);

    const Core__Proof *proof = await_proof(t, r->positions[0]);
    assert_int_equal(proof->position, r->positions[0]);
    assert_int_equal(checkpoint_open(&c, slice_of(proof->checkpoint.data, proof->checkpoint.len),
                                     LOG, in->log_key.public_key),
                     0);
    for (size_t i = 0; i < proof->n_path; i++)
        memcpy(path[i].bytes, proof->path[i].data, HASH_SIZE);
    assert_true(tree_check_inclusion(proof->position - 1, c.size, &leaf, path, (int)proof->n_path,
                                     &c.root));

    send_get_proof(t, 0);
    expect_refused(t, ERR_NOT_FOUND);
    send_get_proof(t, r->positions[0] + 1);
    expect_refused(t, ERR_NOT_FOUND);
    packed_free(&p);
    hang_up(t);
    end_signer(in);
}

static void the_status_is_for_those_who_may_read_audit(void **state)
{
    struct talk *a = dial(*state, ALICE), *admin = dial(*state, ADMIN);
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetStatus get = CORE__GET_STATUS__INIT;

    f.body_case = CORE__FRAME__BODY_GET_STATUS;
    f.get_status = &get;
    send_frame(a, &f);
    expect_refused(a, ERR_DENIED);
    f.ref = 0;
    send_frame(admin, &f);
    Core__Status *s = expect(admin, CORE__FRAME__BODY_STATUS)->status;
    assert_true(s->publishing);
    assert_true(s->refusals > 0);
    assert_true(s->head > 0);
    assert_string_equal(s->log, LOG);
    hang_up(a);
    hang_up(admin);
}

static void what_was_acknowledged_survives_a_kill_and_is_there_once(void **state)
{
    struct instance *in = *state;
    struct talk *a = dial(in, ALICE);
    struct note note = note_of("notes.kill", 1, "k");
    enum { N = 40 };
    struct packed p[N];
    uint64_t acknowledged = 0, positions[N];

    for (size_t i = 0; i < N; i++) {
        note.seat_seq = i + 1;
        id_v7(note.id, time_now());
        pack_note(&p[i], a->key, &note);
        note.previous = p[i].envelope_hash;
        publish_packed(a, &p[i], 1);
        if (i % 4 == 3) {
            positions[acknowledged] = expect(a, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
            acknowledged++;
        }
    }
    assert_int_equal(end(in, SIGKILL), -SIGKILL);
    hang_up(a);
    start(in);
    a = dial(in, ALICE);
    uint64_t before = 0;
    for (size_t i = 0; i < N; i++) {
        publish_packed(a, &p[i], 1);
        uint64_t position = expect(a, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
        if (i < acknowledged)
            assert_int_equal(position, positions[i]);
        assert_true(position > before);
        before = position;
        packed_free(&p[i]);
    }
    struct talk *b = dial(in, BOB);
    open_reading(b, 1, "notes.kill", 100, before);
    size_t n = 0;
    for (Core__Frame *f = receive(b); f->body_case != CORE__FRAME__BODY_CAUGHT_UP; f = receive(b))
        n += f->deliver->n_records;
    assert_int_equal(n, N);
    hang_up(a);
    hang_up(b);
}

static void the_tail_tells_where_a_seat_stands(void **state)
{
    struct talk *a = dial(*state, ALICE);
    struct note note = note_of("notes.tail", 1, "t");
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;
    struct packed p;

    pack_note(&p, a->key, &note);
    publish_packed(a, &p, 1);
    get.stream = "notes.tail";
    f.body_case = CORE__FRAME__BODY_GET_TAIL;
    f.get_tail = &get;
    send_frame(a, &f); /* behind what is under way */
    expect(a, CORE__FRAME__BODY_RECORDED);
    Core__Tail *tail = expect(a, CORE__FRAME__BODY_TAIL)->tail;
    assert_int_equal(tail->seat_seq, 1);
    assert_memory_equal(tail->envelope_hash.data, p.envelope_hash.bytes, HASH_SIZE);
    packed_free(&p);
    hang_up(a);
}

static uint64_t registry_tail(struct talk *t, struct hash *previous)
{
    Core__Frame f = CORE__FRAME__INIT;
    Core__GetTail get = CORE__GET_TAIL__INIT;

    get.stream = "registry";
    f.body_case = CORE__FRAME__BODY_GET_TAIL;
    f.get_tail = &get;
    send_frame(t, &f);
    Core__Tail *tail = expect(t, CORE__FRAME__BODY_TAIL)->tail;
    memcpy(previous->bytes, tail->envelope_hash.data, HASH_SIZE);
    return tail->seat_seq;
}

/* Publishes the registry message as the administrator. */
static void publish_registry(struct talk *admin, const ProtobufCMessage *m)
{
    struct note note = note_of("registry", 0, "");
    struct buf payload = {0};

    protobuf_c_message_pack(m, buf_grow(&payload, protobuf_c_message_get_packed_size(m)));
    note.type = m->descriptor->name;
    note.payload = slice_buf(&payload);
    note.seat_seq = registry_tail(admin, &note.previous) + 1;
    publish_note(admin, &note, NULL);
    buf_free(&payload);
}

static void
after_its_key_is_revoked_a_seat_publishes_nothing_but_learns_what_is_recorded(void **state)
{
    struct instance *in = *state;
    struct talk *admin = dial(in, ADMIN), *c = dial(in, CAROL);
    struct note note = note_of("notes.revoked", 1, "before");
    Core__KeyRevoked m = CORE__KEY_REVOKED__INIT;
    uint8_t id[KEY_ID_SIZE];
    struct packed p;

    pack_note(&p, c->key, &note);
    publish_packed(c, &p, 1);
    uint64_t position = expect(c, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
    key_id(id, in->keys[CAROL].sign_public);
    m.seat = "carol";
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    publish_registry(admin, &m.base);
    publish_packed(c, &p, 1);
    assert_int_equal(expect(c, CORE__FRAME__BODY_RECORDED)->recorded->positions[0], position);
    note = (struct note){.stream = "notes.revoked", .type = TYPE, .seat_seq = 2};
    note.previous = p.envelope_hash;
    id_v7(note.id, time_now());
    refused_note(c, &note, ERR_KEY_REVOKED);
    packed_free(&p);
    hang_up(admin);
    hang_up(c);
}

static void a_reader_who_does_not_read_delays_nobody(void **state)
{
    struct talk *a = dial(*state, ALICE), *b = dial(*state, BOB);
    enum { N = 300, SIZE = 100 * 1024 };
    char *text = mem_new(SIZE + 1);
    Core__Frame f = CORE__FRAME__INIT;
    Core__Credit credit = CORE__CREDIT__INIT;

    memset(text, 'x', SIZE);
    credit.bytes = (uint64_t)1 << 40;
    f.ref = open_reading(b, 1, "notes.slow", N, 0);
    f.body_case = CORE__FRAME__BODY_CREDIT;
    f.credit = &credit;
    send_frame(b, &f);
    struct note note = note_of("notes.slow", 1, text);
    for (uint64_t i = 1; i <= N; i++) {
        note.seat_seq = i;
        id_v7(note.id, time_now());
        publish_note(a, &note, &note.previous);
    }
    size_t n = 0;
    while (n < N) {
        Core__Frame *got = receive(b);
        assert_non_null(got);
        if (got->body_case == CORE__FRAME__BODY_DELIVER)
            n += got->deliver->n_records;
        arena_reset(b->arena);
    }
    mem_free(text);
    hang_up(a);
    hang_up(b);
}

static void restart_with(struct instance *in, const char *reserve)
{
    assert_int_equal(end(in, SIGTERM), 0);
    write_conf(in, reserve);
    start(in);
}

static void without_room_only_the_registry_goes_on(void **state)
{
    struct instance *in = *state;
    Core__PartyAdded m = CORE__PARTY_ADDED__INIT;
    struct note note = note_of("notes.full", 1, "one");

    hang_up(dial(in, ALICE));
    restart_with(in, "1000000G");
    struct talk *a = dial(in, ALICE), *admin = dial(in, ADMIN);
    refused_note(a, &note, ERR_FULL);
    m.party = "QMY";
    m.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    publish_registry(admin, &m.base);
    hang_up(a);
    hang_up(admin);
    restart_with(in, "1M");
    a = dial(in, ALICE);
    publish_note(a, &note, NULL);
    hang_up(a);
}

static void a_revoked_key_ends_its_session_at_once(void **state)
{
    struct instance *in = *state;
    struct talk *admin = dial(in, ADMIN), *d = dial(in, DAVE);
    struct note note = note_of("registry", 0, "");
    Core__KeyRevoked m = CORE__KEY_REVOKED__INIT;
    uint8_t id[KEY_ID_SIZE];
    struct buf payload = {0};
    Core__Frame f = CORE__FRAME__INIT;
    Core__Ping ping = CORE__PING__INIT;
    int shorter = 1000;

    key_id(id, in->keys[DAVE].curve_public);
    m.seat = "dave";
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, id};
    m.reason = "lost";
    core__key_revoked__pack(&m, buf_grow(&payload, core__key_revoked__get_packed_size(&m)));
    note.type = m.base.descriptor->name;
    note.payload = slice_buf(&payload);
    note.seat_seq = registry_tail(admin, &note.previous) + 1;
    publish_note(admin, &note, &note.previous);
    f.body_case = CORE__FRAME__BODY_PING;
    f.ping = &ping;
    send_frame(d, &f);
    zmq_setsockopt(d->socket, ZMQ_RCVTIMEO, &shorter, sizeof shorter);
    assert_null(receive(d));
    note.seat_seq++; /* revoked before */
    id_v7(note.id, time_now());
    refused_note(admin, &note, ERR_EXISTS);
    buf_free(&payload);
    hang_up(admin);
    hang_up(d);
}

static void deny_stream(struct talk *admin, const char *stream)
{
    struct note note = note_of("registry", 0, "");
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;
    Core__Verb verb = CORE__VERB__VERB_PUBLISH;
    struct buf payload = {0};

    m.rule = "deny-stream";
    m.effect = CORE__EFFECT__EFFECT_DENY;
    m.subject_kind = CORE__SUBJECT_KIND__SUBJECT_KIND_ANY;
    m.n_verbs = 1;
    m.verbs = &verb;
    m.stream = stream;
    m.type = "*";
    core__access_rule__pack(&m, buf_grow(&payload, core__access_rule__get_packed_size(&m)));
    note.type = m.base.descriptor->name;
    note.payload = slice_buf(&payload);
    note.seat_seq = registry_tail(admin, &note.previous) + 1;
    publish_note(admin, &note, NULL);
    buf_free(&payload);
}

static void what_follows_a_retry_in_its_batch_asks_the_rules_of_now(void **state)
{
    struct talk *admin = dial(*state, ADMIN), *t = dial(*state, ALICE);
    struct note note = note_of("notes.closed", 1, "one");
    struct packed p[2];

    for (size_t i = 0; i < 2; i++) {
        note.seat_seq = i + 1;
        id_v7(note.id, time_now());
        pack_note(&p[i], t->key, &note);
        note.previous = p[i].envelope_hash;
    }
    publish_packed(t, p, 1);
    uint64_t first = expect(t, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
    deny_stream(admin, "notes.closed");
    publish_packed(t, p, 1); /* a retry is answered whatever changed since */
    assert_int_equal(expect(t, CORE__FRAME__BODY_RECORDED)->recorded->positions[0], first);
    publish_packed(t, p, 2);
    expect_refused(t, ERR_DENIED);
    packed_free(&p[0]);
    packed_free(&p[1]);
    hang_up(admin);
    hang_up(t);
}

static void registry_events_of_one_batch_build_on_each_other(void **state)
{
    struct talk *admin = dial(*state, ADMIN);
    Core__PartyAdded party = CORE__PARTY_ADDED__INIT;
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;
    const ProtobufCMessage *messages[] = {&party.base, &office.base};
    struct note note = note_of("registry", 0, "");
    struct packed p[2];

    party.party = "QMX";
    party.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    office.office = "QMX/npc";
    note.seat_seq = registry_tail(admin, &note.previous) + 1;
    for (size_t i = 0; i < 2; i++) {
        struct buf payload = {0};
        protobuf_c_message_pack(
            messages[i], buf_grow(&payload, protobuf_c_message_get_packed_size(messages[i])));
        note.type = messages[i]->descriptor->name;
        note.payload = slice_buf(&payload);
        id_v7(note.id, time_now());
        pack_note(&p[i], admin->key, &note);
        note.seat_seq++;
        note.previous = p[i].envelope_hash;
        buf_free(&payload);
    }
    publish_packed(admin, p, 2);
    expect(admin, CORE__FRAME__BODY_RECORDED);
    packed_free(&p[0]);
    packed_free(&p[1]);
    hang_up(admin);
}

static void refusals_are_recorded_when_the_broker_stops(void **state)
{
    struct instance *in = *state;

    hang_up(dial(in, ALICE));
    assert_int_equal(end(in, SIGTERM), 0);
    start(in);
    struct talk *admin = dial(in, ADMIN);
    open_reading(admin, 1, "audit", 100, 0);
    Core__Frame *f = expect(admin, CORE__FRAME__BODY_DELIVER);
    bool found_one = false;
    for (size_t i = 0; i < f->deliver->n_records; i++) {
        const ProtobufCBinaryData *b = &f->deliver->records[i]->payload;
        Core__RefusalsCounted *m =
            core__refusals_counted__unpack(arena_allocator(admin->arena), b->len, b->data);
        assert_non_null(m);
        found_one = found_one || (strcmp(m->seat, "alice") == 0 && m->count > 0);
    }
    assert_true(found_one || f->deliver->n_records > 0);
    hang_up(admin);
}

/* ---- a log that goes on from a restored copy ---- */

static void run(const char *format, const struct instance *in)
{
    char command[512];
    int n = snprintf(command, sizeof command, "cd %s && %s", in->dir, format);

    assert_in_range(n, 1, sizeof command - 1);
    assert_int_equal(system(command), 0);
}

/* What `chancery log restore` does to an instance whose log is a copy. */
static void succeed(struct instance *in, uint64_t lost)
{
    struct succession s = {
        .key = &in->log_key, .administrator = &in->keys[ADMIN], .lost = lost, .now = time_now()};
    struct journal *j;
    struct buf why = {0};
    char path[128];

    in->log = SUCCESSOR;
    log_key_make(&in->log_key, in->log);
    snprintf(path, sizeof path, "%s/keys/log.key", in->dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(log_key_write(&in->log_key, path), 0);
    write_conf(in, "1M");
    write_vkey(in);
    assert_int_equal(journal_open(&j, in->dir, false, &why), 0);
    int rc = succession_found(j, in->dir, &s, &why);
    if (rc)
        fail_msg("%s", buf_cstr(&why));
    journal_close(j);
    buf_free(&why);
}

static void publish_old(struct talk *t, struct packed *p, int err)
{
    publish_packed(t, p, 1);
    if (err)
        expect_refused(t, err);
    else
        expect(t, CORE__FRAME__BODY_RECORDED);
}

static void end_return(struct instance *in)
{
    struct talk *admin = dial(in, ADMIN);
    struct note note = note_of("registry", 0, "");
    Core__ReturnEnded m = CORE__RETURN_ENDED__INIT;

    note.type = m.base.descriptor->name;
    note.log = in->log;
    note.seat_seq = registry_tail(admin, &note.previous) + 1;
    publish_note(admin, &note, &note.previous);
    note.seat_seq++; /* it is ended once */
    id_v7(note.id, time_now());
    refused_note(admin, &note, ERR_REGISTRY);
    note.type = core__log_succeeded__descriptor.name; /* and no successor is founded here */
    id_v7(note.id, time_now());
    refused_note(admin, &note, ERR_REGISTRY);
    hang_up(admin);
}

enum { OLD_NOTES = 5, COPIED = 2 }; /* notes of the predecessor, and those that the copy has */

/* Five notes of alice's, the copy taken behind the second; answers to a cause in the copy and to
 * one behind it in streams of their own. */
struct lost {
    struct packed notes[OLD_NOTES], reply, answer, orphan;
    uint64_t positions[OLD_NOTES];
};

static void lose(struct instance *in, struct lost *lost)
{
    struct talk *a = dial(in, ALICE);
    struct note note = note_of("notes.lost", 0, "a note"), reply = note_of("notes.reply", 1, "r");
    struct note answer = note_of("notes.answer", 1, "a"), orphan = note_of("notes.orphan", 1, "o");

    for (uint64_t i = 0; i < OLD_NOTES; i++) {
        if (i == COPIED) {
            hang_up(a);
            assert_int_equal(end(in, SIGTERM), 0);
            run("cp -a log copy", in);
            start(in);
            a = dial(in, ALICE);
        }
        note.seat_seq = i + 1;
        id_v7(note.id, time_now());
        pack_note(&lost->notes[i], a->key, &note);
        publish_packed(a, &lost->notes[i], 1);
        lost->positions[i] = expect(a, CORE__FRAME__BODY_RECORDED)->recorded->positions[0];
        note.previous = lost->notes[i].envelope_hash;
    }
    answer.cause = lost->positions[1];
    orphan.cause = reply.reply_to = lost->positions[3];
    reply.replied = lost->notes[3].envelope_hash;
    id_v8(answer.id, answer.cause, 0);
    id_v8(orphan.id, orphan.cause, 0);
    pack_note(&lost->reply, a->key, &reply);
    pack_note(&lost->answer, a->key, &answer);
    pack_note(&lost->orphan, a->key, &orphan);
    publish_old(a, &lost->reply, 0);
    publish_old(a, &lost->answer, 0);
    publish_old(a, &lost->orphan, 0);
    hang_up(a);
    assert_int_equal(end(in, SIGTERM), 0);
    run("rm -r log && mv copy log", in);
}

static void what_a_successor_lost_comes_back_until_the_return_is_ended(void **state)
{
    struct instance *in = *state;
    struct lost lost;
    struct packed aged;

    lose(in, &lost);
    succeed(in, lost.positions[OLD_NOTES - 1] + 3);
    start(in);
    struct talk *a = dial(in, ALICE);
    assert_int_equal(a->welcome->n_predecessors, 1);
    assert_true(a->welcome->returning);
    const Core__Predecessor *before = a->welcome->predecessors[0];
    assert_string_equal(before->log, LOG);
    assert_int_equal(before->position, a->welcome->head - 1);
    assert_in_range(lost.positions[COPIED], before->position + 1, before->position + 2);

    publish_packed(a, &lost.notes[1], 1); /* the copy has it */
    assert_int_equal(expect(a, CORE__FRAME__BODY_RECORDED)->recorded->positions[0],
                     lost.positions[1]);
    publish_old(a, &lost.notes[3], ERR_SEAT_ORDER); /* in order, as ever */
    publish_old(a, &lost.notes[2], 0);
    publish_old(a, &lost.notes[3], 0);
    publish_old(a, &lost.reply, 0);  /* to what came back elsewhere, or not at all */
    publish_old(a, &lost.answer, 0); /* its cause is in the copy */
    publish_old(a, &lost.orphan, ERR_CAUSE);

    struct note note = note_of("notes.aged", 1, "old");
    note.log = SUCCESSOR;
    id_v7(note.id, time_now() - INT64_C(100) * 24 * 3600 * 1000000);
    refused_note(a, &note, ERR_ID_STALE);
    note.log = LOG;
    pack_note(&aged, a->key, &note);
    publish_old(a, &aged, 0);
    note.log = "test.example/elsewhere";
    refused_note(a, &note, ERR_LOG);
    note = note_of("notes.new", 1, "new");
    note.log = SUCCESSOR;
    publish_note(a, &note, NULL);

    end_return(in);
    publish_old(a, &lost.notes[4], ERR_LOG);
    publish_old(a, &lost.notes[3], 0); /* it is known */
    hang_up(a);
    a = dial(in, ALICE);
    assert_false(a->welcome->returning);
    hang_up(a);
    for (int i = 0; i < OLD_NOTES; i++)
        packed_free(&lost.notes[i]);
    packed_free(&lost.reply);
    packed_free(&lost.answer);
    packed_free(&lost.orphan);
    packed_free(&aged);
}

static void verify_says(struct instance *in, int status)
{
    char command[256];

    snprintf(command, sizeof command, "%s/bin/chancery-log verify %s > /dev/null", BUILD_DIR,
             in->dir);
    assert_int_equal(WEXITSTATUS(system(command)), status);
}

/* Appends a registry event of the administrator's as it is: what no broker would take. */
static void append_registry(struct instance *in, const ProtobufCMessage *m)
{
    struct journal *j;
    struct journal_tail tail;
    struct buf why = {0}, payload = {0};
    struct packed p;
    uint64_t first;
    struct note note = note_of("registry", 0, "");

    protobuf_c_message_pack(m, buf_grow(&payload, protobuf_c_message_get_packed_size(m)));
    assert_int_equal(journal_open(&j, in->dir, false, &why), 0);
    assert_int_equal(journal_tail(j, "admin", "registry", &tail), 0);
    note.type = m->descriptor->name;
    note.payload = slice_buf(&payload);
    note.log = in->log;
    note.seat_seq = tail.seat_seq + 1;
    note.previous = tail.envelope_hash;
    pack_note(&p, &in->keys[ADMIN], &note);
    struct journal_event e = {.seat = "admin",
                              .stream = "registry",
                              .type = note.type,
                              .seat_seq = note.seat_seq,
                              .received = time_now(),
                              .envelope_hash = p.envelope_hash,
                              .event = slice_buf(&p.event),
                              .payload = note.payload};
    memcpy(e.id, note.id, ID_SIZE);
    journal_event_hash(&e);
    assert_int_equal(journal_append(j, &e, 1, &first), 0);
    journal_close(j);
    packed_free(&p);
    buf_free(&payload);
    buf_free(&why);
}

static void a_successor_is_verified_and_a_false_one_is_found(void **state)
{
    struct instance *in = *state;
    Core__LogSucceeded m = CORE__LOG_SUCCEEDED__INIT;
    struct journal *j;
    struct buf why = {0};
    struct hash root;

    assert_int_equal(end(in, SIGTERM), 0);
    verify_says(in, 0);
    run("cp -a log whole", in);
    assert_int_equal(journal_open(&j, in->dir, true, &why), 0);
    journal_tree(j, &m.position, &root);
    journal_close(j);
    m.log = "test.example/log-3";
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, in->log_key.public_key};
    m.predecessor = SUCCESSOR;
    root.bytes[0] ^= 1;
    m.root = (ProtobufCBinaryData){HASH_SIZE, root.bytes};
    append_registry(in, &m.base);
    verify_says(in, 1);
    run("rm -r log && mv whole log", in);
    verify_says(in, 0);
    buf_free(&why);
    start(in);
}

static void a_succession_that_does_not_fit_founds_nothing(void **state)
{
    struct instance *in = *state;
    struct log_key same = in->log_key, next;
    struct journal *j;
    struct buf why = {0};

    log_key_make(&next, "test.example/log-3");
    struct succession s = {.key = &same, .administrator = &in->keys[ADMIN], .now = time_now()};
    hang_up(dial(in, ALICE));
    assert_int_equal(end(in, SIGTERM), 0);
    assert_int_equal(journal_open(&j, in->dir, false, &why), 0);
    uint64_t head = journal_head(j);
    assert_int_equal(succession_found(j, in->dir, &s, &why), ERR_EXISTS);
    strcpy(same.name, LOG); /* nor a name that it had before */
    assert_int_equal(succession_found(j, in->dir, &s, &why), ERR_EXISTS);
    s.key = &next;
    s.administrator = &in->keys[ALICE];
    assert_int_equal(succession_found(j, in->dir, &s, &why), ERR_DENIED);
    s.administrator = &in->keys[CAROL]; /* her key was revoked */
    assert_int_equal(succession_found(j, in->dir, &s, &why), ERR_KEY_UNKNOWN);
    s.administrator = &in->keys[ADMIN];
    s.lost = head;
    assert_int_equal(succession_found(j, in->dir, &s, &why), ERR_FIELD);
    assert_int_equal(journal_head(j), head);
    journal_close(j);
    buf_free(&why);
    start(in);
    hang_up(dial(in, ALICE)); /* as before */
}

static void a_log_older_than_its_checkpoint_is_not_served(void **state)
{
    struct instance *in = *state;
    char command[512];

    hang_up(dial(in, ALICE));
    assert_int_equal(end(in, SIGTERM), 0);
    snprintf(command, sizeof command, "cp -a %s/log %s/old", in->dir, in->dir);
    assert_int_equal(system(command), 0);
    start(in);
    start_signer(in);
    struct talk *a = dial(in, ALICE);
    struct note note = note_of("notes.rolled", 1, "one");
    note.log = in->log;
    await_proof(a, publish_note(a, &note, NULL));
    hang_up(a);
    assert_int_equal(end(in, SIGTERM), 0);
    end_signer(in);
    snprintf(command, sizeof command,
             "cp %s/log/checkpoint %s/old/checkpoint && rm -rf %s/log && mv %s/old %s/log", in->dir,
             in->dir, in->dir, in->dir, in->dir);
    assert_int_equal(system(command), 0);
    start(in);
    assert_int_equal(wait_exit(in), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_is_recorded_and_a_retry_gets_its_old_position),
        cmocka_unit_test(what_is_recorded_is_countersigned_as_the_log_has_it),
        cmocka_unit_test(a_retry_in_flight_gets_the_same_position),
        cmocka_unit_test(an_id_with_another_envelope_is_refused),
        cmocka_unit_test(a_gap_in_seat_seq_is_refused_with_the_number_expected),
        cmocka_unit_test(a_batch_is_recorded_all_or_none),
        cmocka_unit_test(a_wrong_signature_is_refused),
        cmocka_unit_test(nobody_signs_for_another_seat),
        cmocka_unit_test(what_no_rule_allows_is_refused),
        cmocka_unit_test(an_old_id_and_an_unknown_cause_are_refused),
        cmocka_unit_test(a_stranger_hears_nothing),
        cmocka_unit_test(who_has_not_said_hello_is_forgotten),
        cmocka_unit_test(a_routing_id_of_ones_own_choice_is_not_heard),
        cmocka_unit_test(a_reading_gets_what_its_credit_allows),
        cmocka_unit_test(a_label_that_names_one_seat_is_withheld_from_others),
        cmocka_unit_test(a_question_is_answered_by_who_offers_the_service),
        cmocka_unit_test(sessions_that_ended_make_room),
        cmocka_unit_test(sessions_that_live_take_the_room),
        cmocka_unit_test(a_question_waits_for_somebody_who_takes_it),
        cmocka_unit_test(when_the_answerer_leaves_another_gets_the_question),
        cmocka_unit_test(a_part_is_stored_before_its_event_and_served_to_its_readers),
        cmocka_unit_test(who_only_knows_the_hash_of_a_part_cannot_name_it),
        cmocka_unit_test(the_head_comes_with_a_signed_checkpoint),
        cmocka_unit_test(the_proof_of_a_record_leads_to_the_checkpoint_s_root),
        cmocka_unit_test(the_status_is_for_those_who_may_read_audit),
        cmocka_unit_test(what_was_acknowledged_survives_a_kill_and_is_there_once),
        cmocka_unit_test(the_tail_tells_where_a_seat_stands),
        cmocka_unit_test(a_revoked_key_ends_its_session_at_once),
        cmocka_unit_test(
            after_its_key_is_revoked_a_seat_publishes_nothing_but_learns_what_is_recorded),
        cmocka_unit_test(a_reader_who_does_not_read_delays_nobody),
        cmocka_unit_test(without_room_only_the_registry_goes_on),
        cmocka_unit_test(what_follows_a_retry_in_its_batch_asks_the_rules_of_now),
        cmocka_unit_test(registry_events_of_one_batch_build_on_each_other),
        cmocka_unit_test(refusals_are_recorded_when_the_broker_stops),
        cmocka_unit_test(what_a_successor_lost_comes_back_until_the_return_is_ended),
        cmocka_unit_test(a_successor_is_verified_and_a_false_one_is_found),
        cmocka_unit_test(a_succession_that_does_not_fit_founds_nothing),
        cmocka_unit_test(a_log_older_than_its_checkpoint_is_not_served),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
