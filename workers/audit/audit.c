/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - `chancery audit DIR`: every worker's decide over the log, once more
 *
 * Decisions are pure functions of the log, so deciding again must give what is recorded, byte for
 * byte.  The log tool hands the records over through a pipe; nothing here opens the log.  Answers
 * that other rules decided are folded as they are, and their range is named; so are inputs that
 * were set aside, for no log shows that a process died.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chancery/core/v1/answers.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/program.h"
#include "lib/scan.h"
#include "lib/types.h"
#include "lib/worker.h"
#include "workers/embargo/embargo.h"

enum { RECORD_MOST = 1024 * 1024, ANSWERS_ARENA = 256 * 1024 * 1024, FINDINGS_MOST = 20 };

struct course { /* one worker, as far as the log was read */
    const struct worker *worker;
    struct fold *fold;
    struct merge *merge;
    struct answers answers;
    uint64_t inputs, decided, failed, other_rules, other_from, other_to, waiting;
};

struct audit {
    struct course *courses;
    size_t n;
    uint64_t records, findings;
    bool json;
};

static const struct worker *const workers[] = {&embargo};

/* ---- findings ---- */

__attribute__((format(printf, 5, 6))) static void finding(struct audit *a, const char *worker,
                                                          uint64_t position, const char *field,
                                                          const char *format, ...)
{
    char line[512];
    va_list args;

    if (++a->findings > FINDINGS_MOST)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (a->json) {
        json_t *object = json_pack("{s:s, s:I, s:s, s:s}", "worker", worker, "position",
                                   (json_int_t)position, "field", field, "text", line);
        char *printed = object ? json_dumps(object, JSON_COMPACT) : NULL;
        puts(printed ? printed : "{}");
        free(printed);
        json_decref(object);
    } else {
        printf("difference: %s: position %" PRIu64 "%s%s: %s\n", worker, position,
               field[0] ? ": field " : "", field, line);
    }
}

/* The path of the first value in which the two differ; both printed. */
static bool json_difference(const json_t *a, const json_t *b, struct buf *path)
{
    const char *key;
    json_t *value;
    size_t i, start = path->size;

    if (json_equal(a, b))
        return false;
    if (json_is_object(a) && json_is_object(b)) {
        void *iter;
        for (iter = json_object_iter((json_t *)(uintptr_t)a); iter;
             iter = json_object_iter_next((json_t *)(uintptr_t)a, iter)) {
            key = json_object_iter_key(iter);
            value = json_object_iter_value(iter);
            buf_printf(path, "%s%s", start ? "." : "", key);
            const json_t *other = json_object_get(b, key);
            if (!other || json_difference(value, other, path))
                return true;
            path->size = start;
        }
        for (iter = json_object_iter((json_t *)(uintptr_t)b); iter;
             iter = json_object_iter_next((json_t *)(uintptr_t)b, iter))
            if (!json_object_get(a, json_object_iter_key(iter))) {
                buf_printf(path, "%s%s", start ? "." : "", json_object_iter_key(iter));
                return true;
            }
    } else if (json_is_array(a) && json_is_array(b)) {
        for (i = 0; i < json_array_size(a) && i < json_array_size(b); i++) {
            buf_printf(path, "[%zu]", i);
            if (json_difference(json_array_get(a, i), json_array_get(b, i), path))
                return true;
            path->size = start;
        }
        buf_printf(path, "[%zu]", i);
    }
    return true;
}

static void payload_difference(struct audit *a, const struct course *c,
                               const struct answer_event *decided, const struct item *recorded)
{
    struct arena *arena = arena_new((size_t)64 * 1024 * 1024);
    struct buf path = {0};
    char where[128];
    int err = 0;
    const ProtobufCMessage *mine = scan_unpack(decided->type, decided->payload, arena, &err, where);
    const ProtobufCMessage *theirs =
        scan_unpack(decided->type, recorded->payload, arena, &err, where);

    if (mine && theirs) {
        json_t *x = json_of_message(theirs), *y = json_of_message(mine);
        json_difference(x, y, &path);
        json_decref(x);
        json_decref(y);
    }
    finding(a, c->worker->name, recorded->position, path.size ? buf_cstr(&path) : "payload",
            "recorded as the answer to position %" PRIu64 ", decided otherwise by rules %" PRIu32,
            recorded->envelope->cause, c->worker->rules);
    buf_free(&path);
    arena_free(arena);
}

