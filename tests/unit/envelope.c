/* SPDX-License-Identifier: Apache-2.0 */
/* envelope.c - a lawful envelope, spoilt in one place at a time; ids and times */
#include "lib/envelope.h"

#include <stdio.h>

#include "lib/err.h"
#include "tests/support/events.h"
#include "tests/support/test.h"

#define PAYLOAD slice_str("payload")

struct trial {
    Core__Envelope e;
    Core__Handling h;
    Core__EventRef ref;
    Core__EventRef *refs[65];
    Core__Recipient recipient;
    Core__Recipient *recipients[257];
    Core__PartRef part;
    Core__PartRef *parts[65];
    Core__HandlingCode codes[5];
};

static uint8_t some_hash[HASH_SIZE + 1] = {1, 2, 3};

static ProtobufCBinaryData binary(void *data, size_t size)
{
    return (ProtobufCBinaryData){size, data};
}

/* A lawful envelope, and one lawful reference, recipient, part and code for it to take up. */
static void trial_begin(struct trial *t)
{
    events_envelope(&t->e, &t->h, PAYLOAD);
    core__event_ref__init(&t->ref);
    t->ref.position = 1;
    for (size_t i = 0; i < 65; i++)
        t->refs[i] = &t->ref;
    t->e.references = t->refs;
    core__recipient__init(&t->recipient);
    t->recipient.kind = CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY;
    t->recipient.name = "QMB";
    for (size_t i = 0; i < 257; i++)
        t->recipients[i] = &t->recipient;
    t->h.recipients = t->recipients;
    t->h.release_to = t->recipients;
    core__part_ref__init(&t->part);
    t->part.sha256 = binary(some_hash, HASH_SIZE);
    t->part.size = 5;
    t->part.media_type = "text/plain";
    t->part.name = "note.txt";
    for (size_t i = 0; i < 65; i++)
        t->parts[i] = &t->part;
    t->e.parts = t->parts;
    for (size_t i = 0; i < 5; i++)
        t->codes[i] = CORE__HANDLING_CODE__HANDLING_CODE_H1;
    t->h.codes = t->codes;
}

static int open_bytes(struct slice event, char where[128])
{
    struct arena *arena = arena_new(1 << 20);
    struct event opened;
    int err = event_open(&opened, event, PAYLOAD, arena, where);

    arena_free(arena);
    return err;
}

static int trial_open(struct trial *t, char where[128])
{
    struct buf event = {0};

    events_sign(&event, &t->e);
    int err = open_bytes(slice_buf(&event), where);
    buf_free(&event);
    return err;
}

