/* SPDX-License-Identifier: Apache-2.0 */
/* act.c - what administrators, and those whom it concerns, sign about the registry
 *
 * Each verb says in one sentence what it will change and for whom, and asks, before anything is
 * signed; --yes answers.
 */
#include "adapters/terminal/act.h"

#include <stdlib.h>
#include <unistd.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/draft.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/envelope.h"

/* ---- signing ---- */

bool act_agreed(const struct call *c, const char *sentence)
{
    char answer[8] = "";

    if (c->option[OPT_YES])
        return true;
    fprintf(stderr, "%s\nSign it? [y/N] ", sentence);
    fflush(stderr);
    if (isatty(STDIN_FILENO) && fgets(answer, sizeof answer, stdin) &&
        (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    complain("nothing was signed; --yes signs without asking");
    return false;
}

/* Those of the acts just recorded that other administrators must sign too. */
static void say_waiting(struct session *s, uint64_t first, size_t n)
{
    const Core__Registry *r = registry_quietly(s);
    struct buf waiting = {0};

    for (size_t i = 0; r && i < r->n_acts; i++)
        if (r->acts[i]->position >= first && r->acts[i]->position < first + n)
            buf_printf(&waiting, " %llu", (unsigned long long)r->acts[i]->position);
    if (waiting.size)
        printf("it waits there for other administrators, and is not in force: chancery act "
               "confirm%s\n",
               buf_cstr(&waiting));
    buf_free(&waiting);
}

static int publish(struct session *s, const ProtobufCMessage *const messages[], size_t n,
                   const char *sentence)
{
    uint64_t position;
    int rc = session_request_all(s, "registry", messages, n, 0, &position);

    progress_end(&s->progress);
    if (rc == FAILED)
        rc = session_unpublished(s);
    else if (rc == DONE && n == 1)
        printf("%s: recorded at position %llu\n", sentence, (unsigned long long)position);
    else if (rc == DONE)
        printf("%s: recorded at positions %llu to %llu\n", sentence, (unsigned long long)position,
               (unsigned long long)(position + n - 1));
    if (rc == DONE)
        say_waiting(s, position, n);
    return rc;
}

int act_sign(const struct call *c, struct session *s, const ProtobufCMessage *const messages[],
             size_t n, char *sentence)
{
    int rc = act_agreed(c, sentence) ? publish(s, messages, n, sentence) : FAILED;

    mem_free(sentence);
    return rc;
}

static int act_all(const struct call *c, const ProtobufCMessage *const messages[], size_t n,
                   char *sentence)
{
    struct session s;
    int rc = session_open_publishing(&s, c);

    if (rc != DONE) {
        mem_free(sentence);
        return rc;
    }
    rc = act_sign(c, &s, messages, n, sentence);
    session_close(&s);
    return rc;
}

int act_one(const struct call *c, const ProtobufCMessage *message, char *sentence)
{
    return act_all(c, &message, 1, sentence);
}

static const char *given(const struct call *c, enum option o)
{
    return c->option[o] ? c->option[o] : "";
}

/* ---- words ---- */

/* The words of a list with commas, in place: how many, or 0 with more than `most` or an empty one.
 */
static size_t split(char *list, const char *words[], size_t most)
{
    size_t n = 0;

    for (char *word = list; word && *word; n++) {
        char *comma = strchr(word, ',');
        if (n == most || comma == word)
            return 0;
        words[n] = word;
        if (comma)
            *comma++ = '\0';
        word = comma;
    }
    return n;
}

static int label_of(const struct call *c, const char *word)
{
    int label = enum_of_word(&core__label__descriptor, "LABEL_", word);

    if (!label)
        call_usage(c, "%s: not a label: clear, green, amber, amber+strict or red", word);
    return label;
}

/* ---- access ---- */

/* "any", "role:ROLE", "seat:SEAT", PARTY/OFFICE, PARTY. */
static int subject_of(const char **name)
{
    static const char role[] = "role:";

    if (strcmp(*name, "any") == 0) {
        *name = "";
        return CORE__SUBJECT_KIND__SUBJECT_KIND_ANY;
    }
    if (strncmp(*name, role, sizeof role - 1) == 0) {
        *name += sizeof role - 1;
        return CORE__SUBJECT_KIND__SUBJECT_KIND_ROLE;
    }
    switch (recipient_kind(name)) {
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_SEAT:
        return CORE__SUBJECT_KIND__SUBJECT_KIND_SEAT;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_OFFICE:
        return CORE__SUBJECT_KIND__SUBJECT_KIND_OFFICE;
    case CORE__RECIPIENT_KIND__RECIPIENT_KIND_PARTY:
        return CORE__SUBJECT_KIND__SUBJECT_KIND_PARTY;
    default:
        return 0;
    }
}

static bool verbs_take(const char *list, Core__Verb out[4], size_t *n)
{
    const char *words[4];
    char *copy = mem_str(list);

    *n = split(copy, words, 4);
    bool good = *n > 0;
    for (size_t i = 0; i < *n && good; i++) {
        out[i] = (Core__Verb)enum_of_word(&core__verb__descriptor, "VERB_", words[i]);
        good = out[i] != CORE__VERB__VERB_UNSPECIFIED;
    }
    mem_free(copy);
    return good;
}

static int rule_run(const struct call *c, Core__Effect effect, const char *says)
{
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;
    Core__Verb may[4];

    m.rule = c->argument[0];
    m.effect = effect;
    m.subject = c->argument[1];
    m.subject_kind = (Core__SubjectKind)subject_of(&m.subject);
    m.verbs = may;
    m.stream = c->argument[3];
    m.type = c->option[OPT_RULE_TYPE] ? c->option[OPT_RULE_TYPE] : "*";
    if (!m.subject_kind)
        return call_usage(c, "%s: not any, role:ROLE, seat:SEAT, PARTY/OFFICE or PARTY",
                          c->argument[1]);
    if (!verbs_take(c->argument[2], may, &m.n_verbs))
        return call_usage(c, "%s: not publish, read, ask or offer, with commas between",
                          c->argument[2]);
    return act_one(c, &m.base,
                   mem_printf("Rule %s %s %s to %s %s in %s", m.rule, says, c->argument[1],
                              c->argument[2], m.type, m.stream));
}

int access_allow_run(const struct call *c)
{
    return rule_run(c, CORE__EFFECT__EFFECT_ALLOW, "allows");
}

int access_deny_run(const struct call *c)
{
    return rule_run(c, CORE__EFFECT__EFFECT_DENY, "forbids");
}

int access_rm_run(const struct call *c)
{
    Core__AccessRule m = CORE__ACCESS_RULE__INIT;

    m.rule = c->argument[0];
    m.withdrawn = true;
    return act_one(c, &m.base, mem_printf("Rule %s no longer holds", m.rule));
}

int access_limit_run(const struct call *c)
{
    Core__StreamLimited m = CORE__STREAM_LIMITED__INIT;

    m.stream = c->argument[0];
    m.most = (Core__Label)label_of(c, c->argument[1]);
    if (!m.most)
        return USAGE;
    return act_one(c, &m.base,
                   mem_printf("%s takes events up to %s", m.stream, label_text((int)m.most)));
}

/* ---- parties and offices ---- */

int party_add_run(const struct call *c)
{
    Core__PartyAdded m = CORE__PARTY_ADDED__INIT;

    m.party = c->argument[0];
    m.name = given(c, OPT_NAME);
    m.kind = (Core__PartyKind)enum_of_word(&core__party_kind__descriptor, "PARTY_KIND_",
                                           c->option[OPT_PARTY_KIND] ? c->option[OPT_PARTY_KIND]
                                                                     : "state");
    return act_one(c, &m.base, mem_printf("%s is a party to this service", m.party));
}

struct terms {
    char *roles;
    const char *words[16];
    size_t n;
    int clearance;
    uint64_t seats_most;
};

static int terms_take(const struct call *c, struct terms *t)
{
    *t = (struct terms){.roles = mem_str(given(c, OPT_ROLES))};
    t->n = split(t->roles, t->words, 16);
    t->clearance = label_of(c, c->option[OPT_CLEARANCE] ? c->option[OPT_CLEARANCE] : "green");
    if (!t->clearance || !call_number(c, OPT_SEATS_MOST, 0, &t->seats_most))
        return USAGE;
    if ((t->n == 0) != (t->roles[0] == '\0') || t->seats_most > UINT32_MAX)
        return call_usage(c, "--roles: at most 16, with commas between");
    return DONE;
}

static char *terms_text(const char *office, const struct terms *t, const struct call *c)
{
    return mem_printf("%s has the roles %s, is cleared up to %s and fills %llu seats itself",
                      office, t->n ? given(c, OPT_ROLES) : "(none)", label_text(t->clearance),
                      (unsigned long long)t->seats_most);
}

int office_add_run(const struct call *c)
{
    Core__OfficeAdded m = CORE__OFFICE_ADDED__INIT;
    struct terms t;
    int rc = terms_take(c, &t);

    if (rc == DONE) {
        m.office = c->argument[0];
        m.name = given(c, OPT_NAME);
        m.roles = t.words;
        m.n_roles = t.n;
        m.clearance = (Core__Label)t.clearance;
        m.seats_most = (uint32_t)t.seats_most;
        rc = act_one(c, &m.base, terms_text(m.office, &t, c));
    }
    mem_free(t.roles);
    return rc;
}

int office_set_run(const struct call *c)
{
    Core__OfficeChanged m = CORE__OFFICE_CHANGED__INIT;
    struct terms t;
    int rc = terms_take(c, &t);

    if (rc == DONE) {
        m.office = c->argument[0];
        m.name = given(c, OPT_NAME);
        m.roles = t.words;
        m.n_roles = t.n;
        m.clearance = (Core__Label)t.clearance;
        m.seats_most = (uint32_t)t.seats_most;
        rc = act_one(c, &m.base, terms_text(m.office, &t, c));
    }
    mem_free(t.roles);
    return rc;
}

int office_deputy_run(const struct call *c)
{
    Core__DeputyNamed m = CORE__DEPUTY_NAMED__INIT;

    m.office = c->argument[0];
    m.deputy = c->argument[1];
    m.withdrawn = !c->option[OPT_SINCE] && !c->option[OPT_TILL];
    if (m.withdrawn)
        return act_one(c, &m.base,
                       mem_printf("%s is a deputy of %s no longer", m.deputy, m.office));
    if (!c->option[OPT_SINCE] || !time_parse(&m.from, c->option[OPT_SINCE]) ||
        !c->option[OPT_TILL] || !time_parse(&m.until, c->option[OPT_TILL]))
        return call_usage(c, "--since and --till: two times, e.g. 2026-12-31T23:59:00+01:00");
    return act_one(c, &m.base,
                   mem_printf("%s may act for %s from %s until %s", m.deputy, m.office,
                              c->option[OPT_SINCE], c->option[OPT_TILL]));
}

/* ---- seats ---- */

static int standing_run(const struct call *c, Core__Standing standing, const char *says)
{
    Core__SeatStanding m = CORE__SEAT_STANDING__INIT;

    m.seat = c->argument[0];
    m.standing = standing;
    m.reason = given(c, OPT_REASON);
    return act_one(c, &m.base, mem_printf("%s %s", m.seat, says));
}

int seat_revoke_run(const struct call *c)
{
    return standing_run(c, CORE__STANDING__STANDING_REVOKED,
                        "is revoked for good: its keys are, and its sessions end at once");
}

int seat_leave_run(const struct call *c)
{
    return standing_run(c, CORE__STANDING__STANDING_LEFT,
                        "left: it reads recalls, confirms them, and does nothing else");
}

int seat_return_run(const struct call *c)
{
    return standing_run(c, CORE__STANDING__STANDING_SEATED, "is seated again");
}

/* ---- groups ---- */

struct members {
    char *list;
    const char *words[EVENT_RECIPIENTS_MOST];
    Core__Recipient all[EVENT_RECIPIENTS_MOST], *pointers[EVENT_RECIPIENTS_MOST];
    size_t n;
};

static int members_take(const struct call *c, struct members *m, const char *list)
{
    m->list = mem_str(list);
    m->n = split(m->list, m->words, EVENT_RECIPIENTS_MOST);
    for (size_t i = 0; i < m->n; i++) {
        const char *name = m->words[i];
        core__recipient__init(&m->all[i]);
        m->all[i].kind = (Core__RecipientKind)recipient_kind(&name);
        m->all[i].name = name;
        m->pointers[i] = &m->all[i];
        if (!m->all[i].kind || m->all[i].kind == CORE__RECIPIENT_KIND__RECIPIENT_KIND_GROUP)
            return call_usage(c, "%s: not PARTY, PARTY/OFFICE or seat:SEAT", m->words[i]);
    }
    return m->n ? DONE : call_usage(c, "a group has 1 to 256 members, with commas between");
}

static uint32_t next_version(const Core__Registry *r, const char *group)
{
    for (size_t i = 0; i < r->n_groups; i++)
        if (strcmp(r->groups[i]->group, group) == 0)
            return r->groups[i]->version + 1;
    return 1;
}

static int group_set(const struct call *c, struct session *s, struct members *members)
{
    Core__GroupSet m = CORE__GROUP_SET__INIT;
    const Core__Registry *r = NULL;
    int rc = registry_fetch(s, &r);

    if (rc != DONE)
        return rc;
    m.group = c->argument[0];
    m.version = next_version(r, m.group);
    m.name = given(c, OPT_NAME);
    m.n_members = members->n;
    m.members = members->pointers;
    const ProtobufCMessage *message = &m.base;
    return act_sign(c, s, &message, 1,
                    mem_printf("%s@%u means %s", m.group, m.version, c->argument[1]));
}

int group_set_run(const struct call *c)
{
    struct members *members = mem_new(sizeof *members);
    struct session s;
    int rc = members_take(c, members, c->argument[1]);

    if (rc == DONE && (rc = session_open_publishing(&s, c)) == DONE) {
        rc = group_set(c, &s, members);
        session_close(&s);
    }
    mem_free(members->list);
    mem_free(members);
    return rc;
}

/* ---- the quorum ---- */

int quorum_set_run(const struct call *c)
{
    Core__QuorumSet m = CORE__QUORUM_SET__INIT;
    char *end;
    unsigned long n = strtoul(c->argument[0], &end, 10);

    if (*end || n < 1 || n > 1000)
        return call_usage(c, "%s: how many administrators sign what touches the whole?",
                          c->argument[0]);
    m.administrators = (uint32_t)n;
    return act_one(c, &m.base, mem_printf("%lu administrators sign what touches the whole", n));
}

/* The positions that are given, and what is signed of them: "12, 13 and 14". */
static int positions_take(const struct call *c, uint64_t positions[ARGUMENTS_MOST],
                          struct buf *words)
{
    for (int i = 0; i < c->n_arguments; i++) {
        if (!call_position(c, c->argument[i], &positions[i]))
            return USAGE;
        buf_printf(words, "%s%llu",
                   i == 0                   ? ""
                   : i + 1 < c->n_arguments ? ", "
                                            : " and ",
                   (unsigned long long)positions[i]);
    }
    return DONE;
}

int act_confirm_run(const struct call *c)
{
    Core__ActConfirmed m[ARGUMENTS_MOST];
    const ProtobufCMessage *all[ARGUMENTS_MOST];
    uint64_t positions[ARGUMENTS_MOST];
    struct buf words = {0};
    int rc = positions_take(c, positions, &words);

    for (int i = 0; rc == DONE && i < c->n_arguments; i++) {
        core__act_confirmed__init(&m[i]);
        m[i].position = positions[i];
        all[i] = &m[i].base;
    }
    if (rc == DONE)
        rc =
            act_all(c, all, (size_t)c->n_arguments,
                    mem_printf("You sign the %s of position %s; `chancery act ls` tells what waits",
                               c->n_arguments > 1 ? "acts" : "act", buf_cstr(&words)));
    buf_free(&words);
    return rc;
}

int act_withdraw_run(const struct call *c)
{
    Core__ActWithdrawn m[ARGUMENTS_MOST];
    const ProtobufCMessage *all[ARGUMENTS_MOST];
    uint64_t positions[ARGUMENTS_MOST];
    struct buf words = {0};
    int rc = positions_take(c, positions, &words);

    for (int i = 0; rc == DONE && i < c->n_arguments; i++) {
        core__act_withdrawn__init(&m[i]);
        m[i].position = positions[i];
        m[i].reason = given(c, OPT_REASON);
        all[i] = &m[i].base;
    }
    if (rc == DONE)
        rc = act_all(c, all, (size_t)c->n_arguments,
                     mem_printf("What waits at position %s is dropped", buf_cstr(&words)));
    buf_free(&words);
    return rc;
}
