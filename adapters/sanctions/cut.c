/* SPDX-License-Identifier: Apache-2.0 */
/* cut.c - a party as events, each within the bounds of one (list_cut of list.h)
 *
 * Repeated fields are walked in the order of their numbers, so that putting the events together
 * again restores the canonical order.  Values are lent, never copied.
 */
#include "adapters/sanctions/list.h"
#include "lib/err.h"

#define REPEATED(name, message)                                                             \
    {                                                                                       \
        offsetof(Sanctions__ListedParty, n_##name), offsetof(Sanctions__ListedParty, name), \
            message                                                                         \
    }

static const struct repeated {
    size_t n, values; /* offsets in the party */
    bool message;
} repeated[] = {
    REPEATED(titles, false),      REPEATED(designations, false), REPEATED(nationalities, false),
    REPEATED(aliases, true),      REPEATED(addresses, true),     REPEATED(birth_dates, true),
    REPEATED(birth_places, true), REPEATED(documents, true),     REPEATED(updated_on, true),
    REPEATED(list_types, false),
};

enum {
    REPEATED_N = sizeof repeated / sizeof *repeated,
    OVERHEAD = 160 /* hashes, numbers, tags */
};

struct cutting {
    const Sanctions__ListedParty *whole;
    size_t field, index;  /* the next value */
    size_t bytes, fields; /* of the event that is being filled */
};

static size_t *count_at(Sanctions__ListedParty *p, const struct repeated *r)
{
    return (size_t *)(void *)((char *)p + r->n);
}

static void ***values_at(Sanctions__ListedParty *p, const struct repeated *r)
{
    return (void ***)(void *)((char *)p + r->values);
}

/* Fields as the pre-scan counts them, at most one more. */
static size_t message_fields(const ProtobufCMessage *m)
{
    size_t n = 0;

    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const ProtobufCMessage *inner;
        n++;
        if (f->label == PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        memcpy(&inner, (const char *)m + f->offset, sizeof inner);
        n += inner ? message_fields(inner) : 0;
    }
    return n;
}

static void measure(const void *value, bool message, size_t *bytes, size_t *fields)
{
    *bytes = 8 + (message ? protobuf_c_message_get_packed_size(value) : strlen(value));
    *fields = 1 + (message ? message_fields(value) : 0);
}

static void begin(struct cutting *c, Sanctions__ListedParty *part, bool first)
{
    if (first)
        *part = *c->whole;
    else
        sanctions__listed_party__init(part);
    for (size_t i = 0; i < REPEATED_N; i++)
        *count_at(part, &repeated[i]) = 0;
    part->list = c->whole->list;
    part->reference = c->whole->reference;
    c->bytes = OVERHEAD + protobuf_c_message_get_packed_size(&part->base);
    c->fields = 8 + message_fields(&part->base);
}

/* Moves values into the part until it is full: 1 = more are left, 0 = that was all. */
static int fill(struct cutting *c, Sanctions__ListedParty *part)
{
    Sanctions__ListedParty whole = *c->whole; /* the values stay where they are */
    size_t moved = 0;

    for (; c->field < REPEATED_N; c->field++, c->index = 0) {
        const struct repeated *r = &repeated[c->field];
        if (*count_at(&whole, r) == 0)
            continue; /* no array to point into */
        *values_at(part, r) = *values_at(&whole, r) + c->index;
        for (; c->index < *count_at(&whole, r); c->index++, moved++) {
            size_t bytes, fields;
            measure((*values_at(&whole, r))[c->index], r->message, &bytes, &fields);
            if (c->bytes + bytes > PIECE_BYTES || c->fields + fields > PIECE_FIELDS)
                return moved > 0 ? 1 : ERR_BOUNDS;
            c->bytes += bytes;
            c->fields += fields;
            (*count_at(part, r))++;
        }
    }
    return c->bytes > PIECE_BYTES ? ERR_BOUNDS : 0;
}

/* Walks all events; hands each out where `each` is not NULL. */
static int walk(const Sanctions__ListedParty *party, Sanctions__PartyPublished *piece,
                list_piece *each, void *arg)
{
    struct cutting c = {.whole = party};
    Sanctions__ListedParty part;
    int more, rc = 0;

    piece->number = 0;
    piece->party = &part;
    do {
        begin(&c, &part, piece->number == 0);
        more = fill(&c, &part);
        piece->number++;
        if (more >= 0 && each)
            rc = each(arg, piece);
    } while (more > 0 && rc == 0);
    piece->party = NULL;
    return rc ? rc : more;
}

int list_cut(const Sanctions__ListedParty *party, const struct hash *snapshot,
             const struct hash *content, list_piece *each, void *arg)
{
    struct hash hashes[2] = {*snapshot, *content};
    Sanctions__PartyPublished piece = SANCTIONS__PARTY_PUBLISHED__INIT;

    piece.snapshot = (ProtobufCBinaryData){HASH_SIZE, hashes[0].bytes};
    piece.content = (ProtobufCBinaryData){HASH_SIZE, hashes[1].bytes};
    int rc = walk(party, &piece, NULL, NULL);
    if (rc != 0)
        return rc;
    piece.of = piece.number;
    return walk(party, &piece, each, arg);
}
