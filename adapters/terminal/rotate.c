/* SPDX-License-Identifier: Apache-2.0 */
/* rotate.c - `seat rotate`: the keys of a seat anew
 *
 *     keys/SEAT.key --made--> .key.new --registered--> .key.old kept, .new takes the place
 *
 * The new keys are on disk before anything is published, and all kinds are rotated in one batch:
 * so the broker takes either the old file's keys or the new one's, and which of them tells where
 * an interrupted rotation stands.  The session ends with the transport key that it rotates, so
 * there is no answer when it is recorded: the new keys are tried, and an answer is a refusal.
 */
#include <errno.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/terminal/act.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/halves.h"
#include "adapters/terminal/tokened.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"
#include "lib/file.h"

enum {
    ANSWER_FOR = 500000, /* us that a refusal is waited for */
    TRIES = 2,           /* 2 s with either keys; */
    TRIES_SENT = 12,     /* and so many where something was sent that may be recorded yet */
};

struct rotation {
    const struct call *call;
    struct settings settings;
    struct seat_key old, new;
    char *new_file, *old_file;
    bool found; /* an earlier one was interrupted */
};

static int failed(const char *what, const char *file, int err)
{
    complain("%s %s: %s", what, file, err == ERR_IO ? strerror(errno) : err_text(err));
    return FAILED;
}

/* ---- the files ---- */

static int read_key(struct seat_key *key, const char *file)
{
    struct buf why = {0};
    int err = seat_key_read(key, file, &why);

    if (err)
        complain("%s", buf_cstr(&why));
    buf_free(&why);
    return err ? FAILED : DONE;
}

/* The file is whole under its name or not there, and belongs to whom that of the seat belongs. */
static int write_key(const struct rotation *r, const struct seat_key *key, const char *file)
{
    char *made = mem_printf("%s.made", file);
    struct stat st;

    unlink(made);
    int err = seat_key_write(key, made);
    if (err == 0 && (stat(r->settings.key_file, &st) != 0 ||
                     (st.st_uid != geteuid() && chown(made, st.st_uid, st.st_gid) != 0) ||
                     rename(made, file) != 0 || file_sync_dir_of(file) != 0))
        err = ERR_IO;
    int rc = err ? failed("cannot write", file, err) : DONE;
    mem_free(made);
    return rc;
}

static int make_new(struct rotation *r)
{
    char *sentence = mem_printf("The keys of %s are replaced by new ones and revoked; its sessions"
                                " end",
                                r->settings.seat);
    int rc = act_agreed(r->call, sentence) ? DONE : FAILED;

    mem_free(sentence);
    if (rc != DONE)
        return rc;
    seat_key_make(&r->new, r->old.seat, r->old.office);
    if (!seat_key_has_age(&r->old)) /* that of a process, say: it opens no part */
        explicit_bzero(&r->new.age, sizeof r->new.age);
    rc = tokened(&r->new, r->call->option[OPT_TOKEN]);
    if (rc == DONE && memcmp(r->new.sign_public, r->old.sign_public, KEY_SIZE) == 0) {
        complain("the token's key is the one that %s has; name another with object=", r->old.seat);
        rc = FAILED;
    }
    return rc == DONE ? write_key(r, &r->new, r->new_file) : rc;
}

/* Those of the rotation before this one stay as well, under their id: what was sealed for their age
 * key is opened with nothing else. */
static int set_aside(const struct rotation *r, const struct seat_key *before)
{
    uint8_t id[KEY_ID_SIZE];
    char hex[2 * KEY_ID_SIZE + 1];

    key_id(id, before->sign_public);
    hex_encode(hex, id, KEY_ID_SIZE);
    char *file = mem_printf("%s.%s", r->old_file, hex);
    int rc = rename(r->old_file, file) == 0 ? DONE : failed("cannot make", file, ERR_IO);
    mem_free(file);
    return rc;
}

static int keep_old(const struct rotation *r)
{
    struct seat_key before;
    int rc = DONE;

    if (access(r->old_file, F_OK) == 0) {
        if (read_key(&before, r->old_file) != DONE)
            return FAILED;
        if (memcmp(before.sign_public, r->old.sign_public, KEY_SIZE) != 0)
            rc = set_aside(r, &before);
        seat_key_clear(&before);
    }
    return rc == DONE ? write_key(r, &r->old, r->old_file) : rc;
}

static int take_place(const struct rotation *r)
{
    int rc = keep_old(r);

    if (rc == DONE && (rename(r->new_file, r->settings.key_file) != 0 ||
                       file_sync_dir_of(r->settings.key_file) != 0))
        rc = failed("the new keys are registered; cannot rename", r->new_file, ERR_IO);
    if (rc == DONE)
        printf("%s has new keys, and the old ones are revoked; they are kept in %s\n",
               r->settings.seat, r->old_file);
    return rc;
}

