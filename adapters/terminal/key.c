/* SPDX-License-Identifier: Apache-2.0 */
/* key.c - `key new`, `key show`, `key fingerprint`, `key export-age`: made where they are used, and
 * only their public halves shown */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <unistd.h>

#include "adapters/terminal/card.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/show.h"
#include "adapters/terminal/tokened.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/sign.h"

static int key_write(const struct seat_key *key, const char *file)
{
    int rc = seat_key_write(key, file);

    if (rc == 0)
        return DONE;
    complain("%s: %s", file, err_text(rc));
    return FAILED;
}

int key_new_run(const struct call *c)
{
    struct seat_key key;
    const char *seat = c->option[OPT_KEY_SEAT], *office = c->option[OPT_KEY_OFFICE];

    if (!identifier_valid(seat))
        return call_usage(c, "--seat %s: not an identifier, [A-Za-z0-9._-]{1,64}", seat);
    if (!office_valid(office))
        return call_usage(c, "--office %s: not PARTY/NAME, two identifiers", office);
    seat_key_make(&key, seat, office);
    int rc = tokened(&key, c->option[OPT_TOKEN]);
    if (rc == DONE)
        rc = key_write(&key, c->argument[0]);
    seat_key_clear(&key);
    if (rc != DONE)
        return rc;
    printf("made the keys of %s for %s in %s; `chancery key show` prints their public halves\n",
           seat, office, c->argument[0]);
    return DONE;
}

/* `text` is the key as others take it. */
static void show_key(const char *label, const char *text, const uint8_t public_key[KEY_SIZE])
{
    char id[2 * KEY_ID_SIZE + 1];
    uint8_t fingerprint[KEY_ID_SIZE];
    struct buf words = {0};

    key_id(fingerprint, public_key);
    hex_encode(id, fingerprint, KEY_ID_SIZE);
    text_words(&words, slice_of(fingerprint, KEY_ID_SIZE));
    show_line(label, "%s", text);
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

static void show_keys(const struct seat_key *key, bool json)
{
    char curve[2 * KEY_SIZE + 1], sign[2 * KEY_SIZE + 1], age[SEAL_RECIPIENT_SIZE] = "";

    hex_encode(curve, key->curve_public, KEY_SIZE);
    hex_encode(sign, key->sign_public, KEY_SIZE);
    if (seat_key_has_age(key))
        seal_recipient_text(age, key->age.public_key);
    if (json) {
        show_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "seat", key->seat, "office",
                            key->office, "curve", curve, "ed25519", sign, "age", age, "token",
                            key->token_uri));
        return;
    }
    show_line("seat", "%s", key->seat);
    show_line("office", "%s", key->office);
    show_key("transport key", curve, key->curve_public);
    show_key("signature key", sign, key->sign_public);
    if (key->token_uri[0])
        show_line("  on the token", "%s", key->token_uri);
    if (seat_key_has_age(key))
        show_key("age key", age, key->age.public_key);
}

static bool key_read(struct seat_key *key, const char *file)
{
    struct buf why = {0};
    bool good = seat_key_read(key, file, &why) == 0;

    if (!good)
        complain("%s", buf_cstr(&why));
    buf_free(&why);
    return good;
}

int key_show_run(const struct call *c)
{
    struct seat_key key;

    if (!key_read(&key, c->argument[0]))
        return FAILED;
    if (c->option[OPT_KEY_NDJSON]) {
        show_key_added(&key, CORE__KEY_KIND__KEY_KIND_CURVE, key.curve_public);
        show_key_added(&key, CORE__KEY_KIND__KEY_KIND_ED25519, key.sign_public);
        if (seat_key_has_age(&key))
            show_key_added(&key, CORE__KEY_KIND__KEY_KIND_AGE, key.age.public_key);
    } else {
        show_keys(&key, c->option[OPT_JSON] != NULL);
    }
    seat_key_clear(&key);
    return DONE;
}

/* ---- fingerprints ---- */

static void show_print(const struct call *c, const char *of, struct slice print)
{
    char hex[2 * CARD_PRINT_SIZE + 1];
    struct buf words = {0};

    hex_encode(hex, print.data, print.size);
    text_words(&words, print);
    if (c->option[OPT_JSON])
        show_json(json_pack("{s:s, s:s, s:s}", "of", of, "words", buf_cstr(&words), "hex", hex));
    else
        show_line(of, "%s  %s", buf_cstr(&words), hex);
    buf_free(&words);
}

