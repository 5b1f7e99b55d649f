/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - `office ls`, `group ls`, `access ls`, `access test`, `act ls` */
#include "adapters/terminal/registry.h"

#include "adapters/terminal/commands.h"
#include "adapters/terminal/draft.h"
#include "adapters/terminal/show.h"
#include "lib/err.h"
#include "lib/json.h"

static const int64_t answer_for = INT64_C(30) * 1000000;

struct fetching {
    struct session *s;
    bool quiet; /* nothing is complained about */
    bool done;
    const Core__Registry *answer;
};

static void on_registry(void *arg, int err, const char *text, const void *registry, size_t size)
{
    struct fetching *f = arg;

    f->done = true;
    if (err == 0)
        f->answer = core__registry__unpack(arena_allocator(f->s->arena), size, registry);
    if (!f->answer && !f->quiet)
        session_fail(f->s, "%s: %s", err_code(err ? err : ERR_MALFORMED), text);
}

const Core__Registry *registry_quietly(struct session *s)
{
    struct fetching f = {.s = s, .quiet = true};

    if (chancery_registry(s->client, on_registry, &f) == 0)
        session_wait(s, &f.done, answer_for);
    return f.answer;
}

int registry_fetch(struct session *s, const Core__Registry **out)
{
    struct fetching f = {.s = s};
    int rc = chancery_registry(s->client, on_registry, &f);

    if (rc < 0)
        return session_fail(s, "cannot ask for the registry: %s", err_text(rc));
    rc = session_wait(s, &f.done, answer_for);
    if (rc == FAILED)
        session_fail(s, "the broker does not tell its registry");
    *out = f.answer;
    return rc == DONE && !f.answer ? FAILED : rc;
}

int registry_look(const struct call *c, int (*print)(const struct call *c, const Core__Registry *r))
{
    const Core__Registry *r = NULL;
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = registry_fetch(&s, &r);
    progress_end(&s.progress);
    if (r)
        rc = print(c, r);
    session_close(&s);
    return rc;
}

struct listing { /* how a part of it is shown */
    const char *const *head;
    void (*rows)(const Core__Registry *r, struct table *t);
    ProtobufCMessage *(*nth)(const Core__Registry *r, size_t i);
};

static int show_listing(const struct call *c, const Core__Registry *r, const struct listing *l)
{
    if (c->option[OPT_JSON]) {
        for (size_t i = 0; l->nth(r, i); i++)
            show_message(l->nth(r, i));
        return DONE;
    }
    struct table *t = table_new(l->head);
    l->rows(r, t);
    table_print(t, stdout);
    table_free(t);
    return DONE;
}

/* ---- offices ---- */

static void words_add(struct buf *b, const char *const words[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_printf(b, "%s%s", i ? "," : "", words[i]);
}

static size_t seated_in(const Core__Registry *r, const char *office)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_seats; i++)
        n += strcmp(r->seats[i]->office, office) == 0 &&
             r->seats[i]->standing == CORE__STANDING__STANDING_SEATED;
    return n;
}

static void show_offices(const Core__Registry *r, struct table *t)
{
    for (size_t i = 0; i < r->n_offices; i++) {
        const Core__OfficeAdded *o = r->offices[i];
        struct buf roles = {0};
        words_add(&roles, o->roles, o->n_roles);
        table_cell(t, "%s", o->office);
        table_cell(t, "%s", label_text((int)o->clearance));
        table_cell(t, "%zu", seated_in(r, o->office));
        table_cell(t, "%u", o->seats_most);
        table_cell(t, "%s", roles.size ? buf_cstr(&roles) : "-");
        table_cell(t, "%s", o->name);
        buf_free(&roles);
    }
}

static ProtobufCMessage *nth_office(const Core__Registry *r, size_t i)
{
    return i < r->n_offices ? &r->offices[i]->base : NULL;
}

static int print_office(const struct call *c, const Core__Registry *r)
{
    static const char *const head[] = {"OFFICE", "CLEARANCE", "SEATED", "FILLS",
                                       "ROLES",  "NAME",      NULL};

    return show_listing(c, r, &(struct listing){head, show_offices, nth_office});
}

int office_ls_run(const struct call *c)
{
    return registry_look(c, print_office);
}

/* ---- groups ---- */

static void show_groups(const Core__Registry *r, struct table *t)
{
    for (size_t i = 0; i < r->n_groups; i++) {
        const Core__GroupSet *g = r->groups[i];
        struct buf members = {0};
        for (size_t k = 0; k < g->n_members; k++)
            buf_printf(&members, "%s%s%s", k ? "," : "",
                       g->members[k]->kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT ? "seat:"
                                                                                        : "",
                       g->members[k]->name);
        table_cell(t, "%s@%u", g->group, g->version);
        table_cell(t, "%s", members.size ? buf_cstr(&members) : "-");
        table_cell(t, "%s", g->name);
        buf_free(&members);
    }
}

static ProtobufCMessage *nth_group(const Core__Registry *r, size_t i)
{
    return i < r->n_groups ? &r->groups[i]->base : NULL;
}

static int print_group(const struct call *c, const Core__Registry *r)
{
    static const char *const head[] = {"GROUP", "MEMBERS", "NAME", NULL};

    return show_listing(c, r, &(struct listing){head, show_groups, nth_group});
}

