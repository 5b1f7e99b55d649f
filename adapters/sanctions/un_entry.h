/* SPDX-License-Identifier: Apache-2.0 */
/* un_entry.h - one entry of the UN list: the elements that it may have, and the party they make
 *
 * Whoever walks the file (un_walk.c) puts each text where its row says, in any order.  What is
 * made lies in the entry's arena until the next one begins.
 */
#pragma once

#include "adapters/sanctions/list.h"

enum un_text {
    DATAID,
    VERSIONNUM,
    FIRST_NAME,
    SECOND_NAME,
    THIRD_NAME,
    FOURTH_NAME,
    UN_LIST_TYPE,
    REFERENCE_NUMBER,
    LISTED_ON,
    DELISTED_ON,
    GENDER,
    SUBMITTED_BY,
    SUBMITTED_ON,
    NAME_ORIGINAL_SCRIPT,
    COMMENTS1,
    TEXTS, /* how many; no group has more */
};

enum un_many {
    TITLE,
    DESIGNATION,
    NATIONALITY,
    LIST_TYPE,
    UPDATED,
    ALIAS,
    ADDRESS,
    BIRTH_DATE,
    BIRTH_PLACE,
    DOCUMENT,
    MANIES
};

enum un_kind {
    LEAF,   /* text number `index` of what it stands in */
    VALUES, /* many number `index`: VALUE elements */
    GROUP,  /* many number `index`: an element with texts of its own */
    IGNORED,
};

struct un_row {
    const char *name;
    enum un_kind kind;
    int index;
};

struct un_vec {
    ProtobufCMessage **items; /* or texts */
    size_t n, capacity;
};

struct un_entry {
    struct arena *arena; /* what lies in it is bounded by the file */
    bool person;
    const char *texts[TEXTS], *group[TEXTS]; /* of the entry, and of its open group */
    struct un_vec manies[MANIES];
    size_t next; /* row that is tried first */
};

void un_entry_init(struct un_entry *e);
void un_entry_clear(struct un_entry *e);
void un_entry_begin(struct un_entry *e, bool person);

/* The row of an element of an entry, or NULL. */
const struct un_row *un_entry_row(struct un_entry *e, const char *name);
/* The row of an element in an open VALUES or GROUP, or NULL. */
const struct un_row *un_entry_row_in(const struct un_row *open, const char *name);

/* A text of a VALUES element that ended. */
void un_entry_value(struct un_entry *e, int many, const char *text);
/* A group begins, and ends: one with no text is none. */
void un_entry_group_begin(struct un_entry *e);
void un_entry_group_end(struct un_entry *e, int many);

/* The canonical party of all that was put. */
void un_entry_party(struct un_entry *e, Sanctions__ListedParty *p);
