/* SPDX-License-Identifier: Apache-2.0 */
/* seat.c - `seat ls`: who is seated, told by the registry's own events */
#include <stdlib.h>

#include "adapters/terminal/commands.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/sign.h"

struct key {
    uint8_t id[KEY_ID_SIZE];
    int kind;
    char name[256];
    bool revoked;
};

struct seat {
    char name[65], office[130], about[256];
    int kind;
    struct key *keys;
    size_t n_keys, revoked;
};

struct seating {
    struct seat *list;
    size_t n;
    char administrator[65]; /* admitted later, with the key that founded the log */
    struct key founder;
};

static struct seat *seat_find(struct seating *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    return NULL;
}

static struct key key_of(ProtobufCBinaryData public_key, int kind, const char *name)
{
    struct key key = {.kind = kind};

    if (public_key.len == KEY_SIZE)
        key_id(key.id, public_key.data);
    snprintf(key.name, sizeof key.name, "%s", name);
    return key;
}

static void key_add(struct seat *seat, struct key key)
{
    seat->keys = mem_grow(seat->keys, (seat->n_keys + 1) * sizeof *seat->keys);
    seat->keys[seat->n_keys++] = key;
}

static void take_founded(struct seating *g, const void *body)
{
    const Core__LogFounded *f = body;

    snprintf(g->administrator, sizeof g->administrator, "%s", f->administrator);
    g->founder = key_of(f->administrator_key, CORE__KEY_KIND__KEY_KIND_ED25519, "");
}

static void take_admitted(struct seating *g, const void *body)
{
    const Core__SeatAdmitted *a = body;
    struct seat *seat = seat_find(g, a->seat);

    if (!seat) {
        g->list = mem_grow(g->list, (g->n + 1) * sizeof *g->list);
        seat = &g->list[g->n++];
        *seat = (struct seat){0};
        if (strcmp(a->seat, g->administrator) == 0)
            key_add(seat, g->founder);
    }
    snprintf(seat->name, sizeof seat->name, "%s", a->seat);
    snprintf(seat->office, sizeof seat->office, "%s", a->office);
    snprintf(seat->about, sizeof seat->about, "%s", a->name);
    seat->kind = (int)a->kind;
}

static void take_key(struct seating *g, const void *body)
{
    const Core__KeyAdded *k = body;
    struct seat *seat = seat_find(g, k->seat);

    if (seat)
        key_add(seat, key_of(k->public_key, (int)k->kind, k->name));
}

static void take_revoked(struct seating *g, const void *body)
{
    const Core__KeyRevoked *r = body;
    struct seat *seat = seat_find(g, r->seat);

    for (size_t i = 0; seat && r->key_id.len == KEY_ID_SIZE && i < seat->n_keys; i++) {
        struct key *key = &seat->keys[i];
        if (key->revoked || memcmp(key->id, r->key_id.data, KEY_ID_SIZE) != 0)
            continue;
        key->revoked = true;
        seat->revoked++;
    }
}

static const struct {
    const ProtobufCMessageDescriptor *type;
    void (*take)(struct seating *g, const void *body);
} take_rows[] = {
    {&core__log_founded__descriptor, take_founded},
    {&core__seat_admitted__descriptor, take_admitted},
    {&core__key_added__descriptor, take_key},
    {&core__key_revoked__descriptor, take_revoked},
};

static bool seats_gather(void *arg, const struct seen *seen)
{
    for (size_t i = 0; seen->body && i < sizeof take_rows / sizeof *take_rows; i++)
        if (take_rows[i].type == seen->type)
            take_rows[i].take(arg, seen->body);
    return true;
}

/* ---- showing ---- */

static json_t *keys_json(const struct seat *seat)
{
    json_t *keys = json_array();

    for (size_t i = 0; i < seat->n_keys; i++) {
        const struct key *key = &seat->keys[i];
        char id[2 * KEY_ID_SIZE + 1], *kind = enum_of(&core__key_kind__descriptor, key->kind);
        hex_encode(id, key->id, KEY_ID_SIZE);
        json_array_append_new(keys, json_pack("{s:s, s:s, s:s, s:b}", "kind", kind, "keyId", id,
                                              "name", key->name, "revoked", key->revoked));
        mem_free(kind);
    }
    return keys;
}

static void seat_show(const struct seat *seat, struct table *t)
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
    struct look look = {.streams = {"registry"}, .each = seats_gather, .arg = &g};
    struct session s;
    int rc = session_open(&s, c);

    if (rc != DONE)
        return rc;
    rc = session_look(&s, &look);
    progress_end(&s.progress);
    if (rc == DONE)
        seats_show(&g, c->option[OPT_JSON] != NULL);
    for (size_t i = 0; i < g.n; i++)
        mem_free(g.list[i].keys);
    mem_free(g.list);
    session_close(&s);
    return rc;
}
