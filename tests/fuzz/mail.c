/* SPDX-License-Identifier: Apache-2.0 */
/* mail.c - whatever a notice says: the mail is ASCII, its lines are bounded, its headers are ours
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "adapters/alert/mail.h"
#include "adapters/alert/rule.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct case_mail {
    struct buf mail;
};

static void on_item(void *arg, struct item *item)
{
    struct case_mail *c = arg;
    struct letter letter = {.item = item,
                            .log = "qma.example/log",
                            .recipient = "npc@qma.example",
                            .from_address = "alerts@qma.example"};

    mail_compose(&c->mail, &letter);
    item_free(item);
}

/* Known names only, before the first empty line. */
static void check_headers(const char *mail)
{
    static const char *const names[] = {
        "Date: ",         "From: ",        "To: ",           "Subject: ",        "Message-ID: ",
        "List-Id: ",      "In-Reply-To: ", "References: ",   "Auto-Submitted: ", "Importance: ",
        "Chancery-Log: ", "Chancery-Pos",  "MIME-Version: ", "Content-Type: "};

    for (const char *line = mail; strncmp(line, "\r\n", 2) != 0; line = strstr(line, "\r\n") + 2) {
        bool known = line[0] == ' ';
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            known = known || strncmp(line, names[i], strlen(names[i])) == 0;
        assert(known);
    }
}

static void check_lines(const struct buf *mail)
{
    size_t column = 0;

    for (size_t i = 0; i < mail->size; i++) {
        uint8_t c = mail->data[i];
        assert(c < 0x7f && (c >= 0x20 || c == '\r' || c == '\n'));
        assert((c == '\n') == (i > 0 && mail->data[i - 1] == '\r'));
        column = c == '\n' ? 0 : column + 1;
        assert(column <= 998);
    }
}

/* The input is the payload of a Notice. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule rule = {.substantive = false};
    struct buf why = {0};
    struct case_mail c = {{0}};
    Core__Envelope envelope = CORE__ENVELOPE__INIT;
    Core__Handling handling = CORE__HANDLING__INIT;
    struct digest *digest = digest_new(on_item, &c);

    rule.name = mem_str("all");
    rule.to = mem_str("npc@qma.example");
    Alert__RuleAdopted *terms = terms_of_rule(&rule, &why);
    digest_adopt(digest, terms);
    handling.label = CORE__LABEL__LABEL_GREEN;
    envelope.handling = &handling;
    envelope.type = embargo__notice__descriptor.name;
    envelope.mode = CORE__MODE__MODE_EXERCISE;
    envelope.cause = 1;
    envelope.of = 1;
    digest_event(digest, 1, 1772150409554000, &envelope, slice_of(data, size));
    if (c.mail.size > 0) {
        check_lines(&c.mail);
        check_headers(buf_cstr(&c.mail));
    }
    terms_free(terms);
    digest_free(digest);
    mem_free(rule.name);
    mem_free(rule.to);
    buf_free(&why);
    buf_free(&c.mail);
    return 0;
}
