/* SPDX-License-Identifier: Apache-2.0 */
/* embargo.c - the embargo worker's rules, one trace each
 *
 * A snapshot is written as a line: references with what differs from an invented party, by
 * mark: "901" as it is, "901*" another designation, "901c" other comments, "901#" another internal
 * id, "901!" somebody else, "901-" without a name, "901@" under the committee Other.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "chancery/embargo/v1/embargo.pb-c.h"
#include "tests/support/rig.h"
#include "workers/embargo/embargo.h"

enum { REFERENCES = 2000 };

struct feed {
    struct rig *rig;
    bool there[REFERENCES];
    uint8_t hash[32];
    int64_t stamp;
    uint32_t short_of; /* entries that the count says and the events do not */
};

static struct feed *feed_new(void)
{
    struct feed *f = mem_new(sizeof *f);

    f->rig = rig_new(&embargo);
    return f;
}

static void feed_free(struct feed *f)
{
    rig_free(f->rig);
    mem_free(f);
}

static ProtobufCBinaryData hash_of(struct feed *f, char name)
{
    memset(f->hash, name, sizeof f->hash);
    return (ProtobufCBinaryData){sizeof f->hash, f->hash};
}

static void mark(Sanctions__ListedParty *p, char mark, Sanctions__ListDate **other)
{
    static const char *const designation[] = {"Governor"};

    switch (mark) {
    case '*':
        p->n_designations = 1;
        p->designations = (const char **)(uintptr_t)designation;
        break;
    case 'c':
        p->comments = "Review concluded.";
        break;
    case '#':
        p->internal_id = "again";
        break;
    case '!':
        p->name = p->name_1 = "SOMEBODY ELSE";
        p->birth_dates = other;
        break;
    case '-':
        p->name = p->name_1 = "";
        break;
    case '@':
        p->committee = "Other";
        break;
    default:
        fail_msg("no such mark: %c", mark);
    }
}

static void party(struct feed *f, char snapshot, unsigned number, const char *marks)
{
    Sanctions__PartyPublished event = SANCTIONS__PARTY_PUBLISHED__INIT;
    Sanctions__ListedParty p = SANCTIONS__LISTED_PARTY__INIT;
    Sanctions__ListDate born = SANCTIONS__LIST_DATE__INIT, other = born;
    Sanctions__ListDate *births[] = {&born}, *others[] = {&other};
    char reference[16], name[32];

    snprintf(reference, sizeof reference, "QMi.%u", number);
    snprintf(name, sizeof name, "INVENTED PERSON%u", number);
    born.text = "1960";
    born.known = other.known = true;
    born.from_day = -3653;
    born.to_day = -3288;
    other.text = "1985";
    other.from_day = 5479;
    other.to_day = 5843;
    p.list = "un";
    p.reference = reference;
    p.internal_id = "first";
    p.type = SANCTIONS__PARTY_TYPE__PARTY_TYPE_PERSON;
    p.committee = "Invented";
    p.name = p.name_1 = name;
    p.n_birth_dates = 1;
    p.birth_dates = births;
    for (; *marks && *marks != ' '; marks++)
        mark(&p, *marks, others);
    event.snapshot = hash_of(f, snapshot);
    event.number = event.of = 1;
    event.party = &p;
    rig_input(f->rig, "un.feed", &event.base);
}

static void gone(struct feed *f, char snapshot, unsigned number)
{
    Sanctions__PartiesGone event = SANCTIONS__PARTIES_GONE__INIT;
    char reference[16];
    const char *references[] = {reference};

    snprintf(reference, sizeof reference, "QMi.%u", number);
    event.snapshot = hash_of(f, snapshot);
    event.list = "un";
    event.n_references = 1;
    event.references = references;
    rig_input(f->rig, "un.feed", &event.base);
}

