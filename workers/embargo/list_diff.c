/* SPDX-License-Identifier: Apache-2.0 */
/* list_diff.c - chancery-list-diff: what a new list file would change against an old one
 *
 * No broker: the parser of lists runs as a process of its own for each file, and what it finds goes
 * through the same functions as the worker's snapshots do.  The old file is in force, the new one
 * is decided.  Two files hold no history, so what comes again stands among the additions.  Exit
 * status: 0 accepted, 1 refused or failed, 2 usage, 4 held for a person's word.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jansson.h>
#include <utf8proc.h>

#include "lib/err.h"
#include "lib/pipe.h"
#include "lib/program.h"
#include "workers/embargo/snapshot.h"

#define KIND(name) EMBARGO__NOTICE_KIND__NOTICE_KIND_##name

enum { EXIT_ACCEPTED = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_HELD = 4 };

struct file { /* one list file as parsed */
    const char *name;
    char *generated;
    uint32_t entries;
    bool known; /* generated and entries are */
};

struct report {
    bool json;
    const char *list_name;
    struct images images;
    struct list *list;
    struct file old, new;
    json_t *warnings;
    struct buf code, reason; /* why refused or held */
};

/* ---- the parser's process ---- */

static int parser_start(const struct report *r, const char *file, pid_t *pid, int *fd)
{
    char *parser = program_beside("chancery-list-parse");
    const char *argv[] = {parser, "--list", r->list_name, file, NULL};
    int rc = program_start(argv, ERRORS_OURS, pid, fd);

    mem_free(parser);
    return rc;
}

static void refuse(struct report *r, const char *code, const char *file, uint64_t line,
                   const char *text)
{
    buf_reset(&r->code);
    buf_reset(&r->reason);
    buf_add_str(&r->code, code);
    if (line)
        buf_printf(&r->reason, "%s:%llu: %s", file, (unsigned long long)line, text);
    else
        buf_printf(&r->reason, "%s: %s", file, text);
}

/* ---- what it found ---- */

/* The events of one file are one snapshot, whatever its name. */
static void take_party(struct report *r, Sanctions__PartyPublished *event)
{
    event->snapshot.len = 0;
    if (event->party)
        image_party(r->list, event);
}

static void take_snapshot(struct report *r, struct file *file, Sanctions__SnapshotPublished *event)
{
    event->snapshot.len = 0;
    image_rest_gone(r->list);
    image_snapshot(r->list, event);
    file->generated = mem_str(event->generated_text);
    file->entries = event->entries;
    file->known = true;
    for (size_t i = 0; i < event->n_warnings; i++)
        json_array_append_new(r->warnings, json_sprintf("%s: %s", file->name, event->warnings[i]));
}

/* False where it does not unpack or says that the file is refused. */
static bool take_message(struct report *r, struct file *file, const struct pipe_message *message,
                         struct arena *arena)
{
    ProtobufCAllocator *allocator = arena_allocator(arena);
    struct slice bytes = message->bytes;

    if (message->kind == PIPE_PARTY) {
        Sanctions__PartyPublished *event =
            sanctions__party_published__unpack(allocator, bytes.size, bytes.data);
        if (event)
            take_party(r, event);
        return event != NULL;
    }
    if (message->kind == PIPE_SNAPSHOT) {
        Sanctions__SnapshotPublished *event =
            sanctions__snapshot_published__unpack(allocator, bytes.size, bytes.data);
        if (event)
            take_snapshot(r, file, event);
        return event != NULL;
    }
    const Sanctions__ImportRefused *event =
        sanctions__import_refused__unpack(allocator, bytes.size, bytes.data);
    if (event)
        refuse(r, event->code, file->name, event->line, event->text);
    return false;
}

/* Reads the file into the feed image: 0, or refused with the reason. */
static int file_read(struct report *r, struct file *file)
{
    struct arena *arena = arena_new((size_t)64 * 1024 * 1024);
    struct pipe_message message;
    struct buf room = {0};
    bool good = true;
    pid_t pid;
    int fd;

    if (parser_start(r, file->name, &pid, &fd) != 0) {
        refuse(r, "io.failed", file->name, 0,
               "chancery-list-parse cannot be started; it belongs beside chancery-list-diff");
        good = false;
        goto out;
    }
    while (good && pipe_read(fd, &room, &message) == 1) {
        arena_reset(arena);
        good = take_message(r, file, &message, arena);
    }
    close(fd);
    int status = program_wait(pid);
    good = good && file->known;
    if (!good && r->code.size == 0 && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_USAGE) {
        refuse(r, "list.unknown", file->name, 0,
               "no such list; \"un\" is the one that is read here");
    } else if (!good && r->code.size == 0) {
        const struct pipe_death *death = pipe_death_of(WIFSIGNALED(status) ? WTERMSIG(status) : 0);
        refuse(r, death->code, file->name, 0, death->text);
    }
out:
    buf_free(&room);
    arena_free(arena);
    return good ? 0 : ERR_MALFORMED;
}

