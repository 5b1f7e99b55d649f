/* SPDX-License-Identifier: Apache-2.0 */
/* admit_inside.h - what the checks of one event share
 *
 * admit.c has those that ask the registry, the broker's state and the log's order; admit_named.c
 * those that look at recorded events which the event names, admit_transcript.c an office's word
 * about what was entered in its name.
 */
#pragma once

#include "broker/admit.h"

struct check { /* one event among those of its batch */
    const struct admit *a;
    struct admit_event *events;
    size_t i;
    struct refusal *why;
};

typedef int check_step(const struct check *c); /* 0, or the refusal's err */

static inline struct admit_event *event_of(const struct check *c)
{
    return &c->events[c->i];
}

static inline const Core__Envelope *envelope_of(const struct check *c)
{
    return c->events[c->i].event.envelope;
}

/* A worker's or an adapter's answer; a person that states a cause gains nothing by it. */
static inline bool admit_is_answer(const struct check *c)
{
    return envelope_of(c)->cause && c->a->seat->kind == CORE__SEAT_KIND__SEAT_KIND_PROCESS;
}

/* The log that the envelope was made for, when this one goes on from it; else NULL. */
const struct predecessor *admit_predecessor(const struct check *c);

/* A seat that left confirms recalls, and does nothing else. */
int admit_check_left(const struct check *c);
/* What it refers to, answers or changes. */
int admit_check_named(const struct check *c);
int admit_check_parts(const struct check *c);
/* Whether it may confirm or disown the transcribed event that it names; 0 for other types. */
int admit_check_transcript(const struct check *c);

/* The recorded event at a position: 0, or that it is not there or cannot be read. */
typedef void see_event(void *arg, const struct event *e);
int admit_look_at(const struct check *c, uint64_t position, see_event *see, void *arg);