static void published(struct feed *f, char snapshot, uint32_t entries)
{
    Sanctions__SnapshotPublished event = SANCTIONS__SNAPSHOT_PUBLISHED__INIT;
    char stamp[32];

    snprintf(stamp, sizeof stamp, "stamp %c", snapshot);
    event.list = "un";
    event.snapshot = hash_of(f, snapshot);
    event.generated = f->stamp ? f->stamp : (int64_t)snapshot * 1000000;
    event.generated_text = stamp;
    event.entries = entries;
    rig_input(f->rig, "un.feed", &event.base);
}

/* The parties of a snapshot without its end. */
static uint32_t parties(struct feed *f, char snapshot, const char *line)
{
    bool there[REFERENCES] = {0};
    uint32_t n = 0;

    for (const char *at = line; *at;) {
        char *end;
        unsigned long first = strtoul(at, &end, 10), last = first;
        if (end[0] == '.' && end[1] == '.')
            last = strtoul(end + 2, &end, 10);
        for (unsigned long i = first; i <= last; i++) {
            party(f, snapshot, (unsigned)i, end);
            there[i] = true;
            n++;
        }
        at = end + strcspn(end, " ");
        at += strspn(at, " ");
    }
    for (unsigned i = 0; i < REFERENCES; i++)
        if (f->there[i] && !there[i])
            gone(f, snapshot, i);
    memcpy(f->there, there, sizeof there);
    return n;
}

/* A snapshot by name and content: later letters are later snapshots. */
static void snapshot(struct feed *f, char name, const char *line)
{
    published(f, name, parties(f, name, line) + f->short_of);
}

static void confirm(struct feed *f, char name)
{
    Embargo__ConfirmSnapshot request = EMBARGO__CONFIRM_SNAPSHOT__INIT;

    request.list = "un";
    request.snapshot = hash_of(f, name);
    request.reason = "read and compared";
    rig_input(f->rig, "embargo.in", &request.base);
}

static void reject(struct feed *f, char name)
{
    Embargo__RejectSnapshot request = EMBARGO__REJECT_SNAPSHOT__INIT;

    request.list = "un";
    request.snapshot = hash_of(f, name);
    rig_input(f->rig, "embargo.in", &request.base);
}

/* "1 ADD QMi.903" and so on: the notices among the answers to the last input. */
static void notices_are(struct feed *f, const char *expected)
{
    struct buf got = {0};
    static const char *const kinds[] = {"?",     "ADD",    "RELIST",  "AMEND",
                                        "REKEY", "REMOVE", "WITHDRAW"};

    for (size_t i = 0; i < rig_answers(f->rig); i++) {
        const char *type = rig_answer_type(f->rig, i);
        if (strcmp(type, embargo__notice__descriptor.name) == 0) {
            const Embargo__Notice *n = rig_answer(f->rig, i, &embargo__notice__descriptor);
            buf_printf(&got, "%u %s%s %s%s", (unsigned)n->number, kinds[n->kind],
                       n->standing == EMBARGO__STANDING__STANDING_PROVISIONAL ? "?" : "",
                       n->reference, n->confirmed_by[0] ? " confirmed" : "");
            if (n->withdraws)
                buf_printf(&got, " withdraws %u", (unsigned)n->withdraws);
            buf_add_byte(&got, '\n');
        } else if (strcmp(type, embargo__editorial_notice__descriptor.name) == 0) {
            const Embargo__EditorialNotice *n =
                rig_answer(f->rig, i, &embargo__editorial_notice__descriptor);
            buf_printf(&got, "%u editorial %u%s\n", (unsigned)n->number, n->entries,
                       n->confirmed_by[0] ? " confirmed" : "");
        }
    }
    assert_string_equal(buf_cstr(&got), expected);
    buf_free(&got);
}

static const Embargo__SnapshotSetAside *set_aside(struct feed *f)
{
    return rig_answer(f->rig, 0, &embargo__snapshot_set_aside__descriptor);
}

