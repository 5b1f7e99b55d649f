/* SPDX-License-Identifier: Apache-2.0 */
/* import.c - `list import`, `list confirm` and `list reject`: a request, and what came of it
 *
 * An import is answered twice: by the adapter in `<list>.feed` with the request as cause, and,
 * where a snapshot came of it, by the worker in `embargo.out` with the snapshot's event as cause.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(120) * 1000000;

const char *list_of(const struct call *c)
{
    return c->option[OPT_LIST] ? c->option[OPT_LIST] : "un";
}

struct outcome { /* of a request, as its answers come */
    struct session *s;
    const char *list;
    bool json;
    uint64_t request;  /* position */
    uint64_t snapshot; /* position of its SnapshotPublished; 0 = none yet */
    uint32_t entries;
    bool told;     /* what there is to say was said */
    bool answered; /* all that is waited for has come */
    int status;
};

struct answer_row {
    const ProtobufCMessageDescriptor *type;
    int status;
    const char *outcome;
    void (*tell)(const struct outcome *o, const void *body);
};

/* ---- telling ---- */

static void tell_unchanged(const struct outcome *o, const void *body)
{
    const Sanctions__Unchanged *u = body;
    char *stamp = safe(u->generated_text);

    printf("%s: no change (the list of %s says what the last one said)\n", o->list, stamp);
    mem_free(stamp);
}

static void tell_import_refused(const struct outcome *o, const void *body)
{
    const Sanctions__ImportRefused *r = body;
    char *file = safe(r->file_name), *text = safe(r->text);

    printf("%s: refused: %s", o->list, file);
    if (r->line)
        printf(":%llu", (unsigned long long)r->line);
    printf(": %s (%s); nothing was taken from it\n", text, r->code);
    mem_free(file);
    mem_free(text);
}

static void tell_refused(const struct outcome *o, const void *body)
{
    const Core__RequestRefused *r = body;
    char *text = safe(r->text);

    printf("%s: refused: %s (%s)\n", o->list, text, r->code);
    mem_free(text);
}

static void tell_failed(const struct outcome *o, const void *body)
{
    const Core__WorkerFailed *f = body;

    printf(
        "%s: the worker failed on this %u times; `chancery worker retry %llu` once it is mended\n",
        o->list, f->deaths, (unsigned long long)f->input);
}

static void tell_baseline(const struct outcome *o, const void *body)
{
    const Embargo__Baseline *b = body;

    printf("%s: %u entries, baseline: all of them are in force\n", o->list, b->entries);
}

static void say(const char *what, uint32_t n)
{
    if (n)
        printf(", %u %s", n, what);
}

static void tell_taken(const struct outcome *o, const void *body)
{
    const Embargo__SnapshotTaken *t = body;

    printf("%s: %u entries", o->list, o->entries);
    say("added", t->added);
    say("listed again", t->relisted);
    say("removed", t->removed);
    say("amended", t->amended);
    say("amended editorially", t->editorial);
    say("with a new internal id", t->rekeyed);
    say("provisional notices withdrawn", t->withdrawn);
    if (!t->last_number)
        fputs(", no change", stdout);
    putchar('\n');
}

static void tell_set_aside(const struct outcome *o, const void *body)
{
    const Embargo__SnapshotSetAside *a = body;
    char *hash = hex_of(a->snapshot, 12);

    printf("%s: set aside, a person must look at it:\n", o->list);
    for (size_t i = 0; i < a->n_doubts; i++) {
        char *text = safe(a->doubts[i]->text);
        printf("  - %s\n", text);
        mem_free(text);
    }
    printf("  in force at once as provisional: %u added, %u amended; waiting: %u changes, %u of"
           " them removals\n"
           "  decide with: chancery list confirm %s   or: chancery list reject %s\n",
           a->added, a->amended, a->waiting, a->removals, hash, hash);
    mem_free(hash);
}

static void tell_confirmed(const struct outcome *o, const void *body)
{
    const Embargo__SnapshotConfirmed *t = body;

    printf("%s: confirmed", o->list);
    say("provisional made final", t->made_final);
    say("added", t->added);
    say("listed again", t->relisted);
    say("removed", t->removed);
    say("amended", t->amended);
    say("amended editorially", t->editorial);
    say("with a new internal id", t->rekeyed);
    putchar('\n');
}

