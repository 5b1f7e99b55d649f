/* SPDX-License-Identifier: Apache-2.0 */
/* sealing.h - a file as a sealed part of an event, for those whom the event names
 *
 * Who they are and which keys are theirs is read from the registry's signed events (vouch.h), and
 * not from what the broker says of it.  It is sealed for every age key, not revoked, of the persons
 * who are seated in the parties, offices and groups named, of the seats named, and for the
 * publisher's own.  Processes open it where they are named as seats and not otherwise: a party's
 * broker and workers are seats of that party.
 */
#pragma once

#include "adapters/terminal/session.h"

struct sealing {               /* sealing_end frees it */
    int fd;                    /* the sealed file, which has no name */
    char *file;                /* the path that it goes by */
    char *name;                /* that people gave the clear one */
    struct chancery_part part; /* sha256 and size: once it is put */
};

/* Blocks.  `told`: prints whom it was sealed for.  Complains, naming the seats that have no age
 * key; the caller hands the exit status on, and calls sealing_end in any case. */
int sealing_make(struct sealing *out, struct session *s, const char *file,
                 const struct chancery_event *event, bool told);
void sealing_end(struct sealing *sealed);