static void doubted(struct feed *f, Embargo__DoubtKind kind)
{
    const Embargo__SnapshotSetAside *aside = set_aside(f);

    assert_int_equal(aside->n_doubts, 1);
    assert_int_equal(aside->doubts[0]->kind, kind);
}

static void taken(struct feed *f)
{
    rig_answer(f->rig, 0, &embargo__snapshot_taken__descriptor);
}

static const Embargo__ListStatus *status(struct feed *f)
{
    Embargo__GetListStatus question = EMBARGO__GET_LIST_STATUS__INIT;

    question.list = "un";
    const Embargo__ListStatuses *all =
        rig_ask(f->rig, &question.base, &embargo__list_statuses__descriptor);
    assert_int_equal(all->n_lists, 1);
    return all->lists[0];
}

static const Embargo__Party *ask_party(struct feed *f, const char *reference, uint64_t at)
{
    Embargo__GetParty question = EMBARGO__GET_PARTY__INIT;

    question.list = "un";
    question.reference = reference;
    question.at = at;
    return rig_ask(f->rig, &question.base, &embargo__party__descriptor);
}

#define DOUBT(name) EMBARGO__DOUBT_KIND__DOUBT_KIND_##name
#define FINAL EMBARGO__STANDING__STANDING_FINAL
#define PROVISIONAL EMBARGO__STANDING__STANDING_PROVISIONAL

/* ---- snapshots that are taken ---- */

static void the_first_snapshot_is_a_baseline(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    assert_string_equal(
        rig_trace(f->rig),
        "sanctions.SnapshotPublished\n    core.RulesAdopted\n    embargo.Baseline\n");
    assert_int_equal(status(f)->entries, 2);
    assert_int_equal(status(f)->last_number, 0);
    feed_free(f);
}

static void additions_amendments_rekeys_and_removals_are_notices(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902 903 904");
    rig_trace(f->rig);
    snapshot(f, 'b', "901* 903# 904 905");
    assert_string_equal(rig_trace(f->rig), "sanctions.SnapshotPublished\n"
                                           "    embargo.SnapshotTaken\n    embargo.Notice\n"
                                           "    embargo.Notice\n    embargo.Notice\n"
                                           "    embargo.Notice\n");
    notices_are(f, "1 ADD QMi.905\n2 AMEND QMi.901\n3 REKEY QMi.903\n4 REMOVE QMi.902\n");
    snapshot(f, 'c', "901* 903# 904 905");
    notices_are(f, "");
    taken(f);
    snapshot(f, 'd', "901* 903# 904 905 906");
    notices_are(f, "5 ADD QMi.906\n");
    feed_free(f);
}

static void a_reference_that_comes_again_is_relisted_with_its_earlier_spell(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    snapshot(f, 'b', "901");
    notices_are(f, "1 REMOVE QMi.902\n");
    snapshot(f, 'c', "901 902");
    notices_are(f, "2 RELIST QMi.902\n");
    const Embargo__Notice *n = rig_answer(f->rig, 1, &embargo__notice__descriptor);
    assert_int_equal(n->earlier->added_by, 0);
    assert_int_equal(n->earlier->removed_by, 1);
    assert_int_equal(n->earlier->from, (int64_t)'a' * 1000000);
    assert_int_equal(n->earlier->to, (int64_t)'b' * 1000000);
    snapshot(f, 'd', "901");
    snapshot(f, 'e', "901 902");
    n = rig_answer(f->rig, 1, &embargo__notice__descriptor);
    assert_int_equal(n->earlier->added_by, 2);
    assert_int_equal(n->earlier->removed_by, 3);
    feed_free(f);
}