int group_ls_run(const struct call *c)
{
    return registry_look(c, print_group);
}

/* ---- access ---- */

static void subject_cell(struct table *t, const Core__AccessRule *rule)
{
    switch (rule->subject_kind) {
    case CORE__SUBJECT_KIND__SUBJECT_KIND_ANY:
        table_cell(t, "any");
        break;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE:
        table_cell(t, "role:%s", rule->subject);
        break;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT:
        table_cell(t, "seat:%s", rule->subject);
        break;
    case CORE__SUBJECT_KIND__SUBJECT_KIND_PARTY:
    case CORE__SUBJECT_KIND__SUBJECT_KIND_OFFICE:
    case CORE__SUBJECT_KIND__SUBJECT_KIND_UNSPECIFIED:
    case _CORE__SUBJECT_KIND_IS_INT_SIZE:
    default:
        table_cell(t, "%s", rule->subject);
    }
}

static void show_rules(const Core__Registry *r, struct table *t)
{
    for (size_t i = 0; i < r->n_rules; i++) {
        const Core__AccessRule *rule = r->rules[i];
        struct buf may = {0};
        for (size_t k = 0; k < rule->n_verbs; k++) {
            char *verb = enum_of(&core__verb__descriptor, (int)rule->verbs[k]);
            buf_printf(&may, "%s%s", k ? "," : "", verb);
            mem_free(verb);
        }
        table_cell(t, "%s", rule->rule);
        table_cell(t, "%s", rule->effect == CORE__EFFECT__EFFECT_DENY ? "deny" : "allow");
        subject_cell(t, rule);
        table_cell(t, "%s", buf_cstr(&may));
        table_cell(t, "%s", rule->stream);
        table_cell(t, "%s", rule->type);
        buf_free(&may);
    }
}

static ProtobufCMessage *nth_rule(const Core__Registry *r, size_t i)
{
    return i < r->n_rules ? &r->rules[i]->base : NULL;
}

static int print_access(const struct call *c, const Core__Registry *r)
{
    static const char *const head[] = {"RULE",   "EFFECT", "SUBJECT", "VERBS",
                                       "STREAM", "TYPE",   NULL};

    return show_listing(c, r, &(struct listing){head, show_rules, nth_rule});
}

int access_ls_run(const struct call *c)
{
    return registry_look(c, print_access);
}

struct testing {
    struct session *s;
    bool done, json;
    int status;
};

static void on_access(void *arg, int err, bool allowed, const char *rule, const char *reason)
{
    struct testing *t = arg;

    t->done = true;
    progress_end(&t->s->progress);
    t->status = err ? FAILED : DONE;
    if (err)
        session_fail(t->s, "%s: %s", err_code(err), reason);
    else if (t->json)
        show_json(json_pack("{s:b, s:s, s:s}", "allowed", allowed, "rule", rule, "reason", reason));
    else
        printf("%s%s%s: %s\n", allowed ? "yes" : "no", rule[0] ? ", by rule " : "", rule, reason);
}

static int ask_access(const struct call *c, const struct chancery_access *question)
{
    struct session s;
    struct testing t = {&s, false, c->option[OPT_JSON] != NULL, FAILED};
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = chancery_may(s.client, question, on_access, &t);
    if (rc < 0)
        rc = session_fail(&s, "cannot ask: %s", err_text(rc));
    else if ((rc = session_wait(&s, &t.done, answer_for)) == DONE)
        rc = t.status;
    session_close(&s);
    return rc;
}

int access_test_run(const struct call *c)
{
    struct chancery_access question = {
        .seat = c->argument[0], .stream = c->argument[2], .type = c->option[OPT_RULE_TYPE]};

    question.through = c->option[OPT_THROUGH];
    question.verb = enum_of_word(&core__verb__descriptor, "VERB_", c->argument[1]);
    if (!question.verb)
        return call_usage(c, "%s: not publish, read, ask or offer", c->argument[1]);
    if (c->option[OPT_RULE_LABEL])
        question.label =
            enum_of_word(&core__label__descriptor, "LABEL_", c->option[OPT_RULE_LABEL]);
    return ask_access(c, &question);
}

/* ---- acts that wait ---- */

static void show_acts(const Core__Registry *r, struct table *t)
{
    for (size_t i = 0; i < r->n_acts; i++) {
        const Core__WaitingAct *a = r->acts[i];
        struct buf seats = {0};
        words_add(&seats, a->signed_by, a->n_signed_by);
        table_cell(t, "%llu", (unsigned long long)a->position);
        table_cell(t, "%s", a->type);
        table_cell(t, "%zu of %u", a->n_signed_by, r->quorum);
        table_cell(t, "%s", buf_cstr(&seats));
        buf_free(&seats);
    }
}

static ProtobufCMessage *nth_act(const Core__Registry *r, size_t i)
{
    return i < r->n_acts ? &r->acts[i]->base : NULL;
}

static int print_act(const struct call *c, const Core__Registry *r)
{
    static const char *const head[] = {"POSITION", "ACT", "SIGNED", "BY", NULL};

    return show_listing(c, r, &(struct listing){head, show_acts, nth_act});
}

int act_ls_run(const struct call *c)
{
    return registry_look(c, print_act);
}