/* ---- publishing ---- */

struct exchange { /* a key in place of another */
    Core__KeyRotated rotated;
    uint8_t id[KEY_ID_SIZE], public_key[KEY_SIZE];
};

static const ProtobufCMessage *exchange_make(struct exchange *e, const struct rotation *r,
                                             const struct half *h, const char *where)
{
    key_id(e->id, half_of(&r->old, h));
    memcpy(e->public_key, half_of(&r->new, h), KEY_SIZE);
    core__key_rotated__init(&e->rotated);
    e->rotated.seat = r->new.seat;
    e->rotated.name = where;
    e->rotated.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, e->id};
    e->rotated.public_key = (ProtobufCBinaryData){KEY_SIZE, e->public_key};
    return &e->rotated.base;
}

/* DONE: sent, and not refused. */
static int publish(const struct rotation *r, struct session *s)
{
    struct exchange exchanges[HALVES_MOST];
    const ProtobufCMessage *messages[HALVES_MOST];
    char *where = mem_printf("keys/%s.key", r->settings.seat);
    uint64_t position;
    size_t n = 0;

    for (const struct half *h = halves; h->name; h++)
        if (half_of(&r->old, h) && half_of(&r->new, h)) {
            messages[n] = exchange_make(&exchanges[n], r, h, where);
            n++;
        }
    int rc = session_request_all(s, "registry", messages, n, ANSWER_FOR, &position);
    mem_free(where);
    if (rc == FAILED && s->published.outcome == CHANCERY_REFUSED)
        return session_unpublished(s);
    return DONE;
}

/* DONE: the broker took the new keys. UNREACHABLE: it did not, or not yet. */
static int try_new(const struct rotation *r)
{
    struct session s;
    int rc = session_try(&s, r->call, r->new_file);

    session_close(&s);
    return rc;
}

/* With the old keys: DONE when it may be recorded now, FAILED when it was refused. */
static int try_old(const struct rotation *r)
{
    struct session s;
    int rc = session_try(&s, r->call, r->settings.key_file);

    if (rc == DONE)
        rc = publish(r, &s);
    session_close(&s);
    return rc;
}

/* Whichever keys the broker takes. */
static int exchange_keys(const struct rotation *r)
{
    int rc = r->found ? try_new(r) : UNREACHABLE;
    int most = TRIES;

    for (int i = 0; i < most && rc == UNREACHABLE; i++) {
        int sent = try_old(r);
        if (sent == DONE)
            most = TRIES_SENT;
        rc = sent == FAILED ? FAILED : try_new(r);
    }
    if (rc == UNREACHABLE)
        complain("the broker does not answer at %s, or takes neither the old keys nor the new "
                 "ones of %s; start it with `chancery up`, and run this again: it finishes",
                 r->settings.endpoint, r->settings.seat);
    return rc;
}

/* ---- the verb ---- */

/* A key does not come off a token because somebody forgot to say where the next one lies. */
static int check_place(const struct rotation *r)
{
    if (!r->old.token_uri[0] || r->call->option[OPT_TOKEN])
        return DONE;
    complain("the key of %s lies on a token, %s; name the place of the next one by --token URI",
             r->old.seat, r->old.token_uri);
    return FAILED;
}

/* The founding record has the broker's transport key: who connects knows it by that one. */
static int check_seat(const struct rotation *r)
{
    char hex[2 * KEY_SIZE + 1];

    hex_encode(hex, r->old.curve_public, KEY_SIZE);
    if (strcasecmp(hex, r->settings.server_key) != 0)
        return DONE;
    complain("the keys of the broker are in the founding record of the log and cannot be changed");
    return FAILED;
}

static int rotate(struct rotation *r)
{
    int rc = read_key(&r->old, r->settings.key_file);

    if (rc == DONE)
        rc = check_seat(r);
    r->found = rc == DONE && access(r->new_file, F_OK) == 0;
    if (rc == DONE && !r->found)
        rc = check_place(r);
    if (rc == DONE)
        rc = r->found ? read_key(&r->new, r->new_file) : make_new(r);
    if (rc == DONE)
        rc = exchange_keys(r);
    return rc == DONE ? take_place(r) : rc;
}

int seat_rotate_run(const struct call *c)
{
    struct rotation r = {.call = c};
    int rc = settings_of_call(&r.settings, c);

    if (rc != DONE)
        return rc;
    r.new_file = mem_printf("%s.new", r.settings.key_file);
    r.old_file = mem_printf("%s.old", r.settings.key_file);
    rc = rotate(&r);
    seat_key_clear(&r.old);
    seat_key_clear(&r.new);
    mem_free(r.new_file);
    mem_free(r.old_file);
    settings_clear(&r.settings);
    return rc;
}