static void editorial_changes_of_a_snapshot_are_one_notice(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902 903");
    rig_trace(f->rig);
    snapshot(f, 'b', "901c 902c 903c*");
    assert_string_equal(rig_trace(f->rig),
                        "sanctions.SnapshotPublished\n"
                        "    embargo.SnapshotTaken\n    embargo.Notice\n"
                        "    embargo.EditorialNotice\n    embargo.EditorialDetail\n"
                        "    embargo.EditorialDetail\n");
    notices_are(f, "1 AMEND QMi.903\n2 editorial 2\n");
    const Embargo__Notice *n = rig_answer(f->rig, 1, &embargo__notice__descriptor);
    assert_int_equal(n->n_changes, 2); /* with its editorial change */
    assert_string_equal(ask_party(f, "QMi.901", 0)->party->comments, "Review concluded.");
    feed_free(f);
}

static void an_editorial_change_with_a_new_id_is_both(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901");
    snapshot(f, 'b', "901c#");
    notices_are(f, "1 REKEY QMi.901\n2 editorial 1\n");
    snapshot(f, 'c', "901*");
    notices_are(f, "3 AMEND QMi.901\n");
    const Embargo__Notice *n = rig_answer(f->rig, 1, &embargo__notice__descriptor);
    assert_string_equal(n->previous_internal_id, "again");
    feed_free(f);
}

static void a_party_in_several_events_is_one(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();
    Sanctions__PartyPublished event = SANCTIONS__PARTY_PUBLISHED__INIT;
    Sanctions__ListedParty p = SANCTIONS__LISTED_PARTY__INIT;
    const char *titles[] = {"First", "Second"};

    p.list = "un";
    p.reference = "QMi.901";
    p.name = "INVENTED";
    p.n_titles = 1;
    p.titles = titles;
    event.snapshot = hash_of(f, 'a');
    event.party = &p;
    event.number = 1;
    event.of = 2;
    rig_input(f->rig, "un.feed", &event.base);
    p.name = "";
    p.titles = titles + 1;
    event.number = 2;
    rig_input(f->rig, "un.feed", &event.base);
    published(f, 'a', 1);
    const Embargo__Party *got = ask_party(f, "QMi.901", 0);
    assert_string_equal(got->party->name, "INVENTED");
    assert_int_equal(got->party->n_titles, 2);
    assert_string_equal(got->party->titles[1], "Second");
    feed_free(f);
}

static void events_of_a_snapshot_that_never_came_are_dropped(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    parties(f, 'b', "901* 903 904");
    snapshot(f, 'c', "901 902");
    taken(f);
    notices_are(f, "");
    feed_free(f);
}

static void a_feed_speaks_of_its_own_list_alone(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();
    Sanctions__SnapshotPublished event = SANCTIONS__SNAPSHOT_PUBLISHED__INIT;

    event.list = "eu";
    event.snapshot = hash_of(f, 'a');
    rig_input(f->rig, "un.feed", &event.base);
    assert_string_equal(rig_trace(f->rig), "sanctions.SnapshotPublished\n    core.RulesAdopted\n"
                                           "    core.RequestRefused list.mismatch\n");
    feed_free(f);
}

/* ---- what sets a snapshot aside ---- */

static void more_than_twenty_removals_wait(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "101..150");
    snapshot(f, 'b', "121..150");
    taken(f); /* twenty are taken */
    snapshot(f, 'c', "142..150 901");
    doubted(f, DOUBT(REMOVALS));
    assert_int_equal(set_aside(f)->removals, 21);
    assert_int_equal(set_aside(f)->doubts[0]->limit, 20);
    assert_int_equal(set_aside(f)->doubts[0]->n_references, 21);
    notices_are(f, "21 ADD? QMi.901\n");
    assert_int_equal(status(f)->entries, 31);
    assert_int_equal(status(f)->provisional, 1);
    feed_free(f);
}

static void two_per_cent_of_a_long_list_may_go(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "100..1599");
    snapshot(f, 'b', "130..1599");
    taken(f); /* 30 of 1500 */
    snapshot(f, 'c', "160..1599");
    doubted(f, DOUBT(REMOVALS)); /* 30 of 1470: 29 may */
    feed_free(f);
}

