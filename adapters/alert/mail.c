/* SPDX-License-Identifier: Apache-2.0 */
/* mail.c - see mail.h */
#include "adapters/alert/mail.h"

#include <inttypes.h>
#include <stdio.h>

#include "adapters/alert/committee.h"
#include "adapters/alert/mime.h"
#include "adapters/alert/page.h"
#include "lib/envelope.h"
#include "lib/mem.h"
#include "lib/tree.h"

enum {
    SUBJECT_MOST = 255,
    NAMES_SHOWN = 4,           /* of changed fields in a subject */
    DETAILS_MOST = 192 * 1024, /* bytes of text; notices behind it stand without their fields */
    REFERENCES_SHOWN = 40,
};

/* Indexed by NoticeKind. */
static const char *const verbs[] = {"changed",  "added",   "re-listed", "amended",
                                    "re-keyed", "removed", "withdrawn"};
enum { VERBS = sizeof(verbs) / sizeof(verbs[0]) };

static const char *const kind_texts[VERBS] = {
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD] = "The party was added to the list.",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_RELIST] =
        "The party is on the list again: it was listed before under this reference.",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND] = "The party's entry was amended.",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_REKEY] =
        "The publisher gave the same party a new internal number. Nothing else follows from it.",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE] = "The party was removed from the list.",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_WITHDRAW] =
        "An earlier provisional notice about the party is taken back.",
};

static const char *const outcome_texts[] = {
    [ASIDE_WAITS] = "Nobody has decided yet.",
    [ASIDE_CONFIRMED] = "It has been confirmed since; nothing is left to decide.",
    [ASIDE_REJECTED] = "It has been rejected since; nothing is left to decide.",
    [ASIDE_OVERTAKEN] = "A newer snapshot has overtaken it; nothing is left to decide.",
};

static const char *const label_names[] = {"TLP:AMBER", "TLP:CLEAR",        "TLP:GREEN",
                                          "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"};
enum { LABELS = sizeof(label_names) / sizeof(label_names[0]) };

static const Embargo__Notice *notice_at(const struct item *item, size_t i)
{
    return (const Embargo__Notice *)item->events[i]->body;
}

static const Embargo__SnapshotSetAside *aside_of(const struct item *item)
{
    return (const Embargo__SnapshotSetAside *)item->events[0]->body;
}

static const Embargo__EditorialNotice *editorial_of(const struct told_event *event)
{
    return (const Embargo__EditorialNotice *)event->body;
}

static const char *verb_of(const Embargo__Notice *notice)
{
    return verbs[(unsigned)notice->kind < VERBS ? notice->kind : 0];
}

static bool provisional(const Embargo__Notice *notice)
{
    return notice->standing == EMBARGO__STANDING__STANDING_PROVISIONAL;
}

static int mode_of(const struct item *item)
{
    return item->events[0]->mode;
}

/* The highest label among the events; an unknown one counts as the highest. */
static int label_of(const struct item *item)
{
    int label = CORE__LABEL__LABEL_CLEAR;

    for (size_t i = 0; i < item->n; i++) {
        int other = item->events[i]->label;
        if (other <= 0 || other >= LABELS)
            other = CORE__LABEL__LABEL_RED;
        label = other > label ? other : label;
    }
    return label;
}

static bool restricted(const struct item *item)
{
    return label_of(item) > CORE__LABEL__LABEL_GREEN;
}

/* ---- subject ---- */

static bool named_before(const Embargo__Notice *notice, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(notice->changes[i]->name, notice->changes[n]->name) == 0)
            return true;
    return false;
}

static void add_changed_names(struct buf *out, const Embargo__Notice *notice)
{
    size_t shown = 0, more = 0;

    for (size_t i = 0; i < notice->n_changes; i++) {
        if (named_before(notice, i))
            continue;
        if (shown == NAMES_SHOWN) {
            more++;
            continue;
        }
        buf_printf(out, "%s%s", shown++ ? ", " : ": ", notice->changes[i]->name);
    }
    if (more > 0)
        buf_printf(out, " and %zu more", more);
}

