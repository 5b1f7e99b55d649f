/* SPDX-License-Identifier: Apache-2.0 */
/* init.c - `chancery init`: an instance's directory, its keys and the founding records of its log
 *
 * Written before any broker runs, the log last: a directory without log/ was not founded.  The
 * founding records are one batch signed by the administrator; LogFounded carries the key that
 * verifies it.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/journal.h"
#include "broker/registry.h"
#include "broker/signed.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { EXIT_USAGE = 2, SEATS = 7 };

struct plan { /* what the command line asks for */
    const char *dir, *log, *party, *party_name, *office, *seat;
    const char *smtp, *mail_from, *mail_to, *config, *log_token;
    bool exercise;
};

struct seat_row { /* the seats that every instance begins with */
    const char *name, *office;
    int kind;
    const char *about;
};

struct rule_row { /* and what they may do */
    const char *name;
    int subject_kind;
    const char *subject; /* NULL = the first user's office */
    Core__Verb verbs[2];
    size_t n_verbs;
    const char *stream, *type;
};

struct founding { /* the records as they gather */
    const struct plan *plan;
    char services[130], administration[130], office[130];
    struct seat_key keys[SEATS];
    struct log_key log_key;
    int64_t now;
    struct buf payloads[BATCH_MOST], envelopes[BATCH_MOST], events[BATCH_MOST];
    struct journal_event journal[BATCH_MOST];
    size_t n;
    struct registry *registry; /* what the records say together */
    int err;                   /* of the first record that does not fit the others */
};

#define ANY CORE__SUBJECT_KIND__SUBJECT_KIND_ANY
#define SEAT CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT
#define ROLE CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE
#define OFFICE CORE__SUBJECT_KIND__SUBJECT_KIND_OFFICE
#define PUBLISH CORE__VERB__VERB_PUBLISH
#define READ CORE__VERB__VERB_READ
#define ASK CORE__VERB__VERB_ASK
#define OFFER CORE__VERB__VERB_OFFER

/* Streams end in the domain that writes them; the first user's office works with all of them.  The
 * rules "own-" open the stream alone: what a seat or an office may sign about itself, the registry
 * says, and what an office may say of paper entered in its name, the event that entered it. */
static const struct rule_row rule_rows[] = {
    {"administrators-registry", ROLE, "administrator", {PUBLISH, READ}, 2, "registry", "*"},
    {"administrators-read", ROLE, "administrator", {READ}, 1, "*", "*"},
    {"broker-audit", SEAT, "broker", {PUBLISH, READ}, 2, "audit", "*"},
    {"sanctions-requests", SEAT, "sanctions", {READ}, 1, "sanctions.in", "*"},
    {"sanctions-feeds", SEAT, "sanctions", {PUBLISH, READ}, 2, "un.feed", "*"},
    {"embargo-requests", SEAT, "embargo", {READ}, 1, "embargo.in", "*"},
    {"embargo-feeds", SEAT, "embargo", {READ}, 1, "un.feed", "*"},
    {"embargo-time", SEAT, "embargo", {READ}, 1, "clock.feed", "*"},
    {"embargo-registry", SEAT, "embargo", {READ}, 1, "registry", "*"},
    {"embargo-notices", SEAT, "embargo", {PUBLISH, READ}, 2, "embargo.out", "*"},
    {"embargo-wake", SEAT, "embargo", {PUBLISH, READ}, 2, "embargo.wake", "*"},
    {"embargo-answers", SEAT, "embargo", {OFFER}, 1, "embargo", "*"},
    {"alert-notices", SEAT, "alert", {READ}, 1, "embargo.out", "*"},
    {"alert-sent", SEAT, "alert", {PUBLISH, READ}, 2, "alert.out", "*"},
    {"metrics-status", SEAT, "metrics", {READ}, 1, "audit", "*"},
    {"own-keys", ANY, "", {PUBLISH}, 1, "registry", "chancery.core.v1.Key*"},
    {"own-seats", ANY, "", {PUBLISH}, 1, "registry", "chancery.core.v1.Seat*"},
    {"own-transcripts", ANY, "", {PUBLISH}, 1, "*", "chancery.core.v1.Transcript*"},
    {"office-reads", OFFICE, NULL, {READ}, 1, "*", "*"},
    {"office-asks", OFFICE, NULL, {ASK}, 1, "*", "*"},
    {"office-imports", OFFICE, NULL, {PUBLISH}, 1, "sanctions.in", "*"},
    {"confirmers", ROLE, "confirmer", {PUBLISH}, 1, "embargo.in", "chancery.embargo.v1.*"},
    {"retries", ROLE, "operator", {PUBLISH}, 1, "embargo.in", "chancery.core.v1.RetryInput"},
};