static void a_committee_that_would_vanish_waits(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902 903@ 904@");
    snapshot(f, 'b', "901 902 904@");
    taken(f);
    snapshot(f, 'c', "901 902");
    doubted(f, DOUBT(COMMITTEE));
    assert_string_equal(set_aside(f)->doubts[0]->committee, "Other");
    notices_are(f, "");
    feed_free(f);
}

static void a_committee_whose_entries_moved_is_not_gone(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902@");
    snapshot(f, 'b', "901 902");
    taken(f);
    notices_are(f, "1 AMEND QMi.902\n");
    feed_free(f);
}

static void a_snapshot_that_goes_back_in_date_changes_nothing(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'b', "901 902");
    snapshot(f, 'a', "901* 903");
    doubted(f, DOUBT(DATE));
    notices_are(f, "");
    assert_int_equal(set_aside(f)->waiting, 3);
    assert_int_equal(status(f)->provisional, 0);
    confirm(f, 'a');
    notices_are(f, "1 ADD QMi.903 confirmed\n2 AMEND QMi.901 confirmed\n"
                   "3 REMOVE QMi.902 confirmed\n");
    feed_free(f);
}

static void somebody_else_under_a_reference_waits_and_the_rest_does_not(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    snapshot(f, 'b', "901! 902* 903");
    doubted(f, DOUBT(IDENTITY));
    assert_string_equal(set_aside(f)->doubts[0]->references[0], "QMi.901");
    notices_are(f, "1 ADD? QMi.903\n2 AMEND? QMi.902\n");
    assert_string_equal(ask_party(f, "QMi.901", 0)->party->name, "INVENTED PERSON901");
    feed_free(f);
}

static void somebody_else_relisted_under_an_old_reference_waits(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    snapshot(f, 'b', "902");
    snapshot(f, 'c', "901! 902");
    doubted(f, DOUBT(IDENTITY));
    notices_are(f, "");
    feed_free(f);
}

static void a_name_that_is_emptied_waits(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    snapshot(f, 'b', "901- 902*");
    doubted(f, DOUBT(NAMES));
    notices_are(f, "1 AMEND? QMi.902\n");
    feed_free(f);
}

static void a_snapshot_whose_count_is_not_met_changes_nothing(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    f->short_of = 1;
    snapshot(f, 'b', "901* 902 903");
    doubted(f, DOUBT(COUNT));
    notices_are(f, "");
    f->short_of = 0;
    snapshot(f, 'c', "901* 902 903");
    taken(f);
    feed_free(f);
}

/* ---- a person's word ---- */

/* 901 amended and 950 added provisionally; 21 removals, a rekey and an editorial change wait. */
static struct feed *feed_with_waiting(void)
{
    struct feed *f = feed_new();

    snapshot(f, 'a', "101..140 901 902 903");
    snapshot(f, 'b', "122..140 901* 902# 903c 950");
    doubted(f, DOUBT(REMOVALS));
    notices_are(f, "1 ADD? QMi.950\n2 AMEND? QMi.901\n");
    assert_int_equal(set_aside(f)->waiting, 23);
    rig_trace(f->rig);
    return f;
}

static void confirming_makes_the_provisional_final_and_the_rest_follow(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    confirm(f, 'b');
    const Embargo__SnapshotConfirmed *c =
        rig_answer(f->rig, 0, &embargo__snapshot_confirmed__descriptor);
    assert_int_equal(c->made_final, 2);
    assert_int_equal(c->removed, 21);
    assert_int_equal(c->rekeyed, 1);
    assert_int_equal(c->editorial, 1);
    assert_int_equal(c->first_number, 3);
    assert_int_equal(c->last_number, 25);
    assert_string_equal(c->by_seat, "amina");
    const Embargo__Notice *n = rig_answer(f->rig, 1, &embargo__notice__descriptor);
    assert_string_equal(n->confirmed_by, "QMA/secretariat amina");
    assert_int_equal(n->standing, FINAL);
    assert_int_equal(status(f)->provisional, 0);
    assert_int_equal(status(f)->entries, 23);
    assert_null(status(f)->set_aside);
    snapshot(f, 'c', "122..140 901* 902# 903c 950");
    taken(f);
    notices_are(f, "");
    feed_free(f);
}

