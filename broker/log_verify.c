/* SPDX-License-Identifier: Apache-2.0 */
/* A child process reads, since LMDB may die of a damaged file; where it is and what it finds lies
 * in memory that is shared, so that its parent can tell both whether it came to the end or not.
 */
#include "broker/log_verify.h"

#include <errno.h>
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
#include "broker/log_verify_parts.h"
#include "broker/registry.h"
#include "broker/succession.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/sign.h"

enum {
    ARENA_CAP = 4 * 1024 * 1024,
    ROOTS_KEPT = 1024,
    FINDINGS_KEPT = 1000,
    STALE_SECONDS = 60,
    BAR_STEPS = 256
};

struct finding {
    uint64_t position;
    size_t order; /* among those made */
    char what[16], text[256];
};

struct report {       /* shared by the child that reads and the parent that tells */
    const char *what; /* what the child looks at, and where; in both at the same address */
    uint64_t position;
    bool finished;
    uint64_t records, head, parts, purged;
    struct hash root;
    size_t n; /* made; those beyond FINDINGS_KEPT are only counted */
    struct finding findings[FINDINGS_KEPT];
};

struct verified_root { /* events of a batch share it: the dear step once */
    struct hash root;
    uint8_t key[KEY_SIZE], signature[SIGNATURE_SIZE];
};

struct stated { /* what lies beside the log; read before it, for a broker writes it behind it */
    int vkey_err, checkpoint_err;
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];
    struct checkpoint checkpoint;
};

struct verifying {
    const char *dir;
    struct stated stated;
    struct report *report;
    struct journal *journal;
    struct registry *registry;
    struct parts_seen parts;
    struct arena *arena;
    struct verified_root *roots;
    unsigned steps;
    int64_t last_told; /* monotonic, in milliseconds */
    bool terminal;
};

/* ---- what is found ---- */

static void found(struct report *r, uint64_t position, const char *what, const char *text)
{
    if (r->n++ >= FINDINGS_KEPT)
        return;
    struct finding *f = &r->findings[r->n - 1];
    f->position = position;
    f->order = r->n;
    snprintf(f->what, sizeof f->what, "%s", what);
    snprintf(f->text, sizeof f->text, "%s", text);
}

static void on_finding(void *arg, uint64_t position, const char *what, const char *text)
{
    struct verifying *v = arg;

    found(v->report, position, what, text);
}

static int64_t monotonic_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void bar(const struct verifying *v, uint64_t done, uint64_t of)
{
    int percent = of && done < of ? (int)(done * 100 / of) : 100;

    if (v->terminal)
        fprintf(stderr, "\r[%-50.*s] %3d %% position %" PRIu64, percent / 2,
                "##################################################", percent, done);
    else
        fprintf(stderr, "verify: %" PRIu64 " of %" PRIu64 " records\n", done, of);
}

static void on_progress(void *arg, const char *what, uint64_t position, uint64_t of)
{
    struct verifying *v = arg;

    v->report->what = what;
    v->report->position = position;
    if (++v->steps % BAR_STEPS)
        return;
    int64_t now = monotonic_ms();
    if (now - v->last_told < (v->terminal ? 100 : 10000))
        return;
    v->last_told = now;
    bar(v, position, of);
}

/* ---- what the journal does not know: signatures, parts, checkpoint ---- */

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

static void fold(struct verifying *v, uint64_t position, const struct event *e)
{
    const char *field = NULL;
    char text[256] = "";
    const struct registry_event act = {e->envelope->seat, e->envelope->type, e->payload};
    int err = registry_check(v->registry, &act, &field, text);

    if (err == 0 && strcmp(e->envelope->type, core__log_succeeded__descriptor.name) == 0)
        err = succession_check(v->journal, position, e->payload, text);
    if (err)
        on_finding(v, position, "registry", text);
    else
        registry_fold(v->registry, position, &act);
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

    arena_reset(v->arena);
    if (event_open(&e, record->event, record->payload, v->arena, where) != 0)
        return 0; /* journal_verify names it */
    v->report->records++;
    bool registry = strcmp(e.envelope->stream, "registry") == 0;
    if (registry && record->position == 1)
        fold(v, record->position, &e);
    check_signature(v, record->position, &e);
    if (registry && record->position != 1)
        fold(v, record->position, &e);
    check_log(v, record->position, &e);
    parts_seen_take(&v->parts, v->journal, record->position, e.envelope);
    return 0;
}

static void read_stated(const char *dir, struct stated *s)
{
    s->vkey_err = log_vkey_read(dir, s->name, s->key);
    if (!s->vkey_err)
        s->checkpoint_err = checkpoint_read(dir, s->name, s->key, &s->checkpoint, NULL);
}

/* The log's name and key, as the directory states them; false where that cannot be read. */
static bool check_vkey(struct verifying *v)
{
    size_t n;
    const struct predecessor *before = registry_predecessors(v->registry, &n);
    const char *log = registry_log(v->registry);
    const struct stated *s = &v->stated;

    if (s->vkey_err)
        on_finding(v, 0, "log.vkey", err_text(s->vkey_err));
    else if (log && (strcmp(log, s->name) != 0 ||
                     memcmp(registry_log_key(v->registry), s->key, KEY_SIZE) != 0))
        on_finding(v, n ? before[n - 1].position + 1 : 1, "log.vkey",
                   "is not the name and key that the log was founded with");
    return s->vkey_err == 0;
}

static int take_received(void *arg, const struct journal_record *record)
{
    *(int64_t *)arg = record->received;
    return 0;
}

/* The broker signs one each second while the log grows: what is behind by more was put back, or
 * could not be written, and nothing guards the records behind it. */
