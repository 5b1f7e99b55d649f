/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/mandate.h"

#include <stdio.h>
#include <strings.h>

#include "broker/peer.h"
#include "lib/envelope.h"
#include "lib/err.h"

/* ---- a delegation that is shown ---- */

static int invalid(struct refusal *why, const char *field, const char *text)
{
    char place[64];

    snprintf(place, sizeof place, "delegation%s%s", field[0] ? "." : "", field);
    return refuse(why, ERR_DELEGATION, place, "%s", text);
}

static int check_signature(const struct delegation_shown *d, const struct key *signer,
                           struct refusal *why)
{
    if (!signer || strcmp(signer->seat->name, d->says.seat) != 0)
        return invalid(why, "key_id", "no signing key of the seat that it names has this id");
    if (!delegation_signed_by(d, signer->public_key))
        return invalid(why, "signature", "it is not as it was signed");
    if (signer->revoked)
        return invalid(why, "key_id", "the key that signed it was revoked; sign another one");
    return 0;
}

static int check_seats(const struct seat *seat, const struct seat *gateway, struct refusal *why)
{
    if (seat->kind != CORE__SEAT_KIND__SEAT_KIND_PERSON)
        return invalid(why, "seat", "a process delegates nothing");
    if (seat->standing != CORE__STANDING__STANDING_SEATED)
        return invalid(why, "seat", "its seat is seated no longer");
    if (gateway->standing != CORE__STANDING__STANDING_SEATED)
        return invalid(why, "gateway", "the gateway is seated no longer");
    return 0;
}

static int check_times(const struct delegation *d, const struct seat *seat, int64_t now,
                       struct refusal *why)
{
    char time[40];

    time_text(time, d->issued);
    if (d->issued > now + DELEGATION_AHEAD)
        return refuse(why, ERR_DELEGATION, "delegation.issued",
                      "issued at %s, which is not yet: see the clock where it was signed", time);
    time_text(time, d->expires);
    if (d->expires <= now)
        return refuse(why, ERR_DELEGATION_EXPIRED, "delegation.expires",
                      "it held until %s; ask %s for another one", time, d->seat);
    time_text(time, seat->withdrawn);
    if (d->issued < seat->withdrawn)
        return refuse(why, ERR_DELEGATION_WITHDRAWN, "delegation.issued",
                      "%s took back what was issued before %s", d->seat, time);
    return 0;
}

/* Strangers to it learn what is wrong with the bytes, and its seat's own affairs only behind the
 * signature. */
static int check_shown(const struct delegation_shown *d, const struct mandate_of *of,
                       const struct key *signer, struct refusal *why)
{
    if (memcmp(d->says.gateway, of->key->public_key, KEY_SIZE) != 0)
        return invalid(why, "gateway", "it is for another key than this session's");
    if (strcmp(d->says.log, of->log) != 0)
        return invalid(why, "log", "it is for another log");
    int rc = check_signature(d, signer, why);
    if (rc == 0)
        rc = check_seats(signer->seat, of->key->seat, why);
    return rc ? rc : check_times(&d->says, signer->seat, of->now, why);
}

int mandate_take(struct mandate *out, const struct registry *r, const struct mandate_of *of,
                 struct slice bytes, struct refusal *why)
{
    struct delegation_shown shown;
    char where[128] = "";

    int rc = delegation_read(&shown, bytes, where);
    if (rc)
        return invalid(why, where, err_text(rc));
    const struct key *signer = registry_sign_key(r, shown.key_id);
    rc = check_shown(&shown, of, signer, why);
    if (rc)
        return rc;
    *out = (struct mandate){.seat = signer->seat,
                            .through = of->key->seat,
                            .signer = signer,
                            .verbs = shown.says.verbs,
                            .issued = shown.says.issued,
                            .expires = shown.says.expires};
    return 0;
}

bool mandate_holds(const struct mandate *m, int64_t now)
{
    return !m->through || (now < m->expires && !m->signer->revoked &&
                           m->seat->standing == CORE__STANDING__STANDING_SEATED &&
                           m->through->standing == CORE__STANDING__STANDING_SEATED &&
                           m->issued >= m->seat->withdrawn);
}

const char *mandate_name(const struct mandate *m, char out[MANDATE_NAME])
{
    static const struct {
        Core__Verb verb;
        const char *word;
    } words[] = {{CORE__VERB__VERB_PUBLISH, ", publish"},
                 {CORE__VERB__VERB_READ, ", read"},
                 {CORE__VERB__VERB_ASK, ", ask"}};
    char verbs[32] = "";
    size_t n = 0;

    if (!m->through)
        return m->seat->name;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (mandate_is_for(m, words[i].verb))
            n += (size_t)snprintf(verbs + n, sizeof verbs - n, "%s", words[i].word);
    snprintf(out, MANDATE_NAME, "%.64s through %.64s, for%s", m->seat->name, m->through->name,
             verbs + 1);
    return out;
}

/* ---- what both may ---- */

bool mandate_is_for(const struct mandate *m, Core__Verb verb)
{
    return !m->through || m->verbs & 1u << verb;
}

bool mandate_allows(const struct registry *r, const struct mandate *m, Core__Verb verb,
                    const char *stream, const char *type)
{
    return access_allows(r, m->seat, verb, stream, type) &&
           (!m->through ||
            (mandate_is_for(m, verb) && access_allows(r, m->through, verb, stream, type)));
}

bool mandate_may_read(const struct registry *r, const struct mandate *m, const char *stream_pattern)
{
    return access_may_read(r, m->seat, stream_pattern) &&
           (!m->through || (mandate_is_for(m, CORE__VERB__VERB_READ) &&
                            access_may_read(r, m->through, stream_pattern)));
}

static bool carries(const struct seat *gateway, const Core__Handling *handling,
                    const char *originator_office)
{
    return (originator_office && strcasecmp(originator_office, gateway->office->name) == 0) ||
           (handling && (int)handling->label <= gateway->office->clearance);
}

bool mandate_handling(const struct registry *r, const struct mandate *m,
                      const Core__Handling *handling, const char *originator_office)
{
    return access_handling(r, m->seat, handling, originator_office) &&
           (!m->through || carries(m->through, handling, originator_office));
}

bool mandate_read(const struct registry *r, const struct mandate *m, const Core__Envelope *envelope)
{
    return access_read(r, m->seat, envelope) &&
           (!m->through || (mandate_is_for(m, CORE__VERB__VERB_READ) &&
                            access_allows(r, m->through, CORE__VERB__VERB_READ, envelope->stream,
                                          envelope->type) &&
                            carries(m->through, envelope->handling, envelope->office)));
}