static void rejecting_takes_the_provisional_back(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    reject(f, 'b');
    assert_string_equal(rig_trace(f->rig), "embargo.RejectSnapshot\n    embargo.SnapshotRejected\n"
                                           "    embargo.Notice\n    embargo.Notice\n");
    notices_are(f, "3 WITHDRAW QMi.901 withdraws 2\n4 WITHDRAW QMi.950 withdraws 1\n");
    assert_int_equal(status(f)->entries, 43);
    assert_int_equal(status(f)->provisional, 0);
    assert_false(ask_party(f, "QMi.950", 0)->listed);
    assert_int_equal(ask_party(f, "QMi.901", 0)->party->n_designations, 0);
    feed_free(f);
}

static void after_a_rejection_the_next_is_compared_with_what_is_in_force(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    reject(f, 'b');
    snapshot(f, 'c', "101..140 901 902 903 950");
    taken(f);
    notices_are(f, "5 ADD QMi.950\n"); /* not re-listed: it was taken back */
    feed_free(f);
}

static void words_for_what_does_not_wait_are_refused(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    confirm(f, 'x');
    confirm(f, 'a');
    confirm(f, 'b');
    rig_trace(f->rig);
    confirm(f, 'b');
    reject(f, 'b');
    reject(f, 'x');
    assert_string_equal(rig_trace(f->rig), "embargo.ConfirmSnapshot\n"
                                           "    core.RequestRefused snapshot.decided\n"
                                           "embargo.RejectSnapshot\n"
                                           "    core.RequestRefused snapshot.decided\n"
                                           "embargo.RejectSnapshot\n"
                                           "    core.RequestRefused snapshot.unknown\n");
    feed_free(f);
}

static void a_list_that_never_came_is_unknown(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    confirm(f, 'a');
    assert_string_equal(rig_trace(f->rig), "embargo.ConfirmSnapshot\n    core.RulesAdopted\n"
                                           "    core.RequestRefused list.unknown\n");
    feed_free(f);
}

/* ---- a newer snapshot while one waits ---- */

static void a_newer_snapshot_that_is_whole_settles_what_waits(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'c', "101..140 901* 902 903 950");
    taken(f);
    notices_are(f, ""); /* it keeps both: final quietly */
    assert_int_equal(status(f)->provisional, 0);
    assert_int_equal(status(f)->entries, 44);
    rig_trace(f->rig);
    confirm(f, 'b');
    assert_string_equal(rig_trace(f->rig), "embargo.ConfirmSnapshot\n"
                                           "    core.RequestRefused snapshot.overtaken\n");
    feed_free(f);
}

static void a_newer_snapshot_takes_back_or_amends_what_it_has_not(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'c', "101..140 901 902 903 950*");
    taken(f);
    notices_are(f, "3 AMEND QMi.950\n4 WITHDRAW QMi.901 withdraws 2\n");
    assert_int_equal(status(f)->provisional, 0);
    snapshot(f, 'd', "101..140 901 902 903");
    notices_are(f, "5 REMOVE QMi.950\n");
    feed_free(f);
}

static void a_provisional_addition_that_does_not_come_again_is_withdrawn(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'c', "101..140 901* 902 903");
    taken(f);
    notices_are(f, "3 WITHDRAW QMi.950 withdraws 1\n");
    snapshot(f, 'd', "101..140 901* 902 903 950");
    notices_are(f, "4 ADD QMi.950\n");
    feed_free(f);
}

