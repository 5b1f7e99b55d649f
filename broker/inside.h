/* SPDX-License-Identifier: Apache-2.0 */
/* inside.h - the broker's insides, for the files that are its parts
 *
 * broker.c has its life and its turns of the loop, start.c what must hold before it serves,
 * handle.c the table of frames, hello.c, status.c and handle_part.c the handlers that are more than
 * a call.
 */
#pragma once

#include "broker/asking.h"
#include "broker/audit.h"
#include "broker/broker.h"
#include "broker/clock.h"
#include "broker/deliver.h"
#include "broker/scrub.h"
#include "broker/signer.h"
#include "broker/zap.h"
#include "lib/notify.h"
#include "lib/settings.h"

enum { PROTOCOL = 1 };

struct broker_settings {
    char *listen;
    int64_t disk_reserve, quota_events, quota_bytes;
    int64_t scrub_rate;
};

struct broker {
    uv_loop_t *loop;
    uv_timer_t tick, retry;
    uv_prepare_t prepare;
    uv_check_t check;
    struct watchdog watchdog;
    struct settings settings;
    struct broker_settings own;
    struct seat_key key;
    struct journal *journal;
    struct registry *registry;
    struct parts *parts;
    struct transcripts *transcripts;
    struct refusals refusals;
    struct peers *peers;
    struct publishing *publishing;
    struct deliver *deliver;
    struct asking *asking;
    struct audit audit;
    void *context;
    struct zap *zap;
    struct zsock *socket;
    struct clock clock;
    struct signer *signer;
    struct scrub *scrub; /* NULL: off */
    const char *log;
    char seat[65]; /* the broker's */
    bool exercise, full, paused, stopping, closed;
    uint64_t ticks, disk_free, disk_size;
    uint64_t commits; /* at the watchdog's last look */
    uint64_t purged;  /* purges up to this position are under way or done */
    int64_t started, audited, expired;
    struct hash expiring;                /* the part that was looked at last */
    uint64_t events_seen, events_rested; /* recorded, a second ago and when memory was given back */
};

struct sender { /* who a message comes from */
    uint32_t id;
    const struct key *key;
};

struct call { /* a frame of a session */
    struct broker *b;
    struct peer *peer;
    Core__Frame *frame;
    struct arena **arena; /* the frame's; who takes it sets it to NULL */
    size_t size;
};

int64_t broker_now(struct broker *b); /* the log's time */
void broker_refuse(struct broker *b, struct peer *p, uint64_t ref, struct refusal *why);
Core__Pong broker_pong(struct broker *b);
void broker_sweep(struct broker *b);               /* those who are gone leave */
void broker_damaged(void *arg, uint64_t position); /* ends the process */
void broker_lost(void *arg, const char *why);      /* likewise: records were lost */

/* start.c: settings, keys, log, registry, founding record and checkpoint agree; nothing is on the
 * loop yet.  0 or a negative err with a sentence in `why`. */
int broker_read(struct broker *b, const char *config, struct buf *why);
void broker_settings_clear(struct broker_settings *own);

/* status.c: READY to the service manager, and whether the log is alive. */
void status_ready(struct broker *b);
bool status_watchdog(void *arg, struct buf *status);

/* purge.c: deletes the files of the purges that were folded since it was called last. */
void broker_purge(struct broker *b);
/* Of a part that was on its way to its place meanwhile: whether it was purged. */
bool broker_purge_late(struct broker *b, const struct hash *part);

/* expire.c: looks at some parts, and records those that nothing keeps any longer. */
void broker_expire(struct broker *b);
void broker_expired(void *arg, const struct hash *part); /* that is recorded: deletes it */

void handle_frame(const struct call *c); /* of a session; all but Hello */
void handle_hello(struct broker *b, const struct sender *from, struct peer *before,
                  const Core__Frame *f);
void handle_forgotten(struct broker *b, const struct sender *from, uint64_t ref);
/* What comes before a publish: 0, or ERR_DENIED where the session's delegation is not for it. */
int handle_check_publishes(const struct call *c, struct refusal *why);
void handle_put_part(const struct call *c);
void handle_get_part(const struct call *c);
void handle_get_proof(const struct call *c);
void handle_get_status(const struct call *c);
void handle_get_access(const struct call *c);
void handle_get_registry(const struct call *c);
