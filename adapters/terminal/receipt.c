/* SPDX-License-Identifier: Apache-2.0 */
/* receipt.c - `receipt ls`, `receipt show`: what was recorded where */
#include "adapters/terminal/receipt.h"

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/types.h"

enum { EVENT_ARENA = 16 << 20 };

struct reading { /* through the receipts of one seat */
    const struct call *call;
    struct arena *arena;
    receipt_each *each;
    void *arg;
    bool failed;
};

static int on_receipt(void *arg, const struct chancery_receipt *receipt)
{
    struct reading *r = arg;
    struct seen seen;

    if (seen_open(&seen, &receipt->record, r->arena) == DONE)
        r->each(r->arg, &seen, receipt);
    else
        r->failed = true;
    return 0;
}

int receipts_read(const struct call *c, receipt_each *each, void *arg)
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

static void list_one(void *arg, const struct seen *seen, const struct chancery_receipt *receipt)
{
    const struct call *c = arg;
    const Core__Envelope *e = seen->event.envelope;
    char brief[160], *when = time_of(seen->received, false);

    type_short(brief, sizeof brief, e->type);
    if (c->option[OPT_JSON])
        show_json(json_pack("{s:I, s:s, s:s, s:s, s:s}", "position", (json_int_t)seen->position,
                            "received", when, "log", receipt->log, "stream", e->stream, "type",
                            e->type));
    else
        printf("%8llu  %s  %-13s %-28s %s\n", (unsigned long long)seen->position, when, e->stream,
               brief, receipt->log);
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

static void show_one(void *arg, const struct seen *seen, const struct chancery_receipt *receipt)
{
    struct showing *s = arg;

    if (seen->position != s->position)
        return;
    if (!s->call->option[OPT_JSON])
        show_line("log", "%s", receipt->log);
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