/* ---- the command line ---- */

static bool plan_read(struct plan *plan, int argc, char **argv)
{
    static const struct option options[] = {
        {"log", required_argument, NULL, 'l'},        {"party", required_argument, NULL, 'p'},
        {"party-name", required_argument, NULL, 'n'}, {"office", required_argument, NULL, 'o'},
        {"seat", required_argument, NULL, 's'},       {"exercise", no_argument, NULL, 'x'},
        {"smtp", required_argument, NULL, 'm'},       {"mail-from", required_argument, NULL, 'f'},
        {"mail-to", required_argument, NULL, 't'},    {"config", required_argument, NULL, 'c'},
        {"log-token", required_argument, NULL, 'k'},  {0},
    };
    const char **values[128] = {
        ['l'] = &plan->log,       ['p'] = &plan->party,   ['n'] = &plan->party_name,
        ['o'] = &plan->office,    ['s'] = &plan->seat,    ['m'] = &plan->smtp,
        ['f'] = &plan->mail_from, ['t'] = &plan->mail_to, ['c'] = &plan->config,
        ['k'] = &plan->log_token,
    };
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'x')
            plan->exercise = true;
        else if (c > 0 && c < 128 && values[c])
            *values[c] = optarg;
        else
            return false;
    }
    plan->dir = argv[optind];
    return optind + 1 == argc;
}

static bool plan_check(const struct plan *plan)
{
    const struct {
        const char *option, *value;
        bool ok;
    } checks[] = {
        {"--log", plan->log, log_name_valid(plan->log)},
        {"--party", plan->party, identifier_valid(plan->party)},
        {"--office", plan->office, identifier_valid(plan->office)},
        {"--seat", plan->seat, identifier_valid(plan->seat)},
    };

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        if (!checks[i].ok) {
            fprintf(stderr,
                    "init: %s '%s' is not allowed: letters, digits, '.', '_' and '-', at most 64"
                    " (a log's name: lower case, parts separated by '/')\n",
                    checks[i].option, checks[i].value);
            return false;
        }
    }
    if (!plan->smtp != !plan->mail_to || !plan->smtp != !plan->mail_from) {
        fputs("init: --smtp, --mail-from and --mail-to go together\n", stderr);
        return false;
    }
    return true;
}

/* ---- records ---- */

/* The founding records pass the checks that any registry event passes. */
static void record_check(struct founding *f, const struct journal_event *e)
{
    const char *field = "";
    char text[256] = "";

    const struct registry_event act = {e->seat, e->type, e->payload};

    if (f->err == 0)
        f->err = registry_check(f->registry, &act, &field, text);
    if (f->err == 0)
        registry_fold(f->registry, f->n, &act);
    else if (text[0])
        fprintf(stderr, "init: %s: %s; choose another name\n", field, text);
}