static void tell_rejected(const struct outcome *o, const void *body)
{
    const Embargo__SnapshotRejected *t = body;

    printf("%s: rejected", o->list);
    say("provisional notices withdrawn", t->withdrawn);
    putchar('\n');
}

static const struct answer_row answer_rows[] = {
    {&sanctions__unchanged__descriptor, DONE, "unchanged", tell_unchanged},
    {&sanctions__import_refused__descriptor, FAILED, "refused", tell_import_refused},
    {&core__request_refused__descriptor, FAILED, "refused", tell_refused},
    {&core__worker_failed__descriptor, FAILED, "failed", tell_failed},
    {&embargo__baseline__descriptor, DONE, "baseline", tell_baseline},
    {&embargo__snapshot_taken__descriptor, DONE, "taken", tell_taken},
    {&embargo__snapshot_set_aside__descriptor, SET_ASIDE, "set-aside", tell_set_aside},
    {&embargo__snapshot_confirmed__descriptor, DONE, "confirmed", tell_confirmed},
    {&embargo__snapshot_rejected__descriptor, DONE, "rejected", tell_rejected},
};

static void tell_json(const struct outcome *o, const struct answer_row *row,
                      const struct seen *seen)
{
    show_json(json_pack("{s:s, s:s, s:I, s:I, s:i, s:s, s:o}", "list", o->list, "outcome",
                        row->outcome, "request", (json_int_t)o->request, "position",
                        (json_int_t)seen->position, "entries", (int)o->entries, "type",
                        seen->type->name, "answer", json_of_message(seen->body)));
}

static void tell(struct outcome *o, const struct seen *seen)
{
    for (size_t i = 0; i < sizeof answer_rows / sizeof *answer_rows; i++) {
        const struct answer_row *row = &answer_rows[i];
        if (row->type != seen->type || o->told)
            continue;
        progress_end(&o->s->progress);
        if (o->json)
            tell_json(o, row, seen);
        else
            row->tell(o, seen->body);
        o->told = true;
        o->status = row->status;
    }
}

/* ---- waiting ---- */

static bool watch_answers(void *arg, const struct seen *seen)
{
    struct outcome *o = arg;
    const Core__Envelope *e = seen->event.envelope;

    if (e->cause == o->request && seen->type == &sanctions__snapshot_published__descriptor) {
        const Sanctions__SnapshotPublished *p = (const void *)seen->body;
        o->snapshot = seen->position;
        o->entries = p->entries;
        progress_step(&o->s->progress, "comparing the list", 0, 0);
    }
    if (e->cause != o->request && (!o->snapshot || e->cause != o->snapshot))
        return true;
    if (seen->body)
        tell(o, seen);
    /* the answers of the adapter end with what is told here or with the snapshot; the worker's are
     * counted, so that all notices are recorded when the command ends */
    if (o->snapshot && e->cause == o->snapshot) {
        progress_step(&o->s->progress, "recording notices", e->ordinal + 1, e->of);
        o->answered = o->told && e->ordinal + 1 == e->of;
    } else if (!o->snapshot && o->told) {
        o->answered = e->ordinal + 1 == e->of;
    }
    return !o->answered;
}

static int outcome_wait(struct outcome *o, const char *feed)
{
    struct look look = {
        .streams = {"embargo.out", feed},
        .from = o->request + 1,
        .follow = true,
        .patience = answer_for,
        .each = watch_answers,
        .arg = o,
    };
    int rc = session_look(o->s, &look);

    if (rc == FAILED && !o->answered)
        complain("no answer within %d s, but the request is recorded at position %llu; see"
                 " `chancery status`",
                 (int)(answer_for / 1000000), (unsigned long long)o->request);
    return rc == DONE ? o->status : rc;
}

/* ---- importing ---- */

struct sending {
    bool done;
    int status;
};

static void on_part(void *arg, int err, const char *text)
{
    struct sending *sending = arg;

    sending->done = true;
    if (err < 0) {
        complain("the file cannot be stored: %s: %s", err_code(err), text ? text : err_text(err));
        sending->status = FAILED;
    }
}

static int send_part(struct session *s, const char *file, struct chancery_part *part)
{
    struct sending sending = {0};
    int rc = chancery_put_part(s->client, file, part, on_part, &sending);

    if (rc < 0) {
        complain("%s: %s", file, rc == ERR_IO ? strerror(errno) : err_text(rc));
        return FAILED;
    }
    rc = session_wait(s, &sending.done, answer_for);
    if (rc == FAILED)
        complain("the file could not be sent within %d s", (int)(answer_for / 1000000));
    return rc == DONE ? sending.status : rc;
}

