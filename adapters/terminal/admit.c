/* SPDX-License-Identifier: Apache-2.0 */
/* admit.c - `seat admit`: a card becomes a seat and its keys, in one batch */
#include <strings.h>

#include "adapters/terminal/act.h"
#include "adapters/terminal/card.h"
#include "adapters/terminal/commands.h"
#include "adapters/terminal/given.h"
#include "adapters/terminal/show.h"
#include "chancery/core/v1/registry.pb-c.h"
#include "lib/err.h"

struct admission { /* the messages of the batch */
    Core__SeatAdmitted seat;
    Core__KeyAdded keys[HALVES_MOST];
    const ProtobufCMessage *all[1 + HALVES_MOST];
    size_t n;
    char *where; /* that the keys are kept */
};

static void admission_make(struct admission *a, struct card *card)
{
    core__seat_admitted__init(&a->seat);
    a->seat.seat = card->to.seat;
    a->seat.office = card->to.office;
    a->seat.kind = CORE__SEAT_KIND__SEAT_KIND_PERSON;
    a->seat.name = card->to.name;
    a->where = mem_printf("keys/%s.key", card->to.seat);
    a->all[a->n++] = &a->seat.base;
    for (size_t i = 0; halves[i].name; i++) {
        Core__KeyAdded *key = &a->keys[i];
        if (!card->has[i])
            continue;
        core__key_added__init(key);
        key->seat = card->to.seat;
        key->kind = (Core__KeyKind)halves[i].kind;
        key->public_key = (ProtobufCBinaryData){KEY_SIZE, card->halves[i]};
        key->name = a->where;
        a->all[a->n++] = &key->base;
    }
}

/* ---- is it ours? ---- */

/* The log's verifier key of this instance is that of the card: else the invitation was another
 * one, or changed on its way. */
static int check_log_key(const struct card *card, const struct settings *s, const char *file)
{
    struct buf own = {0};
    char *vkey = mem_printf("%s/log.vkey", s->dir);
    int rc = given_read(vkey, NOTE_SIZE, &own);
    struct slice line = slice_of(own.data, rc == DONE ? strcspn(buf_cstr(&own), "\n") : 0);

    if (rc == DONE && !slice_is(line, card->to.log_key)) {
        complain("%s: the card has another verifier key of %s than %s; whose invitation was it?",
                 file, s->log, vkey);
        rc = FAILED;
    }
    mem_free(vkey);
    buf_free(&own);
    return rc;
}

static int check_log(const struct card *card, const struct settings *s, const char *file)
{
    if (strcmp(card->to.log, s->log) != 0) {
        complain("%s: the card is for the log %s; this is %s", file, card->to.log, s->log);
        return FAILED;
    }
    if (strcasecmp(card->to.server_key, s->server_key) != 0) {
        complain("%s: the card names another broker's key than this instance; whose invitation"
                 " was it?",
                 file);
        return FAILED;
    }
    return check_log_key(card, s, file);
}

/* ---- the verb ---- */

static void show_card(const struct card *card, const char *words)
{
    show_line("seat", "%s", card->to.seat);
    show_line("office", "%s", card->to.office);
    show_line("name", "%s", card->to.name);
    show_line("log", "%s", card->to.log);
    show_line("invitation", "%s", card->to.code);
    show_line("fingerprint", "%s", words);
}

static int admit(const struct call *c, struct card *card, const char *words)
{
    struct admission a = {.n = 0};
    struct session s;
    int rc = session_open_publishing(&s, c);

    if (rc != DONE)
        return rc;
    rc = check_log(card, &s.settings, c->argument[0]);
    progress_end(&s.progress);
    if (rc == DONE) {
        show_card(card, words);
        fflush(stdout);
        admission_make(&a, card);
        rc = act_sign(c, &s, a.all, a.n,
                      mem_printf("%s is seated in %s, with the keys of the card %s", card->to.seat,
                                 card->to.office, words));
    }
    mem_free(a.where);
    session_close(&s);
    return rc;
}

int seat_admit_run(const struct call *c)
{
    const char *file = c->argument[0];
    struct card card = {0};
    struct buf text = {0}, why = {0}, words = {0};
    uint8_t print[CARD_PRINT_SIZE];
    int rc = given_read(file, CARD_MOST, &text);

    if (rc == DONE && card_read(&card, file, slice_buf(&text), &why) != 0) {
        complain("%s", buf_cstr(&why));
        rc = FAILED;
    }
    if (rc == DONE) {
        card_print(print, slice_buf(&text));
        text_words(&words, slice_of(print, sizeof print));
        rc = admit(c, &card, buf_cstr(&words));
    }
    card_clear(&card);
    buf_free(&text);
    buf_free(&why);
    buf_free(&words);
    return rc;
}
