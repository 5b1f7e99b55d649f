/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/outcome.h"

#include "adapters/terminal/show.h"
#include "chancery/core/v1/answers.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(120) * 1000000;

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
        progress_begin(&o->s->progress, "recording notices"); /* that stand behind */
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

/* An adapter that refuses a list answers in its own feed, whatever list was asked for: so no stream
 * is named. */
int outcome_wait(struct outcome *o)
{
    struct look look = {
        .from = o->request + 1,
        .follow = true,
        .patience = answer_for,
        .each = watch_answers,
        .arg = o,
    };
    int rc = session_look(o->s, &look);

    if (rc == FAILED && !o->answered)
        session_fail(o->s,
                     "no answer within %d s, but the request is recorded at position %llu; see"
                     " `chancery status`",
                     (int)(answer_for / 1000000), (unsigned long long)o->request);
    return rc == DONE ? o->status : rc;
}