static void subject_notice(struct buf *out, const struct item *item)
{
    const Embargo__Notice *notice = notice_at(item, 0);

    committee_short(out, notice->list, notice->committee, notice->generated);
    buf_printf(out, ": %s %s", notice->reference, verb_of(notice));
    if (notice->kind == EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND)
        add_changed_names(out, notice);
    if (provisional(notice))
        buf_add_str(out, " (provisional)");
}

/* "3 added, 9 amended" */
static void add_counts(struct buf *out, const struct item *item)
{
    size_t counts[VERBS] = {0};
    const char *between = "";

    for (size_t i = 0; i < item->n; i++)
        counts[(unsigned)notice_at(item, i)->kind < VERBS ? notice_at(item, i)->kind : 0]++;
    for (size_t kind = 0; kind < VERBS; kind++)
        if (counts[kind] > 0) {
            buf_printf(out, "%s%zu %s", between, counts[kind], verbs[kind]);
            between = ", ";
        }
}

static void subject_committee(struct buf *out, const struct item *item)
{
    const Embargo__Notice *first = notice_at(item, 0);

    committee_short(out, first->list, first->committee, first->generated);
    buf_printf(out, ": %zu notice%s: ", item->n, item->n == 1 ? "" : "s");
    add_counts(out, item);
    if (provisional(first))
        buf_add_str(out, " (provisional)");
}

static void subject_editorial(struct buf *out, const struct item *item)
{
    const Embargo__EditorialNotice *notice = editorial_of(item->events[0]);

    committee_short(out, notice->list, "", notice->generated);
    buf_printf(out, ": editorial changes to %u entr%s", notice->entries,
               notice->entries == 1 ? "y" : "ies");
}

static void subject_set_aside(struct buf *out, const struct item *item)
{
    const Embargo__SnapshotSetAside *event = aside_of(item);
    bool waits = item->aside->outcome == ASIDE_WAITS;

    committee_short(out, event->list, "", event->generated);
    buf_printf(out, ": snapshot of %s set aside", event->generated_text);
    if (event->removals > 0)
        buf_printf(out, ", %u removal%s", event->removals, event->removals == 1 ? "" : "s");
    if (item->reminder > 0 && waits)
        buf_printf(out, ": still waits for a decision (reminder %" PRId64 ")", item->reminder);
    else
        buf_add_str(out, waits ? ": a decision is needed" : ": decided since");
}

typedef void add_item(struct buf *out, const struct item *item);

static add_item *const subjects[] = {
    [ITEM_NOTICE] = subject_notice,
    [ITEM_COMMITTEE] = subject_committee,
    [ITEM_EDITORIAL] = subject_editorial,
    [ITEM_SET_ASIDE] = subject_set_aside,
};

/* Cut behind a whole character. */
static void cut(struct buf *text, size_t most)
{
    if (text->size <= most)
        return;
    size_t n = most - 3;
    while (n > 0 && (text->data[n] & 0xc0) == 0x80)
        n--;
    text->size = n;
    buf_add_str(text, "...");
}

void mail_subject(struct buf *out, const struct item *item)
{
    struct buf raw = {0}, shown = {0};

    if (mode_of(item) == CORE__MODE__MODE_EXERCISE)
        buf_add_str(&shown, "EXERCISE ");
    else if (mode_of(item) == CORE__MODE__MODE_TEST)
        buf_add_str(&shown, "TEST ");
    if (restricted(item))
        buf_printf(&raw, "restricted notice at position %" PRIu64, item->events[0]->position);
    else
        subjects[item->kind](&raw, item);
    page_show(&shown, buf_cstr(&raw));
    cut(&shown, SUBJECT_MOST);
    buf_add(out, shown.data, shown.size);
    buf_free(&raw);
    buf_free(&shown);
}

/* ---- body ---- */

static void fact_if(struct page *p, const char *name, const char *value)
{
    if (value && *value)
        page_fact(p, name, value);
}

static void fact_hash(struct page *p, const char *name, ProtobufCBinaryData hash)
{
    char hex[2 * HASH_SIZE + 1];

    if (hash.len != HASH_SIZE)
        return;
    hex_encode(hex, hash.data, hash.len);
    page_fact(p, name, hex);
}

