/* SPDX-License-Identifier: Apache-2.0 */
/* snapshot.h - the decision on a snapshot: what changed against what is in force, and what is odd
 *
 * Pure: reads the feed image (where the snapshot already is) and what is in force, and touches
 * nothing.  The verdict is by the final base alone: provisional changes of an earlier snapshot
 * that waits are decided anew.
 *
 *   no base              -> BASELINE
 *   no doubt             -> TAKEN      every change is final
 *   some doubt           -> SET_ASIDE  additions and substantive amendments are in force at once,
 *                                      provisionally, unless their identity or name is in doubt;
 *                                      all else waits
 *   date or count wrong  -> SET_ASIDE  everything waits
 */
#pragma once

#include "workers/embargo/compare.h"
#include "workers/embargo/image.h"

enum verdict { VERDICT_BASELINE, VERDICT_TAKEN, VERDICT_SET_ASIDE };

struct change { /* against what is in force */
    const struct entry *entry;
    Embargo__NoticeKind kind; /* AMEND with no substantive change: editorial */
    bool editorial;
    bool waits;
    struct comparison comparison; /* AMEND and REKEY */
};

/* How many of what: `now` takes effect with the verdict, the others wait. */
struct counts {
    uint32_t added, relisted, amended, editorial, rekeyed, removed, withdrawn; /* now */
    uint32_t waiting, waiting_removals;
    uint32_t kept;    /* provisional versions that the snapshot has as they are */
    uint32_t notices; /* numbers that are used now */
};

struct decision {
    enum verdict verdict;
    Embargo__Doubt **doubts;
    size_t n_doubts;
    struct change *changes; /* additions, amendments, rekeys, removals, withdrawals, editorial;
                               each in order of reference */
    size_t n;
    struct counts counts;
    struct arena *arena;
};

enum { REMOVALS_LEAST = 20, REMOVALS_PERCENT = 2, DOUBT_REFERENCES = 1500 };

/* Decides the feed image's snapshot.  Free it with decision_free. */
void snapshot_decide(const struct list *list, struct decision *out);
/* What a person's word for the snapshot brings: every change is final. */
void snapshot_confirm(const struct list *list, struct decision *out);
void decision_free(struct decision *d);

/* "snapshot.removals" and the like: the stable code of a doubt. */
const char *doubt_code(Embargo__DoubtKind kind);
