/* SPDX-License-Identifier: Apache-2.0 */
/* chancery-log: the log without a broker
 *
 *   verify DIR [--json]    everything: records, indexes, tree, signatures, checkpoint, parts
 *   head DIR [--json]      how many records, and the root of their tree
 *   records DIR            packed Core__Record messages, each behind its size (u32, big-endian)
 *   ls DIR --json          a line of JSON a record
 *   proof DIR POSITION     a c2sp.org/tlog-proof file: the log has that record
 *   consistency DIR OLD NEW  one checkpoint extends the other
 *   export DIR OUT         the tree as files for everybody (c2sp.org/tlog-tiles)
 *   backup DIR FILE        log, parts and checkpoint in one file
 *   backup --verify FILE   unpacks it, and verifies what came out
 *   restore FILE DIR       into a directory of its own; an older copy as a successor
 *
 * A log that a broker has open is read as it is at that moment.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/fence.h"
#include "broker/journal.h"
#include "broker/log_backup.h"
#include "broker/log_consistency.h"
#include "broker/log_export.h"
#include "broker/log_proof.h"
#include "broker/log_verify.h"
#include "broker/record.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { ARENA_CAP = 4 * 1024 * 1024, READ_TURN = 1024, SIZE_BYTES = 4 };

struct options {
    const char *dir, *second, *third; /* the arguments */
    const char *stream, *event;
    struct log_restore restore;
    uint64_t from, until;
    bool json, verify;
};

static int usage(void)
{
    fputs("usage: chancery-log verify DIR [--json]\n"
          "       chancery-log head DIR [--json]\n"
          "       chancery-log records DIR [--from N] [--until N] [--stream PATTERN]\n"
          "       chancery-log ls DIR --json [--from N] [--until N] [--stream PATTERN]\n"
          "       chancery-log proof DIR POSITION [--event FILE]\n"
          "       chancery-log consistency DIR OLD NEW\n"
          "       chancery-log export DIR OUT [--json]\n"
          "       chancery-log backup DIR FILE [--json]\n"
          "       chancery-log backup --verify FILE [--json]\n"
          "       chancery-log restore FILE DIR [--successor NAME --administrator KEYFILE\n"
          "                    [--checkpoint FILE] [--lost N]] [--json]\n",
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

static int open_log(struct journal **j, const struct options *o)
{
    struct buf why = {0};
    int err = journal_open(j, o->dir, true, &why);

    if (err)
        fprintf(stderr, "chancery log: %s (%s)\n", buf_cstr(&why), err_code(err));
    buf_free(&why);
    return err;
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
    struct buf *out = &w->packed;

    if (record->position > w->options->until) {
        w->ended = true;
        return -1;
    }
    buf_reset(out);
    buf_grow(out, SIZE_BYTES);
    record_pack(out, record);
    size_t size = out->size - SIZE_BYTES;
    for (int i = 0; i < SIZE_BYTES; i++)
        out->data[i] = (uint8_t)(size >> (24 - 8 * i));
    w->failed = fwrite(out->data, 1, out->size, stdout) != out->size;
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

static int verify(const struct options *o)
{
    return log_verify(o->dir, o->json);
}

/* ---- */

static int proof(const struct options *o)
{
    uint64_t position;

    return number(&position, o->second) && position ? log_proof(o->dir, position, o->event)
                                                    : usage();
}

static int consistency(const struct options *o)
{
    return log_consistency(o->dir, o->second, o->third);
}

static int export(const struct options *o)
{
    return log_export(o->dir, o->second, o->json);
}

static int backup(const struct options *o)
{
    return log_backup(o->dir, o->second, o->json);
}

static int backup_check(const struct options *o)
{
    return log_backup_verify(o->dir, o->json);
}

static int restore(const struct options *o)
{
    struct log_restore r = o->restore;

    r.file = o->dir;
    r.dir = o->second;
    r.json = o->json;
    if (!r.successor != !r.administrator || (!r.successor && (r.lost || r.checkpoint)))
        return usage();
    return log_restore(&r);
}

static const struct {
    const char *name;
    bool verify; /* with --verify */
    int arguments;
    int (*run)(const struct options *o);
} verbs[] = {
    {"verify", false, 1, verify},      {"head", false, 1, head},
    {"records", false, 1, records},    {"ls", false, 1, list},
    {"proof", false, 2, proof},        {"consistency", false, 3, consistency},
    {"export", false, 2, export},      {"backup", false, 2, backup},
    {"backup", true, 1, backup_check}, {"restore", false, 2, restore},
};

int main(int argc, char **argv)
{
    static const struct option known[] = {
        {"json", no_argument, NULL, 'j'},
        {"from", required_argument, NULL, 'f'},
        {"until", required_argument, NULL, 'u'},
        {"stream", required_argument, NULL, 's'},
        {"event", required_argument, NULL, 'e'},
        {"verify", no_argument, NULL, 'v'},
        {"successor", required_argument, NULL, 'n'},
        {"administrator", required_argument, NULL, 'a'},
        {"checkpoint", required_argument, NULL, 'c'},
        {"lost", required_argument, NULL, 'l'},
        {NULL, 0, NULL, 0},
    };
    struct options o = {.from = 1, .until = UINT64_MAX};
    bool good = true;

    fence_install();
    for (int c; good && (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
        if (c == 'j')
            o.json = true;
        else if (c == 'v')
            o.verify = true;
        else if (c == 'f')
            good = number(&o.from, optarg);
        else if (c == 'u')
            good = number(&o.until, optarg);
        else if (c == 's')
            o.stream = optarg;
        else if (c == 'e')
            o.event = optarg;
        else if (c == 'n')
            o.restore.successor = optarg;
        else if (c == 'a')
            o.restore.administrator = optarg;
        else if (c == 'c')
            o.restore.checkpoint = optarg;
        else if (c == 'l')
            good = number(&o.restore.lost, optarg);
        else
            good = false;
    if (!good || argc - optind < 2)
        return usage();
    o.dir = argv[optind + 1];
    o.second = argv[optind + 2];
    o.third = o.second ? argv[optind + 3] : NULL;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[optind], verbs[i].name) == 0 && verbs[i].verify == o.verify &&
            argc - optind - 1 == verbs[i].arguments)
            return verbs[i].run(&o);
    return usage();
}