static void check_age(struct verifying *v, const struct checkpoint *c)
{
    char text[256];
    int64_t next = 0;

    if (journal_get(v->journal, c->size + 1, take_received, &next) != 0)
        return;
    int64_t seconds = (journal_last_received(v->journal) - next) / 1000000;
    if (seconds < STALE_SECONDS)
        return;
    snprintf(text, sizeof text,
             "is of %" PRIu64 " records, and the log went on for %" PRId64
             " s behind them: an old one was put back or none could be written; see the broker's "
             "log, and put DIR/log/checkpoint back",
             c->size, seconds);
    on_finding(v, c->size + 1, "checkpoint", text);
}

static void check_checkpoint(struct verifying *v)
{
    const struct checkpoint *c = &v->stated.checkpoint;
    struct buf why = {0};
    uint64_t head = journal_head(v->journal);
    int err = v->stated.checkpoint_err;

    if (!check_vkey(v) || (head == 0 && v->report->n))
        return; /* without a head, which is a finding, nothing can be compared */
    if (err == ERR_SIGNATURE)
        on_finding(v, 0, "checkpoint",
                   "is not signed with the log's key: it is another log's or forged; put "
                   "DIR/log/checkpoint back");
    else if (err && err != ERR_NOT_FOUND)
        on_finding(v, 0, "checkpoint", err_text(err));
    else if (checkpoint_check(v->journal, err ? NULL : c, &why) != 0)
        on_finding(v, head < c->size ? head + 1 : c->size, "checkpoint", buf_cstr(&why));
    else
        check_age(v, c);
    buf_free(&why);
}

/* ---- the child ---- */

static void verify_here(struct verifying *v)
{
    struct buf why = {0};
    uint64_t findings = 0;

    read_stated(v->dir, &v->stated);
    int err = journal_open(&v->journal, v->dir, true, &why);

    if (err) {
        on_finding(v, 0, err_code(err), buf_cstr(&why));
        buf_free(&why);
        return;
    }
    v->registry = registry_new();
    v->parts = (struct parts_seen){.dir = v->dir, .found = on_finding, .arg = v};
    v->arena = arena_new(ARENA_CAP);
    v->roots = mem_new(ROOTS_KEPT * sizeof *v->roots);
    v->terminal = isatty(STDERR_FILENO);
    v->last_told = monotonic_ms();
    err = journal_verify(v->journal, on_record, on_finding, on_progress, v, &findings);
    if (err && !findings)
        on_finding(v, 0, "log", err_text(err));
    check_checkpoint(v);
    journal_tree(v->journal, &v->report->head, &v->report->root);
    journal_close(v->journal);
    parts_seen_end(&v->parts, v->registry);
    v->report->parts = v->parts.named;
    v->report->purged = v->parts.purged;
    registry_free(v->registry);
    arena_free(v->arena);
    mem_free(v->roots);
}

/* ---- the parent ---- */

static void found_death(struct report *r, int status)
{
    char text[256];

    snprintf(text, sizeof text,
             "cannot be read: it ended the process that tried (%s); data.mdb is damaged there, "
             "restore the log from a copy",
             WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "by itself");
    found(r, r->position, r->what ? r->what : "file", text);
}

static void read_in_child(const char *dir, struct report *report)
{
    struct verifying v = {.dir = dir, .report = report};
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        verify_here(&v);
        report->finished = true;
        _exit(EXIT_SUCCESS);
    }
    if (child < 0)
        found(report, 0, "fork", strerror(errno));
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child > 0 && !report->finished)
        found_death(report, status);
}

static int by_position(const void *a, const void *b)
{
    const struct finding *x = a, *y = b;

    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->order < y->order ? -1 : 1;
}

static void print_finding(bool json, const struct finding *f)
{
    if (json) {
        json_t *line = json_pack("{s:I, s:s, s:s}", "position", (json_int_t)f->position, "what",
                                 f->what, "text", f->text);
        json_dumpf(line, stdout, JSON_COMPACT);
        json_decref(line);
        putchar('\n');
    } else if (f->position) {
        printf("position %" PRIu64 ": %s: %s\n", f->position, f->what, f->text);
    } else {
        printf("log: %s: %s\n", f->what, f->text);
    }
}

static void print_findings(struct report *r, bool json)
{
    size_t kept = r->n < FINDINGS_KEPT ? r->n : FINDINGS_KEPT;

    qsort(r->findings, kept, sizeof *r->findings, by_position);
    for (size_t i = 0; i < kept; i++)
        print_finding(json, &r->findings[i]);
    if (r->n > kept)
        print_finding(json, &(struct finding){0, 0, "findings", "there are more than are listed"});
}

static void print_ok(const struct report *r, bool json)
{
    char hex[2 * HASH_SIZE + 1];

    hex_encode(hex, r->root.bytes, HASH_SIZE);
    if (json) {
        printf("{\"ok\":true,\"records\":%" PRIu64 ",\"head\":%" PRIu64
               ",\"root\":\"%s\",\"parts\":%" PRIu64 ",\"purged\":%" PRIu64 "}\n",
               r->records, r->head, hex, r->parts, r->purged);
        return;
    }
    printf("ok: %" PRIu64 " records, head %" PRIu64 ", root %s, %" PRIu64 " parts", r->records,
           r->head, hex, r->parts);
    if (r->purged)
        printf(", %" PRIu64 " of them purged", r->purged);
    putchar('\n');
}

int log_verify(const char *dir, bool json)
{
    struct report *report =
        mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (report == MAP_FAILED) {
        fprintf(stderr, "chancery log: %s\n", strerror(errno));
        return EXIT_FAILURE;
    }
    read_in_child(dir, report);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    print_findings(report, json);
    bool ok = report->n == 0;
    if (ok)
        print_ok(report, json);
    munmap(report, sizeof *report);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