static void fact_number(struct page *p, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    page_fact(p, name, text);
}

static void fact_time(struct page *p, const char *name, int64_t time)
{
    char text[40];

    if (time == 0)
        return;
    time_text(text, time);
    page_fact(p, name, text);
}

/* "UN 1267, ISIL (Da'esh) and Al-Qaida" */
static void fact_committee(struct page *p, const Embargo__Notice *notice)
{
    struct buf text = {0};

    if (!*notice->committee)
        return;
    committee_short(&text, notice->list, notice->committee, notice->generated);
    buf_printf(&text, ", %s", committee_name(notice->list, notice->committee, notice->generated));
    page_fact(p, "Committee", buf_cstr(&text));
    buf_free(&text);
}

static void add_changes(struct page *p, const Embargo__Notice *notice)
{
    for (size_t i = 0; i < notice->n_changes; i++) {
        const Embargo__FieldChange *c = notice->changes[i];
        page_change(p, c->name, c->source, c->before, c->n_before, c->after, c->n_after);
    }
}

static void add_provisional(struct page *p, const Embargo__Notice *notice)
{
    if (provisional(notice))
        page_warning(p, "PROVISIONAL: in force now, but its snapshot was set aside and waits for a "
                        "decision. A person confirms it, or it is taken back by another notice.");
}

static void body_notice(struct page *p, const struct item *item)
{
    const Embargo__Notice *notice = notice_at(item, 0);
    struct buf command = {0};

    add_provisional(p, notice);
    page_paragraph(p, kind_texts[(unsigned)notice->kind < VERBS && kind_texts[notice->kind]
                                     ? notice->kind
                                     : EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND]);
    page_facts_begin(p);
    page_fact(p, "Reference", notice->reference);
    page_fact(p, "Name", notice->name);
    fact_if(p, "In its own script", notice->name_original_script);
    page_fact(p, "List", list_name(notice->list));
    fact_committee(p, notice);
    fact_if(p, "Internal number", notice->internal_id);
    fact_if(p, "Internal, before", notice->previous_internal_id);
    if (notice->withdraws)
        fact_number(p, "Takes back notice", notice->withdraws);
    if (notice->earlier) {
        fact_time(p, "Listed before from", notice->earlier->from);
        fact_time(p, "Listed before until", notice->earlier->to);
    }
    page_facts_end(p);
    if (notice->n_changes > 0) {
        page_heading(p, "What changed");
        add_changes(p, notice);
    }
    page_heading(p, "What to do");
    page_paragraph(p,
                   "Check your records and pending transfers against the entry as it stands now:");
    buf_printf(&command, "chancery list show %s", notice->reference);
    page_command(p, buf_cstr(&command));
    buf_reset(&command);
    buf_printf(&command, "chancery list history %s", notice->reference);
    page_command(p, buf_cstr(&command));
    buf_free(&command);
}

static void body_committee(struct page *p, const struct item *item)
{
    struct buf text = {0};

    buf_printf(&text, "%s: ", list_name(notice_at(item, 0)->list));
    add_counts(&text, item);
    buf_add_byte(&text, '.');
    add_provisional(p, notice_at(item, 0));
    page_paragraph(p, buf_cstr(&text));
    page_facts_begin(p);
    fact_committee(p, notice_at(item, 0));
    page_facts_end(p);
    for (size_t i = 0; i < item->n; i++) {
        const Embargo__Notice *notice = notice_at(item, i);
        buf_reset(&text);
        buf_printf(&text, "%s %s%s", notice->reference, verb_of(notice),
                   provisional(notice) ? " (provisional)" : "");
        page_heading(p, buf_cstr(&text));
        page_facts_begin(p);
        page_fact(p, "Name", notice->name);
        fact_if(p, "In its own script", notice->name_original_script);
        fact_number(p, "Notice", notice->number);
        fact_number(p, "Position", item->events[i]->position);
        page_facts_end(p);
        if (p->text.size + p->html.size < DETAILS_MOST)
            add_changes(p, notice);
        else if (notice->n_changes > 0)
            page_paragraph(p, "Its changed fields: `chancery list history` with the reference.");
    }
    page_heading(p, "What to do");
    page_paragraph(p, "Check your records and pending transfers against these entries. Each one as "
                      "it stands now: `chancery list show` with the reference.");
    buf_free(&text);
}