static void record_add(struct founding *f, const ProtobufCMessage *message)
{
    assert(f->n < BATCH_MOST);
    size_t i = f->n++, size = protobuf_c_message_get_packed_size(message);
    uint8_t *payload = buf_grow(&f->payloads[i], size);
    const struct seat_key *administrator = &f->keys[0];
    struct journal_event *e = &f->journal[i];
    Core__Envelope envelope = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    struct hash payload_hash;

    protobuf_c_message_pack(message, payload);
    hash_sha256(&payload_hash, slice_of(payload, size));
    handling.label = CORE__LABEL__LABEL_GREEN;
    id_v7(e->id, f->now);
    envelope.log = f->plan->log;
    envelope.stream = "registry";
    envelope.id = (ProtobufCBinaryData){ID_SIZE, e->id};
    envelope.type = message->descriptor->name;
    envelope.seat = administrator->seat;
    envelope.office = administrator->office;
    envelope.evidence = CORE__EVIDENCE__EVIDENCE_SIGNED;
    envelope.seat_seq = i + 1;
    if (i)
        envelope.previous = (ProtobufCBinaryData){HASH_SIZE, f->journal[i - 1].envelope_hash.bytes};
    envelope.kind = CORE__KIND__KIND_NEW;
    envelope.mode = f->plan->exercise ? CORE__MODE__MODE_EXERCISE : CORE__MODE__MODE_ACTUAL;
    envelope.handling = &handling;
    envelope.created = f->now;
    envelope.payload_hash = (ProtobufCBinaryData){HASH_SIZE, payload_hash.bytes};
    envelope.payload_size = (uint32_t)size;
    core__envelope__pack(&envelope,
                         buf_grow(&f->envelopes[i], core__envelope__get_packed_size(&envelope)));
    hash_sha256(&e->envelope_hash, slice_buf(&f->envelopes[i]));
    e->seat = administrator->seat;
    e->stream = "registry";
    e->type = message->descriptor->name;
    e->seat_seq = i + 1;
    e->received = f->now;
    e->payload = slice_buf(&f->payloads[i]);
    record_check(f, e);
}

static ProtobufCBinaryData key_data(uint8_t *key)
{
    return (ProtobufCBinaryData){KEY_SIZE, key};
}

static void add_founded(struct founding *f)
{
    Core__LogFounded founded = CORE__LOG_FOUNDED__INIT;

    founded.format = JOURNAL_FORMAT;
    founded.log = f->plan->log;
    founded.log_key = key_data(f->log_key.public_key);
    founded.server_key = key_data(f->keys[1].curve_public);
    founded.administrator = f->keys[0].seat;
    founded.administrator_key = key_data(f->keys[0].sign_public);
    founded.broker = f->keys[1].seat;
    founded.exercise = f->plan->exercise;
    record_add(f, &founded.base);
}

static void add_office(struct founding *f, const char *office, const char *name,
                       const char *const roles[], size_t n_roles)
{
    Core__OfficeAdded added = CORE__OFFICE_ADDED__INIT;
    const char *held[4];

    for (size_t i = 0; i < n_roles; i++)
        held[i] = roles[i];
    added.office = office;
    added.name = name;
    added.n_roles = n_roles;
    added.roles = held;
    added.clearance = CORE__LABEL__LABEL_RED;
    record_add(f, &added.base);
}

static void add_party_and_offices(struct founding *f)
{
    static const char *const administration[] = {"administrator"};
    static const char *const services[] = {"service"};
    static const char *const first[] = {"confirmer", "operator"};
    Core__PartyAdded party = CORE__PARTY_ADDED__INIT;

    party.party = f->plan->party;
    party.name = f->plan->party_name ? f->plan->party_name : f->plan->party;
    party.kind = CORE__PARTY_KIND__PARTY_KIND_ORGANISATION;
    record_add(f, &party.base);
    add_office(f, f->administration, "Administration of this service", administration, 1);
    add_office(f, f->services, "Processes of this service", services, 1);
    add_office(f, f->office, "Office of the first user", first, 2);
}

