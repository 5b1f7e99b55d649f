/* SPDX-License-Identifier: Apache-2.0 */
/* rule.c - settings of the alert adapter: what is taken, and what is refused with which words */
#include "adapters/alert/rule.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/err.h"
#include "tests/support/embargo_events.h"

#define SMTP "[alert]\nsmtp = smtp://127.0.0.1:2525\nfrom = Alerts <alerts@qma.example>\n"

/* The result of reading and checking; `why` is what it says. */
static int check(const char *text, struct alert_settings *s, struct buf *why)
{
    int rc;

    *s = (struct alert_settings){0};
    buf_reset(why);
    rc = conf_parse("chancery.conf", slice_str(text), alert_keys, s, alert_rule_section, why);
    return rc ? rc : alert_settings_check(s, why);
}

static void refused(const char *text, int code, const char *words)
{
    struct alert_settings s;
    struct buf why = {0};

    assert_int_equal(check(text, &s, &why), code);
    if (!strstr(buf_cstr(&why), words))
        fail_msg("\"%s\" does not say \"%s\"", buf_cstr(&why), words);
    alert_settings_clear(&s);
    buf_free(&why);
}

static void a_rule_takes_what_it_names(void **unused)
{
    struct alert_settings s;
    struct buf why = {0};

    (void)unused;
    assert_int_equal(check(SMTP "tls = none\n[rule un]\nlist = un\nkinds = add, remove\n"
                                "committee = Al-Qaida Taliban\nto = a@qma.example, b@qmb.example\n",
                           &s, &why),
                     0);
    assert_string_equal(s.from_name, "Alerts");
    assert_string_equal(s.from_address, "alerts@qma.example");
    assert_int_equal(s.tls_mode, TLS_NONE);
    assert_int_equal(s.retry_for, (int64_t)4 * 3600 * 1000000);
    const Alert__RuleAdopted *t = s.terms[0];
    assert_int_equal(t->n_recipients, 2);
    Embargo__Notice n = a_notice(1, EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD, "QDi.901");
    assert_true(terms_take_notice(t, &n));
    n.committee = "Iraq";
    assert_false(terms_take_notice(t, &n));
    n.committee = "Taliban";
    n.kind = EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND;
    assert_false(terms_take_notice(t, &n));
    Embargo__SnapshotSetAside e = a_set_aside();
    assert_false(terms_take_set_aside(t, &e));
    alert_settings_clear(&s);
    buf_free(&why);
}

static void a_rule_that_names_nothing_takes_all_but_editorial_changes(void **unused)
{
    struct alert_settings s;
    struct buf why = {0};

    (void)unused;
    assert_int_equal(check(SMTP "[rule all]\nto = a@qma.example\n", &s, &why), 0);
    Embargo__Notice n = a_notice(1, EMBARGO__NOTICE_KIND__NOTICE_KIND_REKEY, "QDi.901");
    Embargo__SnapshotSetAside e = a_set_aside();
    assert_true(terms_take_notice(s.terms[0], &n));
    assert_true(terms_take_set_aside(s.terms[0], &e));
    n.weight = EMBARGO__WEIGHT__WEIGHT_EDITORIAL;
    assert_false(terms_take_notice(s.terms[0], &n));
    alert_settings_clear(&s);
    buf_free(&why);
}

static void what_cannot_be_is_refused_with_its_cause(void **unused)
{
    (void)unused;
    refused("[alert]\nsmtp = http://x\nfrom = a@qma.example\n", ERR_CONFIG, "smtp://host:port");
    refused("[alert]\nsmtp = smtp://x\nfrom = nobody\n", ERR_CONFIG, "from");
    refused(SMTP "tls = perhaps\n", ERR_CONFIG, "perhaps");
    refused(SMTP "tls = none\nuser = u\npassword-file = /nowhere\n", ERR_CONFIG, "in clear");
    refused(SMTP "user = u\n", ERR_CONFIG, "together");
    refused(SMTP "user = u\npassword-file = /nowhere/at/all\n", ERR_IO, "/nowhere/at/all");
    refused(SMTP "[rule un]\nto = a@qma.example\nkinds = add vanish\n", ERR_CONFIG, "vanish");
    refused(SMTP "[rule un]\nto = a b@qma.example\n", ERR_CONFIG, "\"a\" is not a mail address");
    refused(SMTP "[rule un]\nto = ,\n", ERR_CONFIG, "0 addresses");
}

static void a_password_that_others_can_read_is_refused(void **unused)
{
    char file[] = "/tmp/chancery-password-XXXXXX", text[512];
    struct alert_settings s;
    struct buf why = {0};
    int fd = mkstemp(file);

    (void)unused;
    assert_true(fd >= 0 && write(fd, "secret\n", 7) == 7 && fchmod(fd, 0644) == 0);
    snprintf(text, sizeof(text), SMTP "user = u\npassword-file = %s\n", file);
    refused(text, ERR_FILE_MODE, "chmod 600");
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(check(text, &s, &why), 0);
    assert_string_equal(s.password, "secret");
    alert_settings_clear(&s);
    buf_free(&why);
    close(fd);
    unlink(file);
}

static void addresses_cannot_end_a_command(void **unused)
{
    static const char *const good[] = {"a@b", "first.last+tag@mail.qma.example",
                                       "o'x@qma-1.example"};
    static const char *const bad[] = {
        "",       "a",       "@b",         "a@",         "a@b@c", "a b@c", "a@b>\r\nRCPT",
        "<a@b>",  ".a@b",    "a.@b",       "a..b@c",     "a@.b",  "a@b.",  "a@-b",
        "a@b-.c", "\"a\"@b", "\xc3\xa9@b", "a@b\nBcc: c"};

    (void)unused;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(address_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (address_valid(bad[i]))
            fail_msg("%s is taken for an address", bad[i]);
}

static void terms_are_equal_but_for_their_position(void **unused)
{
    struct alert_settings s;
    struct buf why = {0};

    (void)unused;
    assert_int_equal(check(SMTP "[rule a]\nto = a@qma.example\n", &s, &why), 0);
    Alert__RuleAdopted *copy = terms_copy(s.terms[0]);
    copy->position = 77;
    assert_true(terms_equal(copy, s.terms[0]));
    copy->editorial = true;
    assert_false(terms_equal(copy, s.terms[0]));
    terms_free(copy);
    alert_settings_clear(&s);
    buf_free(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_takes_what_it_names),
        cmocka_unit_test(a_rule_that_names_nothing_takes_all_but_editorial_changes),
        cmocka_unit_test(what_cannot_be_is_refused_with_its_cause),
        cmocka_unit_test(a_password_that_others_can_read_is_refused),
        cmocka_unit_test(addresses_cannot_end_a_command),
        cmocka_unit_test(terms_are_equal_but_for_their_position),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
