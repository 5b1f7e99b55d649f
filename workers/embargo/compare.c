/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/embargo/render.h"
#include "workers/embargo/same.h"
#include "workers/embargo/text.h"

struct field_row {
    const char *field;  /* of ListedParty */
    const char *name;   /* for people */
    const char *source; /* the list's element, of a person */
    const char *other;  /* of anything else; NULL = the same */
    bool editorial;     /* whatever changes in it */
    bool birth;         /* holds birth data */
};

/* `name` is made of name_1 .. name_4 where a list gives these, and then it says nothing more; nor
 * does the list's own number of a version, which stays out of the content. */
static const struct field_row field_rows[] = {
    {"type", "type", "INDIVIDUAL", "ENTITY", false, false},
    {"committee", "committee", "UN_LIST_TYPE", NULL, false, false},
    {"name", "name", "FIRST_NAME", NULL, false, false},
    {"name_1", "first name", "FIRST_NAME", NULL, false, false},
    {"name_2", "second name", "SECOND_NAME", NULL, false, false},
    {"name_3", "third name", "THIRD_NAME", NULL, false, false},
    {"name_4", "fourth name", "FOURTH_NAME", NULL, false, false},
    {"name_original_script", "name in original script", "NAME_ORIGINAL_SCRIPT", NULL, false, false},
    {"gender", "gender", "GENDER", NULL, false, false},
    {"titles", "title", "TITLE", NULL, false, false},
    {"designations", "designation", "DESIGNATION", NULL, false, false},
    {"nationalities", "nationality", "NATIONALITY", NULL, false, false},
    {"aliases", "alias", "INDIVIDUAL_ALIAS", "ENTITY_ALIAS", false, true},
    {"addresses", "address", "INDIVIDUAL_ADDRESS", "ENTITY_ADDRESS", false, false},
    {"birth_dates", "date of birth", "INDIVIDUAL_DATE_OF_BIRTH", NULL, false, true},
    {"birth_places", "place of birth", "INDIVIDUAL_PLACE_OF_BIRTH", NULL, false, true},
    {"documents", "document", "INDIVIDUAL_DOCUMENT", NULL, false, false},
    {"listed_on", "listed on", "LISTED_ON", NULL, false, false},
    {"submitted_by", "submitted by", "SUBMITTED_BY", NULL, false, false},
    {"submitted_on", "submitted on", "SUBMITTED_ON", NULL, false, false},
    {"updated_on", "last updated", "LAST_DAY_UPDATED", NULL, true, false},
    {"comments", "comments", "COMMENTS1", NULL, true, false},
    {"list_types", "list type", "LIST_TYPE", NULL, false, false},
    {"delisted_on", "delisted on", "DELISTED_ON", NULL, false, false},
    {NULL, NULL, NULL, NULL, false, false},
};

struct texts { /* sorted, so that two of them compare as sets with multiplicity */
    const char **at;
    size_t n;
};

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static struct texts texts_new(size_t n, struct arena *arena)
{
    return (struct texts){render_take(arena, (n + 1) * sizeof(const char *)), 0};
}

static void texts_sort(struct texts *texts)
{
    qsort(texts->at, texts->n, sizeof *texts->at, text_order);
}

static bool texts_equal(const struct texts *a, const struct texts *b)
{
    bool equal = a->n == b->n;

    for (size_t i = 0; equal && i < a->n; i++)
        equal = strcmp(a->at[i], b->at[i]) == 0;
    return equal;
}

/* All of a's texts are among b's, however often. */
static bool texts_within(const struct texts *a, const struct texts *b)
{
    bool within = true;

    for (size_t i = 0; within && i < a->n; i++)
        within = bsearch(&a->at[i], b->at, b->n, sizeof *b->at, text_order) != NULL;
    return within;
}

/* ---- what went and what came ---- */

static int value_order(const void *a, const void *b)
{
    const struct value *x = a, *y = b;

    return strcmp(x->exact, y->exact);
}

/* Drops from both what both have; each keeps the order of its exact forms. */
static void values_part(struct values *a, struct values *b)
{
    size_t i = 0, j = 0, na = 0, nb = 0;

    qsort(a->at, a->n, sizeof *a->at, value_order);
    qsort(b->at, b->n, sizeof *b->at, value_order);
    while (i < a->n || j < b->n) {
        int c = i == a->n ? 1 : j == b->n ? -1 : value_order(&a->at[i], &b->at[j]);
        if (c < 0)
            a->at[na++] = a->at[i++];
        else if (c > 0)
            b->at[nb++] = b->at[j++];
        else
            i++, j++;
    }
    a->n = na;
    b->n = nb;
}

static struct texts texts_folded(const struct values *values, struct arena *arena)
{
    struct texts texts = texts_new(values->n, arena);

    for (size_t i = 0; i < values->n; i++)
        texts.at[texts.n++] = text_fold(values->at[i].exact, arena);
    texts_sort(&texts);
    return texts;
}