static void add_key(struct founding *f, const char *seat, Core__KeyKind kind, uint8_t *key)
{
    Core__KeyAdded added = CORE__KEY_ADDED__INIT;
    char name[96];

    snprintf(name, sizeof name, "keys/%s.key", seat);
    added.seat = seat;
    added.kind = kind;
    added.public_key = key_data(key);
    added.name = name;
    record_add(f, &added.base);
}

static void add_seat(struct founding *f, const struct seat_row *row, struct seat_key *key)
{
    Core__SeatAdmitted admitted = CORE__SEAT_ADMITTED__INIT;

    admitted.seat = key->seat;
    admitted.office = key->office;
    admitted.kind = (Core__SeatKind)row->kind;
    admitted.name = row->about;
    record_add(f, &admitted.base);
    add_key(f, key->seat, CORE__KEY_KIND__KEY_KIND_CURVE, key->curve_public);
    if (key != &f->keys[0]) /* the administrator's is in LogFounded */
        add_key(f, key->seat, CORE__KEY_KIND__KEY_KIND_ED25519, key->sign_public);
    if (seat_key_has_age(key))
        add_key(f, key->seat, CORE__KEY_KIND__KEY_KIND_AGE, key->age.public_key);
}

static void add_rule(struct founding *f, const struct rule_row *row)
{
    Core__AccessRule rule = CORE__ACCESS_RULE__INIT;
    Core__Verb verbs[2] = {row->verbs[0], row->verbs[1]};

    rule.rule = row->name;
    rule.effect = CORE__EFFECT__EFFECT_ALLOW;
    rule.subject_kind = (Core__SubjectKind)row->subject_kind;
    rule.subject = row->subject ? row->subject : f->office;
    rule.n_verbs = row->n_verbs;
    rule.verbs = verbs;
    rule.stream = row->stream;
    rule.type = row->type;
    record_add(f, &rule.base);
}

static void records_make(struct founding *f, const struct seat_row seats[])
{
    struct slice envelopes[BATCH_MOST];

    add_founded(f);
    add_party_and_offices(f);
    for (size_t i = 0; i < SEATS; i++)
        add_seat(f, &seats[i], &f->keys[i]);
    for (size_t i = 0; i < sizeof rule_rows / sizeof *rule_rows; i++)
        add_rule(f, &rule_rows[i]);
    for (size_t i = 0; i < f->n; i++)
        envelopes[i] = slice_buf(&f->envelopes[i]);
    sign_events(&f->keys[0], envelopes, f->n, f->events);
    for (size_t i = 0; i < f->n; i++) {
        f->journal[i].event = slice_buf(&f->events[i]);
        journal_event_hash(&f->journal[i]);
    }
}

/* ---- files ---- */

static int file_write(const char *path, mode_t mode, struct slice content)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool ok =
        fd >= 0 && write(fd, content.data, content.size) == (ssize_t)content.size && fsync(fd) == 0;

    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "init: cannot write %s: %s\n", path, strerror(errno));
    return ok ? 0 : ERR_IO;
}

static int dir_make(const char *dir)
{
    if (mkdir(dir, 0700) == 0)
        return 0;
    DIR *open_dir = errno == EEXIST ? opendir(dir) : NULL;
    if (!open_dir) {
        fprintf(stderr, "init: cannot make %s: %s\n", dir, strerror(errno));
        return ERR_IO;
    }
    bool empty = true;
    for (const struct dirent *e; (e = readdir(open_dir));)
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0);
    closedir(open_dir);
    if (empty)
        return chmod(dir, 0700) == 0 ? 0 : ERR_IO;
    fprintf(stderr, "init: %s is not empty; name a new directory\n", dir);
    return ERR_EXISTS;
}

