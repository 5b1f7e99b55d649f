/* SPDX-License-Identifier: Apache-2.0 */
/* mail_once URL SCENARIO RECIPIENT [actual|exercise [SECONDS]]: sends what a scenario's events tell
 *
 * The events go the adapter's way: rule, digest, mail, outbox, SMTP.  A line is printed for each
 * mail that is done: "sent|failed TRIES MESSAGE-ID CODE ANSWER".  SECONDS is how long it tries
 * again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "adapters/alert/outbox.h"
#include "lib/mem.h"
#include "tests/support/embargo_events.h"

#define HOUR ((int64_t)3600 * 1000000)
static const int64_t RECEIVED = 1772150500000000; /* 2026-02-27T00:01:40Z */

struct run {
    uv_loop_t loop;
    struct alert_settings settings;
    struct digest *digest;
    struct outbox *outbox;
    Core__Mode mode;
    uint64_t position;
};

static void event(struct run *r, const ProtobufCMessage *message, uint64_t cause, uint32_t ordinal,
                  uint32_t of, Core__Label label)
{
    struct buf payload = {0};
    Core__Envelope envelope = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;

    handling.label = label;
    envelope.handling = &handling;
    envelope.mode = r->mode;
    envelope.type = message->descriptor->name;
    envelope.cause = cause;
    envelope.ordinal = ordinal;
    envelope.of = of;
    pack_event(&payload, message);
    r->position++;
    if (digest_event(r->digest, r->position, RECEIVED, &envelope, slice_buf(&payload)) != 0)
        abort();
    buf_free(&payload);
}

static void amend(struct run *r, const char *reference, const char *name, const char *before,
                  const char *after, uint64_t number, Core__Label label)
{
    Embargo__Notice n = a_notice(number, EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND, reference);
    Embargo__FieldChange address = EMBARGO__FIELD_CHANGE__INIT;
    Embargo__FieldChange alias = EMBARGO__FIELD_CHANGE__INIT;
    Embargo__FieldChange *changes[] = {&address, &alias};
    const char *befores[] = {before}, *afters[] = {after};

    address.name = "address";
    address.source = "ENTITY_ADDRESS";
    address.before = befores;
    address.after = afters;
    address.n_before = address.n_after = 1;
    alias.name = "alias";
    alias.source = "ENTITY_ALIAS";
    alias.after = afters;
    alias.n_after = 1;
    n.name = name;
    n.name_original_script = "اسم مخترع";
    n.changes = changes;
    n.n_changes = 2;
    event(r, &n.base, number, 0, 1, label);
}

static void scenario_amend(struct run *r)
{
    amend(r, "QDe.168", "INVENTED ENTITY", "Quelimane", "Rue de l'Église 9, Quelimane", 17,
          CORE__LABEL__LABEL_GREEN);
}

/* The second mail threads on the first. */
static void scenario_twice(struct run *r)
{
    scenario_amend(r);
    amend(r, "QDe.168", "INVENTED ENTITY", "Rue de l'Église 9, Quelimane", "Nampula", 18,
          CORE__LABEL__LABEL_GREEN);
}

static void scenario_hostile(struct run *r)
{
    amend(r, "QDe.168\r\nBcc: everybody@qzz.example",
          "EVIL\r\n.\r\n\xe2\x80\xae<script>alert(1)</script>", "=?UTF-8?Q?a?= \xe2\x81\xa9 ..\n.",
          "</bdi>&amp;", 17, CORE__LABEL__LABEL_GREEN);
}

static void scenario_restricted(struct run *r)
{
    amend(r, "QDe.168", "SECRET NAME", "x", "y", 17, CORE__LABEL__LABEL_AMBER);
}

static void scenario_committee(struct run *r)
{
    for (uint32_t i = 0; i < 600; i++) {
        char reference[16];
        snprintf(reference, sizeof(reference), "QDi.9%03u", (unsigned)i);
        Embargo__Notice n = a_notice(i + 1,
                                     i % 2 ? EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD
                                           : EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE,
                                     reference);
        event(r, &n.base, 5, i, 600, CORE__LABEL__LABEL_GREEN);
    }
}

