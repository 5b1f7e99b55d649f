/* SPDX-License-Identifier: Apache-2.0 */
/* rule.c - see rule.h */
#include "adapters/alert/rule.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"

#define MINUTE ((int64_t)60 * 1000000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

#define OWN(field) offsetof(struct alert_settings, field)
#define OF_RULE(field) offsetof(struct rule, field)

const struct conf_key alert_keys[] = {
    {"alert", "smtp", CONF_STRING, OWN(smtp), "!", 0, 0,
     "The server that takes mails: smtp://HOST:PORT or smtps://HOST:PORT"},
    {"alert", "from", CONF_STRING, OWN(from), "!", 0, 0,
     "Who sends them: an address, or Name <address>"},
    {"alert", "user", CONF_STRING, OWN(user), NULL, 0, 0,
     "User at the server; goes with password-file"},
    {"alert", "password-file", CONF_STRING, OWN(password_file), NULL, 0, 0,
     "File of mode 0600 whose first line is the password, relative to the instance's directory"},
    {"alert", "tls", CONF_STRING, OWN(tls), "required", 0, 0,
     "What the way to the server must have: required, opportunistic or none; with a password only "
     "required"},
    {"alert", "organisation", CONF_STRING, OWN(organisation), NULL, 0, 0,
     "Name in the letter's head, instead of the log's"},
    {"alert", "footer", CONF_STRING, OWN(footer), NULL, 0, 0, "Paragraph at the end of every mail"},
    {"alert", "retry-for", CONF_SECONDS, OWN(retry_for), "4h", 1000000, 7 * DAY,
     "How long a mail that the server defers is tried again"},
    {"alert", "remind", CONF_SECONDS, OWN(remind), "4h", 1000000, 30 * DAY,
     "How often a snapshot that waits for a decision is told again"},
    {"rule *", "list", CONF_STRING, OF_RULE(list), NULL, 0, 0,
     "Only notices of this list, e.g. un"},
    {"rule *", "kinds", CONF_STRING, OF_RULE(kinds), NULL, 0, 0,
     "Only these kinds of notices: add, relist, amend, rekey, remove, withdraw, set-aside"},
    {"rule *", "committee", CONF_STRING, OF_RULE(committees), NULL, 0, 0,
     "Only notices of these committees"},
    {"rule *", "substantive", CONF_BOOL, OF_RULE(substantive), "yes", 0, 0,
     "Whether editorial changes are left out"},
    {"rule *", "to", CONF_STRING, OF_RULE(to), "!", 0, 0, "Addresses that the mails go to"},
    {0},
};

/* Indexed by NoticeKind; what follows is no notice. */
static const char *const kind_names[] = {
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_ADD] = "add",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_RELIST] = "relist",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_AMEND] = "amend",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_REKEY] = "rekey",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_REMOVE] = "remove",
    [EMBARGO__NOTICE_KIND__NOTICE_KIND_WITHDRAW] = "withdraw",
    "set-aside",
};
enum { KIND_NAMES = sizeof(kind_names) / sizeof(kind_names[0]) };

void *alert_rule_section(void *target, const char *section, const char *name)
{
    struct alert_settings *s = target;

    (void)section;
    if (s->n_rules == RULES_MOST)
        return NULL;
    struct rule *rule = &s->rules[s->n_rules++];
    rule->name = mem_str(name);
    rule->substantive = true;
    return rule;
}

bool address_valid(const char *address)
{
    const char *at = strchr(address, '@');
    size_t size = strlen(address);

    if (!at || at == address || at - address > 64 || size > ADDRESS_MOST || at[1] == '\0')
        return false;
    for (const char *p = address; *p; p++) {
        bool local = p < at && strchr("!#$%&'*+/=?^_`{|}~", *p);
        bool dot = *p == '.' && p != address && p != at + 1 && p[1] != '.' && p[1] != '@' && p[1];
        bool dash = *p == '-' && (p < at || (p != at + 1 && p[1] != '.' && p[1]));

        if (p != at && !(isascii((unsigned char)*p) && isalnum((unsigned char)*p)) && !local &&
            !dot && !dash)
            return false;
    }
    return true;
}

/* The words of a text, separated by blanks or commas, copied to the end of a list. */
struct words {
    char **at;
    size_t n;
};

static void words_add(struct words *w, const char *word, size_t size)
{
    w->at = mem_grow(w->at, (w->n + 1) * sizeof(*w->at));
    w->at[w->n++] = mem_strn(word, size);
}

static void words_split(struct words *w, const char *text)
{
    static const char separators[] = " \t,\r\n";

    *w = (struct words){NULL, 0};
    for (const char *p = text ? text : ""; *(p += strspn(p, separators));) {
        size_t size = strcspn(p, separators);
        words_add(w, p, size);
        p += size;
    }
}

static void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        mem_free(w->at[i]);
    mem_free(w->at);
    *w = (struct words){NULL, 0};
}