/* ---- deciding again ---- */

static void answer_differs(struct audit *a, const struct course *c, size_t i, const char *field,
                           const struct item *recorded)
{
    const struct answer_event *decided = &c->answers.events[i];
    const Core__Envelope *e = recorded->envelope;

    if (strcmp(field, "payload") == 0)
        payload_difference(a, c, decided, recorded);
    else
        finding(a, c->worker->name, recorded->position, field,
                "recorded %s %s (%" PRIu32 " of %" PRIu32 "), decided %s %s (%zu of %zu)",
                e->stream, e->type, e->ordinal, e->of, decided->stream, decided->type->name, i,
                c->answers.n);
}

/* The first difference; the others follow from it. */
static void compare(struct audit *a, struct course *c, const struct item *const *own, size_t n)
{
    for (size_t i = 0; i < n && i < c->answers.n; i++) {
        const char *field = answer_difference(&c->answers, i, own[i]);
        if (field) {
            answer_differs(a, c, i, field, own[i]);
            return;
        }
    }
}

static bool is_type(const struct item *item, const ProtobufCMessageDescriptor *type)
{
    return strcmp(item->envelope->type, type->name) == 0;
}

/* The version of the rules that the answers were decided by; 0 = of none that were adopted. */
static uint32_t rules_of(const struct course *c, const struct item *first)
{
    struct arena *arena = arena_new(RECORD_MOST);
    char where[128];
    int err = 0;
    const Core__RulesAdopted *adopted =
        is_type(first, &core__rules_adopted__descriptor)
            ? (const void *)scan_unpack(&core__rules_adopted__descriptor, first->payload, arena,
                                        &err, where)
            : NULL;
    uint32_t version = adopted ? adopted->version : fold_rules(c->fold);

    arena_free(arena);
    return version;
}

/* This build knows other rules, not those. */
static bool by_other_rules(const struct course *c, const struct item *first)
{
    uint32_t version = rules_of(c, first);

    return version != 0 && version != c->worker->rules;
}

static const char *failure_difference(const Core__WorkerFailed *recorded,
                                      const Core__WorkerFailed *expected)
{
    if (recorded->input != expected->input)
        return "input";
    if (strcmp(recorded->type, expected->type) != 0)
        return "type";
    return recorded->deaths < DEATHS_MOST ? "deaths" : NULL;
}

/* Deaths leave nothing in the log that could be decided again: only what WorkerFailed says of its
 * cause is compared, not its text, and the report names what is set aside. */
static void failed(struct audit *a, struct course *c, const struct item *input,
                   const struct item *own)
{
    struct arena *arena = arena_new(RECORD_MOST);
    char where[128];
    int err = 0;

    fold_failed(c->fold, input, DEATHS_MOST, &c->answers);
    const Core__WorkerFailed *expected = (const void *)scan_unpack(
        &core__worker_failed__descriptor, c->answers.events[0].payload, arena, &err, where);
    const Core__WorkerFailed *recorded = (const void *)scan_unpack(
        &core__worker_failed__descriptor, own->payload, arena, &err, where);
    const char *field = answer_difference(&c->answers, 0, own);

    assert(expected);
    if (field && strcmp(field, "payload") == 0 && recorded)
        field = failure_difference(recorded, expected);
    if (field)
        finding(a, c->worker->name, own->position, field,
                "not a WorkerFailed of position %" PRIu64 " (input %" PRIu64 ", %s)",
                input->position, expected->input, expected->type);
    arena_free(arena);
    c->failed++;
}

