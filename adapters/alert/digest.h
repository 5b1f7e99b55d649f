/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h - what is to be told: items made of the events of `embargo.out`; pure
 *
 * Events are folded in order of position.  The answers to one input are a group; when it is
 * complete, each rule tells what it takes of it: up to five notices an item each, more an item a
 * committee.  A snapshot that was set aside is told at once and again every so often until it is
 * decided.  An item has a key that is the same whenever the same log is folded by the same rules:
 * who keeps the keys of what was told tells the rest, and nothing twice.
 */
#pragma once

#include "chancery/alert/v1/alert.pb-c.h"
#include "chancery/core/v1/envelope.pb-c.h"
#include "chancery/embargo/v1/embargo.pb-c.h"
#include "lib/slice.h"

enum { NOTICES_EACH = 5 }; /* of a group: so many are told one by one */

enum item_kind { ITEM_NOTICE, ITEM_COMMITTEE, ITEM_EDITORIAL, ITEM_SET_ASIDE };
enum aside_outcome { ASIDE_WAITS, ASIDE_CONFIRMED, ASIDE_REJECTED, ASIDE_OVERTAKEN };

struct told_event { /* an event of embargo.out */
    uint64_t position;
    int64_t received;
    int mode, label;
    ProtobufCMessage *body;
};

struct aside { /* a snapshot that was set aside; items share it */
    size_t users;
    struct told_event event; /* SnapshotSetAside */
    char *key;
    enum aside_outcome outcome; /* so far */
    uint64_t decided_by;        /* position */
    int64_t told;               /* number of the last reminder told; -1 = nothing yet */
};

struct group;

struct item {     /* item_free it, before its digest */
    size_t users; /* who share it: one item_free each */
    enum item_kind kind;
    char *key;
    char *root; /* key of the item that its thread began with; NULL = this one */
    const Alert__RuleAdopted *terms;  /* by which it is told, and to whom; the digest's */
    const struct told_event **events; /* n of them, at least 1, in order */
    size_t n;
    const struct told_event *editorial; /* EditorialNotice of the same group, or NULL */
    struct aside *aside;                /* ITEM_SET_ASIDE */
    int64_t reminder;                   /* ITEM_SET_ASIDE: 0 = the first */
    int64_t time;                       /* of the event, or when the reminder was due */
    struct group *group;                /* that the events belong to */
};

void item_free(struct item *item); /* NULL is fine */

struct digest;

/* `emit` takes the item over. */
typedef void digest_emit(void *arg, struct item *item);
struct digest *digest_new(digest_emit *emit, void *arg);
void digest_free(struct digest *d); /* NULL is fine */

/* Terms of a rule, in order of position; copied. */
void digest_adopt(struct digest *d, const Alert__RuleAdopted *terms);
/* The last ones of the rule, or NULL. */
const Alert__RuleAdopted *digest_terms(const struct digest *d, const char *rule);
/* The last ones of every rule. */
void digest_each_terms(const struct digest *d,
                       void (*each)(void *arg, const Alert__RuleAdopted *terms), void *arg);

/* The next event of embargo.out.  0, or a negative err when its payload is not what its type says:
 * it then counts for its group and tells nothing. */
int digest_event(struct digest *d, uint64_t position, int64_t received,
                 const Core__Envelope *envelope, struct slice payload);

/* Emits the alerts of snapshots set aside that are due, each by its last number due only. */
void digest_remind(struct digest *d, int64_t now, int64_t every);
/* When the next one is due; 0 = none waits. */
int64_t digest_next(const struct digest *d, int64_t every);