/* ---- for programs ---- */

static json_t *json_file(const struct file *file)
{
    return json_pack("{s:s, s:i}", "generated", file->known ? file->generated : "", "entries",
                     (int)file->entries);
}

static json_t *json_texts(const char *const texts[], size_t n)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_string(texts[i]));
    return array;
}

static json_t *json_amended(const struct change *change)
{
    json_t *fields = json_array();

    for (size_t i = 0; i < change->comparison.n; i++) {
        const Embargo__FieldChange *f = change->comparison.changes[i];
        json_array_append_new(fields,
                              json_pack("{s:s, s:s, s:o, s:o}", "name", f->name, "source",
                                        f->source, "before", json_texts(f->before, f->n_before),
                                        "after", json_texts(f->after, f->n_after)));
    }
    return json_pack("{s:s, s:s, s:o}", "reference", change->entry->reference, "weight",
                     change->comparison.substantive ? "substantive" : "editorial", "fields",
                     fields);
}

/* An amendment by an editorial hand stands beside its own REKEY. */
static bool is_rekey(const struct change *change)
{
    return change->comparison.rekeyed && !change->editorial;
}

static void json_change(const struct change *change, json_t *added, json_t *removed,
                        json_t *rekeyed, json_t *amended)
{
    const struct entry *e = change->entry;

    if (change->kind == KIND(ADD) || change->kind == KIND(RELIST))
        json_array_append_new(added, json_string(e->reference));
    if (change->kind == KIND(REMOVE))
        json_array_append_new(removed, json_string(e->reference));
    if (is_rekey(change))
        json_array_append_new(rekeyed,
                              json_pack("{s:s, s:s, s:s}", "reference", e->reference, "old_id",
                                        e->final->internal_id, "new_id", e->feed->internal_id));
    if (change->kind == KIND(AMEND))
        json_array_append_new(amended, json_amended(change));
}

/* Appends the text with what a terminal would obey shown instead: control, bidi and other format
 * characters. */
static void add_safe(struct buf *out, const char *text, bool json)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;

    while (*at) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(at, -1, &c);
        utf8proc_category_t category = n > 0 ? utf8proc_category(c) : UTF8PROC_CATEGORY_CC;
        bool obeyed = category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
                      category == UTF8PROC_CATEGORY_ZL || category == UTF8PROC_CATEGORY_ZP;
        if (n <= 0)
            buf_printf(out, "<%02X>", (unsigned)*at);
        else if (!obeyed || (json && c == '\n'))
            buf_add(out, at, (size_t)n);
        else if (!json)
            buf_printf(out, "<U+%04X>", (unsigned)c);
        else if (c < 0x10000)
            buf_printf(out, "\\u%04x", (unsigned)c);
        else
            buf_printf(out, "\\u%04x\\u%04x", 0xD7C0U + ((unsigned)c >> 10),
                       0xDC00U + ((unsigned)c & 0x3FFU));
        at += n > 0 ? n : 1;
    }
}

static void print_json(struct report *r, const char *verdict, const struct decision *d)
{
    struct buf out = {0};
    json_t *added = json_array(), *removed = json_array();
    json_t *rekeyed = json_array(), *amended = json_array();

    for (size_t i = 0; d && i < d->n; i++)
        json_change(&d->changes[i], added, removed, rekeyed, amended);
    json_t *object =
        json_pack("{s:s, s:s, s:s, s:O, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict", verdict, "code",
                  buf_cstr(&r->code), "reason", buf_cstr(&r->reason), "warnings", r->warnings,
                  "old", json_file(&r->old), "new", json_file(&r->new), "added", added, "removed",
                  removed, "rekeyed", rekeyed, "amended", amended);
    char *text = json_dumps(object, JSON_INDENT(2));
    add_safe(&out, text, true);
    puts(buf_cstr(&out));
    free(text);
    buf_free(&out);
    json_decref(object);
}

/* ---- for people ---- */

static void add_values(struct buf *out, const char *mark, const char *const values[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, "        %s ", mark);
        add_safe(out, values[i], false);
        buf_add_byte(out, '\n');
    }
}

static void add_party(struct buf *out, const char *mark, const struct entry *e)
{
    const struct version *v = e->feed ? e->feed : e->final;

    buf_printf(out, "  %s ", mark);
    add_safe(out, e->reference, false);
    buf_add_str(out, "  ");
    add_safe(out, v->name, false);
    buf_add_str(out, " (");
    add_safe(out, v->committee, false);
    buf_add_str(out, ")");
}

