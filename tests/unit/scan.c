/* SPDX-License-Identifier: Apache-2.0 */
/* scan.c - bytes that unpack would take, or die of, and that the pre-scan refuses */
#include "lib/scan.h"
#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"
#include "tests/support/events.h"
#include "tests/support/test.h"

#define BYTES(s) slice_of(s, sizeof(s) - 1)

struct row {
    const ProtobufCMessageDescriptor *type;
    struct slice bytes;
    int err;
    const char *where;
};

static void check_rows(const struct row rows[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char where[128];
        int err = scan_message(rows[i].type, rows[i].bytes, where);
        if (err != rows[i].err || strcmp(where, rows[i].where) != 0)
            fail_msg("row %zu: %s at '%s', not %s at '%s'", i, err_code(err), where,
                     err_code(rows[i].err), rows[i].where);
        assert_int_equal(scan_message(rows[i].type, rows[i].bytes, NULL), rows[i].err);
    }
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void what_is_well_formed_passes(void **unused)
{
    (void)unused;
    const struct row rows[] = {
        {&core__hello__descriptor, BYTES(""), 0, ""},
        {&core__hello__descriptor, BYTES("\x08\x01\x12\x03log\x1a\x02\xc3\xa4"), 0, ""},
        {&core__handling__descriptor, BYTES("\x1a\x02\x01\x02"), 0, ""}, /* packed */
        {&core__handling__descriptor, BYTES("\x18\x01\x18\x02"), 0, ""}, /* and not */
        {&core__handling__descriptor, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), 0, ""},
        {&core__frame__descriptor, BYTES("\x08\x05\x52\x02\x08\x01"), 0, ""},
        {&core__hello__descriptor, BYTES("\xa0\x06\x01\xa2\x06\x01x\xa5\x06____\xa1\x06________"),
         0, ""}, /* unknown fields of all four wire types */
    };

    CHECK_ROWS(rows);
}

static void what_is_not_well_formed_is_refused_with_its_place(void **unused)
{
    (void)unused;
    const struct row rows[] = {
        {&core__hello__descriptor, BYTES("\x08"), ERR_MALFORMED, "version"},
        {&core__hello__descriptor, BYTES("\x12\x05log"), ERR_MALFORMED, "log"},
        {&core__hello__descriptor, BYTES("\x12\xff\xff\xff\xff\xff\x01log"), ERR_MALFORMED, "log"},
        {&core__hello__descriptor, BYTES("\x0a\x01x"), ERR_MALFORMED, "version"}, /* wire type */
        {&core__hello__descriptor, BYTES("\x10\x01"), ERR_MALFORMED, "log"},
        {&core__hello__descriptor, BYTES("\x00\x01"), ERR_MALFORMED, ""}, /* field 0 */
        {&core__hello__descriptor, BYTES("\xff\xff\xff\xff\xff\x01\x01"), ERR_MALFORMED, ""},
        {&core__hello__descriptor, BYTES("\x9b\x06\x9c\x06"), ERR_MALFORMED, ""}, /* a group */
        {&core__hello__descriptor, BYTES("\x0b\x0c"), ERR_MALFORMED, "version"},
        {&core__hello__descriptor, BYTES("\x0e\x01"), ERR_MALFORMED, "version"}, /* wire type 6 */
        {&core__hello__descriptor, BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
         ERR_MALFORMED, "version"}, /* 65 bits */
        {&core__hello__descriptor, BYTES("\x08\x80\x80\x80\x80\x10"), ERR_MALFORMED,
         "version"}, /* 33 bits into 32 */
        {&core__handling__descriptor, BYTES("\x30\x02"), ERR_MALFORMED, "no_forward"},
        {&core__handling__descriptor, BYTES("\x08\x80\x80\x80\x80\x08"), ERR_MALFORMED, "label"},
        {&core__handling__descriptor, BYTES("\x1a\x02\x01\x80"), ERR_MALFORMED, "codes"},
        {&core__frame__descriptor, BYTES("\x52\x02\x12\x05"), ERR_MALFORMED, "hello.log"},
    };

    CHECK_ROWS(rows);
}

