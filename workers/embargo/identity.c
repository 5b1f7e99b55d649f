/* SPDX-License-Identifier: Apache-2.0 */
#include "workers/embargo/identity.h"

#include "workers/embargo/render.h"
#include "workers/embargo/text.h"

struct names {
    struct words *at;
    size_t n;
};

static struct names names_of(const Sanctions__ListedParty *party, struct arena *arena)
{
    struct names names = {.at = render_take(arena, (party->n_aliases + 2) * sizeof *names.at)};

    names.at[names.n++] = text_words(party->name, arena);
    names.at[names.n++] = text_words(party->name_original_script, arena);
    for (size_t i = 0; i < party->n_aliases; i++)
        names.at[names.n++] = text_words(party->aliases[i]->name, arena);
    return names;
}

static bool names_meet(const struct names *a, const struct names *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++) {
            size_t fewer = a->at[i].n < b->at[j].n ? a->at[i].n : b->at[j].n;
            if (fewer > 0 && 2 * words_common(a->at[i], b->at[j]) > fewer)
                return true;
        }
    return false;
}

struct births {
    const Sanctions__ListDate **at;
    size_t n;
};

static struct births births_of(const Sanctions__ListedParty *party, struct arena *arena)
{
    struct births births = {0};

    births.at =
        render_take(arena, (party->n_birth_dates + party->n_aliases + 1) * sizeof *births.at);
    for (size_t i = 0; i < party->n_birth_dates; i++)
        if (party->birth_dates[i]->known)
            births.at[births.n++] = party->birth_dates[i];
    for (size_t i = 0; i < party->n_aliases; i++)
        if (party->aliases[i]->birth_date && party->aliases[i]->birth_date->known)
            births.at[births.n++] = party->aliases[i]->birth_date;
    return births;
}

static bool births_meet(const struct births *a, const struct births *b)
{
    for (size_t i = 0; i < a->n; i++)
        for (size_t j = 0; j < b->n; j++)
            if (a->at[i]->from_day <= b->at[j]->to_day && b->at[j]->from_day <= a->at[i]->to_day)
                return true;
    return false;
}

bool identity_doubtful(const Sanctions__ListedParty *before, const Sanctions__ListedParty *after,
                       struct arena *arena)
{
    struct births a = births_of(before, arena), b = births_of(after, arena);
    bool births_disagree = a.n > 0 && b.n > 0 && !births_meet(&a, &b);

    if (!births_disagree && before->type == after->type)
        return false;
    struct names old = names_of(before, arena), new = names_of(after, arena);
    return !names_meet(&old, &new);
}

bool identity_nameless(const Sanctions__ListedParty *before, const Sanctions__ListedParty *after)
{
    return before->name[0] && !after->name[0];
}
