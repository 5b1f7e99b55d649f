/* SPDX-License-Identifier: Apache-2.0 */
/* card.h - how a seat is offered and taken: the invitation, and the card that comes back; pure
 *
 *     invitation --`join`, where the seat will work--> keys, and a card --`seat admit`--> registry
 *
 * Both are small files of settings (conf.h), and nothing in them is secret.  A card states what the
 * invitation stated, so that who admits sees whether another log, broker or office was put in on
 * the way, and the public halves of the keys.  Its last line is a signature by the Ed25519 key
 * among them (RFC 8032) over "chancery-card-v1" NUL and all bytes before that line: the keys belong
 * together, and whoever made the card has that one.  That it came from the person who was invited
 * is known when both compare its fingerprint by telephone.
 */
#pragma once

#include "adapters/terminal/halves.h"
#include "lib/note.h"

enum {
    CARD_MOST = 4096,    /* bytes of either file */
    CARD_BEGINS = 20,    /* that tell a card from other files */
    CODE_SIZE = 16,      /* of an invitation */
    CARD_PRINT_SIZE = 12 /* bytes of a fingerprint: six words */
};

struct invitation {   /* invitation_clear frees it */
    char *log;        /* the log's name */
    char *log_key;    /* its verifier key, as log.vkey has it */
    char *endpoint;   /* where the broker is reached; NULL in a card */
    char *server_key; /* 64 hexadecimal digits */
    char *seat, *office;
    char *name; /* for people; "" = none */
    char *code; /* chosen at random, 32 hexadecimal digits: which invitation a card answers */
};

void invitation_clear(struct invitation *in);
/* The file's bytes; appends.  ERR_CONFIG with a sentence in `why` where it could not be read again:
 * a field is malformed, or the name does not fit a line of settings. */
int invitation_write(const struct invitation *in, struct buf *out, struct buf *why);
/* `file` names the bytes in `why`: 0 or ERR_CONFIG. */
int invitation_read(struct invitation *in, const char *file, struct slice text, struct buf *why);

struct card {                              /* card_clear frees it */
    struct invitation to;                  /* that it answers */
    uint8_t halves[HALVES_MOST][KEY_SIZE]; /* by row of `halves` */
    bool has[HALVES_MOST];
};

void card_clear(struct card *card);
/* Of keys that were made for the invitation; appends.  0, or as sign_bytes. */
int card_write(const struct invitation *to, const struct seat_key *key, struct buf *out);
/* 0, ERR_CONFIG, or ERR_SIGNATURE: it is not as it was signed. */
int card_read(struct card *card, const char *file, struct slice text, struct buf *why);
/* Whether a file that begins so is a card, or some other one, e.g. of keys. */
bool card_is(struct slice first);
/* The beginning of SHA-256 of all its bytes. */
void card_print(uint8_t out[CARD_PRINT_SIZE], struct slice text);
