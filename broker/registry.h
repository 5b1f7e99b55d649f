/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - the fold of the registry: who there is, with which keys and rights; pure
 *
 * Two copies may be kept; each is the same function of the registry's events in order.  An event is
 * signed by administrators (offices with the role `administrator`), or by whom it concerns.  What
 * touches the whole waits for as many signatures of administrators as the quorum asks for.
 */
#pragma once

#include "chancery/core/v1/frames.pb-c.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/mem.h"
#include "lib/sign.h"
#include "lib/slice.h"

struct registry;

static const char ROLE_ADMINISTRATOR[] = "administrator";

struct office {
    const char *party, *name; /* name: "QMA/npc" */
    const char *title;        /* its name for people */
    const char *const *roles; /* n_roles */
    size_t n_roles;
    int clearance;       /* Label */
    uint32_t seats_most; /* that it fills itself */
};

struct seat { /* the registry's; valid as long as it */
    const char *name;
    const struct office *office;
    const char *title;        /* its name for people */
    int kind;                 /* SeatKind */
    int standing;             /* Standing */
    uint64_t admitted, ended; /* positions; ended 0 = it is seated */
    int64_t withdrawn;        /* its delegations that were issued before are void */
};

struct key {
    const struct seat *seat;
    const char *label; /* where it is kept, for people */
    int kind;          /* KeyKind */
    uint8_t public_key[KEY_SIZE], id[KEY_ID_SIZE];
    uint64_t added, revoked; /* positions; revoked 0 = not */
};

struct predecessor { /* a log that this one goes on from */
    const char *log;
    uint64_t position; /* last one taken over */
    struct hash root;  /* of the tree at that size */
};

struct purge {          /* a part that is deleted for good */
    const char *part;   /* its SHA-256 in hexadecimal */
    const char *reason; /* as its administrator states it */
    const struct seat *by;
    uint64_t position; /* of the event that brought it into force */
};

struct clock_acts {        /* what administrators signed about the clock */
    uint64_t accepted;     /* position of the last ClockAccepted; 0 = none */
    int64_t accepted_time; /* that it states */
    int64_t ahead;         /* microseconds: sum of all ClockMoved */
};

struct registry *registry_new(void);
void registry_free(struct registry *r);

struct registry_event {
    const char *by;   /* the seat that signed it */
    const char *type; /* full name of the payload's message */
    struct slice payload;
};

/* Would this event be taken behind what is folded?  0 or
 * ERR_REGISTRY/ERR_FIELD/ERR_BOUNDS/ERR_DENIED/ERR_EXISTS/ERR_NOT_FOUND with field and text. */
int registry_check(const struct registry *r, const struct registry_event *e, const char **field,
                   char text[256]);
/* Folds an event that was checked (or is in the log). */
void registry_fold(struct registry *r, uint64_t position, const struct registry_event *e);

const Core__LogFounded *registry_founded(const struct registry *r); /* NULL before position 1 */
/* The log's name and key of now: those of its founding, or of its last succession. */
const char *registry_log(const struct registry *r); /* NULL before position 1 */
const uint8_t *registry_log_key(const struct registry *r);
/* Oldest first. */
const struct predecessor *registry_predecessors(const struct registry *r, size_t *n);
const struct predecessor *registry_predecessor(const struct registry *r,
                                               const char *log); /* NULL: none of that name */
/* Whether the event that a reference of an envelope made for `log` names is another log's, or one
 * that a predecessor recorded and lost. */
bool registry_elsewhere(const struct registry *r, const char *log, const Core__EventRef *ref);
/* What a predecessor recorded and lost is taken back. */
bool registry_returning(const struct registry *r);
const struct seat *
registry_seat(const struct registry *r,
              const char *name); /* NULL: none; case does not matter for clashes, only for this */
const struct office *registry_office(const struct registry *r, const char *name);
bool registry_party(const struct registry *r, const char *name);
/* A version of a group by its reference, "panel@3"; NULL: none. */
const Core__GroupSet *registry_group(const struct registry *r, const char *reference);
/* A party, office, seat or version of a group that is registered. */
bool registry_knows(const struct registry *r, const Core__Recipient *recipient);
/* Whether the one office is a deputy of the other at that time (microseconds UTC). */
bool registry_deputises(const struct registry *r, const struct office *deputy,
                        const struct office *office, int64_t at);
bool registry_has_role(const struct office *office, const char *role);
/* The highest Label that the stream takes: the lowest of the patterns that it fits. */
int registry_stream_most(const struct registry *r, const char *stream);
/* The lowest Label of an answer of that type to such an input; 0 = no lower than the input's. */
int registry_lowest(const struct registry *r, const char *input_type, const char *output_type);
const struct key *registry_curve_key(const struct registry *r,
                                     const uint8_t public_key[KEY_SIZE]); /* revoked ones too */
const struct key *registry_sign_key(const struct registry *r, const uint8_t id[KEY_ID_SIZE]);
void registry_each_seat(const struct registry *r, void (*each)(void *arg, const struct seat *seat),
                        void *arg);
/* Rules in force, in order of their identifiers. */
void registry_each_rule(const struct registry *r,
                        void (*each)(void *arg, const Core__AccessRule *rule), void *arg);
/* All of it, as GetRegistry is answered: lists from the arena, entries the registry's.  False: past
 * the arena's cap. */
bool registry_tell(const struct registry *r, struct arena *arena, Core__Registry *out);
const struct purge *registry_purged(const struct registry *r,
                                    const struct hash *part); /* NULL: it is not purged */
void registry_each_purge(const struct registry *r, void (*each)(void *arg, const struct purge *p),
                         void *arg);
const struct clock_acts *registry_clock(const struct registry *r);
uint64_t registry_version(const struct registry *r); /* position last folded */
