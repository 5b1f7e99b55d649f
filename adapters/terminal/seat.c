/* SPDX-License-Identifier: Apache-2.0 */
/* seat.c - `seat ls`: who is seated, and with which keys */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/registry.h"
#include "adapters/terminal/show.h"
#include "lib/sign.h"

static json_t *keys_json(const Core__SeatStands *seat)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < seat->n_keys; i++) {
        const Core__SeatKey *key = seat->keys[i];
        uint8_t id[KEY_ID_SIZE] = {0};
        char hex[2 * KEY_ID_SIZE + 1], *kind = enum_of(&core__key_kind__descriptor, (int)key->kind);
        if (key->public_key.len == KEY_SIZE)
            key_id(id, key->public_key.data);
        hex_encode(hex, id, KEY_ID_SIZE);
        json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:b}", "kind", kind, "keyId", hex,
                                              "name", key->name, "revoked", key->revoked != 0));
        mem_free(kind);
    }
    return keys;
}

static size_t revoked_of(const Core__SeatStands *seat)
{
    size_t n = 0;

    for (size_t i = 0; i < seat->n_keys; i++)
        n += seat->keys[i]->revoked != 0;
    return n;
}

static void seat_show(const Core__SeatStands *seat, struct table *t)
{
    char *kind = enum_of(&core__seat_kind__descriptor, (int)seat->kind),
         *standing = enum_of(&core__standing__descriptor, (int)seat->standing);

    if (t) {
        table_cell(t, "%s", seat->seat);
        table_cell(t, "%s", seat->office);
        table_cell(t, "%s", kind);
        table_cell(t, "%s", standing);
        table_cell(t, "%zu", seat->n_keys - revoked_of(seat));
        table_cell(t, "%zu", revoked_of(seat));
        table_cell(t, "%s", seat->name);
    } else {
        show_json(json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "seat", seat->seat, "office",
                            seat->office, "kind", kind, "standing", standing, "name", seat->name,
                            "keys", keys_json(seat)));
    }
    mem_free(kind);
    mem_free(standing);
}

static void seats_show(const Core__Registry *r, bool json)
{
    static const char *const head[] = {"SEAT", "OFFICE",  "KIND", "STANDING",
                                       "KEYS", "REVOKED", "NAME", NULL};
    struct table *t = json ? NULL : table_new(head);

    for (size_t i = 0; i < r->n_seats; i++)
        seat_show(r->seats[i], t);
    if (t) {
        table_print(t, stdout);
        table_free(t);
    }
}

int seat_ls_run(const struct call *c)
{
    const Core__Registry *r = NULL;
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = registry_fetch(&s, &r);
    progress_end(&s.progress);
    if (rc == DONE)
        seats_show(r, c->option[OPT_JSON] != NULL);
    session_close(&s);
    return rc;
}