static void add_references(struct page *p, const char *const references[], size_t n)
{
    struct buf text = {0};

    for (size_t i = 0; i < n && i < REFERENCES_SHOWN; i++)
        buf_printf(&text, "%s%s", i ? " " : "", references[i]);
    if (n > REFERENCES_SHOWN)
        buf_printf(&text, " and %zu more", n - REFERENCES_SHOWN);
    if (n > 0)
        page_paragraph(p, buf_cstr(&text));
    buf_free(&text);
}

static void add_editorial(struct page *p, const Embargo__EditorialNotice *notice)
{
    char *text = mem_printf("Besides, editorial changes (letter case, comments, dates of update): "
                            "%u fields of %u entries, notice %" PRIu64 ".",
                            notice->changes, notice->entries, notice->number);

    page_paragraph(p, text);
    mem_free(text);
}

static void body_editorial(struct page *p, const struct item *item)
{
    const Embargo__EditorialNotice *notice = editorial_of(item->events[0]);
    char *text = mem_printf("Editorial changes alone (letter case, comments, dates of update): %u "
                            "fields of %u entries. Nothing follows from them.",
                            notice->changes, notice->entries);

    page_paragraph(p, text);
    add_references(p, notice->references, notice->n_references);
    mem_free(text);
}

/* The commands that decide, with the snapshot's whole hash. */
static void add_decision(struct page *p, const Embargo__SnapshotSetAside *event)
{
    char hex[2 * HASH_SIZE + 1] = "";
    struct buf command = {0};

    if (event->snapshot.len == HASH_SIZE)
        hex_encode(hex, event->snapshot.data, HASH_SIZE);
    page_paragraph(p, "Compare the file with the publisher's site, then, from a seat with that "
                      "right, take it as it is:");
    buf_printf(&command, "chancery list confirm %s", hex);
    page_command(p, buf_cstr(&command));
    page_paragraph(p, "or refuse it, which takes its provisional notices back:");
    buf_reset(&command);
    buf_printf(&command, "chancery list reject %s", hex);
    page_command(p, buf_cstr(&command));
    buf_free(&command);
}

static void body_set_aside(struct page *p, const struct item *item)
{
    const Embargo__SnapshotSetAside *event = aside_of(item);
    bool waits = item->aside->outcome == ASIDE_WAITS;

    page_paragraph(p, "A snapshot of the list was set aside: it would change so much, or so oddly, "
                      "that a person must look at it. The snapshot before it stays in force.");
    page_paragraph(p, outcome_texts[item->aside->outcome]);
    page_heading(p, "Why");
    for (size_t i = 0; i < event->n_doubts; i++) {
        page_paragraph(p, event->doubts[i]->text);
        add_references(p, event->doubts[i]->references, event->doubts[i]->n_references);
    }
    page_heading(p, "What waits");
    page_facts_begin(p);
    page_fact(p, "List", list_name(event->list));
    fact_number(p, "Changes that wait", event->waiting);
    fact_number(p, "  removals among them", event->removals);
    fact_number(p, "In force already", event->added + event->amended);
    page_facts_end(p);
    if (event->added + event->amended > 0)
        page_paragraph(p,
                       "Those in force already are PROVISIONAL: additions and amendments are not "
                       "kept waiting, and are taken back when the snapshot is rejected.");
    if (waits) {
        page_heading(p, "What to do");
        add_decision(p, event);
    }
}

typedef void add_body(struct page *p, const struct item *item);

static add_body *const bodies[] = {
    [ITEM_NOTICE] = body_notice,
    [ITEM_COMMITTEE] = body_committee,
    [ITEM_EDITORIAL] = body_editorial,
    [ITEM_SET_ASIDE] = body_set_aside,
};

