/* SPDX-License-Identifier: Apache-2.0 */
/* session.h - the client library for commands: each call here waits until it is done
 *
 * A command opens one session, asks or publishes, and ends.  What fails is complained about here;
 * the caller only hands the exit status on.
 */
#pragma once

#include <uv.h>

#include "adapters/terminal/progress.h"
#include "adapters/terminal/verb.h"
#include "lib/chancery.h"
#include "lib/envelope.h"
#include "lib/settings.h"

struct session {
    uv_loop_t loop;
    uv_timer_t timer;
    struct settings settings;
    struct chancery *client;
    struct arena *arena; /* of answers; reset by nobody until session_close */
    struct progress progress;
    int64_t deadline;  /* of what is waited for; 0 = for ever */
    int64_t gone;      /* since when there is no connection; 0 = there is one */
    bool patient;      /* goes on waiting without a connection (watch) */
    bool late, closed; /* the deadline passed; the client is gone */
    bool part_missing; /* why the last event was refused: its part is to be put again */
};

/* Of the instance and seat that the options name: DONE, FAILED or USAGE. */
int settings_of_call(struct settings *s, const struct call *c);

/* DONE, USAGE, FAILED, or UNREACHABLE when no broker answers within 5 s. */
int session_open(struct session *s, const struct call *c);
/* The same for commands that publish: the seat's receipts are kept in DIR/keep/<seat>, by one
 * command at a time, and what an earlier one left unconfirmed is published first. */
int session_open_publishing(struct session *s, const struct call *c);
void session_close(struct session *s); /* all zero is fine */

/* Runs the loop until *done: DONE, FAILED when `patience` (microseconds, 0 = for ever) is over, or
 * UNREACHABLE when the broker is gone for 5 s. */
int session_wait(struct session *s, const bool *done, int64_t patience);

/* Publishes one event: its position. */
int session_publish(struct session *s, const struct chancery_event *event, uint64_t *position);
/* Packs the message and publishes it to the stream. */
int session_request(struct session *s, const char *stream, const ProtobufCMessage *message,
                    const struct chancery_part *part, uint64_t *position);

/* The answer lies in the session's arena. */
int session_ask(struct session *s, const char *service, const ProtobufCMessage *question,
                const ProtobufCMessageDescriptor *type, const void **answer);

struct seen { /* an event of the log, valid during the call */
    uint64_t position;
    int64_t received;
    struct event event;
    const ProtobufCMessageDescriptor *type; /* NULL = unknown here */
    const ProtobufCMessage *body;           /* NULL = of no known type */
};

/* Lies in the arena, which is reset: DONE, or FAILED when it cannot be read. */
int seen_open(struct seen *seen, const struct chancery_record *record, struct arena *arena);

struct look {                          /* which events */
    const char *streams[4], *types[4]; /* NULL-ended; none = all */
    const char *seat;                  /* NULL = of all */
    uint64_t from, until;
    bool follow;      /* go on behind the head */
    int64_t patience; /* with `follow`: microseconds, 0 = for ever */
    bool (*each)(void *arg, const struct seen *seen); /* false: enough */
    void *arg;
};
/* DONE also when `each` had enough. */
int session_look(struct session *s, const struct look *look);

/* The types that this program knows. */
extern const ProtobufCMessageDescriptor *const known_types[];