/* Of an editorial change only the names of its fields. */
static void add_amended(struct buf *out, const struct change *change)
{
    add_party(out, change->editorial ? "." : "~", change->entry);
    for (size_t i = 0; change->editorial && i < change->comparison.n; i++)
        buf_printf(out, "%s%s", i ? ", " : ": editorial: ", change->comparison.changes[i]->name);
    buf_add_byte(out, '\n');
    for (size_t i = 0; !change->editorial && i < change->comparison.n; i++) {
        const Embargo__FieldChange *f = change->comparison.changes[i];
        buf_printf(out, "      %s\n", f->name);
        add_values(out, "-", f->before, f->n_before);
        add_values(out, "+", f->after, f->n_after);
    }
}

static void add_change(struct buf *out, const struct change *change)
{
    const struct entry *e = change->entry;

    if (change->kind == KIND(AMEND)) {
        add_amended(out, change);
        return;
    }
    add_party(out, change->kind == KIND(REMOVE) ? "-" : change->kind == KIND(REKEY) ? "=" : "+", e);
    if (change->kind == KIND(REKEY))
        buf_printf(out, ": internal id %s, was %s", e->feed->internal_id, e->final->internal_id);
    buf_add_byte(out, '\n');
}

static void add_file(struct buf *out, const char *which, const struct file *file)
{
    if (!file->known)
        return;
    buf_printf(out, "%s  ", which);
    add_safe(out, file->generated, false);
    buf_printf(out, ", %u entries  ", file->entries);
    add_safe(out, file->name, false);
    buf_add_byte(out, '\n');
}

static void print_people(struct report *r, const char *verdict, const struct decision *d)
{
    struct buf out = {0};
    unsigned long n[8] = {0};

    add_file(&out, "old", &r->old);
    add_file(&out, "new", &r->new);
    for (size_t i = 0; i < json_array_size(r->warnings); i++) {
        buf_add_str(&out, "note ");
        add_safe(&out, json_string_value(json_array_get(r->warnings, i)), false);
        buf_add_byte(&out, '\n');
    }
    for (size_t i = 0; d && i < d->n; i++) {
        const struct change *change = &d->changes[i];
        n[change->editorial ? 0 : (size_t)change->kind]++;
        add_change(&out, change);
    }
    if (d)
        buf_printf(&out, "%lu added, %lu removed, %lu amended, %lu editorial, %lu with a new id\n",
                   n[KIND(ADD)], n[KIND(REMOVE)], n[KIND(AMEND)], n[0], n[KIND(REKEY)]);
    buf_printf(&out, "%s%s", verdict, r->reason.size ? ": " : "");
    add_safe(&out, buf_cstr(&r->reason), false);
    puts(buf_cstr(&out));
    buf_free(&out);
}

/* ---- the whole ---- */

static void held_why(struct report *r, const struct decision *d)
{
    buf_add_str(&r->code, doubt_code(d->doubts[0]->kind));
    for (size_t i = 0; i < d->n_doubts; i++)
        buf_printf(&r->reason, "%s%s", i ? "; " : "", d->doubts[i]->text);
}

static int diff(struct report *r)
{
    struct decision d = {0};
    int rc = file_read(r, &r->old);

    if (rc == 0) {
        image_fold_baseline(r->list, 1);
        rc = file_read(r, &r->new);
    }
    if (rc != 0) {
        (r->json ? print_json : print_people)(r, "refused", NULL);
        return EXIT_REFUSED;
    }
    snapshot_decide(r->list, &d);
    bool held = d.verdict == VERDICT_SET_ASIDE;
    if (held)
        held_why(r, &d);
    (r->json ? print_json : print_people)(r, held ? "held" : "accepted", &d);
    decision_free(&d);
    return held ? EXIT_HELD : EXIT_ACCEPTED;
}

static int usage(void)
{
    fputs("usage: chancery-list-diff [--list LIST] OLD NEW [--json]\n", stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"list", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
        {0},
    };
    struct report r = {.list_name = "un"};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'l')
            r.list_name = optarg;
        else if (c == 'j')
            r.json = true;
        else
            return usage();
    }
    if (argc - optind != 2)
        return usage();
    r.old.name = argv[optind];
    r.new.name = argv[optind + 1];
    r.list = images_get(&r.images, r.list_name);
    r.warnings = json_array();
    int rc = diff(&r);
    json_decref(r.warnings);
    images_free(&r.images);
    buf_free(&r.code);
    buf_free(&r.reason);
    mem_free(r.old.generated);
    mem_free(r.new.generated);
    return rc;
}
