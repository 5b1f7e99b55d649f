/* SPDX-License-Identifier: Apache-2.0 */
/* render.h - the values of a listed party's fields in words
 *
 * Every value has two forms.  `plain` is what people read.  `exact` names every part that the list
 * states and nothing derived from it, so two values differ where and only where their exact forms
 * do.  All lies in the arena.
 */
#pragma once

#include "chancery/sanctions/v1/sanctions.pb-c.h"
#include "lib/mem.h"

struct value {
    const char *plain, *exact;
};

struct values {
    struct value *at;
    size_t n;
};

/* Memory of the arena; an arena that comparisons work in has no cap that they could reach. */
void *render_take(struct arena *arena, size_t size);
enum { RENDER_ARENA = 1024 * 1024 * 1024 };

/* The values of the field, in the party's order; absent ones are left out. */
struct values render_field(const Sanctions__ListedParty *party,
                           const ProtobufCFieldDescriptor *field, struct arena *arena);
