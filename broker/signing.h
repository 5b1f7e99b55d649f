/* SPDX-License-Identifier: Apache-2.0 */
/* signing.h - may this tree be signed, given what was signed last?  Pure
 *
 * Signed is what is signed already, and what a consistency proof (RFC 6962, section 2.1.2) shows to
 * extend it.  So all checkpoints of one key are of one log that only grows, whoever asks for them.
 * What is in the records that are new, and how many there are where the proof fits several sizes,
 * is the word of who asks: it can spoil what comes, and nothing that was signed.
 */
#pragma once

#include "chancery/core/v1/signer.pb-c.h"
#include "lib/note.h"

/* 0, and what to sign in `next`; or, with a sentence in `why`: ERR_LOG (another log), ERR_FIELD
 * (not a question), ERR_ROLLED_BACK (fewer records than were signed), ERR_FORKED (other ones, or no
 * proof that they are the same). */
int signing_check(const struct checkpoint *last, const Core__SignTree *asked,
                  struct checkpoint *next, struct buf *why);
