/* SPDX-License-Identifier: Apache-2.0 */
/* contacts.c - the table of who is invited: what is taken, and which line is wrong */
#include "adapters/terminal/contacts.h"

#include "lib/err.h"
#include "lib/mem.h"
#include "tests/support/test.h"

static int tell(void *arg, const struct contact *contact, struct buf *why)
{
    struct buf *told = arg;

    if (strcmp(contact->seat, "stop") == 0) {
        buf_add_str(why, "as the caller says");
        return ERR_EXISTS;
    }
    buf_printf(told, "%s|%s|%s\n", contact->seat, contact->office, contact->name);
    return 0;
}

static void takes_bytes(struct slice text, const char *expected)
{
    struct buf told = {0}, why = {0};

    assert_int_equal(contacts_read("c.csv", text, tell, &told, &why), 0);
    assert_string_equal(buf_cstr(&told), expected);
    assert_int_equal(why.size, 0);
    buf_free(&told);
    buf_free(&why);
}

static void takes(const char *text, const char *expected)
{
    takes_bytes(slice_str(text), expected);
}

static void refuses_bytes(struct slice text, int err, const char *sentence)
{
    struct buf told = {0}, why = {0};

    assert_int_equal(contacts_read("c.csv", text, tell, &told, &why), err);
    assert_string_equal(buf_cstr(&why), sentence);
    buf_free(&told);
    buf_free(&why);
}

static void refuses(const char *text, const char *sentence)
{
    refuses_bytes(slice_str(text), ERR_CONFIG, sentence);
}

#define HEAD "seat,office,name\n"

static void lines_are_taken_in_order(void **unused)
{
    (void)unused;
    takes(HEAD "vera,QMB/desk,Vera V.\nkarl,QMC/npc,\n", "vera|QMB/desk|Vera V.\nkarl|QMC/npc|\n");
    takes("seat,office,name\r\nvera,QMB/desk,V\r\n", "vera|QMB/desk|V\n");
    takes(HEAD "vera,QMB/desk,V", "vera|QMB/desk|V\n");
    takes("\xef\xbb\xbf" HEAD "vera,QMB/desk,V\n", "vera|QMB/desk|V\n");
    takes("\"seat\",\"office\",\"name\"\n\"vera\",\"QMB/desk\",V\n", "vera|QMB/desk|V\n");
    takes(HEAD, "");
}

static void quotes_hold_commas_and_quotes(void **unused)
{
    (void)unused;
    takes(HEAD "vera,QMB/desk,\"V., \"\"Vera\"\"\"\n", "vera|QMB/desk|V., \"Vera\"\n");
    takes(HEAD "vera,QMB/desk,\"\"\n", "vera|QMB/desk|\n");
    refuses(HEAD "vera,QMB/desk,\"V\n", "c.csv:2: a quote is not closed on its line");
    refuses(HEAD "vera,QMB/desk,\"V\nW\"\n", "c.csv:2: a quote is not closed on its line");
    refuses(HEAD "vera,QMB/desk,\"V\"W\n", "c.csv:2: something stands behind a closing quote");
    refuses(HEAD "vera,QMB/desk,V\"W\"\n",
            "c.csv:2: a quote within a field that does not begin with one");
}

static void the_wrong_line_is_named(void **unused)
{
    static const char head[] = "c.csv:1: the first line must be seat,office,name";

    (void)unused;
    refuses("", head);
    refuses("vera,QMB/desk,V\n", head);
    refuses("seat,office\n", head);
    refuses("seat,office,name,phone\n", head);
    refuses(HEAD "vera,QMB/desk\n", "c.csv:2: must have three fields: seat, office, name");
    refuses(HEAD "vera,QMB/desk,V,W\n", "c.csv:2: must have three fields: seat, office, name");
    refuses(HEAD "vera,QMB/desk,V\n\n", "c.csv:3: must have three fields: seat, office, name");
    refuses(HEAD "vera,QMB/desk,V\nka rl,QMB/desk,K\n",
            "c.csv:3: the seat must be an identifier, [A-Za-z0-9._-]{1,64}");
    refuses(HEAD "../vera,QMB/desk,V\n",
            "c.csv:2: the seat must be an identifier, [A-Za-z0-9._-]{1,64}");
    refuses(HEAD "vera,QMB,V\n", "c.csv:2: the office must be PARTY/NAME, two identifiers");
    refuses(HEAD "vera,QMB/desk,V\nVERA,QMB/desk,V\n",
            "c.csv:3: the seat stands on an earlier line too");
    refuses(HEAD "vera,QMB/desk,\xff\n",
            "c.csv:2: not valid UTF-8 in normalisation form C, or a NUL");
    refuses_bytes(slice_of(HEAD "vera,QMB/desk,V\0W\n", sizeof HEAD + 18), ERR_CONFIG,
                  "c.csv:2: not valid UTF-8 in normalisation form C, or a NUL");
}

static void the_caller_ends_it_at_a_line(void **unused)
{
    (void)unused;
    refuses_bytes(slice_str(HEAD "vera,QMB/desk,V\nstop,QMB/desk,\nka rl,,\n"), ERR_EXISTS,
                  "c.csv:3: as the caller says");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_taken_in_order),
        cmocka_unit_test(quotes_hold_commas_and_quotes),
        cmocka_unit_test(the_wrong_line_is_named),
        cmocka_unit_test(the_caller_ends_it_at_a_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
