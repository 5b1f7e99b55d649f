/* SPDX-License-Identifier: Apache-2.0 */
/* seat.c - `seat ls`, `seat show`: who is seated, and with which keys */
#include <strings.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/sign.h"

static void id_of(uint8_t id[KEY_ID_SIZE], const Core__SeatKey *key)
{
    memset(id, 0, KEY_ID_SIZE);
    if (key->public_key.len == KEY_SIZE)
        key_id(id, key->public_key.data);
}

/* ---- as JSON ---- */

static json_t *key_json(const Core__SeatKey *key)
{
    uint8_t id[KEY_ID_SIZE];
    char hex[2 * KEY_ID_SIZE + 1], *kind = enum_of(&core__key_kind__descriptor, (int)key->kind);

    id_of(id, key);
    hex_encode(hex, id, KEY_ID_SIZE);
    json_t *out = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "kind", kind, "keyId", hex, "name",
                            key->name, "revoked", key->revoked != 0, "addedAt",
                            (json_int_t)key->added, "revokedAt", (json_int_t)key->revoked);
    mem_free(kind);
    return out;
}

static void seat_json(const Core__SeatStands *seat)
{
    char *kind = enum_of(&core__seat_kind__descriptor, (int)seat->kind),
         *standing = enum_of(&core__standing__descriptor, (int)seat->standing);
    char *withdrawn = seat->withdrawn ? time_of(seat->withdrawn, false) : mem_str("");
    json_t *keys = json_array();

    for (size_t i = 0; i < seat->n_keys; i++)
        json_array_append_new(keys, key_json(seat->keys[i]));
    show_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "seat", seat->seat, "office",
                        seat->office, "kind", kind, "standing", standing, "name", seat->name,
                        "withdrawn", withdrawn, "keys", keys));
    mem_free(withdrawn);
    mem_free(kind);
    mem_free(standing);
}

/* ---- for people ---- */

static void word_cell(struct table *t, const ProtobufCEnumDescriptor *type, int value)
{
    char *word = enum_of(type, value);

    table_cell(t, "%s", word);
    mem_free(word);
}

static void seat_row(const Core__SeatStands *seat, struct table *t)
{
    size_t revoked = 0;

    for (size_t i = 0; i < seat->n_keys; i++)
        revoked += seat->keys[i]->revoked != 0;
    table_cell(t, "%s", seat->seat);
    table_cell(t, "%s", seat->office);
    word_cell(t, &core__seat_kind__descriptor, (int)seat->kind);
    word_cell(t, &core__standing__descriptor, (int)seat->standing);
    table_cell(t, "%zu", seat->n_keys - revoked);
    table_cell(t, "%zu", revoked);
    table_cell(t, "%s", seat->name);
}

static void seats_show(const Core__Registry *r)
{
    static const char *const head[] = {"SEAT", "OFFICE",  "KIND", "STANDING",
                                       "KEYS", "REVOKED", "NAME", NULL};
    struct table *t = table_new(head);

    for (size_t i = 0; i < r->n_seats; i++)
        seat_row(r->seats[i], t);
    table_print(t, stdout);
    table_free(t);
}

static void key_row(const Core__SeatKey *key, struct table *t)
{
    uint8_t id[KEY_ID_SIZE];
    char hex[2 * KEY_ID_SIZE + 1];
    struct buf words = {0};

    id_of(id, key);
    hex_encode(hex, id, KEY_ID_SIZE);
    text_words(&words, slice_of(id, KEY_ID_SIZE));
    table_cell(t, "%s", hex);
    word_cell(t, &core__key_kind__descriptor, (int)key->kind);
    table_cell(t, "%llu", (unsigned long long)key->added);
    if (key->revoked)
        table_cell(t, "%llu", (unsigned long long)key->revoked);
    else
        table_cell(t, "-");
    table_cell(t, "%s", buf_cstr(&words));
    table_cell(t, "%s", key->name);
    buf_free(&words);
}

static void show_withdrawn(const Core__SeatStands *seat)
{
    char *time = time_of(seat->withdrawn, true);

    if (seat->withdrawn)
        show_line("withdrawn", "delegations issued before %s", time);
    mem_free(time);
}

static void seat_show(const Core__SeatStands *seat)
{
    static const char *const head[] = {"KEY",         "KIND",    "ADDED AT", "REVOKED AT",
                                       "FINGERPRINT", "KEPT IN", NULL};
    char *kind = enum_of(&core__seat_kind__descriptor, (int)seat->kind),
         *standing = enum_of(&core__standing__descriptor, (int)seat->standing);
    struct table *t = table_new(head);

    show_line("seat", "%s", seat->seat);
    show_line("office", "%s", seat->office);
    show_line("kind", "%s", kind);
    show_line("standing", "%s", standing);
    show_line("name", "%s", seat->name);
    show_withdrawn(seat);
    for (size_t i = 0; i < seat->n_keys; i++)
        key_row(seat->keys[i], t);
    table_print(t, stdout);
    table_free(t);
    mem_free(kind);
    mem_free(standing);
}

/* ---- the verbs ---- */

static int list(const struct call *c, const Core__Registry *r)
{
    if (!c->option[OPT_JSON])
        seats_show(r);
    for (size_t i = 0; c->option[OPT_JSON] && i < r->n_seats; i++)
        seat_json(r->seats[i]);
    return DONE;
}

static int show(const struct call *c, const Core__Registry *r)
{
    for (size_t i = 0; i < r->n_seats; i++) {
        if (strcasecmp(r->seats[i]->seat, c->argument[0]) != 0)
            continue;
        (c->option[OPT_JSON] ? seat_json : seat_show)(r->seats[i]);
        return DONE;
    }
    complain("%s: no such seat; `chancery seat ls` shows them all", c->argument[0]);
    return FAILED;
}

int seat_ls_run(const struct call *c)
{
    return registry_look(c, list);
}

int seat_show_run(const struct call *c)
{
    return registry_look(c, show);
}
