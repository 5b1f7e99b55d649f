/* SPDX-License-Identifier: Apache-2.0 */
/* signed.h - DIR/signer/LOG: the checkpoint that a log's key signed last, the signer's memory
 *
 * The file is on disk before anybody else sees the note in it.  So whatever the signer handed out
 * is in the file, or is extended by what is.  A log has its first with its founding: none is made
 * up later, for that would be a first word taken on trust.  All of it blocks.
 */
#pragma once

#include "broker/log_key.h"

/* DIR/signer, a directory of mode 0700; and the log's file in it, its name with '_' for each '/':
 * the caller frees them. */
char *signed_dir(const char *dir);
char *signed_file(const char *dir, const char *log);

/* 0, ERR_NOT_FOUND, ERR_SIGNATURE (not of this key and log), ERR_MALFORMED or ERR_IO. */
int signed_read(const char *dir, const struct log_key *key, struct checkpoint *last,
                struct buf *note);
/* Written aside, synced, renamed, directory synced: 0 or ERR_IO, and then it is not known which of
 * the two notes stays. */
int signed_write(const char *dir, const char *log, struct slice note);

/* Of a log that begins here, by its founding or a restore: leaves the note in a directory that is
 * made where it is missing. */
int signed_begin(const char *dir, const char *log, struct slice note);
/* The same with the note made, which becomes the log's first checkpoint (checkpoint.h) too.  Also
 * as sign_bytes. */
int signed_found(const char *dir, const struct log_key *key, uint64_t size,
                 const struct hash *root);
