/* SPDX-License-Identifier: Apache-2.0 */
/* mandate.h - on what a session stands: a seat by itself, or its delegation to a gateway; pure
 *
 * In a delegated session the seat may what both of them may, and no other verb than the
 * delegation's (design.md, section 6).  The rules are asked for the one and for the other.  Of
 * labels: the seat must be cleared and, from AMBER on, named, as anywhere; the gateway must be
 * cleared and need not be named, for it carries and is nobody's recipient.  So its clearance says
 * what administrators entrust to it.  What its own office published it may carry under any label.
 */
#pragma once

#include "broker/access.h"
#include "lib/delegation.h"

struct refusal;

struct mandate { /* plain values; seats and keys are the registry's */
    const struct seat *seat;
    /* of a delegation; NULL and 0 without one */
    const struct seat *through; /* the gateway's */
    const struct key *signer;   /* the seat's */
    unsigned verbs;             /* bits 1 << Verb */
    int64_t issued, expires;
};

struct mandate_of {        /* what a delegation is looked at with */
    const struct key *key; /* of the session */
    const char *log;
    int64_t now; /* the log's time */
};

/* Of the bytes of a SignedDelegation: 0, or ERR_DELEGATION, ERR_DELEGATION_EXPIRED or
 * ERR_DELEGATION_WITHDRAWN with the refusal filled.  Who did not sign it is told nothing of the
 * seat. */
int mandate_take(struct mandate *out, const struct registry *r, const struct mandate_of *of,
                 struct slice bytes, struct refusal *why);
/* Whether a session may go on by it. */
bool mandate_holds(const struct mandate *m, int64_t now);

/* Who acts, for a refusal: "amina", or "amina through portal, for read, ask". */
enum { MANDATE_NAME = 192 };
const char *mandate_name(const struct mandate *m, char out[MANDATE_NAME]);

/* Whether the delegation, if there is one, is for the verb. */
bool mandate_is_for(const struct mandate *m, Core__Verb verb);
/* As access_allows, access_may_read, access_handling and access_read. */
bool mandate_allows(const struct registry *r, const struct mandate *m, Core__Verb verb,
                    const char *stream, const char *type);
bool mandate_may_read(const struct registry *r, const struct mandate *m,
                      const char *stream_pattern);
bool mandate_handling(const struct registry *r, const struct mandate *m,
                      const Core__Handling *handling, const char *originator_office);
bool mandate_read(const struct registry *r, const struct mandate *m,
                  const Core__Envelope *envelope);