static void answered(struct audit *a, struct course *c, const struct item *input,
                     const struct item *const *own, size_t n)
{
    if (fold_is_failed(own, n)) {
        failed(a, c, input, own[0]);
    } else if (by_other_rules(c, own[0])) {
        fold_input(c->fold, input, FOLD_APPLY, &c->answers);
        c->other_from = c->other_from ? c->other_from : input->position;
        c->other_to = input->position;
        c->other_rules++;
    } else {
        fold_input(c->fold, input, FOLD_DECIDE, &c->answers);
        compare(a, c, own, n);
        c->decided += n;
    }
    for (size_t i = 0; i < n; i++)
        fold_own(c->fold, own[i]);
}

/* One input; false when there is nothing more to do for now. */
static bool step(struct audit *a, struct course *c, bool last)
{
    const struct item *input, *const *own;
    size_t n;

    switch (merge_peek(c->merge, &input, &own, &n)) {
    case MERGE_PLAIN:
        fold_input(c->fold, input, FOLD_APPLY, &c->answers);
        break;
    case MERGE_ANSWERED:
        answered(a, c, input, own, n);
        c->inputs++;
        break;
    case MERGE_PART:
        if (!last)
            return false;
        c->waiting++;
        break;
    case MERGE_SKIPPED:
        finding(a, c->worker->name, input->position, "",
                "%zu answers are recorded, and later inputs were answered", n);
        break;
    case MERGE_ORPHAN:
        finding(a, c->worker->name, own[0]->position, "cause",
                "answers position %" PRIu64 ", which is no input", own[0]->envelope->cause);
        break;
    case MERGE_NOTHING:
    default:
        return false;
    }
    merge_pop(c->merge);
    return true;
}

static void take(struct audit *a, const Core__Record *record)
{
    for (size_t i = 0; i < a->n; i++) {
        struct course *c = &a->courses[i];
        struct item *item = item_new(record->position, record->received,
                                     slice_of(record->event.data, record->event.len),
                                     slice_of(record->payload.data, record->payload.len));
        if (!item) {
            finding(a, c->worker->name, record->position, "", "the event cannot be read");
            continue;
        }
        const Core__Envelope *e = item->envelope;
        if (fold_owns(c->fold, e->stream))
            merge_own(c->merge, &item);
        else if (fold_reads(c->fold, e->stream))
            merge_input(c->merge, &item, fold_answers(c->fold, e->stream, e->type));
        item_free(item);
        while (step(a, c, false))
            continue;
    }
    a->records++;
}

static void finish(struct audit *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct course *c = &a->courses[i];
        while (step(a, c, true))
            continue;
        if (!merge_empty(c->merge))
            finding(a, c->worker->name, 0, "cause", "answers are left that answer no input");
    }
}

/* ---- the log tool's pipe ---- */

static FILE *log_tool_start(const char *dir, pid_t *pid)
{
    char *tool = program_beside("chancery-log");
    const char *argv[] = {tool, "records", dir, NULL};
    int fd;

    int rc = program_start(argv, ERRORS_OURS, pid, &fd);
    if (rc)
        fprintf(stderr, "audit: cannot start %s: %s\n", tool, strerror(errno));
    mem_free(tool);
    FILE *in = rc ? NULL : fdopen(fd, "r");
    if (!rc && !in)
        close(fd);
    return in;
}

/* 0 and the record, 1 at the end, -1 when what comes is no record. */
static int record_read(FILE *in, struct arena *arena, Core__Record **record)
{
    uint8_t head[4];
    char where[128];
    int err = 0;
    size_t n = fread(head, 1, sizeof head, in);

    if (n == 0)
        return 1;
    size_t size = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (n < sizeof head || size > RECORD_MOST)
        return -1;
    arena_reset(arena);
    uint8_t *bytes = arena_take(arena, size);
    if (!bytes || fread(bytes, 1, size, in) != size)
        return -1;
    *record = (Core__Record *)scan_unpack(&core__record__descriptor, slice_of(bytes, size), arena,
                                          &err, where);
    return *record ? 0 : -1;
}

