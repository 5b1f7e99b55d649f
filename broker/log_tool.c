/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-log: the log without a broker
 *
 *   verify DIR [--json]    everything: records, indexes, tree, signatures, checkpoint, parts
 *   head DIR [--json]      how many records, and the root of their tree
 *   records DIR            packed Core__Record messages, each behind its size (u32, big-endian)
 *   ls DIR --json          a line of JSON a record
 *
 * The log must not be in use.  verify works in a child process: LMDB may die of a damaged file, and
 * that is a finding too.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "broker/checkpoint.h"
#include "broker/journal.h"
#include "broker/parts.h"
#include "broker/registry.h"
#include "broker/succession.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/sign.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { ARENA_CAP = 4 * 1024 * 1024, ROOTS_KEPT = 1024, READ_TURN = 1024 };

struct options {
    const char *dir, *stream;
    uint64_t from, until;
    bool json;
};

static int open_log(struct journal **j, const struct options *o)
{
    struct buf why = {0};
    int err = journal_open(j, o->dir, true, &why);

    if (err)
        fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(&why), err_code(err));
    buf_free(&why);
    return err;
}

/* ---- verify ---- */

struct seen { /* shared with the parent: how far the child came */
    uint64_t position;
    bool finished;
};

struct verified_root { /* events of a batch share it: the dear step once */
    struct hash root;
    uint8_t key[KEY_SIZE], signature[SIGNATURE_SIZE];
};

struct verifying {
    const struct options *options;
    struct seen *seen;
    struct journal *journal;
    struct registry *registry;
    struct arena *arena;
    struct verified_root *roots;
    uint64_t findings, records, parts, of;
    int64_t last_told; /* monotonic, in milliseconds */
    bool terminal;
};

static int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void bar_clear(const struct verifying *v)
{
    if (v->terminal)
        fputs("\r\033[K", stderr);
}

static void print_finding(const struct options *o, uint64_t position, const char *what,
                          const char *text)
{
    if (o->json) {
        json_t *line = json_pack("{s:I, s:s, s:s}", "position", (json_int_t)position, "what", what,
                                 "text", text);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
    } else if (position) {
        printf("position %" PRIu64 ": %s: %s\n", position, what, text);
    } else {
        printf("log: %s: %s\n", what, text);
    }
    fflush(stdout);
}

static void on_finding(void *arg, uint64_t position, const char *what, const char *text)
{
    struct verifying *v = arg;

    v->findings++;
    bar_clear(v);
    print_finding(v->options, position, what, text);
}

static void on_progress(void *arg, uint64_t done, uint64_t of)
{
    struct verifying *v = arg;
    int64_t now = monotonic_ms();

    v->seen->position = done;
    if (now - v->last_told < (v->terminal ? 100 : 10000))
        return;
    v->last_told = now;
    int percent = of ? (int)(done * 100 / of) : 100;
    if (v->terminal)
        fprintf(stderr, "\r[%-50.*s] %3d %% position %" PRIu64, percent / 2,
                "##################################################", percent, done);
    else
        fprintf(stderr, "verify: %" PRIu64 " of %" PRIu64 " records\n", done, of);
}

static bool root_verified(struct verifying *v, const Core__SignedEvent *event,
                          const struct hash *root, const uint8_t key[KEY_SIZE])
{
    struct verified_root *known =
        &v->roots[(root->bytes[0] | (size_t)root->bytes[1] << 8) % ROOTS_KEPT];

    if (hash_equal(&known->root, root) && memcmp(known->key, key, KEY_SIZE) == 0 &&
        memcmp(known->signature, event->signature.data, SIGNATURE_SIZE) == 0)
        return true;
    if (!sign_root_check(root, slice_of(event->signature.data, event->signature.len), key))
        return false;
    known->root = *root;
    memcpy(known->key, key, KEY_SIZE);
    memcpy(known->signature, event->signature.data, SIGNATURE_SIZE);
    return true;
}

/* Keys are valid by position: from the one that registers them (its own signature too, at the
 * founding) to the one that revokes them. */