static void what_is_singular_comes_once(void **unused)
{
    (void)unused;
    const struct row rows[] = {
        {&core__hello__descriptor, BYTES("\x08\x01\x08\x01"), ERR_MALFORMED, "version"},
        {&core__hello__descriptor, BYTES("\x12\x01x\x12\x01y"), ERR_MALFORMED, "log"},
        {&core__frame__descriptor, BYTES("\x52\x00\x52\x00"), ERR_MALFORMED, "hello"},
        {&core__frame__descriptor, BYTES("\x52\x00\x6a\x00"), ERR_MALFORMED, "ping"}, /* oneof */
        {&core__envelope__descriptor, BYTES("\x9a\x01\x00\x9a\x01\x00"), ERR_MALFORMED, "handling"},
    };

    CHECK_ROWS(rows);
}

static void text_is_utf8_in_normalisation_form_c_without_nul(void **unused)
{
    (void)unused;
    const struct row rows[] = {
        {&core__hello__descriptor, BYTES("\x12\x02q\x00"), ERR_TEXT, "log"},
        {&core__hello__descriptor,
         BYTES("\x12\x09"
               "12345678\x00"),
         ERR_TEXT, "log"},
        {&core__hello__descriptor, BYTES("\x12\x02\xc3\x28"), ERR_TEXT, "log"},
        {&core__hello__descriptor, BYTES("\x12\x02\xc0\x80"), ERR_TEXT, "log"},     /* overlong */
        {&core__hello__descriptor, BYTES("\x12\x03\xed\xa0\x80"), ERR_TEXT, "log"}, /* surrogate */
        {&core__hello__descriptor, BYTES("\x12\x04\xf4\x90\x80\x80"), ERR_TEXT, "log"},
        {&core__hello__descriptor,
         BYTES("\x12\x03"
               "e\xcc\x81"),
         ERR_TEXT, "log"},                                                          /* e, acute */
        {&core__hello__descriptor, BYTES("\x12\x03\xe2\x84\xab"), ERR_TEXT, "log"}, /* Angstrom */
    };

    CHECK_ROWS(rows);
    assert_true(scan_text(slice_str("Ünïcode, Москва, محمد, 北京, 서울, Ελλάδα, नई दिल्ली")));
    assert_true(scan_text(slice_of(NULL, 0)));
    assert_false(scan_text(slice_str("q\xcc\x81\xcc\xa3"))); /* marks out of order */
    assert_true(scan_text(slice_str("q\xcc\xa3\xcc\x81")));
}

/* Each character of the first plane alone and behind a base: the quick answer is the whole one. */
static void the_quick_look_at_text_agrees_with_the_whole_one(void **unused)
{
    (void)unused;
    static const char a_ring[] = "\xc3\xa5";
    int accepted = 0;

    for (unsigned c = 0x80; c < 0x10000; c++) {
        uint8_t text[5] = {'a'};
        size_t n = 1;
        if (c >= 0xd800 && c < 0xe000)
            continue;
        if (c < 0x800) {
            text[n++] = (uint8_t)(0xc0 | c >> 6);
        } else {
            text[n++] = (uint8_t)(0xe0 | c >> 12);
            text[n++] = (uint8_t)(0x80 | (c >> 6 & 63));
        }
        text[n++] = (uint8_t)(0x80 | (c & 63));
        bool behind_base = scan_text(slice_of(text, n));
        /* y with diaeresis, ring: keeps the quick look from answering, and composes with nothing */
        struct buf whole = {0};
        buf_add_str(&whole, "\xc3\xbf\xcc\x8a ");
        buf_add(&whole, text, n);
        if (scan_text(slice_buf(&whole)) != behind_base)
            fail_msg("U+%04X", c);
        accepted += behind_base;
        buf_free(&whole);
    }
    assert_in_range(accepted, 62000, 63000);
    assert_false(scan_text(slice_str("a\xcc\x8a")));
    assert_true(scan_text(slice_str(a_ring)));
}