static int keys_write(const struct founding *f)
{
    int rc = 0;

    for (size_t i = 0; i < SEATS && rc == 0; i++) {
        char *path = mem_printf("%s/keys/%s.key", f->plan->dir, f->keys[i].seat);
        rc = seat_key_write(&f->keys[i], path);
        mem_free(path);
    }
    char *path = mem_printf("%s/keys/log.key", f->plan->dir);
    if (rc == 0)
        rc = log_key_write(&f->log_key, path);
    mem_free(path);
    if (rc)
        fprintf(stderr, "init: cannot write the keys: %s\n", err_text(rc));
    return rc;
}

static int vkey_write(const struct founding *f)
{
    struct buf vkey = {0};

    note_vkey(&vkey, f->log_key.name, f->log_key.public_key);
    buf_add_byte(&vkey, '\n');
    char *path = mem_printf("%s/log.vkey", f->plan->dir);
    int rc = file_write(path, 0644, slice_buf(&vkey));
    mem_free(path);
    buf_free(&vkey);
    return rc;
}

/* DIR/chancery.conf: the file, or a link to the one that --config names. */
static int conf_place(const struct plan *plan, struct slice conf)
{
    char *path = mem_printf("%s/chancery.conf", plan->dir);
    char *real = NULL;
    int rc = file_write(plan->config ? plan->config : path, 0600, conf);

    if (rc == 0 && plan->config) {
        real = realpath(plan->config, NULL);
        if (!real || symlink(real, path) != 0) {
            fprintf(stderr, "init: cannot link %s: %s\n", path, strerror(errno));
            rc = ERR_IO;
        }
    }
    free(real);
    mem_free(path);
    return rc;
}

static int conf_write(const struct founding *f)
{
    const struct plan *plan = f->plan;
    char server_key[2 * KEY_SIZE + 1];
    struct buf conf = {0};

    hex_encode(server_key, f->keys[1].curve_public, KEY_SIZE);
    buf_printf(&conf,
               "; settings of this instance; see chancery.conf(5)\n"
               "[log]\nname = %s\n\n"
               "[connection]\nendpoint = ipc://run/broker.sock\nserver-key = %s\n\n"
               "[up]\nprocesses = broker signer embargo sanctions%s\n"
               "; a process of your own: its name in the line above, and for the name tally\n"
               "; [process tally]\n; program = /usr/local/bin/tally\n; seat = tally\n\n"
               "[broker]\nseat = broker\n\n[embargo]\nseat = embargo\n\n"
               "[sanctions]\nseat = sanctions\n\n[metrics]\nseat = metrics\n\n"
               "[terminal]\nseat = %s\n",
               plan->log, server_key, plan->smtp ? " alert" : "", plan->seat);
    if (plan->smtp)
        buf_printf(&conf,
                   "\n[alert]\nseat = alert\nsmtp = %s\nfrom = %s\ntls = %s\n\n"
                   "[rule un]\nlist = un\nto = %s\n",
                   plan->smtp, plan->mail_from,
                   strncmp(plan->smtp, "smtp://127.0.0.1", 16) == 0 ? "none" : "required",
                   plan->mail_to);
    int rc = conf_place(plan, slice_buf(&conf));
    buf_free(&conf);
    return rc;
}

static int dirs_make(const char *dir)
{
    static const char *const names[] = {"keys", "keep", "parts", "run"};
    int rc = dir_make(dir);

    for (size_t i = 0; i < sizeof names / sizeof *names && rc == 0; i++) {
        char *path = mem_printf("%s/%s", dir, names[i]);
        rc = dir_make(path);
        mem_free(path);
    }
    return rc;
}

static int log_write(struct founding *f)
{
    struct journal *journal = NULL;
    struct buf why = {0};
    uint64_t size;
    struct hash root;
    int rc = journal_create(f->plan->dir, f->journal, f->n);

    if (rc == 0)
        rc = journal_open(&journal, f->plan->dir, true, &why);
    if (rc == 0) {
        journal_tree(journal, &size, &root);
        rc = signed_found(f->plan->dir, &f->log_key, size, &root);
    }
    if (rc)
        fprintf(stderr, "init: cannot found the log: %s %s\n", err_text(rc), buf_cstr(&why));
    journal_close(journal);
    buf_free(&why);
    return rc;
}

