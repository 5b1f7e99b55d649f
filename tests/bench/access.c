/* SPDX-License-Identifier: Apache-2.0 */
/* access.c - may this seat have this event?  20 seats, 20 rules, groups and recipients: what the
 * question costs at each delivery */
#include "broker/access.h"

#include <assert.h>
#include <stdio.h>

#include "broker/journal.h"
#include "lib/envelope.h"
#include "tests/bench/bench.h"
#include "tests/support/events.h"

enum { PEOPLE = 20, RULES = 20, MEMBERS = 8 };

struct bench {
    struct registry *registry;
    uint64_t position;
    const struct seat *seats[PEOPLE];
    Core__Envelope envelope;
    Core__Handling handling;
    Core__Recipient recipients[4], *list[4];
    size_t allowed;
};

static void put(struct bench *b, const ProtobufCMessage *m)
{
    struct buf payload = {0};
    const char *field;
    char text[256];

    events_pack(&payload, m);
    const struct registry_event e = {"administrator", m->descriptor->name, slice_buf(&payload)};
    if (registry_check(b->registry, &e, &field, text) != 0)
        bench_fail(m->descriptor->name, text);
    registry_fold(b->registry, ++b->position, &e);
    buf_free(&payload);
}

static void found(struct bench *b)
{
    static uint8_t keys[3][KEY_SIZE] = {{1}, {2}, {3}};
    Core__LogFounded m = CORE__LOG_FOUNDED__INIT;

    m.format = JOURNAL_FORMAT;
    m.log = "chancery.example/main";
    m.log_key = (ProtobufCBinaryData){KEY_SIZE, keys[0]};
    m.server_key = (ProtobufCBinaryData){KEY_SIZE, keys[1]};
    m.administrator = "administrator";
    m.administrator_key = (ProtobufCBinaryData){KEY_SIZE, keys[2]};
    m.broker = "broker";
    put(b, &m.base);
}

static void seat_people(struct bench *b)
{
    Core__PartyAdded party = CORE__PARTY_ADDED__INIT;
    Core__OfficeAdded office = CORE__OFFICE_ADDED__INIT;
    Core__SeatAdmitted seat = CORE__SEAT_ADMITTED__INIT;
    const char *roles[] = {"confirmer", "watcher"};
    char places[PEOPLE / 2][16], names[PEOPLE][16], parties[PEOPLE / 2][8];

    party.kind = CORE__PARTY_KIND__PARTY_KIND_STATE;
    office.roles = roles;
    office.clearance = CORE__LABEL__LABEL_RED;
    seat.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    for (int i = 0; i < PEOPLE; i++) {
        int place = i / 2;
        snprintf(parties[place], sizeof parties[place], "QM%c", 'A' + place);
        snprintf(places[place], sizeof places[place], "QM%c/npc", 'A' + place);
        snprintf(names[i], sizeof names[i], "seat%d", i);
        party.party = parties[place];
        office.office = seat.office = places[place];
        office.n_roles = (size_t)(place % 3);
        seat.seat = names[i];
        if (i % 2 == 0) {
            put(b, &party.base);
            put(b, &office.base);
        }
        put(b, &seat.base);
        b->seats[i] = registry_seat(b->registry, names[i]);
    }
}

static void rule(struct bench *b, int i)
{
    static const char *const subjects[] = {"", "QMB", "QMC/npc", "watcher", "seat3"};
    static const char *const streams[] = {"*", "embargo.*", "embargo.in", "un.feed"};
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;
    Core__Verb verbs[] = {CORE__VERB__VERB_READ, CORE__VERB__VERB_PUBLISH};
    char name[8];

    snprintf(name, sizeof name, "r%d", i);
    m.rule = name;
    m.effect = i % 7 == 6 ? CORE__EFFECT__EFFECT_DENY : CORE__EFFECT__EFFECT_ALLOW;
    m.subject_kind = (Core__SubjectKind)(1 + i % 5);
    m.subject = subjects[i % 5];
    m.n_verbs = 1 + (size_t)(i % 2);
    m.verbs = verbs;
    m.stream = i % 7 == 6 ? "registry" : streams[i % 4];
    m.type = i % 3 ? "*" : "chancery.embargo.v1.*";
    put(b, &m.base);
}

static void group(struct bench *b)
{
    Core__GroupSet m = CORE__GROUP_SET__INIT;
    Core__Recipient members[MEMBERS], *list[MEMBERS];
    char names[MEMBERS][16];

    for (int i = 0; i < MEMBERS; i++) {
        snprintf(names[i], sizeof names[i], "seat%d", 2 * i + 1);
        core__recipient__init(&members[i]);
        members[i].kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT;
        members[i].name = names[i];
        list[i] = &members[i];
    }
    m.group = "panel";
    m.version = 1;
    m.n_members = MEMBERS;
    m.members = list;
    put(b, &m.base);
}

static void name_recipients(struct bench *b)
{
    static const struct {
        Core__RecipientKind kind;
        const char *name;
    } rows[4] = {
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY, "QMB"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE, "QMC/npc"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT, "seat9"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "panel@1"},
    };

    for (size_t i = 0; i < 4; i++) {
        core__recipient__init(&b->recipients[i]);
        b->recipients[i].kind = rows[i].kind;
        b->recipients[i].name = rows[i].name;
        b->list[i] = &b->recipients[i];
    }
    b->handling.recipients = b->list;
    b->handling.n_recipients = 4;
}

static void ask_all(void *arg)
{
    struct bench *b = arg;

    b->allowed = 0;
    for (size_t i = 0; i < PEOPLE; i++)
        b->allowed += access_read(b->registry, b->seats[i], &b->envelope);
}

int main(int argc, char **argv)
{
    struct bench b = {.registry = registry_new()};
    struct bench_options o;

    bench_options(&o, argc, argv, "one core");
    found(&b);
    seat_people(&b);
    for (int i = 0; i < RULES; i++)
        rule(&b, i);
    group(&b);
    events_envelope(&b.envelope, &b.handling, slice_str(""));
    b.envelope.office = "QMA/npc";
    bench_each(&o, "access of GREEN, a delivery", ask_all, &b, PEOPLE);
    name_recipients(&b);
    b.handling.label = CORE__LABEL__LABEL_AMBER;
    bench_each(&o, "access of AMBER to 4 and a group, a delivery", ask_all, &b, PEOPLE);
    assert(b.allowed > 2 && b.allowed < PEOPLE);
    registry_free(b.registry);
    return 0;
}