static void a_newer_snapshot_in_doubt_overtakes_and_keeps(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'c', "122..140 901* 902# 903c 950* 951");
    assert_int_equal(set_aside(f)->overtakes.data[0], 'b');
    assert_int_equal(set_aside(f)->kept, 1);
    notices_are(f, "3 ADD? QMi.951\n4 AMEND? QMi.950\n");
    assert_int_equal(status(f)->provisional, 3);
    reject(f, 'c');
    notices_are(f, "5 WITHDRAW QMi.901 withdraws 2\n6 WITHDRAW QMi.950 withdraws 4\n"
                   "7 WITHDRAW QMi.950 withdraws 1\n8 WITHDRAW QMi.951 withdraws 3\n");
    assert_int_equal(status(f)->entries, 43);
    feed_free(f);
}

static void a_provisional_addition_stays_while_its_removal_is_in_doubt(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'c', "122..140 901 902# 903c");
    notices_are(f, "3 WITHDRAW QMi.901 withdraws 2\n"); /* it is as it was in force */
    assert_int_equal(status(f)->provisional, 1);
    confirm(f, 'c');
    assert_int_equal(rig_answers(f->rig), 1 + 1 + 21 + 1 + 2);
    assert_false(ask_party(f, "QMi.950", 0)->listed);
    feed_free(f);
}

static void an_older_snapshot_while_one_waits_touches_nothing(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    f->stamp = (int64_t)'b' * 1000000 - 1;
    snapshot(f, 'x', "101..140 901 902 903");
    doubted(f, DOUBT(DATE));
    notices_are(f, "");
    assert_int_equal(status(f)->provisional, 2);
    feed_free(f);
}

static void the_same_snapshot_again_is_harmless(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();

    snapshot(f, 'b', "122..140 901* 902# 903c 950");
    doubted(f, DOUBT(REMOVALS));
    assert_int_equal(set_aside(f)->overtakes.len, 0);
    notices_are(f, "");
    confirm(f, 'b');
    rig_answer(f->rig, 0, &embargo__snapshot_confirmed__descriptor);
    snapshot(f, 'b', "122..140 901* 902# 903c 950");
    taken(f);
    notices_are(f, "");
    feed_free(f);
}

/* ---- questions ---- */

static void a_party_is_shown_as_it_was_at_a_position(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();

    snapshot(f, 'a', "901 902");
    uint64_t baseline = status(f)->position;
    snapshot(f, 'b', "901*");
    assert_int_equal(ask_party(f, "QMi.901", 0)->party->n_designations, 1);
    assert_int_equal(ask_party(f, "QMi.901", baseline)->party->n_designations, 0);
    assert_true(ask_party(f, "QMi.902", baseline)->listed);
    const Embargo__Party *gone_now = ask_party(f, "QMi.902", 0);
    assert_false(gone_now->listed);
    assert_null(gone_now->party);
    assert_int_equal(gone_now->removed_by, 2);
    assert_null(ask_party(f, "QMi.902", 1)->party); /* before the baseline */
    feed_free(f);
}

static void standing_is_that_of_the_position(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();
    uint64_t before = status(f)->set_aside_position + 1;

    assert_int_equal(ask_party(f, "QMi.950", 0)->standing, PROVISIONAL);
    confirm(f, 'b');
    assert_int_equal(ask_party(f, "QMi.950", 0)->standing, FINAL);
    assert_int_equal(ask_party(f, "QMi.950", before)->standing, PROVISIONAL);
    feed_free(f);
}

static void parties_come_in_pages(void **unused)
{
    (void)unused;
    struct feed *f = feed_new();
    Embargo__ListParties question = EMBARGO__LIST_PARTIES__INIT;
    char cursor[64];
    size_t n = 0, pages = 0;

    snapshot(f, 'a', "100..1599 1600@");
    question.list = "un";
    question.committee = "Invented";
    do {
        const Embargo__Parties *page =
            rig_ask(f->rig, &question.base, &embargo__parties__descriptor);
        assert_int_equal(page->total, 1500);
        n += page->n_parties;
        pages++;
        snprintf(cursor, sizeof cursor, "%s", page->cursor);
        question.cursor = cursor;
    } while (cursor[0]);
    assert_int_equal(n, 1500);
    assert_int_equal(pages, 3);
    feed_free(f);
}