/* SET is what spoils the envelope `e` (of handling `h`), or what it may lawfully have. */
#define EXPECT(set, expected_err, expected_where)                        \
    do {                                                                 \
        struct trial t;                                                  \
        Core__Envelope *e = &t.e;                                        \
        Core__Handling *h = &t.h;                                        \
        char where[128] = "";                                            \
        trial_begin(&t);                                                 \
        set;                                                             \
        (void)e, (void)h;                                                \
        int err = trial_open(&t, where);                                 \
        if (err != (expected_err) || strcmp(where, expected_where) != 0) \
            fail_msg("%s: %s at '%s'", #set, err_code(err), where);      \
    } while (0)

static void a_lawful_event_opens_with_all_its_fields(void **unused)
{
    (void)unused;
    struct trial t;
    struct buf event = {0};
    struct arena *arena = arena_new(1 << 20);
    struct event opened;
    char where[128];

    trial_begin(&t);
    t.h.n_recipients = t.e.n_references = t.e.n_parts = 1;
    events_sign(&event, &t.e);
    assert_int_equal(event_open(&opened, slice_buf(&event), PAYLOAD, arena, where), 0);
    assert_string_equal(opened.envelope->seat, "qma-desk");
    assert_string_equal(opened.envelope->parts[0]->name, "note.txt");
    assert_true(slice_is(opened.payload, "payload"));
    assert_ptr_equal(opened.bytes.data, event.data);
    struct hash hash;
    hash_sha256(&hash,
                slice_of(opened.signed_event->envelope.data, opened.signed_event->envelope.len));
    assert_true(hash_equal(&hash, &opened.envelope_hash));

    assert_int_equal(event_open(&opened, slice_buf(&event), slice_str("payloae"), arena, where),
                     ERR_PAYLOAD);
    assert_string_equal(where, "payload_hash");
    assert_int_equal(event_open(&opened, slice_buf(&event), slice_str("payloa"), arena, where),
                     ERR_PAYLOAD);
    assert_string_equal(where, "payload_size");
    assert_int_equal(event_open_head(&opened, slice_buf(&event), arena, where), 0);
    assert_int_equal(opened.payload.size, 0);
    buf_free(&event);
    arena_free(arena);
}

static void names_keep_to_their_alphabets(void **unused)
{
    (void)unused;
    static const char *const x64 =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const x65 =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefg";

    EXPECT(e->log = "", ERR_FIELD, "log");
    EXPECT(e->log = "Log", ERR_FIELD, "log");
    EXPECT(e->log = "a//b", ERR_FIELD, "log");
    EXPECT(e->log = "a/", ERR_FIELD, "log");
    EXPECT(e->log = x65, ERR_FIELD, "log");
    EXPECT(e->log = x64, 0, "");
    EXPECT(e->stream = "", ERR_FIELD, "stream");
    EXPECT(e->stream = "Embargo.in", ERR_FIELD, "stream");
    EXPECT(e->stream = "embargo_in", ERR_FIELD, "stream");
    EXPECT(e->stream = x64, 0, "");
    EXPECT(e->stream = x65, ERR_FIELD, "stream");
    EXPECT(e->type = "", ERR_FIELD, "type");
    EXPECT(e->type = "a-b", ERR_FIELD, "type");
    EXPECT(e->seat = "", ERR_FIELD, "seat");
    EXPECT(e->seat = "a b", ERR_FIELD, "seat");
    EXPECT(e->seat = "\xc3\xa4", ERR_FIELD, "seat");
    EXPECT(e->seat = x65, ERR_FIELD, "seat");
    EXPECT(e->office = "QMA", ERR_FIELD, "office");
    EXPECT(e->office = "QMA/", ERR_FIELD, "office");
    EXPECT(e->office = "QMA/npc/x", ERR_FIELD, "office");
    EXPECT(e->office = "/npc", ERR_FIELD, "office");
    EXPECT(e->acting_for = "QMB/mission", 0, "");
    EXPECT(e->acting_for = "QMB", ERR_FIELD, "acting_for");
    EXPECT(e->case_id = "case-1", 0, "");
    EXPECT(e->case_id = "case 1", ERR_FIELD, "case_id");
    EXPECT(e->language = "sr-Latn", 0, "");
    EXPECT(e->language = "sr_Latn", ERR_FIELD, "language");
    EXPECT(e->marking = "SECRET - \xc3\x84", 0, "");
    EXPECT(e->marking = "e\xcc\x81", ERR_TEXT, "marking");
}

static void enums_are_stated_and_known(void **unused)
{
    (void)unused;
    EXPECT(e->evidence = CORE__EVIDENCE__EVIDENCE_UNSPECIFIED, ERR_FIELD, "evidence");
    EXPECT(e->evidence = CORE__EVIDENCE__EVIDENCE_TRANSCRIBED, 0, "");
    EXPECT(e->evidence = (Core__Evidence)3, ERR_FIELD, "evidence");
    EXPECT(e->kind = CORE__KIND__KIND_UNSPECIFIED, ERR_FIELD, "kind");
    EXPECT(e->kind = (Core__Kind)5, ERR_FIELD, "kind");
    EXPECT(e->mode = CORE__MODE__MODE_UNSPECIFIED, ERR_FIELD, "mode");
    EXPECT(e->mode = (Core__Mode)4, ERR_FIELD, "mode");
    EXPECT(h->label = CORE__LABEL__LABEL_UNSPECIFIED, ERR_FIELD, "handling.label");
    EXPECT(h->label = (Core__Label)6, ERR_FIELD, "handling.label");
    EXPECT(h->source_evaluation = (Core__SourceEvaluation)5, ERR_FIELD,
           "handling.source_evaluation");
    EXPECT(h->information_evaluation = (Core__InformationEvaluation)5, ERR_FIELD,
           "handling.information_evaluation");
    EXPECT(e->handling = NULL, ERR_FIELD, "handling");
}

static void an_id_is_of_version_7_or_that_of_cause_and_ordinal(void **unused)
{
    (void)unused;
    uint8_t id[ID_SIZE], answer[ID_SIZE];

    id_v7(id, 1);
    id_v8(answer, 9, 2);
    EXPECT(e->id = binary(id, 0), ERR_ID_INVALID, "id");
    EXPECT(e->id = binary(id, 15), ERR_ID_INVALID, "id");
    EXPECT(e->id = binary(answer, 16), ERR_ID_INVALID, "id");
    EXPECT((e->cause = 9, e->of = 3, e->ordinal = 2), ERR_ID_INVALID, "id");
    EXPECT((e->id = binary(answer, 16), e->cause = 9, e->of = 3, e->ordinal = 2), 0, "");
    EXPECT((e->id = binary(answer, 16), e->cause = 9, e->of = 3, e->ordinal = 1), ERR_ID_INVALID,
           "id");
    EXPECT((e->id = binary(answer, 16), e->cause = 8, e->of = 3, e->ordinal = 2), ERR_ID_INVALID,
           "id");
    EXPECT((e->id = binary(answer, 16), e->cause = 9, e->of = 2, e->ordinal = 2), ERR_CAUSE,
           "ordinal");
    EXPECT((e->id = binary(answer, 16), e->cause = 9, e->ordinal = 2), ERR_CAUSE, "of");
    EXPECT((e->cause = (uint64_t)1 << 48, e->of = 1), ERR_CAUSE, "cause");
    EXPECT(e->of = 1, ERR_CAUSE, "of");
    EXPECT(e->ordinal = 1, ERR_CAUSE, "ordinal");
}

static void the_first_event_of_a_seat_has_no_previous_and_the_others_have(void **unused)
{
    (void)unused;
    EXPECT(e->seat_seq = 0, ERR_FIELD, "seat_seq");
    EXPECT(e->seat_seq = 2, ERR_FIELD, "previous");
    EXPECT((e->seat_seq = 2, e->previous = binary(some_hash, 32)), 0, "");
    EXPECT((e->seat_seq = 2, e->previous = binary(some_hash, 33)), ERR_FIELD, "previous");
    EXPECT(e->previous = binary(some_hash, 32), ERR_FIELD, "previous");
}

static void references_are_well_formed_and_needed_by_what_changes_an_event(void **unused)
{
    (void)unused;
    EXPECT(e->kind = CORE__KIND__KIND_UPDATE, ERR_REFERENCE, "references");
    EXPECT(e->kind = CORE__KIND__KIND_RECALL, ERR_REFERENCE, "references");
    EXPECT((e->kind = CORE__KIND__KIND_CANCEL, e->n_references = 1), 0, "");
    EXPECT(e->n_references = 64, 0, "");
    EXPECT(e->n_references = 65, ERR_BOUNDS, "references");
    EXPECT((e->n_references = 2, t.ref.position = 0), ERR_REFERENCE, "references[0].position");
    EXPECT((e->n_references = 1, t.ref.envelope_hash = binary(some_hash, 31)), ERR_REFERENCE,
           "references[0].envelope_hash");
    EXPECT((e->n_references = 1, t.ref.envelope_hash = binary(some_hash, 32)), 0, "");
    EXPECT((e->n_references = 1, t.ref.log = "other.example"), 0, "");
    EXPECT((e->n_references = 1, t.ref.log = "Other"), ERR_REFERENCE, "references[0].log");
    EXPECT(e->in_reply_to = &t.ref, 0, "");
    EXPECT((e->in_reply_to = &t.ref, t.ref.position = 0), ERR_REFERENCE, "in_reply_to.position");
}

static void from_amber_on_recipients_are_named(void **unused)
{
    (void)unused;
    EXPECT(h->label = CORE__LABEL__LABEL_CLEAR, 0, "");
    EXPECT(h->label = CORE__LABEL__LABEL_AMBER, ERR_FIELD, "handling.recipients");
    EXPECT(h->label = CORE__LABEL__LABEL_AMBER_STRICT, ERR_FIELD, "handling.recipients");
    EXPECT(h->label = CORE__LABEL__LABEL_RED, ERR_FIELD, "handling.recipients");
    EXPECT((h->label = CORE__LABEL__LABEL_AMBER, h->n_recipients = 1), 0, "");
    EXPECT((h->label = CORE__LABEL__LABEL_RED, h->n_recipients = 256), 0, "");
    EXPECT(h->n_recipients = 257, ERR_BOUNDS, "handling.recipients");
    EXPECT(h->n_release_to = 257, ERR_BOUNDS, "handling.release_to");
}

static void a_recipient_has_the_name_that_its_kind_asks_for(void **unused)
{
    (void)unused;
    static const struct {
        Core__RecipientKind kind;
        const char *name;
        int err;
        const char *where;
    } rows[] = {
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY, "QMB", 0, ""},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY, "QMB/npc", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE, "QMB/npc", 0, ""},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE, "QMB", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT, "qmb-desk", 0, ""},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT, "", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "everybody@12", 0, ""},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "everybody", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "everybody@", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "everybody@0", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "everybody@1x", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP, "@1", ERR_FIELD, "name"},
        {CORE__RECIPIENT_KIND__RECIPIENT_KIND_UNSPECIFIED, "QMB", ERR_FIELD, "kind"},
        {(Core__RecipientKind)5, "QMB", ERR_FIELD, "kind"},
        {(Core__RecipientKind)-1, "QMB", ERR_FIELD, "kind"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char to[64] = "", release[64] = "";
        if (rows[i].err) {
            snprintf(to, sizeof to, "handling.recipients[0].%s", rows[i].where);
            snprintf(release, sizeof release, "handling.release_to[0].%s", rows[i].where);
        }
        EXPECT(
            (h->n_recipients = 1, t.recipient.kind = rows[i].kind, t.recipient.name = rows[i].name),
            rows[i].err, to);
        EXPECT(
            (h->n_release_to = 1, t.recipient.kind = rows[i].kind, t.recipient.name = rows[i].name),
            rows[i].err, release);
    }
}

