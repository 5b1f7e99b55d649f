/* SPDX-License-Identifier: Apache-2.0 */
/* seat.c - `seat ls`: who is seated, told by the registry's own events */
#include "adapters/terminal/commands.h"
#include "adapters/terminal/seating.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/registry.pb-c.h"

static json_t *keys_json(const struct seating_seat *seat)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < seat->n_keys; i++) {
        const struct seating_key *key = &seat->keys[i];
        char id[2 * KEY_ID_SIZE + 1], *kind = enum_of(&core__key_kind__descriptor, key->kind);
        hex_encode(id, key->id, KEY_ID_SIZE);
        json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:b}", "kind", kind, "keyId", id,
                                              "name", key->name, "revoked", key->revoked));
        mem_free(kind);
    }
    return keys;
}

static void seat_show(const struct seating_seat *seat, struct table *t)
{
    char *kind = enum_of(&core__seat_kind__descriptor, seat->kind);

    if (t) {
        table_cell(t, "%s", seat->name);
        table_cell(t, "%s", seat->office);
        table_cell(t, "%s", kind);
        table_cell(t, "%zu", seat->n_keys - seat->revoked);
        table_cell(t, "%zu", seat->revoked);
        table_cell(t, "%s", seat->about);
    } else {
        show_json(json_pack("{s:s, s:s, s:s, s:s, s:o}", "seat", seat->name, "office", seat->office,
                            "kind", kind, "name", seat->about, "keys", keys_json(seat)));
    }
    mem_free(kind);
}

static void seats_show(const struct seating *g, bool json)
{
    static const char *const head[] = {"SEAT", "OFFICE", "KIND", "KEYS", "REVOKED", "NAME", NULL};
    struct table *t = json ? NULL : table_new(head);

    for (size_t i = 0; i < g->n; i++)
        seat_show(&g->list[i], t);
    if (t) {
        table_print(t, stdout);
        table_free(t);
    }
}

int seat_ls_run(const struct call *c)
{
    struct seating g = {0};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = seating_read(&g, &s);
    progress_end(&s.progress);
    if (rc == DONE)
        seats_show(&g, c->option[OPT_JSON] != NULL);
    seating_clear(&g);
    session_close(&s);
    return rc;
}