static bool only_case(const struct values *went, const struct values *came, struct arena *arena)
{
    if (went->n != came->n)
        return false;
    struct texts a = texts_folded(went, arena), b = texts_folded(came, arena);
    return texts_equal(&a, &b);
}

/* ---- birth data moved between the aliases and its own blocks ---- */

/* Birth data by its content: days where they are known, else the words. */
static const char *date_key(const Sanctions__ListDate *date, struct arena *arena)
{
    if (!date->known)
        return text_fold(date->text, arena);
    char *key = render_take(arena, 32);
    snprintf(key, 32, "%d %d", date->from_day, date->to_day);
    return key;
}

static const char *place_key(const char *const parts[], size_t n, struct arena *arena)
{
    size_t size = 1;

    for (size_t i = 0; i < n; i++)
        size += strlen(parts[i]) + 2;
    char *key = render_take(arena, size), *end = key;
    for (size_t i = 0; i < n; i++)
        if (parts[i][0])
            end += snprintf(end, size - (size_t)(end - key), "%s, ", parts[i]);
    return text_fold(key, arena);
}

struct births {                             /* of one version of a party */
    struct texts dates, places;             /* in their own blocks */
    struct texts alias_dates, alias_places; /* with an alias */
    struct texts aliases;                   /* what they hold besides */
};

static void births_of_alias(struct births *out, const Sanctions__Alias *alias, struct arena *arena)
{
    const char *const place[] = {alias->city_of_birth, alias->country_of_birth};
    const char *const rest[] = {alias->name, alias->quality_text, alias->note};
    size_t size = 16 + strlen(rest[0]) + strlen(rest[1]) + strlen(rest[2]);
    char *key = render_take(arena, size);

    if (alias->birth_date)
        out->alias_dates.at[out->alias_dates.n++] = date_key(alias->birth_date, arena);
    if (place[0][0] || place[1][0])
        out->alias_places.at[out->alias_places.n++] = place_key(place, 2, arena);
    if (!rest[0][0] && !rest[1][0] && !rest[2][0])
        return; /* holds nothing but birth data */
    snprintf(key, size, "%d\n%s\n%s\n%s", (int)alias->quality, rest[0], rest[1], rest[2]);
    out->aliases.at[out->aliases.n++] = text_fold(key, arena);
}

static struct births births_of(const Sanctions__ListedParty *party, struct arena *arena)
{
    struct births out = {
        .dates = texts_new(party->n_birth_dates, arena),
        .places = texts_new(party->n_birth_places, arena),
        .alias_dates = texts_new(party->n_aliases, arena),
        .alias_places = texts_new(party->n_aliases, arena),
        .aliases = texts_new(party->n_aliases, arena),
    };

    for (size_t i = 0; i < party->n_birth_dates; i++)
        out.dates.at[out.dates.n++] = date_key(party->birth_dates[i], arena);
    for (size_t i = 0; i < party->n_birth_places; i++) {
        const Sanctions__Place *p = party->birth_places[i];
        const char *const parts[] = {p->street,   p->city,    p->state_province,
                                     p->zip_code, p->country, p->note};
        out.places.at[out.places.n++] = place_key(parts, 6, arena);
    }
    for (size_t i = 0; i < party->n_aliases; i++)
        births_of_alias(&out, party->aliases[i], arena);
    texts_sort(&out.dates);
    texts_sort(&out.places);
    texts_sort(&out.alias_dates);
    texts_sort(&out.alias_places);
    texts_sort(&out.aliases);
    return out;
}

/* a's texts that b has not, counted. */
static struct texts texts_less(const struct texts *a, const struct texts *b, struct arena *arena)
{
    struct texts less = texts_new(a->n, arena);
    size_t j = 0;

    for (size_t i = 0; i < a->n; i++) {
        while (j < b->n && strcmp(b->at[j], a->at[i]) < 0)
            j++;
        if (j < b->n && strcmp(b->at[j], a->at[i]) == 0)
            j++;
        else
            less.at[less.n++] = a->at[i];
    }
    return less;
}

/* Nothing went from one block that the other did not take up, and nothing came from nowhere. */
static bool block_moved(const struct texts *before, const struct texts *after,
                        const struct texts *other_before, const struct texts *other_after,
                        struct arena *arena)
{
    struct texts went = texts_less(before, after, arena);
    struct texts came = texts_less(after, before, arena);

    return texts_within(&went, other_after) && texts_within(&came, other_before);
}

/* What changed in the field is birth data that the other block has or had. */
static bool only_moved(const char *field, const struct births *a, const struct births *b,
                       struct arena *arena)
{
    bool dates, places;