static void a_long_run_of_marks_is_judged_quickly(void **unused)
{
    (void)unused;
    struct buf b = {0};

    buf_add_str(&b, "a");
    for (int i = 0; i < 60000; i++) /* classes 220 and 230 by turns: sorting them is quadratic */
        buf_add_str(&b, i % 2 ? "\xcc\xa3" : "\xcc\x82");
    assert_false(scan_text(slice_buf(&b)));
    buf_reset(&b);
    buf_add_str(&b, "q\xcc\xa3");
    for (int i = 0; i < 60000; i++)
        buf_add_str(&b, "\xcc\x82");
    assert_true(scan_text(slice_buf(&b)));
    buf_free(&b);
}

/* Nests EventRef's own kind of thing: messages in messages, by a descriptor that contains itself.
 */
static const ProtobufCFieldDescriptor nest_field = {
    .name = "nest",
    .id = 1,
    .label = PROTOBUF_C_LABEL_NONE,
    .type = PROTOBUF_C_TYPE_MESSAGE,
    .descriptor = NULL,
};

static void depth_is_bounded_at_eight(void **unused)
{
    (void)unused;
    static const ProtobufCIntRange ranges[] = {{1, 0}, {0, 1}};
    static ProtobufCFieldDescriptor field;
    static ProtobufCMessageDescriptor nest;
    uint8_t bytes[20000];
    size_t n = sizeof bytes;
    char where[128];

    field = nest_field;
    field.descriptor = &nest;
    nest = (ProtobufCMessageDescriptor){
        .n_fields = 1, .fields = &field, .n_field_ranges = 1, .field_ranges = ranges};
    for (int depth = 1; depth <= 5000; depth++) {
        struct slice s = slice_of(bytes + n, sizeof bytes - n);
        int err = scan_message(&nest, s, where);
        assert_int_equal(err, depth <= SCAN_DEPTH ? 0 : ERR_BOUNDS);
        size_t size = s.size;
        if (size > 127)
            bytes[--n] = (uint8_t)(size >> 7);
        bytes[--n] = (uint8_t)(size > 127 ? 0x80 | (size & 127) : size);
        bytes[--n] = 0x0a;
        if (size > 16000)
            break;
    }
    assert_string_equal(where, "nest.nest.nest.nest.nest.nest.nest.nest");
}

static void repeat(struct buf *b, const char *bytes, size_t size, int times)
{
    buf_reset(b);
    for (int i = 0; i < times; i++)
        buf_add(b, bytes, size);
}

static int scan_repeated(const ProtobufCMessageDescriptor *type, const char *bytes, size_t size,
                         int times)
{
    struct buf b = {0};

    repeat(&b, bytes, size, times);
    int err = scan_message(type, slice_buf(&b), NULL);
    buf_free(&b);
    return err;
}

static void fields_are_counted_and_bounded(void **unused)
{
    (void)unused;
    struct buf b = {0};

    assert_int_equal(scan_repeated(&core__hello__descriptor, "\xa0\x06\x01", 3, 16), 0);
    assert_int_equal(scan_repeated(&core__hello__descriptor, "\xa0\x06\x01", 3, 17), ERR_BOUNDS);
    assert_int_equal(scan_repeated(&core__publish__descriptor, "\x0a\x00", 2, 4096), 0);
    assert_int_equal(scan_repeated(&core__publish__descriptor, "\x0a\x00", 2, 4097), ERR_BOUNDS);
    buf_add(&b, "\x1a\xff\x1f", 3); /* packed: its field and 4,095 elements */
    memset(buf_grow(&b, 4095), 1, 4095);
    assert_int_equal(scan_message(&core__handling__descriptor, slice_buf(&b), NULL), 0);
    b.data[1] = 0x80;
    b.data[2] = 0x20;
    buf_add_byte(&b, 1);
    assert_int_equal(scan_message(&core__handling__descriptor, slice_buf(&b), NULL), ERR_BOUNDS);
    buf_free(&b);
}