/* Where the record stands, so that anybody can check it. */
static void evidence_notice(struct page *p, const struct item *item)
{
    const Embargo__Notice *notice = notice_at(item, 0);

    if (item->kind == ITEM_NOTICE)
        fact_number(p, "Notice", notice->number);
    fact_hash(p, "Snapshot", notice->new_snapshot);
    fact_hash(p, "Snapshot before", notice->old_snapshot);
    fact_if(p, "Publisher's stamp", notice->generated_text);
    fact_time(p, "Fetched", notice->fetched);
    fact_if(p, "Confirmed by", notice->confirmed_by);
}

static void evidence_editorial(struct page *p, const struct item *item)
{
    const Embargo__EditorialNotice *notice = editorial_of(item->events[0]);

    fact_number(p, "Notice", notice->number);
    fact_hash(p, "Snapshot", notice->new_snapshot);
    fact_hash(p, "Snapshot before", notice->old_snapshot);
    fact_if(p, "Publisher's stamp", notice->generated_text);
}

static void evidence_set_aside(struct page *p, const struct item *item)
{
    const Embargo__SnapshotSetAside *event = aside_of(item);

    fact_hash(p, "Snapshot", event->snapshot);
    fact_hash(p, "Snapshot in force", event->in_force);
    fact_if(p, "Publisher's stamp", event->generated_text);
    if (item->aside->decided_by)
        fact_number(p, "Decided at position", item->aside->decided_by);
}

static add_body *const evidence[] = {
    [ITEM_NOTICE] = evidence_notice,
    [ITEM_COMMITTEE] = evidence_notice,
    [ITEM_EDITORIAL] = evidence_editorial,
    [ITEM_SET_ASIDE] = evidence_set_aside,
};

static void add_evidence(struct page *p, const struct letter *l)
{
    const struct item *item = l->item;
    const struct told_event *first = item->events[0];

    page_heading(p, "Evidence");
    page_facts_begin(p);
    if (!restricted(item))
        evidence[item->kind](p, item);
    page_fact(p, "Log", l->log);
    fact_number(p, item->n > 1 ? "First position" : "Position", first->position);
    if (item->n > 1)
        fact_number(p, "Last position", item->events[item->n - 1]->position);
    fact_time(p, "Recorded", first->received);
    page_fact(p, "Handling", label_names[label_of(item)]);
    page_facts_end(p);
    char *command = mem_printf("chancery event show %" PRIu64, first->position);
    page_command(p, command);
    mem_free(command);
}

static void add_signature(struct page *p, const struct letter *l)
{
    char *why =
        mem_printf("You receive this because rule \"%s\" of %s names %s.", l->item->terms->rule,
                   l->organisation && *l->organisation ? l->organisation : l->log, l->recipient);

    page_heading(p, "--");
    page_paragraph(p, why);
    if (l->footer && *l->footer)
        page_paragraph(p, l->footer);
    mem_free(why);
}

static void add_page(struct page *p, const struct letter *l, const char *subject)
{
    bool exercise = mode_of(l->item) == CORE__MODE__MODE_EXERCISE;
    bool actual = mode_of(l->item) == CORE__MODE__MODE_ACTUAL;

    buf_add_str(&p->html, "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\"><head>"
                          "<meta charset=\"utf-8\"></head>\n<body>\n");
    if (!actual)
        page_warning(p, exercise ? "EXERCISE - EXERCISE - EXERCISE: nothing in this mail is real"
                                 : "TEST: nothing in this mail is real");
    page_heading(p, subject);
    if (restricted(l->item)) {
        page_paragraph(p, "What is recorded there may not be told by mail. Read it in the log:");
    } else {
        bodies[l->item->kind](p, l->item);
        if (l->item->editorial && l->item->kind != ITEM_EDITORIAL)
            add_editorial(p, editorial_of(l->item->editorial));
    }
    add_evidence(p, l);
    add_signature(p, l);
    if (!actual)
        page_warning(p, exercise ? "EXERCISE - EXERCISE - EXERCISE" : "TEST");
    buf_add_str(&p->html, "</body></html>\n");
}

/* ---- headers ---- */