    if (strcmp(field, "aliases") == 0) {
        dates = block_moved(&a->alias_dates, &b->alias_dates, &a->dates, &b->dates, arena);
        places = block_moved(&a->alias_places, &b->alias_places, &a->places, &b->places, arena);
        return dates && places && texts_equal(&a->aliases, &b->aliases);
    }
    if (strcmp(field, "birth_dates") == 0)
        return !texts_equal(&a->dates, &b->dates) &&
               block_moved(&a->dates, &b->dates, &a->alias_dates, &b->alias_dates, arena);
    return !texts_equal(&a->places, &b->places) &&
           block_moved(&a->places, &b->places, &a->alias_places, &b->alias_places, arena);
}

/* ---- changes ---- */

struct room { /* what the values of one party may still take */
    size_t bytes, values;
};

static const char *cut(const char *text, struct room *room, struct arena *arena)
{
    static const char mark[] = " [cut; the feed has it whole]";
    size_t size = strlen(text), most = room->bytes < VALUE_MOST ? room->bytes : VALUE_MOST;

    if (size <= most) {
        room->bytes -= size;
        return text;
    }
    while (most > 0 && ((unsigned char)text[most] & 0xC0) == 0x80)
        most--;
    char *shorter = render_take(arena, most + sizeof mark);
    memcpy(shorter, text, most);
    memcpy(shorter + most, mark, sizeof mark);
    room->bytes -= most;
    return shorter;
}

static size_t put_values(const char ***out, const struct values *values, bool exact,
                         struct room *room, struct arena *arena)
{
    size_t n = values->n < room->values ? values->n : room->values;

    *out = render_take(arena, (n + 1) * sizeof **out);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = cut(exact ? values->at[i].exact : values->at[i].plain, room, arena);
    room->values -= n;
    if (n < values->n) {
        char *more = render_take(arena, 64);
        snprintf(more, 64, "[and %zu more; the feed has them]", values->n - n);
        (*out)[n++] = more;
    }
    return n;
}

/* Some value reads alike before and after: then the exact forms must say what changed. */
static bool reads_alike(const struct values *went, const struct values *came)
{
    for (size_t i = 0; i < went->n; i++)
        for (size_t j = 0; j < came->n; j++)
            if (strcmp(went->at[i].plain, came->at[j].plain) == 0)
                return true;
    return false;
}

struct comparing {
    struct comparison *out;
    const Sanctions__ListedParty *before, *after;
    struct arena *arena;
    struct room room;
};

static bool is_editorial(struct comparing *c, const struct field_row *row,
                         const struct values *went, const struct values *came)
{
    if (row->editorial || only_case(went, came, c->arena))
        return true;
    if (!row->birth)
        return false;
    struct births a = births_of(c->before, c->arena), b = births_of(c->after, c->arena);
    return only_moved(row->field, &a, &b, c->arena);
}

static void compare_field(struct comparing *c, const struct field_row *row)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(
        &sanctions__listed_party__descriptor, row->field);
    if (same_field(&c->before->base, &c->after->base, field))
        return;
    struct values went = render_field(c->before, field, c->arena);
    struct values came = render_field(c->after, field, c->arena);
    bool person = c->after->type == SANCTIONS__PARTY_TYPE__PARTY_TYPE_PERSON;

    values_part(&went, &came);
    if (went.n == 0 && came.n == 0)
        return;
    Embargo__FieldChange *change = render_take(c->arena, sizeof *change);
    embargo__field_change__init(change);
    bool exact = reads_alike(&went, &came);
    change->name = row->name;
    change->source = person || !row->other ? row->source : row->other;
    change->n_before = put_values(&change->before, &went, exact, &c->room, c->arena);
    change->n_after = put_values(&change->after, &came, exact, &c->room, c->arena);
    change->weight = is_editorial(c, row, &went, &came) ? EMBARGO__WEIGHT__WEIGHT_EDITORIAL
                                                        : EMBARGO__WEIGHT__WEIGHT_SUBSTANTIVE;
    c->out->substantive |= change->weight == EMBARGO__WEIGHT__WEIGHT_SUBSTANTIVE;
    c->out->changes[c->out->n++] = change;
}

static bool has_name_parts(const Sanctions__ListedParty *p)
{
    return p->name_1[0] || p->name_2[0] || p->name_3[0] || p->name_4[0];
}

void compare_parties(struct comparison *out, const Sanctions__ListedParty *before,
                     const Sanctions__ListedParty *after, struct arena *arena)
{
    struct comparing c = {out, before, after, arena, {CHANGES_MOST, CHANGES_VALUES}};
    bool parts = has_name_parts(before) && has_name_parts(after);

    *out = (struct comparison){
        .changes = render_take(arena, sizeof field_rows / sizeof *field_rows * sizeof(void *)),
        .rekeyed = strcmp(before->internal_id, after->internal_id) != 0,
    };
    for (const struct field_row *row = field_rows; row->field; row++)
        if (!parts || strcmp(row->field, "name") != 0)
            compare_field(&c, row);
}
