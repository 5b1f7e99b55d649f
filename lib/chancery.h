/* SPDX-License-Identifier: Apache-2.0 */
/* chancery.h - the client library: publish, read, ask
 *
 * Everything runs on the caller's libuv loop and thread; no call blocks but those that say so, and
 * callbacks come from the loop only, never from within a call.  The library connects, connects
 * again for ever, says Hello, repeats what was under way and goes on reading where it was: a broker
 * that is killed and started again is a pause.  One whose log was restored from an older copy gets
 * back what the receipts in a keep_dir show missing, before anything else is published; a reader
 * who had read more than the copy has is ended.
 *
 * Times are microseconds since 1970-01-01T00:00:00Z.  Errors are negative numbers of
 * chancery_err_code's list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;
struct chancery;

struct chancery_options {
    const char *endpoint;   /* "ipc:///path" or "tcp://host:port" */
    const char *server_key; /* CURVE public key of the broker, 64 hexadecimal digits: pinned */
    const char *key_file; /* the seat's keys; refused unless mode 0600.  The key that signs may lie
                             on a token: each signature takes the loop as long as the token */
    const char *log; /* name of the log meant; NULL = whichever it is (envelopes carry the one that
                        the broker named) */
    const char *keep_dir; /* directory for unconfirmed events and receipts, made when missing, of
                             one process at a time; NULL = nothing is kept over a restart.  The loop
                             then waits for the disk before events are sent and results are told */
    int64_t keep_age;     /* microseconds that a receipt is kept, by the log's time; 0 = 30 days */
    uint64_t keep_bytes;  /* of receipts: past them the oldest go, whatever their age; 0 = 1 GiB.
                             Together they cover the oldest copy that a log may be restored from */
    const char *software; /* shown on status pages */
    int64_t give_up;      /* microseconds after which a publish becomes unknown; 0 = never */
    bool patient; /* publishing waits while the broker takes nothing (log.full, clock.jump), for
                     who has nothing else to do; otherwise it is refused */
    const void *delegation; /* of chancery_delegate, to this client's CURVE key: each session is
                               that of the seat that signed it, as far as it goes; NULL = none.
                               Nothing is signed or kept then: keep_dir is NULL */
    size_t delegation_size;
};

/* 0, or the error with a sentence in `why` (may be NULL). Does not wait for the connection. */
int chancery_open(struct chancery **out, struct uv_loop_s *loop,
                  const struct chancery_options *options, char why[256]);

/* What is under way ends as CHANCERY_UNKNOWN or is dropped; `closed` (may be NULL) comes once the
 * handles are gone. */
void chancery_close(struct chancery *c, void (*closed)(void *arg), void *arg);

struct chancery_session {
    const char *log, *seat, *office;
    uint64_t head;   /* last recorded position when the session began */
    int mode;        /* Mode of envelope.proto: 2 on an exercise log */
    uint64_t number; /* of this session, from 1 */
    int64_t now;     /* the log's time when the session began */
    int64_t until;   /* when a delegated session ends; 0 = it is none */
};

/* Called whenever a session begins (connected, and again after each reconnection).  With a keep_dir
 * it waits until what an earlier process left there is answered, and what a restored log lost is
 * back as far as it can be; `head` covers that: who folds the log up to it sees all events of its
 * own. */
void chancery_on_session(struct chancery *c,
                         void (*session)(void *arg, const struct chancery_session *s), void *arg);
/* Called whenever the broker refuses to begin one, e.g. by delegation.expired, which no waiting
 * mends.  It is asked again every few seconds until the client is closed. */
void chancery_on_refusal(struct chancery *c,
                         void (*refused)(void *arg, const char *code, const char *text), void *arg);
/* The current session, or NULL. */
const struct chancery_session *chancery_current(const struct chancery *c);

/* ---- publishing ---- */

enum chancery_outcome {
    CHANCERY_RECORDED, /* on disk, at these positions */
    CHANCERY_REFUSED,  /* definitely not recorded; the code says why */
    CHANCERY_UNKNOWN,  /* given up: it may or may not be recorded; ask again with the same id */
};

struct chancery_result {
    enum chancery_outcome outcome;
    const uint64_t *positions; /* n of them when recorded */
    const int64_t *received;
    size_t n;
    const char *code, *text, *field; /* when refused or unknown */
    size_t index;                    /* of the event refused */
};

typedef void chancery_published(void *arg, const struct chancery_result *result);

struct chancery_part {
    uint8_t sha256[32];
    uint64_t size;
    const char *media_type, *name;
    bool sealed;
};

struct chancery_recipient {
    int kind; /* RecipientKind of envelope.proto: 1 party, 2 office, 3 seat, 4 group */
    const char *name;
};

/* What a publisher states; the library adds log, seat, office, seat_seq, previous, hashes and
 * signature. */