static int read_log(struct audit *a, const char *dir)
{
    struct arena *arena = arena_new((size_t)16 * 1024 * 1024);
    Core__Record *record;
    pid_t pid;
    int rc;
    FILE *in = log_tool_start(dir, &pid);

    if (!in) {
        arena_free(arena);
        return ERR_IO;
    }
    while ((rc = record_read(in, arena, &record)) == 0)
        take(a, record);
    fclose(in);
    arena_free(arena);
    int status = program_wait(pid);
    if (rc == 1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    fputs("audit: the log could not be read to its end; see `chancery log verify`\n", stderr);
    return ERR_DAMAGED;
}

/* ---- the report ---- */

/* The inputs that wait for `chancery worker retry`, each behind what separates it from the last. */
static void print_set_aside(const struct course *c, const char *separator)
{
    uint64_t first = fold_failed_behind(c->fold, 0);

    for (uint64_t at = first; at; at = fold_failed_behind(c->fold, at))
        printf("%s%" PRIu64, at == first ? "" : separator, at);
}

static void report_course(const struct audit *a, const struct course *c)
{
    if (a->json) {
        printf("{\"worker\":\"%s\",\"rules\":%" PRIu32 ",\"inputs\":%" PRIu64
               ",\"decided\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"otherRules\":%" PRIu64
               ",\"waiting\":%" PRIu64 ",\"findings\":%" PRIu64 ",\"setAside\":[",
               c->worker->name, c->worker->rules, c->inputs, c->decided, c->failed, c->other_rules,
               c->waiting, a->findings);
        print_set_aside(c, ",");
        puts("]}");
        return;
    }
    printf("%s: rules %" PRIu32 ", %" PRIu64 " inputs, %" PRIu64 " answers decided again\n",
           c->worker->name, c->worker->rules, c->inputs, c->decided);
    if (c->failed)
        printf("%s: %" PRIu64 " times answered by WorkerFailed, not decided again\n",
               c->worker->name, c->failed);
    if (fold_failed_behind(c->fold, 0)) {
        printf("%s: set aside until `chancery worker retry`: position ", c->worker->name);
        print_set_aside(c, ", ");
        putchar('\n');
    }
    if (c->other_rules)
        printf("%s: %" PRIu64 " inputs from position %" PRIu64 " to %" PRIu64
               " were decided by other rules, not decided again\n",
               c->worker->name, c->other_rules, c->other_from, c->other_to);
    if (c->waiting)
        printf("%s: %" PRIu64 " inputs are not answered yet\n", c->worker->name, c->waiting);
}

static int audit_run(struct audit *a, const char *dir)
{
    struct course courses[sizeof workers / sizeof *workers] = {0};

    a->courses = courses;
    a->n = sizeof workers / sizeof *workers;
    for (size_t i = 0; i < a->n; i++) {
        courses[i] = (struct course){
            .worker = workers[i], .fold = fold_new(workers[i]), .merge = merge_new()};
        answers_init(&courses[i].answers, ANSWERS_ARENA, workers[i]->out);
    }
    int rc = read_log(a, dir);
    if (rc == 0)
        finish(a);
    for (size_t i = 0; i < a->n; i++) {
        if (rc == 0)
            report_course(a, &courses[i]);
        fold_free(courses[i].fold);
        merge_free(courses[i].merge);
        answers_clear(&courses[i].answers);
    }
    if (rc == 0 && !a->json)
        printf("%s: %" PRIu64 " records, %" PRIu64 " differences\n", a->findings ? "failed" : "ok",
               a->records, a->findings);
    a->courses = NULL;
    return rc || a->findings ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {0}};
    struct audit a = {0};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) == 'j')
        a.json = true;
    if (c != -1 || optind + 1 != argc) {
        fputs("usage: chancery audit DIR [--json]\n"
              "Decides every input of the log in DIR again and compares.  Exit 0: all the same.\n",
              c == 'h' ? stdout : stderr);
        return c == 'h' ? EXIT_SUCCESS : 2;
    }
    return audit_run(&a, argv[optind]);
}