static void parts_are_named_bounded_and_with_red_sealed(void **unused)
{
    (void)unused;
    EXPECT(e->n_parts = 64, 0, "");
    EXPECT(e->n_parts = 65, ERR_BOUNDS, "parts");
    EXPECT((e->n_parts = 1, t.part.sha256.len = 31), ERR_FIELD, "parts[0].sha256");
    EXPECT((e->n_parts = 1, t.part.size = PART_MOST), 0, "");
    EXPECT((e->n_parts = 1, t.part.size = PART_MOST + 1), ERR_BOUNDS, "parts[0].size");
    EXPECT((e->n_parts = 1, t.part.media_type = ""), ERR_FIELD, "parts[0].media_type");
    EXPECT((e->n_parts = 1, t.part.media_type = "text"), ERR_FIELD, "parts[0].media_type");
    EXPECT((e->n_parts = 1, t.part.media_type = "text/plain\r\nX: y"), ERR_FIELD,
           "parts[0].media_type");
    EXPECT((e->n_parts = 1, t.part.name = ""), 0, "");
    EXPECT((e->n_parts = 1, t.part.name = "../x"), ERR_FIELD, "parts[0].name");
    EXPECT((e->n_parts = 1, t.part.name = ".."), ERR_FIELD, "parts[0].name");
    EXPECT((e->n_parts = 1, t.part.name = "a\nb"), ERR_FIELD, "parts[0].name");
    EXPECT((e->n_parts = 1, h->label = CORE__LABEL__LABEL_RED, h->n_recipients = 1), ERR_FIELD,
           "parts[0].sealed");
    EXPECT(
        (e->n_parts = 1, h->label = CORE__LABEL__LABEL_RED, h->n_recipients = 1, t.part.sealed = 1),
        0, "");
}

