/* SPDX-License-Identifier: Apache-2.0 */
/* invitations.c - `seat invitations`: who was invited, and what the registry says became of it */
#include <strings.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/invited.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/mem.h"

static const int64_t DAY = INT64_C(24) * 3600 * 1000000;

enum state { OPEN, WAITING, KEYLESS, ADMITTED, LEFT, REVOKED };

static const char *const state_names[] = {
    [OPEN] = "open",         [WAITING] = "waiting", [KEYLESS] = "keyless",
    [ADMITTED] = "admitted", [LEFT] = "left",       [REVOKED] = "revoked"};

struct fate { /* of an invitation */
    enum state state;
    uint64_t position;  /* of the admission; 0 = there is none */
    const char *office; /* that it was to */
    int64_t at, days;   /* when it was sent, and how many ago */
};

struct listing {
    const struct call *call;
    const Core__Registry *registry;
    struct table *table; /* NULL: JSON */
    uint64_t older;      /* days; 0 = all */
};

/* ---- what became of it ---- */

static const Core__SeatStands *seat_of(const Core__Registry *r, const char *name)
{
    for (size_t i = 0; i < r->n_seats; i++)
        if (strcasecmp(r->seats[i]->seat, name) == 0)
            return r->seats[i];
    return NULL;
}

static bool has_key(const Core__SeatStands *seat)
{
    for (size_t i = 0; i < seat->n_keys; i++)
        if (!seat->keys[i]->revoked)
            return true;
    return false;
}

/* Where the admission stands that other administrators have yet to sign; 0 = nowhere. */
static uint64_t waiting_at(const Core__Registry *r, const char *seat)
{
    uint64_t position = 0;

    for (size_t i = 0; i < r->n_acts && !position; i++) {
        const Core__WaitingAct *a = r->acts[i];
        if (strcmp(a->type, core__seat_admitted__descriptor.name) != 0)
            continue;
        Core__SeatAdmitted *m = core__seat_admitted__unpack(NULL, a->payload.len, a->payload.data);
        if (m && strcasecmp(m->seat, seat) == 0)
            position = a->position;
        if (m)
            core__seat_admitted__free_unpacked(m, NULL);
    }
    return position;
}

static enum state state_of(const Core__SeatStands *seat)
{
    if (seat->standing == CORE__STANDING__STANDING_REVOKED)
        return REVOKED;
    if (seat->standing == CORE__STANDING__STANDING_LEFT)
        return LEFT;
    return has_key(seat) ? ADMITTED : KEYLESS;
}

static struct fate fate_of(const Core__Registry *r, const struct invited *i)
{
    const Core__SeatStands *seat = seat_of(r, i->seat);
    struct fate f = {.office = seat ? seat->office : i->office};

    time_parse(&f.at, i->at);
    f.days = (time_now() - f.at) / DAY;
    f.position = seat ? seat->admitted : waiting_at(r, i->seat);
    f.state = seat ? state_of(seat) : f.position ? WAITING : OPEN;
    return f;
}

/* ---- telling ---- */

static char *says(const struct fate *f, const struct invited *i)
{
    unsigned long long at = f->position;
    bool elsewhere = strcasecmp(f->office, i->office) != 0;

    switch (f->state) {
    case OPEN:
        return mem_printf("open for %lld days", (long long)f->days);
    case WAITING:
        return mem_printf("waits at position %llu for other administrators", at);
    case KEYLESS:
        return mem_printf("admitted at position %llu, without a key", at);
    case ADMITTED:
    case LEFT:
    case REVOKED:
    default:
        return mem_printf("%s%s%s%sadmitted at position %llu",
                          f->state == ADMITTED ? "" : state_names[f->state],
                          f->state == ADMITTED ? "" : ", ", elsewhere ? "to " : "",
                          elsewhere ? f->office : "", at);
    }
}

static void tell_row(struct table *t, const struct invited *i, const struct fate *f)
{
    char *when = time_of(f->at, false), *state = says(f, i);

    table_cell(t, "%s", i->seat);
    table_cell(t, "%s", i->office);
    table_cell(t, "%s", when);
    table_cell(t, "%s", state);
    table_cell(t, "%s", i->name);
    mem_free(when);
    mem_free(state);
}

static int tell(void *arg, const struct invited *i)
{
    const struct listing *l = arg;
    struct fate f = fate_of(l->registry, i);

    if (l->older && (f.state != OPEN || f.days < (int64_t)l->older))
        return 0;
    if (l->table)
        tell_row(l->table, i, &f);
    else
        show_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "seat", i->seat, "office",
                            i->office, "name", i->name, "code", i->code, "invited", i->at, "state",
                            state_names[f.state], "position", (json_int_t)f.position, "days",
                            (json_int_t)f.days));
    return 0;
}

int seat_invitations_run(const struct call *c)
{
    static const char *const head[] = {"SEAT", "OFFICE", "INVITED", "STATE", "NAME", NULL};
    struct listing l = {.call = c};
    struct session s;

    if (!call_number(c, OPT_OLDER, 0, &l.older))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    rc = registry_fetch(&s, &l.registry);
    progress_end(&s.progress);
    if (rc == DONE) {
        l.table = c->option[OPT_JSON] ? NULL : table_new(head);
        rc = invited_each(s.settings.dir, tell, &l);
        if (l.table)
            table_print(l.table, stdout);
        if (l.table)
            table_free(l.table);
    }
    session_close(&s);
    return rc;
}
