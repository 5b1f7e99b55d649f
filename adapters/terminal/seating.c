/* SPDX-License-Identifier: Apache-2.0 */
#include "adapters/terminal/seating.h"

#include "chancery/core/v1/registry.pb-c.h"
#include "lib/mem.h"

static struct seating_seat *seat_find(struct seating *g, const char *name)
{
    for (size_t i = 0; i < g->n; i++)
        if (strcmp(g->list[i].name, name) == 0)
            return &g->list[i];
    return NULL;
}

static struct seating_key key_of(ProtobufCBinaryData public_key, int kind, const char *name)
{
    struct seating_key key = {.kind = kind};

    if (public_key.len == KEY_SIZE) {
        memcpy(key.public_key, public_key.data, KEY_SIZE);
        key_id(key.id, public_key.data);
    }
    snprintf(key.name, sizeof key.name, "%s", name);
    return key;
}

static void key_add(struct seating_seat *seat, struct seating_key key)
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
    struct seating_seat *seat = seat_find(g, a->seat);

    if (!seat) {
        g->list = mem_grow(g->list, (g->n + 1) * sizeof *g->list);
        seat = &g->list[g->n++];
        *seat = (struct seating_seat){0};
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
    struct seating_seat *seat = seat_find(g, k->seat);

    if (seat)
        key_add(seat, key_of(k->public_key, (int)k->kind, k->name));
}

static void take_revoked(struct seating *g, const void *body)
{
    const Core__KeyRevoked *r = body;
    struct seating_seat *seat = seat_find(g, r->seat);

    for (size_t i = 0; seat && r->key_id.len == KEY_ID_SIZE && i < seat->n_keys; i++) {
        struct seating_key *key = &seat->keys[i];
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

static bool gather(void *arg, const struct seen *seen)
{
    for (size_t i = 0; seen->body && i < sizeof take_rows / sizeof *take_rows; i++)
        if (take_rows[i].type == seen->type)
            take_rows[i].take(arg, seen->body);
    return true;
}

int seating_read(struct seating *g, struct session *s)
{
    struct look look = {.streams = {"registry"}, .each = gather, .arg = g};

    return session_look(s, &look);
}

void seating_clear(struct seating *g)
{
    for (size_t i = 0; i < g->n; i++)
        mem_free(g->list[i].keys);
    mem_free(g->list);
    *g = (struct seating){0};
}