static void codes_times_and_sizes_are_in_range(void **unused)
{
    (void)unused;
    EXPECT(h->n_codes = 4, 0, "");
    EXPECT(h->n_codes = 5, ERR_BOUNDS, "handling.codes");
    EXPECT((h->n_codes = 1, t.codes[0] = CORE__HANDLING_CODE__HANDLING_CODE_UNSPECIFIED), ERR_FIELD,
           "handling.codes");
    EXPECT(e->due = -1, ERR_FIELD, "due");
    EXPECT(e->created = -1, ERR_FIELD, "created");
    EXPECT(e->effective = INT64_MAX, ERR_FIELD, "effective");
    EXPECT(e->expires = INT64_C(253402300799999999), 0, "");
    EXPECT(e->expires = INT64_C(253402300800000000), ERR_FIELD, "expires");
    EXPECT(h->retain_until = -1, ERR_FIELD, "handling.retain_until");
    EXPECT(e->payload_hash = binary(some_hash, 31), ERR_FIELD, "payload_hash");
    EXPECT(e->payload_size = PAYLOAD_MOST + 1, ERR_BOUNDS, "payload_size");
    EXPECT(e->payload_size = 6, ERR_PAYLOAD, "payload_size");
}

/* Repacks a signed event with one of its own fields spoilt. */
#define EXPECT_SIGNED(set, expected_err, expected_where)                                           \
    do {                                                                                           \
        struct trial t;                                                                            \
        struct buf event = {0}, spoilt = {0};                                                      \
        uint8_t big[ENVELOPE_MOST + 1] = {0};                                                      \
        char where[128] = "";                                                                      \
        trial_begin(&t);                                                                           \
        events_sign(&event, &t.e);                                                                 \
        Core__SignedEvent *s = core__signed_event__unpack(NULL, event.size, event.data), own = *s; \
        ProtobufCBinaryData path = binary(some_hash, HASH_SIZE);                                   \
        (void)big, (void)path;                                                                     \
        set;                                                                                       \
        events_pack(&spoilt, &own.base);                                                           \
        int err = open_bytes(slice_buf(&spoilt), where);                                           \
        if (err != (expected_err) || strcmp(where, expected_where) != 0)                           \
            fail_msg("%s: %s at '%s'", #set, err_code(err), where);                                \
        core__signed_event__free_unpacked(s, NULL);                                                \
        buf_free(&event);                                                                          \
        buf_free(&spoilt);                                                                         \
    } while (0)

static void a_signed_event_has_its_shape(void **unused)
{
    (void)unused;
    EXPECT_SIGNED(own.envelope.len = 0, ERR_MALFORMED, "envelope");
    EXPECT_SIGNED(own.envelope = binary(big, sizeof big), ERR_BOUNDS, "envelope");
    EXPECT_SIGNED(own.key_id.len = 7, ERR_MALFORMED, "key_id");
    EXPECT_SIGNED(own.salt.len = 15, ERR_MALFORMED, "salt");
    EXPECT_SIGNED(own.signature.len = 63, ERR_MALFORMED, "signature");
    EXPECT_SIGNED(own.tree_size = 0, ERR_MALFORMED, "tree_size");
    EXPECT_SIGNED(own.tree_size = 65, ERR_MALFORMED, "tree_size");
    EXPECT_SIGNED(own.leaf_index = 1, ERR_MALFORMED, "leaf_index");
    EXPECT_SIGNED((own.path = &path, own.n_path = 1), ERR_MALFORMED, "path");
    EXPECT_SIGNED((own.path = &path, own.n_path = 1, own.tree_size = 2), 0, "");
    EXPECT_SIGNED((own.tree_size = 2), ERR_MALFORMED, "path");
    EXPECT_SIGNED(own.envelope.len--, ERR_MALFORMED, "payload_size");
}

static void an_id_of_version_7_tells_its_time_and_ascends(void **unused)
{
    (void)unused;
    uint8_t id[ID_SIZE], before[ID_SIZE] = {0}, rfc[ID_SIZE];
    char text[37];

    for (int64_t us = INT64_C(1767225600000000); us < INT64_C(1767225600003000); us++) {
        id_v7(id, us);
        assert_int_equal(id_v7_time(id), us / 1000 * 1000);
        assert_true(memcmp(before, id, ID_SIZE) < 0);
        memcpy(before, id, ID_SIZE);
    }
    /* RFC 9562 appendix A.6 */
    assert_true(id_parse(rfc, "017F22E2-79B0-7CC3-98C4-DC0C0C07398F"));
    assert_int_equal(id_v7_time(rfc), INT64_C(1645557742000000));
    id_text(text, rfc);
    assert_string_equal(text, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    rfc[6] = 0x4c;
    assert_int_equal(id_v7_time(rfc), -1);
    rfc[6] = 0x7c;
    rfc[8] = 0xd8;
    assert_int_equal(id_v7_time(rfc), -1);
}

static void ids_of_answers_ascend_with_cause_and_ordinal(void **unused)
{
    (void)unused;
    uint8_t id[ID_SIZE], before[ID_SIZE] = {0};
    static const uint64_t causes[] = {1, 2, 255, 256, 65536, ((uint64_t)1 << 48) - 1};
    static const uint32_t ordinals[] = {0, 1, 255, 256, UINT32_MAX};
    char text[37];

    for (size_t c = 0; c < 6; c++)
        for (size_t o = 0; o < 5; o++) {
            id_v8(id, causes[c], ordinals[o]);
            assert_true(memcmp(before, id, ID_SIZE) < 0);
            assert_true(id_v8_is(id, causes[c], ordinals[o]));
            assert_false(id_v8_is(id, causes[c], ordinals[o] + 1));
            assert_int_equal(id_v7_time(id), -1);
            memcpy(before, id, ID_SIZE);
        }
    id_v8(id, 0x0123456789ab, 0xcdef0123);
    id_text(text, id);
    assert_string_equal(text, "01234567-89ab-8000-8000-0000cdef0123");
}

static void an_id_that_is_not_written_as_one_is_refused(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398FF",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F-",
        "017F22E279B0-7CC3-98C4-DC0C0C07398FAA",
        "017F22E279B07CC398C4DC0C0C07398F",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398G",
        "017F22E2-79B0-7CC3-98C4-DC0C0C0-398F",
    };
    uint8_t id[ID_SIZE];

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(id_parse(id, wrong[i]));
}

static void a_pattern_is_exact_or_a_prefix(void **unused)
{
    (void)unused;
    assert_true(pattern_match("*", ""));
    assert_true(pattern_match("un.*", "un.feed"));
    assert_true(pattern_match("un.feed", "un.feed"));
    assert_false(pattern_match("un.feed", "un.feeds"));
    assert_false(pattern_match("un.*", "un"));
    assert_false(pattern_match("", ""));
    assert_false(pattern_match("u*.feed", "un.feed"));
}

static void times_are_written_and_read_as_rfc_3339(void **unused)
{
    (void)unused;
    static const struct {
        int64_t us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {INT64_C(1772150409554000), "2026-02-27T00:00:09.554Z"},
        {INT64_C(1772150409554001), "2026-02-27T00:00:09.554001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-1000000, "1969-12-31T23:59:59Z"},
        {INT64_C(951782400000000), "2000-02-29T00:00:00Z"},
        {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    char text[40];
    int64_t us;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        time_text(text, rows[i].us);
        assert_string_equal(text, rows[i].text);
        assert_true(time_parse(&us, text));
        assert_int_equal(us, rows[i].us);
    }
    time_text(text, INT64_MAX);
    time_text(text, INT64_MIN);
    assert_true(time_parse(&us, "1996-12-19T16:39:57-08:00"));
    assert_int_equal(us, INT64_C(851042397000000));
    assert_true(time_parse(&us, "1996-12-20t00:39:57.1234567z"));
    assert_int_equal(us, INT64_C(851042397123456));
    assert_true(time_parse(&us, "1996-12-20T00:39:57-00:00"));
    assert_int_equal(us, INT64_C(851042397000000));
}

static void what_is_no_time_is_refused(void **unused)
{
    (void)unused;
    static const char *const wrong[] = {
        "",
        "2026-02-27",
        "2026-02-27T00:00:09",
        "2026-02-27T00:00Z",
        "2026-02-27 00:00:09Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2016-12-31T23:59:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00Zx",
        "+026-01-01T00:00:00Z",
    };
    int64_t us = 42;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(time_parse(&us, wrong[i]));
    assert_int_equal(us, 42);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lawful_event_opens_with_all_its_fields),
        cmocka_unit_test(names_keep_to_their_alphabets),
        cmocka_unit_test(enums_are_stated_and_known),
        cmocka_unit_test(an_id_is_of_version_7_or_that_of_cause_and_ordinal),
        cmocka_unit_test(the_first_event_of_a_seat_has_no_previous_and_the_others_have),
        cmocka_unit_test(references_are_well_formed_and_needed_by_what_changes_an_event),
        cmocka_unit_test(from_amber_on_recipients_are_named),
        cmocka_unit_test(a_recipient_has_the_name_that_its_kind_asks_for),
        cmocka_unit_test(parts_are_named_bounded_and_with_red_sealed),
        cmocka_unit_test(codes_times_and_sizes_are_in_range),
        cmocka_unit_test(a_signed_event_has_its_shape),
        cmocka_unit_test(an_id_of_version_7_tells_its_time_and_ascends),
        cmocka_unit_test(ids_of_answers_ascend_with_cause_and_ordinal),
        cmocka_unit_test(an_id_that_is_not_written_as_one_is_refused),
        cmocka_unit_test(a_pattern_is_exact_or_a_prefix),
        cmocka_unit_test(times_are_written_and_read_as_rfc_3339),
        cmocka_unit_test(what_is_no_time_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