/* The log's name as a domain: dots for all that a domain does not hold. */
static void add_domain(struct buf *out, const char *log)
{
    size_t start = out->size;

    for (const char *p = log; *p; p++) {
        bool letter = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
        if (letter || (*p == '-' && out->size > start && out->data[out->size - 1] != '.'))
            buf_add_byte(out, (uint8_t)*p);
        else if (out->size > start && out->data[out->size - 1] != '.')
            buf_add_byte(out, '.');
    }
    while (out->size > start &&
           !strchr("abcdefghijklmnopqrstuvwxyz0123456789", out->data[out->size - 1]))
        out->size--;
    if (out->size == start)
        buf_add_str(out, "chancery");
}

void mail_message_id(struct buf *out, const char *log, const char *rule, const char *recipient,
                     const char *key)
{
    const char *const fields[] = {"chancery-mail-v1", log, rule, recipient, key};
    struct buf all = {0};
    struct hash hash;
    char hex[2 * HASH_SIZE + 1];

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        buf_add(&all, fields[i], strlen(fields[i]) + 1);
    hash_sha256(&hash, slice_buf(&all));
    buf_free(&all);
    hex_encode(hex, hash.bytes, HASH_SIZE);
    buf_printf(out, "%.40s@", hex);
    add_domain(out, log);
}

static void header_id(struct buf *out, const char *name, const struct letter *l, const char *key)
{
    buf_printf(out, "%s: <", name);
    mail_message_id(out, l->log, l->item->terms->rule, l->recipient, key);
    buf_add_str(out, ">\r\n");
}

/* RFC 2919: the same for every mail of a rule, so that readers sort by it. */
static void header_list_id(struct buf *out, const struct letter *l)
{
    buf_add_str(out, "List-Id: <");
    for (const char *p = l->item->terms->rule; *p; p++)
        buf_add_byte(out, *p == '.' || *p == '_' ? '-' : (uint8_t)*p);
    buf_add_str(out, ".alert.");
    add_domain(out, l->log);
    buf_add_str(out, ">\r\n");
}

static void add_part(struct buf *out, const char *boundary, const char *subtype,
                     const struct buf *text)
{
    buf_printf(out,
               "--%s\r\nContent-Type: text/%s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\nContent-Language: en\r\n\r\n",
               boundary, subtype);
    mime_quoted_printable(out, slice_buf(text));
    buf_add_str(out, "\r\n");
}

static void add_headers(struct buf *out, const struct letter *l, const char *subject)
{
    const struct item *item = l->item;
    const char *name = l->from_name && *l->from_name ? l->from_name : l->organisation;

    mime_header_date(out, item->time);
    mime_header_address(out, "From", name, l->from_address);
    mime_header_address(out, "To", NULL, l->recipient);
    mime_header(out, "Subject", subject);
    header_id(out, "Message-ID", l, item->key);
    if (item->root) {
        header_id(out, "In-Reply-To", l, item->root);
        header_id(out, "References", l, item->root);
    }
    header_list_id(out, l);
    buf_add_str(out, "Auto-Submitted: auto-generated\r\n");
    if (item->kind == ITEM_SET_ASIDE && item->aside->outcome == ASIDE_WAITS)
        buf_add_str(out, "Importance: high\r\n");
    mime_header(out, "Chancery-Log", l->log);
    buf_printf(out, "Chancery-Position: %" PRIu64 "\r\n", item->events[0]->position);
}

void mail_compose(struct buf *out, const struct letter *l)
{
    struct buf subject = {0};
    struct page page = {{0}, {0}};

    mail_subject(&subject, l->item);
    add_page(&page, l, buf_cstr(&subject));
    add_headers(out, l, buf_cstr(&subject));
    /* quoted-printable never holds "=_" (RFC 2045 section 6.7) */
    static const char boundary[] = "=_chancery-alternative";
    buf_printf(
        out,
        "MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n",
        boundary);
    add_part(out, boundary, "plain", &page.text);
    add_part(out, boundary, "html", &page.html);
    buf_printf(out, "--%s--\r\n", boundary);
    page_free(&page);
    buf_free(&subject);
}