static bool kind_known(const char *word)
{
    for (size_t i = 1; i < KIND_NAMES; i++)
        if (strcmp(word, kind_names[i]) == 0)
            return true;
    return false;
}

static bool rule_words_valid(const struct rule *rule, const struct words *kinds,
                             const struct words *to, struct buf *why)
{
    for (size_t i = 0; i < kinds->n; i++)
        if (!kind_known(kinds->at[i])) {
            buf_printf(
                why,
                "[rule %s] kinds: there is no \"%s\"; use add, relist, amend, rekey, remove, "
                "withdraw, set-aside",
                rule->name, kinds->at[i]);
            return false;
        }
    for (size_t i = 0; i < to->n; i++)
        if (!address_valid(to->at[i])) {
            buf_printf(why, "[rule %s] to: \"%s\" is not a mail address", rule->name, to->at[i]);
            return false;
        }
    if (to->n == 0 || to->n > RECIPIENTS_MOST)
        buf_printf(why, "[rule %s] to: names %zu addresses; 1 to %d are possible", rule->name,
                   to->n, RECIPIENTS_MOST);
    return to->n > 0 && to->n <= RECIPIENTS_MOST;
}

/* protobuf-c's strings are const; those of terms made here are packed and thrown away. */
static const char **words_strings(const struct words *w)
{
    const char **strings = mem_new((w->n + 1) * sizeof(*strings));

    for (size_t i = 0; i < w->n; i++)
        strings[i] = w->at[i];
    return strings;
}

static Alert__RuleAdopted *terms_made(const struct rule *rule, const struct words *kinds,
                                      const struct words *committees, const struct words *to)
{
    Alert__RuleAdopted terms = ALERT__RULE_ADOPTED__INIT;
    const char **kind_strings = words_strings(kinds);
    const char **committee_strings = words_strings(committees);
    const char **to_strings = words_strings(to);

    terms.rule = rule->name;
    terms.list = rule->list ? rule->list : "";
    terms.kinds = kind_strings;
    terms.n_kinds = kinds->n;
    terms.committees = committee_strings;
    terms.n_committees = committees->n;
    terms.recipients = to_strings;
    terms.n_recipients = to->n;
    terms.editorial = !rule->substantive;
    Alert__RuleAdopted *copy = terms_copy(&terms);
    mem_free(kind_strings);
    mem_free(committee_strings);
    mem_free(to_strings);
    return copy;
}

Alert__RuleAdopted *terms_of_rule(const struct rule *rule, struct buf *why)
{
    struct words kinds, committees, to;
    Alert__RuleAdopted *terms = NULL;

    words_split(&kinds, rule->kinds);
    words_split(&committees, rule->committees);
    words_split(&to, rule->to);
    for (size_t i = 1; kinds.n < KIND_NAMES - 1 && !(rule->kinds && *rule->kinds) && i < KIND_NAMES;
         i++)
        words_add(&kinds, kind_names[i], strlen(kind_names[i]));
    if (!identifier_valid(rule->name))
        buf_printf(why, "[rule %s]: a rule's name is of letters, digits, '.', '_', '-', at most 64",
                   rule->name);
    else if (rule_words_valid(rule, &kinds, &to, why))
        terms = terms_made(rule, &kinds, &committees, &to);
    words_free(&kinds);
    words_free(&committees);
    words_free(&to);
    return terms;
}

Alert__RuleAdopted *terms_copy(const Alert__RuleAdopted *terms)
{
    size_t size = alert__rule_adopted__get_packed_size(terms);
    uint8_t *bytes = mem_new(size + 1);

    alert__rule_adopted__pack(terms, bytes);
    Alert__RuleAdopted *copy = alert__rule_adopted__unpack(NULL, size, bytes);
    mem_free(bytes);
    return copy;
}

void terms_free(Alert__RuleAdopted *terms)
{
    if (terms)
        alert__rule_adopted__free_unpacked(terms, NULL);
}

static bool strings_equal(const char **a, size_t n_a, const char **b, size_t n_b)
{
    for (size_t i = 0; n_a == n_b && i < n_a; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return n_a == n_b;
}

bool terms_equal(const Alert__RuleAdopted *a, const Alert__RuleAdopted *b)
{
    return strcmp(a->rule, b->rule) == 0 && strcmp(a->list, b->list) == 0 &&
           a->editorial == b->editorial &&
           strings_equal(a->kinds, a->n_kinds, b->kinds, b->n_kinds) &&
           strings_equal(a->committees, a->n_committees, b->committees, b->n_committees) &&
           strings_equal(a->recipients, a->n_recipients, b->recipients, b->n_recipients);
}

static bool holds(const char **strings, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++)
        if (strcasecmp(strings[i], s) == 0)
            return true;
    return false;
}

static bool takes_list(const Alert__RuleAdopted *terms, const char *list)
{
    return terms->list[0] == '\0' || strcmp(terms->list, list) == 0;
}