static void show_half(const struct call *c, const struct half *half,
                      const uint8_t public_key[KEY_SIZE])
{
    uint8_t id[KEY_ID_SIZE];

    key_id(id, public_key);
    show_print(c, half->name, slice_of(id, sizeof id));
}

static int print_card(const struct call *c)
{
    struct card card = {0};
    struct buf text = {0}, why = {0};
    uint8_t print[CARD_PRINT_SIZE];
    int rc = given_read(c->argument[0], CARD_MOST, &text);

    if (rc == DONE && card_read(&card, c->argument[0], slice_buf(&text), &why) != 0) {
        complain("%s", buf_cstr(&why));
        rc = FAILED;
    }
    if (rc == DONE) {
        card_print(print, slice_buf(&text));
        show_print(c, "card", slice_of(print, sizeof print));
    }
    for (size_t i = 0; rc == DONE && halves[i].name; i++)
        if (card.has[i])
            show_half(c, &halves[i], card.halves[i]);
    card_clear(&card);
    buf_free(&text);
    buf_free(&why);
    return rc;
}

static int print_keys(const struct call *c)
{
    struct seat_key key;

    if (!key_read(&key, c->argument[0]))
        return FAILED;
    for (const struct half *h = halves; h->name; h++)
        if (half_of(&key, h))
            show_half(c, h, half_of(&key, h));
    seat_key_clear(&key);
    return DONE;
}

/* By its beginning, so that a file of secret keys is read by who wipes what it read. */
static bool is_card(const char *file)
{
    char first[CARD_BEGINS];
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd >= 0 ? read(fd, first, sizeof first) : 0;

    if (fd >= 0)
        close(fd);
    return n > 0 && card_is(slice_of(first, (size_t)n));
}

int key_fingerprint_run(const struct call *c)
{
    return is_card(c->argument[0]) ? print_card(c) : print_keys(c);
}

/* ---- for Debian's age ---- */

/* As age-keygen writes it. */
static size_t identity_text(char *out, size_t size, const struct seat_key *key)
{
    char recipient[SEAL_RECIPIENT_SIZE], identity[SEAL_IDENTITY_SIZE];

    seal_recipient_text(recipient, key->age.public_key);
    seal_identity_text(identity, key->age.secret_key);
    int n = snprintf(out, size, "# secret: %s of %s; for age(1)\n# public key: %s\n%s\n", key->seat,
                     key->office, recipient, identity);
    sodium_memzero(identity, sizeof identity);
    return (size_t)n;
}

static int identity_write(const struct seat_key *key, const char *file)
{
    char text[512];
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;

    if (fd < 0) {
        complain("%s: %s", file, strerror(errno));
        return FAILED;
    }
    rc = file_write_at(fd, slice_of(text, identity_text(text, sizeof text, key)), 0);
    sodium_memzero(text, sizeof text);
    if (fsync(fd) != 0 || close(fd) != 0)
        rc = ERR_IO;
    if (rc == 0)
        return DONE;
    complain("%s: %s", file, strerror(errno));
    unlink(file);
    return FAILED;
}

static int export_age(const struct seat_key *key, const char *key_file, const char *file)
{
    if (!seat_key_has_age(key)) {
        complain("%s has no age key: it is from before there were any", key_file);
        return FAILED;
    }
    int rc = identity_write(key, file);
    if (rc == DONE)
        printf(
            "wrote the age identity of %s to %s: whoever has it opens what is sealed for the seat\n",
            key->seat, file);
    return rc;
}

int key_export_age_run(const struct call *c)
{
    struct settings settings;
    struct seat_key key;

    if (!identifier_valid(c->argument[0]))
        return call_usage(c, "not a seat, [A-Za-z0-9._-]{1,64}: %s", c->argument[0]);
    int rc = settings_of_call(&settings, c);
    if (rc != DONE)
        return rc;
    settings_set_seat(&settings, c->argument[0]);
    rc = FAILED;
    if (key_read(&key, settings.key_file)) {
        rc = export_age(&key, settings.key_file, c->argument[1]);
        seat_key_clear(&key);
    }
    settings_clear(&settings);
    return rc;
}
