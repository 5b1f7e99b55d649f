/* SPDX-License-Identifier: Apache-2.0 */
/* What a parsed file means for the feed, and that memory is the fold of what was answered. */
#include "adapters/sanctions/feed.h"

#include "lib/err.h"
#include "lib/scan.h"
#include "tests/support/test.h"

struct bench { /* a feed and the answers to one import */
    struct feed *feed;
    struct answers answers;
    struct feed_import *import;
    struct feed_request request;
    uint64_t position;
};

static struct bench bench_new(void)
{
    struct bench b = {.feed = feed_new("un")};

    answers_init(&b.answers, 1 << 20, "un.feed");
    return b;
}

static void bench_free(struct bench *b)
{
    feed_import_free(b->import);
    feed_free(b->feed);
    answers_clear(&b->answers);
}

static struct hash hash_of_text(const char *text)
{
    struct hash hash;

    hash_sha256(&hash, slice_str(text));
    return hash;
}

static ProtobufCBinaryData bytes(struct hash *hash)
{
    return (ProtobufCBinaryData){HASH_SIZE, hash->bytes};
}

static int take(struct bench *b, int kind, const ProtobufCMessage *m)
{
    struct buf packed = {0};
    size_t size = protobuf_c_message_get_packed_size(m);

    protobuf_c_message_pack(m, buf_grow(&packed, size));
    const struct pipe_message message = {kind, slice_buf(&packed)};
    int rc = feed_import_take(b->import, &message);
    buf_free(&packed);
    return rc;
}

/* `parties`: "a=1 b=1": references and what they have. */
static void import(struct bench *b, const char *file, const char *parties)
{
    char *list = mem_str(parties);
    uint32_t n = 0;
    struct hash content = hash_of_text(parties);

    feed_import_free(b->import);
    b->request = (struct feed_request){.list = "un", .file_name = "f.xml"};
    b->request.file = hash_of_text(file);
    Core__Envelope envelope = CORE__ENVELOPE__INIT;

    envelope.mode = CORE__MODE__MODE_ACTUAL;
    answers_begin(&b->answers, ++b->position, 1, &envelope);
    b->import = feed_import_new(b->feed, &b->request, &b->answers);
    for (char *save, *p = strtok_r(list, " ", &save); p; p = strtok_r(NULL, " ", &save), n++) {
        Sanctions__ListedParty party = SANCTIONS__LISTED_PARTY__INIT;
        Sanctions__PartyPublished piece = SANCTIONS__PARTY_PUBLISHED__INIT;
        struct hash whole = hash_of_text(p);
        char reference[] = {p[0], 0};
        party.reference = reference;
        piece.party = &party;
        piece.number = piece.of = 1;
        piece.snapshot = bytes(&b->request.file);
        piece.content = bytes(&whole);
        assert_int_equal(take(b, PIPE_PARTY, &piece.base), 0);
    }
    Sanctions__SnapshotPublished end = SANCTIONS__SNAPSHOT_PUBLISHED__INIT;
    end.list = "un";
    end.snapshot = bytes(&b->request.file);
    end.content = bytes(&content);
    end.entries = n;
    assert_int_equal(take(b, PIPE_SNAPSHOT, &end.base), 0);
    assert_true(feed_import_done(b->import));
    mem_free(list);
}

/* The types answered, and their first letters of what matters. */
static void check(const struct bench *b, const char *trace)
{
    struct buf out = {0};

    for (size_t i = 0; i < b->answers.n; i++) {
        const char *dot = strrchr(b->answers.events[i].type->name, '.');
        buf_printf(&out, "%s%s", i ? " " : "", dot + 1);
    }
    assert_string_equal(buf_cstr(&out), trace);
    buf_free(&out);
}

