/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/delegation.h"

#include <stdio.h>

#include "chancery/core/v1/frames.pb-c.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/scan.h"

enum { ARENA = 8192 };

static const char domain[] = "chancery-delegation-v1"; /* signed with its NUL */
static const Core__Verb delegable[] = {CORE__VERB__VERB_PUBLISH, CORE__VERB__VERB_READ,
                                       CORE__VERB__VERB_ASK};

enum { DELEGABLE = sizeof delegable / sizeof *delegable };

/* ---- what it says ---- */

static unsigned all_verbs(void)
{
    unsigned bits = 0;

    for (size_t i = 0; i < DELEGABLE; i++)
        bits |= 1u << delegable[i];
    return bits;
}

static int wrong(char where[128], const char *field, int err)
{
    snprintf(where, 128, "%s", field);
    return err;
}

int delegation_check(const struct delegation *d, char where[128])
{
    if (!log_name_valid(d->log))
        return wrong(where, "log", ERR_FIELD);
    if (!identifier_valid(d->seat))
        return wrong(where, "seat", ERR_FIELD);
    if (!d->verbs || d->verbs & ~all_verbs())
        return wrong(where, "verbs", ERR_FIELD);
    if (d->issued <= 0)
        return wrong(where, "issued", ERR_FIELD);
    if (d->expires <= d->issued)
        return wrong(where, "expires", ERR_FIELD);
    return d->expires - d->issued > DELEGATION_LIFE ? wrong(where, "expires", ERR_BOUNDS) : 0;
}

static struct slice text_of(const struct delegation_shown *d, struct buf *out)
{
    buf_add(out, domain, sizeof domain);
    buf_add(out, d->text, d->size);
    return slice_buf(out);
}

/* ---- made ---- */

static void pack_text(const struct delegation *d, struct delegation_shown *out)
{
    Core__Delegation m = CORE__DELEGATION__INIT;
    Core__Verb verbs[DELEGABLE];
    uint8_t gateway[KEY_SIZE];

    memcpy(gateway, d->gateway, KEY_SIZE);
    m.log = d->log;
    m.seat = d->seat;
    m.gateway = (ProtobufCBinaryData){KEY_SIZE, gateway};
    m.verbs = verbs;
    for (size_t i = 0; i < DELEGABLE; i++)
        if (d->verbs & 1u << delegable[i])
            verbs[m.n_verbs++] = delegable[i];
    m.issued = d->issued;
    m.expires = d->expires;
    out->size = core__delegation__pack(&m, out->text);
}

int delegation_sign(const struct delegation *d, const struct seat_key *key, struct buf *out)
{
    Core__SignedDelegation m = CORE__SIGNED_DELEGATION__INIT;
    const struct sign_key by = seat_key_signs(key);
    struct delegation_shown made = {.says = *d};
    struct buf text = {0};

    pack_text(d, &made);
    int rc = sign_bytes(made.signature, text_of(&made, &text), &by);
    buf_free(&text);
    if (rc)
        return rc;
    key_id(made.key_id, key->sign_public);
    m.delegation = (ProtobufCBinaryData){made.size, made.text};
    m.key_id = (ProtobufCBinaryData){KEY_ID_SIZE, made.key_id};
    m.signature = (ProtobufCBinaryData){SIGNATURE_SIZE, made.signature};
    core__signed_delegation__pack(&m, buf_grow(out, core__signed_delegation__get_packed_size(&m)));
    return 0;
}

/* ---- read ---- */

static int take_verbs(struct delegation *d, const Core__Delegation *m, char where[128])
{
    for (size_t i = 0; i < m->n_verbs; i++) {
        unsigned verb = (unsigned)m->verbs[i];
        if (verb > CORE__VERB__VERB_OFFER || d->verbs & 1u << verb)
            return wrong(where, "verbs", ERR_FIELD);
        d->verbs |= 1u << verb;
    }
    return 0;
}

static int take(struct delegation *d, const Core__Delegation *m, char where[128])
{
    if (strlen(m->log) >= sizeof d->log)
        return wrong(where, "log", ERR_FIELD);
    if (strlen(m->seat) >= sizeof d->seat)
        return wrong(where, "seat", ERR_FIELD);
    if (m->gateway.len != KEY_SIZE)
        return wrong(where, "gateway", ERR_FIELD);
    memcpy(d->log, m->log, strlen(m->log) + 1);
    memcpy(d->seat, m->seat, strlen(m->seat) + 1);
    memcpy(d->gateway, m->gateway.data, KEY_SIZE);
    d->issued = m->issued;
    d->expires = m->expires;
    int rc = take_verbs(d, m, where);
    return rc ? rc : delegation_check(d, where);
}

static int read_signed(struct delegation_shown *out, struct slice bytes, struct arena *arena,
                       char where[128])
{
    int err = 0;
    const Core__SignedDelegation *m = (const Core__SignedDelegation *)scan_unpack_lent(
        &core__signed_delegation__descriptor, bytes, arena, &err, where);

    if (!m)
        return err;
    if (m->key_id.len != KEY_ID_SIZE)
        return wrong(where, "key_id", ERR_FIELD);
    if (m->signature.len != SIGNATURE_SIZE)
        return wrong(where, "signature", ERR_FIELD);
    const Core__Delegation *says = (const Core__Delegation *)scan_unpack_lent(
        &core__delegation__descriptor, slice_of(m->delegation.data, m->delegation.len), arena, &err,
        where);
    int rc = says ? take(&out->says, says, where) : err;
    if (rc)
        return rc;
    memcpy(out->key_id, m->key_id.data, KEY_ID_SIZE);
    memcpy(out->signature, m->signature.data, SIGNATURE_SIZE);
    memcpy(out->text, m->delegation.data, m->delegation.len);
    out->size = m->delegation.len;
    return 0;
}

int delegation_read(struct delegation_shown *out, struct slice bytes, char where[128])
{
    struct delegation_shown shown = {.size = 0};

    if (bytes.size > DELEGATION_MOST)
        return wrong(where, "", ERR_BOUNDS);
    struct arena *arena = arena_new(ARENA);
    int rc = read_signed(&shown, bytes, arena, where);
    arena_free(arena);
    if (rc == 0)
        *out = shown;
    return rc;
}

bool delegation_signed_by(const struct delegation_shown *d, const uint8_t public_key[KEY_SIZE])
{
    struct buf text = {0};
    bool fits = sign_check(d->signature, text_of(d, &text), public_key);

    buf_free(&text);
    return fits;
}
