/* SPDX-License-Identifier: Apache-2.0 */
/* delegate.c - `seat delegate`, `seat withdraw`: a gateway acts in a seat's name, or no longer
 *
 * Times are the log's, which the session tells: that of a log for exercises is ahead of the clock.
 */
#include <errno.h>
#include <strings.h>

#include "adapters/terminal/act.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/delegation.h"
#include "lib/err.h"
#include "lib/file.h"

static const int64_t working_day = INT64_C(8) * 3600 * 1000000;

/* ---- what is delegated ---- */

static bool take_verb(struct chancery_delegation *d, struct slice word)
{
    struct {
        const char *word;
        bool *verb;
    } const words[] = {{"publish", &d->publish}, {"read", &d->read}, {"ask", &d->ask}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (slice_is(word, words[i].word)) {
            *words[i].verb = true;
            return true;
        }
    return false;
}

static int take_verbs(const struct call *c, struct chancery_delegation *d)
{
    const char *list = c->option[OPT_DELEGATED] ? c->option[OPT_DELEGATED] : "read,ask";

    for (const char *word = list; word;) {
        const char *end = strchrnul(word, ',');
        if (!take_verb(d, slice_of(word, (size_t)(end - word))))
            return call_usage(c, "--verbs %s: read, ask and publish, with commas between", list);
        word = *end ? end + 1 : NULL;
    }
    return DONE;
}

static int take_until(const struct call *c, struct chancery_delegation *d)
{
    const char *until = c->option[OPT_HOLDS_UNTIL];

    return !until || time_parse(&d->expires, until)
               ? DONE
               : call_usage(c, "--until %s: a time, e.g. 2026-12-31T23:59:00+01:00", until);
}

/* ---- the gateway ---- */

static const Core__SeatStands *find_seat(const Core__Registry *r, const char *name)
{
    for (size_t i = 0; i < r->n_seats; i++)
        if (strcasecmp(r->seats[i]->seat, name) == 0)
            return r->seats[i];
    return NULL;
}

/* The one that was registered last. */
static bool find_key(const Core__SeatStands *seat, uint8_t key[KEY_SIZE])
{
    for (size_t i = seat->n_keys; i-- > 0;) {
        const Core__SeatKey *k = seat->keys[i];
        if (k->kind != CORE__KEY_KIND__KEY_KIND_CURVE || k->revoked ||
            k->public_key.len != KEY_SIZE)
            continue;
        memcpy(key, k->public_key.data, KEY_SIZE);
        return true;
    }
    return false;
}

/* What was taken back stays so: the new one is issued behind it. */
static int take_registered(struct session *s, const char *gateway, struct chancery_delegation *d)
{
    const Core__Registry *r = NULL;
    int rc = registry_fetch(s, &r);

    if (rc != DONE)
        return rc;
    const Core__SeatStands *seat = find_seat(r, gateway), *own = find_seat(r, s->settings.seat);
    if (!seat)
        return session_fail(s, "%s: no such seat; `chancery seat ls` shows them all", gateway);
    if (!find_key(seat, d->gateway))
        return session_fail(s, "%s has no transport key: it cannot be a gateway", gateway);
    if (own && own->withdrawn > d->issued)
        d->issued = own->withdrawn;
    return DONE;
}

static int take_gateway(const struct call *c, struct session *s, struct chancery_delegation *d)
{
    const struct chancery_session *now = chancery_current(s->client);

    if (!now)
        return session_fail(s, "the connection was lost; run it again");
    d->log = now->log;
    d->issued = now->now;
    return hex_decode(d->gateway, KEY_SIZE, c->argument[0]) ? DONE
                                                            : take_registered(s, c->argument[0], d);
}

/* ---- the token ---- */

static int write_token(const struct call *c, const struct session *s,
                       const struct chancery_delegation *d)
{
    const char *file = c->argument[1];
    uint8_t token[CHANCERY_DELEGATION_MOST];
    char why[256] = "";
    size_t size = 0;

    if (chancery_delegate(s->settings.key_file, d, token, &size, why) != 0) {
        complain("%s", why);
        return FAILED;
    }
    int err = file_create(file, slice_of(token, size), 0600);
    if (err == 0)
        return DONE;
    complain("%s: %s", file, err == ERR_IO ? strerror(errno) : err_text(err));
    return FAILED;
}

/* "read and ask" */
static char *words_of(const struct chancery_delegation *d)
{
    const char *all[] = {d->read ? "read" : NULL, d->ask ? "ask" : NULL,
                         d->publish ? "hand on what is signed" : NULL};
    struct buf out = {0};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            buf_printf(&out, "%s%s", out.size ? " and " : "", all[i]);
    char *words = mem_str(buf_cstr(&out));
    buf_free(&out);
    return words;
}

static int sign(const struct call *c, struct session *s, const struct chancery_delegation *d)
{
    char *words = words_of(d), *until = time_of(d->expires, true);
    char *sentence = mem_printf("%s may %s in the name of %s until %s", c->argument[0], words,
                                s->settings.seat, until);

    progress_end(&s->progress);
    int rc = act_agreed(c, sentence) ? write_token(c, s, d) : FAILED;
    if (rc == DONE)
        printf("%s: give %s to the gateway, and nobody else\n", sentence, c->argument[1]);
    mem_free(sentence);
    mem_free(words);
    mem_free(until);
    return rc;
}

int seat_delegate_run(const struct call *c)
{
    struct chancery_delegation d = {0};
    struct session s;
    int rc = take_verbs(c, &d);

    if (rc == DONE)
        rc = take_until(c, &d);
    if (rc == DONE)
        rc = session_open(&s, c);
    if (rc != DONE)
        return rc;
    rc = take_gateway(c, &s, &d);
    if (rc == DONE && !d.expires)
        d.expires = d.issued + working_day;
    if (rc == DONE)
        rc = sign(c, &s, &d);
    session_close(&s);
    return rc;
}

/* ---- taken back ---- */

/* Those, too, that were issued by a clock ahead of the broker's. */
static int withdraw(const struct call *c, struct session *s)
{
    Core__SeatDelegationsWithdrawn m = CORE__SEAT_DELEGATIONS_WITHDRAWN__INIT;
    const ProtobufCMessage *const messages[] = {&m.base};
    const struct chancery_session *now = chancery_current(s->client);

    if (!now)
        return session_fail(s, "the connection was lost; run it again");
    m.seat = c->n_arguments ? c->argument[0] : s->settings.seat;
    m.before = now->now + DELEGATION_AHEAD;
    m.reason = c->option[OPT_REASON] ? c->option[OPT_REASON] : "";
    return act_sign(
        c, s, messages, 1,
        mem_printf("All delegations of %s are taken back, and sessions by them end", m.seat));
}

int seat_withdraw_run(const struct call *c)
{
    struct session s;
    int rc = session_open_publishing(&s, c);

    if (rc == DONE) {
        rc = withdraw(c, &s);
        session_close(&s);
    }
    return rc;
}