static void set_aside(struct run *r)
{
    Embargo__SnapshotSetAside e = a_set_aside();
    Embargo__Doubt doubt = EMBARGO__DOUBT__INIT;
    Embargo__Doubt *doubts[] = {&doubt};
    const char *references[] = {"IRi.901", "IRe.902"};

    doubt.kind = EMBARGO__DOUBT_KIND__DOUBT_KIND_REMOVALS;
    doubt.text = "84 of 955 entries would go; 20 would have been taken";
    doubt.references = references;
    doubt.n_references = 2;
    e.doubts = doubts;
    e.n_doubts = 1;
    e.added = 3;
    event(r, &e.base, 9, 0, 1, CORE__LABEL__LABEL_GREEN);
}

static void scenario_set_aside(struct run *r)
{
    set_aside(r);
    digest_remind(r->digest, RECEIVED, 4 * HOUR);
}

static void scenario_reminder(struct run *r)
{
    set_aside(r);
    digest_remind(r->digest, RECEIVED + 9 * HOUR, 4 * HOUR);
}

static const struct scenario {
    const char *name;
    void (*play)(struct run *r);
} scenarios[] = {
    {"amend", scenario_amend},         {"twice", scenario_twice},
    {"hostile", scenario_hostile},     {"restricted", scenario_restricted},
    {"committee", scenario_committee}, {"set-aside", scenario_set_aside},
    {"reminder", scenario_reminder},
};

static void on_item(void *arg, struct item *item)
{
    struct run *r = arg;

    outbox_add(r->outbox, item, item->terms->recipients[0]);
    item_free(item);
}

static void on_done(void *arg, const struct outbox_report *report)
{
    struct run *r = arg;

    printf("%s %u %s %s %s\n", report->taken ? "sent" : "failed", report->tries, report->message_id,
           report->taken ? "-" : report->code, report->text);
    fflush(stdout);
    if (outbox_waiting(r->outbox) == 0)
        outbox_close(r->outbox, NULL, NULL);
    else
        outbox_go(r->outbox);
}

static void settings_fill(struct alert_settings *s, char **argv, const char *seconds)
{
    struct buf why = {0};

    s->smtp = mem_str(argv[1]);
    s->from = mem_str("Commission régionale <alerts@qma.example>");
    s->tls = mem_str("none");
    s->organisation = mem_str("Invented Secretariat");
    s->footer = mem_str("Questions: npc@qma.example");
    s->retry_for = (int64_t)atoi(seconds) * 1000000;
    s->rules[s->n_rules++] =
        (struct rule){.name = mem_str("un_all"), .to = mem_str(argv[3]), .substantive = true};
    if (alert_settings_check(s, &why) != 0) {
        fprintf(stderr, "%s\n", buf_cstr(&why));
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static struct run run;
    struct run *r = &run;

    if (argc < 4) {
        fprintf(stderr, "usage: mail_once URL SCENARIO RECIPIENT [actual|exercise [SECONDS]]\n");
        return 2;
    }
    settings_fill(&r->settings, argv, argc > 5 ? argv[5] : "3600");
    r->mode = argc > 4 && strcmp(argv[4], "exercise") == 0 ? CORE__MODE__MODE_EXERCISE
                                                           : CORE__MODE__MODE_ACTUAL;
    uv_loop_init(&r->loop);
    if (outbox_open(&r->outbox, &r->loop, &r->settings, "qma.example/alerts", on_done, r) != 0)
        return 1;
    r->digest = digest_new(on_item, r);
    digest_adopt(r->digest, r->settings.terms[0]);
    for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
        if (strcmp(scenarios[i].name, argv[2]) == 0)
            scenarios[i].play(r);
    outbox_go(r->outbox);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    uv_loop_close(&r->loop);
    digest_free(r->digest);
    alert_settings_clear(&r->settings);
    return 0;
}
