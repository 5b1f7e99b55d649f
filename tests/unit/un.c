/* SPDX-License-Identifier: Apache-2.0 */
/* The UN list: real files, the same content in other clothes, and hostile ones. */
#include "adapters/sanctions/un.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "tests/support/test.h"
#include "tests/support/unpack.h"

#define ROOT "<CONSOLIDATED_LIST dateGenerated=\"2026-02-27T00:00:09.554Z\">"
#define LIST(entries) ROOT "<INDIVIDUALS>" entries "</INDIVIDUALS></CONSOLIDATED_LIST>"
#define ONE                                                                      \
    "<INDIVIDUAL><DATAID>1</DATAID><FIRST_NAME>JOS\xC3\x89</FIRST_NAME>"         \
    "<SECOND_NAME>AL QMA</SECOND_NAME><UN_LIST_TYPE>QM</UN_LIST_TYPE>"           \
    "<REFERENCE_NUMBER>QMi.001</REFERENCE_NUMBER><COMMENTS1>one two</COMMENTS1>" \
    "<NATIONALITY><VALUE>QMA</VALUE><VALUE>QMB</VALUE></NATIONALITY></INDIVIDUAL>"

struct read {
    struct list list;
    struct list_fault fault;
    struct hash content;
    size_t parties, aliases, pieces;
    int rc;
};

static int count_piece(void *arg, const Sanctions__PartyPublished *piece)
{
    struct read *r = arg;

    assert_true(protobuf_c_message_get_packed_size(&piece->base) <= PIECE_BYTES);
    assert_int_equal(piece->number, ++r->pieces);
    r->aliases += piece->party->n_aliases;
    return 0;
}

static int each(void *arg, const Sanctions__ListedParty *party, const struct hash *content)
{
    struct read *r = arg;

    r->parties++;
    r->pieces = 0;
    return list_cut(party, content, content, count_piece, r);
}

static void read_bytes(struct read *r, struct slice file)
{
    *r = (struct read){.rc = 0};
    r->rc = un_read(file, each, r, &r->list, &r->fault);
    if (r->rc == 0)
        list_content(&r->list, &r->content);
}

static void same(const char *a, struct slice b)
{
    struct read x, y;

    read_bytes(&x, slice_str(a));
    read_bytes(&y, b);
    assert_int_equal(x.rc, 0);
    if (y.rc != 0)
        print_error("%s: %s\n", y.fault.code, y.fault.text);
    assert_int_equal(y.rc, 0);
    assert_true(hash_equal(&x.content, &y.content));
    list_clear(&x.list);
    list_clear(&y.list);
}

static void refused_bytes(struct slice file, const char *code, uint64_t line)
{
    struct read r;

    read_bytes(&r, file);
    assert_int_not_equal(r.rc, 0);
    assert_string_equal(r.fault.code, code);
    assert_int_equal(r.fault.line, line);
    assert_true(strlen(r.fault.text) > 10);
    list_clear(&r.list);
}

static void refused(const char *file, const char *code, uint64_t line)
{
    refused_bytes(slice_str(file), code, line);
}

/* ---- the same content ---- */

static void order_space_quotes_and_markup_are_no_content(void **unused)
{
    (void)unused;
    same(LIST(ONE),
         slice_str(LIST("\r\n\t<INDIVIDUAL>\r\n <REFERENCE_NUMBER> QMi.001 </REFERENCE_NUMBER>"
                        "<!-- <FIRST_NAME>x</FIRST_NAME> --><NEW a='1'>y<b/></NEW><?go on?>"
                        "<NATIONALITY><VALUE>QMB</VALUE><VALUE/><VALUE> QMA\r\n</VALUE>"
                        "<VALUE>QMB</VALUE></NATIONALITY>"
                        "<SECOND_NAME>AL  QMA</SECOND_NAME><FIRST_NAME>JOSE\xCC\x81</FIRST_NAME>"
                        "<COMMENTS1><![CDATA[one\r\ntwo]]></COMMENTS1><SORT_KEY>9</SORT_KEY>"
                        "<UN_LIST_TYPE>&#81;M</UN_LIST_TYPE><DATAID>1</DATAID>"
                        "<VERSIONNUM>7</VERSIONNUM><INDIVIDUAL_ALIAS><QUALITY/></INDIVIDUAL_ALIAS>"
                        "</INDIVIDUAL>")));
}

static void a_byte_order_mark_is_no_content(void **unused)
{
    (void)unused;
    same(LIST(ONE), slice_str("\xEF\xBB\xBF" LIST(ONE)));
}