/* Folds the first `n` answers as the log would give them back. */
static void fold(struct bench *b, size_t n)
{
    struct arena *arena = arena_new(1 << 20);
    int err;

    for (size_t i = 0; i < n; i++) {
        const struct answer_event *e = &b->answers.events[i];
        feed_fold(b->feed, e->type, scan_unpack(e->type, e->payload, arena, &err, NULL));
    }
    arena_free(arena);
}

static void only_what_differs_is_published(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    import(&b, "f1", "a=1 b=1");
    check(&b, "PartyPublished PartyPublished SnapshotPublished Imported");
    fold(&b, b.answers.n);
    import(&b, "f2", "a=1 b=2 c=1");
    check(&b, "PartyPublished PartyPublished SnapshotPublished Imported");
    fold(&b, b.answers.n);
    import(&b, "f3", "a=1 c=1");
    check(&b, "PartiesGone SnapshotPublished Imported");
    bench_free(&b);
}

static void the_same_content_or_the_same_file_is_unchanged(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    import(&b, "f1", "a=1");
    fold(&b, b.answers.n);
    import(&b, "f2", "a=1");
    check(&b, "Unchanged");
    b.request.file = hash_of_text("f1");
    assert_true(feed_answer_same(b.feed, &b.request, &b.answers));
    check(&b, "Unchanged");
    b.request.file = hash_of_text("f2");
    assert_false(feed_answer_same(b.feed, &b.request, &b.answers));
    bench_free(&b);
}

static void an_import_answered_in_part_is_decided_alike_again(void **unused)
{
    (void)unused;
    for (size_t recorded = 0; recorded < 5; recorded++) {
        struct bench b = bench_new();
        import(&b, "f1", "a=1 b=1");
        fold(&b, b.answers.n);
        import(&b, "f2", "a=2 c=1");
        check(&b, "PartyPublished PartyPublished PartiesGone SnapshotPublished Imported");
        fold(&b, recorded);
        import(&b, "f2", "a=2 c=1");
        check(&b, "PartyPublished PartyPublished PartiesGone SnapshotPublished Imported");
        fold(&b, b.answers.n);
        import(&b, "f3", "a=2 c=1");
        check(&b, "Unchanged");
        bench_free(&b);
    }
}

static void parties_of_a_snapshot_that_never_came_are_dropped(void **unused)
{
    struct bench b = bench_new();

    (void)unused;
    import(&b, "f1", "a=1 b=1");
    fold(&b, 1);
    feed_refuse(&b.request, "list.limit", "too large", &b.answers);
    check(&b, "ImportRefused");
    fold(&b, 1);
    import(&b, "f2", "a=1 b=1");
    check(&b, "PartyPublished PartyPublished SnapshotPublished Imported");
    bench_free(&b);
}

static void a_refusal_drops_what_the_parser_said_before(void **unused)
{
    struct bench b = bench_new();
    Sanctions__ImportRefused refused = SANCTIONS__IMPORT_REFUSED__INIT;
    Sanctions__PartyPublished none = SANCTIONS__PARTY_PUBLISHED__INIT;

    (void)unused;
    import(&b, "f1", "a=1");
    assert_int_equal(take(&b, PIPE_PARTY, &none.base), ERR_MALFORMED);
    feed_import_free(b.import);
    b.import = feed_import_new(b.feed, &b.request, &b.answers);
    assert_int_equal(take(&b, PIPE_PARTY, &none.base), ERR_MALFORMED);
    refused.code = "list.truncated";
    assert_int_equal(take(&b, PIPE_REFUSED, &refused.base), 0);
    assert_true(feed_import_done(b.import));
    check(&b, "ImportRefused");
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_differs_is_published),
        cmocka_unit_test(the_same_content_or_the_same_file_is_unchanged),
        cmocka_unit_test(an_import_answered_in_part_is_decided_alike_again),
        cmocka_unit_test(parties_of_a_snapshot_that_never_came_are_dropped),
        cmocka_unit_test(a_refusal_drops_what_the_parser_said_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
