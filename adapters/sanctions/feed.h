/* SPDX-License-Identifier: Apache-2.0 */
/* feed.h - the adapter's memory of one list, and what a parsed file means for its feed
 *
 * The memory is the fold of the adapter's own events: which references the last snapshot has, with
 * their content hashes.  Parties published and gone are set aside until the snapshot that they name
 * is followed by its Imported, the last answer to an import; those of a snapshot that never came
 * are dropped.  So the state in which a request is decided is the same before and after a crash.
 */
#pragma once

#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/answers.h"
#include "lib/pipe.h"

struct feed;

struct feed *feed_new(const char *list);
void feed_free(struct feed *f);

/* Folds an own event, in the order of the log; types that say nothing are passed over. */
void feed_fold(struct feed *f, const ProtobufCMessageDescriptor *type,
               const ProtobufCMessage *body);

struct feed_request { /* an ImportList that can be followed; lent */
    const char *list, *file_name;
    int64_t fetched;
    struct hash file; /* SHA-256 of the file's bytes */
};

/* True when the file is the last snapshot's, byte for byte: then `out` has the answer. */
bool feed_answer_same(const struct feed *f, const struct feed_request *r, struct answers *out);

/* The only answer: ImportRefused.  What was collected in `out` is dropped. */
void feed_refuse(const struct feed_request *r, const char *code, const char *text,
                 struct answers *out);

/* A file that is being parsed: takes the parser's messages, collects the answers in `out`. */
struct feed_import;
struct feed_import *feed_import_new(const struct feed *f, const struct feed_request *r,
                                    struct answers *out);
void feed_import_free(struct feed_import *i); /* NULL is fine */
/* 0; ERR_MALFORMED: not what the parser writes; ERR_BOUNDS: more than may be published at once. */
int feed_import_take(struct feed_import *i, const struct pipe_message *m);
/* The last message came: `out` is complete. */
bool feed_import_done(const struct feed_import *i);