struct chancery_event {
    const char *stream, *type;
    const void *payload; /* copied */
    size_t payload_size;
    uint8_t id[16]; /* all zero: a new UUIDv7 (then `created` is now unless stated) */
    int mode;       /* Mode; 0 = ACTUAL, or EXERCISE on an exercise log */
    int kind;       /* Kind; 0 = NEW */
    int label;      /* Label; 0 = GREEN */
    const struct chancery_recipient *recipients;
    size_t n_recipients;
    const struct chancery_part *parts;
    size_t n_parts;
    uint64_t cause;
    uint32_t ordinal, of;       /* answers of workers and adapters; `of` 0 = not an answer */
    uint64_t reply_to;          /* position; 0 = none */
    const uint64_t *references; /* positions; at most 64; needed by a kind that is not NEW */
    size_t n_references;
    const uint8_t *reference_hashes; /* of their envelopes, 32 bytes each; NULL = not stated */
    int64_t created, effective, expires, due;
    const char *case_id, *language, *marking, *acting_for;
    bool personal_data;
};

/* Publishes 1 to 64 events, all or nothing, in this order; what is published first is recorded
 * first.  `done` comes once.  Returns 0, or ERR_BOUNDS/ERR_TEXT (nothing sent), or ERR_BUSY (too
 * much unconfirmed: wait for some `done`), or ERR_DENIED for a delegated client, which signs for
 * nobody.  Where thousands of events a second pass, mallopt(M_TRIM_THRESHOLD, 32 << 20) and
 * mallopt(M_MMAP_THRESHOLD, 4 << 20) keep the C library from giving the memory of each frame back
 * to the system and asking for it again. */
int chancery_publish(struct chancery *c, const struct chancery_event events[], size_t n,
                     chancery_published *done, void *arg);

struct chancery_signed { /* an event that the session's seat signed, here or elsewhere */
    const void *event;   /* the SignedEvent's bytes */
    size_t event_size;
    const void *payload;
    size_t payload_size;
};

/* Publishes 1 to 64 of them as they are, as chancery_publish does and told likewise; copied.  They
 * are never signed again, so seat.order is a refusal: whoever signed them asks chancery_tail and
 * signs anew.  ERR_CONFIG with a keep_dir; what cannot be an event is ERR_MALFORMED and the like.
 */
int chancery_publish_signed(struct chancery *c, const struct chancery_signed events[], size_t n,
                            chancery_published *done, void *arg);

/* Where this seat stands in a stream: its last seat_seq (0 = none) and its event's position. */
int chancery_tail(struct chancery *c, const char *stream,
                  void (*done)(void *arg, int err, uint64_t seat_seq, uint64_t position),
                  void *arg);

/* ---- reading ---- */

struct chancery_record { /* valid during the call */
    uint64_t position;
    int64_t received;
    const void *event; /* the SignedEvent's bytes */
    size_t event_size;
    const void *payload;
    size_t payload_size;
};

struct chancery_reading;

struct chancery_read_options {
    uint64_t from;              /* position; 0 and 1 = the beginning */
    uint64_t until;             /* last position wanted; 0 = follow */
    const char *const *streams; /* NULL-ended patterns; NULL = all */
    const char *const *types;
    const char *seat; /* only events of this seat; NULL = all */
    /* Nonzero = go on; 0 = hold: nothing more comes until chancery_read_more. Then the record was
     * taken. */
    int (*record)(void *arg, const struct chancery_record *record);
    /* All up to `head` that the seat may see has come (again after each reconnection). May be NULL.
     */
    void (*caught_up)(void *arg, uint64_t head);
    /* Refused, or `until` was reached (err 0), or log.rolled_back: the log was restored from a copy
     * that ends before what was read. The reading is gone. May be NULL. */
    void (*ended)(void *arg, int err, const char *text);
    void *arg;
};

/* Signatures are not verified by the reading: the broker did, and `log verify` does offline. Bounds
 * are. */
int chancery_read(struct chancery *c, const struct chancery_read_options *options,
                  struct chancery_reading **out);
void chancery_read_more(struct chancery_reading *r);
void chancery_read_cancel(struct chancery_reading *r); /* no callback comes any more */

/* ---- questions ---- */

typedef void chancery_answered(void *arg, int err, const char *code, const char *text,
                               const char *type, const void *payload, size_t size, uint64_t as_of);

/* `patience` in microseconds. `code` and `text` are set when refused; err is then its number. */
int chancery_ask(struct chancery *c, const char *service, const char *type, const void *payload,
                 size_t size, uint64_t at_least, int64_t patience, chancery_answered *done,
                 void *arg);

struct chancery_question { /* valid during the call; answer it then or keep `token` */
    uint64_t token;
    const char *service, *type, *seat, *office;
    const void *payload;
    size_t size;
    uint64_t at_least;
};

int chancery_offer(struct chancery *c, const char *service,
                   void (*asked)(void *arg, const struct chancery_question *q), void *arg);
