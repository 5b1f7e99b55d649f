/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.c - receipts of a seat: what was recorded where, and whether the log still has it */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/types.h"

enum { EVENT_ARENA = 16 << 20 };

struct reading { /* through the receipts of one seat */
    const struct call *call;
    struct arena *arena;
    void (*each)(void *arg, const struct seen *seen, const char *log);
    void *arg;
    bool failed;
};

static int on_receipt(void *arg, const struct chancery_receipt *receipt)
{
    struct reading *r = arg;
    struct seen seen;

    if (seen_open(&seen, &receipt->record, r->arena) == DONE)
        r->each(r->arg, &seen, receipt->log);
    else
        r->failed = true;
    return 0;
}

static int receipts_read(const struct call *c,
                         void (*each)(void *arg, const struct seen *seen, const char *log),
                         void *arg)
{
    struct settings settings = {0};
    struct reading r = {c, NULL, each, arg, false};
    char why[256] = "";
    int status = settings_of_call(&settings, c);

    if (status != DONE)
        return status;
    r.arena = arena_new(EVENT_ARENA);
    int rc = chancery_receipts_each(settings.keep_dir, on_receipt, &r, why);
    if (rc && rc != ERR_NOT_FOUND) /* the seat has published nothing from here */
        complain("%s; what can be read is shown", why);
    arena_free(r.arena);
    settings_clear(&settings);
    return r.failed || (rc && rc != ERR_NOT_FOUND) ? FAILED : DONE;
}

/* ---- listed and shown ---- */

static void list_one(void *arg, const struct seen *seen, const char *log)
{
    const struct call *c = arg;
    const Core__Envelope *e = seen->event.envelope;
    char brief[160], *when = time_of(seen->received, false);

    type_short(brief, sizeof brief, e->type);
    if (c->option[OPT_JSON])
        show_json(json_pack("{s:I, s:s, s:s, s:s, s:s}", "position", (json_int_t)seen->position,
                            "received", when, "log", log, "stream", e->stream, "type", e->type));
    else
        printf("%8llu  %s  %-13s %-28s %s\n", (unsigned long long)seen->position, when, e->stream,
               brief, log);
    mem_free(when);
}

int receipt_ls_run(const struct call *c)
{
    return receipts_read(c, list_one, (void *)(uintptr_t)c);
}

struct showing {
    const struct call *call;
    uint64_t position;
    bool found;
};

static void show_one(void *arg, const struct seen *seen, const char *log)
{
    struct showing *s = arg;

    if (seen->position != s->position)
        return;
    if (!s->call->option[OPT_JSON])
        show_line("log", "%s", log);
    show_event(seen, s->call->option[OPT_JSON] != NULL);
    s->found = true;
}

int receipt_show_run(const struct call *c)
{
    struct showing s = {.call = c};

    if (!call_position(c, c->argument[0], &s.position))
        return USAGE;
    int status = receipts_read(c, show_one, &s);
    if (status == DONE && !s.found) {
        complain(
            "this seat has no receipt of position %s; `chancery receipt ls` lists those it has",
            c->argument[0]);
        status = FAILED;
    }
    return status;
}

/* ---- compared with the log ---- */

enum found { MISSING, SAME, MOVED, ALTERED, FOUND_KINDS };
static const char *const found_words[FOUND_KINDS] = {"missing", "the same", "moved", "altered"};

struct claim { /* what a receipt says */
    uint8_t id[ID_SIZE];
    struct hash envelope;
    char *log;
    uint64_t position, at; /* at: where the log has it; 0 = nowhere */
    enum found found;
};

struct claims {
    struct claim *list; /* by id */
    size_t n, capacity;
};

static void claim_add(void *arg, const struct seen *seen, const char *log)
{
    struct claims *c = arg;

    if (c->n == c->capacity) {
        c->capacity = c->capacity ? 2 * c->capacity : 256;
        c->list = mem_grow(c->list, c->capacity * sizeof *c->list);
    }
    struct claim *claim = &c->list[c->n++];
    *claim = (struct claim){
        .envelope = seen->event.envelope_hash, .log = mem_str(log), .position = seen->position};
    memcpy(claim->id, seen->event.envelope->id.data, ID_SIZE);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(((const struct claim *)a)->id, ((const struct claim *)b)->id, ID_SIZE);
}

