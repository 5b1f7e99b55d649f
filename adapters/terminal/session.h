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

struct published { /* what became of an event */
    enum chancery_outcome outcome;
    uint64_t position; /* when recorded */
    int64_t received;
    char code[64], text[512], field[128]; /* when not */
};
/* Of event `i` of those that were published together. */
void published_take(struct published *p, const struct chancery_result *result, size_t i);

struct session {
    uv_loop_t loop;
    uv_timer_t timer;
    uv_signal_t signals[2];
    struct settings settings;
    struct chancery *client;
    struct arena *arena; /* of answers; reset by nobody until session_close */
    struct progress progress;
    int64_t deadline;           /* of what is waited for; 0 = for ever */
    int64_t ask_for;            /* how long session_ask waits for a worker */
    int64_t gone;               /* since when there is no connection; 0 = there is one */
    bool patient;               /* goes on waiting without a connection (watch) */
    bool told;                  /* that it waits for the broker */
    bool endless;               /* goes on until it is interrupted, or nobody reads its output */
    bool interrupted;           /* what is waited for need not come any more */
    bool refused;               /* the broker refuses the session, and said why */
    bool late, closed;          /* the deadline passed; the client is gone */
    struct published published; /* the last event */
    bool published_done;
};

/* Of the instance and seat that the options name: DONE, FAILED or USAGE. */
int settings_of_call(struct settings *s, const struct call *c);

/* DONE, USAGE, FAILED, or UNREACHABLE when no broker answers within 5 s. */
int session_open(struct session *s, const struct call *c);
/* The same for commands that publish: the seat's receipts are kept in DIR/keep/<seat>, by one
 * command at a time, and what an earlier one left unconfirmed is published first. */
int session_open_publishing(struct session *s, const struct call *c);
/* All is published that this command publishes: another one may, while this one waits for answers.
 * As session_open; the session is closed when it is not DONE. */
int session_published(struct session *s, const struct call *c);
/* As session_open_publishing, with the keys of that file and without a word where the broker does
 * not take them: UNREACHABLE after 2 s. */
int session_try(struct session *s, const struct call *c, const char *key_file);
void session_close(struct session *s); /* all zero is fine */

/* Runs the loop until *done: DONE, FAILED when `patience` (microseconds, 0 = for ever) is over, or
 * UNREACHABLE when the broker is gone for 5 s.  DONE also when it was interrupted. */
int session_wait(struct session *s, const bool *done, int64_t patience);
/* From now on SIGINT, SIGTERM and the end of who reads standard output interrupt what is waited
 * for, instead of ending the process. */
void session_interruptible(struct session *s);
/* Clears the progress and complains; returns FAILED. */
int session_fail(struct session *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Publishes one event: s->published tells what became of it.  DONE only when it was recorded;
 * nothing is complained about but that the broker is gone. */
int session_publish(struct session *s, const struct chancery_event *event);
/* Publishes 1 to 64 events, all or nothing: s->published is that of the first, or why not.  Without
 * an answer within `patience` (microseconds, 0 = for ever) FAILED, and s->published.outcome is
 * CHANCERY_UNKNOWN. */
int session_publish_all(struct session *s, const struct chancery_event events[], size_t n,
                        int64_t patience);
/* Complains that the event was refused, or may be recorded or not; returns FAILED. */
int session_unpublished(struct session *s);
/* Packs the message and publishes it to the stream: its position. */
int session_request(struct session *s, const char *stream, const ProtobufCMessage *message,
                    const struct chancery_part *part, uint64_t *position);

/* The same of several, at most SESSION_MESSAGES, all or nothing: the first one's position. */
enum { SESSION_MESSAGES = 8 };
int session_request_all(struct session *s, const char *stream,
                        const ProtobufCMessage *const messages[], size_t n, int64_t patience,
                        uint64_t *position);

/* The answer lies in the session's arena.  Waits s->ask_for, 10 s unless the command sets it, for a
 * worker that starts or still reads the log. */
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