static void a_string_is_at_most_256_kib(void **unused)
{
    (void)unused;
    struct buf b = {0};

    buf_add(&b, "\x12\x80\x80\x10", 4);
    memset(buf_grow(&b, SCAN_STRING), 'x', SCAN_STRING);
    assert_int_equal(scan_message(&core__hello__descriptor, slice_buf(&b), NULL), 0);
    b.data[1] = 0x81;
    buf_add_byte(&b, 'x');
    assert_int_equal(scan_message(&core__hello__descriptor, slice_buf(&b), NULL), ERR_BOUNDS);
    buf_free(&b);
}

static void what_passes_unpacks_into_the_arena_up_to_its_cap(void **unused)
{
    (void)unused;
    struct arena *roomy = arena_new(1 << 20), *tight = arena_new(32);
    char where[128];
    int err;

    Core__Hello *hello = (Core__Hello *)scan_unpack(
        &core__hello__descriptor, BYTES("\x08\x01\x12\x03log"), roomy, &err, where);
    assert_int_equal(err, 0);
    assert_string_equal(hello->log, "log");
    assert_null(
        scan_unpack(&core__hello__descriptor, BYTES("\x08\x01\x12\x03log"), tight, &err, where));
    assert_int_equal(err, ERR_BOUNDS);
    assert_null(
        scan_unpack(&core__hello__descriptor, BYTES("\x08\x01\x08\x02"), roomy, &err, where));
    assert_int_equal(err, ERR_MALFORMED);
    assert_string_equal(where, "version");
    arena_free(roomy);
    arena_free(tight);
}

static bool lies_in(const void *p, struct slice bytes)
{
    return (const uint8_t *)p >= bytes.data && (const uint8_t *)p < bytes.data + bytes.size;
}

static void bytes_are_copied_unless_they_are_lent(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(1 << 20);
    const struct slice in = BYTES("\x0a\x03"
                                  "abc"
                                  "\x12\x00");
    int err;

    const Core__SignedBytes *own =
        (void *)scan_unpack(&core__signed_bytes__descriptor, in, arena, &err, NULL);
    const Core__SignedBytes *lent =
        (void *)scan_unpack_lent(&core__signed_bytes__descriptor, in, arena, &err, NULL);
    assert_true(own && lent && own->event.len == 3 && lent->event.len == 3);
    assert_memory_equal(own->event.data, "abc", 3);
    assert_false(lies_in(own->event.data, in));
    assert_ptr_equal(lent->event.data, in.data + 2);
    assert_true(own->payload.len == 0 && lent->payload.len == 0 && !lent->payload.data);
    arena_free(arena);
}

/* Packs again to the same bytes, whichever unpacked it. */
static void check_unpacks(const ProtobufCMessage *m)
{
    struct arena *arena = arena_new(1 << 24);
    struct buf in = {0}, out = {0};
    char where[128];
    int err;

    events_pack(&in, m);
    ProtobufCMessage *ours = scan_unpack(m->descriptor, slice_buf(&in), arena, &err, where);
    assert_non_null(ours);
    events_pack(&out, ours);
    assert_true(slice_equal(slice_buf(&in), slice_buf(&out)));
    ProtobufCMessage *lent = scan_unpack_lent(m->descriptor, slice_buf(&in), arena, &err, where);
    events_pack(&out, lent);
    assert_true(slice_equal(slice_buf(&in), slice_buf(&out)));
    ProtobufCMessage *theirs = protobuf_c_message_unpack(m->descriptor, NULL, in.size, in.data);
    events_pack(&out, theirs);
    assert_true(slice_equal(slice_buf(&in), slice_buf(&out)));
    protobuf_c_message_free_unpacked(theirs, NULL);
    buf_free(&in);
    buf_free(&out);
    arena_free(arena);
}

