/* SPDX-License-Identifier: Apache-2.0 */
/* err.h - the one list of error codes, with their texts
 *
 * A function that can fail because of the world returns 0 or one of these, negative.  The dotted
 * code is stable: it is what Refused.code, events and `--json` carry.  The text says what is wrong
 * in general; whoever refuses adds the place and the next step.
 */
#pragma once

#define ERR_LIST(X)                                                                              \
    X(ERR_IO, "io.failed", "reading or writing failed")                                          \
    X(ERR_FULL, "log.full", "no room for new events; free space on the log's file system")       \
    X(ERR_UNKNOWN, "outcome.unknown",                                                            \
      "it is not known whether this was recorded; ask again with the same id")                   \
    X(ERR_DAMAGED, "record.damaged", "stored bytes do not match their checksum")                 \
    X(ERR_MALFORMED, "bytes.malformed", "not a well-formed message")                             \
    X(ERR_BOUNDS, "bounds.exceeded", "larger, deeper or longer than allowed")                    \
    X(ERR_TEXT, "text.invalid",                                                                  \
      "text is not valid UTF-8 in normalisation form C, or holds U+0000")                        \
    X(ERR_FIELD, "field.invalid", "a field is missing or has a value that is not allowed")       \
    X(ERR_NOT_FOUND, "not.found", "there is no such thing")                                      \
    X(ERR_EXISTS, "exists", "it exists already")                                                 \
    X(ERR_DENIED, "access.denied", "no access rule allows this")                                 \
    X(ERR_HANDLING, "handling.denied", "the handling label does not name this seat")             \
    X(ERR_LOWERED, "handling.lowered", "less restricted than what it answers or refers to")      \
    X(ERR_SIGNATURE, "signature.invalid", "the signature does not fit the envelope and key")     \
    X(ERR_KEY_UNKNOWN, "key.unknown", "no such key is registered for this seat")                 \
    X(ERR_KEY_REVOKED, "key.revoked", "the key was revoked")                                     \
    X(ERR_SEAT, "seat.mismatch", "the envelope names another seat or office than the session's") \
    X(ERR_SEAT_ORDER, "seat.order",                                                              \
      "seat_seq or previous does not follow the seat's last event in this stream")               \
    X(ERR_ID_REUSED, "id.reused", "this id was recorded with another envelope")                  \
    X(ERR_ID_INVALID, "id.invalid",                                                              \
      "not a UUIDv7, or for an answer not the UUIDv8 of its cause and ordinal")                  \
    X(ERR_ID_STALE, "id.stale", "the id's time is more than 24 hours from now")                  \
    X(ERR_LOG, "log.mismatch", "the envelope is meant for another log")                          \
    X(ERR_PAYLOAD, "payload.mismatch",                                                           \
      "the payload does not have the hash and size that the envelope states")                    \
    X(ERR_PART_MISSING, "part.missing",                                                          \
      "a part that the envelope names is not stored; put it first")                              \
    X(ERR_PART, "part.mismatch", "the part's bytes do not have the stated hash or size")         \
    X(ERR_PURGED, "part.purged", "the part was deleted, by an administrator or in its time")     \
    X(ERR_QUOTA, "quota.exceeded", "the seat's quota is used up; try again later")               \
    X(ERR_BUSY, "busy", "too much is under way; try again")                                      \
    X(ERR_FOLDING, "busy.folding", "still reading the log; try again")                           \
    X(ERR_CLOCK, "clock.jump", "the clock jumped; publishing waits for an administrator's act")  \
    X(ERR_EARLY, "due.early", "a Due before its time")                                           \
    X(ERR_REGISTRY, "registry.invalid", "the registry event does not fit what is registered")    \
    X(ERR_CAUSE, "cause.invalid",                                                                \
      "the cause is not a recorded position, or ordinal and of do not fit")                      \
    X(ERR_REFERENCE, "reference.invalid", "a reference does not fit the log")                    \
    X(ERR_SERVICE, "service.none", "nobody offers this service now")                             \
    X(ERR_TIMEOUT, "timeout", "no answer in time")                                               \
    X(ERR_UNREACHABLE, "broker.unreachable", "the broker cannot be reached")                     \
    X(ERR_FILE_MODE, "file.mode", "a secret file can be read by others; chmod 600 it")           \
    X(ERR_TOKEN_MODULE, "token.module", "the token's PKCS #11 module cannot be loaded")          \
    X(ERR_TOKEN_ABSENT, "token.absent", "the token is not there")                                \
    X(ERR_TOKEN_PIN, "token.pin", "the token does not take the PIN")                             \
    X(ERR_TOKEN_KEY, "token.key", "the token has no Ed25519 key of that name")                   \
    X(ERR_TOKEN, "token.failed", "the token does not do what it is asked; see that it is there") \
    X(ERR_CONFIG, "config.invalid", "the configuration is not valid")                            \
    X(ERR_ROLLED_BACK, "log.rolled_back", "the log is older than its own checkpoint")            \
    X(ERR_FORKED, "log.forked", "two trees of one log, neither of which extends the other")      \
    X(ERR_PROOF, "proof.invalid", "the proof does not lead from the record to the checkpoint")   \
    X(ERR_OWNED, "log.owned", "another process owns the log")                                    \
    X(ERR_VERSION, "version.unknown", "written by another version of the format")                \
    X(ERR_STRANGER, "stranger", "the key is not registered")                                     \
    X(ERR_CANCELLED, "cancelled", "ended before it was done")                                    \
    X(ERR_DELEGATION, "delegation.invalid",                                                      \
      "the delegation does not hold here; ask its seat for another one")                         \
    X(ERR_DELEGATION_EXPIRED, "delegation.expired",                                              \
      "the delegation's time is over; ask its seat for another one")                             \
    X(ERR_DELEGATION_WITHDRAWN, "delegation.withdrawn",                                          \
      "the seat took its delegations back; forget this one")                                     \
    X(ERR_SEALED, "part.sealed", "sealed for other keys than this one")

#define ERR_NUMBER_(name, code, text) name##_NUMBER_,
enum { ERR_NONE_NUMBER_, ERR_LIST(ERR_NUMBER_) ERR_COUNT_ };
#undef ERR_NUMBER_

#define ERR_NEGATIVE_(name, code, text) name = -name##_NUMBER_,
enum err { ERR_NONE = 0, ERR_LIST(ERR_NEGATIVE_) };
#undef ERR_NEGATIVE_

/* The stable dotted code; "" for 0, "error.unlisted" for what is not in the list. */
const char *err_code(int err);

/* The text for people, without a final stop. */
const char *err_text(int err);

/* The err of a dotted code, or ERR_NOT_FOUND. */
int err_of_code(const char *code);