bool terms_take_notice(const Alert__RuleAdopted *terms, const Embargo__Notice *notice)
{
    size_t kind = (size_t)notice->kind;

    return takes_list(terms, notice->list) && kind > 0 && kind < KIND_NAMES - 1 &&
           holds(terms->kinds, terms->n_kinds, kind_names[kind]) &&
           (terms->n_committees == 0 ||
            holds(terms->committees, terms->n_committees, notice->committee)) &&
           (terms->editorial || notice->weight != EMBARGO__WEIGHT__WEIGHT_EDITORIAL);
}

/* It names no committee, so a rule for some committees alone has none of it. */
bool terms_take_editorial(const Alert__RuleAdopted *terms, const Embargo__EditorialNotice *notice)
{
    return terms->editorial && terms->n_committees == 0 && takes_list(terms, notice->list) &&
           holds(terms->kinds, terms->n_kinds, "amend");
}

bool terms_take_set_aside(const Alert__RuleAdopted *terms, const Embargo__SnapshotSetAside *event)
{
    return takes_list(terms, event->list) && holds(terms->kinds, terms->n_kinds, "set-aside");
}

/* "Name <address>" or the address alone. */
static bool from_split(struct alert_settings *s)
{
    const char *open = strrchr(s->from, '<');
    size_t size = strlen(s->from);

    if (!open) {
        s->from_address = mem_str(s->from);
        return address_valid(s->from_address);
    }
    if (s->from[size - 1] != '>')
        return false;
    s->from_address = mem_strn(open + 1, size - (size_t)(open + 1 - s->from) - 1);
    const char *end = open;
    while (end > s->from && end[-1] == ' ')
        end--;
    s->from_name = mem_strn(s->from, (size_t)(end - s->from));
    return address_valid(s->from_address);
}

/* The first line of a file of mode 0600. */
static int password_read(struct alert_settings *s, struct buf *why)
{
    char text[512];
    struct stat st;
    int rc = 0;
    int fd = open(s->password_file, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        buf_printf(why, "[alert] password-file %s: %s", s->password_file, strerror(errno));
        rc = ERR_IO;
    } else if ((st.st_mode & 077) != 0) {
        buf_printf(why, "[alert] password-file %s can be read by others; chmod 600 %s",
                   s->password_file, s->password_file);
        rc = ERR_FILE_MODE;
    } else {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\r\n")] = '\0';
        s->password = mem_str(text);
        explicit_bzero(text, sizeof(text));
        if (n <= 0 || s->password[0] == '\0') {
            buf_printf(why, "[alert] password-file %s holds no password", s->password_file);
            rc = ERR_CONFIG;
        }
    }
    if (fd >= 0)
        close(fd);
    return rc;
}

static int tls_check(struct alert_settings *s, struct buf *why)
{
    static const char *const names[] = {
        [TLS_REQUIRED] = "required", [TLS_OPPORTUNISTIC] = "opportunistic", [TLS_NONE] = "none"};
    bool inside = strncmp(s->smtp, "smtps://", 8) == 0;

    if (!inside && strncmp(s->smtp, "smtp://", 7) != 0) {
        buf_printf(why, "[alert] smtp: write smtp://host:port or smtps://host:port");
        return ERR_CONFIG;
    }
    for (size_t i = 0; i <= TLS_NONE; i++)
        if (strcmp(s->tls, names[i]) == 0) {
            s->tls_mode = (enum smtp_tls)i;
            if (!s->user || inside || i == TLS_REQUIRED)
                return 0;
            buf_printf(why,
                       "[alert] tls = %s would send the password in clear; write tls = required",
                       names[i]);
            return ERR_CONFIG;
        }
    buf_printf(why, "[alert] tls: required, opportunistic or none, not \"%s\"", s->tls);
    return ERR_CONFIG;
}

int alert_settings_check(struct alert_settings *s, struct buf *why)
{
    int rc = tls_check(s, why);

    if (rc == 0 && !from_split(s)) {
        buf_printf(why, "[alert] from: \"%s\" is neither an address nor Name <address>", s->from);
        rc = ERR_CONFIG;
    }
    if (rc == 0 && !s->user != !s->password_file) {
        buf_printf(why, "[alert] user and password-file are needed together");
        rc = ERR_CONFIG;
    }
    if (rc == 0 && s->password_file)
        rc = password_read(s, why);
    for (size_t i = 0; rc == 0 && i < s->n_rules; i++) {
        s->terms[i] = terms_of_rule(&s->rules[i], why);
        rc = s->terms[i] ? 0 : ERR_CONFIG;
    }
    return rc;
}

void alert_settings_clear(struct alert_settings *s)
{
    conf_clear(alert_keys, "alert", s);
    for (size_t i = 0; i < s->n_rules; i++) {
        mem_free(s->rules[i].name);
        conf_clear(alert_keys, "rule *", &s->rules[i]);
        terms_free(s->terms[i]);
    }
    if (s->password)
        explicit_bzero(s->password, strlen(s->password));
    mem_free(s->password);
    mem_free(s->from_name);
    mem_free(s->from_address);
    *s = (struct alert_settings){0};
}
