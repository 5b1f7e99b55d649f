/* SPDX-License-Identifier: Apache-2.0 */
/* smtp.h - one mail to one recipient by SMTP (RFC 5321), on the loop
 *
 * libcurl does the talking, driven by its multi_socket interface.  One mail at a time; a connection
 * is kept for the next.  Neither file nor protocol but smtp and smtps, no proxy from the
 * environment.
 */
#pragma once

#include <stdbool.h>
#include <uv.h>

#include "lib/slice.h"

enum { SMTP_ANSWER_SIZE = 256 };

struct smtp_options {              /* borrowed until smtp_close is done */
    const char *url;               /* smtp://host:port or smtps://host:port */
    const char *from;              /* address of the envelope */
    const char *user, *password;   /* NULL = none */
    bool tls_required, tls_wanted; /* STARTTLS; with smtps:// TLS is there from the start */
    long patience;                 /* seconds that the server may take for one answer */
};

enum smtp_outcome {
    SMTP_TAKEN, /* the server answered that it took the mail */
    SMTP_LATER, /* not now: 4xx, no connection, no TLS, a login that was refused */
    SMTP_NEVER, /* 5xx */
};

struct smtp_result {
    enum smtp_outcome outcome;
    const char *code; /* stable: mail.rejected .deferred .unreached .login .tls .url; "" = taken */
    bool reached;     /* the server answered: it is this mail that did not go, not all */
    const char *text; /* the server's answer, or why there was none; printable ASCII */
};

struct smtp;

typedef void smtp_done(void *arg, const struct smtp_result *result);

/* 0 or ERR_IO. */
int smtp_open(struct smtp **out, uv_loop_t *loop, const struct smtp_options *options);
/* What is under way ends without a word.  The handles are gone once the loop has run; `closed` (may
 * be NULL) comes then. */
void smtp_close(struct smtp *s, void (*closed)(void *arg), void *arg);

bool smtp_busy(const struct smtp *s);
/* Takes the mail's bytes over.  Not while another is under way.  `done` comes from the loop. */
void smtp_send(struct smtp *s, const char *recipient, struct buf *mail, smtp_done *done, void *arg);
