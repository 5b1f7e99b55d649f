/* SPDX-License-Identifier: Apache-2.0 */
/* card.c - an invitation or a card from anybody: taken, or refused with a sentence
 *
 * A card that is taken has a seat, an office and the keys that are needed; an invitation that is
 * taken is answered by a card that is taken too.
 */
#include "adapters/terminal/card.h"

#include <assert.h>
#include <stddef.h>

#include "lib/envelope.h"
#include "lib/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_card(struct slice text)
{
    struct card card = {0};
    struct buf why = {0};

    if (card_read(&card, "card", text, &why) == 0) {
        assert(identifier_valid(card.to.seat) && office_valid(card.to.office));
        assert(!card.to.endpoint && why.size == 0);
        for (size_t i = 0; halves[i].name; i++)
            assert(card.has[i] || !halves[i].needed);
        card_clear(&card);
    } else {
        assert(why.size > 0 && !card.to.seat);
    }
    buf_free(&why);
}

/* Another card of the same invitation is taken. */
static void try_answer(const struct invitation *in)
{
    struct seat_key key;
    struct card card = {0};
    struct buf text = {0}, why = {0};

    seat_key_make(&key, in->seat, in->office);
    card_write(in, &key, &text);
    if (card_read(&card, "answer", slice_buf(&text), &why) == 0) {
        assert(strcmp(card.to.name, in->name) == 0);
        card_clear(&card);
    } else { /* a line became too long */
        assert(why.size > 0);
    }
    seat_key_clear(&key);
    buf_free(&text);
    buf_free(&why);
}

static void try_invitation(struct slice text)
{
    struct invitation in = {0};
    struct buf why = {0}, again = {0};

    if (invitation_read(&in, "invitation", text, &why) == 0) {
        assert(identifier_valid(in.seat) && office_valid(in.office) && in.endpoint);
        try_answer(&in);
        invitation_write(&in, &again, &why);
        invitation_clear(&in);
    } else {
        assert(why.size > 0 && !in.seat);
    }
    buf_free(&why);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = slice_of(data, size);

    card_is(text);
    try_card(text);
    try_invitation(text);
    return 0;
}