static void history_tells_every_notice_of_a_reference(void **unused)
{
    (void)unused;
    struct feed *f = feed_with_waiting();
    Embargo__GetHistory question = EMBARGO__GET_HISTORY__INIT;

    reject(f, 'b');
    question.list = "un";
    question.reference = "QMi.901";
    const Embargo__History *h = rig_ask(f->rig, &question.base, &embargo__history__descriptor);
    assert_int_equal(h->n_lines, 3);
    assert_int_equal(h->lines[0]->kind, 0); /* the baseline */
    assert_string_equal(h->lines[0]->generated_text, "stamp a");
    assert_true(h->lines[1]->withdrawn);
    assert_int_equal(h->lines[1]->n_changes, 1);
    assert_int_equal(h->lines[2]->kind, EMBARGO__NOTICE_KIND__NOTICE_KIND_WITHDRAW);
    feed_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_snapshot_is_a_baseline),
        cmocka_unit_test(additions_amendments_rekeys_and_removals_are_notices),
        cmocka_unit_test(a_reference_that_comes_again_is_relisted_with_its_earlier_spell),
        cmocka_unit_test(editorial_changes_of_a_snapshot_are_one_notice),
        cmocka_unit_test(an_editorial_change_with_a_new_id_is_both),
        cmocka_unit_test(a_party_in_several_events_is_one),
        cmocka_unit_test(events_of_a_snapshot_that_never_came_are_dropped),
        cmocka_unit_test(a_feed_speaks_of_its_own_list_alone),
        cmocka_unit_test(more_than_twenty_removals_wait),
        cmocka_unit_test(two_per_cent_of_a_long_list_may_go),
        cmocka_unit_test(a_committee_that_would_vanish_waits),
        cmocka_unit_test(a_committee_whose_entries_moved_is_not_gone),
        cmocka_unit_test(a_snapshot_that_goes_back_in_date_changes_nothing),
        cmocka_unit_test(somebody_else_under_a_reference_waits_and_the_rest_does_not),
        cmocka_unit_test(somebody_else_relisted_under_an_old_reference_waits),
        cmocka_unit_test(a_name_that_is_emptied_waits),
        cmocka_unit_test(a_snapshot_whose_count_is_not_met_changes_nothing),
        cmocka_unit_test(confirming_makes_the_provisional_final_and_the_rest_follow),
        cmocka_unit_test(rejecting_takes_the_provisional_back),
        cmocka_unit_test(after_a_rejection_the_next_is_compared_with_what_is_in_force),
        cmocka_unit_test(words_for_what_does_not_wait_are_refused),
        cmocka_unit_test(a_list_that_never_came_is_unknown),
        cmocka_unit_test(a_newer_snapshot_that_is_whole_settles_what_waits),
        cmocka_unit_test(a_newer_snapshot_takes_back_or_amends_what_it_has_not),
        cmocka_unit_test(a_provisional_addition_that_does_not_come_again_is_withdrawn),
        cmocka_unit_test(a_newer_snapshot_in_doubt_overtakes_and_keeps),
        cmocka_unit_test(a_provisional_addition_stays_while_its_removal_is_in_doubt),
        cmocka_unit_test(an_older_snapshot_while_one_waits_touches_nothing),
        cmocka_unit_test(the_same_snapshot_again_is_harmless),
        cmocka_unit_test(a_party_is_shown_as_it_was_at_a_position),
        cmocka_unit_test(standing_is_that_of_the_position),
        cmocka_unit_test(parties_come_in_pages),
        cmocka_unit_test(history_tells_every_notice_of_a_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
