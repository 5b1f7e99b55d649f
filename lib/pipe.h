/* SPDX-License-Identifier: Apache-2.0 */
/* pipe.h - messages through a pipe: what the parser of lists hands to who started it
 *
 * A message is its kind (one byte), its size (32 bits, big-endian) and that many bytes.  The parser
 * (`chancery-list-parse --list LIST FILE`) writes, in this order: a PIPE_PARTY for each party in
 * the order of the file (several where a party goes on in continuation events), and last exactly
 * one PIPE_SNAPSHOT, or exactly one PIPE_REFUSED.  A pipe that ends before that came from a parser
 * that died; then nothing of it may be used.  Reading and writing block: not for a loop.  A loop
 * collects the bytes itself and takes messages off with pipe_next.
 */
#pragma once

#include "lib/slice.h"

enum pipe_kind {
    PIPE_PARTY = 'P',    /* chancery.sanctions.v1.PartyPublished */
    PIPE_SNAPSHOT = 'S', /* chancery.sanctions.v1.SnapshotPublished: the file is complete */
    PIPE_REFUSED = 'R',  /* chancery.sanctions.v1.ImportRefused: nothing before it counts */
};

enum { PIPE_HEAD = 5, PIPE_MESSAGE = 512 * 1024 }; /* bytes: kind and size; most of one message */

struct pipe_message {
    int kind;
    struct slice bytes; /* of what was read from */
};

/* The five bytes before a message. */
void pipe_head(uint8_t head[PIPE_HEAD], int kind, size_t size);

/* Writes the whole message, waiting as long as it takes: 0 or ERR_IO. */
int pipe_write(int fd, int kind, struct slice bytes);

/* Reads the next message; its bytes lie in `room` until the next call.  1 = a message, 0 = the pipe
 * ended between two, or a negative err (ERR_MALFORMED: ended within one, or no message; ERR_BOUNDS:
 * larger than PIPE_MESSAGE). */
int pipe_read(int fd, struct buf *room, struct pipe_message *out);

/* The first message of what was collected: 1 and `*used` bytes, 0 = incomplete, or a negative err
 * as above. */
int pipe_next(struct slice collected, struct pipe_message *out, size_t *used);

/* Why a parser that ended before its last message did so, by the signal that ended it (0 = it
 * exited).  `text` says what to do. */
struct pipe_death {
    int signal;
    const char *code, *text;
};
const struct pipe_death *pipe_death_of(int signal);
