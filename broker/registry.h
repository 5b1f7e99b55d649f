/* SPDX-License-Identifier: Apache-2.0 */
/* registry.h - the fold of the registry: parties, offices, seats, keys and access rules; pure
 *
 * Two copies may be kept; each is the same function of the registry's events in order.
 */
#pragma once

#include "chancery/core/v1/registry.pb-c.h"
#include "lib/sign.h"
#include "lib/slice.h"

struct registry;

struct office {
    const char *party, *name; /* name: "QMA/npc" */
    const char *const *roles; /* n_roles */
    size_t n_roles;
    int clearance; /* Label */
};

struct seat { /* the registry's; valid as long as it */
    const char *name;
    const struct office *office;
    int kind; /* SeatKind */
};

struct key {
    const struct seat *seat;
    int kind; /* KeyKind */
    uint8_t public_key[KEY_SIZE], id[KEY_ID_SIZE];
    uint64_t added, revoked; /* positions; revoked 0 = not */
};

struct predecessor { /* a log that this one goes on from */
    const char *log;
    uint64_t position; /* last one taken over */
    struct hash root;  /* of the tree at that size */
};

struct clock_acts {        /* what administrators signed about the clock */
    uint64_t accepted;     /* position of the last ClockAccepted; 0 = none */
    int64_t accepted_time; /* that it states */
    int64_t ahead;         /* microseconds: sum of all ClockMoved */
};

struct registry *registry_new(void);
void registry_free(struct registry *r);

/* Would this event be taken behind what is folded?  0 or
 * ERR_REGISTRY/ERR_FIELD/ERR_EXISTS/ERR_NOT_FOUND with field and text. `type` is the full name of
 * the payload's message. */
int registry_check(const struct registry *r, const char *type, struct slice payload,
                   const char **field, char text[256]);
/* Folds an event that was checked (or is in the log). */
void registry_fold(struct registry *r, uint64_t position, const char *type, struct slice payload);

const Core__LogFounded *registry_founded(const struct registry *r); /* NULL before position 1 */
/* The log's name and key of now: those of its founding, or of its last succession. */
const char *registry_log(const struct registry *r); /* NULL before position 1 */
const uint8_t *registry_log_key(const struct registry *r);
/* Oldest first. */
const struct predecessor *registry_predecessors(const struct registry *r, size_t *n);
const struct predecessor *registry_predecessor(const struct registry *r,
                                               const char *log); /* NULL: none of that name */
/* What a predecessor recorded and lost is taken back. */
bool registry_returning(const struct registry *r);
const struct seat *
registry_seat(const struct registry *r,
              const char *name); /* NULL: none; case does not matter for clashes, only for this */
const struct office *registry_office(const struct registry *r, const char *name);
bool registry_party(const struct registry *r, const char *name);
const struct key *registry_curve_key(const struct registry *r,
                                     const uint8_t public_key[KEY_SIZE]); /* revoked ones too */
const struct key *registry_sign_key(const struct registry *r, const uint8_t id[KEY_ID_SIZE]);
void registry_each_seat(const struct registry *r, void (*each)(void *arg, const struct seat *seat),
                        void *arg);
/* Rules in force, in order of their identifiers. */
void registry_each_rule(const struct registry *r,
                        void (*each)(void *arg, const Core__AccessRule *rule), void *arg);
const struct clock_acts *registry_clock(const struct registry *r);
uint64_t registry_version(const struct registry *r); /* position last folded */