static void check_signature(struct verifying *v, uint64_t position, const struct event *e)
{
    const Core__SignedEvent *event = e->signed_event;
    const struct key *key = event->key_id.len == KEY_ID_SIZE
                                ? registry_sign_key(v->registry, event->key_id.data)
                                : NULL;
    struct hash root;

    if (!key)
        on_finding(v, position, "signature", "its key is not registered");
    else if (key->revoked && key->revoked < position)
        on_finding(v, position, "signature", "its key was revoked before");
    else if (strcmp(key->seat->name, e->envelope->seat) != 0 ||
             (key->seat->office->name[0] && /* the founder's comes with its admission */
              strcmp(key->seat->office->name, e->envelope->office) != 0))
        on_finding(v, position, "signature", "its key belongs to another seat or office");
    else if (!sign_event_root(event, &root) || !root_verified(v, event, &root, key->public_key))
        on_finding(v, position, "signature", err_text(ERR_SIGNATURE));
}

/* Each part once: where it is first named. */
static void check_parts(struct verifying *v, uint64_t position, const Core__Envelope *envelope)
{
    for (size_t i = 0; i < envelope->n_parts; i++) {
        const Core__PartRef *ref = envelope->parts[i];
        struct hash part;
        uint64_t first = 0;
        char name[2 * HASH_SIZE + 1], text[160];
        memcpy(part.bytes, ref->sha256.data, HASH_SIZE);
        if (journal_part(v->journal, &part, 0, &first) != 0 || first != position)
            continue;
        v->parts++;
        int err = parts_check(v->options->dir, &part, ref->size);
        if (!err)
            continue;
        hex_encode(name, part.bytes, HASH_SIZE);
        snprintf(text, sizeof text, "%s: %s", name,
                 err == ERR_NOT_FOUND ? "the part is not stored" : err_text(err));
        on_finding(v, position, "part", text);
    }
}

static void fold(struct verifying *v, uint64_t position, const struct event *e)
{
    const char *field = NULL;
    char text[256] = "";
    int err = registry_check(v->registry, e->envelope->type, e->payload, &field, text);

    if (err == 0 && strcmp(e->envelope->type, core__log_succeeded__descriptor.name) == 0)
        err = succession_check(v->journal, position, e->payload, text);
    if (err)
        on_finding(v, position, "registry", text);
    else
        registry_fold(v->registry, position, e->envelope->type, e->payload);
}

/* Made for this log, or taken back from one that it goes on from. */
static void check_log(struct verifying *v, uint64_t position, const struct event *e)
{
    const char *log = e->envelope->log, *own = registry_log(v->registry);

    if (own && strcmp(log, own) != 0 &&
        !(registry_returning(v->registry) && registry_predecessor(v->registry, log)))
        on_finding(v, position, "log", "its envelope was made for another log");
}

static int on_record(void *arg, const struct journal_record *record)
{
    struct verifying *v = arg;
    struct event e;
    char where[128];

    v->seen->position = record->position;
    arena_reset(v->arena);
    if (event_open(&e, record->event, record->payload, v->arena, where) != 0)
        return 0; /* journal_verify names it */
    v->records++;
    bool registry = strcmp(e.envelope->stream, "registry") == 0;
    if (registry && record->position == 1)
        fold(v, record->position, &e);
    check_signature(v, record->position, &e);
    if (registry && record->position != 1)
        fold(v, record->position, &e);
    check_log(v, record->position, &e);
    check_parts(v, record->position, e.envelope);
    return 0;
}

static int read_vkey(const char *dir, char name[ORIGIN_SIZE], uint8_t public_key[KEY_SIZE])
{
    char text[512], *file = mem_printf("%s/log.vkey", dir);
    FILE *f = fopen(file, "re");
    size_t n = f ? fread(text, 1, sizeof text, f) : 0;

    if (f)
        fclose(f);
    mem_free(file);
    while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
        n--;
    return f ? note_vkey_parse(slice_of(text, n), name, public_key) : ERR_NOT_FOUND;
}

static void check_checkpoint(struct verifying *v)
{
    size_t n;
    const struct predecessor *before = registry_predecessors(v->registry, &n);
    const char *log = registry_log(v->registry);
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    struct checkpoint c;
    struct buf why = {0};
    int err = read_vkey(v->options->dir, name, key);

    if (err) {
        on_finding(v, 0, "log.vkey", err_text(err));
        return;
    }
    if (log &&
        (strcmp(log, name) != 0 || memcmp(registry_log_key(v->registry), key, KEY_SIZE) != 0))
        on_finding(v, n ? before[n - 1].position + 1 : 1, "log.vkey",
                   "is not the name and key that the log has");
    err = checkpoint_read(v->options->dir, name, key, &c, NULL);
    if (err && err != ERR_NOT_FOUND)
        on_finding(v, 0, "checkpoint", err_text(err));
    else if (checkpoint_check(v->journal, err ? NULL : &c, &why) != 0)
        on_finding(v, 0, "checkpoint", buf_cstr(&why));
    buf_free(&why);
}

