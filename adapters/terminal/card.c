/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/card.h"

#include <assert.h>
#include <stddef.h>

#include "lib/conf.h"
#include "lib/envelope.h"
#include "lib/err.h"
#include "lib/mem.h"
#include "lib/settings.h"

static const char domain[] = "chancery-card-v1"; /* signed with its NUL */
static const char invitation_head[] =
    "; An invitation to a seat; nothing in it is secret.  Where the seat will work:\n"
    "; chancery join FILE DIR\n"
    "[invitation]\n";
static const char card_head[] =
    "; The card of a seat: the public halves of its keys; nothing in it is secret.  Who invited:\n"
    "; chancery seat admit CARD\n"
    "[card]\n";
static const char last_line[] = "signature = ";

enum { LAST_LINE = sizeof last_line - 1 + 2 * SIGNATURE_SIZE + 1 };

#define FIELD(section, name, member, fallback, most)                                           \
    {                                                                                          \
        section, name, CONF_STRING, offsetof(struct invitation, member), fallback, 0, most, "" \
    }
/* what both files state */
#define STATED(section)                                                                         \
    FIELD(section, "log", log, "!", 128), FIELD(section, "log-key", log_key, "!", 0),           \
        FIELD(section, "server-key", server_key, "!", 0), FIELD(section, "seat", seat, "!", 0), \
        FIELD(section, "office", office, "!", 0), FIELD(section, "name", name, "", 0),          \
        FIELD(section, "code", code, "!", 0)

static const struct conf_key invitation_keys[] = {
    STATED("invitation"), FIELD("invitation", "endpoint", endpoint, "!", 0), {0}};
static const struct conf_key card_keys[] = {STATED("card"), {0}};

void invitation_clear(struct invitation *in)
{
    conf_clear(invitation_keys, "invitation", in);
}

/* ---- what is stated ---- */

static bool log_key_fits(const struct invitation *in)
{
    char name[ORIGIN_SIZE];
    uint8_t key[KEY_SIZE];

    return note_vkey_parse(slice_str(in->log_key), name, key) == 0 && strcmp(name, in->log) == 0;
}

static bool is_hex(const char *text, size_t size)
{
    uint8_t bytes[SIGNATURE_SIZE];

    assert(size <= sizeof bytes);
    return hex_decode(bytes, size, text);
}

/* What follows a ';' may be a comment, a long line or a control character none at all: what is
 * written is read again and compared. */
static bool name_keeps(const char *name)
{
    static const struct conf_key row[] = {FIELD("card", "name", name, "", 0), {0}};
    struct invitation again = {0};
    struct buf text = {0}, why = {0};

    buf_printf(&text, "[card]\nname = %s\n", name);
    bool keeps = conf_parse("name", slice_buf(&text), row, &again, NULL, &why) == 0 &&
                 strcmp(again.name, name) == 0;
    conf_clear(row, "card", &again);
    buf_free(&text);
    buf_free(&why);
    return keeps;
}

static int check(const struct invitation *in, const char *file, struct buf *why)
{
    const struct {
        const char *name, *must;
        bool good;
    } fields[] = {
        {"log", "words of [a-z0-9.-]{1,64} with '/' between them", log_name_valid(in->log)},
        {"log-key", "the verifier key of that log, NAME+HASH+BASE64", log_key_fits(in)},
        {"server-key", "64 hexadecimal digits", is_hex(in->server_key, KEY_SIZE)},
        {"seat", "an identifier, [A-Za-z0-9._-]{1,64}", identifier_valid(in->seat)},
        {"office", "PARTY/NAME, two identifiers", office_valid(in->office)},
        {"name",
         "one line: no ';' at its beginning or behind a blank, no blank or comma at its end",
         name_keeps(in->name)},
        {"code", "32 hexadecimal digits", is_hex(in->code, CODE_SIZE)},
        {"endpoint", "ipc://PATH or tcp://HOST:PORT",
         !in->endpoint || settings_endpoint_valid(in->endpoint)},
    };

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (fields[i].good)
            continue;
        buf_printf(why, "%s: %s: must be %s", file, fields[i].name, fields[i].must);
        return ERR_CONFIG;
    }
    return 0;
}

static void write_stated(const struct invitation *in, struct buf *out)
{
    buf_printf(out, "log = %s\nlog-key = %s\nserver-key = %s\nseat = %s\noffice = %s\n", in->log,
               in->log_key, in->server_key, in->seat, in->office);
    if (in->name[0])
        buf_printf(out, "name = %s\n", in->name);
    buf_printf(out, "code = %s\n", in->code);
}

/* ---- the invitation ---- */

int invitation_read(struct invitation *in, const char *file, struct slice text, struct buf *why)
{
    struct invitation read = {0};
    int rc = conf_parse(file, text, invitation_keys, &read, NULL, why);

    if (rc == 0)
        rc = check(&read, file, why);
    if (rc == 0)
        *in = read;
    else
        invitation_clear(&read);
    return rc;
}

int invitation_write(const struct invitation *in, struct buf *out, struct buf *why)
{
    struct invitation again = {0};
    size_t before = out->size;
    int rc = check(in, in->seat, why);

    if (rc)
        return rc;
    buf_add_str(out, invitation_head);
    write_stated(in, out);
    buf_printf(out, "endpoint = %s\n", in->endpoint);
    rc = invitation_read(&again, in->seat, slice_of(out->data + before, out->size - before), why);
    invitation_clear(&again);
    return rc;
}