/* Lists of every length up to one that has grown a few times, of every kind of element. */
static void lists_unpack_whatever_their_length(void **unused)
{
    (void)unused;
    enum { MOST = 70 };
    uint64_t positions[MOST];
    int64_t received[MOST];
    uint8_t hash[HASH_SIZE] = "hash";
    const char *streams[MOST];
    ProtobufCBinaryData path[MOST];
    Core__Recipient recipient = CORE__RECIPIENT__INIT, *recipients[MOST];
    Core__HandlingCode codes[MOST];

    recipient.name = "QMA/npc";
    for (int i = 0; i < MOST; i++) {
        positions[i] = UINT64_MAX >> i % 64;
        received[i] = -i;
        streams[i] = i % 2 ? "embargo.in" : "";
        path[i] = (ProtobufCBinaryData){i % 3 ? HASH_SIZE : 0, hash};
        recipients[i] = &recipient;
        codes[i] = (Core__HandlingCode)(i % 3);
    }
    for (size_t n = 0; n <= MOST; n++) {
        Core__Recorded recorded = CORE__RECORDED__INIT;
        Core__Read read = CORE__READ__INIT;
        Core__SignedEvent event = CORE__SIGNED_EVENT__INIT;
        Core__Handling handling = CORE__HANDLING__INIT;
        recorded.n_positions = recorded.n_received = n;
        recorded.positions = positions;
        recorded.received = received;
        check_unpacks(&recorded.base);
        read.n_streams = n;
        read.streams = streams;
        check_unpacks(&read.base);
        event.n_path = n;
        event.path = path;
        check_unpacks(&event.base);
        handling.n_recipients = handling.n_codes = n;
        handling.recipients = recipients;
        handling.codes = codes;
        check_unpacks(&handling.base);
    }
}

/* What is cut off anywhere or has a byte changed is refused or unpacks, and nothing else. */
static void whatever_passes_the_scan_unpacks(void **unused)
{
    (void)unused;
    struct arena *arena = arena_new(1 << 20);
    struct buf b = {0};
    Core__Envelope e;
    Core__Handling h;
    char where[128];
    int err;

    events_envelope(&e, &h, slice_str("payload"));
    events_pack(&b, &e.base);
    for (size_t i = 0; i < b.size; i++)
        for (int bit = 0; bit < 8; bit++) {
            b.data[i] ^= (uint8_t)(1 << bit);
            const void *m =
                scan_unpack(&core__envelope__descriptor, slice_buf(&b), arena, &err, where);
            assert_true((m != NULL) == (err == 0));
            assert_int_not_equal(err, ERR_BOUNDS);
            arena_reset(arena);
            b.data[i] ^= (uint8_t)(1 << bit);
        }
    buf_free(&b);
    arena_free(arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_well_formed_passes),
        cmocka_unit_test(what_is_not_well_formed_is_refused_with_its_place),
        cmocka_unit_test(what_is_singular_comes_once),
        cmocka_unit_test(text_is_utf8_in_normalisation_form_c_without_nul),
        cmocka_unit_test(the_quick_look_at_text_agrees_with_the_whole_one),
        cmocka_unit_test(a_long_run_of_marks_is_judged_quickly),
        cmocka_unit_test(depth_is_bounded_at_eight),
        cmocka_unit_test(fields_are_counted_and_bounded),
        cmocka_unit_test(a_string_is_at_most_256_kib),
        cmocka_unit_test(what_passes_unpacks_into_the_arena_up_to_its_cap),
        cmocka_unit_test(bytes_are_copied_unless_they_are_lent),
        cmocka_unit_test(lists_unpack_whatever_their_length),
        cmocka_unit_test(whatever_passes_the_scan_unpacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