static void print_ok(const struct verifying *v)
{
    struct hash root;
    char hex[2 * HASH_SIZE + 1];
    uint64_t size;

    journal_tree(v->journal, &size, &root);
    hex_encode(hex, root.bytes, HASH_SIZE);
    if (v->options->json)
        printf("{\"ok\":true,\"records\":%" PRIu64 ",\"head\":%" PRIu64
               ",\"root\":\"%s\",\"parts\":%" PRIu64 "}\n",
               v->records, size, hex, v->parts);
    else
        printf("ok: %" PRIu64 " records, head %" PRIu64 ", root %s, %" PRIu64 " parts\n",
               v->records, size, hex, v->parts);
}

static int verify_here(const struct options *o, struct seen *seen)
{
    struct verifying v = {.options = o, .seen = seen, .terminal = isatty(STDERR_FILENO)};
    struct buf why = {0};
    uint64_t findings = 0;
    int err = journal_open(&v.journal, o->dir, true, &why);

    if (err) {
        on_finding(&v, 0, err_code(err), buf_cstr(&why));
        buf_free(&why);
        return EXIT_FAILED;
    }
    v.registry = registry_new();
    v.arena = arena_new(ARENA_CAP);
    v.roots = mem_new(ROOTS_KEPT * sizeof *v.roots);
    v.last_told = monotonic_ms();
    err = journal_verify(v.journal, on_record, on_finding, on_progress, &v, &findings);
    if (err && !findings)
        on_finding(&v, 0, "log", err_text(err));
    check_checkpoint(&v);
    bar_clear(&v);
    if (!v.findings)
        print_ok(&v);
    registry_free(v.registry);
    arena_free(v.arena);
    mem_free(v.roots);
    journal_close(v.journal);
    return v.findings ? EXIT_FAILED : EXIT_OK;
}

static int verify(const struct options *o)
{
    struct seen *seen =
        mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;

    if (seen == MAP_FAILED)
        return EXIT_FAILED;
    pid_t child = fork();
    if (child == 0) {
        int code = verify_here(o, seen);
        fflush(stdout);
        seen->finished = true;
        _exit(code);
    }
    while (child < 0 || waitpid(child, &status, 0) < 0)
        if (child < 0 || errno != EINTR) {
            fprintf(stderr, "chancery log: fork: %s\n", strerror(errno));
            return EXIT_FAILED;
        }
    if (seen->finished)
        return WEXITSTATUS(status);
    print_finding(
        o, seen->position + 1, "file",
        "data.mdb is damaged so that it cannot be read here; restore the log from a copy");
    return EXIT_FAILED;
}

/* ---- head, records, ls ---- */

static int head(const struct options *o)
{
    struct journal *j;
    struct hash root;
    char hex[2 * HASH_SIZE + 1], received[40];
    uint64_t size;

    if (open_log(&j, o) != 0)
        return EXIT_FAILED;
    journal_tree(j, &size, &root);
    hex_encode(hex, root.bytes, HASH_SIZE);
    time_text(received, journal_last_received(j));
    if (o->json)
        printf("{\"head\":%" PRIu64 ",\"root\":\"%s\",\"received\":\"%s\",\"bytes\":%" PRIu64 "}\n",
               size, hex, received, journal_size_on_disk(j));
    else
        printf("head %" PRIu64 "\nroot %s\nreceived %s\nbytes %" PRIu64 "\n", size, hex, received,
               journal_size_on_disk(j));
    journal_close(j);
    return EXIT_OK;
}

struct writing {
    const struct options *options;
    struct arena *arena;
    struct buf packed;
    bool ended, failed;
};