static void a_namespace_is_no_content(void **unused)
{
    (void)unused;
    same(LIST("<INDIVIDUAL><REFERENCE_NUMBER>a</REFERENCE_NUMBER></INDIVIDUAL>"),
         slice_str("<u:CONSOLIDATED_LIST xmlns:u='urn:un' u:dateGenerated='2026-02-27'>"
                   "<u:INDIVIDUALS><u:INDIVIDUAL>"
                   "<u:REFERENCE_NUMBER>a</u:REFERENCE_NUMBER></u:INDIVIDUAL></u:INDIVIDUALS>"
                   "</u:CONSOLIDATED_LIST>"));
}

static void utf_16_is_no_content(void **unused)
{
    const char *ascii = LIST("<INDIVIDUAL><REFERENCE_NUMBER>a</REFERENCE_NUMBER></INDIVIDUAL>");
    struct buf wide = {0};

    (void)unused;
    buf_add(&wide, "\xFF\xFE", 2);
    for (const char *p = ascii; *p; p++) {
        buf_add_byte(&wide, (uint8_t)*p);
        buf_add_byte(&wide, 0);
    }
    same(ascii, slice_buf(&wide));
    buf_free(&wide);
}

static void latin_1_is_no_content(void **unused)
{
    (void)unused;
    same(LIST("<INDIVIDUAL><FIRST_NAME>\xC3\xA9</FIRST_NAME>"
              "<REFERENCE_NUMBER>a</REFERENCE_NUMBER></INDIVIDUAL>"),
         slice_str("<?xml version='1.0' encoding='ISO-8859-1'?>" LIST(
             "<INDIVIDUAL><FIRST_NAME>\xE9</FIRST_NAME>"
             "<REFERENCE_NUMBER>a</REFERENCE_NUMBER></INDIVIDUAL>")));
}

static void an_equal_duplicate_is_a_warning(void **unused)
{
    struct read r;

    (void)unused;
    same(LIST(ONE), slice_str(LIST(ONE ONE)));
    read_bytes(&r, slice_str(LIST(ONE ONE)));
    assert_int_equal(r.list.n_warnings, 1);
    assert_int_equal(r.parties, 1);
    list_clear(&r.list);
}

static void an_entry_without_a_name_is_passed_on_with_a_warning(void **unused)
{
    struct read r;

    (void)unused;
    read_bytes(&r,
               slice_str(LIST("<INDIVIDUAL><REFERENCE_NUMBER>a</REFERENCE_NUMBER></INDIVIDUAL>")));
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.parties, 1);
    assert_string_equal(r.list.warnings[0], "a has no name");
    list_clear(&r.list);
}

static void letter_case_and_a_new_internal_id_are_content(void **unused)
{
    struct read a, b;

    (void)unused;
    read_bytes(&a, slice_str(LIST("<ENTITY><DATAID>1</DATAID><FIRST_NAME>a</FIRST_NAME>"
                                  "<REFERENCE_NUMBER>a</REFERENCE_NUMBER></ENTITY>")));
    read_bytes(&b, slice_str(LIST("<ENTITY><DATAID>2</DATAID><FIRST_NAME>a</FIRST_NAME>"
                                  "<REFERENCE_NUMBER>a</REFERENCE_NUMBER></ENTITY>")));
    assert_false(hash_equal(&a.content, &b.content));
    list_clear(&b.list);
    read_bytes(&b, slice_str(LIST("<ENTITY><DATAID>1</DATAID><FIRST_NAME>A</FIRST_NAME>"
                                  "<REFERENCE_NUMBER>a</REFERENCE_NUMBER></ENTITY>")));
    assert_false(hash_equal(&a.content, &b.content));
    list_clear(&a.list);
    list_clear(&b.list);
}

/* ---- hostile files ---- */

static void what_is_no_list_is_refused(void **unused)
{
    (void)unused;
    refused("", "list.empty_file", 0);
    refused(" \n\t", "list.empty_file", 0);
    refused("<!DOCTYPE html>\n<html><body>Moved</body></html>", "list.html", 1);
    refused("<html><body>Moved</body></html>", "list.html", 0);
    refused("{\"a\": 1}", "list.not_xml", 0);
    refused("<sdnList>\n</sdnList>", "list.wrong_root", 1);
    refused(ROOT "<INDIVIDUALS/>\n</CONSOLIDATED_LIST>", "list.no_entries", 2);
    refused("<CONSOLIDATED_LIST><INDIVIDUALS>" ONE "</INDIVIDUALS></CONSOLIDATED_LIST>",
            "list.no_date", 1);
    refused("<CONSOLIDATED_LIST dateGenerated='soon'/>", "list.no_date", 1);
}

static void a_cut_file_is_refused(void **unused)
{
    (void)unused;
    refused(ROOT "<INDIVIDUALS>\n" ONE, "list.truncated", 2);
    refused(ROOT "<INDIVIDUALS>\n" ONE "</INDIVIDUALS>", "list.truncated", 2);
    refused(ROOT "<INDIVIDUALS>\n<INDIVI", "list.truncated", 2);
    refused(ROOT "\n<INDIVIDUALS></ENTITIES>", "list.not_xml", 2);
}