static void claim_judge(struct claim *claim, const struct seen *seen)
{
    claim->at = seen->position;
    if (!hash_equal(&claim->envelope, &seen->event.envelope_hash))
        claim->found = ALTERED;
    else
        claim->found = claim->position == seen->position ? SAME : MOVED;
}

/* All receipts of the event: there is one a log that it was recorded in. */
static bool compare_one(void *arg, const struct seen *seen)
{
    struct claims *c = arg;
    struct claim key;

    memcpy(key.id, seen->event.envelope->id.data, ID_SIZE);
    struct claim *claim = c->n ? bsearch(&key, c->list, c->n, sizeof key, by_id) : NULL;
    while (claim && claim > c->list && by_id(claim - 1, &key) == 0)
        claim--;
    for (; claim && claim < c->list + c->n && by_id(claim, &key) == 0; claim++)
        claim_judge(claim, seen);
    return true;
}

static int by_position(const void *a, const void *b)
{
    const struct claim *x = a, *y = b;
    int log = strcmp(x->log, y->log);

    return log ? log : (x->position > y->position) - (x->position < y->position);
}

static void tell_claim(const struct claim *claim, bool json)
{
    if (json)
        show_json(json_pack("{s:s, s:I, s:s, s:I}", "log", claim->log, "position",
                            (json_int_t)claim->position, "found", found_words[claim->found], "at",
                            (json_int_t)claim->at));
    else if (claim->at)
        printf("position %llu of %s: %s, now at %llu\n", (unsigned long long)claim->position,
               claim->log, found_words[claim->found], (unsigned long long)claim->at);
    else
        printf("position %llu of %s: missing\n", (unsigned long long)claim->position, claim->log);
}

/* A receipt of another log, which this one goes on from, may be met at another position. */
static int tell_all(const struct claims *c, const char *log, bool json)
{
    size_t counts[FOUND_KINDS] = {0};
    int status = DONE;

    for (size_t i = 0; i < c->n; i++) {
        const struct claim *claim = &c->list[i];
        counts[claim->found]++;
        if (claim->found != SAME)
            tell_claim(claim, json);
        if (claim->found == MISSING || claim->found == ALTERED ||
            (claim->found == MOVED && strcmp(claim->log, log) == 0))
            status = FAILED;
    }
    if (json)
        show_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "ok", status == DONE, "receipts",
                            (json_int_t)c->n, "same", (json_int_t)counts[SAME], "moved",
                            (json_int_t)counts[MOVED], "missing", (json_int_t)counts[MISSING],
                            "altered", (json_int_t)counts[ALTERED]));
    else
        printf("%s: %zu receipts, %zu at their positions, %zu moved, %zu missing, %zu altered\n",
               status == DONE ? "ok" : "not ok", c->n, counts[SAME], counts[MOVED], counts[MISSING],
               counts[ALTERED]);
    if (counts[MISSING])
        complain("what is missing lies in a stream that this seat may not read, or the log was"
                 " restored from an older copy: the seat's next command that publishes brings it"
                 " back while the return is open");
    return status;
}

static int compare(struct claims *claims, const struct call *c)
{
    struct session s;
    int status = session_open(&s, c);

    if (status != DONE)
        return status;
    const struct chancery_session *session = chancery_current(s.client);
    struct look look = {.seat = session->seat, .each = compare_one, .arg = claims};
    if (claims->n)
        qsort(claims->list, claims->n, sizeof *claims->list, by_id);
    progress_step(&s.progress, "reading the log", 0, 0);
    status = session_look(&s, &look);
    progress_end(&s.progress);
    if (status == DONE) {
        if (claims->n)
            qsort(claims->list, claims->n, sizeof *claims->list, by_position);
        status = tell_all(claims, session->log, c->option[OPT_JSON] != NULL);
    }
    session_close(&s);
    return status;
}

int receipt_check_run(const struct call *c)
{
    struct claims claims = {0};
    int read = receipts_read(c, claim_add, &claims);
    int status = read == USAGE ? USAGE : compare(&claims, c);

    for (size_t i = 0; i < claims.n; i++)
        mem_free(claims.list[i].log);
    mem_free(claims.list);
    return status == DONE ? read : status;
}
