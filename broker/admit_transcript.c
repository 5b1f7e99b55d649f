/* SPDX-License-Identifier: Apache-2.0 */
/* admit_transcript.c - an office's word about what was entered in its name: proto/README.md, rule 3
 *
 * The envelope says all of it, so the payload stays closed.
 */
#include <strings.h>

#include "broker/admit_inside.h"
#include "lib/err.h"

struct source { /* the event that the word is about */
    const struct check *c;
    int rc;
};

static int check_form(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);

    if (env->evidence != CORE__EVIDENCE__EVIDENCE_SIGNED)
        return refuse(c->why, ERR_FIELD, "evidence",
                      "an office answers for paper with its own signature, not with more paper");
    if (env->kind != CORE__KIND__KIND_NEW)
        return refuse(c->why, ERR_FIELD, "kind", "it is said once and never changed: kind NEW");
    if (env->n_references != 1 || env->references[0]->envelope_hash.len != HASH_SIZE)
        return refuse(c->why, ERR_FIELD, "references",
                      "one reference, to the transcribed event, with the hash of its envelope");
    return 0;
}

/* For itself, or as a deputy: check_acting_for has seen whether it is one. */
static bool speaks_for(const Core__Envelope *env, const char *office)
{
    return strcasecmp(env->acting_for[0] ? env->acting_for : env->office, office) == 0;
}

static void see_source(void *arg, const struct event *e)
{
    struct source *s = arg;
    const Core__Envelope *word = envelope_of(s->c), *source = e->envelope;
    struct refusal *why = s->c->why;

    if (source->evidence != CORE__EVIDENCE__EVIDENCE_TRANSCRIBED)
        s->rc = refuse(why, ERR_REFERENCE, "references",
                       "what is there was signed by %s itself: there is nothing to confirm",
                       source->office);
    else if (!speaks_for(word, source->acting_for))
        s->rc = refuse(why, ERR_DENIED, "office", "it was entered for %s, which alone answers it",
                       source->acting_for);
    else if (strcasecmp(word->office, source->office) == 0)
        s->rc = refuse(why, ERR_DENIED, "office", "%s entered it: another office must answer",
                       source->office);
    else if (strcmp(word->stream, source->stream) != 0)
        s->rc = refuse(why, ERR_REFERENCE, "stream", "it is answered where it stands, in %s",
                       source->stream);
    else if (!access_as_restricted(word->handling, source->handling, source->office))
        s->rc = refuse(why, ERR_LOWERED, "handling",
                       "less restricted than what it answers: keep its label and recipients");
}

static bool said_before(const struct check *c, uint64_t position)
{
    bool before = transcripts_answered(c->a->transcripts, position);

    for (size_t k = 0; k < c->i && !before; k++)
        before = !c->events[k].known &&
                 transcripts_about(c->a->registry, c->events[k].event.envelope) == position;
    return before;
}

int admit_check_transcript(const struct check *c)
{
    const Core__Envelope *env = envelope_of(c);
    struct source s = {c, 0};

    if (!transcripts_word(env->type))
        return 0;
    int rc = check_form(c);
    if (rc)
        return rc;
    uint64_t position = transcripts_about(c->a->registry, env);
    if (position == 0) /* a predecessor lost the event, and checked what comes back */
        return admit_predecessor(c) ? 0
                                    : refuse(c->why, ERR_REFERENCE, "references",
                                             "what another log has is answered there");
    if (said_before(c, position))
        return refuse(c->why, ERR_EXISTS, "references",
                      "position %llu was confirmed or disowned before, and once is for good",
                      (unsigned long long)position);
    rc = admit_look_at(c, position, see_source, &s);
    return rc ? refuse(c->why, rc, "references", "position %llu cannot be read",
                       (unsigned long long)position)
              : s.rc;
}