/* No process here opens a part: a person alone gets an age key. */
static void key_make(struct seat_key *key, const struct seat_row *row)
{
    seat_key_make(key, row->name, row->office);
    if (row->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON)
        explicit_bzero(&key->age, sizeof key->age);
}

static int log_key_found(struct founding *f)
{
    struct buf why = {0};
    int rc = 0;

    log_key_make(&f->log_key, f->plan->log);
    if (f->plan->log_token)
        rc = log_key_to_token(&f->log_key, f->plan->log_token, &why);
    if (rc)
        fprintf(stderr, "init: --log-token: %s: %s\n", err_code(rc), buf_cstr(&why));
    buf_free(&why);
    return rc;
}

static int found(struct founding *f)
{
    const struct plan *plan = f->plan;
    const struct seat_row seats[SEATS] = {
        {"administrator", f->administration, CORE__SEAT_KIND__SEAT_KIND_PERSON, "Administrator"},
        {"broker", f->services, CORE__SEAT_KIND__SEAT_KIND_PROCESS, "Broker; writes audit"},
        {"embargo", f->services, CORE__SEAT_KIND__SEAT_KIND_PROCESS, "Embargo worker"},
        {"sanctions", f->services, CORE__SEAT_KIND__SEAT_KIND_PROCESS, "Sanctions adapter"},
        {"alert", f->services, CORE__SEAT_KIND__SEAT_KIND_PROCESS, "Alert adapter"},
        {"metrics", f->services, CORE__SEAT_KIND__SEAT_KIND_PROCESS, "Metrics adapter"},
        {plan->seat, f->office, CORE__SEAT_KIND__SEAT_KIND_PERSON, "First user"},
    };

    snprintf(f->administration, sizeof f->administration, "%s/administration", plan->party);
    snprintf(f->services, sizeof f->services, "%s/services", plan->party);
    snprintf(f->office, sizeof f->office, "%s/%s", plan->party, plan->office);
    for (size_t i = 0; i < SEATS; i++)
        key_make(&f->keys[i], &seats[i]);
    int rc = log_key_found(f);
    f->now = time_now();
    records_make(f, seats);
    if (rc == 0)
        rc = f->err;
    if (rc == 0)
        rc = dirs_make(plan->dir);
    if (rc == 0)
        rc = keys_write(f);
    if (rc == 0)
        rc = vkey_write(f);
    if (rc == 0)
        rc = conf_write(f);
    return rc ? rc : log_write(f);
}

int main(int argc, char **argv)
{
    struct plan plan = {
        .log = "chancery.example/main", .party = "QMA", .office = "secretariat", .seat = "officer"};

    umask(077);
    if (!plan_read(&plan, argc, argv) || !plan_check(&plan)) {
        fputs("usage: chancery init DIR [--OPTION...]; `chancery help init` lists them\n", stderr);
        return EXIT_USAGE;
    }
    struct founding *f = mem_new(sizeof *f);
    f->plan = &plan;
    f->registry = registry_new();
    int rc = found(f);
    if (rc == 0)
        printf("founded %s in %s: %zu records, seat %s of %s\n"
               "start it with: chancery up --dir %s\n",
               plan.log, plan.dir, f->n, plan.seat, f->office, plan.dir);
    for (size_t i = 0; i < SEATS; i++)
        seat_key_clear(&f->keys[i]);
    for (size_t i = 0; i < f->n; i++) {
        buf_free(&f->payloads[i]);
        buf_free(&f->envelopes[i]);
        buf_free(&f->events[i]);
    }
    registry_free(f->registry);
    log_key_clear(&f->log_key);
    mem_free(f);
    return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
