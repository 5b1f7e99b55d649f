/* SPDX-License-Identifier: Apache-2.0 */
/* rule.h - who is told of what: the settings of the adapter, and the terms of its rules
 *
 * A rule stands in the configuration as [rule NAME].  What it asks for, its terms, is an event of
 * `alert.out` from the position on where it was first seen: a rule that is new tells nothing of
 * what was recorded before, and one that changed tells of earlier events by its earlier terms.
 */
#pragma once

#include "chancery/alert/v1/alert.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/conf.h"

enum { RULES_MOST = 64, RECIPIENTS_MOST = 64, ADDRESS_MOST = 254 };

enum smtp_tls { TLS_REQUIRED, TLS_OPPORTUNISTIC, TLS_NONE };

struct rule { /* as written */
    char *name, *list, *kinds, *committees, *to;
    bool substantive;
};

struct alert_settings { /* all zero before; alert_settings_clear frees it */
    char *smtp, *from, *user, *password_file, *tls, *organisation, *footer;
    int64_t retry_for, remind; /* microseconds */
    struct rule rules[RULES_MOST];
    size_t n_rules;
    /* made of those by alert_settings_check */
    enum smtp_tls tls_mode;
    char *password; /* NULL = none */
    char *from_name, *from_address;
    Alert__RuleAdopted *terms[RULES_MOST]; /* of rules[i], with position 0 */
};

extern const struct conf_key alert_keys[];
conf_family alert_rule_section;

/* Checks what a table of settings cannot: addresses, kinds, the password's file.  0 or ERR_CONFIG,
 * ERR_FILE_MODE, ERR_IO with a sentence in `why`. */
int alert_settings_check(struct alert_settings *s, struct buf *why);
void alert_settings_clear(struct alert_settings *s);

/* An ASCII local part and domain (RFC 5321 section 4.1.2, without quoted strings): nothing in it
 * can end a header or a command. */
bool address_valid(const char *address);

/* Terms from a rule: NULL and a sentence in `why` when it asks for what does not exist. */
Alert__RuleAdopted *terms_of_rule(const struct rule *rule, struct buf *why);
Alert__RuleAdopted *terms_copy(const Alert__RuleAdopted *terms);
void terms_free(Alert__RuleAdopted *terms); /* NULL is fine */
/* The same but for the position. */
bool terms_equal(const Alert__RuleAdopted *a, const Alert__RuleAdopted *b);

bool terms_take_notice(const Alert__RuleAdopted *terms, const Embargo__Notice *notice);
bool terms_take_editorial(const Alert__RuleAdopted *terms, const Embargo__EditorialNotice *notice);
bool terms_take_set_aside(const Alert__RuleAdopted *terms, const Embargo__SnapshotSetAside *event);
