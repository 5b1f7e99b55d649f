/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - `key new` and `key show`: made where they are used, and only their public halves shown */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/sign.h"

int key_new_run(const struct call *c)
{
    struct seat_key key;
    const char *seat = c->option[OPT_KEY_SEAT], *office = c->option[OPT_KEY_OFFICE];

    if (!identifier_valid(seat))
        return call_usage(c, "--seat %s: not an identifier, [A-Za-z0-9._-]{1,64}", seat);
    if (!office_valid(office))
        return call_usage(c, "--office %s: not PARTY/NAME, two identifiers", office);
    seat_key_make(&key, seat, office);
    int rc = seat_key_write(&key, c->argument[0]);
    seat_key_clear(&key);
    if (rc < 0) {
        complain("%s: %s", c->argument[0], err_text(rc));
        return FAILED;
    }
    printf("made the keys of %s for %s in %s; `chancery key show` prints their public halves\n",
           seat, office, c->argument[0]);
    return DONE;
}

static void show_key(const char *label, const uint8_t public_key[KEY_SIZE])
{
    char hex[2 * KEY_SIZE + 1], id[2 * KEY_ID_SIZE + 1];
    uint8_t fingerprint[KEY_ID_SIZE];
    struct buf words = {0};

    key_id(fingerprint, public_key);
    hex_encode(hex, public_key, KEY_SIZE);
    hex_encode(id, fingerprint, KEY_ID_SIZE);
    text_words(&words, slice_of(fingerprint, KEY_ID_SIZE));
    show_line(label, "%s", hex);
    show_line("  fingerprint", "%s  %s", id, buf_cstr(&words));
    buf_free(&words);
}

/* What an administrator publishes so that the key is the seat's: see `event publish --ndjson`. */
static void show_key_added(const struct seat_key *key, Core__KeyKind kind,
                           const uint8_t public_key[KEY_SIZE])
{
    Core__KeyAdded added = CORE__KEY_ADDED__INIT;
    uint8_t copy[KEY_SIZE];

    memcpy(copy, public_key, KEY_SIZE);
    added.seat = key->seat;
    added.kind = kind;
    added.public_key = (ProtobufCBinaryData){KEY_SIZE, copy};
    show_json(json_pack("{s:s, s:s, s:o}", "stream", "registry", "type",
                        added.base.descriptor->name, "payload", json_of_message(&added.base)));
}

int key_show_run(const struct call *c)
{
    struct seat_key key;
    struct buf why = {0};
    int rc = seat_key_read(&key, c->argument[0], &why);

    if (rc < 0) {
        complain("%s", buf_cstr(&why));
    } else if (c->option[OPT_KEY_NDJSON]) {
        show_key_added(&key, CORE__KEY_KIND__KEY_KIND_CURVE, key.curve_public);
        show_key_added(&key, CORE__KEY_KIND__KEY_KIND_ED25519, key.sign_public);
    } else if (c->option[OPT_JSON]) {
        char curve[2 * KEY_SIZE + 1], sign[2 * KEY_SIZE + 1];
        hex_encode(curve, key.curve_public, KEY_SIZE);
        hex_encode(sign, key.sign_public, KEY_SIZE);
        show_json(json_pack("{s:s, s:s, s:s, s:s}", "seat", key.seat, "office", key.office, "curve",
                            curve, "ed25519", sign));
    } else {
        show_line("seat", "%s", key.seat);
        show_line("office", "%s", key.office);
        show_key("transport key", key.curve_public);
        show_key("signature key", key.sign_public);
    }
    if (rc == 0)
        seat_key_clear(&key);
    buf_free(&why);
    return rc < 0 ? FAILED : DONE;
}
