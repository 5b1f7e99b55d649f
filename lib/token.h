/* SPDX-License-Identifier: Apache-2.0 */
/* token.h - an Ed25519 key that lies on a PKCS #11 token and signs there
 *
 * The token, its key, the module that reaches it and the file with its PIN are named by a URI (RFC
 * 7512), for instance
 *
 *     pkcs11:token=qma;object=desk?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/P
 *
 * The module is a library that is loaded into the process: who names it is trusted.  The PIN's file
 * is absolute and has mode 0600; a PIN in the URI is refused.  Opening logs in, so it comes before
 * a process enters its sandbox; a module may read its files at each signature (softhsm2 does),
 * which [token] state of the settings names.
 *
 * A token that the process is logged in to already, by another `struct token`, asks for no PIN.
 *
 * A `struct token` is one session with the token: one thread at a time uses it; two of them, of the
 * same token too, are independent.  Everything blocks as long as the token takes.  Signatures are
 * those of PKCS #11 3.0, section 2.3.14 (CKM_EDDSA without parameters: Ed25519 of RFC 8032).
 */
#pragma once

#include "lib/slice.h"

enum { TOKEN_URI_SIZE = 1024, TOKEN_KEY_SIZE = 32, TOKEN_SIGNATURE_SIZE = 64 };

struct token;

/* 0, or with a sentence in `why`: ERR_CONFIG (the URI), ERR_TOKEN_MODULE, ERR_TOKEN_ABSENT,
 * ERR_TOKEN_PIN, ERR_FILE_MODE, ERR_TOKEN_KEY, ERR_TOKEN. */
int token_open(struct token **out, const char *uri, struct buf *why);
/* The same, and a key pair is made there, which never leaves the token, unless one of that name is
 * there; the URI names an object. */
int token_make(struct token **out, const char *uri, struct buf *why);
void token_close(struct token *t); /* NULL is fine */

const uint8_t *token_public(const struct token *t); /* TOKEN_KEY_SIZE bytes */
/* CKA_EC_POINT: in PKCS #11 3.0 the 32 bytes of RFC 8032; before it, and in softhsm2, a DER OCTET
 * STRING of them.  False when it is neither. */
bool token_point(uint8_t out[TOKEN_KEY_SIZE], struct slice point);
/* 0 or ERR_TOKEN: the token is gone, say. */
int token_sign(struct token *t, struct slice message, uint8_t signature[TOKEN_SIGNATURE_SIZE]);
