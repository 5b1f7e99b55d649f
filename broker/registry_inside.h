/* SPDX-License-Identifier: Apache-2.0 */
/* registry_inside.h - what the parts of the registry share
 *
 * registry.c keeps the tables and is asked; registry_people.c and registry_rules.c say of each type
 * of registry event who may sign it, what it asks and what it does.
 */
#pragma once

#include "broker/registry.h"

enum { NAME_MOST = 255, ROLES_MOST = 16, STREAM_MOST = 64, TYPE_MOST = 128 };

struct table { /* of pointers, in order of the name that each begins with, letter case aside */
    void **at;
    size_t n;
};

struct party {
    const char *name;
};

struct office_held {
    const char *name;
    struct office office;
};

struct group {
    const char *name; /* "panel@3" */
    Core__GroupSet *set;
};

struct group_version { /* the last one of a group */
    const char *name;
    uint32_t last;
};

struct rule {
    const char *name;
    Core__AccessRule *rule;
};

struct stream_limit {
    const char *name; /* the pattern */
    int most;         /* Label */
};

struct lowering {
    const char *name;
    Core__LoweringAllowed *allowed;
};

struct deputy {
    const struct office *office, *deputy;
    int64_t from, until;
};

struct pending { /* an act that waits for signatures */
    uint64_t position;
    const char *type;
    struct buf payload;
    const struct seat **signed_by; /* the first one proposed it */
    size_t n;
};

struct registry {
    struct table parties, offices, seats, groups, group_versions, rules, limits, lowerings, purges;
    struct key **keys;
    struct deputy *deputies;
    struct pending *pending;
    size_t n_keys, n_deputies, n_pending;
    Core__LogFounded *founded;
    const char *log; /* its name now */
    uint8_t log_key[KEY_SIZE];
    struct predecessor *predecessors; /* oldest first */
    size_t n_predecessors;
    bool returning;
    uint32_t quorum;
    struct clock_acts clock;
    uint64_t version;
};

struct folded { /* where an event stands, and who signed it */
    uint64_t position;
    const struct seat *by;
};

struct act { /* a registry event that is looked at */
    const struct registry *r;
    const struct seat *by; /* who signed it; NULL: nobody that is known */
    const char **field;    /* where a refusal says what is wrong */
    char *text;            /* 256 bytes */
    bool signed_by_all;    /* the quorum's last signature is there: it comes into force now */
};

/* What a type of registry event asks and does.  A check that finds nothing wrong returns 0, else a
 * negative err by way of registry_refuse. */
struct row {
    const ProtobufCMessageDescriptor *type;
    int (*check)(const struct act *a, const void *body);
    void (*fold)(struct registry *r, const struct folded *f, const void *body);
    /* May somebody who is no administrator sign it?  NULL: never. */
    int (*own)(const struct act *a, const void *body);
    /* Does it touch the whole, so that the quorum signs it?  NULL: never. */
    bool (*whole)(const struct act *a, const void *body);
};

extern const struct row registry_people[], registry_rules[]; /* end in a row without type */

__attribute__((format(printf, 4, 5))) int
registry_refuse(const struct act *a, int err, const char *field, const char *format, ...);
int registry_check_identifier(const struct act *a, const char *name, const char *field);
int registry_check_text(const struct act *a, const char *text, const char *field);
bool registry_always(const struct act *a, const void *body); /* touches the whole */

void *table_find(const struct table *t, const char *name);
void table_add(struct table *t, void *entry);
void *table_take(struct table *t, const char *name); /* out of the table; NULL: not there */

void *registry_message(const ProtobufCMessage *message); /* a copy in protobuf-c's memory */
struct seat *registry_seat_new(struct registry *r, const char *name);
void registry_key_new(struct registry *r, uint64_t position, const struct seat *seat, int kind,
                      const uint8_t *public_key, const char *label);
/* The seat that founded the log stands in the table before it is admitted: with an office without
 * name. */
bool registry_seat_admitted(const struct seat *seat);
bool registry_is_administrators(const struct registry *r, const struct office *office);
bool registry_is_administrator(const struct registry *r, const struct seat *seat);
size_t registry_administrators(const struct registry *r);                      /* that are seated */
struct pending *registry_pending(const struct registry *r, uint64_t position); /* NULL: none */
/* Whether the admission of a seat of that name waits. */
bool registry_admission_waits(const struct registry *r, const char *seat);
void registry_pending_drop(struct registry *r, uint64_t position);
/* What the act at hand would mean if the quorum had signed it: 0, or the refusal. */
int registry_check_pending(const struct act *a, const struct pending *p);
void registry_fold_pending(struct registry *r, const struct folded *f, const struct pending *p);
void registry_terms_free(struct office *office);
void registry_rule_free(struct rule *rule);             /* NULL is fine */
void registry_lowering_free(struct lowering *lowering); /* NULL is fine */
void registry_purge_free(struct purge *purge);