static void a_document_type_is_refused(void **unused)
{
    (void)unused;
    refused("<?xml version='1.0'?>\n<!DOCTYPE x [<!ENTITY a 'b'>]>\n" LIST(ONE), "list.doctype", 2);
    refused("<!DOCTYPE x SYSTEM 'file:///etc/passwd'>" LIST(ONE), "list.doctype", 1);
    refused(LIST("&undefined;" ONE), "list.not_xml", 1);
}

static void bytes_that_are_no_text_are_refused(void **unused)
{
    static const char with_nul[] = ROOT "\n\0<INDIVIDUALS/></CONSOLIDATED_LIST>";

    (void)unused;
    refused_bytes(slice_of(with_nul, sizeof with_nul - 1), "list.encoding", 2);
    refused(ROOT "\n\x01</CONSOLIDATED_LIST>", "list.encoding", 2);
    refused(ROOT "\n<a>\xE9t\xE9</a></CONSOLIDATED_LIST>", "list.encoding", 2);
    refused(ROOT "&#0;</CONSOLIDATED_LIST>", "list.encoding", 1);
    refused("<?xml version='1.0' encoding='EBCDIC-QMA'?><a/>", "list.encoding", 1);
}

static void an_entry_that_cannot_be_known_is_refused(void **unused)
{
    (void)unused;
    refused(LIST("\n<INDIVIDUAL>\n<FIRST_NAME>A</FIRST_NAME></INDIVIDUAL>"), "list.no_reference",
            2);
    refused(LIST("\n<ENTITY><REFERENCE_NUMBER>a b</REFERENCE_NUMBER></ENTITY>"), "list.reference",
            2);
    refused(LIST(ONE "\n\n<INDIVIDUAL><REFERENCE_NUMBER>QMi.001</REFERENCE_NUMBER></INDIVIDUAL>"),
            "list.contradiction", 3);
    refused(LIST("<ENTITY><REFERENCE_NUMBER>a</REFERENCE_NUMBER>"
                 "<REFERENCE_NUMBER>b</REFERENCE_NUMBER></ENTITY>"),
            "list.contradiction", 1);
}

static void repeat(struct buf *b, const char *text, int n)
{
    for (int i = 0; i < n; i++)
        buf_add_str(b, text);
}

static void refused_built(struct buf *b, const char *code)
{
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    struct read r;
    read_bytes(&r, slice_buf(b));
    clock_gettime(CLOCK_MONOTONIC, &to);
    assert_int_not_equal(r.rc, 0);
    assert_string_equal(r.fault.code, code);
    assert_true(to.tv_sec - from.tv_sec <= 2);
    list_clear(&r.list);
    buf_free(b);
}

static void what_is_too_large_is_refused_quickly(void **unused)
{
    struct buf b = {0};

    (void)unused;
    buf_add_str(&b, ROOT "<INDIVIDUALS><INDIVIDUAL ");
    for (int i = 0; i < 200000; i++)
        buf_printf(&b, "a%d='1' ", i);
    buf_add_str(&b, "/></INDIVIDUALS></CONSOLIDATED_LIST>");
    refused_built(&b, "list.limit");
    buf_add_str(&b, ROOT "<INDIVIDUALS><INDIVIDUAL ");
    for (int i = 0; i < 200000; i++)
        buf_printf(&b, "a%d='>' ", i);
    buf_add_str(&b, "/></INDIVIDUALS></CONSOLIDATED_LIST>");
    refused_built(&b, "list.limit");
    buf_add_str(&b, ROOT);
    repeat(&b, "<a>", 200000);
    refused_built(&b, "list.limit");
    buf_add_str(&b, ROOT "<INDIVIDUALS><INDIVIDUAL><FIRST_NAME>");
    repeat(&b, "1234567890", 100000);
    refused_built(&b, "list.limit");
    buf_add_str(&b, ROOT "<INDIVIDUALS><INDIVIDUAL>");
    repeat(&b, "<x/>", 20001);
    refused_built(&b, "list.limit");
}

static void ten_thousand_aliases_go_on_in_further_events(void **unused)
{
    struct buf b = {0};
    struct read r;

    (void)unused;
    buf_add_str(&b, ROOT "<INDIVIDUALS><INDIVIDUAL><REFERENCE_NUMBER>a</REFERENCE_NUMBER>");
    for (int i = 0; i < 10000; i++)
        buf_printf(&b, "<INDIVIDUAL_ALIAS><ALIAS_NAME>N %d</ALIAS_NAME></INDIVIDUAL_ALIAS>", i);
    buf_add_str(&b, "</INDIVIDUAL></INDIVIDUALS></CONSOLIDATED_LIST>");
    read_bytes(&r, slice_buf(&b));
    assert_int_equal(r.rc, 0);
    assert_int_equal(r.aliases, 10000);
    assert_true(r.pieces > 3);
    list_clear(&r.list);
    buf_free(&b);
}