static int write_record(void *arg, const struct journal_record *record)
{
    struct writing *w = arg;
    Core__Record out = CORE__RECORD__INIT;

    if (record->position > w->options->until) {
        w->ended = true;
        return -1;
    }
    buf_reset(&w->packed);
    buf_add(&w->packed, record->event.data, record->event.size);
    buf_add(&w->packed, record->payload.data, record->payload.size);
    out.position = record->position;
    out.received = record->received;
    out.event = (ProtobufCBinaryData){record->event.size, w->packed.data};
    out.payload = (ProtobufCBinaryData){record->payload.size, w->packed.data + record->event.size};
    size_t size = core__record__get_packed_size(&out);
    uint8_t *bytes = mem_new(4 + size);
    for (int i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(size >> (24 - 8 * i));
    core__record__pack(&out, bytes + 4);
    w->failed = fwrite(bytes, 1, 4 + size, stdout) != 4 + size;
    mem_free(bytes);
    return w->failed ? -1 : 0;
}

static const char *kind_name(Core__Kind kind)
{
    const ProtobufCEnumValue *value =
        protobuf_c_enum_descriptor_get_value(&core__kind__descriptor, (int)kind);

    return value ? value->name : "";
}

static int list_record(void *arg, const struct journal_record *record)
{
    struct writing *w = arg;
    struct event e;
    char where[128], received[40], id[37], payload[2 * HASH_SIZE + 1];

    if (record->position > w->options->until) {
        w->ended = true;
        return -1;
    }
    arena_reset(w->arena);
    if (event_open(&e, record->event, record->payload, w->arena, where) != 0) {
        fprintf(stderr, "chancery log: position %" PRIu64 ": %s is malformed\n", record->position,
                where);
        w->failed = true;
        return -1;
    }
    time_text(received, record->received);
    id_text(id, e.envelope->id.data);
    hex_encode(payload, e.envelope->payload_hash.data, e.envelope->payload_hash.len);
    json_t *line = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "position",
                             (json_int_t)record->position, "received", received, "stream",
                             e.envelope->stream, "type", e.envelope->type, "seat", e.envelope->seat,
                             "id", id, "kind", kind_name(e.envelope->kind), "payloadHash", payload);
    if (e.envelope->cause)
        json_object_set_new(line, "cause", json_integer((json_int_t)e.envelope->cause));
    w->failed = json_dumpf(line, stdout, JSON_COMPACT) != 0 || putchar('\n') == EOF;
    json_decref(line);
    return w->failed ? -1 : 0;
}

static int walk(const struct options *o, journal_each *each)
{
    struct writing w = {.options = o};
    struct journal *j;
    uint64_t at = o->from;
    int err = 0;

    if (open_log(&j, o) != 0)
        return EXIT_FAILED;
    struct journal_filter *filter =
        journal_filter_new(&o->stream, o->stream ? 1 : 0, NULL, 0, NULL);
    w.arena = arena_new(ARENA_CAP);
    while (err == 0 && !w.ended && !w.failed && at <= journal_head(j))
        err = journal_read(j, filter, at, READ_TURN, each, &w, &at);
    if (err)
        fprintf(stderr, "chancery log: position %" PRIu64 ": %s (%s)\n", at, err_text(err),
                err_code(err));
    if (fflush(stdout) != 0)
        w.failed = true;
    journal_filter_free(filter);
    arena_free(w.arena);
    buf_free(&w.packed);
    journal_close(j);
    return err || w.failed ? EXIT_FAILED : EXIT_OK;
}

static int records(const struct options *o)
{
    return walk(o, write_record);
}

static int list(const struct options *o)
{
    return walk(o, list_record);
}

/* ---- */

static const struct {
    const char *name;
    int (*run)(const struct options *o);
} verbs[] = {{"verify", verify}, {"head", head}, {"records", records}, {"ls", list}};

static int usage(void)
{
    fputs("usage: chancery-log verify DIR [--json]\n"
          "       chancery-log head DIR [--json]\n"
          "       chancery-log records DIR [--from N] [--until N] [--stream PATTERN]\n"
          "       chancery-log ls DIR --json [--from N] [--until N] [--stream PATTERN]\n",
          stderr);
    return EXIT_USAGE;
}

static bool number(uint64_t *out, const char *text)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"from", required_argument, NULL, 'f'},
        {"until", required_argument, NULL, 'u'},
        {"stream", required_argument, NULL, 's'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.from = 1, .until = UINT64_MAX};
    bool good = true;

    for (int c; good && (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (c == 'j')
            o.json = true;
        else if (c == 'f')
            good = number(&o.from, optarg);
        else if (c == 'u')
            good = number(&o.until, optarg);
        else if (c == 's')
            o.stream = optarg;
        else
            good = false;
    if (!good || argc - optind != 2)
        return usage();
    o.dir = argv[optind + 1];
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[optind], verbs[i].name) == 0)
            return verbs[i].run(&o);
    return usage();
}