/* ---- the card ---- */

void card_clear(struct card *card)
{
    invitation_clear(&card->to);
}

static void signed_text(struct buf *out, struct slice body)
{
    buf_add(out, domain, sizeof domain);
    buf_add(out, body.data, body.size);
}

int card_write(const struct invitation *to, const struct seat_key *key, struct buf *out)
{
    const struct sign_key by = seat_key_signs(key);
    size_t before = out->size;
    struct buf text = {0};
    uint8_t signature[SIGNATURE_SIZE];
    char hex[2 * SIGNATURE_SIZE + 1];

    buf_add_str(out, card_head);
    write_stated(to, out);
    for (const struct half *h = halves; h->name; h++) {
        if (!half_of(key, h))
            continue;
        hex_encode(hex, half_of(key, h), KEY_SIZE);
        buf_printf(out, "%s = %s\n", h->name, hex);
    }
    signed_text(&text, slice_of(out->data + before, out->size - before));
    int err = sign_bytes(signature, slice_buf(&text), &by);
    hex_encode(hex, signature, sizeof signature);
    buf_printf(out, "%s%s\n", last_line, hex);
    buf_free(&text);
    return err;
}

/* The keys as they are stated: text that conf_parse gives. */
struct stated_halves {
    char *text[HALVES_MOST];
};

static void half_rows(struct conf_key rows[HALVES_MOST + 1])
{
    for (size_t i = 0; halves[i].name; i++)
        rows[i] = (struct conf_key){"card",
                                    halves[i].name,
                                    CONF_STRING,
                                    offsetof(struct stated_halves, text) + i * sizeof(char *),
                                    halves[i].needed ? "!" : NULL,
                                    0,
                                    0,
                                    ""};
}

static int take_halves(struct card *card, const struct stated_halves *stated, const char *file,
                       struct buf *why)
{
    for (size_t i = 0; halves[i].name; i++) {
        card->has[i] = stated->text[i] != NULL;
        if (!card->has[i] || hex_decode(card->halves[i], KEY_SIZE, stated->text[i]))
            continue;
        buf_printf(why, "%s: %s: must be 64 hexadecimal digits", file, halves[i].name);
        return ERR_CONFIG;
    }
    return 0;
}

static int read_body(struct card *card, const char *file, struct slice body, struct buf *why)
{
    struct conf_key rows[HALVES_MOST + 1] = {{0}};
    struct stated_halves stated = {{0}};
    const struct conf_table tables[] = {{card_keys, &card->to, NULL}, {rows, &stated, NULL}};

    half_rows(rows);
    int rc = conf_parse_tables(file, body, tables, 2, NULL, why);
    if (rc == 0)
        rc = check(&card->to, file, why);
    if (rc == 0)
        rc = take_halves(card, &stated, file, why);
    conf_clear(rows, "card", &stated);
    return rc;
}

static const uint8_t *signer(const struct card *card)
{
    size_t i = 0;

    while (halves[i].offset != offsetof(struct seat_key, sign_public))
        i++;
    return card->halves[i];
}

/* The last line exactly as card_write has it. */
static bool take_signature(struct slice line, uint8_t signature[SIGNATURE_SIZE])
{
    char hex[2 * SIGNATURE_SIZE + 1] = "", again[2 * SIGNATURE_SIZE + 1];
    const size_t head = sizeof last_line - 1;

    if (memcmp(line.data, last_line, head) != 0 || line.data[line.size - 1] != '\n')
        return false;
    memcpy(hex, line.data + head, 2 * SIGNATURE_SIZE);
    if (!hex_decode(signature, SIGNATURE_SIZE, hex))
        return false;
    hex_encode(again, signature, SIGNATURE_SIZE);
    return strcmp(hex, again) == 0;
}

static bool signature_fits(const struct card *card, struct slice body, struct slice line)
{
    uint8_t signature[SIGNATURE_SIZE];
    struct buf text = {0};

    signed_text(&text, body);
    bool fits =
        take_signature(line, signature) && sign_check(signature, slice_buf(&text), signer(card));
    buf_free(&text);
    return fits;
}

int card_read(struct card *card, const char *file, struct slice text, struct buf *why)
{
    struct card read = {0};
    size_t size = text.size > LAST_LINE ? text.size - LAST_LINE : 0;
    const struct slice body = slice_of(text.data, size);
    int rc = size ? read_body(&read, file, body, why) : ERR_CONFIG;

    if (!size)
        buf_printf(why, "%s: not a card, or a piece of one", file);
    if (rc == 0 && !signature_fits(&read, body, slice_of(text.data + size, LAST_LINE))) {
        buf_printf(why,
                   "%s: the card is not as it was signed; have it sent again, as an attachment",
                   file);
        rc = ERR_SIGNATURE;
    }
    if (rc == 0)
        *card = read;
    else
        card_clear(&read);
    return rc;
}

bool card_is(struct slice first)
{
    return first.size >= CARD_BEGINS && memcmp(first.data, card_head, CARD_BEGINS) == 0;
}

void card_print(uint8_t out[CARD_PRINT_SIZE], struct slice text)
{
    struct hash h;

    hash_sha256(&h, text);
    memcpy(out, h.bytes, CARD_PRINT_SIZE);
}