/* ---- real files ---- */

#define SHARED SOURCE_DIR "/../shared/data/sanctions/un/"

static bool read_real(struct read *r, const char *name)
{
    char *file = mem_printf(SHARED "%s.xz", name);
    struct buf bytes = {0};
    bool there = unpack(file, &bytes);

    if (there)
        read_bytes(r, slice_buf(&bytes));
    mem_free(file);
    buf_free(&bytes);
    return there;
}

static bool named(json_t *rows, const char *reference)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        const char *s = json_string_value(json_is_object(row) ? json_object_get(row, "ref") : row);
        if (strcmp(s, reference) == 0)
            return true;
    }
    return false;
}

static void check_pair(json_t *pair, const struct read *old, const struct read *new)
{
    size_t added = 0, amended = 0;

    assert_int_equal(old->list.parties.n, json_integer_value(json_object_get(pair, "old_count")));
    assert_int_equal(new->list.parties.n, json_integer_value(json_object_get(pair, "new_count")));
    for (size_t i = 0; i < new->list.parties.n; i++) {
        const struct image_row *row = &new->list.parties.rows[i];
        const struct image_row *had = image_find(&old->list.parties, row->reference);
        bool changed = had && !hash_equal(&had->content, &row->content);
        added += !had;
        amended += changed;
        assert_int_equal(!had, named(json_object_get(pair, "added"), row->reference));
        assert_int_equal(changed,
                         named(json_object_get(pair, "amended"), row->reference) ||
                             named(json_object_get(pair, "dataid_changed"), row->reference));
    }
    size_t removed = old->list.parties.n + added - new->list.parties.n;
    assert_int_equal(removed, json_array_size(json_object_get(pair, "removed")));
    if (added + removed + amended == 0)
        assert_true(hash_equal(&old->content, &new->content));
}

static const char *file_of(json_t *pair, const char *key)
{
    return json_string_value(json_object_get(pair, key));
}

static void real_neighbours_differ_as_they_should(void **unused)
{
    json_t *pairs = json_load_file(SHARED "expected-notices.json", 0, NULL);
    struct read old, new;
    size_t i;
    json_t *pair;

    (void)unused;
    if (!pairs) {
        print_message("skipped: ../shared/data/sanctions/un is not there\n");
        skip();
    }
    json_array_foreach(pairs, i, pair)
    {
        char *a = mem_printf("un-consolidated-%s.xml", file_of(pair, "old"));
        char *b = mem_printf("un-consolidated-%s.xml", file_of(pair, "new"));
        assert_true(read_real(&old, a) && read_real(&new, b));
        check_pair(pair, &old, &new);
        list_clear(&old.list);
        list_clear(&new.list);
        mem_free(a);
        mem_free(b);
    }
    json_decref(pairs);
}

static void the_lists_of_the_demonstration_are_read(void **unused)
{
    struct buf bytes = {0};
    struct read r;

    (void)unused;
    assert_true(unpack(SOURCE_DIR "/tests/data/un/un-consolidated-2023-03-27.xml.xz", &bytes));
    read_bytes(&r, slice_buf(&bytes));
    assert_int_equal(r.parties, 955);
    assert_int_equal(r.list.n_warnings, 0);
    assert_string_equal(r.list.generated_text, "2023-03-27T19:16:01.471-04:00");
    list_clear(&r.list);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_space_quotes_and_markup_are_no_content),
        cmocka_unit_test(a_byte_order_mark_is_no_content),
        cmocka_unit_test(a_namespace_is_no_content),
        cmocka_unit_test(utf_16_is_no_content),
        cmocka_unit_test(latin_1_is_no_content),
        cmocka_unit_test(an_equal_duplicate_is_a_warning),
        cmocka_unit_test(an_entry_without_a_name_is_passed_on_with_a_warning),
        cmocka_unit_test(letter_case_and_a_new_internal_id_are_content),
        cmocka_unit_test(what_is_no_list_is_refused),
        cmocka_unit_test(a_cut_file_is_refused),
        cmocka_unit_test(a_document_type_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(an_entry_that_cannot_be_known_is_refused),
        cmocka_unit_test(what_is_too_large_is_refused_quickly),
        cmocka_unit_test(ten_thousand_aliases_go_on_in_further_events),
        cmocka_unit_test(real_neighbours_differ_as_they_should),
        cmocka_unit_test(the_lists_of_the_demonstration_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