static int send_request(struct outcome *o, const char *file, struct chancery_part *part,
                        const Sanctions__ImportList *request)
{
    o->s->part_missing = false;
    progress_step(&o->s->progress, "sending the file", 0, 0);
    int rc = send_part(o->s, file, part);
    return rc == DONE ? session_request(o->s, "sanctions.in", &request->base, part, &o->request)
                      : rc;
}

static int import(struct outcome *o, const char *file)
{
    Sanctions__ImportList request = SANCTIONS__IMPORT_LIST__INIT;
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    struct chancery_part part = {.media_type = "application/xml", .name = name};
    char feed[80];

    request.list = o->list;
    request.file_name = name;
    int rc = send_request(o, file, &part, &request);
    for (int again = 0; rc == FAILED && o->s->part_missing && again < 3; again++)
        rc = send_request(o, file, &part, &request); /* the broker began anew in between */
    if (rc != DONE)
        return rc;
    progress_step(&o->s->progress, "reading the list", 0, 0);
    snprintf(feed, sizeof feed, "%s.feed", o->list);
    return outcome_wait(o, feed);
}

int list_import_run(const struct call *c)
{
    struct session s;
    struct outcome o = {.s = &s, .list = list_of(c), .json = c->option[OPT_JSON] != NULL};

    if (access(c->argument[0], R_OK) != 0) {
        complain("%s: %s", c->argument[0], strerror(errno));
        return FAILED;
    }
    int rc = session_open_publishing(&s, c);
    if (rc != DONE)
        return rc;
    rc = import(&o, c->argument[0]);
    session_close(&s);
    return rc;
}

/* ---- deciding what was set aside ---- */

/* The one snapshot set aside whose hash begins so. */
static int snapshot_find(struct session *s, const char *list, const char *prefix, uint8_t hash[32])
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;
    size_t found = 0;

    if (hex_decode(hash, 32, prefix))
        return DONE;
    question.list = list;
    int rc =
        session_ask(s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer);
    if (rc != DONE)
        return rc;
    const Embargo__ListStatuses *statuses = answer;
    for (size_t i = 0; i < statuses->n_lists; i++) {
        const Embargo__SnapshotSetAside *a = statuses->lists[i]->set_aside;
        char *hex = a && a->snapshot.len == 32 ? hex_of(a->snapshot, 0) : NULL;
        if (hex && prefix[0] && strncasecmp(hex, prefix, strlen(prefix)) == 0) {
            memcpy(hash, a->snapshot.data, 32);
            found++;
        }
        mem_free(hex);
    }
    if (found == 1)
        return DONE;
    complain("%s snapshot set aside begins with %s; `chancery list status` shows what waits",
             found ? "more than one" : "no", prefix);
    return FAILED;
}

static int request_decision(struct outcome *o, const struct call *c, uint8_t hash[32], bool confirm)
{
    Embargo__ConfirmSnapshot yes = EMBARGO__CONFIRM_SNAPSHOT__INIT;
    Embargo__RejectSnapshot no = EMBARGO__REJECT_SNAPSHOT__INIT;
    const char *reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";

    yes.list = no.list = o->list;
    yes.snapshot = no.snapshot = (ProtobufCBinaryData){32, hash};
    yes.reason = no.reason = reason;
    int rc = session_request(o->s, "embargo.in", confirm ? &yes.base : &no.base, NULL, &o->request);
    return rc == DONE ? outcome_wait(o, NULL) : rc;
}

static int decide(const struct call *c, bool confirm)
{
    struct session s;
    struct outcome o = {.s = &s, .list = list_of(c), .json = c->option[OPT_JSON] != NULL};
    uint8_t hash[32];
    int rc = session_open_publishing(&s, c);

    if (rc != DONE)
        return rc;
    rc = snapshot_find(&s, o.list, c->argument[0], hash);
    if (rc == DONE)
        rc = request_decision(&o, c, hash, confirm);
    session_close(&s);
    return rc;
}

int list_confirm_run(const struct call *c)
{
    return decide(c, true);
}

int list_reject_run(const struct call *c)
{
    return decide(c, false);
}
