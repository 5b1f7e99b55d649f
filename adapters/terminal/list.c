/* SPDX-License-Identifier: Apache-2.0 */
/* list.c - what is in force: questions to the embargo worker */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/json.h"

/* ---- show ---- */

static void show_each(const char *label, char *const values[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        show_line(i ? "" : label, "%s", values[i]);
}

static void join(struct buf *out, const char *s)
{
    if (s && s[0])
        buf_printf(out, "%s%s", out->size ? ", " : "", s);
}

static void show_joined(const char *label, struct buf *text)
{
    show_line(label, "%s", buf_cstr(text));
    buf_reset(text);
}

static const char *date_text(const Sanctions__ListDate *d)
{
    return d ? d->text : "";
}

static void show_aliases(const Sanctions__ListedParty *p)
{
    struct buf text = {0};

    for (size_t i = 0; i < p->n_aliases; i++) {
        const Sanctions__Alias *a = p->aliases[i];
        char *quality = enum_of(&sanctions__alias_quality__descriptor, (int)a->quality);

        join(&text, a->name);
        if (a->quality || (a->quality_text && a->quality_text[0]))
            buf_printf(&text, " (%s)", a->quality ? quality : a->quality_text);
        join(&text, date_text(a->birth_date));
        join(&text, a->city_of_birth);
        join(&text, a->country_of_birth);
        join(&text, a->note);
        show_joined(i ? "" : "aliases", &text);
        mem_free(quality);
    }
    buf_free(&text);
}

static void show_places(const char *label, Sanctions__Place *const places[], size_t n)
{
    struct buf text = {0};

    for (size_t i = 0; i < n; i++) {
        join(&text, places[i]->street);
        join(&text, places[i]->city);
        join(&text, places[i]->state_province);
        join(&text, places[i]->zip_code);
        join(&text, places[i]->country);
        join(&text, places[i]->note);
        show_joined(i ? "" : label, &text);
    }
    buf_free(&text);
}

static void show_dates(const char *label, Sanctions__ListDate *const dates[], size_t n)
{
    struct buf text = {0};

    for (size_t i = 0; i < n; i++) {
        char *type = enum_of(&sanctions__date_type__descriptor, (int)dates[i]->type);
        join(&text, dates[i]->text);
        if (dates[i]->type > SANCTIONS__DATE_TYPE__DATE_TYPE_EXACT)
            buf_printf(&text, " (%s)", type);
        join(&text, dates[i]->note);
        show_joined(i ? "" : label, &text);
        mem_free(type);
    }
    buf_free(&text);
}

static void show_documents(const Sanctions__ListedParty *p)
{
    struct buf text = {0};

    for (size_t i = 0; i < p->n_documents; i++) {
        const Sanctions__Document *d = p->documents[i];
        join(&text, d->type);
        join(&text, d->type2);
        join(&text, d->number);
        join(&text, d->issuing_country);
        join(&text, d->country_of_issue);
        join(&text, d->city_of_issue);
        join(&text, date_text(d->issued));
        join(&text, d->note);
        show_joined(i ? "" : "documents", &text);
    }
    buf_free(&text);
}

static void show_listed(const Sanctions__ListedParty *p)
{
    char *type = enum_of(&sanctions__party_type__descriptor, (int)p->type);

    show_line("reference", "%s (%s, %s)", p->reference, p->committee, type);
    show_line("name", "%s", p->name);
    show_line("in own script", "%s", p->name_original_script);
    show_line("gender", "%s", p->gender);
    show_each("titles", (char *const *)(uintptr_t)p->titles, p->n_titles);
    show_each("designations", (char *const *)(uintptr_t)p->designations, p->n_designations);
    show_dates("born", p->birth_dates, p->n_birth_dates);
    show_places("born in", p->birth_places, p->n_birth_places);
    show_each("nationalities", (char *const *)(uintptr_t)p->nationalities, p->n_nationalities);
    show_aliases(p);
    show_places("addresses", p->addresses, p->n_addresses);
    show_documents(p);
    show_line("listed on", "%s", date_text(p->listed_on));
    show_line("submitted by", "%s", p->submitted_by);
    show_dates("updated on", p->updated_on, p->n_updated_on);
    show_line("comments", "%s", p->comments);
    show_line("internal id", "%s", p->internal_id);
    mem_free(type);
}

static void show_party(const Embargo__Party *p, const char *given)
{
    char *snapshot = hex_of(p->snapshot, 12), *reference = safe(given);

    if (p->party)
        show_listed(p->party);
    if (p->listed)
        show_line("in force", "%s, since position %llu, snapshot %s",
                  p->standing == EMBARGO__STANDING__STANDING_PROVISIONAL ? "provisionally"
                                                                         : "finally",
                  (unsigned long long)p->position, snapshot);
    else if (p->removed_by)
        printf("%s is not in force: removed by notice %llu\n", reference,
               (unsigned long long)p->removed_by);
    else
        printf("%s is not in force\n", reference);
    mem_free(snapshot);
    mem_free(reference);
}

/* --at, 0 = now; what the log does not hold yet nobody can tell. */
static bool at_given(const struct call *c, uint64_t *at)
{
    *at = 0;
    return !c->option[OPT_AT] || call_position(c, c->option[OPT_AT], at);
}

static int at_check(struct session *s, uint64_t at)
{
    uint64_t head = chancery_current(s->client)->head;

    return at <= head ? DONE
                      : session_fail(s, "position %llu is not in the log yet: it ends at %llu",
                                     (unsigned long long)at, (unsigned long long)head);
}

int list_show_run(const struct call *c)
{
    Embargo__GetParty question = EMBARGO__GET_PARTY__INIT;
    const void *answer = NULL;
    struct session s;

    question.list = list_of(c);
    question.reference = c->argument[0];
    if (!at_given(c, &question.at))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    rc = at_check(&s, question.at);
    if (rc == DONE)
        rc = session_ask(&s, "embargo", &question.base, &embargo__party__descriptor, &answer);
    progress_end(&s.progress);
    const Embargo__Party *party = answer;
    if (rc == DONE && c->option[OPT_JSON])
        show_message(&party->base);
    else if (rc == DONE)
        show_party(party, c->argument[0]);
    if (rc == DONE && !party->listed)
        rc = FAILED;
    session_close(&s);
    return rc;
}

/* ---- history ---- */

static void show_changes(Embargo__FieldChange *const changes[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const Embargo__FieldChange *f = changes[i];

        show_line("", "%s%s", f->name,
                  f->weight == EMBARGO__WEIGHT__WEIGHT_EDITORIAL ? " (editorial)" : "");
        for (size_t k = 0; k < f->n_before; k++)
            show_line("", "  - %s", f->before[k]);
        for (size_t k = 0; k < f->n_after; k++)
            show_line("", "  + %s", f->after[k]);
    }
}

static void show_history(const Embargo__HistoryLine *l)
{
    char *kind =
        l->number ? enum_of(&embargo__notice_kind__descriptor, (int)l->kind) : mem_str("baseline");
    char *standing = enum_of(&embargo__standing__descriptor, (int)l->standing);
    char *stamp = safe(l->generated_text);

    printf("position %-8llu%s", (unsigned long long)l->position, kind);
    if (l->number)
        printf(", notice %llu, %s%s", (unsigned long long)l->number, standing,
               l->withdrawn ? ", withdrawn" : "");
    printf(", list of %s\n", stamp);
    show_changes(l->changes, l->n_changes);
    mem_free(kind);
    mem_free(standing);
    mem_free(stamp);
}

int list_history_run(const struct call *c)
{
    Embargo__GetHistory question = EMBARGO__GET_HISTORY__INIT;
    const void *answer = NULL;
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    question.list = list_of(c);
    question.reference = c->argument[0];
    do {
        rc = session_ask(&s, "embargo", &question.base, &embargo__history__descriptor, &answer);
        progress_end(&s.progress);
        if (rc != DONE)
            break;
        const Embargo__History *h = answer;
        for (size_t i = 0; i < h->n_lines; i++) {
            if (c->option[OPT_JSON])
                show_message(&h->lines[i]->base);
            else
                show_history(h->lines[i]);
        }
        question.cursor = h->cursor;
    } while (question.cursor[0]);
    session_close(&s);
    return rc;
}

/* ---- ls ---- */

static void add_party(struct table *t, const Embargo__PartyLine *p)
{
    char *type = enum_of(&sanctions__party_type__descriptor, (int)p->type);

    table_cell(t, "%s", p->reference);
    table_cell(t, "%s", p->committee);
    table_cell(t, "%s", type);
    table_cell(t, "%s",
               p->standing == EMBARGO__STANDING__STANDING_PROVISIONAL ? "provisional" : "final");
    table_cell(t, "%s", p->name);
    mem_free(type);
}

/* Asks page by page; into the table, or as JSON where there is none. */
static int parties_each(struct session *s, Embargo__ListParties *question, struct table *t)
{
    const void *answer = NULL;
    uint64_t n = 0;
    int rc;

    do {
        rc = session_ask(s, "embargo", &question->base, &embargo__parties__descriptor, &answer);
        if (rc != DONE)
            return rc;
        const Embargo__Parties *page = answer;
        for (size_t i = 0; i < page->n_parties; i++) {
            if (t)
                add_party(t, page->parties[i]);
            else
                show_message(&page->parties[i]->base);
        }
        n += page->n_parties;
        progress_step(&s->progress, "listing", n, page->total);
        question->cursor = page->cursor;
    } while (question->cursor[0]);
    if (n == 0 && question->committee[0])
        return session_fail(s,
                            "no entry of a committee '%s' is in force; `chancery list status` names"
                            " the committees",
                            question->committee);
    return DONE;
}

int list_ls_run(const struct call *c)
{
    static const char *const head[] = {"REFERENCE", "COMMITTEE", "TYPE", "STANDING", "NAME", NULL};
    Embargo__ListParties question = EMBARGO__LIST_PARTIES__INIT;
    struct session s;

    if (!at_given(c, &question.at))
        return USAGE;
    int rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    struct table *t = c->option[OPT_JSON] ? NULL : table_new(head);
    question.list = list_of(c);
    question.committee = c->option[OPT_COMMITTEE] ? c->option[OPT_COMMITTEE] : "";
    rc = at_check(&s, question.at);
    if (rc == DONE)
        rc = parties_each(&s, &question, t);
    progress_end(&s.progress);
    if (rc == DONE && t)
        table_print(t, stdout);
    if (t)
        table_free(t);
    session_close(&s);
    return rc;
}

/* ---- status ---- */

static void show_set_aside(const Embargo__SnapshotSetAside *a)
{
    char *hash = hex_of(a->snapshot, 12);

    show_line("set aside", "snapshot %s, list of %s: %u changes wait, %u of them removals", hash,
              a->generated_text, a->waiting, a->removals);
    for (size_t i = 0; i < a->n_doubts; i++)
        show_line("", "- %s", a->doubts[i]->text);
    show_line("", "chancery list confirm %s, or chancery list reject %s", hash, hash);
    mem_free(hash);
}

void show_list_status(const Embargo__ListStatus *l)
{
    char *hash = hex_of(l->in_force, 12), *when = time_of(l->generated, true);

    show_line("list", "%s: %u entries in force, %u of them provisional, %llu notices", l->list,
              l->entries, l->provisional, (unsigned long long)l->last_number);
    show_line("snapshot", "%s of %s, in force since position %llu", hash, when,
              (unsigned long long)l->position);
    for (size_t i = 0; i < l->n_committees; i++)
        show_line(i ? "" : "committees", "%-16s %u", l->committees[i]->committee,
                  l->committees[i]->entries);
    if (l->set_aside)
        show_set_aside(l->set_aside);
    mem_free(hash);
    mem_free(when);
}

int list_status_run(const struct call *c)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;
    const void *answer = NULL;
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    question.list = c->option[OPT_LIST] ? c->option[OPT_LIST] : "";
    rc = session_ask(&s, "embargo", &question.base, &embargo__list_statuses__descriptor, &answer);
    progress_end(&s.progress);
    const Embargo__ListStatuses *statuses = answer;
    if (rc == DONE && c->option[OPT_JSON])
        show_message(&statuses->base);
    for (size_t i = 0; rc == DONE && !c->option[OPT_JSON] && i < statuses->n_lists; i++)
        show_list_status(statuses->lists[i]);
    if (rc == DONE && !c->option[OPT_JSON] && statuses->n_lists == 0)
        puts("no list was imported yet: chancery list import --list un FILE");
    session_close(&s);
    return rc;
}