/* `label` as in chancery_event. */
void chancery_answer(struct chancery *c, uint64_t token, const char *type, const void *payload,
                     size_t size, uint64_t as_of, int label);
void chancery_answer_refused(struct chancery *c, uint64_t token, const char *code, const char *text,
                             const char *field);

/* ---- parts, head ---- */

/* Reads the file as it is sent; fills *part (hash, size) before it returns, having read the file
 * once: blocks for that. */
int chancery_put_part(struct chancery *c, const char *file, struct chancery_part *part,
                      void (*done)(void *arg, int err, const char *text), void *arg);
/* Writes the part into `file` (made anew, mode 0600), checked against its hash: removed again on
 * failure. */
int chancery_get_part(struct chancery *c, uint64_t position, const uint8_t sha256[32],
                      const char *file, void (*done)(void *arg, int err, const char *text),
                      void *arg);

/* Whether the part can be fetched: `done` comes once, with err 0, or the refusal and its text. */
int chancery_look_part(struct chancery *c, uint64_t position, const uint8_t sha256[32],
                       void (*done)(void *arg, int err, const char *text), void *arg);

int chancery_head(struct chancery *c,
                  void (*done)(void *arg, int err, uint64_t head, const char *checkpoint),
                  void *arg);

/* Status of frames.proto, packed. */
int chancery_status(struct chancery *c,
                    void (*done)(void *arg, int err, const char *text, const void *status,
                                 size_t size),
                    void *arg);

/* Registry of frames.proto, packed: of whoever may read the registry. */
int chancery_registry(struct chancery *c,
                      void (*done)(void *arg, int err, const char *text, const void *registry,
                                   size_t size),
                      void *arg);

/* Proof of frames.proto, packed: from the record at the position to the newest checkpoint, which
 * the caller checks with the log's key.  ERR_BUSY while no checkpoint covers the position: ask
 * again. */
int chancery_proof(struct chancery *c, uint64_t position,
                   void (*done)(void *arg, int err, const char *text, const void *proof,
                                size_t size),
                   void *arg);

struct chancery_access { /* may the seat do this? */
    const char *seat;
    int verb;                  /* Verb */
    const char *stream, *type; /* of ASK and OFFER: the service, and the question's type */
    int label;                 /* Label; 0 = whatever the event's */
    const char *through;       /* seat of a gateway: in a delegated session; NULL = by itself */
};

/* Asks the broker, of whoever may read the registry.  `done` comes once: err 0 with the answer, the
 * identifier of the rule that decided ("" = none) and a sentence; else a negative err, and why. */
int chancery_may(struct chancery *c, const struct chancery_access *question,
                 void (*done)(void *arg, int err, bool allowed, const char *rule,
                              const char *reason),
                 void *arg);

/* ---- delegations ---- */

enum { CHANCERY_DELEGATION_MOST = 512 };

struct chancery_delegation { /* what a person's seat lets a gateway do in its name */
    const char *log;         /* as in chancery_session */
    uint8_t gateway[32];     /* CURVE public key of the gateway */
    bool publish, read, ask; /* at least one; to publish is to hand on what the seat signed */
    int64_t issued, expires; /* by the log's time; at most 12 hours between them */
};

/* Signs it with a seat's keys: `token` has CHANCERY_DELEGATION_MOST bytes, of which `*size` are
 * used.  Whoever has the token and the gateway's key acts by it until it expires, the seat
 * withdraws it (SeatDelegationsWithdrawn of registry.proto) or its key is revoked: keep it secret.
 * 0, or the error of reading the file, of the token that its key lies on, or ERR_FIELD, ERR_BOUNDS,
 * with a sentence in `why` (may be NULL). Blocks for file and token. */
int chancery_delegate(const char *key_file, const struct chancery_delegation *d, void *token,
                      size_t *size, char why[256]);

/* ---- receipts ---- */

struct chancery_receipt { /* valid during the call */
    const char *log;
    struct chancery_record
        record; /* as the log holds it: enough to publish it again, byte for byte */
    /* The broker's word for it, a packed core.v1.Receipt (frames.proto) signed by the key in it,
     * which the registry must show to be the broker's; size 0: there is none. */
    const uint8_t *countersigned;
    size_t countersigned_size;
};

/* Calls `each` for every receipt of a keep_dir, in the order in which they were told, until it
 * returns nonzero; beside the process that the directory belongs to, if there is one.  Blocks.  0,
 * ERR_NOT_FOUND, ERR_IO, or ERR_DAMAGED when some bytes are damaged: then all that can be read was
 * handed over.  `why` (may be NULL) becomes a sentence. */
int chancery_receipts_each(const char *keep_dir,
                           int (*each)(void *arg, const struct chancery_receipt *receipt),
                           void *arg, char why[256]);

/* ---- errors ---- */

const char *chancery_err_code(int err); /* stable and dotted, e.g. "seat.order" */
const char *chancery_err_text(int err);

#ifdef __cplusplus
}
#endif
